"""The reasons of a tuned choice, in words that a retoucher understands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from masks.detectors.types import PhraseScores
from masks.tune_types import Candidate

_DOUBTS: Sequence[tuple[str, Callable[[float], bool], str]] = (
    ("whole_body", lambda value: value > 0.8, "it is nearly the whole figure"),
    ("outside", lambda value: value > 0.3, "much of it lies outside the figure"),
    ("zone_off", lambda value: value > 0.1, "it lies where such a thing is not worn"),
    ("figure_off", lambda value: value > 2, "its share of the figure is unusual for its class"),
    ("area_off", lambda value: value > 2, "its size is unusual for its class"),
    ("aspect_off", lambda value: value > 2, "its proportions are unusual for its class"),
    ("coverage", lambda value: value > 0.7, "it fills the picture"),
    ("claimed", lambda value: value > 0.05, "an excluded phrase fits it better"),
    ("predicted_iou", lambda value: value < 0.75, "the segmenter doubts its own mask"),
    ("stability", lambda value: value < 0.8, "its outline depends on the cut-off"),
    ("repeat", lambda value: value < 0.8, "asked again, the segmenter answers otherwise"),
    ("consensus", lambda value: value < 0.4, "the other boxes show something else"),
    ("agreement", lambda value: value < 0.6, "its synonyms are found elsewhere"),
    ("scattered", lambda value: value > 0.3, "it is in many parts"),
    ("gap", lambda value: value < 0.02, "something else scores as well"),
)  # fmt: skip


def reasons_of(
    phrases: Sequence[PhraseScores], best: Candidate, *, present: bool, parts: int, plateaus: int
) -> tuple[str, ...]:
    """Why this candidate was taken, then what speaks against it."""
    low, high = best.thresholds
    name = phrases[0].phrase
    first = (
        f"{name!r}: thresholds from {low:.2f} to {high:.2f} end at this box, of {plateaus} plateaus"
        if present
        else f"{name!r} is hardly in the picture: the best box scores {best.score:.2f}"
    )
    found = [first]
    if len(phrases) > 1 and best.measures["agreement"] >= 0.85:
        found.append(f"{len(phrases)} phrases agree")
    if parts > 1:
        found.append(f"{parts} parts are merged")
    found += [f"{words} ({best.measures[key]:.2f})" for key, doubtful, words in _DOUBTS if doubtful(best.measures[key])]
    return tuple(found)

"""Thresholds that tune themselves: per photo, from stored scores, to one mask with its reasons and a confidence.

The thresholds of one phrase fall into plateaus that keep the same boxes. Every plateau adds a candidate; the segmenter
is asked about each, and about the box of its answer again; each answer is measured (``masks.measures``) and judged
(``masks.judge``). The detector never runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.detectors.boxes import best_boxes, box_iou
from masks.detectors.types import PhraseScores
from masks.judge import Judge, shipped_judge
from masks.measures import NAMES, Around, Proposals, mask_ious, measure
from masks.priors import Prior, default_prior
from masks.tune_types import Candidate, Floats, Segment, Segmented, SweepRow, Tuned
from masks.tune_words import reasons_of
from pipeline.errors import RecipeError
from pipeline.types import Size

LOWEST = 0.05
"""Thresholds below are not looked at: there the detector says nothing."""
PROPOSALS = 6
NMS_IOU = 0.75
SAME_MASK, SAME_BOX = 0.95, 0.93
AREA_FLOOR, AREA_CEILING = 0.0005, 0.98
PART_QUALITY = 0.5
"""In merged mode, a further part is taken from this quality on."""


def plateaus(scores: Floats, *, lowest: float = LOWEST) -> Floats:
    """The thresholds at which each of K boxes, falling in score, is the last one kept: (K, 2), low and high."""
    high = scores.astype(np.float32)
    low = np.append(high[1:], np.float32(lowest)).astype(np.float32)
    return np.stack([np.minimum(low, high), high], axis=1)


def propose(
    phrases: Sequence[PhraseScores], size: Size, *, limit: int = PROPOSALS, nms_iou: float = NMS_IOU
) -> Proposals:
    """The boxes worth asking about, of a phrase and its synonyms together, the best first.

    Args:
        phrases: what the detector said; of one thing's several names.
        size: height and width that the boxes are meant in.
        limit: how many.
        nms_iou: a box that overlaps a better one by more is the same box.
    """
    boxes = np.concatenate([found.boxes for found in phrases]).astype(np.float32)
    scores = np.concatenate([found.scores for found in phrases]).astype(np.float32)
    share = (boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1) / (size[0] * size[1])
    fit = np.flatnonzero((share > AREA_FLOOR) & (share < AREA_CEILING) & (scores > LOWEST))
    kept = fit[best_boxes(boxes[fit], scores[fit], nms_iou)][:limit]
    return Proposals(boxes=boxes[kept], scores=scores[kept], plateaus=plateaus(scores[kept]))


def fused(proposals: Proposals, phrases: Sequence[PhraseScores], *, iou: float = 0.65) -> Floats:
    """Each box averaged with all that overlap it, weighted by squared score: (K, 4).

    Solovyev et al., "Weighted boxes fusion" (2021): several queries see the same thing, and their mean is truer than
    the best of them.
    """
    boxes = np.concatenate([found.boxes for found in phrases]).astype(np.float32)
    weights = np.concatenate([found.scores for found in phrases]) ** 2 + 1e-9
    near = (box_iou(proposals.boxes, boxes) > iou) * weights[None]
    total = near.sum(axis=1, keepdims=True)
    return np.where(total > 0, near @ boxes / np.maximum(total, 1e-9), proposals.boxes).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Prompts with the segmenter's answers, and how much each answer repeats itself when asked by its own box."""

    prompts: Proposals
    answers: Segmented
    repeats: Floats


def _ask(proposals: Proposals, phrases: Sequence[PhraseScores], segment: Segment) -> _Asked:
    """Ask about every box and its fused form, then again by the boxes of what they gave; keep what differs."""
    other = fused(proposals, phrases)
    moved = np.flatnonzero(np.diagonal(box_iou(other, proposals.boxes)) < SAME_BOX)
    both = _joined(proposals, _taken(replace(proposals, boxes=other), moved))
    first = segment(both.boxes)
    keep = _different(first, both.scores)
    both, first = _taken(both, keep), _answers(first, keep)
    if not keep:
        return _Asked(prompts=both, answers=first, repeats=np.zeros(0, np.float32))
    tight = np.array([ops.bounding_box(mask) for mask in first.masks], np.float32)
    second = segment(tight)
    repeats = np.array([ops.iou(a, b) for a, b in zip(first.masks, second.masks, strict=True)], np.float32)
    everything = _joined(both, replace(both, boxes=tight))
    answers = Segmented(**{n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in vars(first)})
    keep = _different(answers, everything.scores)
    return _Asked(prompts=_taken(everything, keep), answers=_answers(answers, keep), repeats=np.tile(repeats, 2)[keep])


def _taken(proposals: Proposals, at: Sequence[int] | NDArray[np.intp]) -> Proposals:
    return Proposals(**{name: values[list(at)] for name, values in vars(proposals).items()})


def _answers(answers: Segmented, at: Sequence[int]) -> Segmented:
    return Segmented(**{name: values[list(at)] for name, values in vars(answers).items()})


def _joined(one: Proposals, other: Proposals) -> Proposals:
    return Proposals(**{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in vars(one)})


def _different(answers: Segmented, scores: Floats) -> list[int]:
    """Indices of non-empty masks without near copies, those of better scores first."""
    alike = mask_ious(answers.masks)
    kept: list[int] = []
    for at in np.argsort(-scores, kind="stable").tolist():
        if answers.masks[at].any() and all(alike[at, other] < SAME_MASK for other in kept):
            kept.append(at)
    return kept


def measured(
    phrases: Sequence[PhraseScores], segment: Segment, size: Size, *, prior: Prior | None = None,
    around: Around | None = None,
) -> list[Candidate]:  # fmt: skip
    """Every answer worth considering with what is measured of it, not judged yet; as ``tune_phrase`` takes them."""
    proposals = propose(phrases, size)
    asked = _ask(proposals, phrases, segment) if len(proposals.scores) else None
    if asked is None or not len(asked.prompts.scores):
        return []
    expected = prior or default_prior(phrases[0].phrase)
    rows = measure(
        asked.answers.masks, asked.prompts, asked.answers.ious, asked.answers.stabilities, asked.repeats,
        phrases, expected, around or Around(),
    )  # fmt: skip
    return [
        Candidate(
            box=asked.prompts.boxes[at],
            mask=asked.answers.masks[at],
            score=float(asked.prompts.scores[at]),
            thresholds=(float(asked.prompts.plateaus[at, 0]), float(asked.prompts.plateaus[at, 1])),
            measures=dict(zip(NAMES, row, strict=True)),
        )
        for at, row in enumerate(rows.tolist())
    ]


def judged(found: Sequence[Candidate], judge: Judge) -> list[Candidate]:
    """The candidates with their quality, the best first.

    The detector's own score counts beside the judge, as the odds of two witnesses multiply: alone it orders candidates
    nearly as well, and it errs elsewhere.
    """
    if not found:
        return []
    qualities = judge.choice(np.array([[one.measures[name] for name in NAMES] for one in found]))
    both = [replace(one, quality=float(quality)) for one, quality in zip(found, qualities, strict=True)]
    return sorted(both, key=lambda one: -(_log_odds(one.quality) + _log_odds(one.score)))


def _log_odds(chance: float) -> float:
    held = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(held / (1 - held))


def tune_phrase(
    phrases: PhraseScores | Sequence[PhraseScores], segment: Segment, size: Size, *, prior: Prior | None = None,
    around: Around | None = None, parts: str = "best", judge: Judge | None = None,
) -> Tuned:  # fmt: skip
    """Choose the threshold, the boxes and the mask of one subject in one photo.

    Args:
        phrases: the stored scores of the phrase; with its synonyms, if it has any, the phrase first.
        segment: from boxes to masks, in the frame of ``size``.
        size: height and width that the boxes are in.
        prior: what is expected of the class; its default by default. ``masks.priors.learn_prior`` learns it from
            approved siblings.
        around: what else is known: the whole figure, unwanted things.
        parts: ``best``, the one best thing; or ``merged``, it and all others that are good themselves (two shoes).
        judge: fitted weights; those that come with Seamline by default.

    Raises:
        RecipeError: no phrase, or ``parts`` is neither.
    """
    names = [phrases] if isinstance(phrases, PhraseScores) else list(phrases)
    if not names or parts not in ("best", "merged"):
        raise RecipeError(f"Tuning needs a phrase, and parts best or merged; got {len(names)} phrases, parts {parts!r}")
    judge = judge or shipped_judge()
    found = judged(measured(names, segment, size, prior=prior, around=around), judge)
    if not found:
        words = f"no box for {names[0].phrase!r} scores above {LOWEST}"
        return Tuned(
            threshold=LOWEST, boxes=np.zeros((0, 4), np.float32), mask=np.zeros(size, bool), confidence=0.0,
            present=False, reasons=(words,), sweep=(),
        )  # fmt: skip
    best = found[0]
    row = after_row(found)
    present = judge.there(row) >= judge.absent_below
    chosen = [best, *(_further_parts(found) if parts == "merged" else [])]
    threshold = float(np.mean(min(chosen, key=lambda one: one.score).thresholds))
    return Tuned(
        threshold=round(threshold, 4),
        boxes=np.stack([one.box for one in chosen]) if present else np.zeros((0, 4), np.float32),
        mask=np.any([one.mask for one in chosen], axis=0) if present else np.zeros(size, bool),
        confidence=judge.sure(row) if present else 0.0,
        present=present,
        reasons=reasons_of(
            names, best, present=present, parts=len(chosen), plateaus=len({c.thresholds for c in found})
        ),
        sweep=sweep_of(found, min(chosen, key=lambda one: one.score)),
        score=best.score,
    )


def after_row(found: Sequence[Candidate]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """``masks.judge.AFTER`` of the best of some candidates."""
    best = found[0]
    others = [one.quality for one in found[1:] if ops.iou(one.mask, best.mask) < 0.7]
    lead = best.quality - max(others, default=0.0)
    top = max(one.score for one in found)
    return np.array([*(best.measures[name] for name in NAMES), best.quality, lead, top], np.float64)


def _further_parts(found: Sequence[Candidate]) -> list[Candidate]:
    """Other things that are good themselves and hardly share pixels with what is taken already."""
    taken, parts = found[0].mask.copy(), []
    for one in found[1:]:
        shared = np.count_nonzero(one.mask & taken) / max(int(np.count_nonzero(one.mask)), 1)
        if one.quality >= max(PART_QUALITY, 0.6 * found[0].quality) and shared < 0.1:
            parts.append(one)
            taken |= one.mask
    return parts


def sweep_of(found: Sequence[Candidate], chosen: Candidate) -> tuple[SweepRow, ...]:
    """One row a plateau, thresholds falling."""
    edges = sorted({one.thresholds for one in found}, reverse=True)
    rows = []
    for count, (low, high) in enumerate(edges, start=1):
        quality = max(one.quality for one in found if one.thresholds == (low, high))
        rows.append(
            SweepRow(
                threshold=round((low + high) / 2, 4), low=low, high=high, boxes=count, score=quality,
                chosen=(low, high) == chosen.thresholds,
            )
        )  # fmt: skip
    return tuple(rows)

"""Array work on detections: corners, overlap, non-maximum suppression, thresholds. No network, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from masks.detectors.types import Floats, PhraseScores, RawDetections
from pipeline.errors import RecipeError
from pipeline.types import Size


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Boxes that passed a threshold, the best first.

    Attributes:
        boxes: (K, 4) float32, x0, y0, x1, y1 in pixels.
        scores: (K,) float32 in [0, 1].
        phrases: K phrases.
        labels: K labels: the words of the phrase whose own score exceeds ``text_threshold``.
    """

    boxes: Floats
    scores: Floats
    phrases: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        """How many boxes there are."""
        return len(self.scores)


def boxes_cxcywh_to_xyxy(centred: Floats, size: Size) -> Floats:
    """Boxes as centre and size, relative to the picture, to corners in pixels, clipped to the picture.

    Args:
        centred: (N, 4) in [0, 1].
        size: height and width in pixels.
    """
    height, width = size
    scale = np.array([width, height, width, height], np.float32)
    centre, half = centred[:, :2], centred[:, 2:] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1) * scale
    return np.clip(corners, 0, scale).astype(np.float32)


def box_iou(first: Floats, second: Floats) -> Floats:
    """Intersection over union of every box of one set with every box of the other: (N, 4), (M, 4) to (N, M)."""
    overlap = np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    shared = overlap.clip(min=0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None] - shared
    iou: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0).astype(np.float32)
    return iou


def best_boxes(boxes: Floats, scores: Floats, iou: float) -> NDArray[np.intp]:
    """Indices of the boxes that non-maximum suppression keeps, the best first.

    Args:
        boxes: (N, 4) corners.
        scores: (N,).
        iou: a box that overlaps a better one by more than this is dropped.
    """
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[box_iou(boxes[best : best + 1], boxes[left])[0] <= iou]
    return np.array(kept, np.intp)


def boxes_at(
    raw: RawDetections, box_threshold: float | Mapping[str, float], *, text_threshold: float = 0.25,
    phrases: Sequence[str] | None = None, nms_iou: float = 0.7, max_boxes: int | None = None,
    area_floor: float = 0.0, area_ceiling: float = 1.0, every_word: bool = False,
) -> Boxes:  # fmt: skip
    """The boxes of stored detections at a threshold. No network runs.

    Args:
        raw: what ``detect`` gave.
        box_threshold: a query is kept where its best word exceeds this; one number, or one a phrase.
        text_threshold: a word belongs to a box's label where its own score exceeds this.
        phrases: only these of the stored phrases; all by default.
        nms_iou: within a phrase, a box that overlaps a better one by more is dropped.
        max_boxes: keep this many a phrase: the best, not the first.
        area_floor: smallest share of the picture that a box may cover.
        area_ceiling: largest share; an absent thing is often answered by a box around everything.
        every_word: drop boxes whose label lacks a word of the phrase (`red dress` found on any dress).
    """
    chosen = [raw.of(phrase) for phrase in phrases] if phrases is not None else list(raw.phrases)
    parts = [
        (
            found,
            _passing(found, raw.size, box_threshold, text_threshold, nms_iou, (area_floor, area_ceiling), every_word),
        )
        for found in chosen
    ]
    kept = [(found, at) for found, indices in parts for at in indices[:max_boxes]]
    kept.sort(key=lambda pair: -float(pair[0].scores[pair[1]]))
    return Boxes(
        boxes=np.array([found.boxes[at] for found, at in kept], np.float32).reshape(-1, 4),
        scores=np.array([found.scores[at] for found, at in kept], np.float32),
        phrases=tuple(found.phrase for found, _ in kept),
        labels=tuple(_label(found, int(at), text_threshold) for found, at in kept),
    )


def _passing(
    found: PhraseScores, size: Size, box_threshold: float | Mapping[str, float], text_threshold: float,
    nms_iou: float, area_limits: tuple[float, float], every_word: bool,
) -> NDArray[np.intp]:  # fmt: skip
    if isinstance(box_threshold, Mapping):
        if found.phrase not in box_threshold:
            raise RecipeError(f"No box_threshold for the phrase {found.phrase!r}; add one")
        threshold = box_threshold[found.phrase]
    else:
        threshold = box_threshold
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    share = sides.prod(axis=1) / (size[0] * size[1])
    keep = (found.scores > threshold) & (share >= area_limits[0]) & (share <= area_limits[1]) & (sides > 0).all(axis=1)
    if every_word:
        keep &= (found.word_scores > text_threshold).all(axis=1)
    at = np.flatnonzero(keep)
    return at[best_boxes(found.boxes[at], found.scores[at], nms_iou)]


def _label(found: PhraseScores, at: int, text_threshold: float) -> str:
    return " ".join(
        word for word, score in zip(found.words, found.word_scores[at], strict=True) if score > text_threshold
    )

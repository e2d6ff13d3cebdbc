"""What every threshold would give over a sample of photos, from stored scores: counts, masks, IoU, a recommendation.

Array work on what `masks.evidence` keeps: the detector does not run, the segmenter answers each box once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from masks import ops
from masks.detect import Boxes, Detected, boxes_at
from masks.detectors.types import RawDetections
from masks.segment import predict
from masks.segmenters.types import Embedding, Segmenter
from masks.text import masks_of_boxes
from pipeline.types import Mask

LOWEST = 0.05
"""Thresholds below are not looked at: there the detector says nothing."""
MOST_BOXES = 24
"""Boxes that one photo may have; what scores lower than so many others is not looked at."""
WORK_PX = 384
"""Longest side at which masks are compared and shown."""
GRID = tuple(round(float(value), 2) for value in np.arange(LOWEST, 0.901, 0.01))
"""Thresholds of a curve."""


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """Thresholds that give the same: those from ``low`` up to, but not including, ``high``.

    Attributes:
        low: the lower end.
        high: the upper end.
        found: how many things are detected.
        score: the detector's score of the best, 0 if there is none.
        mask: (h, w) of the subject that a batch would take; empty if nothing is found.
        iou: with the true mask, if that is known.
    """

    low: float
    high: float
    found: int
    score: float
    mask: Mask
    iou: float | None = None


@dataclass(frozen=True, kw_only=True)
class Point:
    """One threshold over many photos: shares of them with no, one and several detections, and the mean IoU."""

    threshold: float
    none: float
    one: float
    many: float
    iou: float | None = None


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A fixed threshold for all photos: the middle of the range ``low`` to ``high`` of equally good ones, and why."""

    threshold: float
    low: float
    high: float
    why: str


def sweep(
    raw: RawDetections, segmenter: Segmenter, embedding: Embedding, phrases: Sequence[str], *,
    exclude: Sequence[str] = (), merged: bool = False, truth: Mask | None = None,
) -> tuple[Plateau, ...]:  # fmt: skip
    """All that thresholds from `LOWEST` to 1 can give in one photo, thresholds rising.

    Args:
        raw: stored detections that hold the phrases.
        segmenter: made the embedding.
        embedding: of this photo.
        phrases: what is wanted.
        exclude: what is not.
        merged: the subject is all things found together, not the best one.
        truth: (H, W) the true mask, of any size of the photo's proportions.

    Raises:
        KeyError: a phrase was not asked.
    """
    boxes = _boxes(raw, [*phrases, *exclude])
    size = work_size(raw.size)
    small = replace(embedding, size=size)
    scaled = replace(
        boxes, boxes=boxes.boxes * np.array([size[1] / raw.size[1], size[0] / raw.size[0]] * 2, np.float32)
    )
    answers = predict(segmenter, small, boxes=scaled.boxes) if len(boxes) else None
    goal = None if truth is None else ops.resized(truth, size)
    plateaus = []
    edges = [1.0, *(float(score) for score in boxes.scores), float(np.float32(LOWEST))]
    for kept in range(len(boxes) + 1):
        low, high = edges[kept + 1], edges[kept]
        if low >= high:
            continue
        things: list[Detected] = []
        if kept and answers is not None:
            things = masks_of_boxes(segmenter, small, _first(scaled, kept), exclude=exclude, predicted=answers)
        mask = _subject(things, merged) if things else np.zeros(size, bool)
        plateaus.append(
            Plateau(
                low=low,
                high=high,
                found=len(things),
                score=things[0].score if things else 0.0,
                mask=mask,
                iou=None if goal is None else ops.iou(mask, goal),
            )
        )
    return tuple(reversed(plateaus))


def work_size(size: tuple[int, int]) -> tuple[int, int]:
    """The size at which masks are compared: that of the picture, or smaller."""
    scale = min(1.0, WORK_PX / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _boxes(raw: RawDetections, asked: Sequence[str]) -> Boxes:
    found = boxes_at(raw, LOWEST, phrases=list(dict.fromkeys(asked)))
    return _first(found, MOST_BOXES)


def _first(found: Boxes, number: int) -> Boxes:
    """The best so many: what a threshold keeps, since suppression lets better boxes decide first."""
    return Boxes(
        boxes=found.boxes[:number],
        scores=found.scores[:number],
        phrases=found.phrases[:number],
        labels=found.labels[:number],
    )


def _subject(things: Sequence[Detected], merged: bool) -> Mask:
    mask: Mask = np.any([thing.mask for thing in things], axis=0) if merged else things[0].mask
    return mask


def at(plateaus: Sequence[Plateau], threshold: float) -> Plateau:
    """What a threshold gives. Thresholds under `LOWEST` give what that gives."""
    value = float(np.float32(threshold))  # as scores are compared
    return next((one for one in reversed(plateaus) if one.low <= value), plateaus[0])


def curve(photos: Sequence[Sequence[Plateau]], thresholds: Sequence[float] = GRID) -> list[Point]:
    """Shares and mean IoU over photos for each threshold. Photos without a true mask do not count in the mean."""
    points = []
    for threshold in thresholds:
        here = [at(plateaus, threshold) for plateaus in photos]
        counts = np.array([one.found for one in here])
        known = [one.iou for one in here if one.iou is not None]
        points.append(
            Point(
                threshold=threshold,
                none=float((counts == 0).mean()),
                one=float((counts == 1).mean()),
                many=float((counts > 1).mean()),
                iou=float(np.mean(known)) if known else None,
            )
        )
    return points


def advise(points: Sequence[Point], *, slack: float = 0.002) -> Advice:
    """The best fixed threshold: of the highest mean IoU, or, with no true masks, of the most photos with one detection.

    Of equally good ranges (within ``slack``) the widest, and its middle: there a photo that is a little darker or
    smaller than these is still right.
    """
    scored = all(point.iou is not None for point in points)
    values = np.array([point.iou if point.iou is not None else point.one for point in points], np.float64)
    good = np.concatenate([[False], values >= values.max() - slack, [False]])
    starts = np.flatnonzero(good[1:] & ~good[:-1])
    stops = np.flatnonzero(~good[1:] & good[:-1])
    widest = int(np.argmax(stops - starts))
    low, high = points[starts[widest]], points[stops[widest] - 1]
    middle = points[(starts[widest] + stops[widest] - 1) // 2]
    best = f"mean IoU {middle.iou:.3f}" if scored else f"{middle.one:.0%} of the photos have exactly one detection"
    return Advice(
        threshold=middle.threshold,
        low=low.threshold,
        high=high.threshold,
        why=f"{best}, anywhere from {low.threshold:.2f} to {high.threshold:.2f}",
    )

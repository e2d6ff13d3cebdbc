"""What lies under a click: by the segmenter's clicks, else by boxes around the click, else by colour.

Segmenters that were never trained on clicks (the studio's own) answer them with nothing. An answer that leaves out the
very point that was clicked is none, so the next way is tried.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from masks.segment import predict, stability
from masks.segmenters.types import Embedding, Floats, Predicted, Segmenter
from pipeline.types import Image, Mask

Point = tuple[float, float]
"""x, y in pixels of the picture."""

SQUARES = (0.08, 0.16, 0.3, 0.5)
"""Sides of boxes around a click, in shares of the picture's longer side."""
MOST_BOXES = 12
_SURE = 0.7
"""Quality, predicted IoU times stability, under which a box's mask is not believed."""
_WORTHY = 0.1
"""A region of one colour is the thing meant from this share of its box's mask on."""
_TOLERANCE = 9.0
"""Distance in Lab up to which the wand takes a neighbour for the same colour: fabric with its folds and grain."""


def pick(
    segmenter: Segmenter, embedding: Embedding, image: Image, at: Point, *, but: Sequence[Point] = (),
    boxes: Floats | None = None,
) -> Mask:  # fmt: skip
    """The mask of what lies at a point.

    Args:
        segmenter: made the embedding.
        embedding: of this picture.
        image: (H, W, 3) uint8.
        at: the click; inside the picture.
        but: points that are not part of it.
        boxes: (N, 4) boxes that a detector proposed, in pixels, of whatever score.
    """
    found = predict(
        segmenter, embedding, points=[[at, *but]], labels=[[1, *(0 for _ in but)]], several=not but
    )  # fmt: skip
    answer: Mask = found.masks[0]
    if _answers(answer, at, but):
        return answer
    by_box, by_color = _by_boxes(segmenter, embedding, at, but, boxes), wand(image, at, but)
    # Too much is worse than too little, which a second click adds; but a stripe is not the coat.
    small = by_box is None or np.count_nonzero(by_color) >= _WORTHY * np.count_nonzero(by_box)
    return by_color if by_box is None or small else by_box


def _answers(mask: Mask, at: Point, but: Sequence[Point]) -> bool:
    return bool(mask[_cell(at)]) and not any(mask[_cell(other)] for other in but)


def _cell(point: Point) -> tuple[int, int]:
    return int(point[1]), int(point[0])


def _by_boxes(
    segmenter: Segmenter, embedding: Embedding, at: Point, but: Sequence[Point], boxes: Floats | None
) -> Mask | None:
    """The surest mask of a box around the click that holds the click and none of the others; None without one."""
    tried = _around(at, embedding.size, boxes)
    found = predict(segmenter, embedding, boxes=tried)
    quality = found.ious * stability(found.logits)
    for number in np.argsort(-quality):
        if quality[number] < _SURE:
            return None
        if _answers(found.masks[number], at, but) and _fills(found, int(number), tried):
            mask: Mask = found.masks[number]
            return mask
    return None


def _around(at: Point, size: tuple[int, int], boxes: Floats | None) -> Floats:
    height, width = size
    x, y = at
    tried = []
    if boxes is not None:
        inside = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
        small = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])) < 0.8 * height * width
        tried = [boxes[inside & small][:MOST_BOXES]]
    halves = np.array(SQUARES, np.float32) * max(size) / 2
    squares = np.stack([x - halves, y - halves, x + halves, y + halves], axis=1)
    limits = np.array([width, height, width, height], np.float32)
    return np.concatenate([*tried, np.clip(squares, 0, limits)]).astype(np.float32)


def _fills(found: Predicted, number: int, tried: Floats) -> bool:
    """Whether a mask is about its box: a box that is cut through a larger thing is filled to its sides."""
    mask, (x0, y0, x1, y1) = found.masks[number], tried[number].round().astype(int)
    part = mask[max(y0, 0) : y1, max(x0, 0) : x1]
    if not part.size:
        return False
    rim = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    return float(rim.mean()) < 0.5


def wand(image: Image, at: Point, but: Sequence[Point] = (), *, tolerance: float = _TOLERANCE) -> Mask:
    """The connected region whose smoothed colour is like that at a point; bounded by the colours of ``but``.

    Args:
        image: (H, W, 3) uint8.
        at: x, y.
        but: points that are not part of it: what is nearer to their colours is left out.
        tolerance: distance in CIE Lab.
    """
    smooth = cv2.bilateralFilter(image, 7, 30, 5) if max(image.shape) < 2500 else cv2.medianBlur(image, 5)
    lab = cv2.cvtColor(smooth.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    apart = np.linalg.norm(lab - lab[_cell(at)], axis=2)
    alike = apart <= tolerance
    for other in but:
        alike &= np.linalg.norm(lab - lab[_cell(other)], axis=2) >= apart
    _, labels = cv2.connectedComponents(alike.astype(np.uint8), connectivity=4)
    region: Mask = labels == labels[_cell(at)]
    region &= alike
    if not region.any():
        region[_cell(at)] = True
    closed = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    filled: Mask = closed > 0
    for other in but:
        filled[_cell(other)] = False
    return filled

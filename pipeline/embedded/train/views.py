"""Scenes as a detector's training sees them: cropped, zoomed, flipped and with a camera's faults, boxes following."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.train.data import SceneCache, Thing
from pipeline.embedded.train.sam import augmented

SHARES = (0.55, 0.35, 0.1)
SEEN = 0.6
"""A thing whose box keeps less than this share of its area inside the crop is not asked for."""
LONGEST = 0.98
"""Sides of boxes end here: beyond 0.999 the two packages clamp their refinement differently."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One training picture.

    Attributes:
        pixels: (h, w, 3) float32 in [0, 255].
        labels: (h / 2, w / 2) uint8, the scene's label map.
        things: what is well inside the picture.
        boxes: theirs, (n, 4) float32: centre and sides relative to the picture.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.uint8]
    things: tuple[Thing, ...]
    boxes: NDArray[np.float32]


def shapes_at(side: int) -> tuple[tuple[int, int], ...]:
    """Heights and widths of batches, about as large as a square of ``side``: square, portrait, landscape."""
    long, short = (round(side * share / 8) * 8 for share in (7 / 6, 7 / 8))
    return (side, side), (long, short), (short, long)


def shape_of_batch(rng: np.random.Generator, side: int) -> tuple[int, int]:
    """Height and width of the next batch's pictures."""
    return shapes_at(side)[int(rng.choice(len(SHARES), p=SHARES))]


def view(cache: SceneCache, index: int, rng: np.random.Generator, shape: tuple[int, int]) -> View:
    """Scene ``index`` through a random crop of the aspect of ``shape``, flipped half of the time."""
    native = cache.images.shape[1]
    zoom = float(rng.uniform(0.7, 1)) if rng.random() < 0.4 else 1.0
    height, width = (round(native * zoom * side / max(shape)) for side in shape)
    top, left = int(rng.integers(native - height + 1)), int(rng.integers(native - width + 1))
    rows, columns = slice(top, top + height), slice(left, left + width)
    pixels = cv2.resize(np.asarray(cache.images[index][rows, columns]), shape[::-1], interpolation=cv2.INTER_AREA)
    small = (shape[1] // 2, shape[0] // 2)
    labels = cv2.resize(np.asarray(cache.labels[index][rows, columns]), small, interpolation=cv2.INTER_NEAREST)
    flip = rng.random() < 0.5
    if flip:
        pixels, labels = pixels[:, ::-1], labels[:, ::-1]
    things, boxes = [], []
    for thing in cache.things[index]:
        box = _inside(thing.box, (top, left, height, width))
        if box is not None:
            things.append(thing)
            boxes.append([1 - box[0], *box[1:]] if flip else list(box))
    return View(
        pixels=augmented(pixels, rng),
        labels=np.ascontiguousarray(labels, np.uint8),
        things=tuple(things),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
    )


def _inside(
    box: tuple[int, int, int, int], crop: tuple[int, int, int, int]
) -> tuple[float, float, float, float] | None:
    """A box as centre and sides relative to the crop (top, left, height, width); None if too little of it is left."""
    top, left, height, width = crop
    x0, x1 = (min(max(x - left, 0), width) for x in (box[0], box[2]))
    y0, y1 = (min(max(y - top, 0), height) for y in (box[1], box[3]))
    if (x1 - x0) * (y1 - y0) < SEEN * (box[2] - box[0]) * (box[3] - box[1]):
        return None
    sides = min((x1 - x0) / width, LONGEST), min((y1 - y0) / height, LONGEST)
    return (x0 + x1) / 2 / width, (y0 + y1) / 2 / height, *sides

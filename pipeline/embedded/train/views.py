"""Scenes as a detector's training sees them: alone, far away or two side by side; cropped, flipped and with a camera's
faults, boxes following."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.render import box_of
from pipeline.embedded.train.data import SceneCache, Thing
from pipeline.embedded.train.mix import PLAIN, Mix

SHARES = (0.55, 0.35, 0.1)
SECOND = 128
"""What is added to the label numbers of a pair's second scene."""
SEEN = 0.6
"""A thing whose box keeps less than this share of its area inside the crop is not asked for."""
LONGEST = 0.98
"""Sides of boxes end here: beyond 0.999 the two packages clamp their refinement differently."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One training picture.

    Attributes:
        pixels: (h, w, 3) float32 in [0, 255].
        labels: uint8, the scene's label map, at half the picture's size unless another was asked.
        things: what is well inside the picture.
        boxes: theirs, (n, 4) float32: centre and sides relative to the picture.
        scene: everything of the scene, inside the picture or not.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.uint8]
    things: tuple[Thing, ...]
    boxes: NDArray[np.float32]
    scene: tuple[Thing, ...]


def shapes_at(side: int) -> tuple[tuple[int, int], ...]:
    """Heights and widths of batches, about as large as a square of ``side``: square, portrait, landscape."""
    long, short = (round(side * share / 8) * 8 for share in (7 / 6, 7 / 8))
    return (side, side), (long, short), (short, long)


def shape_of_batch(rng: np.random.Generator, side: int) -> tuple[int, int]:
    """Height and width of the next batch's pictures."""
    return shapes_at(side)[int(rng.choice(len(SHARES), p=SHARES))]


def view(
    cache: SceneCache,
    index: int,
    rng: np.random.Generator,
    shape: tuple[int, int],
    mix: Mix = PLAIN,
    *,
    label_scale: int = 2,
) -> View:
    """Scene ``index``, at times far away or beside another, through a random crop of the aspect of ``shape``.

    The label map's sides are those of the picture divided by ``label_scale``.
    """
    scene = _placed(cache, index, rng, mix)
    native = scene.image.shape[0]
    zoom = float(rng.uniform(0.7, 1)) if rng.random() < 0.4 else 1.0
    height, width = (round(native * zoom * side / max(shape)) for side in shape)
    top, left = int(rng.integers(native - height + 1)), int(rng.integers(native - width + 1))
    rows, columns = slice(top, top + height), slice(left, left + width)
    pixels = cv2.resize(np.asarray(scene.image[rows, columns]), shape[::-1], interpolation=cv2.INTER_AREA)
    small = (shape[1] // label_scale, shape[0] // label_scale)
    labels = cv2.resize(np.asarray(scene.labels[rows, columns]), small, interpolation=cv2.INTER_NEAREST)
    flip = rng.random() < 0.5
    things, boxes = [], []
    for thing in scene.things:
        box = _inside(thing, (top, left, height, width), labels)
        if box is not None:
            things.append(thing)
            boxes.append([1 - box[0], *box[1:]] if flip else list(box))
    if flip:
        pixels, labels = pixels[:, ::-1], labels[:, ::-1]
    return View(
        pixels=augmented(_dimmed(pixels, rng) if rng.random() < mix.dim else pixels, rng),
        labels=np.ascontiguousarray(labels, np.uint8),
        things=tuple(things),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scene=scene.things,
    )


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """A square picture with its label map and things, as large as the cache's."""

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    things: tuple[Thing, ...]


def _placed(cache: SceneCache, index: int, rng: np.random.Generator, mix: Mix) -> _Scene:
    """A scene by itself, far away, or beside another one."""
    one = _Scene(image=cache.images[index], labels=cache.labels[index], things=cache.things[index])
    drawn = rng.random()
    if drawn < mix.far:
        return _far(one, rng)
    if drawn < mix.far + mix.pairs:
        at = int(rng.integers(len(cache)))
        return _beside(one, _Scene(image=cache.images[at], labels=cache.labels[at], things=cache.things[at]))
    return one


def _far(scene: _Scene, rng: np.random.Generator) -> _Scene:
    """The scene at half its size or more, at a random place; the backdrop's edge goes on around it."""
    side = scene.image.shape[0]
    inner = round(side * float(rng.uniform(0.5, 0.9)))
    left, top = (int(rng.integers(side - inner + 1)) for _ in range(2))
    edges = (top, side - inner - top, left, side - inner - left)
    image = cv2.resize(np.asarray(scene.image), (inner, inner), interpolation=cv2.INTER_AREA)
    labels = cv2.resize(np.asarray(scene.labels), (inner, inner), interpolation=cv2.INTER_NEAREST)
    scale = inner / side
    return _Scene(
        image=np.asarray(cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE), np.uint8),
        labels=np.asarray(cv2.copyMakeBorder(labels, *edges, cv2.BORDER_CONSTANT, value=0), np.uint8),
        things=tuple(replace(thing, box=_moved(thing.box, scale, left, top)) for thing in scene.things),
    )


def _beside(one: _Scene, other: _Scene) -> _Scene:
    """The middles of two scenes side by side."""
    side = one.image.shape[0]
    half = side // 2
    middle = slice(side // 4, side // 4 + half)
    labels = np.asarray(other.labels[:, middle])
    second = np.where(labels > 0, labels + np.uint8(SECOND), np.uint8(0)).astype(np.uint8)
    things = [*_within(one.things, one.labels[:, middle], side // 4)]
    for thing in _within(other.things, labels, side // 4):
        x0, y0, x1, y1 = thing.box
        numbers = tuple(number + SECOND for number in thing.labels)
        things.append(replace(thing, labels=numbers, box=(x0 + half, y0, x1 + half, y1)))
    return _Scene(
        image=np.concatenate([np.asarray(one.image[:, middle]), np.asarray(other.image[:, middle])], axis=1),
        labels=np.concatenate([np.asarray(one.labels[:, middle]), second], axis=1),
        things=tuple(things),
    )


def paired(cache: SceneCache) -> SceneCache:
    """Every scene's middle beside that of the next one; as many pictures of the same size."""
    every = [
        _Scene(image=image, labels=labels, things=things)
        for image, labels, things in zip(cache.images, cache.labels, cache.things, strict=True)
    ]
    both = [_beside(one, other) for one, other in zip(every, [*every[1:], every[0]], strict=True)]
    return SceneCache(
        images=np.stack([one.image for one in both]),
        labels=np.stack([one.labels for one in both]),
        things=tuple(one.things for one in both),
    )


def _moved(box: tuple[int, int, int, int], scale: float, left: int, top: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (round(edge * scale) for edge in box)
    return x0 + left, y0 + top, x1 + left, y1 + top


def _within(things: tuple[Thing, ...], labels: NDArray[np.uint8], start: int) -> Iterator[Thing]:
    """What keeps most of its box in columns from ``start`` on, with the box of what is left of it there."""
    width = labels.shape[1]
    for thing in things:
        x0, x1 = (min(max(x - start, 0), width) for x in (thing.box[0], thing.box[2]))
        if x1 - x0 == thing.box[2] - thing.box[0]:
            yield replace(thing, box=(x0, thing.box[1], x1, thing.box[3]))
        elif x1 - x0 >= SEEN * (thing.box[2] - thing.box[0]) and (left := np.isin(labels, thing.labels)).any():
            yield replace(thing, box=box_of(left))


def _dimmed(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """As through haze or badly lit."""
    dim = (pixels.astype(np.float32) - 128) * float(rng.uniform(0.3, 0.8)) + float(rng.uniform(60, 200))
    return np.asarray(np.clip(np.rint(dim), 0, 255), np.uint8)


def _inside(
    thing: Thing, crop: tuple[int, int, int, int], labels: NDArray[Any]
) -> tuple[float, float, float, float] | None:
    """A thing's box as centre and sides relative to the crop (top, left, height, width) that ``labels`` (h, w) shows.

    What the crop cuts gets the box of what is left of it; None if that is too little.
    """
    top, left, height, width = crop
    edges = np.array(thing.box, np.float64) - [left, top, left, top]
    x0, y0, x1, y1 = np.clip(edges, 0, [width, height, width, height])
    if (x1 - x0) * (y1 - y0) < SEEN * (edges[2] - edges[0]) * (edges[3] - edges[1]):
        return None
    box = np.array([x0 / width, y0 / height, x1 / width, y1 / height])
    if (edges != (x0, y0, x1, y1)).any() and (visible := np.isin(labels, thing.labels)).any():
        box = np.array(box_of(visible)) / (*labels.shape[::-1], *labels.shape[::-1])
    x0, y0, x1, y1 = box.tolist()
    return (x0 + x1) / 2, (y0 + y1) / 2, min(x1 - x0, LONGEST), min(y1 - y0, LONGEST)


def augmented(image: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
    """Colour cast, contrast, blur and grain, as cameras add them to an RGB image in [0, 255]: float32."""
    x = image.astype(np.float32)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.3, 0.9))).astype(np.float32)
    x = (x - 128) * float(rng.uniform(0.85, 1.1)) + 128 + rng.normal(0, 6, 3).astype(np.float32)
    if rng.random() < 0.5:
        x += rng.normal(0, float(rng.uniform(1, 5)), x.shape).astype(np.float32)
    return np.clip(x, 0, 255)

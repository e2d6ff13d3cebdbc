"""What the foreground network is taught on: labelled pictures, and their subjects in other surroundings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.backdrops import BACKDROPS, backdrop, tabletop
from pipeline.embedded.render import render
from pipeline.embedded.train.data import TRAIN_SEED
from pipeline.types import Image

LESSON_PX: Final = 224
"""Side of a stored picture; pictures of any shape are squeezed into the square."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """``images`` (N, S, S, 3) and ``alphas`` (N, S, S), uint8; where ``known`` (N) is False the alpha means nothing."""

    images: NDArray[np.uint8]
    alphas: NDArray[np.uint8]
    known: NDArray[np.bool_]

    def save(self, path: Path) -> None:
        """Write one npz file; an interrupted write leaves nothing under its name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".tmp.npz")
        np.savez_compressed(fresh, images=self.images, alphas=self.alphas, known=self.known)
        fresh.replace(path)

    @staticmethod
    def open(path: Path) -> Lessons:
        """Read what `save` wrote."""
        with np.load(path) as data:
            return Lessons(images=data["images"], alphas=data["alphas"], known=data["known"])


def lessons_of(rows: Sequence[tuple[Image, Floats | None]]) -> Lessons:
    """Lessons from pictures of any size, each with its alpha (H, W) in [0, 1] or None where nobody knows it."""
    side = (LESSON_PX, LESSON_PX)
    images, alphas, known = [], [], []
    for image, alpha in rows:
        images.append(np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA), np.uint8))
        soft = np.zeros(side, np.float32) if alpha is None else cv2.resize(alpha, side, interpolation=cv2.INTER_AREA)
        alphas.append(np.rint(np.clip(soft, 0, 1) * 255).astype(np.uint8))
        known.append(alpha is not None)
    return Lessons(images=np.stack(images), alphas=np.stack(alphas), known=np.array(known))


def rendered(count: int, *, seed: int = TRAIN_SEED) -> Lessons:
    """``count`` scenes of the renderer from ``seed`` on: products, laid and hollow garments, mannequins, people."""
    scenes = (render(number, size=(256, 256)) for number in range(seed, seed + count))
    return lessons_of([(scene.image, scene.alpha) for scene in scenes])


def rendered_places(count: int, *, seed: int = TRAIN_SEED) -> NDArray[np.uint8]:
    """``count`` empty walls, sweeps and table tops of the renderer, (N, S, S, 3) uint8."""
    places = []
    for number in range(seed, seed + count):
        name = BACKDROPS[number % len(BACKDROPS)]
        draw = tabletop if number // len(BACKDROPS) % 2 and name in ("wood", "marble", "paper") else backdrop
        places.append(draw(name, number, LESSON_PX, LESSON_PX))
    return np.asarray(np.clip(np.rint(np.stack(places) * 255), 0, 255), np.uint8)


def surroundings(rng: np.random.Generator, photos: Lessons, places: NDArray[np.uint8]) -> Floats:
    """A place for a subject, (S, S, 3) float32 0 to 255: a photo's empty corner, a rendered place, a plain one."""
    chance = rng.random()
    if chance < 0.55 and len(photos.images):
        return _empty_corner(rng, photos)
    if chance < 0.8:
        return np.asarray(places[rng.integers(len(places))], np.float32)
    color = rng.uniform(20, 255, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(60, 255))
    ramp = np.linspace(-1, 1, LESSON_PX, dtype=np.float32)
    light = rng.normal(0, 18) * ramp[:, None] + rng.normal(0, 12) * ramp[None]
    return np.asarray(np.clip(color + light[..., None], 0, 255), np.float32)


def _empty_corner(rng: np.random.Generator, photos: Lessons) -> Floats:
    """The emptiest of some crops at a photo's edge, brought to full size: floor, bed, wall."""
    index = int(rng.integers(len(photos.images)))
    image, alpha = photos.images[index], photos.alphas[index]
    best, least = image[:40, :40], np.inf
    for _ in range(8):
        high, wide = (int(rng.uniform(0.14, 0.4) * LESSON_PX) for _ in range(2))
        y = int(rng.choice([0, LESSON_PX - high])) if rng.random() < 0.5 else int(rng.integers(0, LESSON_PX - high))
        x = int(rng.choice([0, LESSON_PX - wide])) if rng.random() < 0.7 else int(rng.integers(0, LESSON_PX - wide))
        middle = np.hypot(y + high / 2 - LESSON_PX / 2, x + wide / 2 - LESSON_PX / 2) / LESSON_PX
        full = alpha[y : y + high, x : x + wide].mean() / 255 if photos.known[index] else 0.7 - middle
        if full < least:
            best, least = image[y : y + high, x : x + wide], full
    if rng.random() < 0.5:
        best = best[:, ::-1]
    big = cv2.resize(best, (LESSON_PX, LESSON_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(big, np.float32)


def drawn(
    rng: np.random.Generator, lessons: Sequence[Lessons], photos: Lessons, places: NDArray[np.uint8], side: int
) -> tuple[NDArray[np.uint8], Floats]:
    """One picture (side, side, 3) uint8 and its alpha: as it was taken, or its subject set somewhere else."""
    source = lessons[int(rng.integers(len(lessons)))]
    index = int(rng.choice(np.flatnonzero(source.known)))
    image, alpha = source.images[index].astype(np.float32), source.alphas[index].astype(np.float32) / 255
    if rng.random() < 0.5:
        image, alpha = _moved(rng, image, alpha)
        image = _set_before(rng, image, alpha, surroundings(rng, photos, places))
    else:
        image, alpha = _cropped(rng, image, alpha)
    if rng.random() < 0.5:
        image, alpha = image[:, ::-1], alpha[:, ::-1]
    if rng.random() < 0.1:
        turns = int(rng.integers(1, 4))
        image, alpha = np.rot90(image, turns), np.rot90(alpha, turns)
    size = (side, side)
    made = np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA), np.float32)
    truth = np.asarray(cv2.resize(np.ascontiguousarray(alpha), size, interpolation=cv2.INTER_AREA), np.float32)
    return _developed(rng, made), truth


def _moved(rng: np.random.Generator, image: Floats, alpha: Floats) -> tuple[Floats, Floats]:
    """The subject turned, scaled and shifted, with nothing around it."""
    middle = LESSON_PX / 2
    scale = float(np.exp(rng.uniform(-0.5, 0.2)))
    turn = cv2.getRotationMatrix2D((middle, middle), float(rng.normal(0, 8)), scale)
    turn[:, 2] = turn[:, 2] + rng.uniform(-0.13, 0.13, 2) * LESSON_PX
    size = (LESSON_PX, LESSON_PX)
    turned = cv2.warpAffine(image, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.float32), np.asarray(cv2.warpAffine(alpha, turn, size), np.float32)


def _set_before(rng: np.random.Generator, image: Floats, alpha: Floats, place: Floats) -> Floats:
    """The subject before a place, over its own soft shadow."""
    subject = np.clip(image * np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.04, 3)), 0, 255)
    if rng.random() < 0.65:
        shift = np.array([[1, 0, rng.normal(0, 8)], [0, 1, rng.uniform(0, 12)]], np.float32)
        shadow = cv2.warpAffine(alpha, shift, alpha.shape[::-1])
        shadow = cv2.GaussianBlur(shadow, (0, 0), float(rng.uniform(1.5, 12)))
        place = place * (1 - float(rng.uniform(0.1, 0.55)) * shadow[..., None])
    # a pixel of the old surroundings at the edge is left out, or its colour would give the subject away
    solid = cv2.erode(alpha, np.ones((3, 3), np.uint8)) if rng.random() < 0.7 else alpha
    solid = cv2.GaussianBlur(solid, (0, 0), 0.7)[..., None]
    return np.asarray(solid * subject + (1 - solid) * place, np.float32)


def _cropped(rng: np.random.Generator, image: Floats, alpha: Floats) -> tuple[Floats, Floats]:
    """A part of the picture that holds nearly all of the subject's box."""
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 0.5), np.flatnonzero(alpha.max(axis=0) > 0.5)
    if not len(rows):
        return image, alpha
    slices = []
    for found in (rows, columns):
        slack = 0.06 * (found[-1] - found[0])
        first = int(rng.uniform(0, max(found[0] + slack, 1)) * (rng.random() < 0.8))
        last = int(LESSON_PX - rng.uniform(0, max(LESSON_PX - found[-1] + slack, 1)) * (rng.random() < 0.8))
        slices.append(slice(first, max(last, first + 24)))
    return image[slices[0], slices[1]], alpha[slices[0], slices[1]]


def _developed(rng: np.random.Generator, image: Floats) -> NDArray[np.uint8]:
    """Another exposure, white balance, focus, grain and compression."""
    levels = np.clip(image / 255, 0, 1) ** np.exp(rng.normal(0, 0.2))
    levels = (levels - 0.5) * np.exp(rng.normal(0, 0.12)) + 0.5 + rng.normal(0, 0.04)
    levels = levels * np.exp(rng.normal(0, 0.05, 3))
    if rng.random() < 0.06:
        levels = np.repeat(levels.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.25:
        levels = cv2.GaussianBlur(levels, (0, 0), float(rng.uniform(0.4, 1.4)))
    if rng.random() < 0.4:
        levels = levels + rng.normal(0, rng.uniform(0.005, 0.04), levels.shape)
    made = np.asarray(np.rint(np.clip(levels, 0, 1) * 255), np.uint8)
    if rng.random() < 0.3:
        data = cv2.imencode(".jpg", made, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])[1]
        made = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return made

"""Which pixels a training sample repaints, drawn from its label map as the recipes will draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.train.restage import BACKDROP, BAG, BOTTOM, PRODUCT, SHOES, TOP
from pipeline.types import Image, Mask


@dataclass(frozen=True, kw_only=True)
class Repaint:
    """What one sample repaints: the mask, and the garment that it is the mask of, TOP or BOTTOM, if it is one's."""

    mask: Mask
    garment: int | None = None


def random_repaint(labels: NDArray[np.uint8], rng: np.random.Generator, *, body: bool) -> Repaint:
    """All but the garment, the backdrop, a garment, a product, or a box; ``body`` if somebody stands there."""
    figure = labels != BACKDROP
    lot = rng.random()
    if not body:
        if lot < 0.70:
            return Repaint(mask=~_grown(figure, int(rng.integers(0, 3))))
        return _object(labels, rng) if lot < 0.96 else Repaint(mask=_box(labels.shape, rng))
    if lot < 0.32:
        return Repaint(mask=~_shrunk(_kept(labels, rng), int(rng.integers(0, 3))))
    if lot < 0.36:
        old = _grown(figure, int(rng.integers(2, 6)))
        return Repaint(mask=old & ~_shrunk(_kept(labels, rng), int(rng.integers(0, 2))))
    if lot < 0.61:
        return Repaint(mask=~_grown(figure, int(rng.integers(0, 3))))
    return _object(labels, rng) if lot < 0.95 else Repaint(mask=_box(labels.shape, rng))


def _object(labels: NDArray[np.uint8], rng: np.random.Generator) -> Repaint:
    """One garment, more often the top than the bottom, or the product."""
    parts = [part for part in (TOP, BOTTOM) if (labels == part).any()]
    if not parts:
        return Repaint(mask=_grown(labels == PRODUCT, int(rng.integers(1, 5))))
    part = parts[0] if len(parts) == 1 or rng.random() < 0.7 else parts[1]
    return Repaint(mask=_grown(labels == part, int(rng.integers(1, 5))), garment=part)


def edges_near(image: Image, repaint: Mask, rng: np.random.Generator) -> Image:
    """Canny edges as a control's map: those within 6 to 14 px of what is kept, as garment recipes draw them, or all."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny(cv2.GaussianBlur(grey, (0, 0), 0.8), 60, 140)
    if rng.random() < 0.8:
        edges[~_grown(~repaint, int(rng.integers(6, 15)))] = 0
    return np.repeat(edges[..., None], 3, axis=2)


def _kept(labels: NDArray[np.uint8], rng: np.random.Generator) -> Mask:
    """The garments that keep mode carries: the top, all of the outfit, or the bottom."""
    lot = rng.random()
    choice: tuple[int, ...] = (TOP,) if lot < 0.45 else (BOTTOM,) if lot < 0.58 else (TOP, BOTTOM, BAG)
    if lot > 0.85:
        choice = (TOP, BOTTOM, BAG, SHOES)
    kept = np.isin(labels, choice)
    return kept if kept.any() else np.isin(labels, (TOP, BOTTOM, PRODUCT))


def _disc(px: int) -> Any:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * px + 1, 2 * px + 1))


def _grown(mask: Mask, px: int) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), _disc(px)) > 0 if px else mask


def _shrunk(mask: Mask, px: int) -> Mask:
    return cv2.erode(mask.astype(np.uint8), _disc(px)) > 0 if px else mask


def _box(size: tuple[int, ...], rng: np.random.Generator) -> Mask:
    mask = np.zeros(size, np.bool_)
    height, width = (int(rng.uniform(0.25, 0.75) * side) for side in size)
    y, x = int(rng.integers(0, size[0] - height)), int(rng.integers(0, size[1] - width))
    mask[y : y + height, x : x + width] = True
    return mask

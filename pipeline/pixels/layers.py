"""Several garments on one body: what of each is seen, and the shadow that an upper hem throws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from pipeline.pixels.color import to_float, to_uint8
from pipeline.types import Alpha, Image, Mask

SHADOW: Final = 0.30
"""How much darker cloth is right under the hem of what lies over it."""
REACH: Final = 0.008
"""How far that shadow reaches, in heights of the body."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A garment on a body: ``image`` (H, W, 3) its colours, ``alpha`` (H, W) its matte."""

    image: Image
    alpha: Alpha


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Garments over each other: colours and matte of all, and the share of each one's area that is seen."""

    image: Image
    alpha: Alpha
    shown: tuple[float, ...]


def stacked(layers: Sequence[Layer], unit: float) -> Stack:
    """Lay garments over each other, the lowest first, on a body ``unit`` px high.

    A pixel of which one garment alone is seen has that one's colour, to the level; where an edge lies over another
    garment both are mixed by the edge's matte.
    """
    over = layers[0]
    seen = [over.alpha]
    for upper in layers[1:]:
        weight, below = upper.alpha[..., None], to_float(_shadowed(over, upper.alpha, unit))
        alpha = upper.alpha + over.alpha * (1 - upper.alpha)
        mixed = (to_float(upper.image) * weight + below * (over.alpha[..., None] * (1 - weight))) / np.maximum(
            alpha[..., None], np.float32(1e-6)
        )
        image = np.where(over.alpha[..., None] == 0, upper.image, to_uint8(mixed.astype(np.float32)))
        over = Layer(image=np.where(weight >= 1, upper.image, image), alpha=np.clip(alpha, 0, 1).astype(np.float32))
        seen = [*(one * (1 - upper.alpha) for one in seen), upper.alpha]
    shown = [float(one.sum() / max(layer.alpha.sum(), 1e-6)) for one, layer in zip(seen, layers, strict=True)]
    return Stack(image=over.image, alpha=over.alpha, shown=tuple(shown))


def _shadowed(below: Layer, upper: Alpha, unit: float) -> Image:
    """The lower garment's colours with the upper one's soft shadow, which falls down and to the right."""
    px = REACH * unit
    moved = cv2.warpAffine(upper, np.array([[1, 0, 0.3 * px], [0, 1, px]], np.float32), upper.shape[::-1])
    cast = np.clip(cv2.GaussianBlur(moved, (0, 0), max(0.7, px)), 0, 1)
    return np.asarray(np.clip(np.rint(below.image * (1 - SHADOW * cast[..., None])), 0, 255), np.uint8)


def under(alpha: Alpha, upper: Alpha, center: float, *, hips_px: float = 0.0) -> Alpha:
    """A garment's matte (H, W) without what stands out sideways of the trunk of one that is worn over it.

    The trunk is what hangs together about the column ``center``, down to the hem; under it nothing is left out. A wider
    waistband rounds into the hem from ``hips_px`` above it, as hips do.
    """
    solid, below, middle = np.asarray(upper > 0.5), np.asarray(alpha > 0.5), round(center)
    dressed = np.flatnonzero(solid[:, middle])
    if not dressed.size:
        return alpha
    first, hem = int(solid.any(axis=1).argmax()), int(dressed[-1])
    at_hem = [max(0, _run(below[hem, way]) - _run(solid[hem, way])) for way in _ways(middle)]
    inside = np.ones(alpha.shape, np.float32)
    for row in range(first, hem + 1):
        round_ = np.sqrt(max(0.0, 1 - ((hem - row) / max(hips_px, 1e-6)) ** 2))
        left, right = (_run(solid[row, way]) + round(e * round_) for e, way in zip(at_hem, _ways(middle), strict=True))
        inside[row, : max(0, middle - left + 1)] = 0
        inside[row, middle + right :] = 0
    smooth = cv2.GaussianBlur(inside, (0, 0), 0.8) if hips_px else cv2.erode(inside, np.ones((3, 3), np.uint8))
    return np.asarray(alpha * smooth, np.float32)


def _ways(middle: int) -> tuple[slice, slice]:
    """A row's pixels from the axis to the left, and to the right."""
    return slice(middle, None, -1), slice(middle, None)


def _run(half: Mask) -> int:
    """How far the first cloth from the axis on reaches, in px: to its first gap that is wider than a fold."""
    cloth = np.flatnonzero(half)
    if not cloth.size:
        return 0
    gaps = np.flatnonzero(np.diff(cloth) > 2)
    return int(cloth[gaps[0]] if gaps.size else cloth[-1]) + 1

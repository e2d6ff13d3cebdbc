"""Colour conversions and the way from float pictures back to 8 bit."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Alpha, Image

FloatImage = NDArray[np.float32]
"""``(H, W, 3)`` float32 in [0, 1]; sRGB-coded or linear light as each function says."""

SOLID = 254.5 / 255
"""Alpha from which a pixel counts as wholly subject: its colour is carried, not mixed."""


def srgb_to_linear(coded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return linear light in [0, 1] of sRGB-coded values in [0, 1], of any shape (IEC 61966-2-1)."""
    coded = np.clip(coded, 0, 1).astype(np.float32, copy=False)
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sRGB-coded values in [0, 1] of linear light in [0, 1], of any shape (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1).astype(np.float32, copy=False)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


def parse_color(text: str) -> tuple[int, int, int]:
    """Return red, green, blue in 0..255 of ``#rrggbb``. Raises ValueError on anything else."""
    if len(text) != 7 or text[0] != "#":
        raise ValueError(f"{text!r} is not a colour: write it as #rrggbb, for example #ffffff")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def to_float(image: Image) -> FloatImage:
    """Return an 8-bit picture as float32 in [0, 1], still sRGB-coded."""
    return image.astype(np.float32) / np.float32(255)


def to_uint8(image: FloatImage) -> Image:
    """Round an sRGB-coded float picture in [0, 1] to 8 bit."""
    return np.asarray(np.rint(np.clip(image, 0, 1) * np.float32(255)), dtype=np.uint8)


def dithered(image: FloatImage, seed: int, where: NDArray[np.bool_] | None = None) -> Image:
    """Round to 8 bit with even dither of one level: the mean is exact and slow gradients show no bands.

    ``where`` (H, W) limits the dither; elsewhere values are rounded plainly, so a constant stays a constant.
    One noise plane serves all three channels: grey stays grey. Same ``seed``, same picture.
    """
    random = np.random.default_rng(seed)
    shape = image.shape[:2]
    noise = random.random(shape, dtype=np.float32) - np.float32(0.5)
    if where is not None:
        noise *= where
    levels = np.clip(image, 0, 1) * np.float32(255) + noise[..., None]
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def bleed(image: Image, alpha: Alpha) -> Image:
    """Return ``image`` with the subject's colours spread outwards over everything that is not solid subject.

    Enlargers and wide filters mix neighbours; after this, what they mix in at the edge is the subject's own colour
    and never the old backdrop's. Solid pixels are left bit for bit. Pull-push over a pyramid (Gortler et al. 1996,
    The Lumigraph). An alpha without a single solid pixel gives the picture back unchanged.
    """
    solid = alpha >= SOLID
    if not solid.any() or solid.all():
        return image
    weight = np.clip((alpha - 0.5) * 2, 0, 1).astype(np.float32) ** 4
    filled = _pull_push((to_float(image) * weight[..., None]).astype(np.float32), weight)
    return np.where(solid[..., None], image, to_uint8(filled))


def _pull_push(weighted: FloatImage, weight: NDArray[np.float32]) -> FloatImage:
    """Fill where ``weight`` is low from coarser and coarser averages of ``weighted / weight``."""
    height, width = weight.shape
    own = (weighted / np.maximum(weight, 1e-6)[..., None]).astype(np.float32)
    if min(height, width) < 2 or weight.min() > 0.99:
        return own
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse_weight = np.asarray(cv2.resize(weight, half, interpolation=cv2.INTER_AREA), dtype=np.float32)
    coarse = np.asarray(cv2.resize(weighted, half, interpolation=cv2.INTER_AREA), dtype=np.float32)
    gain = (np.minimum(1, 4 * coarse_weight) / np.maximum(coarse_weight, 1e-6)).astype(np.float32)
    below = _pull_push((coarse * gain[..., None]).astype(np.float32), (coarse_weight * gain).astype(np.float32))
    smooth = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(own * weight[..., None] + smooth * (1 - weight)[..., None], dtype=np.float32)

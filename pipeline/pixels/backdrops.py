"""What stands behind a product: a colour, a gradient, a picture, or a studio sweep under a softbox.

Every function returns an 8-bit picture of the asked size; slow gradients are dithered so that they show no bands.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pixels.color import FloatImage, dithered, linear_to_srgb, srgb_to_linear
from pipeline.pixels.geometry import resize_image
from pipeline.types import Image, Size

Color = tuple[int, int, int]
Plane = NDArray[np.float32]


def solid(size: Size, color: Color) -> Image:
    """Return one colour, exactly."""
    return np.full((*size, 3), color, np.uint8)


def gradient(size: Size, top: Color, bottom: Color, seed: int) -> Image:
    """Return a vertical gradient that eases in and out, so that no edge of it can be seen."""
    t = _smoothstep(np.linspace(0, 1, size[0], dtype=np.float32))[:, None, None]
    column = _coded(top) * (1 - t) + _coded(bottom) * t
    return dithered(np.broadcast_to(column, (*size, 3)).astype(np.float32), seed)


def picture(size: Size, source: Image, *, defocus: float = 0.0) -> Image:
    """Return ``source`` scaled to cover ``size`` and cropped in the middle.

    ``defocus`` blurs it like a lens would that is focused on the product: the blur's radius in shares of the longer
    side (0.004 is slight, 0.02 strong).
    """
    height, width = source.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    new = max(size[0], round(height * scale)), max(size[1], round(width * scale))
    covered = resize_image(source, new)
    y, x = (new[0] - size[0]) // 2, (new[1] - size[1]) // 2
    cropped = np.ascontiguousarray(covered[y : y + size[0], x : x + size[1]])
    radius = defocus * max(size)
    return cropped if radius < 0.5 else _disc_blur(cropped, radius)


def studio(size: Size, wall: Color, floor: Color, *, ground: float, center: float, seed: int) -> Image:
    """Return a seamless sweep of paper: a wall that curves into a floor, lit from the upper left.

    ``ground`` is where the product meets the floor (more than 1: below the picture, only wall is seen) and ``center``
    the middle of it, as shares of height and width; the sweep's curve lies above the ground line, a pool of light on
    the wall behind the product and another on the floor around its foot. Grain and the light's centre vary with
    ``seed``.
    """
    random = np.random.default_rng(seed)
    height, width = size
    aspect = width / height
    y = _centers(height)[:, None]
    x = _centers(width)[None, :]
    horizon = float(np.clip(ground - 0.20, 0.45, 0.78)) if ground <= 1 else 1.3

    sweep = _smoothstep((y - (horizon - 0.10)) / 0.26)[..., None]
    paper = srgb_to_linear(_coded(wall)) * (1 - sweep) + srgb_to_linear(_coded(floor)) * sweep

    drift = float(random.uniform(-0.03, 0.03))
    on_wall = _pool(x, y, center - 0.10 + drift, min(0.46, horizon - 0.32), 0.52 / aspect, 0.46)
    on_floor = _pool(x, y, center - 0.03 + drift, min(0.98, ground + 0.02), 0.50 / aspect, 0.17)
    crease = np.exp(-(((y - horizon - 0.015) / 0.055) ** 2))  # the curve faces the floor and so less of the lamp
    falloff = 1 - 0.16 * ((x - 0.42) ** 2 + (y - 0.45) ** 2) * 2
    light = (0.80 + 0.20 * on_wall * (1 - sweep[..., 0]) + 0.19 * on_floor * sweep[..., 0]) * falloff
    light = light * (1 - 0.055 * crease)
    scene = linear_to_srgb((paper * light[..., None]).astype(np.float32))
    return dithered(np.asarray(scene + _grain(size, random), dtype=np.float32), seed + 1)


# ---- parts


def _centers(count: int) -> Plane:
    """Return the middles of ``count`` equal pixels as shares of the side."""
    return ((np.arange(count) + 0.5) / count).astype(np.float32)


def _coded(color: Color) -> FloatImage:
    """Return a colour as float32 (3,) in [0, 1]."""
    return np.asarray(color, np.float32) / np.float32(255)


def _smoothstep(t: Plane) -> Plane:
    """Ease from 0 to 1, level at both ends (Perlin's fifth-order curve: no visible kink in brightness)."""
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * t * (t * (t * 6 - 15) + 10), dtype=np.float32)


def _pool(x: Plane, y: Plane, cx: float, cy: float, rx: float, ry: float) -> Plane:
    """Return a round pool of light: 1 in its middle, falling like a softbox's (between a bell and a plateau)."""
    squared = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2
    return np.asarray(1 / (1 + squared) ** 1.5, dtype=np.float32)


def _grain(size: Size, random: np.random.Generator) -> FloatImage:
    """Return fine luminance grain of about half a level, and a slow mottling of a third: paper is never quite even."""
    fine = random.standard_normal(size, dtype=np.float32)
    fine = np.asarray(cv2.GaussianBlur(fine, (0, 0), 0.7), dtype=np.float32)
    slow = random.standard_normal((max(4, size[0] // 64), max(4, size[1] // 64)), dtype=np.float32)
    slow = np.asarray(cv2.resize(slow, size[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    grain = fine / fine.std() * 0.6 + slow / max(1e-6, float(slow.std())) * 0.35
    return np.asarray(grain / 255, dtype=np.float32)[..., None]


def _disc_blur(image: Image, radius: float) -> Image:
    """Blur with a disc in linear light, as an open lens does: bright spots stay bright."""
    span = int(np.ceil(radius))
    grid = np.hypot(*np.mgrid[-span : span + 1, -span : span + 1])
    kernel = np.clip(radius + 0.5 - grid, 0, 1)
    light = srgb_to_linear(image.astype(np.float32) / np.float32(255))
    blurred = cv2.filter2D(light, -1, (kernel / kernel.sum()).astype(np.float32), borderType=cv2.BORDER_REFLECT_101)
    return np.rint(linear_to_srgb(np.asarray(blurred, dtype=np.float32)) * 255).astype(np.uint8)

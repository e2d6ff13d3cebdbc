"""Light for drawn packshots: backdrops, shadows, reflections and lathe-turned bodies, in linear light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""``(H, W)`` or ``(H, W, 3)`` float32 in linear light."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A drawn thing: linear colour (H, W, 3) and coverage (H, W)."""

    colour: Plane
    cover: Plane

    def over(self, other: Layer) -> Layer:
        """This layer in front of another."""
        cover = self.cover + other.cover * (1 - self.cover)
        mixed = self.colour * self.cover[..., None] + other.colour * (other.cover * (1 - self.cover))[..., None]
        return Layer(colour=(mixed / np.maximum(cover, 1e-6)[..., None]).astype(np.float32), cover=cover)


def linear(rgb: tuple[float, float, float]) -> Plane:
    """A colour of 0 to 255 in sRGB as linear light."""
    value = np.asarray(rgb, np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encoded(light: Plane) -> NDArray[np.float32]:
    """Linear light to sRGB in [0, 255]."""
    light = np.clip(light, 0, 1)
    value = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (value * 255).astype(np.float32)


def grid(size: int) -> tuple[Plane, Plane]:
    """Pixel centres x, y in [0, 1]."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(steps, steps)
    return x.astype(np.float32), y.astype(np.float32)


def backdrop(size: int, rgb: tuple[float, float, float], *, fall: float = 0.0, vignette: float = 0.0) -> Plane:
    """A studio sweep: one colour, darker by ``fall`` towards the top and by ``vignette`` towards the corners."""
    x, y = grid(size)
    level = 1 - fall * (1 - y) ** 1.5 - vignette * ((x - 0.5) ** 2 + (y - 0.55) ** 2) * 2
    return (linear(rgb) * level[..., None]).astype(np.float32)


def blurred(plane: Plane, sigma_px: float) -> Plane:
    """Gaussian blur; large ones are done at a smaller size."""
    if sigma_px < 0.3:
        return plane
    step = max(1, int(sigma_px // 6))
    small = cv2.resize(plane, (plane.shape[1] // step, plane.shape[0] // step), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma_px / step)
    return np.asarray(cv2.resize(soft, (plane.shape[1], plane.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def contact_shadow(ground: Plane, cover: Plane, *, foot: float, depth: float = 0.6, spread: float = 0.02) -> Plane:
    """The ground under a standing thing: a tight dark line at its foot (height ``foot``) and a wide soft pool."""
    size = cover.shape[0]
    _, y = grid(size)
    column = cover.max(axis=0, where=y > foot - 0.12, initial=0.0)
    columns = np.flatnonzero(column > 0.5)
    if not len(columns):
        return ground
    centre, half = float(columns.mean()) / size, float(np.ptp(columns)) / size / 2
    x, _ = grid(size)
    pool = np.zeros_like(cover)
    for wide, high, strength in ((1.0, 0.012, 1.0), (1.12, 0.035, 0.45), (1.35, 0.09, 0.18)):
        ring = ((x - centre) / (half * wide + 1e-6)) ** 2 + ((y - foot) / high) ** 2
        pool += strength * blurred((ring < 1).astype(np.float32), size * max(high * 0.35, spread * 0.2))
    return (ground * (1 - depth * np.clip(pool, 0, 1))[..., None]).astype(np.float32)


def hard_shadow(ground: Plane, cover: Plane, *, shift: tuple[float, float], depth: float, soft: float) -> Plane:
    """A shadow thrown by a bare lamp: the outline moved by ``shift`` (x, y in picture widths), nearly sharp."""
    size = cover.shape[0]
    move = np.array([[1, 0, shift[0] * size], [0, 1, shift[1] * size]], np.float32)
    cast = cv2.warpAffine(cover, move, (size, size))
    dark = depth * blurred(np.asarray(cast, np.float32), soft * size)
    return np.asarray(ground * (1 - dark)[..., None], np.float32)


def reflected(ground: Plane, thing: Layer, *, foot: float, strength: float, fade: float, soft: float) -> Plane:
    """The ground with a mirror image of ``thing`` below ``foot``, fading over ``fade`` and blurred by ``soft``."""
    size = thing.cover.shape[0]
    rows = np.rint(2 * foot * size - np.arange(size) - 1).astype(int)
    inside = (rows >= 0) & (rows < size)
    rows = np.clip(rows, 0, size - 1)
    cover = (thing.cover[rows] * inside[:, None]).astype(np.float32)
    colour = thing.colour[rows] * cover[..., None]
    _, y = grid(size)
    gain = strength * np.clip(1 - (y - foot) / fade, 0, 1) * (y > foot)
    cover, colour = blurred(cover, soft * size), blurred(colour, soft * size)
    kept = 1 - gain * cover
    return np.asarray(ground * kept[..., None] + colour * gain[..., None], np.float32)


def lathe(
    size: int,
    profile: Callable[[Plane], Plane],
    paint: Callable[[Plane, Plane], Plane],
    *,
    centre: float = 0.5,
    tilt: float = 0.12,
    gloss: float = 0.5,
) -> Layer:
    """A turned body seen slightly from above.

    ``profile`` gives the radius at a height (0 where there is none); ``paint`` the linear colour at (angle in [-1, 1],
    height). ``tilt`` bends rings into ellipses. Lit by two strip boxes and a broad fill.
    """
    x, y = grid(size)
    height = y.copy()
    for _ in range(4):
        radius = np.maximum(profile(height), 1e-4)
        u = np.clip((x - centre) / radius, -1, 1)
        front = np.sqrt(1 - u * u)
        height = np.asarray(y - tilt * radius * (front - 0.5), np.float32)
    radius = profile(height)
    cover = ((np.abs(x - centre) <= radius) & (radius > 1e-4)).astype(np.float32)
    angle = (np.arcsin(u) / (np.pi / 2)).astype(np.float32)
    diffuse = 0.38 + 0.5 * np.clip(front * 0.8 + u * -0.35, 0, 1) + 0.12 * np.exp(-(((u - 0.9) / 0.12) ** 2))
    strips = np.exp(-(((u + 0.55) / 0.09) ** 4)) + 0.35 * np.exp(-(((u - 0.7) / 0.05) ** 4))
    colour = paint(angle, height) * diffuse[..., None] + (gloss * 0.6 * strips)[..., None]
    return Layer(colour=np.clip(colour, 0, 1).astype(np.float32), cover=cover)


def shaded(cover: Plane, rgb: tuple[float, float, float], *, bulge: float = 0.05, gloss: float = 0.2) -> Layer:
    """A flat shape puffed up: shaded by the distance to its outline, lit from the upper left."""
    size = cover.shape[0]
    inside = cv2.distanceTransform((cover > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / size
    rise = np.sqrt(np.clip(1 - (1 - np.clip(inside / bulge, 0, 1)) ** 2, 0, 1)).astype(np.float32)
    rise = blurred(rise, 0.004 * size)
    slope_x, slope_y = np.gradient(rise, axis=1) * size * bulge, np.gradient(rise, axis=0) * size * bulge
    depth = np.sqrt(1 + slope_x**2 + slope_y**2)
    diffuse = np.clip((0.75 - 0.45 * -slope_x * -1 - 0.55 * slope_y * -1) / depth, 0.12, 1.15)
    shine = np.clip(diffuse - 0.95, 0, 1) * 3 * gloss
    colour = linear(rgb) * diffuse[..., None] + shine[..., None]
    return Layer(colour=np.clip(colour, 0, 1).astype(np.float32), cover=cover.astype(np.float32))

"""The studio's drawing board: round parts, merged into one lit surface, painted over each other.

A part is a tapered tube or a flat sheet that answers, per pixel, how much it covers, how high it stands and
where its surface looks. Parts of one piece of clothing merge by height, with their normals blended, so that a
sleeve grows out of a shoulder without a seam (after Blinn's blobby objects, 1982). Everything is float32; x points
right, y down and z at the viewer; colours are RGB in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.embedded.palette import Floats, floats
from pipeline.embedded.parts import Part, Point, Window, bound

LIGHT: Floats = np.array([-0.46, -0.55, 0.70], np.float32)


HALFWAY: Floats = np.array([-0.25, -0.30, 0.92], np.float32)


@dataclass(kw_only=True)
class Surface:
    """Parts merged: coverage, unit normals and cloth coordinates on ``window``, all (h, w) float32."""

    window: Window
    alpha: Floats
    nx: Floats
    ny: Floats
    nz: Floats
    along: Floats
    across: Floats
    height: Floats


def merge(parts: Sequence[Part], height: int, width: int, blend_px: float) -> Surface | None:
    """Merge parts by height. ``blend_px`` is how soft the creases between them are. None if all are out of sight."""
    fields = [f for f in (part.field(height, width) for part in parts) if not f.window.empty]
    if not fields:
        return None
    window = fields[0].window
    for f in fields[1:]:
        window = window.union(f.window)
    shape = (window.y1 - window.y0, window.x1 - window.x0)
    alpha, total, best, nx, ny, nz, along, across, top = (np.zeros(shape, np.float32) for _ in range(9))
    for f in fields:
        at = f.window.inside(window)
        weight = f.alpha * np.exp(bound(f.height * np.float32(1 / blend_px), 0, 40))
        nx[at] += weight * f.nx
        ny[at] += weight * f.ny
        nz[at] += weight * f.nz
        total[at] += weight
        alpha[at] = np.maximum(alpha[at], f.alpha)
        wins = weight > best[at]
        for target, source in ((best, weight), (along, f.along), (across, f.across), (top, f.height)):
            np.copyto(target[at], source, where=wins)
    norm = 1 / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
    return Surface(
        window=window, alpha=alpha, nx=nx * norm, ny=ny * norm, nz=nz * norm, along=along, across=across, height=top
    )


Texture = Callable[[Floats, Floats], Floats]
"""Cloth coordinates (along, across) in px to colours (h, w, 3)."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """How a surface takes light: colour or texture, gloss in [0, 1], its sharpness (a power of two), depth of folds."""

    color: Floats
    texture: Texture | None = None
    shadow_tint: tuple[float, float, float] = (0.90, 0.96, 1.06)
    gloss: float = 0.0
    sharpness: float = 24.0
    folds: float = 0.0


def lit(surface: Surface, albedo: Floats, material: Material) -> Floats:
    """Colours of a surface under the studio's key light from the upper left, sky and bounce: (h, w, 3)."""
    nx, ny, nz = surface.nx, surface.ny, surface.nz
    facing = nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2]
    wrapped = np.maximum(facing * np.float32(0.62) + np.float32(0.38), 0)
    shade = np.float32(0.74) * wrapped + np.float32(0.17) - np.float32(0.11) * ny + np.float32(0.10)
    edge = 1 - nz
    rim = np.float32(0.10) * edge * edge * edge
    tint = (np.array(material.shadow_tint, np.float32) - 1) * np.float32(0.5)
    level = shade + rim
    color: Floats = level[..., None] + (level * bound(1 - shade))[..., None] * tint
    color *= albedo
    if material.gloss > 0:
        spot = bound(nx * HALFWAY[0] + ny * HALFWAY[1] + nz * HALFWAY[2])
        for _ in range(round(math.log2(material.sharpness))):  # squaring is many times faster than a power
            spot *= spot
        color += (np.float32(material.gloss) * spot)[..., None]
    return color


@dataclass(kw_only=True)
class Canvas:
    """The picture in the making: colours (H, W, 3), subject coverage (H, W) and a label map with its names."""

    rgb: Floats
    alpha: Floats
    labels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
    names: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, backdrop: Floats) -> Canvas:
        """A canvas whose paper is ``backdrop`` (H, W, 3)."""
        shape = backdrop.shape[:2]
        return cls(rgb=backdrop, alpha=np.zeros(shape, np.float32), labels=np.zeros(shape, np.uint8))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.rgb.shape[0], self.rgb.shape[1]

    def label(self, name: str) -> int:
        """Number of ``name`` in the label map, added if new; 0 is the backdrop."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name) + 1

    def blend(self, window: Window, color: Floats, alpha: Floats, name: str | None) -> None:
        """Paint ``color`` (h, w, 3) or (3,) over ``window`` with ``alpha`` (h, w); ``name`` labels what it covers."""
        at = (slice(window.y0, window.y1), slice(window.x0, window.x1))
        patch = self.rgb[at]
        patch += (color - patch) * alpha[..., None]
        if name is not None:
            self.alpha[at] = np.maximum(self.alpha[at], alpha)
            self.labels[at][alpha > 0.5] = self.label(name)

    def darken(self, window: Window, alpha: Floats, strength: float, sigma: float, shift: Point) -> None:
        """A soft shadow of ``alpha`` on what is painted so far, moved by ``shift`` px and blurred by ``sigma``."""
        margin = math.ceil(sigma * 2.5 + float(np.abs(shift).max())) + 1
        h, w = self.size
        x0, y0 = max(window.x0 - margin, 0), max(window.y0 - margin, 0)
        x1, y1 = min(window.x1 + margin, w), min(window.y1 + margin, h)
        left, top = window.x0 - x0 + round(float(shift[0])), window.y0 - y0 + round(float(shift[1]))
        cast = np.zeros((y1 - y0, x1 - x0), np.float32)
        target = cast[max(top, 0) :, max(left, 0) :]
        source = alpha[max(-top, 0) :, max(-left, 0) :]
        rows, columns = min(target.shape[0], source.shape[0]), min(target.shape[1], source.shape[1])
        target[:rows, :columns] = source[:rows, :columns]
        soft = floats(cv2.GaussianBlur(cast, (0, 0), max(sigma, 0.5)))
        # only what already stands there takes it: the backdrop's shadow is its own business
        soft *= self.alpha[y0:y1, x0:x1]
        soft *= np.float32(-strength)
        soft += 1
        self.rgb[y0:y1, x0:x1] *= soft[..., None]

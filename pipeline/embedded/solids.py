"""Solids as curved patches in space: lathes, rods, boxes, lofts, and what they are made of.

A patch is a grid of points. Space is right-handed: x right, y up, z at the viewer; the floor is y = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.embedded.palette import Floats


@dataclass(frozen=True, kw_only=True)
class Finish:
    """A surface's look: colour, gloss (strength of reflections), blur of reflections in [0, 1], glow, metal or not.

    ``decal`` is a coverage raster in ``ink``, laid over ``decal_at`` (u0, y0, u1, y1): from the patch's u0 to u1
    and from the height y0 (the print's top) to y1.
    """

    color: Floats
    gloss: float = 0.25
    rough: float = 0.35
    glow: float = 0.0
    metal: bool = False
    decal: Floats | None = None
    decal_at: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    ink: Floats | None = None
    grain: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A grid of points (m, n, 3) in space and its finish."""

    grid: Floats
    finish: Finish


def lathe(profile: Sequence[tuple[float, float]], finish: Finish, sides: int = 72, smooth: int = 6) -> Patch:
    """A surface of revolution around y from (radius, height) pairs, rounded by ``smooth`` points per piece."""
    radius, level = round_off(profile, smooth)
    angle = np.linspace(0, 2 * np.pi, sides, dtype=np.float32)
    x, z = radius[:, None] * np.sin(angle), radius[:, None] * np.cos(angle)
    y = np.broadcast_to(level[:, None], x.shape)
    return Patch(grid=np.stack([x, y, z], -1).astype(np.float32), finish=finish)


def round_off(points: Sequence[tuple[float, ...]], smooth: int) -> tuple[Floats, ...]:
    """A polyline with its corners cut twice (Chaikin), then its pieces divided evenly; one array per coordinate."""
    p = np.asarray(points, np.float32)
    for _ in range(0 if smooth < 2 else 2 if smooth < 6 else 3):
        q, r = 0.75 * p[:-1] + 0.25 * p[1:], 0.25 * p[:-1] + 0.75 * p[1:]
        p = np.concatenate([p[:1], np.stack([q, r], 1).reshape(-1, p.shape[1]), p[-1:]])
    t = np.linspace(0, len(p) - 1, (len(p) - 1) * max(smooth // 2, 1) + 1)
    return tuple(np.interp(t, np.arange(len(p)), p[:, k]).astype(np.float32) for k in range(p.shape[1]))


def rod(
    path: Sequence[tuple[float, float, float]],
    radii: float | Sequence[float],
    finish: Finish,
    sides: int = 20,
    smooth: int = 4,
    flat: float = 1.0,
) -> list[Patch]:
    """A round bar along a path, with rounded ends; ``flat`` squeezes it across."""
    xs, ys, zs = round_off(path, smooth)
    line = np.stack([xs, ys, zs], -1)
    radius = np.interp(np.linspace(0, 1, len(line)), np.linspace(0, 1, np.size(radii)), np.atleast_1d(radii)).astype(
        np.float32
    )
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    helper = (
        np.array([0, 0, 1], np.float32) if abs(float(tangent[:, 2].mean())) < 0.9 else np.array([1, 0, 0], np.float32)
    )
    side = np.cross(tangent, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    up = np.cross(side, tangent)
    cap = np.array([0.0, 0.5, 0.8, 0.95], np.float32)
    back = np.sqrt(1 - cap**2)
    centers = np.concatenate(
        [
            line[:1] - tangent[:1] * (back * radius[0])[:, None],
            line,
            line[-1:] + tangent[-1:] * (back[::-1] * radius[-1])[:, None],
        ]
    )
    sizes = np.concatenate([radius[0] * cap, radius, radius[-1] * cap[::-1]])
    side = np.concatenate([np.repeat(side[:1], 4, 0), side, np.repeat(side[-1:], 4, 0)])
    up = np.concatenate([np.repeat(up[:1], 4, 0), up, np.repeat(up[-1:], 4, 0)])
    angle = np.linspace(0, 2 * np.pi, sides, dtype=np.float32)
    ring = side[:, None] * np.cos(angle)[None, :, None] + up[:, None] * (np.sin(angle) * flat)[None, :, None]
    return [Patch(grid=(centers[:, None] + ring * sizes[:, None, None]).astype(np.float32), finish=finish)]


def box(
    center: tuple[float, float, float], half: tuple[float, float, float], radius: float, finish: Finish, steps: int = 14
) -> list[Patch]:
    """A box with rounded edges: six patches."""
    size = np.asarray(half, np.float32)
    inner = np.maximum(size - radius, 0)
    t = np.linspace(-1, 1, steps, dtype=np.float32)
    patches = []
    for axis in range(3):
        # stations crowd towards the edges, where the surface bends
        other = [k for k in range(3) if k != axis]
        lines = [
            np.sort(
                np.concatenate(
                    [
                        np.linspace(-inner[k], inner[k], 6),
                        *(s * (inner[k] + radius * np.sin(np.linspace(0, np.pi / 2, 5)[1:])) for s in (-1, 1)),
                    ]
                )
            )
            for k in other
        ]
        a, b = np.meshgrid(*lines, indexing="ij")
        for sign in (-1, 1):
            p = np.zeros((*a.shape, 3), np.float32)
            p[..., other[0]], p[..., other[1]], p[..., axis] = a, b, sign * size[axis]
            core = np.clip(p, -inner, inner)
            way = p - core
            way /= np.linalg.norm(way, axis=-1, keepdims=True) + 1e-9
            patches.append(Patch(grid=(core + way * radius + np.asarray(center)).astype(np.float32), finish=finish))
    del t
    return patches


def loft(sections: Floats, finish: Finish) -> Patch:
    """A patch through given sections (m, n, 3)."""
    return Patch(grid=np.ascontiguousarray(sections, np.float32), finish=finish)

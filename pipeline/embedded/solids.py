"""Solids for packshots: curved patches in space, seen by a camera, splatted into a depth buffer and lit by softboxes.

A patch is a grid of points. Its grid is refined until neighbours are less than a pixel apart, every point is
projected, and the nearest point of each pixel wins (Westover's splatting, 1990, with points dense enough to need no
kernel). Lighting is deferred: diffuse from a key light and the sky, reflections of a room with softboxes.
Space is right-handed: x right, y up, z at the viewer; the floor is y = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.embedded.palette import Floats

SPACING_PX = 0.75


@dataclass(frozen=True, kw_only=True)
class Finish:
    """A surface's look: colour, gloss (strength of reflections), blur of reflections in [0, 1], glow, metal or not.

    ``decal`` is a coverage raster in ``ink``, laid over ``decal_at`` (u0, y0, u1, y1): from the patch's u0 to u1 and from
    the height y0 (the print's top) to y1.
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


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera that looks at ``target`` from ``distance``, turned by ``yaw`` and raised by ``pitch`` rad; ``scale`` px per unit."""

    yaw: float
    pitch: float
    distance: float
    scale: float
    target: tuple[float, float, float]
    center: tuple[float, float]

    def view(self, points: Floats) -> Floats:
        """World points (..., 3) to view space (x right, y up, z at the viewer)."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        tip = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        moved = points - np.array(self.target, np.float32)
        return (moved @ (tip @ turn).T.astype(np.float32)).astype(np.float32)

    def project(self, viewed: Floats) -> tuple[Floats, Floats]:
        """View space to columns and rows in px."""
        shrink = np.float32(self.scale * self.distance) / (np.float32(self.distance) - viewed[..., 2])
        return self.center[0] + viewed[..., 0] * shrink, self.center[1] - viewed[..., 1] * shrink


@dataclass(kw_only=True)
class Buffers:
    """What the camera saw: depth, unit normals, colour index and patch coordinates per pixel."""

    depth: Floats
    normal: Floats
    uv: Floats
    height: Floats
    index: np.ndarray[tuple[int, int], np.dtype[np.int16]]


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


def _normals(viewed: Floats) -> Floats:
    du, dv = np.gradient(viewed, axis=0), np.gradient(viewed, axis=1)
    n = np.cross(du, dv)
    length = np.linalg.norm(n, axis=-1, keepdims=True)
    thin = length[..., 0] < 1e-7
    n = n / np.maximum(length, 1e-9)
    if thin.any():  # poles borrow the normal of their neighbours
        filled = cv2.blur(np.where(thin[..., None], 0, n), (1, 5))
        n = np.where(thin[..., None], filled, n)
    return n.astype(np.float32)


def splat(patches: Sequence[Patch], camera: Camera, height: int, width: int) -> Buffers:
    """Project every patch; the nearest point of each pixel wins."""
    depth = np.full(height * width, -1e9, np.float32)
    index = np.full(height * width, -1, np.int16)
    packed = np.zeros((height * width, 6), np.float32)
    for number, patch in enumerate(patches):
        viewed = camera.view(patch.grid)
        x, y = camera.project(viewed)
        m, n = x.shape
        rows, columns = _stations(x, y, 0), _stations(x, y, 1)
        u, v = np.meshgrid(np.linspace(0, 1, n, dtype=np.float32), np.linspace(0, 1, m, dtype=np.float32))
        normal = _normals(viewed)
        flip = np.where((normal * (np.array([0, 0, camera.distance], np.float32) - viewed)).sum(-1) < 0, -1, 1)
        normal *= flip[..., None]
        fine_x, fine_y, fine_z = (_refine(values, rows, columns).ravel() for values in (x, y, viewed[..., 2]))
        px, py = fine_x.astype(np.int32), fine_y.astype(np.int32)
        kept = np.flatnonzero((px >= 0) & (px < width) & (py >= 0) & (py < height))
        at, fine_z = py[kept] * width + px[kept], fine_z[kept]
        np.maximum.at(depth, at, fine_z)
        wins = np.flatnonzero(fine_z >= depth[at] - 1e-6)
        at, point = at[wins], kept[wins]
        index[at] = number
        level = patch.grid[..., 1]
        attributes = np.concatenate([normal, u[..., None], v[..., None], level[..., None]], -1).astype(np.float32)
        packed[at] = _look_up(attributes, rows[point // len(columns)], columns[point % len(columns)])
    buffers = Buffers(
        depth=depth.reshape(height, width),
        normal=packed[:, :3].reshape(height, width, 3),
        uv=packed[:, 3:5].reshape(height, width, 2),
        height=packed[:, 5].reshape(height, width),
        index=index.reshape(height, width),
    )
    _close_pinholes(buffers)
    return buffers


def _stations(x: Floats, y: Floats, axis: int) -> Floats:
    """Fractional grid positions along ``axis`` that are less than SPACING_PX apart on the picture."""
    step = np.hypot(np.diff(x, axis=axis), np.diff(y, axis=axis)).max(1 - axis)
    pieces = np.clip(np.ceil(step / SPACING_PX), 1, 4096).astype(np.int64)
    starts = np.repeat(np.arange(len(pieces)), pieces)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    inside = (np.arange(len(starts)) - first) / np.repeat(pieces, pieces)
    return np.append(starts + inside, len(pieces)).astype(np.float32)


def _refine(values: Floats, ys: Floats, xs: Floats) -> Floats:
    """Bilinear samples of a grid at rows ``ys`` and columns ``xs``."""
    m, n = values.shape
    low = np.minimum(ys.astype(np.int32), m - 2)
    part = (ys - low)[:, None]
    tall = values[low] * (1 - part) + values[low + 1] * part
    left = np.minimum(xs.astype(np.int32), n - 2)
    share = (xs - left)[None]
    return np.asarray(tall[:, left] * (1 - share) + tall[:, left + 1] * share, np.float32)


def _look_up(grid: Floats, ys: Floats, xs: Floats) -> Floats:
    """Bilinear values (N, channels) of a grid (m, n, channels) at fractional positions."""
    m, n = grid.shape[:2]
    low, left = np.minimum(ys.astype(np.intp), m - 2), np.minimum(xs.astype(np.intp), n - 2)
    down, over = (ys - low)[:, None], (xs - left)[:, None]
    flat, first = grid.reshape(m * n, -1), low * n + left
    above = flat[first] * (1 - over) + flat[first + 1] * over
    below = flat[first + n] * (1 - over) + flat[first + n + 1] * over
    return np.asarray(above * (1 - down) + below * down, np.float32)


def _close_pinholes(buffers: Buffers) -> None:
    """Fill single empty pixels inside the object from a neighbour."""
    empty = (buffers.index < 0).astype(np.uint8)
    closed = cv2.morphologyEx(1 - empty, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((empty > 0) & (closed > 0))
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        ry = np.clip(rows + dy, 0, empty.shape[0] - 1)
        rx = np.clip(columns + dx, 0, empty.shape[1] - 1)
        ok = (empty[ry, rx] == 0) & (buffers.index[rows, columns] < 0)
        for array in (buffers.depth, buffers.normal, buffers.uv, buffers.height, buffers.index):
            array[rows[ok], columns[ok]] = array[ry[ok], rx[ok]]


def _step(x: Floats, edge: float, soft: float) -> Floats:
    t = np.clip((x - np.float32(edge)) / np.float32(soft) * np.float32(0.5) + np.float32(0.5), 0, 1)
    return t * t * (3 - 2 * t)


def room(rx: Floats, ry: Floats, rz: Floats, rough: float) -> Floats:
    """Brightness of the studio in a direction: grey room, large softbox left, strip right, light from above."""
    soft = 0.06 + 0.75 * rough
    level = np.float32(0.30) + np.float32(0.22) * ry
    left = _step(rx, -0.93, soft * 0.3) * _step(-rx, 0.42, soft) * _step(ry, -0.55, soft) * _step(-ry, -0.85, soft)
    strip = _step(rx, 0.70, soft) * _step(-rx, -0.93, soft * 0.4) * _step(ry, -0.7, soft)
    above = _step(ry, 0.72, soft)
    return level + (np.float32(1.7) * left + np.float32(0.75) * strip + np.float32(0.9) * above) * np.float32(
        1 - 0.35 * rough
    )


def shade(buffers: Buffers, patches: Sequence[Patch], unit_px: float) -> Floats:
    """Colours (H, W, 3) of what the camera saw; black where it saw nothing."""
    out = np.zeros((*buffers.depth.shape, 3), np.float32)
    rows, columns = np.flatnonzero((buffers.index >= 0).any(1)), np.flatnonzero((buffers.index >= 0).any(0))
    if len(rows):
        at = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        piece = Buffers(
            depth=buffers.depth[at],
            normal=buffers.normal[at],
            uv=buffers.uv[at],
            height=buffers.height[at],
            index=buffers.index[at],
        )
        out[at] = _shade_all(piece, patches, unit_px)
    return out


def _shade_all(buffers: Buffers, patches: Sequence[Patch], unit_px: float) -> Floats:
    n = buffers.normal / (np.linalg.norm(buffers.normal, axis=-1, keepdims=True) + np.float32(1e-6))
    nx, ny, nz = n[..., 0], n[..., 1], n[..., 2]
    facing = nx * np.float32(-0.48) + ny * np.float32(0.56) + nz * np.float32(0.68)
    light = (
        np.float32(0.60) * np.maximum(facing * np.float32(0.75) + np.float32(0.25), 0)
        + np.float32(0.34)
        + np.float32(0.14) * ny
    )
    light *= _occlusion(buffers, unit_px)
    rx, ry, rz = 2 * nz * nx, 2 * nz * ny, 2 * nz * nz - 1
    fresnel = np.float32(0.06) + np.float32(0.94) * (1 - np.clip(nz, 0, 1)) ** 4
    out = np.zeros_like(n)
    for number, patch in enumerate(patches):
        at = buffers.index == number
        if not at.any():
            continue
        finish = patch.finish
        color = np.broadcast_to(finish.color, (int(at.sum()), 3)).astype(np.float32)
        if finish.decal is not None and finish.ink is not None:
            color = _printed(color, buffers.uv[at][:, 0], buffers.height[at], finish)
        if finish.grain:
            color = color * (1 + np.float32(finish.grain) * _grain(buffers.uv[at]))[:, None]
        mirror = room(rx[at], ry[at], rz[at], finish.rough)
        if finish.metal:
            lit = color * (np.float32(0.25) * light[at] + np.float32(0.85) * mirror)[:, None]
        else:
            shine = np.float32(finish.gloss) * fresnel[at] * np.float32(1.5) + np.float32(0.05 * finish.gloss)
            lit = (
                color * light[at][:, None]
                + (shine * mirror + np.float32(0.16 * finish.gloss) * np.maximum(mirror - np.float32(0.75), 0))[:, None]
            )
        if finish.glow:
            warm = np.array([1.0, 0.93, 0.80], np.float32)
            lit = lit * np.float32(1 - finish.glow) + warm * color * np.float32(1.25 * finish.glow)
        out[at] = lit
    return out


def _grain(uv: Floats) -> Floats:
    u, v = uv[:, 0], uv[:, 1]
    return np.sin(v * 140 + np.sin(u * 23) * 2.2 + np.sin(v * 31) * 1.5) * np.float32(0.6) + np.sin(
        v * 300 + u * 9
    ) * np.float32(0.4)


def _printed(color: Floats, u: Floats, level: Floats, finish: Finish) -> Floats:
    if finish.decal is None or finish.ink is None:
        return color
    u0, y0, u1, y1 = finish.decal_at
    h, w = finish.decal.shape
    x = ((u - np.float32(u0)) / np.float32(u1 - u0) * (w - 1)).reshape(-1, 1).astype(np.float32)
    y = ((level - np.float32(y0)) / np.float32(y1 - y0) * (h - 1)).reshape(-1, 1).astype(np.float32)
    cover = np.empty(len(u), np.float32)
    for i in range(0, len(u), 30_000):  # remap takes at most 32,767 rows
        piece = cv2.remap(
            finish.decal,
            x[i : i + 30_000],
            y[i : i + 30_000],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0,
        )
        cover[i : i + 30_000] = np.asarray(piece, np.float32).ravel()
    return color + (finish.ink - color) * cover[:, None]


def _occlusion(buffers: Buffers, unit_px: float) -> Floats:
    """Darkening of creases (after screen-space occlusion): how far the neighbourhood stands in front."""
    small = max(round(unit_px / 160), 1)
    height, width = buffers.depth.shape
    size = (max(width // small, 1), max(height // small, 1))
    solid_full = buffers.index >= 0
    floor = float(buffers.depth[solid_full].min()) if solid_full.any() else 0.0
    z_full = np.where(solid_full, buffers.depth - floor, 0).astype(np.float32)
    solid = cv2.resize(solid_full.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    z = cv2.resize(z_full, size, interpolation=cv2.INTER_AREA)
    out = np.ones((height, width), np.float32)
    for radius, strength in ((0.020, 3.2), (0.060, 1.3)):
        sigma = max(radius * unit_px / small, 0.6)
        weight = cv2.GaussianBlur(solid, (0, 0), sigma) + np.float32(1e-4)
        mean = cv2.resize(cv2.GaussianBlur(z, (0, 0), sigma) / weight, (width, height), interpolation=cv2.INTER_LINEAR)
        out *= 1 - np.clip((mean - z_full) * np.float32(strength), 0, 0.35)
    return out

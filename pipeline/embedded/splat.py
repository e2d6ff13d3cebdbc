"""A camera that looks at patches, and the depth buffer that it fills.

Each grid is refined until neighbours are less than a pixel apart, every point is projected, and the nearest point of
each pixel wins (Westover's splatting, 1990, with points dense enough to need no kernel).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.embedded.palette import Floats, floats
from pipeline.embedded.solids import Patch

SPACING_PX = 0.75
COARSE_PX = 0.95
"""Distance of samples on pictures up to 1,024 px, where closed pinholes are lost in the averaging."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera ``distance`` from ``target``, turned by ``yaw`` and raised by ``pitch`` rad; ``scale`` px per unit."""

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
        return floats(moved @ (tip @ turn).T.astype(np.float32))

    def project(self, viewed: Floats) -> tuple[Floats, Floats]:
        """View space to columns and rows in px."""
        shrink = np.float32(self.scale * self.distance) / (np.float32(self.distance) - viewed[..., 2])
        across, down = np.float32(self.center[0]), np.float32(self.center[1])
        return floats(across + viewed[..., 0] * shrink), floats(down - viewed[..., 1] * shrink)


@dataclass(kw_only=True)
class Buffers:
    """What the camera saw: depth, unit normals, colour index and patch coordinates per pixel."""

    depth: Floats
    normal: Floats
    uv: Floats
    height: Floats
    index: np.ndarray[tuple[int, int], np.dtype[np.int16]]


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
    spacing = COARSE_PX if max(height, width) <= 1024 else SPACING_PX
    for number, patch in enumerate(patches):
        viewed = camera.view(patch.grid)
        x, y = camera.project(viewed)
        m, n = x.shape
        rows, columns = _stations(x, y, 0, spacing), _stations(x, y, 1, spacing)
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


def _stations(x: Floats, y: Floats, axis: int, spacing: float) -> Floats:
    """Fractional grid positions along ``axis`` that are less than ``spacing`` px apart on the picture."""
    step = np.hypot(np.diff(x, axis=axis), np.diff(y, axis=axis)).max(1 - axis)
    pieces = np.clip(np.ceil(step / spacing), 1, 4096).astype(np.int64)
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

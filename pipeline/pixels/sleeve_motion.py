"""Sleeves of a flat garment moved onto the arms of a body, while its trunk stays where it was laid.

The root of a sleeve lies further out on a table than on a shoulder, which is round, and it may lie at another angle
than the arm. The map is a thin-plate spline (Bookstein 1989) through landmarks of the trunk, which stay, and of the
sleeves, which move.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from pipeline.pixels import pose
from pipeline.pixels.landmarks import Landmarks, Sleeve
from pipeline.pixels.stances import Cut, Stance, body_height, sleeve_line, top_matrix
from pipeline.types import Size

Line = NDArray[np.float64]
"""(n, 2) of x, y in px."""
Shift = NDArray[np.float32]
"""(H, W, 2): by how many px aside and down of a pixel the cloth is taken that shall be seen there."""

GRID_PX: Final = 16
"""The spline is that smooth: it is solved on every 16th pixel."""


def sleeve_shift(marks: Landmarks, stance: Stance, cut: Cut) -> Shift | None:
    """What moves the sleeves of a garment, laid by `stances.top_matrix`, onto the arms of ``stance``.

    None where it has no sleeves. (H, W, 2) px of the stance's size.
    """
    matrix, own = top_matrix(stance, marks, cut), body_height(marks, cut)
    still = _laid(_trunk(marks), matrix)
    there, here = [still], [still]
    for side, sleeve in enumerate(marks.sleeves):
        line = sleeve_line(marks, side, own)
        if sleeve is None or line is None:
            continue
        arm = stance.joints[list(pose.ARMS[side]), :2].astype(np.float64)
        here.append(_laid(_cloth(sleeve), matrix))
        there.append(_carried(here[-1], _laid(line, matrix), arm))
    if len(here) == 1:
        return None
    points = np.concatenate(there)
    return _solved(points, np.concatenate(here) - points, stance.size)


def _trunk(marks: Landmarks) -> Line:
    """Landmarks of the trunk, which stay: collar, shoulders, armpits and rows down to the hem, (n, 2)."""
    high, low = marks.tops, marks.sides[0]
    rows = [*(high + (low - high) * share for share in (0.0, 0.33, 0.67)), *marks.sides]
    across = [row[0] + (row[1] - row[0]) * share for row in rows for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return np.concatenate([np.asarray(across, np.float64), marks.collar, marks.pits])


def _cloth(sleeve: Sleeve) -> Line:
    """Points of a sleeve that are surely not the trunk's: its middle and its upper edge, (n, 2)."""
    return np.concatenate([sleeve.axis[1:], sleeve.edges[1:, 0]]).astype(np.float64)


def _laid(points: Line, matrix: NDArray[np.float64]) -> Line:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


def _carried(points: Line, line: Line, arm: Line) -> Line:
    """Points as far along the ``arm`` (n, 2) and as far aside of it as they are of the ``line``."""
    start, way, ahead = _segments(line)
    along = np.einsum("pnx,nx->pn", points[:, None] - start, way)
    off = np.einsum("pnx,nx->pn", points[:, None] - start, _square(way))
    beyond = np.maximum(along - np.diff(ahead, append=ahead[-1] + np.inf), np.maximum(-along, 0))
    nearest = np.hypot(off, beyond).argmin(axis=1)
    row = np.arange(len(points))
    far = ahead[nearest] + along[row, nearest]
    start, way, ahead = _segments(arm)
    at = np.clip(np.searchsorted(ahead, far, side="right") - 1, 0, len(way) - 1)
    return np.asarray(
        start[at] + way[at] * (far - ahead[at])[:, None] + _square(way)[at] * off[row, nearest][:, None]
    )  # fmt: skip


def _segments(line: Line) -> tuple[Line, Line, NDArray[np.float64]]:
    """Where each segment of a line starts, its unit vector, and how far along the line it starts."""
    steps = np.diff(line, axis=0)
    lengths = np.maximum(np.hypot(*steps.T), 1e-6)
    return line[:-1], steps / lengths[:, None], np.concatenate([[0.0], np.cumsum(lengths)[:-1]])


def _square(ways: Line) -> Line:
    return np.stack([ways[:, 1], -ways[:, 0]], axis=1)


def _solved(points: Line, shifts: Line, size: Size) -> Shift:
    """The spline through ``shifts`` at ``points``, at every pixel of a picture."""
    spline = RBFInterpolator(points, shifts, kernel="thin_plate_spline")
    ys, xs = np.mgrid[0 : size[0] + GRID_PX : GRID_PX, 0 : size[1] + GRID_PX : GRID_PX]
    coarse = spline(np.stack([xs, ys], axis=-1).reshape(-1, 2).astype(np.float64)).reshape(*xs.shape, 2)
    rows, columns = (one.astype(np.float32) / GRID_PX for one in np.mgrid[: size[0], : size[1]])
    return np.asarray(cv2.remap(coarse.astype(np.float32), columns, rows, cv2.INTER_LINEAR), np.float32)

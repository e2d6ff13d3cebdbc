"""How wide a neckline is, to fractions of a pixel: a body's size is read from it (see `stances.body_height`)."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pixels.landmarks import Landmarks
from pipeline.types import Image

Floats = NDArray[np.float32]

UPPER, ROUND = 0.15, 0.955
"""A neckline is round if it keeps this share of its width (``ROUND``) under its ``UPPER`` share."""
WIDEST: Final = (0.97, 1.02)
"""Rows as wide as this, in widths of the neckline, are measured; ends of the back that show beside it are wider."""
REACH: Final = 0.12
"""How far beside a found edge the photo's is looked for, in halves of the width."""
STEP_PX: Final = 0.25
LEAST_STEP: Final = 12.0
"""Levels by which inside and outside differ at an edge that is believed."""
LEAST_ROWS: Final = 3


def neck_half(image: Image, aside: Floats, deep: Floats, marks: Landmarks) -> float:
    """Half the width in px of an opening whose pixels lie so far ``aside`` of and ``deep`` under the shoulders' tops.

    Its edges are those of the photo (H, W, 3) in the rows in which it is widest: where the colour is half the inside's.
    """
    half = coarse_half(aside, deep)
    rows = np.rint(deep)
    found = np.array([(row, aside[rows == row].min(), aside[rows == row].max()) for row in np.unique(rows)])
    wide = (found[:, 2] - found[:, 1]) / 2
    found = found[(wide > WIDEST[0] * half) & (wide < WIDEST[1] * half)]
    if len(found) < LEAST_ROWS:
        return half
    ends = [
        _edge(image, marks, found[:, 0], found[:, 1 + side], sign, REACH * half) for side, sign in ((0, -1), (1, 1))
    ]
    widths = (ends[1] - ends[0]) / 2
    widths = widths[np.isfinite(widths)]
    return float(np.percentile(widths, 75)) if len(widths) >= LEAST_ROWS else half


def coarse_half(aside: Floats, deep: Floats) -> float:
    """Half the width in px of an opening, from its pixels alone.

    A round one is as wide a little lower, where no end of the back shows beside it; one like a V is not.
    """
    whole = float(np.ptp(aside)) / 2
    lower = float(np.ptp(aside[deep >= deep.min() + UPPER * np.ptp(deep)])) / 2
    return lower if lower > ROUND * whole else whole


def _edge(
    image: Image, marks: Landmarks, deep: NDArray[np.float64], aside: NDArray[np.float64], sign: int, reach: float
) -> NDArray[np.float64]:  # fmt: skip
    """Where the photo's edge lies aside of the axis in rows ``deep``, near ``aside``; NaN where there is none."""
    steps = np.arange(-reach, reach + STEP_PX, STEP_PX)
    across = aside[:, None] + sign * steps
    at = marks.tops.mean(axis=0) + across[..., None] * marks.across + deep[:, None, None] * marks.down
    xs, ys = at[..., 0].astype(np.float32), at[..., 1].astype(np.float32)
    colors = cv2.remap(image.astype(np.float32), xs, ys, cv2.INTER_LINEAR)
    end = max(2, len(steps) // 6)
    inner, outer = colors[:, :end].mean(axis=1), colors[:, -end:].mean(axis=1)
    way = outer - inner
    size = (way**2).sum(axis=1)
    level = ((colors - inner[:, None]) * way[:, None]).sum(axis=2) / np.maximum(size, 1e-6)[:, None]
    first = (level > 0.5).argmax(axis=1)
    row, after = np.arange(len(level)), np.maximum(first, 1)
    before, step = level[row, after - 1], level[row, after] - level[row, after - 1]
    part = (0.5 - before) / np.where(np.abs(step) < 1e-6, 1e-6, step)
    edge = across[row, after - 1] + sign * STEP_PX * part
    return np.where((size > LEAST_STEP**2) & (first > 0), edge, np.nan)

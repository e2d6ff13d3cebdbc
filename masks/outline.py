"""How clearly a mask's outline shows in the picture: pure array code."""

from __future__ import annotations

import cv2
import numpy as np

from masks import ops
from pipeline.types import Image, Mask

FAINT = 8.0
"""CIELAB difference between the two sides of an outline under which no seam shows: paler than a soft shadow's edge."""
REACH = 0.004
"""How far to each side of the outline the colours are read, as a share of the longest side: past any blur."""


def faint_share(image: Image, mask: Mask) -> float:
    """Share of a mask's outline, 0 to 1, along which inside and outside have nearly the same colour.

    High for a mask that cuts through a pale product on a pale backdrop: there the cut follows no seam of the picture.
    ``image`` (H, W, 3) uint8, ``mask`` (H, W). 0 for a mask without an outline.
    """
    ys, xs = np.nonzero(ops.boundary(mask))
    if not len(ys):
        return 0.0
    reach = max(2.0, REACH * max(mask.shape))
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(inside - outside, (0, 0), 2.0))
    length = np.hypot(slope_x, slope_y) + 1e-6
    lab = cv2.GaussianBlur(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), (0, 0), 1.5)
    height, width = mask.shape

    def colours(offset: float) -> np.ndarray:
        step_y, step_x = slope_y[ys, xs] / length[ys, xs], slope_x[ys, xs] / length[ys, xs]
        y = np.clip(np.rint(ys + step_y * offset), 0, height - 1).astype(np.intp)
        x = np.clip(np.rint(xs + step_x * offset), 0, width - 1).astype(np.intp)
        return np.asarray(lab[y, x])

    return float((np.linalg.norm(colours(reach) - colours(-reach), axis=1) < FAINT).mean())


def hollow_foot(mask: Mask, dimmed: Mask, *, thin: float = 0.014) -> float:
    """Share of a mask's width, 0 to 1, whose lowest part is a thin dim rim with a gap above it.

    A white sole on white is seen by its lower rim and its shadow alone. ``dimmed`` (H, W) is True where the picture
    shows darker backdrop colour; rims are thinner than ``thin`` of the longest side. Legs and handles end in their own
    colour, and rungs and rings are thicker. 0 for an empty mask.
    """
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return 0.0
    height = mask.shape[0]
    upward = mask[::-1, columns]
    foot = upward.argmax(axis=0)  # rows from the picture's bottom to the lowest masked pixel
    rows = np.arange(height)[:, None]
    above = rows > foot
    top = np.where((above & ~upward).any(axis=0), (above & ~upward).argmax(axis=0), height)
    covered = (upward & (rows >= top)).any(axis=0)
    rim = upward & (rows < top)
    dim = (rim & dimmed[::-1, columns]).sum(axis=0) > 0.5 * rim.sum(axis=0)
    return float((covered & dim & (top - foot < thin * max(mask.shape))).mean())

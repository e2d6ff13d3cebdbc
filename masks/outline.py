"""How clearly a mask's outline shows in the picture: pure array code."""

from __future__ import annotations

import cv2
import numpy as np

from masks import ops
from pipeline.types import Image, Mask

FAINT = 8.0
"""CIELAB difference between the two sides of an outline under which no seam shows: paler than a soft shadow's edge."""
COLOURED, SHADED, HUE = 20.0, 0.18, 13.0
"""CIELAB chroma from which on an outside is told by its hue, how much its lightness then counts, and what is alike."""
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


def like_outside(image: Image, mask: Mask, *, coloured_only: bool = False) -> Mask:
    """Where a mask has the colour of what lies outside nearest to it: glass, gaps, white on white; (H, W).

    ``image`` (H, W, 3) uint8, ``mask`` (H, W). The outside is read past any blur, with
    ``coloured_only`` only where it has a clear hue. Nothing for a mask that is empty or leaves no outside.
    """
    reach = max(2.0, REACH * max(mask.shape))
    outside = ~ops.grow(mask, 2 * reach)
    if not mask.any() or not outside.any():
        return np.zeros_like(mask)
    lab = cv2.GaussianBlur(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), (0, 0), 1.5)
    _, nearest = cv2.distanceTransformWithLabels(
        (~outside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), np.float32)
    colours[nearest[outside]] = cv2.blur(lab, (2 * round(reach) + 1,) * 2)[outside]
    away = lab - colours[nearest]
    # a coloured cloth in the shadow of a sleeve is darker, but of no other hue; of grey the lightness is all there is
    coloured = np.hypot(colours[..., 1], colours[..., 2])[nearest] > COLOURED
    away[..., 0] *= np.where(coloured, SHADED, 1)
    like = mask & (np.linalg.norm(away, axis=2) < np.where(coloured, HUE, FAINT))
    return np.asarray(like & coloured if coloured_only else like)


def sliver_share(mask: Mask, pale: Mask) -> float:
    """Area of a mask's thin pale parts over the length of its outline, in px: rims of what was taken for backdrop.

    A white handle on white is seen by its shaded edges alone. ``pale`` (H, W) is True where the picture is near the
    backdrop's colour; parts count up to 6 px wide, and from 12 px of area; all for a picture of 1100 px.
    """
    outline = int(np.count_nonzero(ops.boundary(mask)))
    if not outline:
        return 0.0
    unit = max(mask.shape) / 1100
    thin = mask & pale & ~ops.opened(mask, 3 * unit)
    area = int(np.count_nonzero(ops.drop_islands(thin, 12 * unit**2)))
    return float(area / (outline * unit))


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


def pole_share(mask: Mask, *, thin: float = 0.12) -> float:
    """Share of a mask's height, 0 to 1, in which it is one single bar: a stand's pole, a hanger's hook.

    The longest run of rows that hold one part of the mask, narrower than ``thin`` of its widest row; the outermost
    hundredth at either end, where any outline ends in a point, does not count. No garment is so narrow over any height.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0.0
    inner = mask[rows[0] : rows[-1] + 1]
    end = len(inner) // 100
    widths = inner.sum(axis=1)
    starts = np.diff(np.pad(inner, ((0, 0), (1, 0))).astype(np.int8), axis=1) == 1
    bar = (widths > 0) & (widths < thin * widths.max()) & (starts.sum(axis=1) == 1)
    bar[:end], bar[len(bar) - end :] = False, False
    turns = np.flatnonzero(np.diff(np.pad(bar.astype(np.int8), 1)))
    lengths = turns[1::2] - turns[::2]
    return float(lengths.max() / len(inner)) if len(lengths) else 0.0

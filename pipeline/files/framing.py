"""What a finished picture shows, measured on its pixels alone: backdrop, product box, fill, frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Box, Image, Mask

NEAR_LEVELS = 15
"""A pixel this near to the backdrop's colour may be backdrop that failed to be exact (240 and up, for white)."""
PRODUCT_LEVELS = 24
"""A pixel this far from the backdrop's colour belongs to the product; soft shadows mostly stay under it."""
_CHROMA_LEVELS = 8
_SMOOTH_LEVELS = 6
_CLEAR_OF_EDGES_PX = 17
"""JPEG rings inside its 8 and 16 px blocks: nearer than this to the product a level or two off is the codec's."""
_BORDER_PX = 2


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """How exact a backdrop is. Shares are of the backdrop's pixels clear of the product, in [0, 1].

    ``border_off`` is the share of border pixels off the colour; ``haze`` of pixels off by a flat tint (254 where 255
    is asked), ``shade`` by a graded one (a shadow's tail); ``typical`` is the border's median colour.
    """

    border_off: float
    border_near: float
    haze: float
    shade: float
    typical: tuple[int, int, int]


def border_pixels(image: Image, width: int = _BORDER_PX) -> Image:
    """The outermost ``width`` pixels on all four sides, as ``(N, 1, 3)`` uint8."""
    rows = (image[:width], image[-width:], image[:, :width], image[:, -width:])
    return np.concatenate([part.reshape(-1, 1, 3) for part in rows])


def measure_backdrop(image: Image, colour: tuple[int, int, int]) -> Backdrop:
    """Compare a picture's backdrop with the colour that it must have to the last level."""
    border = border_pixels(image)
    away = _distance(border, colour)
    distance = _distance(image, colour)
    strong = (distance > PRODUCT_LEVELS).astype(np.uint8)
    near_product = cv2.dilate(strong, np.ones((2 * _CLEAR_OF_EDGES_PX + 1,) * 2, np.uint8)) > 0
    levels = distance[connected_backdrop(image, colour) & ~near_product]
    off = levels[levels > 0]
    share = off.size / max(1, levels.size)
    shaded = _is_shade(off)
    median = np.median(border.reshape(-1, 3), axis=0).astype(int)
    return Backdrop(
        border_off=float((away > 0).mean()),
        border_near=float((away <= NEAR_LEVELS).mean()),
        haze=0.0 if shaded else share,
        shade=share if shaded else 0.0,
        typical=(int(median[0]), int(median[1]), int(median[2])),
    )


def _is_shade(off: NDArray[np.int16]) -> bool:
    """Whether distances from the backdrop's colour thin out like a shadow's tail: most by a level or so, fewer by more.

    A flat tint (254 everywhere) sits on one level; the rest of a photographed backdrop peaks further away.
    """
    if not off.size:
        return False
    shares = np.bincount(off, minlength=4) / off.size
    return bool(shares.argmax() <= 3 and (shares >= 0.04).sum() >= 3)


def connected_backdrop(image: Image, colour: tuple[int, int, int], *, smooth: bool = False) -> Mask:
    """(H, W) bool: pixels near ``colour``, without hue, that connect to the border.

    ``smooth`` stops at the least texture, so that white cloth on white is not entered; it is for whitening.
    """
    spread = image.max(axis=2).astype(np.int16) - image.min(axis=2)
    neutral = spread <= _CHROMA_LEVELS + (max(colour) - min(colour))
    near = (_distance(image, colour) <= NEAR_LEVELS) & neutral
    if smooth:
        kernel = np.ones((3, 3), np.uint8)
        luma = image.min(axis=2)
        near &= (cv2.dilate(luma, kernel) - cv2.erode(luma, kernel)) <= _SMOOTH_LEVELS
    return _touching_border(near)


def estimate_backdrop(image: Image) -> tuple[int, int, int] | None:
    """The one colour of a plain backdrop, None where the border shows more than one."""
    border = border_pixels(image)
    median = np.median(border.reshape(-1, 3), axis=0).astype(int)
    colour = (int(median[0]), int(median[1]), int(median[2]))
    return colour if (_distance(border, colour) <= NEAR_LEVELS).mean() >= 0.9 else None


def product_box(image: Image, colour: tuple[int, int, int]) -> Box | None:
    """The box around everything that is not backdrop, specks left out; None where there is nothing."""
    away = (_distance(image, colour) > PRODUCT_LEVELS).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(away, connectivity=8)
    speck = max(4, image.shape[0] * image.shape[1] // 20_000)
    parts = [stats[label] for label in range(1, count) if stats[label][cv2.CC_STAT_AREA] >= speck]
    if not parts:
        return None
    left, top = min(part[0] for part in parts), min(part[1] for part in parts)
    right, bottom = max(part[0] + part[2] for part in parts), max(part[1] + part[3] for part in parts)
    return int(left), int(top), int(right), int(bottom)


def fill_share(box: Box, height: int, width: int) -> float:
    """Share of the frame that a box fills: of its height or its width, whichever is larger."""
    x0, y0, x1, y1 = box
    return max((x1 - x0) / width, (y1 - y0) / height)


def touches_border(box: Box, height: int, width: int) -> bool:
    """Whether a box reaches the picture's edge: what it holds is cut there, so no margin may be added."""
    x0, y0, x1, y1 = box
    return x0 <= 1 or y0 <= 1 or x1 >= width - 1 or y1 >= height - 1


def has_frame(image: Image) -> bool:
    """Whether a straight line runs along all four sides within 6 % of them: a frame or a border."""
    reach = max(2, round(0.06 * min(image.shape[:2])))
    sides = (image, image[::-1], image.swapaxes(0, 1), image[:, ::-1].swapaxes(0, 1))
    return all(_line_along_top(np.ascontiguousarray(side[: reach + 1]), reach) for side in sides)


def _line_along_top(strip: Image, reach: int) -> bool:
    inner = strip[:, reach : strip.shape[1] - reach].astype(np.int16)
    if inner.shape[1] < 8:
        return False
    steps = np.abs(np.diff(inner, axis=0)).max(axis=2)
    return bool(((steps > PRODUCT_LEVELS).mean(axis=1) > 0.95).any())


def _touching_border(mask: Mask) -> Mask:
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    keep = np.zeros(count, bool)
    keep[np.unique(edge)] = True
    keep[0] = False
    return np.asarray(keep[labels], dtype=bool)


def _distance(image: Image, colour: tuple[int, int, int]) -> NDArray[np.int16]:
    """Largest difference of a channel from ``colour``, (H, W) int16."""
    return np.asarray(np.abs(image.astype(np.int16) - np.array(colour, np.int16)).max(axis=2), dtype=np.int16)

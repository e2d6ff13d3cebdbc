"""The inside of a garment's back, seen through its neckline where nobody wears it: on a body, the neck is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pixels.landmarks import Landmarks, Points
from pipeline.pixels.neck_width import neck_half
from pipeline.types import Alpha, Image, Mask

WORK_PX: Final = 180
"""Half the distance between the armpits, in px, at which the opening is looked for."""
TAG_PX: Final = 31
"""Height of a label between the nape and what is seen below it."""
APART: Final = 16.0
"""How far inside and outside must lie apart (in `_tone`'s units) to be told."""
MIRROR: Final = 0.72
"""IoU with its mirror image below which what was found is no neckline."""
SOLID: Final = 0.86
"""Share of its convex hull that a neckline fills at least."""
ENDS: Final = 0.12
"""How far beside the opening ends of the back may show, in halves of the armpits' distance."""
HIGHEST: Final = 0.5
"""Per cent of an opening's pixels that may lie above its upper edge."""
AREA: Final = (0.015, 0.6)
"""Area of an opening in squares of half the armpits' distance."""


@dataclass(frozen=True, kw_only=True)
class Neckline:
    """A neckline: ``opening`` (H, W) is what is seen of the inside, ``nape`` (2,) the middle of its upper edge, and
    ``half`` half its width in px."""

    opening: Mask
    nape: Points
    half: float


def neck_opening(image: Image, alpha: Alpha, marks: Landmarks) -> Neckline | None:
    """Where the neckline is open; None where it cannot be told from the cloth.

    GrabCut (Rother et al. 2004) from a seed at the nape, in a window around the collar; its answer must be nearly its
    own mirror image and nearly convex.
    """
    reach = float(np.hypot(*(marks.pits[1] - marks.pits[0]))) / 2
    scale, size = WORK_PX / max(reach, 1.0), (round(2.1 * WORK_PX), round(1.6 * WORK_PX))
    matrix = _window(marks, scale, size)
    small = cv2.warpAffine(image, matrix, size[::-1], flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    solid = cv2.warpAffine(alpha, matrix, size[::-1], flags=cv2.INTER_AREA) > 0.5
    found = _grabbed(_tone(np.asarray(small, np.uint8)), np.asarray(solid))
    if found is None or not _is_neckline(found):
        return None
    soft = cv2.GaussianBlur(found.astype(np.float32), (0, 0), 2.0)
    back = cv2.warpAffine(
        soft, matrix, (alpha.shape[1], alpha.shape[0]), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )  # fmt: skip
    opening = _with_rim(np.asarray(back > 0.4), alpha, marks, reach)
    if not opening.any():
        return None
    sure = opening & (alpha > 0.5)  # a matte has faint specks beside its edge
    aside, deep = _off(sure if sure.any() else opening, marks)
    high = float(np.percentile(deep, HIGHEST))
    nape = marks.tops.mean(axis=0) + marks.down * high + marks.across * float(aside.mean())
    return Neckline(
        opening=_with_ends(opening, image, alpha, marks, reach),
        nape=nape.astype(np.float32),
        half=neck_half(image, aside, deep, marks),
    )


def _window(marks: Landmarks, scale: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """To an upright window about the collar whose middle column is the garment's axis."""
    across, down = marks.across.astype(np.float64), marks.down.astype(np.float64)
    turn = scale * np.stack([across, down])
    middle = marks.tops.mean(axis=0).astype(np.float64)
    to = np.array([size[1] / 2, 0.45 * WORK_PX])
    return np.concatenate([turn, (to - turn @ middle)[:, None]], axis=1)


def _tone(image: Image) -> Image:
    """Colours as GrabCut shall compare them: dark tones spread, for the inside of a dark garment is darker still."""
    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    light = 85 * np.log1p(np.maximum(lab[..., 0], 0) / 12)
    tones = np.stack([light, 128 + 1.4 * lab[..., 1], 128 + 1.4 * lab[..., 2]], axis=2)
    return np.asarray(np.clip(np.rint(tones), 0, 255), np.uint8)


def _grabbed(tone: Image, solid: Mask) -> Mask | None:
    """The part of the window that hangs together with the nape and has its tone; None if the cloth has it too."""
    height, width = solid.shape
    middle, px = width // 2, WORK_PX
    ys, xs = np.mgrid[:height, :width]
    aside = np.abs(xs - middle) / px
    column = np.flatnonzero(solid[:, middle - px // 20 : middle + px // 20 + 1].any(1))
    if not column.size:
        return None
    top = int(column[0])
    deep = (ys - top) / px
    nape = solid & (aside < 0.14) & (deep > 0.01) & (deep < 0.09)
    ring = solid & (aside > 0.48) & (aside < 0.75) | solid & (deep > 1.15) & (aside < 0.7)
    if nape.sum() < 30 or ring.sum() < 200:
        return None
    inner = np.median(tone[nape].astype(np.float32), axis=0)
    cloth = tone[ring].astype(np.float32)
    if float((np.linalg.norm(cloth - inner, axis=1) < APART).mean()) > 0.30:
        return None
    labels = np.full(solid.shape, cv2.GC_BGD, np.uint8)
    room = solid & (aside < 0.52) & (deep < 1.1)
    labels[room] = cv2.GC_PR_BGD
    labels[room & (np.linalg.norm(tone.astype(np.float32) - inner, axis=2) < 1.5 * APART)] = cv2.GC_PR_FGD
    labels[nape] = cv2.GC_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(tone, labels, (0, 0, 0, 0), *models, 5, cv2.GC_INIT_WITH_MASK)
    found = (((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)) & room).astype(np.uint8)
    return _from_nape(found, nape)


def _from_nape(found: NDArray[np.uint8], nape: Mask) -> Mask | None:
    """The found parts at the nape with bays closed and holes filled: a label sewn into the collar is inside too."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    tall = cv2.getStructuringElement(cv2.MORPH_RECT, (5, TAG_PX))
    bridged = cv2.morphologyEx(cv2.morphologyEx(found, cv2.MORPH_CLOSE, kernel), cv2.MORPH_CLOSE, tall)
    smooth = cv2.morphologyEx(bridged, cv2.MORPH_OPEN, kernel)
    _, parts = cv2.connectedComponents(smooth)
    seeds = np.unique(parts[nape & (smooth > 0)])
    hole = np.isin(parts, seeds[seeds > 0])
    if not hole.any():
        return None
    contours, _ = cv2.findContours(hole.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(found.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, -1)
    return np.asarray(filled > 0)


def _is_neckline(found: Mask) -> bool:
    area = float(found.sum())
    if not AREA[0] * WORK_PX**2 <= area <= AREA[1] * WORK_PX**2:
        return False
    mirror = np.roll(found[:, ::-1], 1 - found.shape[1] % 2, axis=1)
    points = np.argwhere(found)[:, ::-1].astype(np.int32)
    hull = max(float(cv2.contourArea(cv2.convexHull(points))), 1.0)
    alike = float((found & mirror).sum() / max(1, (found | mirror).sum()))
    return alike >= MIRROR and area / hull >= SOLID


def _with_rim(opening: Mask, alpha: Alpha, marks: Landmarks, reach: float) -> Mask:
    """The opening with the collar's back edge, which stands above the inside and behind the neck."""
    if not opening.any():
        return opening
    high, left, right, aside = _above(opening, alpha, marks, reach)
    return np.asarray(opening | (high & (aside > left) & (aside < right)))


def _with_ends(opening: Mask, image: Image, alpha: Alpha, marks: Landmarks, reach: float) -> Mask:
    """The opening with the ends of the back that show over the straps beside it: what there has the inside's colour."""
    high, left, right, aside = _above(opening, alpha, marks, reach)
    beside = high & ~opening & (aside > left - ENDS * reach) & (aside < right + ENDS * reach)
    inner, cloth = (np.median(image[one].astype(np.float32), axis=0) for one in (opening, (alpha > 0.98) & ~opening))
    apart = [np.linalg.norm(image[beside].astype(np.float32) - one, axis=1) for one in (inner, cloth)]
    ends = beside.copy()
    ends[beside] = apart[0] < 0.5 * apart[1]
    px = 2 * max(1, round(0.012 * reach)) + 1  # with their soft edge
    return np.asarray(opening | (beside & (cv2.dilate(ends.astype(np.uint8), np.ones((px, px), np.uint8)) > 0)))


def _off(opening: Mask, marks: Landmarks) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far the pixels of an opening lie aside of and under the middle between the shoulders' tops, in px."""
    ys, xs = np.nonzero(opening)
    off = np.stack([xs, ys], axis=1).astype(np.float32) - marks.tops.mean(axis=0)
    return np.asarray(off @ marks.across), np.asarray(off @ marks.down)


def _above(
    opening: Mask, alpha: Alpha, marks: Landmarks, reach: float
) -> tuple[Mask, float, float, NDArray[np.float32]]:  # fmt: skip
    """The cloth (H, W) at the height of an opening's upper edge and above it.

    Also where the opening begins and ends aside of the axis, and how far aside every pixel lies, in px.
    """
    aside, deep = _off(opening, marks)
    top = float(np.percentile(deep, 2))
    xs, ys = (one.astype(np.float32) for one in np.meshgrid(*(np.arange(size) for size in alpha.shape[::-1])))
    middle = marks.tops.mean(axis=0)
    a = (xs - middle[0]) * marks.across[0] + (ys - middle[1]) * marks.across[1]
    d = (xs - middle[0]) * marks.down[0] + (ys - middle[1]) * marks.down[1]
    high = (d < top + 0.05 * reach) & (d > top - 0.25 * reach) & (alpha > 0)
    return np.asarray(high), float(aside.min()), float(aside.max()), np.asarray(a)

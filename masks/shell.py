"""Skin or mannequin's shell that a garment's mask took with it: neck, hands and arms, known by the neck's own colour.

Segmenters take a hand on a hip, or a bare arm before a tank top, for a part of the garment. Kept pixel for pixel it
would be a mannequin's hand on a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import ops
from pipeline.types import Image, Mask

LIGHT: Final = 34.0
"""How much darker or lighter (L, 8 bit) than the neck other skin or shell may be: hands have other light."""
SHADED: Final = 0.5
"""How dark an arm's far side may be, in shares of the neck's lightness, where the cloth is told by its hue."""
TINT: Final = 6.0
"""How far in Lab's a and b it may lie from the neck's median, or half as far as that lies from grey."""
CLOSE: Final = 3.0
"""How far beside the cloth it may lie in a and b, or half as far again as the neck's own: walls are grey, too."""
PRINTED: Final = 0.2
"""Share of the chest in the neck's colour from which the cloth itself has that colour, and nothing can be told."""
THIN: Final = 0.045
"""Half the width, in widths of the trunk, under which something is a stripe or a petal and no finger."""
LARGE: Final = 0.012
"""Area, in squared widths of the trunk, from which something that lies on the cloth may be a hand."""
NECK: Final = (0.15, 0.42)
"""Width, in widths of the trunk, between which the top of a figure is its neck."""
STUMP: Final = 0.1
"""Height, in widths of the trunk, from which it is no rib of a collar."""
SEAM: Final = 10.0
"""CIELAB difference under which two sides of an edge are one cloth."""
KEPT: Final = 0.5
"""Share of a neck from which a mask has taken it for cloth."""
_LEAST_COLOURS: Final = 40


def shell_in(image: Image, garment: Mask, figure: Mask, *, legs: bool = True) -> Mask:
    """Where ``garment`` (H, W) holds skin or shell of the ``figure`` (H, W) that wears it; empty where none is told.

    Nothing is told where no neck is seen above the garment, or where the cloth of the chest has the neck's colour.
    ``legs`` is False where the garment may have trousers, which then are never taken for legs.
    """
    seen = _looked(image, garment, figure)
    if seen is None or seen.same:
        return np.zeros_like(garment)
    centre, top, width = seen.centre, seen.top, seen.width
    cloth, near, alike, chest = garment[seen.chest], seen.near, seen.alike, seen.chest
    # a forearm before the belly lies in the chest's window, too
    flesh = (alike if alike[chest][cloth].mean() <= PRINTED / 2 else near) & (garment | figure)
    bare = flesh & garment
    # with what lies beside the mask: of a chest only its lowest rim may be within
    thick = ops.opened(flesh, max(1.0, THIN * width)) & garment
    told = _limbs(thick, garment, (centre, top), width, legs=legs)
    return _seamed(image, bare & ops.grow(told, THIN * width), garment)


def neck_of_cloth(image: Image, garment: Mask, figure: Mask) -> bool:
    """Whether ``garment`` (H, W) ends in a neck of the cloth's own colour: hands and arms are then not told from it."""
    seen = _looked(image, garment, figure)
    return seen is not None and seen.same and float(garment[seen.neck].mean()) > KEPT


def trunk_width(garment: Mask) -> float:
    """How broad a worn ``garment`` (H, W) is in most of its rows, in px; 0 of an empty one."""
    box = ops.bounding_box(garment)
    return 0.0 if box is None else float(np.median(garment[box[1] : box[3]].sum(axis=1)))


def _centre(garment: Mask, width: float) -> float:
    """The column in the middle of a garment's upper part, as deep as the trunk is broad."""
    top, columns = np.nonzero(garment)
    return float(np.median(columns[top < top.min() + max(1, round(width))]))


def like_the_neck(image: Image, garment: Mask, figure: Mask) -> Mask:
    """Whatever in the picture has the colours of the neck of ``figure`` (H, W), (H, W); empty where none is seen."""
    if not garment.any():
        return np.zeros_like(garment)
    width = trunk_width(garment)
    neck = _neck(garment, figure | garment, _centre(garment, width), width)
    if np.count_nonzero(neck) < _LEAST_COLOURS:
        return np.zeros_like(garment)
    near, _ = _alike(image, neck)
    lab: NDArray[np.float32] = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    tints = lab[neck][:, 1:]
    middle = np.median(tints, axis=0)
    spread = np.percentile(np.abs(tints - middle), 90, axis=0)
    close: Mask = (np.abs(lab[..., 1:] - middle) <= np.maximum(1.5 * spread, CLOSE)).all(axis=2)
    return near & close


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """What is measured of a figure in a garment: the neck, what has its colours, and the chest.

    ``same`` says that the cloth of the chest has the neck's colour, so that nothing can be told apart.
    """

    neck: Mask
    near: Mask
    alike: Mask
    chest: tuple[slice, slice]
    centre: float
    top: float
    width: float
    same: bool


def _looked(image: Image, garment: Mask, figure: Mask) -> _Looked | None:
    """None where no neck is seen, or no cloth below it."""
    box = ops.bounding_box(garment)
    if box is None:
        return None
    width = trunk_width(garment)
    centre = _centre(garment, width)
    neck = _neck(garment, figure | garment, centre, width)
    rows = slice(round(box[1] + 0.6 * width), round(box[1] + 1.4 * width))
    chest = (rows, slice(max(0, round(centre - 0.3 * width)), round(centre + 0.3 * width)))
    cloth = garment[chest]
    if np.count_nonzero(neck) < _LEAST_COLOURS or not cloth.any():
        return None
    near, alike = _alike(image, neck)
    same = bool(near[chest][cloth].mean() > PRINTED)
    return _Looked(
        neck=neck, near=near, alike=alike, chest=chest, centre=centre, top=float(box[1]), width=width, same=same
    )


def _limbs(thick: Mask, garment: Mask, collar: tuple[float, float], width: float, *, legs: bool) -> Mask:
    """The parts of ``thick`` (H, W) that may be neck, hands, arms or legs; ``collar`` is x, y of the top's middle."""
    labels, areas = ops.parts(thick)
    told = areas >= LARGE * width**2
    beside = np.unique(labels[ops.grow(~garment, 2) & thick])
    told[beside] |= areas[beside] >= LARGE / 3 * width**2
    # a hand on the belly is low; what covers the figure's middle for longer is a skirt, shorts or trousers
    middle = slice(max(0, round(collar[0] - 0.08 * width)), round(collar[0] + 0.08 * width) + 1)
    below = labels[round(collar[1] + width) :, middle]
    for part in np.unique(below):
        told[part] &= np.count_nonzero((below == part).any(axis=1)) < 0.3 * width
    if not legs:
        ys, xs = np.mgrid[: labels.shape[0], : labels.shape[1]]
        low = (np.abs(xs - collar[0]) < 0.45 * width) & (ys > collar[1] + 1.3 * width)
        sunk = np.bincount(labels[low], minlength=len(areas))
        told &= (sunk < 0.5 * areas) | (areas < 0.08 * width**2)
    told[0] = False
    parts: Mask = told[labels]
    return parts


def _seamed(image: Image, bare: Mask, garment: Mask) -> Mask:
    """The parts of ``bare`` (H, W) that a seam parts from the cloth around; a shaded fold of the cloth has none."""
    lab = np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
    cloth = garment & ~ops.grow(bare, 2)
    inside, outside = _local(lab, ops.shrink(bare, 1)), _local(lab, cloth)
    alike = np.linalg.norm(inside - outside, axis=2) < SEAM
    labels, areas = ops.parts(bare)
    told = np.ones(len(areas), np.bool_)
    for part in range(1, len(areas)):
        edge = ops.grow(labels == part, 3) & cloth
        told[part] = not edge.any() or alike[edge].mean() < 0.3
    told[0] = False
    parts: Mask = told[labels]
    return parts


def _local(lab: NDArray[np.float32], where: Mask) -> NDArray[np.float32]:
    """The mean colour of ``where`` (H, W) near each pixel, (H, W, 3)."""
    weight = where.astype(np.float32)
    near = cv2.GaussianBlur(weight, (0, 0), 3.0)[..., None]
    return np.asarray(cv2.GaussianBlur(lab * weight[..., None], (0, 0), 3.0) / np.maximum(near, 1e-4), np.float32)


def _neck(garment: Mask, body: Mask, centre: float, width: float) -> Mask:
    """What surely is neck: bare figure above the collar's middle, or the narrow top of a figure in the mask."""
    columns = np.abs(np.arange(body.shape[1]) - centre)
    line = garment[:, int(np.clip(round(centre), 0, garment.shape[1] - 1))]
    collar = int(line.argmax()) if line.any() else 0
    bare = body & ~garment & (columns < 0.12 * width)
    bare[collar:] = False
    bare[: max(0, round(collar - 0.6 * width))] = False
    bare = ops.shrink(bare, 1)
    # veins of a marble wall and seams between planks may count as figure
    return (
        bare
        if np.count_nonzero(bare) >= _LEAST_COLOURS
        else _stump(ops.opened(body & (columns < 0.5 * width), 0.03 * width), width)
    )


def _stump(body: Mask, width: float) -> Mask:
    """The inside of the upper half of what is as narrow as a neck at the top of a figure; empty where nothing is."""
    across = body.sum(axis=1)
    if not across.any():
        return np.zeros_like(body)
    first = int(np.flatnonzero(across)[0])
    broad = np.flatnonzero(across[first:] > NECK[1] * width)
    height = int(broad[0]) if broad.size else 0
    stump = np.zeros_like(body)
    # what the frame cuts off may be anything
    if first == 0 or height < STUMP * width or float(np.median(across[first : first + height])) < NECK[0] * width:
        return stump
    half = slice(first, first + round(0.6 * height))
    stump[half] = body[half]
    return ops.shrink(stump, 0.02 * width)


def _alike(image: Image, known: Mask) -> tuple[Mask, Mask]:
    """What has the colours of ``known`` (H, W): its hue, nearer than white cloth is to pale skin, and its lightness;
    and what has that hue in the shade as well."""
    lab: NDArray[np.float32] = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    dark, bright = np.percentile(lab[known][:, 0], (5, 95))
    tint = np.median(lab[known][:, 1:], axis=0)
    reach = max(TINT, float(np.hypot(*(tint - 128))) / 2)
    hue = np.hypot(*np.moveaxis(lab[..., 1:] - tint, -1, 0)) < reach
    hue &= lab[..., 0] <= bright + LIGHT
    lowest = float(dark) - LIGHT
    return np.asarray(hue & (lab[..., 0] >= lowest)), np.asarray(hue & (lab[..., 0] >= min(lowest, SHADED * dark)))

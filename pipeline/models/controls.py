"""Control maps: from what is known of a picture to what a ControlNet reads. One row a kind.

Every map is (H, W, 3) uint8 of the size that the model runs at: lines and sticks keep the widths that ControlNets were
trained on, whatever the photo's size.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from pipeline.errors import ItemError
from pipeline.models.annotators import annotate
from pipeline.models.families import ControlMap
from pipeline.pixels import geometry
from pipeline.pixels.pose import Joints, moved
from pipeline.pixels.skeleton import draw_skeleton
from pipeline.types import Image, Mask

CANNY_LOW, CANNY_HIGH = 60, 140
BORDER: Final = 0.03
"""Share of the picture's longer side around the garment's border within which edges are given."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a control map is drawn from, all of the model's own size: the picture, what is kept, the joints (18, 3).

    ``annotate`` draws the maps of networks, by kind.
    """

    image: Image
    kept: Mask
    joints: Joints | None
    annotate: Callable[[str, Image], Image] = field(default=annotate, compare=False)


def pose_map(known: Known) -> Image:
    """OpenPose's coloured skeleton. Raises ItemError without a body: an empty pose map draws anything anywhere."""
    if known.joints is None or int((known.joints[:, 2] > 0).sum()) < 4:
        raise ItemError("no pose can be read from the photo: leave pose out of garment.controls, or give another photo")
    return draw_skeleton(known.joints, known.kept.shape)


def _near_border(known: Known) -> Mask:
    """The kept garment within a band along its border. Raises ItemError if nothing is kept."""
    if not known.kept.any():
        raise ItemError("there is nothing to draw edges of: the mask of what is kept is empty")
    px = max(2, round(BORDER * max(known.kept.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * px + 1, 2 * px + 1))
    inner = cv2.erode(known.kept.astype(np.uint8), kernel) > 0
    return np.asarray(known.kept & ~inner)


def _border_lines(kind: str, known: Known) -> Image:
    """A network's lines of the garment near its border, for the reasons of `border_canny`."""
    near = _near_border(known)
    lines = known.annotate(kind, known.image)
    return np.where(near[..., None], lines, np.uint8(0))


def border_canny(known: Known) -> Image:
    """Canny edges of the kept garment within a band around its border, and the border itself (Canny 1986).

    Only there: edges inside the garment are carried anyway, and those of the old surroundings must not come back.
    Raises ItemError if nothing is kept.
    """
    near, kept = _near_border(known), known.kept.astype(np.uint8)
    edges = cv2.Canny(cv2.cvtColor(known.image, cv2.COLOR_RGB2GRAY), CANNY_LOW, CANNY_HIGH)
    border = cv2.morphologyEx(kept, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8), borderType=cv2.BORDER_REPLICATE)
    lines = ((edges > 0) & near) | (border > 0)
    return np.repeat(lines.astype(np.uint8)[..., None] * np.uint8(255), 3, axis=2)


MAPS: Final[Mapping[str, Callable[[Known], Image]]] = {
    "pose": pose_map,
    "canny": border_canny,
    "softedge": functools.partial(_border_lines, "softedge"),
    "lineart": functools.partial(_border_lines, "lineart"),
    "depth": lambda known: known.annotate("depth", known.image),
    "tile": lambda known: known.image,
}
"""How a map is drawn, by kind of control."""


def _product_depth(known: Known) -> Image:
    """The depth of the product alone, all else far away: of the empty canvas around it nothing is known."""
    return np.where(known.kept[..., None], known.annotate("depth", known.image), np.uint8(0))


PRODUCT_MAPS: Final[Mapping[str, Callable[[Known], Image]]] = {**MAPS, "depth": _product_depth}
"""The same for a product on an empty canvas."""


def control_maps(
    known: Known, kinds: Sequence[str], maps: Mapping[str, Callable[[Known], Image]] = MAPS
) -> tuple[ControlMap, ...]:
    """The maps of ``kinds``. Raises ItemError where one cannot be drawn, WeightsMissing where a network is not here."""
    return tuple(ControlMap(kind=kind, image=maps[kind](known)) for kind in kinds)


def known_of(
    image: Image, kept: Mask, joints: Joints | None, size: tuple[int, int],
    annotate: Callable[[str, Image], Image] = annotate,
) -> Known:  # fmt: skip
    """What is known of a picture, brought to the model's ``size``; joints are in the picture's px."""
    scale = (size[1] / kept.shape[1], size[0] / kept.shape[0])
    share = cv2.resize(kept.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    return Known(
        image=geometry.resize_image(image, size),
        kept=np.asarray(share >= 0.5),
        joints=None if joints is None else moved(joints, scale=scale),
        annotate=annotate,
    )

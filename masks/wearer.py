"""The figure in a garment as a detector finds it: before streets and leaves neither colours nor the person network do.

A detector's figure is one thing with a rough edge. Its segmenter loses an arm or a hand that has the place's colours;
what hangs together with the figure and has the colours of its neck is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from masks import ops
from masks.find import Detected
from masks.outline import faint_share
from masks.shell import like_the_neck, trunk_width
from pipeline.types import Image, Mask

WORN: Final = 0.7
"""Share of the garment that lies within the figure who wears it."""
TAKEN: Final = 0.004
"""Share of a garment that must have a colour, in steps of 8 levels of Lab, for it to be one of the garment's."""
NEAR: Final = 0.35
"""How far beside its mask lost cloth lies, in widths of the trunk."""
STRIP_PX: Final = 1.5
"""Half the width of the soft edge along a garment's mask."""
STEP: Final = 8
SEEN: Final = 0.1
"""Area of a figure beside the garment, in the garment's, under which it says nothing of who wears it."""
LIMB_HALF: Final = 0.06
"""Half the width, in widths of the trunk, under which something is a blurred edge of the place and no limb."""
KNOWN: Final = 0.5
"""Share of a part that lies in the figure from which the rest of it belongs to the figure, too."""
FAINT: Final = 0.55
"""Share of an outline without a seam from which a part goes over into the place."""
LIMB_AREA: Final = 0.6
"""Area of a limb, in squared widths of the trunk: what is larger is a wall or a road of the neck's colour."""
AWAY: Final = 0.6
"""How far from what is known of a figure a limb may reach, in widths of the trunk."""
RIM: Final = 0.09
"""Half the width, in widths of the trunk, under which what a segmenter adds beside a garment is a rim of the place."""
CROOK_HALF: Final = 0.2
"""Half the width, in widths of the trunk, of a gap between a sleeve and the trunk."""
TRUNK_HALF: Final = 0.25
"""How far from the garment's middle such gaps lie, in widths of the trunk: what is open nearer to it is a jacket."""
TORN_PX: Final = 2.0
"""Half the width of the cracks in a segmenter's mask that are closed."""


def wears(figure: Mask, garment: Mask, share: float = WORN) -> bool:
    """Whether a ``share`` of ``garment`` (H, W) lies within ``figure`` (H, W)."""
    return bool((figure & garment).sum() >= share * garment.sum())


def wearer_of(found: Sequence[Detected], garment: Mask) -> Detected | None:
    """The surest of the detected figures that wears ``garment``; None if none does."""
    worn = [one for one in found if wears(one.mask, garment)]
    return max(worn, key=lambda one: one.score, default=None)


def detected_figure(image: Image, garment: Mask, found: Sequence[Detected]) -> Mask | None:
    """The figure (H, W) with its garment and all its limbs, of what a detector ``found``.

    None where nobody was found in the garment, or hardly more than the garment is seen of who was.
    """
    wearer = wearer_of(found, garment)
    if wearer is None:
        return None
    figure = _trimmed(image, ops.closed(wearer.mask | garment, TORN_PX), garment)
    if np.count_nonzero(wearer.mask & ~ops.grow(garment, TORN_PX)) < SEEN * np.count_nonzero(garment):
        return None
    return with_limbs(image, figure, garment)


def lost_share(image: Image, garment: Mask, figure: Mask) -> float:
    """Area beside ``garment`` (H, W) within the ``figure`` that has the garment's colours, as a share of the garment.

    What has the neck's colours, too, does not count, nor what lies far off. High where a mask has lost a sleeve.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.int64) // STEP
    colours = (lab * np.array([1024, 32, 1])).sum(axis=2)
    own = np.bincount(colours[ops.shrink(garment, 2)], minlength=32 * 1024) >= TAKEN * np.count_nonzero(garment)
    near = ops.grow(garment, NEAR * trunk_width(garment)) & ~ops.grow(garment, 2)
    rest = figure & near & own[colours] & ~like_the_neck(image, garment, figure)
    return float(ops.opened(rest, STRIP_PX).sum() / max(1, np.count_nonzero(garment)))


def _trimmed(image: Image, figure: Mask, garment: Mask) -> Mask:
    """The ``figure`` without rims along the garment and what fills the gap between a sleeve and the trunk.

    Both are the place's, where a segmenter's grid is too coarse. Bare arms stay, and whatever lies before the trunk.
    """
    width = trunk_width(garment)
    away = np.abs(np.arange(garment.shape[1]) - float(np.median(np.nonzero(garment)[1])))
    aside = away > TRUNK_HALF * width
    crooks = ops.closed(garment, CROOK_HALF * width) & ~garment & aside
    beside = figure & ~garment & ~(crooks & ~like_the_neck(image, garment, figure))
    return np.asarray(garment | ops.opened(beside, RIM * width) | (beside & ~aside), np.bool_)


def with_limbs(image: Image, figure: Mask, garment: Mask) -> Mask:
    """The ``figure`` (H, W) with arms, hands and legs that hang together with it and have its neck's colours.

    Nothing is added that could be a part of the place: as large as a wall, at the picture's upper edge, far off,
    or without an outline of its own.
    """
    width = trunk_width(garment)
    like = ops.opened(like_the_neck(image, garment, figure) & ~garment, LIMB_HALF * width)
    labels, areas = ops.parts(like)
    limb = areas < LIMB_AREA * width**2
    limb[0] = False
    limb[np.unique(labels[~ops.grow(figure, AWAY * width)])] = False
    limb[np.unique(labels[:2])] = False
    reached = np.unique(labels[ops.grow(figure, TORN_PX)])
    added = [labels == part for part in reached if limb[part]]
    known = [part for part in added if (part & figure).sum() > KNOWN * part.sum() or faint_share(image, part) < FAINT]
    return np.asarray(np.logical_or.reduce([figure, *known]), np.bool_)

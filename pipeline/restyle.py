"""`garment.mode: restyle`: the garment of a photographed person is exchanged for one in words; the person stays.

It goes the way of the other garments (see `pipeline.garment`), but for what is kept: everything outside the repainted
area, bit for bit, and of the old garment nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.garment import Plan
from pipeline.passes.inpaint import CONTEXT, CONTEXT_PX
from pipeline.pixels import blend, checks_garment, geometry
from pipeline.pixels.checks_garment import Seen
from pipeline.pixels.checks_restyle import Restyled, measure_restyled
from pipeline.pixels.color import to_float, to_uint8
from pipeline.pixels.pose import Joints
from pipeline.types import Image, Mask, Picture, Size, Subject

FADE: Final = 0.004
"""Width of the fade inside the repainted area's edge, as a share of the photo's longer side."""


def restyle_plan(
    picture: Picture, subject: Subject, *, joints: Joints | None, figure: Mask, relaxed: Mask, protected: Mask
) -> Plan:
    """The plan of a restyled photo: ``relaxed`` is repainted but for what is ``protected``, and its core is the rest.

    The crop holds the whole figure: a model that sees no head draws one. Raises ValueError if nothing is repainted.
    """
    repaint = relaxed & ~protected
    if not (repaint & subject.mask).any():
        raise ValueError("nothing of the garment may be repainted: its mask lies on face, hair or hands")
    size: Size = (repaint.shape[0], repaint.shape[1])
    around = geometry.box_of(repaint | figure) or (0, 0, size[1], size[0])
    return Plan(
        photo=picture.image,
        alpha=subject.alpha,
        foreground=subject.foreground,
        core=~repaint,
        repaint=repaint,
        joints=joints,
        box=geometry.context_box(around, size, factor=CONTEXT, floor_px=CONTEXT_PX),
        old=figure,
    )


def join_restyled(plan: Plan, patch: Image) -> Image:
    """The photo with what was generated in its repainted area; ``patch`` is the plan's crop at the photo's own size.

    The patch's colours are fitted to the photo on a ring around the area, and it fades in over a few pixels inside it.
    Outside the photo stays, bit for bit.
    """
    piece, hole = geometry.crop(plan.photo, plan.box), geometry.crop(plan.repaint, plan.box)
    fitted = blend.ring_color_fit(piece, patch, hole)
    weight = blend.feather(hole, max(2.0, FADE * max(plan.repaint.shape)))[..., None]
    mixed = to_uint8((to_float(piece) * (1 - weight) + to_float(fitted) * weight).astype(np.float32))
    return geometry.paste(plan.photo, np.where(hole[..., None], mixed, piece), plan.box, hole)


def measure_restyle(plan: Plan, result: Image, *, seen: Seen | None) -> Restyled:
    """Measure a finished picture of a plan that `restyle_plan` made."""
    return measure_restyled(
        plan.photo,
        result,
        np.asarray(plan.alpha >= 0.5),
        plan.repaint,
        reach_px=max(2, round(0.01 * max(plan.repaint.shape))),
        face_asked=checks_garment.face_asked(plan.joints),
        seen=seen,
    )

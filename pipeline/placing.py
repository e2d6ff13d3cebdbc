"""`garment.mode: place`: garments that lie flat or hang hollow are laid on a pose, as if shot on a body.

What comes out is a photo of one or several garments on nobody, with their matte and the pose. From there on it goes the
way of `keep`: a person and a place are generated around it, and its pixels are carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pipeline.outfits import Garment, Piece, as_garment, in_order, lies_inside
from pipeline.pixels.bottoms import Bottom
from pipeline.pixels.color import to_float, to_uint8
from pipeline.pixels.drape import Draped, body_light, drape, drape_bottom, drape_problems, shaded
from pipeline.pixels.layers import Layer, stacked, under
from pipeline.pixels.pose import Joints
from pipeline.pixels.stances import Stance, stance_for_legs, stance_of, with_bottom
from pipeline.types import Alpha, Image, Subject

GREY: Final = 0.72
HIPS: Final = 0.10
"""Over this height, in heights of the body, a waistband that is wider than the hem above it rounds into it."""
LEAST_SHOWN: Final = 0.04
"""A garment of which less is seen under the others is not sold by the picture."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Garments on a pose, all in the same px: colours on grey, matte, joints (18, 3), and what is wrong in words.

    ``layers`` names the garments from the lowest up, ``shown`` is the share of each one's area that is seen.
    """

    image: Image
    alpha: Alpha
    foreground: Image
    joints: Joints
    turned: float
    problems: tuple[str, ...]
    layers: tuple[str, ...]
    shown: tuple[float, ...]


def place(subject: Subject, phrases: Sequence[str], others: Sequence[Piece] = ()) -> Placed:
    """Put a flat or hollow garment, and ``others`` of the same look, on a standing pose that suits their cut.

    The pose is that of the longest sleeves and of the trousers' legs; each garment is brought to the body's size by its
    own cut, and they lie over each other as `outfits.in_order` says.

    Raises:
        ItemError: a garment has a hood, sleeves that cannot be told from its body, or an outline that no landmarks can
            be found in; or two of them dress the same legs.
    """
    garments = in_order([as_garment(piece) for piece in (Piece(subject=subject, phrases=tuple(phrases)), *others)])
    stance, draped = _dressed(garments)
    layers = [
        Layer(image=shaded(one, body_light(stance, one.alpha, stance.size)), alpha=one.alpha) for one in draped
    ]  # fmt: skip
    stack = stacked(layers, stance.unit)
    over = stack.alpha[..., None]
    image = to_uint8((GREY * (1 - over) + to_float(stack.image) * over).astype(np.float32))
    return Placed(
        image=np.where(over >= 1, stack.image, image),
        alpha=stack.alpha,
        foreground=stack.image,
        joints=stance.joints,
        turned=max(one.turned for one in draped),
        problems=_problems(garments, draped, stack.shown),
        layers=tuple(one.name for one in garments),
        shown=stack.shown,
    )


def _dressed(garments: Sequence[Garment]) -> tuple[Stance, list[Draped]]:
    """The pose of a look, and its garments laid on it in their order, without what those above them hide."""
    bottom = next((one.marks for one in garments if isinstance(one.marks, Bottom)), None)
    lead = max(reversed(garments), key=lambda one: (not isinstance(one.marks, Bottom), round(one.sleeve, 1)))
    if isinstance(lead.marks, Bottom):
        stance = stance_for_legs(lead.marks)
    else:
        stance = stance_of(lead.marks, cut=lead.cut, whole=bottom is not None)
    if bottom is not None:
        stance = with_bottom(stance, bottom)
    draped = [_laid(one, stance, garments[at + 1 :]) for at, one in enumerate(garments)]
    for at, one in enumerate(garments):
        hips_px = HIPS * stance.unit if isinstance(one.marks, Bottom) else 0.0
        for above, over in zip(garments[at + 1 :], draped[at + 1 :], strict=True):
            if lies_inside(one, above):
                alpha = under(draped[at].alpha, over.alpha, stance.size[1] / 2, hips_px=hips_px)
                draped[at] = replace(draped[at], alpha=alpha)
    return stance, draped


def _laid(garment: Garment, stance: Stance, above: Sequence[Garment]) -> Draped:
    image, alpha, marks = garment.subject.foreground, garment.subject.alpha, garment.marks
    if isinstance(marks, Bottom):
        return drape_bottom(image, alpha, marks, stance)
    seen = not any(lies_inside(garment, one) for one in above)
    return drape(image, alpha, garment.opening, marks, stance, cut=garment.cut, sleeves_seen=seen)


def _problems(garments: Sequence[Garment], draped: Sequence[Draped], shown: Sequence[float]) -> tuple[str, ...]:
    """What a buyer would reject of the look, in words; which garment is named where there are several."""
    said = []
    for garment, one, share in zip(garments, draped, shown, strict=True):
        found = [*drape_problems(one)]
        if share < LEAST_SHOWN:
            found.append(f"{share:.0%} of it are seen under the others (limit {LEAST_SHOWN:.0%})")
        said += found if len(garments) == 1 else [f"{garment.name}: {words}" for words in found]
    return tuple(said)

"""The kind `garment`: what happens to an item after its garment's mask.

    plan          what is kept bit for bit (the core), what is repainted, in which pose
    paint         a person and a place around the garment, at the model's native size, several candidates
    join          the enlarged picture under the garment's own pixels, through a matte
    measure       what a buyer would look at (`pixels.checks_garment`)

`repaint_mask` is the one place where a subject mask becomes a repaint mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import cv2
import numpy as np

from pipeline.errors import CheckFailed
from pipeline.models.annotators import annotate
from pipeline.models.controls import control_maps, known_of
from pipeline.models.families import ControlMap, Generator, Inpaint
from pipeline.models.generators import generate, native_size
from pipeline.passes.inpaint import CONTEXT, CONTEXT_PX, Wish, native_request, soft_strengths
from pipeline.pixels import blend, checks_garment, geometry, pose
from pipeline.pixels.checks_garment import Measures, Seen
from pipeline.pixels.color import SOLID, to_float, to_uint8
from pipeline.pixels.pose import Joints
from pipeline.types import Alpha, Box, Image, Mask, Picture, Size, Subject

CORE_PX: Final = 1
"""The core ends this far inside the solid part of the matte: edge pixels carry some of the old surroundings."""
ROOM: Final = 0.06
"""Share of the picture's longer side around the old figure that is repainted with it, for hair and shadows."""

TOGETHER: Final = 4
"""Candidates in one call of the model at most: more take memory and save little time."""

Repaint = Literal["everything", "figure"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is done to one photo. ``core`` is carried bit for bit, ``repaint`` is all that a model may change.

    ``alpha`` and ``foreground`` are the garment's matte and its own colours, ``box`` the crop that the model sees,
    ``old`` the figure in the photo where its outline is known.
    """

    photo: Image
    alpha: Alpha
    foreground: Image
    core: Mask
    repaint: Mask
    joints: Joints | None
    box: Box
    old: Mask | None = None


def repaint_mask(subject: Mask, core: Mask, *, repaint: Repaint, figure: Mask, joints: Joints | None) -> Mask:
    """Where pixels are generated, (H, W): everything but the core, or only the old figure and the room of a new one.

    Whatever is seen of a mannequin, a hanger or a stand beside the garment is in it. Outside it the photo stays.
    """
    if repaint == "everything":
        return ~core
    old = figure | subject
    if joints is not None:
        old = old | body_room(joints, (subject.shape[0], subject.shape[1]))
    px = max(4, round(ROOM * max(subject.shape) / 2))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * px + 1, 2 * px + 1))
    return np.asarray(cv2.dilate(old.astype(np.uint8), kernel) > 0) & ~core


def body_room(joints: Joints, size: Size) -> Mask:
    """The room that a body in a pose takes: thick limbs, and a circle for head and hair."""
    from pipeline.pixels.skeleton import LIMBS

    canvas = np.zeros(size, np.uint8)
    torso = pose.torso_length(joints)
    for a, b in LIMBS[:13]:
        if joints[a, 2] and joints[b, 2]:
            ends = [(round(float(joints[j, 0])), round(float(joints[j, 1]))) for j in (a, b)]
            cv2.line(canvas, ends[0], ends[1], 1, max(1, round(0.3 * torso)))
    if joints[0, 2]:
        nose = (round(float(joints[0, 0])), round(float(joints[0, 1])))
        cv2.circle(canvas, nose, max(1, round(0.45 * torso)), 1, -1)
    return np.asarray(canvas > 0)


def make_plan(
    picture: Picture, subject: Subject, *, joints: Joints | None, figure: Mask, repaint: Repaint, whole: bool = True
) -> Plan:
    """Decide what is kept and what is repainted. Raises ValueError if nothing of the garment is solid."""
    solid = (subject.alpha >= SOLID).astype(np.uint8)
    kernel = np.ones((2 * CORE_PX + 1, 2 * CORE_PX + 1), np.uint8)
    core = np.asarray(cv2.erode(solid, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1) > 0)
    if not core.any():
        raise ValueError("nothing of the garment's mask is solid: there is nothing to carry")
    hole = repaint_mask(subject.mask, core, repaint=repaint, figure=figure, joints=joints)
    size: Size = (core.shape[0], core.shape[1])
    around = geometry.box_of(hole | core) or (0, 0, size[1], size[0])
    return Plan(
        photo=picture.image,
        alpha=subject.alpha,
        foreground=subject.foreground,
        core=core,
        repaint=hole,
        joints=joints,
        box=geometry.context_box(around, size, factor=CONTEXT, floor_px=CONTEXT_PX),
        old=figure if whole else None,
    )


def prompt_of(*, person: str, wearing: str, place: str) -> str:
    """The prompt: who wears what, and where; parts without words are left out."""
    who = " wearing ".join(part for part in (person.strip(), wearing.strip()) if part)
    return ", ".join(part for part in (who, place.strip()) if part)


def draw_controls(
    plan: Plan, kinds: Sequence[str], size: Size, annotate: Callable[[str, Image], Image] = annotate
) -> tuple[ControlMap, ...]:
    """The control maps of the plan's crop at the model's ``size``. Raises ItemError where one cannot be drawn."""
    x0, y0 = plan.box[:2]
    joints = None if plan.joints is None else pose.moved(plan.joints, by=(float(x0), float(y0)))
    piece, kept = geometry.crop(plan.photo, plan.box), geometry.crop(plan.alpha >= 0.5, plan.box)
    return control_maps(known_of(piece, kept, joints, size, annotate), kinds)


def paint(generator: Generator, plan: Plan, wish: Wish, controls: tuple[ControlMap, ...]) -> Image:
    """One candidate: the plan's crop at the model's native size. Raises CheckFailed for a black or empty picture."""
    return generate(generator, [_request(generator, plan, wish, controls)])[0]


def paint_all(
    generator: Generator, plan: Plan, wish: Wish, controls: tuple[ControlMap, ...], seeds: Sequence[int]
) -> list[Image | CheckFailed]:
    """A candidate for each of the ``seeds``, TOGETHER at a time, or why there is none (see `paint`).

    Each is what it would be alone, but for the rounding of `generate`.
    """
    one = _request(generator, plan, wish, controls)
    asked = [replace(one, seed=seed) for seed in seeds]
    parts = [asked[first : first + TOGETHER] for first in range(0, len(asked), TOGETHER)]
    return [made for part in parts for made in _made(generator, part)]


def _made(generator: Generator, requests: Sequence[Inpaint]) -> list[Image | CheckFailed]:
    """The pictures of one call; one by one where one of them fails, so that the others are known."""
    try:
        return [*generate(generator, requests)]
    except CheckFailed as error:
        if len(requests) == 1:
            return [error]
    return [made for one in requests for made in _made(generator, [one])]


def _request(generator: Generator, plan: Plan, wish: Wish, controls: tuple[ControlMap, ...]) -> Inpaint:
    piece, hole = geometry.crop(plan.photo, plan.box), geometry.crop(plan.repaint, plan.box)
    soft = soft_strengths(kept_place(plan), width_px=wish.soft_edge * max(plan.repaint.shape))
    return native_request(generator, piece, hole, wish, controls=controls, grow=False, strengths=soft)


def kept_place(plan: Plan) -> Mask:
    """What stays of the place around the garment, in the plan's crop: neither repainted nor garment."""
    hole, alpha = geometry.crop(plan.repaint, plan.box), geometry.crop(plan.alpha, plan.box)
    return np.asarray(~hole & (alpha < 0.02))


def native_size_of(generator: Generator, plan: Plan) -> Size:
    """The size at which the plan's crop is generated."""
    height, width = geometry.box_size(plan.box)
    return native_size(generator.row, width / height)


def join(plan: Plan, patch: Image) -> Image:
    """The photo with what was generated around the garment; ``patch`` is the crop at the photo's own size.

    Core and everything outside the repaint mask are the photo's, bit for bit. Between them lies the garment's matte:
    its own colours, without the old surroundings, over the generated ones. These are first fitted to the photo where
    both show the same, inside the garment: that takes out the model's colour shift. A repainted part of a backdrop
    that is kept fades into it.
    """
    piece, hole = geometry.crop(plan.photo, plan.box), geometry.crop(plan.repaint, plan.box)
    alpha, own = geometry.crop(plan.alpha, plan.box), geometry.crop(plan.foreground, plan.box)
    fitted = blend.ring_color_fit(piece, patch, hole)
    kept = kept_place(plan)
    if kept.any():
        fade = blend.feather(~kept, max(2.0, 0.012 * max(hole.shape)))[..., None]
        fitted = to_uint8((to_float(piece) * (1 - fade) + to_float(fitted) * fade).astype(np.float32))
    mixed = to_uint8(blend.over(to_float(own), alpha, to_float(fitted)))
    return geometry.paste(plan.photo, mixed, plan.box, hole)


def measure(plan: Plan, result: Image, *, seen: Seen | None, regarmented: Mask | None) -> Measures:
    """Measure a finished picture; ``regarmented`` is the garment as it is segmented in the result."""
    slack = max(2, round(0.004 * max(plan.core.shape)))
    subject = plan.alpha >= 0.5
    grown = None if regarmented is None else checks_garment.grown_share(subject, regarmented, slack_px=slack)
    return Measures(
        core_difference=checks_garment.core_difference(plan.photo, result, plan.core),
        border_delta_e=checks_garment.border_delta_e(plan.photo, result, plan.alpha, plan.core),
        border_jump=checks_garment.border_jump(plan.photo, result, plan.alpha, plan.core),
        expansion=grown,
        empty=checks_garment.is_empty(result, plan.repaint),
        face_asked=checks_garment.face_asked(plan.joints),
        seen=seen,
    )

"""Bodies: people and grey shop mannequins, drawn on a skeleton."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.embedded.canvas import Canvas, Material
from pipeline.embedded.paint import Dressing, dot, paint
from pipeline.embedded.palette import Floats
from pipeline.embedded.parts import Part, Point, Tube, point
from pipeline.embedded.pose import ARMS, LEGS, NECK, NOSE, Skeleton

TORSO_T = (0.0, 0.025, 0.06, 0.11, 0.26, 0.42, 0.62, 0.86, 1.0, 1.14)


JOINT = 0.12


HAIR_STYLES = ("short", "crop", "bob", "long", "bun", "afro", "bald", "waves")


@dataclass(frozen=True, kw_only=True)
class Looks:
    """A person's colours and hair, or a mannequin's shell. ``hair`` is a style of HAIR_STYLES."""

    skin: Floats
    hair_color: Floats
    hair: str = "short"
    feminine: bool = False
    senior: bool = False
    beard: bool = False
    mannequin: bool = False
    headless: bool = False

    @property
    def material(self) -> Material:
        """Skin, or glossy shell."""
        if self.mannequin:
            return Material(color=self.skin, gloss=0.22, sharpness=18)
        return Material(color=self.skin, gloss=0.06, sharpness=9, shadow_tint=(1.22, 0.92, 0.80))


def torso_widths(skeleton: Skeleton, ease: float = 0.0) -> tuple[float, ...]:
    """Half widths in px at the stations TORSO_T, with ``ease`` units of room."""
    b, u = skeleton.build, skeleton.unit
    base = (
        0.030,
        0.050 * b.shoulders,
        0.076 * b.shoulders,
        0.090 * b.shoulders,
        0.083 * b.shoulders + 0.004 * b.bust,
        0.077 * b.waist**0.5 + 0.003 * b.bust,
        0.066 * b.waist,
        0.083 * b.hips,
        0.088 * b.hips,
        0.080 * b.hips,
    )
    return tuple((w + ease) * u for w in base)


def torso(skeleton: Skeleton, ease: float = 0.0, end: float = 1.02, lift: float = 0.0, depth: float = 1.0) -> Tube:
    """The trunk from the base of the neck to ``end`` (1 is the hips)."""
    start, stop = skeleton.torso(0.0), skeleton.torso(end)
    ts = tuple(min(t / end, 1.0) for t in TORSO_T)  # stations beyond the end fold onto it
    return Tube(start=start, end=stop, ts=ts, widths=torso_widths(skeleton, ease), hem=0.3, lift=lift, depth=depth)


def limb(
    start: Point, end: Point, ts: tuple[float, ...], widths: tuple[float, ...], *, lift: float = 0.0, bend: float = 1.0
) -> Tube:
    """A tapered limb with round ends."""
    return Tube(start=start, end=end, ts=ts, widths=widths, round_start=True, round_end=True, lift=lift, bend=bend)


def arm_parts(skeleton: Skeleton, side: int, lift: float = 0.0) -> list[Part]:
    """Upper arm, forearm and hand."""
    u, k = skeleton.unit, skeleton.build.limbs
    shoulder, elbow, wrist = (skeleton.joints[i] for i in ARMS[side])
    along = (wrist - elbow) / np.float32(np.hypot(*(wrist - elbow)))
    inward = point(float(-along[1]), float(along[0])) * np.float32(1 if side == 0 else -1)
    palm = wrist + along * np.float32(0.030 * u)
    tips = palm + along * np.float32(0.026 * u) - inward * np.float32(0.003 * u)
    w = u * k
    return [
        limb(shoulder, elbow, (0, 0.2, 0.6, 1), (0.027 * w, 0.028 * w, 0.025 * w, 0.021 * w), lift=lift, bend=JOINT),
        limb(elbow, wrist, (0, 0.25, 1), (0.0205 * w, 0.0215 * w, 0.0135 * w), lift=lift, bend=JOINT),
        limb(wrist, palm, (0, 0.4, 1), (0.0125 * w, 0.0155 * w, 0.0165 * w), lift=lift, bend=JOINT),
        limb(palm, tips, (0, 0.5, 1), (0.0155 * w, 0.0125 * w, 0.0070 * w), lift=lift),
        limb(
            wrist + along * np.float32(0.010 * u),
            palm + along * np.float32(0.004 * u) - inward * np.float32(-0.017 * u),
            (0, 1),
            (0.0075 * w, 0.0055 * w),
            lift=lift,
        ),
    ]


def leg_parts(skeleton: Skeleton, side: int) -> list[Part]:
    """Thigh, calf and bare foot."""
    u, k = skeleton.unit, skeleton.build.limbs
    hip, knee, ankle = (skeleton.joints[i] for i in LEGS[side])
    out = -1.0 if side == 0 else 1.0
    toe = ankle + point(out * 0.014 * u, 0.040 * u)
    w = u * k
    return [
        limb(hip, knee, (0, 0.25, 0.7, 1), (0.050 * w, 0.050 * w, 0.038 * w, 0.031 * w), bend=JOINT),
        limb(
            knee, ankle, (0, 0.12, 0.32, 0.7, 1), (0.030 * w, 0.029 * w, 0.0335 * w, 0.022 * w, 0.0165 * w), bend=JOINT
        ),
        limb(ankle, toe, (0, 0.6, 1), (0.0165 * w, 0.020 * w, 0.019 * w)),
    ]


def draw_body(
    canvas: Canvas,
    skeleton: Skeleton,
    looks: Looks,
    *,
    covered_legs: int = 0,
    hands: tuple[bool, bool] = (True, True),
    sleeved: tuple[int, int] = (0, 0),
) -> None:
    """Legs (but for ``covered_legs`` of thigh, calf and foot), trunk, arms and neck; the head comes after the clothes.

    ``hands`` says of each side whether the arm has one, ``sleeved`` how many of its limbs, from the shoulder on, are
    not drawn because something else dresses them.
    """
    name = "mannequin" if looks.mannequin else "skin"
    u = skeleton.unit
    for side in (0, 1):
        parts = leg_parts(skeleton, side)
        paint(canvas, parts[covered_legs:], looks.material, name, u, Dressing(shadow=0.25))
    neck = skeleton.joints[NECK]
    head = skeleton.joints[NOSE] - neck
    stem = Tube(
        start=neck - head * np.float32(0.18),
        end=neck + head * np.float32(0.62 if not looks.headless else 0.34),
        ts=(0, 0.35, 1),
        widths=(0.036 * u, 0.0245 * u * skeleton.build.limbs, 0.0235 * u * skeleton.build.limbs),
        round_end=not looks.headless,
    )
    arms = [part for side in (0, 1) for part in arm_parts(skeleton, side)[sleeved[side] : None if hands[side] else 2]]
    trunk: list[Part] = [torso(skeleton), stem, *arms]
    paint(canvas, trunk, looks.material, name, u, Dressing(shadow=0.2), blend=0.018)
    if looks.headless:
        cap = neck + head * np.float32(0.34)
        dot(
            canvas,
            cap,
            (0.0235 * u * skeleton.build.limbs, 0.0065 * u),
            looks.skin * np.float32(1.08),
            axis=skeleton.right,
            name=name,
        )

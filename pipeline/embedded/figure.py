"""Bodies: people with faces and hair, and grey shop mannequins, drawn on a skeleton."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.embedded.canvas import Canvas, Material, Part, Point, Tube, point
from pipeline.embedded.paint import Dressing, dot, paint, stroke
from pipeline.embedded.palette import Floats, rgb
from pipeline.embedded.pose import ARMS, EARS, EYES, LEGS, NECK, NOSE, Skeleton

TORSO_T = (0.0, 0.025, 0.06, 0.11, 0.26, 0.42, 0.62, 0.86, 1.0, 1.14)


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


JOINT = 0.12
HAIR_STYLES = ("short", "crop", "bob", "long", "bun", "afro", "bald", "waves")


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


def limb(start: Point, end: Point, ts: tuple[float, ...], widths: tuple[float, ...], **more: float) -> Tube:
    """A tapered limb with round ends."""
    return Tube(start=start, end=end, ts=ts, widths=widths, round_start=True, round_end=True, **more)  # type: ignore[arg-type]


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


def draw_body(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    """Legs, trunk, arms and neck; the head comes after the clothes."""
    name = "mannequin" if looks.mannequin else "skin"
    u = skeleton.unit
    for side in (0, 1):
        paint(canvas, leg_parts(skeleton, side), looks.material, name, u, Dressing(shadow=0.25))
    neck = skeleton.joints[NECK]
    head = skeleton.joints[NOSE] - neck
    stem = Tube(
        start=neck - head * np.float32(0.18),
        end=neck + head * np.float32(0.62 if not looks.headless else 0.34),
        ts=(0, 0.35, 1),
        widths=(0.036 * u, 0.0245 * u * skeleton.build.limbs, 0.0235 * u * skeleton.build.limbs),
        round_end=not looks.headless,
    )
    parts: list[Part] = [torso(skeleton), stem, *arm_parts(skeleton, 0), *arm_parts(skeleton, 1)]
    paint(canvas, parts, looks.material, name, u, Dressing(shadow=0.2), blend=0.018)
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


def _egg(skeleton: Skeleton, grow: float = 1.0) -> Tube:
    """The head, from chin to crown."""
    u = skeleton.unit
    nose, up = skeleton.joints[NOSE], _head_axis(skeleton)
    chin, crown = nose - up * np.float32(0.028 * u), nose + up * np.float32(0.033 * u)
    widths = tuple(w * u * grow for w in (0.0180, 0.0285, 0.0365, 0.0425, 0.0448))
    return Tube(
        start=chin, end=crown, ts=(0, 0.18, 0.42, 0.72, 1), widths=widths, round_start=True, round_end=True, slope=0.3
    )


def _head_axis(skeleton: Skeleton) -> Point:
    axis = skeleton.joints[NOSE] - skeleton.joints[NECK]
    return axis / np.float32(np.hypot(axis[0], axis[1]))


def draw_hair_behind(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    """The part of long hair that hangs behind neck and shoulders; drawn before the body."""
    if looks.mannequin or looks.hair not in ("long", "bob", "waves", "afro"):
        return
    u, up, nose = skeleton.unit, _head_axis(skeleton), skeleton.joints[NOSE]
    material = Material(color=looks.hair_color * np.float32(0.86), gloss=0.10, sharpness=12, folds=0.5)
    top = nose + up * np.float32(0.055 * u)
    if looks.hair == "afro":
        middle = nose + up * np.float32(0.034 * u)
        paint(
            canvas,
            [limb(middle, middle + up * np.float32(0.012 * u), (0, 1), (0.074 * u, 0.070 * u))],
            material,
            "hair",
            u,
        )
        return
    length = {"long": 0.20, "bob": 0.105, "waves": 0.165}[looks.hair]
    widths = tuple(w * u for w in (0.040, 0.050, 0.055, 0.054, 0.042))
    paint(canvas, [limb(top, top - up * np.float32(length * u), (0, 0.25, 0.5, 0.8, 1), widths)], material, "hair", u)


def draw_head(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    """Head, ears, face and front hair; or a mannequin's smooth head; nothing if headless."""
    if looks.headless:
        return
    u, up, nose = skeleton.unit, _head_axis(skeleton), skeleton.joints[NOSE]
    name = "mannequin" if looks.mannequin else "skin"
    ears: list[Part] = [
        limb(
            skeleton.joints[e] + up * np.float32(0.006 * u),
            skeleton.joints[e] - up * np.float32(0.008 * u),
            (0, 1),
            (0.0085 * u, 0.006 * u),
            lift=-0.02 * u,
        )
        for e in EARS
    ]
    bridge = limb(
        nose + up * np.float32(0.014 * u),
        nose - up * np.float32(0.002 * u),
        (0, 1),
        (0.004 * u, 0.0085 * u),
        lift=0.037 * u,
    )
    head: list[Part] = [_egg(skeleton), bridge]
    paint(
        canvas, [*([] if looks.mannequin else ears), *head], looks.material, name, u, Dressing(shadow=0.45), blend=0.004
    )
    if looks.mannequin:
        return
    _draw_face(canvas, skeleton, looks)
    _draw_front_hair(canvas, skeleton, looks)


def _draw_face(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    u, up, nose = skeleton.unit, _head_axis(skeleton), skeleton.joints[NOSE]
    side = point(float(-up[1]), float(up[0]))
    skin = looks.skin
    shade, blush = skin * np.array([0.62, 0.50, 0.47], np.float32), skin * np.array([1.0, 0.72, 0.70], np.float32)
    brow = looks.hair_color * np.float32(0.8) if not looks.senior else looks.hair_color * np.float32(0.7)
    for sign in (-1, 1):
        cheek = nose - up * np.float32(0.008 * u) + side * np.float32(sign * 0.024 * u)
        dot(canvas, cheek, (0.011 * u, 0.009 * u), blush, alpha=0.35, softness=0.010 * u)
    for eye in EYES:
        c = skeleton.joints[eye]
        dot(
            canvas,
            c + up * np.float32(0.001 * u),
            (0.0105 * u, 0.0072 * u),
            shade,
            alpha=0.35,
            axis=side,
            softness=0.004 * u,
        )
        dot(canvas, c, (0.0078 * u, 0.0044 * u), rgb("#f7f4f0"), axis=side)
        dot(canvas, c, (0.0042 * u, 0.0043 * u), rgb("#3a2a20"), axis=side)
        dot(canvas, c + point(-0.0012 * u, -0.0014 * u), (0.0011 * u, 0.0011 * u), rgb("#ffffff"), alpha=0.9)
        lid = np.stack(
            [
                c + side * np.float32(x * u) + up * np.float32((0.0049 - 70 * x * x) * u)
                for x in (-0.0085, -0.004, 0.0, 0.004, 0.0085)
            ]
        )
        stroke(canvas, lid, (0.0026 if looks.feminine else 0.0018) * u, shade * np.float32(0.35))
        arch = np.stack(
            [
                c + side * np.float32(x * u) + up * np.float32((0.0142 - 40 * x * x) * u)
                for x in (-0.0105, -0.005, 0.0, 0.005, 0.0105)
            ]
        )
        stroke(canvas, arch, (0.0026 if looks.feminine else 0.0038) * u, brow, alpha=0.85)
    under = nose - up * np.float32(0.009 * u)
    dot(canvas, under, (0.0085 * u, 0.0024 * u), shade, alpha=0.55, axis=side, softness=0.004 * u)
    mouth = nose - up * np.float32(0.0225 * u)
    lips = rgb("#b2484e") if looks.feminine else skin * np.array([0.80, 0.56, 0.54], np.float32)
    if looks.beard:
        jaw = limb(nose - up * np.float32(0.026 * u), nose - up * np.float32(0.040 * u), (0, 1), (0.030 * u, 0.018 * u))
        paint(canvas, [jaw], Material(color=looks.hair_color, folds=0.3), "hair", u, Dressing(shadow=0))
    dot(canvas, mouth, (0.0125 * u, 0.0042 * u), lips, alpha=0.95, axis=side, softness=max(0.002 * u, 0.8))
    smile = np.stack(
        [
            mouth + side * np.float32(x * u) + up * np.float32((26 * x * x - 0.0004) * u)
            for x in (-0.0135, -0.007, 0.0, 0.007, 0.0135)
        ]
    )
    stroke(canvas, smile, 0.0017 * u, lips * np.float32(0.55), alpha=0.9)


def _draw_front_hair(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    if looks.hair == "bald":
        return
    from pipeline.embedded.paint import Opening

    u, up, nose = skeleton.unit, _head_axis(skeleton), skeleton.joints[NOSE]
    side = point(float(-up[1]), float(up[0]))
    material = Material(color=looks.hair_color, gloss=0.16, sharpness=10, folds=0.35)
    part = 0.010 if looks.feminine else 0.004
    face = Opening(
        center=nose - up * np.float32(0.012 * u) + side * np.float32(part * u),
        half_width=0.0385 * u,
        half_height=(0.060 if looks.hair != "crop" else 0.068) * u,
        down=-up,
    )
    grow = {"crop": 1.03, "afro": 1.12}.get(looks.hair, 1.08)
    shell = _egg(skeleton, grow)
    stop = 0.30 if looks.hair in ("short", "crop", "bun", "afro") else 0.15
    start = shell.start + (shell.end - shell.start) * np.float32(stop)
    wide = shell.widths[-1]
    cap = Tube(start=start, end=shell.end, ts=(0.0, 0.4, 1.0), widths=(wide * 0.93, wide, wide), round_end=True)
    parts: list[Part] = [cap]
    if looks.hair == "bun":
        knot = shell.end + up * np.float32(0.052 * u)
        parts.append(limb(knot, knot + up * np.float32(0.006 * u), (0, 1), (0.022 * u, 0.020 * u)))
    locks: list[Part] = []
    if looks.hair in ("long", "bob", "waves"):
        reach = {"long": 0.175, "bob": 0.085, "waves": 0.14}[looks.hair]
        for sign in (-1, 1):
            root = nose + up * np.float32(0.030 * u) + side * np.float32(sign * 0.040 * u)
            tip = root - up * np.float32(reach * u) + side * np.float32(sign * 0.004 * u)
            locks.append(limb(root, tip, (0, 0.3, 0.7, 1), (0.010 * u, 0.015 * u, 0.0165 * u, 0.011 * u)))
    paint(canvas, parts, material, "hair", u, Dressing(openings=(face,), shadow=0.15))
    if locks:
        paint(canvas, locks, material, "hair", u, Dressing(shadow=0.35))

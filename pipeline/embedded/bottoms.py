"""Trousers, jeans, shorts and skirts on a skeleton."""

from __future__ import annotations

import numpy as np

from pipeline.embedded.canvas import Surface
from pipeline.embedded.cloth import Cut
from pipeline.embedded.figure import JOINT
from pipeline.embedded.paint import Crease, Dressing, dot, paint, stroke
from pipeline.embedded.parts import Part, Tube, point
from pipeline.embedded.pose import LEGS


def _waist(cut: Cut) -> Tube:
    """Waistband to seat; it lies a little lower than the legs, so that they grow out of it without an edge."""
    sk, fit = cut.skeleton, cut.spec.fit
    b, u = sk.build, sk.unit
    widths = (0.073 * b.waist + 0.003, 0.086 * b.hips + fit, 0.095 * b.hips + fit, 0.097 * b.hips + fit)
    return Tube(
        start=sk.torso(0.74 - cut.spec.rise),
        end=sk.torso(1.05),
        ts=(0, 0.4, 0.75, 1),
        widths=tuple(w * u for w in widths),
        depth=cut.depth,
        hem=0.3,
        slope=0.35,
        lift=-0.030 * u * cut.depth,
    )


def _shorts_leg(cut: Cut, side: int, fit: float) -> list[Part]:
    """One leg of shorts."""
    u, k = cut.unit, cut.skeleton.build.limbs
    hip, knee, _ = (cut.skeleton.joints[i] for i in LEGS[side])
    drop = knee - hip
    widths = ((0.050 * k + fit) * u, (0.052 * k + fit) * u, (0.046 * k + fit * 1.6) * u)
    out = cut.skeleton.right * np.float32((-0.016 if side == 0 else 0.016) * u * (0.5 if cut.way == "worn" else 1.0))
    end = hip + drop * np.float32(0.45 + 0.3 * cut.spec.length) + out
    start = hip - drop * np.float32(0.02)
    return [Tube(start=start, end=end, ts=(0, 0.3, 1), widths=widths, round_start=True, depth=cut.depth, hem=0.12)]


def _long_leg(cut: Cut, side: int, fit: float) -> list[Part]:
    """One trouser leg, thigh and shin."""
    u, k, spec = cut.unit, cut.skeleton.build.limbs, cut.spec
    hip, knee, ankle = (cut.skeleton.joints[i] for i in LEGS[side])
    at_knee = (0.034 * k + fit) * u
    foot = (0.020 + fit + 0.012 * (spec.flare - 1)) * u
    thigh = Tube(
        start=hip - (knee - hip) * np.float32(0.02),
        end=knee,
        ts=(0, 0.3, 1),
        widths=((0.050 * k + fit) * u, (0.051 * k + fit) * u, at_knee),
        round_start=True,
        round_end=True,
        bend=JOINT,
        depth=cut.depth,
    )
    shin = Tube(
        start=knee,
        end=knee + (ankle - knee) * np.float32(1.02 * min(spec.length, 1.0)),
        ts=(0, 0.3, 1),
        widths=(at_knee, at_knee, foot),
        round_start=True,
        bend=JOINT,
        depth=cut.depth,
        hem=0.15,
        phase=0.232 * u,
    )
    return [thigh, shin]


def _leg_creases(cut: Cut, side: int) -> list[Crease]:
    """Folds behind the knee and above the hem."""
    u = cut.unit
    _, knee, ankle = (cut.skeleton.joints[i] for i in LEGS[side])
    out = -1.0 if side == 0 else 1.0
    lines = []
    for along, tilt, width, strength in (
        (-0.05, out * 0.010, 0.008, 0.28),
        (0.06, out * 0.010, 0.008, 0.28),
        (0.90, -0.006, 0.007, 0.35),
    ):
        at, reach = knee + (ankle - knee) * np.float32(along), point(0.03 * u, tilt * u)
        lines.append(Crease(start=at - reach, end=at + reach, width=width * u, strength=strength))
    return lines


def draw_trousers(cut: Cut) -> None:
    """Draw trousers, jeans or shorts."""
    sk, u = cut.skeleton, cut.unit
    fit = cut.spec.fit + 0.003
    parts: list[Part] = [_waist(cut)]
    creases: list[Crease] = []
    for side in (0, 1):
        if cut.spec.kind == "shorts":
            parts += _shorts_leg(cut, side, fit)
        else:
            parts += _long_leg(cut, side, fit)
            creases += _leg_creases(cut, side)
    crotch = sk.torso(1.10)
    for sign in (-1.0, 1.0):
        end = crotch + point(sign * 0.06 * u, -0.028 * u)
        creases.append(Crease(start=crotch, end=end, width=0.008 * u, strength=0.34))
    dressing = Dressing(creases=tuple(creases), fold_offset=cut.offset)
    surface = paint(cut.canvas, parts, cut.material, cut.spec.kind, u, dressing, blend=0.020)
    if surface is not None:
        _trouser_details(cut, surface)


def _trouser_details(cut: Cut, surface: Surface) -> None:
    sk, u, canvas = cut.skeleton, cut.unit, cut.canvas
    line = max(0.0022 * u, 0.6)
    rise = cut.spec.rise
    band = np.stack([sk.torso(0.80 - rise, x) for x in (-0.09, 0.0, 0.09)])
    stroke(canvas, band, line, cut.dark, 0.7, inside=surface)
    fly = np.stack([sk.torso(t, 0.002) for t in (0.80 - rise, 0.95, 1.08)])
    stroke(canvas, fly, line, cut.dark, 0.7, inside=surface)
    stitch = np.array([0.82, 0.62, 0.36], np.float32) if cut.spec.kind == "jeans" else cut.dark
    for sign in (-1, 1):
        pocket = np.stack([sk.torso(0.81, sign * 0.045), sk.torso(0.90, sign * 0.062), sk.torso(0.95, sign * 0.092)])
        stroke(canvas, pocket, line, stitch, 0.75, inside=surface)
    if cut.spec.kind == "jeans":
        flap = np.stack([sk.torso(0.81, 0.014), sk.torso(0.96, 0.014), sk.torso(1.0, 0.003)])
        stroke(canvas, flap, line, stitch, 0.8, inside=surface)
    dot(canvas, sk.torso(0.77 - rise, 0.0), (0.0045 * u, 0.0045 * u), stitch, 0.95)


def draw_skirt(cut: Cut) -> None:
    """Draw a skirt."""
    sk, u, spec = cut.skeleton, cut.unit, cut.spec
    b = sk.build
    end = sk.torso(1.0 + 0.95 * spec.length)
    hip = max(0.094 * b.hips, 0.047 * b.hips + 0.052 * b.limbs) + spec.fit
    widths = tuple(w * u for w in (0.071 * b.waist + 0.002, hip, hip * (0.55 + 0.45 * spec.flare), hip * spec.flare))
    tube = Tube(
        start=sk.torso(0.70 - spec.rise),
        end=end,
        ts=(0, 0.25, 0.5, 1),
        widths=widths,
        hem=0.16 if cut.way != "flat" else 0.06,
        depth=0.75 * cut.depth + 0.1,
        pleats=0.22 * (spec.flare - 0.75),
        pleat_count=6 + 2 * spec.flare,
        pleat_phase=float(spec.seed % 6),
    )
    surface = paint(cut.canvas, [tube], cut.material, spec.kind, u, Dressing(fold_offset=cut.offset))
    if surface is None:
        return
    band = np.stack([sk.torso(0.755 - spec.rise, x) for x in (-0.09, 0.0, 0.09)])
    stroke(cut.canvas, band, max(0.0022 * u, 0.6), cut.dark, 0.7, inside=surface)

"""Tops, jackets, coats and dresses on a skeleton."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.embedded.canvas import Material
from pipeline.embedded.cloth import Cut, GarmentSpec
from pipeline.embedded.figure import JOINT, TORSO_T, limb, torso_widths
from pipeline.embedded.lettering import print_of
from pipeline.embedded.paint import Crease, Decal, Dressing, Opening, paint, stroke
from pipeline.embedded.palette import contrast
from pipeline.embedded.parts import Part, Sheet, Tube, point
from pipeline.embedded.pose import ARMS, NECK
from pipeline.embedded.tailoring import finish_top

ENDS: Final = {
    "t-shirt": 1.02,
    "tank top": 1.0,
    "shirt": 1.06,
    "sweater": 1.03,
    "hoodie": 1.06,
    "jacket": 1.06,
    "coat": 1.85,
}
"""How far down the trunk's axis tops of length 1 reach (1 is the hips)."""


def top_end(spec: GarmentSpec) -> float:
    """How far down the trunk axis a top reaches (1 is the hips)."""
    base = ENDS.get(spec.kind, 1.0)
    return 1 + (base - 1) * spec.length if base > 1.5 else base + 0.16 * (spec.length - 1)


def ending_at(spec: GarmentSpec, end: float) -> GarmentSpec:
    """The top with its hem at ``end`` of the trunk's axis; dresses and coats, which end lower, as they are."""
    base = ENDS.get(spec.kind)
    return spec if base is None or base > 1.5 else replace(spec, length=1 + (end - base) / 0.16)


def _dress(cut: Cut) -> list[Part]:
    """Bodice and skirt."""
    sk, u, spec, b = cut.skeleton, cut.unit, cut.spec, cut.skeleton.build
    start, waist = sk.torso(-0.005), sk.torso(0.64)
    bodice = Tube(
        start=start,
        end=waist + (waist - start) * np.float32(0.04),
        ts=tuple(min(t / 0.66, 1) for t in TORSO_T[:7]),
        widths=torso_widths(sk, spec.fit)[:7],
        round_end=True,
        bend=JOINT,
        depth=cut.depth,
    )
    hip = max(0.094 * b.hips, 0.047 * b.hips + 0.052 * b.limbs) + spec.fit
    widths = (0.066 * b.waist + spec.fit, hip, hip * (0.55 + 0.45 * spec.flare), hip * spec.flare)
    skirt = Tube(
        start=waist,
        end=sk.torso(1.0 + 1.05 * spec.length),
        ts=(0, 0.3, 0.55, 1),
        widths=tuple(w * u for w in widths),
        hem=0.16 if cut.way != "flat" else 0.06,
        depth=0.75 * cut.depth + 0.1,
        phase=0.2 * u,
        pleats=0.22 * (spec.flare - 0.75),
        pleat_count=6 + 2 * spec.flare,
        pleat_phase=float(spec.seed % 6),
    )
    return [bodice, skirt]


def _trunk(cut: Cut) -> list[Part]:
    """The body of a top, coat or dress."""
    sk, spec = cut.skeleton, cut.spec
    if spec.kind == "dress":
        return _dress(cut)
    base = torso_widths(sk, spec.fit)
    end = top_end(spec)
    loose = 0.2 if spec.kind == "tank top" else 0.5
    # cloth hangs straight from the chest instead of following the waist
    hung = [w + (loose * max(base[4] - w, 0) if t > 0.4 else 0) for t, w in zip(TORSO_T, base, strict=True)]
    b = sk.build
    over = (
        max(0.096 * b.hips, 0.047 * b.hips + 0.053 * b.limbs) + spec.fit
    ) * sk.unit  # wide enough for what is under it
    if cut.way == "worn":
        hung = [max(w, over) if t > 0.8 else w for t, w in zip(TORSO_T, hung, strict=True)]
    keep = [i for i, t in enumerate(TORSO_T) if t < end - 0.02]
    last = float(np.interp(end, TORSO_T, hung)) if end <= 1.14 else over * (1.0 + 0.22 * (spec.flare - 0.8))
    if spec.kind in ("sweater", "hoodie"):
        last *= 0.95
    tube = Tube(
        start=sk.torso(-0.005),
        end=sk.torso(end),
        ts=(*(TORSO_T[i] / end for i in keep), 1.0),
        widths=(*(hung[i] for i in keep), last),
        depth=cut.depth,
        hem=0.10 if cut.way != "flat" else 0.0,
    )
    return [tube]


def sleeve_parts(cut: Cut, side: int, lift: float = 0.0) -> list[Part]:
    """One sleeve, as long as the spec says."""
    sk, u, spec = cut.skeleton, cut.unit, cut.spec
    if spec.sleeve <= 0:
        return []
    shoulder, elbow, wrist = (sk.joints[i] for i in ARMS[side])
    k, room = sk.build.limbs, spec.fit * 0.75 + 0.001
    out = elbow - shoulder
    w0, w1, w2 = (0.0285 * k + room) * u, (0.0215 * k + room) * u, (0.0145 * k + room * 0.8) * u
    if spec.sleeve < 0.75:
        end, last = shoulder + out * np.float32(min(spec.sleeve / 0.5, 1.05)), w0 * 1.02 + room * 0.4 * u
        ts, widths = (0.0, 0.3, 1.0), (w0 * 0.76, w0, last)
        return [
            Tube(start=shoulder, end=end, ts=ts, widths=widths, round_start=True, hem=0.18, depth=cut.depth, lift=lift)
        ]
    end = wrist - (wrist - elbow) * np.float32(1 - min(spec.sleeve, 1.0) + 0.02)
    upper = Tube(
        start=shoulder,
        end=elbow,
        ts=(0, 0.25, 1),
        widths=(w0 * 0.76, w0, w1),
        round_start=True,
        round_end=True,
        bend=JOINT,
        depth=cut.depth,
        lift=lift,
    )
    lower = Tube(
        start=elbow,
        end=end,
        ts=(0, 0.3, 1),
        widths=(w1, w1, w2),
        round_start=True,
        bend=JOINT,
        hem=0.2,
        phase=0.16 * u,
        depth=cut.depth,
        lift=lift,
    )
    return [upper, lower]


def _neckline(cut: Cut) -> Opening:
    """The hole for the neck, by kind and style."""
    sk, u, spec = cut.skeleton, cut.unit, cut.spec
    wide, deep, vee = 0.034, 0.030, 0.0
    if spec.kind in ("tank top", "dress"):
        wide, deep = 0.044, 0.052
    if spec.kind in ("sweater", "hoodie"):
        wide, deep = 0.032, 0.024
    if spec.neck == "vee" and spec.kind in ("t-shirt", "sweater", "dress"):
        deep, vee = 0.070, 0.85
    if spec.kind in ("jacket", "coat"):
        wide, deep, vee = 0.034, 0.110 if spec.kind == "jacket" else 0.085, 0.9
    if spec.kind == "shirt":
        wide, deep, vee = 0.030, 0.034, 0.8
    band = 0.008 * u if spec.kind in ("t-shirt", "sweater", "tank top", "dress", "hoodie") else 0.0
    center = sk.joints[NECK] - sk.up * np.float32(0.004 * u)
    return Opening(
        center=center,
        half_width=wide * u,
        half_height=deep * u,
        down=-sk.up,
        vee=vee,
        band=band,
        trim=np.asarray(spec.color * np.float32(0.86), np.float32),
    )


def _inner_back(cut: Cut, opening: Opening) -> None:
    """The inside of the back, seen through the neckline of an empty garment, with its label."""
    sk, u = cut.skeleton, cut.unit
    wide, top = opening.half_width * 1.16, opening.center + sk.up * np.float32(0.006 * u)
    bottom = opening.center - sk.up * np.float32(opening.half_height * 1.1)
    inner = Tube(start=top, end=bottom, ts=(0, 1), widths=(wide, wide), depth=0.35, round_end=True, hem=0.0)
    paint(
        cut.canvas,
        [inner],
        Material(color=np.asarray(cut.spec.color * np.float32(0.52), np.float32), folds=0.05),
        cut.spec.kind,
        u,
        Dressing(shadow=0),
    )
    seam = np.stack(
        [
            top - sk.up * np.float32((0.010 + 0.004 * np.cos(x / 0.03)) * u) + sk.right * np.float32(x * u)
            for x in np.linspace(-0.04, 0.04, 9)
        ]
    )
    stroke(cut.canvas, seam, max(0.004 * u, 0.8), cut.spec.color * np.float32(0.42), 0.8)
    tag = top - sk.up * np.float32(0.020 * u)
    corners = [
        tag + sk.right * np.float32(x * u) + sk.up * np.float32(y * u)
        for x, y in ((-0.009, 0.005), (0.009, 0.005), (0.009, -0.005), (-0.009, -0.005))
    ]
    paint(
        cut.canvas,
        [Sheet(outline=np.stack(corners), rim=1.0, depth=0.2)],
        Material(color=np.full(3, 0.93, np.float32)),
        cut.spec.kind,
        u,
        Dressing(shadow=0),
    )


def _top_creases(cut: Cut) -> tuple[Crease, ...]:
    """Pulled folds from the armpits and around the waist and elbows."""
    sk, u, rng = cut.skeleton, cut.unit, np.random.default_rng(cut.spec.seed + 1)
    lines: list[Crease] = []
    for side, sign in ((0, -1.0), (1, 1.0)):
        pit = sk.torso(0.27, sign * 0.075)
        for _ in range(2):
            end = sk.torso(float(rng.uniform(0.36, 0.62)), sign * float(rng.uniform(0.005, 0.035)))
            lines.append(Crease(start=pit, end=end, width=0.010 * u, strength=float(rng.uniform(0.16, 0.30))))
        low = sk.torso(float(rng.uniform(0.70, 0.92)), sign * 0.09)
        lines.append(
            Crease(
                start=low,
                end=low
                + sk.right * np.float32(-sign * 0.08 * u)
                + sk.up * np.float32(float(rng.uniform(-0.02, 0.03)) * u),
                width=0.009 * u,
                strength=0.24,
            )
        )
        if cut.spec.sleeve > 0.75:
            elbow = sk.joints[ARMS[side][1]]
            for q in (-0.012, 0.012):
                c = elbow + point(0, q * u)
                lines.append(
                    Crease(
                        start=c - point(0.028 * u, q * u),
                        end=c + point(0.028 * u, q * u),
                        width=0.007 * u,
                        strength=0.32,
                    )
                )
    return tuple(lines)


def draw_top(cut: Cut) -> None:
    """Draw any garment that covers the trunk."""
    sk, u, spec, canvas = cut.skeleton, cut.unit, cut.spec, cut.canvas
    opening = _neckline(cut)
    if cut.way != "worn":
        _inner_back(cut, opening)
    if spec.kind == "hoodie":
        _draw_hood(cut, behind=True)
    decals: tuple[Decal, ...] = ()
    if spec.print_name is not None:
        raster = print_of(spec.print_name)
        width = (0.085 if raster.shape[0] > 100 else 0.105) * u
        ink = spec.second if spec.second is not None else contrast(spec.color)
        decals = (Decal(raster=raster, center=sk.torso(0.36), width=width, down=-sk.up, color=ink),)
    parts = [*_trunk(cut), *sleeve_parts(cut, 0), *sleeve_parts(cut, 1)]
    dressing = Dressing(openings=(opening,), creases=_top_creases(cut), decals=decals, fold_offset=cut.offset)
    surface = paint(canvas, parts, cut.material, spec.kind, u, dressing, blend=0.009)
    if surface is not None:
        finish_top(canvas, sk, spec, surface, opening, cut.dark, worn=cut.way == "worn")


def _draw_hood(cut: Cut, behind: bool) -> None:
    sk, u = cut.skeleton, cut.unit
    low, high = sk.torso(0.06), sk.torso(-0.12)
    hood = limb(low, high, (0, 0.5, 1), (0.066 * u, 0.062 * u, 0.050 * u))
    paint(
        cut.canvas,
        [replace(hood, depth=0.6)],
        replace(cut.material, color=np.asarray(cut.spec.color * np.float32(0.75), np.float32)),
        cut.spec.kind if behind else None,
        u,
        Dressing(fold_offset=cut.offset),
    )

"""Garments on a skeleton: worn, laid flat or hollow ("ghost"). One spec draws the same piece in every way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from pipeline.embedded.canvas import Canvas, Material, Part, Sheet, Surface, Tube, point
from pipeline.embedded.figure import TORSO_T, arm_parts, limb, torso_widths
from pipeline.embedded.lettering import print_of
from pipeline.embedded.paint import Crease, Decal, Dressing, Opening, dot, paint, stroke
from pipeline.embedded.palette import Floats, contrast
from pipeline.embedded.patterns import texture
from pipeline.embedded.pose import ARMS, LEGS, NECK, Skeleton

TOPS: Final = ("t-shirt", "tank top", "shirt", "sweater", "hoodie", "jacket", "coat", "dress")
BOTTOMS: Final = ("trousers", "jeans", "shorts", "skirt")
Way = Literal["worn", "flat", "ghost"]


@dataclass(frozen=True, kw_only=True)
class GarmentSpec:
    """One piece of clothing: what it is, its cloth and its cut.

    ``length`` scales hem lengths, ``fit`` is the room in figure heights, ``sleeve`` is how much of the arm is
    covered (0 none, 0.3 short, 1 long), ``flare`` widens skirts, ``neck`` is round or vee, ``print_name`` a word or emblem.
    """

    kind: str
    color_name: str
    color: Floats
    pattern: str = "plain"
    second: Floats | None = None
    period: float = 0.045
    length: float = 1.0
    fit: float = 0.012
    sleeve: float = 0.3
    flare: float = 1.4
    neck: str = "round"
    print_name: str | None = None
    seed: int = 0

    @property
    def phrase(self) -> str:
        """What a shopper calls it: colour, pattern, kind."""
        pattern = "" if self.pattern == "plain" else f"{self.pattern} "
        return f"{self.color_name} {pattern}{self.kind}"


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """What every drawing step needs: where, on whom, what, and its numbers."""

    canvas: Canvas
    skeleton: Skeleton
    spec: GarmentSpec
    way: Way
    material: Material
    dark: Floats
    offset: tuple[float, float]

    @property
    def unit(self) -> float:
        return self.skeleton.unit

    @property
    def depth(self) -> float:
        return 0.34 if self.way == "flat" else 1.0


def material_of(spec: GarmentSpec, unit: float) -> Material:
    """The cloth of a garment at a figure height of ``unit`` px."""
    second = spec.second if spec.second is not None else contrast(spec.color)
    folds = {"sweater": 0.10, "coat": 0.10, "jacket": 0.09, "jeans": 0.10, "hoodie": 0.12}.get(spec.kind, 0.14)
    return Material(
        color=spec.color, texture=texture(spec.pattern, spec.color, second, spec.period * unit), folds=folds
    )


def draw_garment(canvas: Canvas, skeleton: Skeleton, spec: GarmentSpec, way: Way = "worn") -> None:
    """Draw one garment over what is there; its label is its kind."""
    rng = np.random.default_rng(spec.seed)
    offset = (float(rng.integers(1024)), float(rng.integers(1024)))
    cut = _Cut(
        canvas=canvas,
        skeleton=skeleton,
        spec=spec,
        way=way,
        material=material_of(spec, skeleton.unit),
        dark=np.asarray(spec.color * np.float32(0.55), np.float32),
        offset=offset,
    )
    if spec.kind in ("trousers", "jeans", "shorts"):
        _draw_trousers(cut)
    elif spec.kind == "skirt":
        _draw_skirt(cut)
    else:
        _draw_top(cut)


# --- below the waist ---------------------------------------------------------------------------------------------


def _waist(cut: _Cut, t: float = 0.74) -> Tube:
    """Waistband to seat."""
    sk = cut.skeleton
    b, u = sk.build, sk.unit
    widths = tuple(
        w * u
        for w in (0.073 * b.waist + 0.003, 0.083 * b.hips + cut.spec.fit, 0.093 * b.hips + cut.spec.fit, 0.088 * b.hips)
    )
    return Tube(start=sk.torso(t), end=sk.torso(1.04), ts=(0, 0.4, 0.75, 1), widths=widths, depth=cut.depth, hem=0.3)


def _draw_trousers(cut: _Cut) -> None:
    sk, u, spec = cut.skeleton, cut.unit, cut.spec
    fit, parts = spec.fit + 0.003, [_waist(cut)]
    reach = min(spec.length, 1.0) if spec.kind != "shorts" else 0.0
    creases: list[Crease] = []
    k = sk.build.limbs
    for side in (0, 1):
        hip, knee, ankle = (sk.joints[i] for i in LEGS[side])
        drop = knee - hip
        start = hip - drop * np.float32(0.02)
        if spec.kind == "shorts":
            end = hip + drop * np.float32(0.45 + 0.3 * spec.length)
            parts.append(
                Tube(
                    start=start,
                    end=end,
                    ts=(0, 0.3, 1),
                    widths=((0.050 * k + fit) * u, (0.053 * k + fit) * u, (0.052 * k + fit * 1.8) * u),
                    round_start=True,
                    depth=cut.depth,
                    hem=0.12,
                )
            )
            continue
        parts.append(
            Tube(
                start=start,
                end=knee,
                ts=(0, 0.3, 1),
                widths=((0.050 * k + fit) * u, (0.051 * k + fit) * u, (0.034 * k + fit) * u),
                round_start=True,
                round_end=True,
                depth=cut.depth,
            )
        )
        end = knee + (ankle - knee) * np.float32(1.02 * reach)
        wide = 0.020 + fit * 1.0 + 0.012 * (spec.flare - 1)
        parts.append(
            Tube(
                start=knee,
                end=end,
                ts=(0, 0.3, 1),
                widths=((0.034 * k + fit) * u, (0.034 * k + fit) * u, wide * u),
                round_start=True,
                depth=cut.depth,
                hem=0.15,
                phase=0.232 * u,
            )
        )
        out = -1.0 if side == 0 else 1.0
        for q in (-0.05, 0.06):
            at = knee + (ankle - knee) * np.float32(q)
            creases.append(
                Crease(
                    start=at - point(0.03 * u, out * 0.010 * u),
                    end=at + point(0.03 * u, out * 0.010 * u),
                    width=0.008 * u,
                    strength=0.28,
                )
            )
        near = ankle - (ankle - knee) * np.float32(0.10)
        creases.append(
            Crease(
                start=near - point(0.03 * u, -0.006 * u),
                end=near + point(0.03 * u, 0.006 * u),
                width=0.007 * u,
                strength=0.35,
            )
        )
    crotch = sk.torso(1.10)
    for sign in (-1.0, 1.0):
        creases.append(
            Crease(start=crotch, end=crotch + point(sign * 0.06 * u, -0.028 * u), width=0.008 * u, strength=0.34)
        )
    surface = paint(
        cut.canvas,
        parts,
        cut.material,
        spec.kind,
        u,
        Dressing(creases=tuple(creases), fold_offset=cut.offset),
        blend=0.010,
    )
    if surface is None:
        return
    _trouser_details(cut, surface)


def _trouser_details(cut: _Cut, surface: Surface) -> None:
    sk, u, canvas = cut.skeleton, cut.unit, cut.canvas
    line = max(0.0022 * u, 0.6)
    band = np.stack([sk.torso(0.80, x) for x in (-0.09, 0.0, 0.09)])
    stroke(canvas, band, line, cut.dark, 0.7, inside=surface)
    fly = np.stack([sk.torso(t, 0.002) for t in (0.80, 0.95, 1.08)])
    stroke(canvas, fly, line, cut.dark, 0.7, inside=surface)
    stitch = np.array([0.82, 0.62, 0.36], np.float32) if cut.spec.kind == "jeans" else cut.dark
    for sign in (-1, 1):
        pocket = np.stack([sk.torso(0.81, sign * 0.045), sk.torso(0.90, sign * 0.062), sk.torso(0.95, sign * 0.092)])
        stroke(canvas, pocket, line, stitch, 0.75, inside=surface)
    if cut.spec.kind == "jeans":
        flap = np.stack([sk.torso(0.81, 0.014), sk.torso(0.96, 0.014), sk.torso(1.0, 0.003)])
        stroke(canvas, flap, line, stitch, 0.8, inside=surface)
    dot(canvas, sk.torso(0.77, 0.0), (0.0045 * u, 0.0045 * u), stitch, 0.95)


def _draw_skirt(cut: _Cut) -> None:
    sk, u, spec = cut.skeleton, cut.unit, cut.spec
    b = sk.build
    end = sk.torso(1.0 + 0.95 * spec.length)
    hip = max(0.094 * b.hips, 0.047 * b.hips + 0.052 * b.limbs) + spec.fit
    widths = tuple(w * u for w in (0.071 * b.waist + 0.002, hip, hip * (0.55 + 0.45 * spec.flare), hip * spec.flare))
    tube = Tube(
        start=sk.torso(0.70),
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
    band = np.stack([sk.torso(0.755, x) for x in (-0.09, 0.0, 0.09)])
    stroke(cut.canvas, band, max(0.0022 * u, 0.6), cut.dark, 0.7, inside=surface)


# --- above the waist ---------------------------------------------------------------------------------------------


def _top_end(spec: GarmentSpec) -> float:
    """How far down the trunk axis a top reaches (1 is the hips)."""
    ends = {
        "t-shirt": 1.02,
        "tank top": 1.0,
        "shirt": 1.06,
        "sweater": 1.03,
        "hoodie": 1.06,
        "jacket": 1.06,
        "coat": 1.85,
    }
    base = ends.get(spec.kind, 1.0)
    return 1 + (base - 1) * spec.length if base > 1.5 else base + 0.16 * (spec.length - 1)


def _trunk(cut: _Cut) -> list[Part]:
    """The body of a top, coat or dress."""
    sk, u, spec = cut.skeleton, cut.unit, cut.spec
    b = sk.build
    base = torso_widths(sk, spec.fit)
    start = sk.torso(-0.005)
    if spec.kind == "dress":
        waist, end = sk.torso(0.64), sk.torso(1.0 + 1.05 * spec.length)
        top = Tube(
            start=start,
            end=waist + (waist - start) * np.float32(0.04),
            ts=tuple(min(t / 0.66, 1) for t in TORSO_T[:7]),
            widths=base[:7],
            round_end=True,
            depth=cut.depth,
        )
        hip = max(0.094 * b.hips, 0.047 * b.hips + 0.052 * b.limbs) + spec.fit
        widths = tuple(
            w * u for w in (0.066 * b.waist + spec.fit, hip, hip * (0.55 + 0.45 * spec.flare), hip * spec.flare)
        )
        skirt = Tube(
            start=waist,
            end=end,
            ts=(0, 0.3, 0.55, 1),
            widths=widths,
            hem=0.16 if cut.way != "flat" else 0.06,
            depth=0.75 * cut.depth + 0.1,
            phase=0.2 * u,
            pleats=0.22 * (spec.flare - 0.75),
            pleat_count=6 + 2 * spec.flare,
            pleat_phase=float(spec.seed % 6),
        )
        return [top, skirt]
    end_t = _top_end(spec)
    stations, widths_px = list(TORSO_T), list(base)
    loose = 0.5 if spec.kind in ("t-shirt", "sweater", "hoodie", "jacket", "coat", "shirt") else 0.2
    for i, t in enumerate(stations):
        if t > 0.4:  # cloth hangs straight from the chest instead of following the waist
            widths_px[i] += loose * max(base[4] - base[i], 0)
    if end_t > 1.14:
        stations.append(end_t)
        widths_px.append(base[8] * (1.0 + 0.22 * (spec.flare - 0.8)))
    else:
        last = float(np.interp(end_t, stations, widths_px))
        keep = [i for i, t in enumerate(stations) if t < end_t - 0.02]
        stations, widths_px = [*(stations[i] for i in keep), end_t], [*(widths_px[i] for i in keep), last]
    if spec.kind in ("sweater", "hoodie"):
        widths_px[-1] *= 0.95
    ts = tuple(t / end_t for t in stations)
    return [
        Tube(
            start=start,
            end=sk.torso(end_t),
            ts=ts,
            widths=tuple(widths_px),
            depth=cut.depth,
            hem=0.10 if cut.way != "flat" else 0.0,
        )
    ]


def _sleeve(cut: _Cut, side: int, lift: float = 0.0) -> list[Part]:
    """One sleeve, as long as the spec says."""
    sk, u, spec = cut.skeleton, cut.unit, cut.spec
    if spec.sleeve <= 0:
        return []
    shoulder, elbow, wrist = (sk.joints[i] for i in ARMS[side])
    k, room = sk.build.limbs, spec.fit * 0.75 + 0.001
    out = elbow - shoulder
    w0, w1, w2 = (0.0285 * k + room) * u, (0.0215 * k + room) * u, (0.0145 * k + room * 0.8) * u
    more = {"depth": cut.depth, "lift": lift}
    if spec.sleeve < 0.75:
        end = shoulder + out * np.float32(min(spec.sleeve / 0.5, 1.05))
        return [
            Tube(
                start=shoulder,
                end=end,
                ts=(0, 0.3, 1),
                widths=(w0 * 0.76, w0 * 1.0, w0 * 1.02 + room * 0.4 * u),
                round_start=True,
                hem=0.18,
                **more,
            )
        ]
    end = wrist - (wrist - elbow) * np.float32(1 - min(spec.sleeve, 1.0) + 0.02)
    return [
        Tube(
            start=shoulder,
            end=elbow,
            ts=(0, 0.25, 1),
            widths=(w0 * 0.76, w0, w1),
            round_start=True,
            round_end=True,
            **more,
        ),
        Tube(
            start=elbow, end=end, ts=(0, 0.3, 1), widths=(w1, w1, w2), round_start=True, hem=0.2, phase=0.16 * u, **more
        ),
    ]


def _neckline(cut: _Cut) -> Opening:
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


def _inner_back(cut: _Cut, opening: Opening) -> None:
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


def _top_creases(cut: _Cut) -> tuple[Crease, ...]:
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


def _draw_top(cut: _Cut) -> None:
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
    parts = [*_trunk(cut), *_sleeve(cut, 0), *_sleeve(cut, 1)]
    dressing = Dressing(openings=(opening,), creases=_top_creases(cut), decals=decals, fold_offset=cut.offset)
    surface = paint(canvas, parts, cut.material, spec.kind, u, dressing, blend=0.009)
    if surface is not None:
        from pipeline.embedded.tailoring import finish_top

        finish_top(canvas, sk, spec, surface, opening, cut.dark, worn=cut.way == "worn")


def _draw_hood(cut: _Cut, behind: bool) -> None:
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


def draw_arm_in_front(
    canvas: Canvas, skeleton: Skeleton, spec: GarmentSpec | None, skin: Material, skin_name: str
) -> None:
    """Draw again the arms whose hands come back over the trunk, so that they lie on the cloth."""
    u = skeleton.unit
    for side in (0, 1):
        wrist = skeleton.joints[ARMS[side][2]] - skeleton.hips
        aside = abs(float(wrist @ skeleton.right)) / u
        raised = float(wrist @ skeleton.up) / u
        if aside > 0.125 or raised < -0.02:
            continue
        _redraw_arm(canvas, skeleton, side, spec, skin, skin_name)


def _redraw_arm(
    canvas: Canvas, skeleton: Skeleton, side: int, spec: GarmentSpec | None, skin: Material, skin_name: str
) -> None:
    u = skeleton.unit
    parts: Sequence[Part] = arm_parts(skeleton, side)[1:]
    paint(canvas, parts, skin, skin_name, u, Dressing(shadow=0.45), blend=0.010)
    if spec is None or spec.sleeve <= 0.75:
        return
    material = material_of(spec, u)
    dark = np.asarray(spec.color * np.float32(0.55), np.float32)
    cut = _Cut(
        canvas=canvas, skeleton=skeleton, spec=spec, way="worn", material=material, dark=dark, offset=(31.0, 77.0)
    )
    paint(canvas, _sleeve(cut, side)[1:], material, spec.kind, u, Dressing(fold_offset=cut.offset), blend=0.009)

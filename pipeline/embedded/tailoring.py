"""What makes a garment read as its kind: plackets, collars, lapels, buttons, pockets, ribs, strings, belts."""

from __future__ import annotations

import numpy as np

from pipeline.embedded.canvas import Canvas, Material, Surface
from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.paint import Dressing, Opening, dot, paint, stroke
from pipeline.embedded.palette import Floats
from pipeline.embedded.parts import Sheet, point
from pipeline.embedded.pose import ARMS, Skeleton


def _row(skeleton: Skeleton, places: list[tuple[float, float]]) -> Floats:
    """Points on the trunk from (t, x) pairs."""
    return np.stack([skeleton.torso(t, x) for t, x in places])


def finish_top(
    canvas: Canvas,
    skeleton: Skeleton,
    spec: GarmentSpec,
    surface: Surface,
    opening: Opening,
    dark: Floats,
    *,
    worn: bool,
) -> None:
    """Add the details of ``spec.kind`` on a painted top."""
    unit = skeleton.unit
    _cuffs(canvas, skeleton, spec, surface, dark)
    if spec.kind == "shirt":
        _placket(canvas, skeleton, spec, surface, dark, top=0.10, bottom=1.12)
        _shirt_collar(canvas, skeleton, spec)
    elif spec.kind in ("jacket", "coat"):
        _coat_front(canvas, skeleton, spec, surface, opening, dark)
    elif spec.kind == "hoodie":
        _hoodie_front(canvas, skeleton, spec, surface, dark)
    elif spec.kind == "sweater":
        hem = _row(skeleton, [(0.985, -0.12), (0.985, 0.0), (0.985, 0.12)])
        stroke(canvas, hem, max(0.002 * unit, 0.6), dark, 0.55, inside=surface)
    elif spec.kind == "dress":
        belt = _row(skeleton, [(0.645, -0.1), (0.65, 0.0), (0.645, 0.1)])
        stroke(canvas, belt, max(0.009 * unit, 1), dark, 0.85, inside=surface)
    elif spec.kind in ("t-shirt", "tank top"):
        hem = _row(skeleton, [(0.985, -0.12), (0.992, 0.0), (0.985, 0.12)])
        stroke(canvas, hem, max(0.0014 * unit, 0.5), dark, 0.35, inside=surface)


def _cuffs(canvas: Canvas, skeleton: Skeleton, spec: GarmentSpec, surface: Surface, dark: Floats) -> None:
    unit = skeleton.unit
    if spec.sleeve <= 0:
        return
    for side in (0, 1):
        shoulder, elbow, wrist = (skeleton.joints[i] for i in ARMS[side])
        if spec.sleeve < 0.75:
            axis, end = (
                elbow - shoulder,
                shoulder + (elbow - shoulder) * np.float32(min(spec.sleeve / 0.5, 1.05) - 0.06),
            )
        else:
            axis, end = wrist - elbow, wrist - (wrist - elbow) * np.float32(0.13)
        axis = axis / np.float32(np.hypot(axis[0], axis[1]))
        half = (
            (0.026 * skeleton.build.limbs + spec.fit * 0.7)
            if spec.sleeve < 0.75
            else (0.016 * skeleton.build.limbs + spec.fit * 0.6)
        )
        across = point(float(-axis[1]), float(axis[0])) * np.float32(half * unit)
        inward = np.float32(np.sign((skeleton.torso(0.5) - end) @ across))
        outer, inner = end - across * inward, end + across * inward * np.float32(0.35)  # the rest may lie on the trunk
        line = np.stack([outer, end + axis * np.float32(0.006 * unit), inner])
        stroke(canvas, line, max(0.0017 * unit, 0.5), dark, 0.5, inside=surface)


def _placket(
    canvas: Canvas, skeleton: Skeleton, spec: GarmentSpec, surface: Surface, dark: Floats, *, top: float, bottom: float
) -> None:
    unit = skeleton.unit
    for x in (-0.009, 0.009):
        stroke(canvas, _row(skeleton, [(top, x), (bottom, x)]), max(0.0015 * unit, 0.5), dark, 0.55, inside=surface)
    button = np.asarray(0.5 * spec.color + 0.45, np.float32)
    for t in np.arange(top + 0.09, min(bottom, 1.0), 0.145):
        at = skeleton.torso(float(t))
        dot(canvas, at + point(0.0008 * unit, 0.0012 * unit), (0.0045 * unit, 0.0045 * unit), dark, 0.7)
        dot(canvas, at, (0.0040 * unit, 0.0040 * unit), button)


def _sheet(canvas: Canvas, outline: Floats, color: Floats, unit: float, name: str, shadow: float = 0.4) -> None:
    paint(
        canvas,
        [Sheet(outline=outline, rim=0.010 * unit, depth=0.8)],
        Material(color=color),
        name,
        unit,
        Dressing(shadow=shadow),
    )


def _shirt_collar(canvas: Canvas, skeleton: Skeleton, spec: GarmentSpec) -> None:
    color = np.asarray(spec.color * np.float32(0.97), np.float32)
    for s in (-1, 1):
        wing = _row(
            skeleton,
            [(-0.075, s * 0.022), (-0.035, s * 0.034), (0.055, s * 0.040), (0.125, s * 0.024), (0.075, s * 0.004)],
        )
        _sheet(canvas, wing, color, skeleton.unit, spec.kind)


def _coat_front(
    canvas: Canvas, skeleton: Skeleton, spec: GarmentSpec, surface: Surface, opening: Opening, dark: Floats
) -> None:
    unit = skeleton.unit
    deep = opening.half_height / unit / 0.335
    bottom = 1.2 if spec.kind == "jacket" else 2.4
    line = max(0.0022 * unit, 0.6)
    stroke(canvas, _row(skeleton, [(deep - 0.01, 0.004), (bottom, 0.010)]), line, dark, 0.8, inside=surface)
    color = np.asarray(spec.color * np.float32(0.90), np.float32)
    for s in (-1, 1):
        lapel = _row(
            skeleton,
            [
                (-0.05, s * 0.026),
                (0.02, s * 0.046),
                (deep * 0.52, s * 0.062),
                (deep * 0.60, s * 0.046),
                (deep + 0.02, s * 0.004),
                (deep * 0.5, s * 0.020),
            ],
        )
        _sheet(canvas, lapel, color, unit, spec.kind)
        pocket = _row(skeleton, [(0.80, s * 0.040), (0.785, s * 0.082)])
        stroke(canvas, pocket, max(0.007 * unit, 1), dark, 0.45, inside=surface)
    first = deep + 0.09
    for t in np.arange(first, 0.95 if spec.kind == "jacket" else 1.3, 0.17):
        at = skeleton.torso(float(t), -0.012)
        dot(canvas, at, (0.0062 * unit, 0.0062 * unit), dark * np.float32(0.55))
        dot(canvas, at - point(0.001 * unit, 0.001 * unit), (0.004 * unit, 0.004 * unit), dark * np.float32(0.9))


def _hoodie_front(canvas: Canvas, skeleton: Skeleton, spec: GarmentSpec, surface: Surface, dark: Floats) -> None:
    unit = skeleton.unit
    line = max(0.002 * unit, 0.6)
    pouch = _row(
        skeleton, [(0.95, -0.062), (0.80, -0.062), (0.66, -0.036), (0.66, 0.036), (0.80, 0.062), (0.95, 0.062)]
    )
    stroke(canvas, pouch, line, dark, 0.6, inside=surface)
    stroke(canvas, _row(skeleton, [(0.985, -0.12), (0.985, 0.12)]), line, dark, 0.5, inside=surface)
    color = np.asarray(spec.color * np.float32(0.93), np.float32)
    for s in (-1, 1):
        flap = _row(
            skeleton,
            [
                (-0.12, s * 0.040),
                (-0.02, s * 0.062),
                (0.10, s * 0.040),
                (0.13, s * 0.004),
                (0.06, s * 0.022),
                (-0.04, s * 0.030),
            ],
        )
        _sheet(canvas, flap, color, unit, spec.kind)
        cord = _row(skeleton, [(0.10, s * 0.018), (0.20, s * 0.021), (0.32, s * 0.019)])
        stroke(canvas, cord, max(0.0032 * unit, 0.8), np.full(3, 0.93, np.float32), 0.95, name=spec.kind)

"""Heads: faces, ears and hair of people, and the smooth heads of mannequins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.embedded.canvas import Canvas, Material
from pipeline.embedded.figure import Looks, limb
from pipeline.embedded.paint import Dressing, Opening, dot, paint, stroke
from pipeline.embedded.palette import Floats, floats, rgb
from pipeline.embedded.parts import Part, Point, Tube, point
from pipeline.embedded.pose import EARS, EYES, NECK, NOSE, Skeleton


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
    return floats(axis / np.hypot(axis[0], axis[1]))


def draw_hair_behind(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    """The part of long hair that hangs behind neck and shoulders; drawn before the body."""
    if looks.mannequin or looks.hair not in ("long", "bob", "waves", "afro"):
        return
    u, up, nose = skeleton.unit, _head_axis(skeleton), skeleton.joints[NOSE]
    material = Material(color=looks.hair_color * np.float32(0.86), gloss=0.10, sharpness=12, folds=0.5)
    top = nose + up * np.float32(0.036 * u)
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


def _bow(center: Point, side: Point, up: Point, half: float, rise: float, curve: float, unit: float) -> Floats:
    """Five points of a shallow parabola: ``half`` units wide each way, ``rise`` units up, bent by ``curve``."""
    xs = np.linspace(-half, half, 5, dtype=np.float32)
    return np.stack([center + side * (x * unit) + up * np.float32((rise + curve * x * x) * unit) for x in xs])


def _draw_eye(canvas: Canvas, looks: Looks, center: Point, up: Point, unit: float) -> None:
    side = point(float(-up[1]), float(up[0]))
    shade = looks.skin * np.array([0.62, 0.50, 0.47], np.float32)
    brow = looks.hair_color * np.float32(0.7 if looks.senior else 0.8)
    socket = center + up * np.float32(0.001 * unit)
    dot(canvas, socket, (0.0105 * unit, 0.0072 * unit), shade, alpha=0.35, axis=side, softness=0.004 * unit)
    dot(canvas, center, (0.0078 * unit, 0.0044 * unit), rgb("#f7f4f0"), axis=side)
    dot(canvas, center, (0.0042 * unit, 0.0043 * unit), rgb("#3a2a20"), axis=side)
    glint = center + point(-0.0012 * unit, -0.0014 * unit)
    dot(canvas, glint, (0.0011 * unit, 0.0011 * unit), rgb("#ffffff"), alpha=0.9)
    lid = _bow(center, side, up, 0.0085, 0.0049, -70, unit)
    stroke(canvas, lid, (0.0026 if looks.feminine else 0.0018) * unit, shade * np.float32(0.35))
    arch = _bow(center, side, up, 0.0105, 0.0142, -40, unit)
    stroke(canvas, arch, (0.0026 if looks.feminine else 0.0038) * unit, brow, alpha=0.85)


def _draw_face(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    u, up, nose = skeleton.unit, _head_axis(skeleton), skeleton.joints[NOSE]
    side = point(float(-up[1]), float(up[0]))
    skin = looks.skin
    shade, blush = skin * np.array([0.62, 0.50, 0.47], np.float32), skin * np.array([1.0, 0.72, 0.70], np.float32)
    for sign in (-1, 1):
        cheek = nose - up * np.float32(0.008 * u) + side * np.float32(sign * 0.019 * u)
        dot(canvas, cheek, (0.009 * u, 0.008 * u), blush, alpha=0.30, softness=0.008 * u)
    for eye in EYES:
        _draw_eye(canvas, looks, skeleton.joints[eye], up, u)
    under = nose - up * np.float32(0.009 * u)
    dot(canvas, under, (0.0085 * u, 0.0024 * u), shade, alpha=0.55, axis=side, softness=0.004 * u)
    mouth = nose - up * np.float32(0.0225 * u)
    lips = rgb("#b2484e") if looks.feminine else skin * np.array([0.80, 0.56, 0.54], np.float32)
    if looks.beard:
        _draw_beard(canvas, skeleton, looks)
    dot(canvas, mouth, (0.0125 * u, 0.0042 * u), lips, alpha=0.95, axis=side, softness=max(0.002 * u, 0.8))
    smile = _bow(mouth, side, up, 0.0135, -0.0004, 26, u)
    stroke(canvas, smile, 0.0017 * u, lips * np.float32(0.55), alpha=0.9)


def _draw_beard(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    """A full beard: the lower head in hair, but for an opening around cheeks and nose."""
    u, up, nose = skeleton.unit, _head_axis(skeleton), skeleton.joints[NOSE]
    shell = _egg(skeleton, 1.05)
    start, end = shell.start - up * np.float32(0.003 * u), nose + up * np.float32(0.004 * u)
    widths = tuple(w * 1.05 * u for w in (0.0180, 0.0285, 0.0345, 0.0385, 0.0400))
    jaw = Tube(start=start, end=end, ts=(0, 0.30, 0.55, 0.85, 1), widths=widths, round_start=True, hem=0.0)
    cheeks = Opening(center=nose + up * np.float32(0.006 * u), half_width=0.0345 * u, half_height=0.024 * u, down=-up)
    material = Material(color=looks.hair_color, folds=0.45)
    paint(canvas, [jaw], material, "hair", u, Dressing(openings=(cheeks,), shadow=0.1))


def _draw_front_hair(canvas: Canvas, skeleton: Skeleton, looks: Looks) -> None:
    if looks.hair == "bald":
        return
    u, up, nose = skeleton.unit, _head_axis(skeleton), skeleton.joints[NOSE]
    side = point(float(-up[1]), float(up[0]))
    material = Material(color=looks.hair_color, gloss=0.16, sharpness=10, folds=0.35)
    long = looks.hair in ("long", "bob", "waves")
    part = 0.001 if long else 0.006 if looks.feminine else 0.003
    face = Opening(
        center=nose - up * np.float32(0.012 * u) + side * np.float32(part * u),
        half_width=0.0410 * u,
        half_height=(0.060 if looks.hair != "crop" else 0.068) * u,
        down=-up,
    )
    grow = {"crop": 1.03, "afro": 1.12}.get(looks.hair, 1.08)
    shell = _egg(skeleton, grow)
    stop = 0.30 if looks.hair in ("short", "crop", "bun", "afro") else 0.15
    start = shell.start + (shell.end - shell.start) * np.float32(stop)
    wide = shell.widths[-1]
    cap = Tube(start=start, end=shell.end, ts=(0.0, 0.4, 1.0), widths=(wide * 0.86, wide * 0.97, wide), round_end=True)
    parts: list[Part] = [cap]
    if looks.hair == "bun":
        knot = shell.end + up * np.float32(0.052 * u)
        parts.append(limb(knot, knot + up * np.float32(0.006 * u), (0, 1), (0.022 * u, 0.020 * u)))
    if long:
        reach = {"long": 0.185, "bob": 0.095, "waves": 0.15}[looks.hair]
        for sign in (-1, 1):
            root = nose + up * np.float32(0.040 * u) + side * np.float32(sign * 0.038 * u)
            tip = root - up * np.float32(reach * u) + side * np.float32(sign * 0.008 * u)
            widths = tuple(w * u for w in (0.010, 0.0135, 0.0165, 0.0165, 0.0095))
            lock = limb(root, tip, (0, 0.25, 0.55, 0.8, 1), widths, lift=-0.012 * u)
            parts.append(replace(lock, depth=0.7))
    paint(canvas, parts, material, "hair", u, Dressing(openings=(face,), shadow=0.25), blend=0.020)

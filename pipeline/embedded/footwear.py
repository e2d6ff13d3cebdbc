"""Shoes on feet and bags in hands, as people and mannequins wear them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.embedded.canvas import Canvas, Material
from pipeline.embedded.figure import limb
from pipeline.embedded.paint import Dressing, dot, paint, stroke
from pipeline.embedded.palette import Floats, rgb
from pipeline.embedded.parts import Part, Sheet, Tube, point
from pipeline.embedded.pose import ARMS, LEGS, Skeleton

SHOES: Final = ("sneakers", "boots", "shoes")


@dataclass(frozen=True, kw_only=True)
class ShoeSpec:
    """A pair of shoes: kind of SHOES and colour."""

    kind: str
    color_name: str
    color: Floats


@dataclass(frozen=True, kw_only=True)
class BagSpec:
    """A handbag in the right or left hand (side 0 is the picture's left)."""

    color_name: str
    color: Floats
    side: int = 1


def draw_shoes(canvas: Canvas, skeleton: Skeleton, spec: ShoeSpec) -> None:
    """Draw both shoes over the feet."""
    u = skeleton.unit
    sole = rgb("#f1efe9") if spec.kind == "sneakers" else np.asarray(spec.color * np.float32(0.4), np.float32)
    for side in (0, 1):
        _, knee, ankle = (skeleton.joints[i] for i in LEGS[side])
        out = -1.0 if side == 0 else 1.0
        low = ankle + point(out * 0.004 * u, 0.016 * u)
        toe = ankle + point(out * 0.017 * u, 0.040 * u)
        under: list[Part] = [
            limb(low + point(0, 0.009 * u), toe + point(0, 0.0075 * u), (0, 1), (0.021 * u, 0.0235 * u))
        ]
        paint(canvas, under, Material(color=sole, gloss=0.05), spec.kind, u, Dressing(shadow=0.1))
        upper: list[Part] = [limb(low, toe, (0, 0.5, 1), (0.0205 * u, 0.0235 * u, 0.0225 * u))]
        if spec.kind == "boots":
            axis = (knee - ankle) / np.float32(np.hypot(*(knee - ankle)))
            shaft = Tube(
                start=ankle + axis * np.float32(0.065 * u),
                end=low,
                ts=(0, 1),
                widths=(0.031 * u, 0.0225 * u),
                round_end=True,
            )
            upper.append(shaft)
        paint(
            canvas,
            upper,
            Material(color=spec.color, gloss=0.16, sharpness=14, folds=0.05),
            spec.kind,
            u,
            Dressing(shadow=0.35),
        )
        if spec.kind == "sneakers":
            for q in (0.25, 0.5):
                c = low + (toe - low) * np.float32(q)
                lace = np.stack([c - point(0.009 * u, 0.001 * u), c + point(0.009 * u, -0.001 * u)])
                stroke(canvas, lace, max(0.0028 * u, 0.6), sole, 0.9)


def draw_bag(canvas: Canvas, skeleton: Skeleton, spec: BagSpec) -> None:
    """Draw a handbag hanging from a hand."""
    u = skeleton.unit
    _, elbow, wrist = (skeleton.joints[i] for i in ARMS[spec.side])
    hand = wrist + (wrist - elbow) / np.float32(np.hypot(*(wrist - elbow))) * np.float32(0.034 * u)
    top, w, h = hand + point(0, 0.050 * u), 0.060, 0.088
    arc = np.stack(
        [
            hand + point(0.034 * u * float(np.sin(a)), 0.052 * u * (1 - float(np.cos(a))))
            for a in np.linspace(-1.5, 1.5, 15)
        ]
    )
    stroke(canvas, arc, max(0.0060 * u, 1), np.asarray(spec.color * np.float32(0.6), np.float32), name="bag")
    outline = np.stack([top + point(x * u, y * u) for x, y in _rounded(w, h)])
    paint(
        canvas, [Sheet(outline=outline, rim=0.030 * u)], Material(color=spec.color, gloss=0.20, sharpness=14), "bag", u
    )
    flap = np.stack(
        [
            top + point(x * u, y * u)
            for x, y in ((-w, 0.004), (w, 0.004), (w * 0.92, h * 0.42), (0, h * 0.56), (-w * 0.92, h * 0.42))
        ]
    )
    paint(
        canvas,
        [Sheet(outline=flap, rim=0.016 * u)],
        Material(color=np.asarray(spec.color * np.float32(0.95), np.float32), gloss=0.2, sharpness=14),
        "bag",
        u,
    )
    dot(canvas, top + point(0, h * 0.50 * u), (0.0065 * u, 0.0065 * u), rgb("#e3c46b"))


def _rounded(half_width: float, height: float) -> list[tuple[float, float]]:
    """Outline of a bag body: a box with round lower corners."""
    t = np.linspace(0, np.pi / 2, 8)
    r = half_width * 0.35
    right = [(half_width - r + r * float(np.cos(a)), height - r + r * float(np.sin(a))) for a in t]
    left = [(-x, y) for x, y in reversed(right)]
    return [(half_width * 0.94, 0.0), *right, *left, (-half_width * 0.94, 0.0)]

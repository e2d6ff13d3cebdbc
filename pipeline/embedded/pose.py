"""Poses: eighteen OpenPose points of a standing figure, seeded, or laid out for a flat or ghost garment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from pipeline.embedded.palette import Floats, floats
from pipeline.embedded.parts import Point, point

NOSE, NECK = 0, 1
ARMS: Final = ((2, 3, 4), (5, 6, 7))
LEGS: Final = ((8, 9, 10), (11, 12, 13))
EYES: Final = (14, 15)
EARS: Final = (16, 17)


@dataclass(frozen=True, kw_only=True)
class Build:
    """Proportions of a body, relative to an average one: shoulders, waist, hips, limbs; ``bust`` in [0, 1]."""

    shoulders: float = 1.0
    waist: float = 1.0
    hips: float = 1.0
    limbs: float = 1.0
    bust: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Joints (18, 2) px in OpenPose's order and the figure's height ``unit`` in px."""

    joints: Floats
    unit: float
    build: Build

    @cached_property
    def hips(self) -> Point:
        """Midpoint of the hip joints."""
        return floats((self.joints[8] + self.joints[11]) / 2)

    @cached_property
    def up(self) -> Point:
        """Unit vector from the hips to the neck."""
        axis = self.joints[NECK] - self.hips
        return floats(axis / np.hypot(axis[0], axis[1]))

    @cached_property
    def right(self) -> Point:
        """Unit vector to the picture's right, square to ``up``."""
        return point(float(-self.up[1]), float(self.up[0]))

    def torso(self, t: float, x: float = 0.0) -> Point:
        """The point at ``t`` of the way from neck to hips (may exceed 1) and ``x`` units to the right."""
        spine = self.joints[NECK] + (self.hips - self.joints[NECK]) * np.float32(t)
        return floats(spine + self.right * np.float32(x * self.unit))


def turned(vector: Point, angle: float) -> Point:
    """``vector`` turned by ``angle`` rad, clockwise on screen."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    return point(c * float(vector[0]) - s * float(vector[1]), s * float(vector[0]) + c * float(vector[1]))


def random_build(rng: np.random.Generator, feminine: bool) -> Build:
    """A body between slim and broad."""
    width = float(np.clip(rng.normal(1.0, 0.09), 0.84, 1.25))
    waist = width * float(rng.uniform(0.96, 1.06))
    if feminine:
        return Build(
            shoulders=0.93 * width**0.5,
            waist=0.92 * waist,
            hips=1.02 * width,
            limbs=0.92 * width,
            bust=float(rng.uniform(0.4, 1)),
        )
    return Build(shoulders=1.07 * width**0.6, waist=1.08 * waist, hips=0.95 * width, limbs=1.06 * width)


def _arm_angles(rng: np.random.Generator, calm: bool) -> tuple[float, float]:
    """Shoulder and elbow angles: hanging, hand on hip, or raised aside."""
    mood = rng.random() * (0.62 if calm else 1.0)
    if mood < 0.60:
        return float(rng.uniform(0.10, 0.30)), float(rng.uniform(-0.30, 0.06))
    if mood < 0.85:
        return float(rng.uniform(0.62, 0.86)), -float(rng.uniform(1.55, 1.95))
    return float(rng.uniform(0.5, 1.25)), float(rng.uniform(-0.5, 0.9))


def stand(
    rng: np.random.Generator, *, top: float, unit: float, center: float, build: Build, calm: bool = False
) -> Skeleton:
    """A standing figure whose head's crown is at ``top`` px, ``unit`` px high, around the column ``center``."""
    lean = float(rng.uniform(-0.03, 0.03))
    tilt = 0.0 if calm else float(rng.uniform(-0.07, 0.07))
    joints = np.zeros((18, 2), np.float32)
    hips = point(center, top + 0.505 * unit)
    up = turned(point(0, -1), lean)
    neck = hips + up * np.float32(0.335 * unit)
    joints[NECK] = neck
    head = turned(point(0, -1), lean + (0 if calm else float(rng.uniform(-0.10, 0.10))))
    joints[NOSE] = neck + head * np.float32(0.080 * unit)
    shoulder_line, hip_line = turned(point(1, 0), lean - tilt * 0.6), turned(point(1, 0), lean + tilt)
    for sign, (shoulder, elbow, wrist), (hip, knee, ankle) in ((-1, *_pair(0)), (1, *_pair(1))):
        joints[shoulder] = (
            neck + shoulder_line * np.float32(sign * 0.080 * unit * build.shoulders) + point(0, 0.050 * unit)
        )
        a, b = _arm_angles(rng, calm)
        joints[elbow] = joints[shoulder] + turned(point(0, 1), -sign * a) * np.float32(0.160 * unit)
        joints[wrist] = joints[elbow] + turned(point(0, 1), -sign * (a + b)) * np.float32(0.138 * unit)
        joints[hip] = hips + hip_line * np.float32(sign * 0.047 * unit * build.hips)
        spread = float(rng.uniform(0.0, 0.05)) if calm else float(rng.uniform(-0.01, 0.12))
        bend = float(rng.uniform(-0.05, 0.02))
        joints[knee] = joints[hip] + turned(point(0, 1), -sign * spread) * np.float32(0.232 * unit)
        joints[ankle] = joints[knee] + turned(point(0, 1), -sign * (spread + bend)) * np.float32(0.218 * unit)
    _face(joints, head, unit)
    return Skeleton(joints=joints, unit=unit, build=build)


def _pair(side: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    return ARMS[side], LEGS[side]


def _face(joints: Floats, head: Point, unit: float) -> None:
    """Eyes and ears around the nose."""
    side = point(float(-head[1]), float(head[0]))
    nose = joints[NOSE]
    for sign, eye, ear in ((-1, *_eye_ear(0)), (1, *_eye_ear(1))):
        joints[eye] = nose + head * np.float32(0.016 * unit) + side * np.float32(sign * 0.0175 * unit)
        joints[ear] = nose + head * np.float32(0.008 * unit) + side * np.float32(sign * 0.042 * unit)


def _eye_ear(side: int) -> tuple[int, int]:
    return EYES[side], EARS[side]


def laid_out(*, top: float, unit: float, center: float, spread: float, turn: float = 0.0) -> Skeleton:
    """The skeleton of a garment without a body: sleeves ``spread`` rad aside, legs straight, turned by ``turn``."""
    build = Build(shoulders=1.04, waist=1.10, hips=1.04)
    joints = np.zeros((18, 2), np.float32)
    hips, down = point(center, top + 0.505 * unit), turned(point(0, 1), turn)
    across = turned(point(1, 0), turn)
    neck = hips - down * np.float32(0.335 * unit)
    joints[NECK], joints[NOSE] = neck, neck - down * np.float32(0.09 * unit)
    for sign, (shoulder, elbow, wrist), (hip, knee, ankle) in ((-1, *_pair(0)), (1, *_pair(1))):
        joints[shoulder] = (
            neck + across * np.float32(sign * 0.084 * unit * build.shoulders) + down * np.float32(0.048 * unit)
        )
        arm = turned(down, -sign * spread)
        joints[elbow] = joints[shoulder] + arm * np.float32(0.160 * unit)
        joints[wrist] = joints[elbow] + turned(arm, sign * 0.06) * np.float32(0.138 * unit)
        joints[hip] = hips + across * np.float32(sign * 0.047 * unit)
        leg = turned(down, -sign * 0.05)
        joints[knee] = joints[hip] + leg * np.float32(0.232 * unit)
        joints[ankle] = joints[knee] + leg * np.float32(0.218 * unit)
    return Skeleton(joints=joints, unit=unit, build=build)

"""A pose that suits a garment's cut: shoulders, arms and size of a body that fills it as it lies.

The garment is not bent to a body: the body is chosen to fit the garment, as far as anatomy permits. Then the warp that
is left is small, and texture and lettering stay as they were photographed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.pixels import pose
from pipeline.pixels.landmarks import Landmarks, Sleeve
from pipeline.pixels.pose import Joints
from pipeline.types import Size

PITS: Final = 0.096
"""Half the distance between a garment's armpits over the body's height, for one of an ordinary cut."""
SLEEVE_END: Final = 0.98
"""Where a long sleeve ends on the arm."""
LARGER: Final = (0.90, 1.12)
"""How far the body that long sleeves ask for may differ in size from the one that the armpits do."""
UNDER_SEAM: Final = 0.0335
"""The shoulders' joints lie this far under the upper ends of the garment's shoulder seams."""
SHOULDER_HALF: Final = 0.083
HIPS_DOWN: Final = pose.CROWN_TO_HIPS - pose.CROWN_TO_NECK_BASE - pose.NECK_BASE_TO_SHOULDERS
ARM: Final = pose.UPPER_ARM + pose.FOREARM
LEAST_ARM, MOST_ARM = 7.0, 42.0
"""Degrees off straight down within which somebody who is photographed holds an arm."""
BARE: Final = (13.0, 8.0)
"""Upper arm and forearm that no sleeve gives an angle, in degrees off straight down."""
REACH: Final = (0.9, 1.06)
"""A long sleeve's length over the arm's: within these the arm is made to fit it."""
HEADROOM: Final = 0.06
ASPECT: Final = 0.75
LEAST_PX, MOST_PX = 768, 2400


@dataclass(frozen=True, kw_only=True)
class Stance:
    """A pose for a garment, in a picture of ``size`` made for both.

    ``joints`` are (18, 3), ``unit`` is the body's height in px, ``turns`` the degrees by which each sleeve (left, right
    as seen) has to be turned down to lie on its arm, negative upwards. ``matrix`` (2, 3) takes the garment's px there.
    """

    size: Size
    joints: Joints
    unit: float
    turns: tuple[float, float]
    matrix: NDArray[np.float64]


def stance_of(marks: Landmarks, *, pits: float = PITS) -> Stance:
    """The pose that suits a garment, ``pits`` wide at the armpits (see PITS). Its legs are those of one who stands."""
    own = _height(marks, pits)
    hem = float(np.max((marks.hem - marks.tops.mean(axis=0)) @ marks.down)) / own - UNDER_SEAM
    shoulders = HEADROOM + pose.CROWN_TO_NECK_BASE + pose.NECK_BASE_TO_SHOULDERS
    tall = shoulders + hem + 0.10 if hem < 0.42 else 1.0 + 2 * HEADROOM  # tops end on the thighs, the rest at the feet
    height = float(np.clip(tall * own, LEAST_PX, MOST_PX))
    unit, angles = height / tall, [_angle(marks, side) for side in (0, 1)]
    arms = [float(np.clip(angle, LEAST_ARM, MOST_ARM)) if angle is not None else BARE[0] for angle in angles]
    wide = max(SHOULDER_HALF + ARM * np.sin(np.deg2rad(max(arms))) + 0.06, 0.5 * ASPECT * tall)
    size: Size = (round(height), round(2 * wide * unit))
    center, turns = size[1] / 2, [0.0 if a is None else a - arm for a, arm in zip(angles, arms, strict=True)]
    matrix = _matrix(marks, unit / own, (center, shoulders * unit), own)
    joints = _standing(unit, HEADROOM * unit, center, _hips(marks, own))
    for side in (0, 1):
        _hang_arm(joints, side, arms[side], unit, covered=angles[side] is not None)
        sleeve = marks.sleeves[side]
        if sleeve is not None and _is_long(sleeve, own):
            _fill_sleeve(joints, side, sleeve.arm @ matrix[:, :2].T + matrix[:, 2], turns[side], unit)
    return Stance(
        size=size, joints=pose.within(joints, size), unit=unit, turns=(turns[0], turns[1]), matrix=matrix
    )  # fmt: skip


def _height(marks: Landmarks, pits: float) -> float:
    """Height in px of the body that a garment is cut for: long sleeves say it best, for they end at the wrists."""
    own = float(np.hypot(*(marks.pits[1] - marks.pits[0]))) / 2 / pits
    long = [one for one in marks.sleeves if one is not None and _is_long(one, own)]
    if len(long) < 2:
        return own
    arms = float(np.mean([np.hypot(*(one.arm[1] - one.arm[0])) for one in long])) / (SLEEVE_END * ARM)
    return float(np.clip(arms, LARGER[0] * own, LARGER[1] * own))


def _hips(marks: Landmarks, own: float) -> float:
    """Half the distance of the hips' joints, in heights: no wider than the garment hangs there."""
    row = marks.tops.mean(axis=0) + marks.down * (UNDER_SEAM + 0.9 * HIPS_DOWN) * own
    deep = (marks.sides.mean(axis=1) - row) @ marks.down
    wide = np.hypot(*(marks.sides[:, 1] - marks.sides[:, 0]).T) / 2 / own
    return float(np.clip(np.interp(0.0, deep, wide) - 0.056, 0.038, pose.HIP_HALF))


def _is_long(sleeve: Sleeve, own: float) -> bool:
    return float(np.hypot(*(sleeve.arm[1] - sleeve.arm[0]))) > 0.8 * ARM * own


def _angle(marks: Landmarks, side: int) -> float | None:
    sleeve = marks.sleeves[side]
    if sleeve is None:
        return None
    line = sleeve.arm[1] - sleeve.arm[0]
    return float(np.rad2deg(np.arctan2((-1.0, 1.0)[side] * (line @ marks.across), line @ marks.down)))


def _standing(unit: float, crown: float, center: float, hips: float) -> Joints:
    """Joints of a standing figure whose crown is at row ``crown``, arms not set, about the column ``center``."""
    joints = np.ones((18, 3), np.float32)
    neck = crown + pose.CROWN_TO_NECK_BASE * unit
    shoulder, nose = neck + pose.NECK_BASE_TO_SHOULDERS * unit, neck - 0.080 * unit
    joints[0, :2], joints[1, :2] = (center, nose), (center, shoulder)
    for side, sign in ((0, -1.0), (1, 1.0)):
        hip, knee, ankle = pose.LEGS[side]
        joints[pose.ARMS[side][0], :2] = center + sign * SHOULDER_HALF * unit, shoulder
        joints[hip, :2] = center + sign * hips * unit, shoulder + HIPS_DOWN * unit
        joints[knee, :2] = joints[hip, :2] + np.array([sign * 0.012, pose.THIGH], np.float32) * unit
        joints[ankle, :2] = joints[knee, :2] + np.array([sign * 0.006, pose.CALF], np.float32) * unit
        joints[14 + side, :2] = center + sign * 0.0175 * unit, nose - 0.016 * unit
        joints[16 + side, :2] = center + sign * 0.042 * unit, nose - 0.008 * unit
    return joints


def _hang_arm(joints: Joints, side: int, angle: float, unit: float, *, covered: bool) -> None:
    """Set elbow and wrist of a bare forearm, which hangs a little more than the upper arm."""
    shoulder, elbow, wrist = pose.ARMS[side]
    start = joints[shoulder, :2]
    lower = 0.55 * angle if covered else BARE[1]
    for joint, turn, length in ((elbow, angle, pose.UPPER_ARM), (wrist, lower, pose.FOREARM)):
        way = np.array([(-1.0, 1.0)[side] * np.sin(np.deg2rad(turn)), np.cos(np.deg2rad(turn))], np.float32)
        start = start + way * np.float32(length * unit)
        joints[joint, :2] = start


def _fill_sleeve(joints: Joints, side: int, axis: NDArray[np.float64], turn: float, unit: float) -> None:
    """Set elbow and wrist on a long sleeve's middle line (n, 2), turned with it, as far as an arm reaches."""
    shoulder, elbow, wrist = pose.ARMS[side]
    root = joints[shoulder, :2].astype(np.float64)
    angle = np.deg2rad(turn) * (1.0, -1.0)[side]
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    line = np.concatenate([root[None], (axis[1:] - root) @ spin + root])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    length = float(np.clip(along[-1] / unit, REACH[0] * ARM, REACH[1] * ARM)) * unit
    share = pose.UPPER_ARM / ARM
    joints[elbow, :2] = [np.interp(share * length, along, line[:, axis_]) for axis_ in (0, 1)]
    way = line[-1] - joints[elbow, :2]
    joints[wrist, :2] = joints[elbow, :2] + way / max(float(np.hypot(*way)), 1e-6) * (1 - share) * length


def _matrix(marks: Landmarks, scale: float, to: tuple[float, float], own: float) -> NDArray[np.float64]:
    """From the garment's px, axis upright, scaled, to where the middle of its shoulders lies at ``to``."""
    across, down = marks.across.astype(np.float64), marks.down.astype(np.float64)
    turn = scale * np.stack([across, down])
    middle = marks.tops.mean(axis=0) + down * UNDER_SEAM * own
    return np.concatenate([turn, (np.asarray(to) - turn @ middle)[:, None]], axis=1)

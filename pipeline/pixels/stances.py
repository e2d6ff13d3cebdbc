"""A pose that suits a garment's cut: shoulders, arms and size of a body that fills it as it lies.

The garment is not bent to a body: the body is chosen to fit the garment, as far as anatomy permits. Then the warp that
is left is small, and texture and lettering stay as they were photographed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.pixels import pose
from pipeline.pixels.bottoms import Bottom, bottom_matrix, with_legs
from pipeline.pixels.landmarks import Landmarks, Sleeve
from pipeline.pixels.pose import Joints
from pipeline.pixels.sleeves import JOINT
from pipeline.types import Size

PITS: Final = 0.096
"""Half the distance between a garment's armpits over the body's height, for one of an ordinary cut."""
SLEEVE_END: Final = 0.98
"""Where a long sleeve ends on the arm."""
LARGER: Final = (0.90, 1.12)
"""How far the body that long sleeves ask for may differ in size from the one that the armpits do."""
NECK_AGREES: Final = (0.85, 1.15)
"""How far the body that a neckline is cut for may differ in size from the one that the armpits are: what lies further
off is a neckline of another cut, and says nothing."""
UNDER_SEAM: Final = 0.035
"""The shoulders' joints lie this far under the upper ends of the garment's shoulder seams."""
UNDER_NAPE: Final = 0.0525
"""The shoulders' joints lie this far under the upper edge of a neckline without a collar."""
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
SHOULDERS: Final = HEADROOM + pose.CROWN_TO_NECK_BASE + pose.NECK_BASE_TO_SHOULDERS
"""From the picture's upper edge to the shoulders' joints, in heights of the body."""
WHOLE: Final = 1.0 + 2 * HEADROOM
"""Height of a picture of a whole body, in the body's."""
ASPECT: Final = 0.75
LEAST_PX, MOST_PX = 768, 2400


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a garment's kind is cut, in heights of the body: ``pits`` is half the distance of its armpits, ``neck`` half
    the width of its neckline, None where a collar stands in it."""

    pits: float = PITS
    neck: float | None = None


ORDINARY: Final = Cut()


@dataclass(frozen=True, kw_only=True)
class Stance:
    """A pose for a garment, in a picture of ``size`` made for both.

    ``joints`` are (18, 3), ``unit`` is the body's height in px, ``arms`` the degrees off straight down at which the
    upper arms (left, right as seen) are held.
    """

    size: Size
    joints: Joints
    unit: float
    arms: tuple[float, float]


def stance_of(marks: Landmarks, *, cut: Cut = ORDINARY, whole: bool = False) -> Stance:
    """The pose that suits a garment of such a ``cut``. Its legs are those of one who stands.

    The picture ends on the thighs under a top, unless the ``whole`` body is asked for.
    """
    own = body_height(marks, cut)
    hem = float(np.max((marks.hem - _shoulders(marks, own)) @ marks.down)) / own
    tall = SHOULDERS + hem + 0.10 if hem < 0.42 and not whole else WHOLE  # tops end on the thighs, the rest at the feet
    height = float(np.clip(tall * own, LEAST_PX, MOST_PX))
    unit, angles = height / tall, [sleeve_angle(marks, side) for side in (0, 1)]
    arms = [float(np.clip(angle, LEAST_ARM, MOST_ARM)) if angle is not None else BARE[0] for angle in angles]
    wide = max(SHOULDER_HALF + ARM * np.sin(np.deg2rad(max(arms))) + 0.06, 0.5 * ASPECT * tall)
    size: Size = (round(height), round(2 * wide * unit))
    center, turns = size[1] / 2, [0.0 if a is None else a - arm for a, arm in zip(angles, arms, strict=True)]
    matrix = _matrix(marks, unit / own, (center, SHOULDERS * unit), own)
    joints = _standing(unit, HEADROOM * unit, center, _hips(marks, own))
    for side in (0, 1):
        _hang_arm(joints, side, arms[side], unit, covered=angles[side] is not None)
        sleeve, line = marks.sleeves[side], sleeve_line(marks, side, own)
        if sleeve is not None and line is not None and _is_long(sleeve, own):
            _fill_sleeve(joints, side, line @ matrix[:, :2].T + matrix[:, 2], turns[side], unit)
    return Stance(
        size=size, joints=pose.within(joints, size), unit=unit, arms=(arms[0], arms[1])
    )  # fmt: skip


def stance_for_legs(bottom: Bottom) -> Stance:
    """The pose of a whole body with bare arms in the legs of a bottom."""
    height = float(np.clip(WHOLE * bottom.unit, LEAST_PX, MOST_PX))
    unit = height / WHOLE
    size: Size = (round(height), round(ASPECT * height))
    center, crown = size[1] / 2, HEADROOM * unit
    joints = _standing(unit, crown, center, pose.HIP_HALF)
    for side in (0, 1):
        _hang_arm(joints, side, BARE[0], unit, covered=False)
    bare = Stance(size=size, joints=joints, unit=unit, arms=(BARE[0], BARE[0]))
    return with_bottom(bare, bottom)


def with_bottom(stance: Stance, bottom: Bottom) -> Stance:
    """The stance of a ``whole`` body with its legs in those of a bottom."""
    return replace(stance, joints=with_legs(stance.joints, bottom, legs_matrix(stance, bottom), stance.unit))


def legs_matrix(stance: Stance, bottom: Bottom) -> NDArray[np.float64]:
    """What takes the px of a bottom to the hips of a ``stance``, scaled to its body, (2, 3)."""
    return bottom_matrix(bottom, stance.unit, stance.size[1] / 2, HEADROOM * stance.unit)


def top_matrix(stance: Stance, marks: Landmarks, cut: Cut = ORDINARY) -> NDArray[np.float64]:
    """What takes the px of a top to the shoulders of a ``stance``, scaled to its body, (2, 3)."""
    own = body_height(marks, cut)
    return _matrix(marks, stance.unit / own, (stance.size[1] / 2, SHOULDERS * stance.unit), own)


def body_height(marks: Landmarks, cut: Cut) -> float:
    """Height in px of the body that a garment is cut for: long sleeves say it, for they end at the wrists.

    So does a neckline, which loose and close garments of a kind have alike: where both are there, their mean counts.
    What the armpits say comes last.
    """
    own = float(np.hypot(*(marks.pits[1] - marks.pits[0]))) / 2 / cut.pits
    said = []
    long = [one for one in marks.sleeves if one is not None and _is_long(one, own)]
    if len(long) == 2:
        arms = float(np.mean([np.hypot(*(one.arm[1] - one.arm[0])) for one in long])) / (SLEEVE_END * ARM)
        said.append(float(np.clip(arms, LARGER[0] * own, LARGER[1] * own)))
    if cut.neck is not None and marks.neck is not None:
        by_neck = marks.neck / cut.neck
        said += [by_neck] if NECK_AGREES[0] < by_neck / own < NECK_AGREES[1] else []
    return float(np.mean(said)) if said else own


def _shoulders(marks: Landmarks, own: float) -> NDArray[np.float64]:
    """The middle of the shoulders' joints, (2,) in the garment's px."""
    middle, down = marks.tops.mean(axis=0).astype(np.float64), marks.down.astype(np.float64)
    if marks.nape is None:
        return np.asarray(middle + down * UNDER_SEAM * own)
    return np.asarray(middle + down * (float((marks.nape - middle) @ down) + UNDER_NAPE * own))


def sleeve_share(marks: Landmarks, cut: Cut = ORDINARY) -> float:
    """How much of the arms a top's sleeves cover, 0 to about 1; that of the shorter one."""
    arm = ARM * body_height(marks, cut)
    return min(0.0 if one is None else float(np.hypot(*(one.arm[1] - one.arm[0]))) / arm for one in marks.sleeves)


def _hips(marks: Landmarks, own: float) -> float:
    """Half the distance of the hips' joints, in heights: no wider than the garment hangs there."""
    row = _shoulders(marks, own) + marks.down * 0.9 * HIPS_DOWN * own
    deep = (marks.sides.mean(axis=1) - row) @ marks.down
    wide = np.hypot(*(marks.sides[:, 1] - marks.sides[:, 0]).T) / 2 / own
    return float(np.clip(np.interp(0.0, deep, wide) - 0.056, 0.038, pose.HIP_HALF))


def _is_long(sleeve: Sleeve, own: float) -> bool:
    return float(np.hypot(*(sleeve.arm[1] - sleeve.arm[0]))) > 0.8 * ARM * own


def sleeve_line(marks: Landmarks, side: int, own: float) -> NDArray[np.float64] | None:
    """The line (n, 2) in a flat sleeve from where the shoulder's joint of a body of ``own`` px belongs to the cuff.

    A long one may be bent, and its middle is seen from the elbow on. None where there is no sleeve.
    """
    sleeve = marks.sleeves[side]
    if sleeve is None:
        return None
    aside, under = JOINT[0] * PITS * own * (-1.0, 1.0)[side], JOINT[1] * PITS * own
    root = marks.tops.mean(axis=0) + marks.across * aside + marks.down * under
    rest = sleeve.axis[len(sleeve.axis) // 2 :] if _is_long(sleeve, own) else root + np.diff(sleeve.arm, axis=0)
    return np.concatenate([root[None], rest]).astype(np.float64)


def sleeve_angle(marks: Landmarks, side: int) -> float | None:
    """Degrees off straight down at which a sleeve lies; None where there is none."""
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
    """Set elbow and wrist on a long sleeve's line (n, 2), turned with it, as far as an arm reaches."""
    shoulder, elbow, wrist = pose.ARMS[side]
    angle = np.deg2rad(turn) * (1.0, -1.0)[side]
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    line = (axis - axis[0]) @ spin + joints[shoulder, :2].astype(np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    length = float(np.clip(along[-1] / SLEEVE_END / unit, REACH[0] * ARM, REACH[1] * ARM)) * unit
    share = pose.UPPER_ARM / ARM
    joints[elbow, :2] = [np.interp(share * length, along, line[:, axis_]) for axis_ in (0, 1)]
    way = line[-1] - joints[elbow, :2]
    joints[wrist, :2] = joints[elbow, :2] + way / max(float(np.hypot(*way)), 1e-6) * (1 - share) * length


def _matrix(marks: Landmarks, scale: float, to: tuple[float, float], own: float) -> NDArray[np.float64]:
    """From the garment's px, axis upright, scaled, to where the middle of its shoulders lies at ``to``."""
    across, down = marks.across.astype(np.float64), marks.down.astype(np.float64)
    turn = scale * np.stack([across, down])
    return np.concatenate([turn, (np.asarray(to) - turn @ _shoulders(marks, own))[:, None]], axis=1)

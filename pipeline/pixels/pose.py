"""Poses as ControlNets read them: OpenPose's eighteen points from a pose estimator; how poses are moved and compared.

Points are (18, 3) float32 of x px, y px and seen (1 or 0), in OpenPose's order: nose, neck, right shoulder, elbow,
wrist, left the same, right hip, knee, ankle, left the same, right eye, left eye, right ear, left ear. Right is the
body's right, which is on the picture's left.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Mask, Pose, Size

Joints = NDArray[np.float32]

FROM_MEDIAPIPE: Final = (0, -1, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
"""MediaPipe's landmark of each point; the neck (-1) is the middle of the shoulders."""
ARMS: Final = ((2, 3, 4), (5, 6, 7))
LEGS: Final = ((8, 9, 10), (11, 12, 13))
MIRRORED: Final = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16)

# Proportions of a standing adult in units of its height, from the crown down (Drillis and Contini 1966, rounded).
CROWN_TO_NECK_BASE: Final = 0.17
CROWN_TO_HIPS: Final = 0.505
NECK_BASE_TO_SHOULDERS: Final = 0.05
SHOULDER_HALF: Final = 0.076
HIP_HALF: Final = 0.047
THIGH: Final = 0.232
CALF: Final = 0.218
UPPER_ARM: Final = 0.160
FOREARM: Final = 0.138
HAND: Final = 0.06
SOLE: Final = 0.045
ARM_HALF: Final = 0.030


def from_landmarks(pose: Pose, size: Size, *, least: float = 0.5) -> Joints:
    """The eighteen points of an estimator's landmarks; those seen less than ``least`` or outside ``size`` are 0."""
    joints = np.zeros((18, 3), np.float32)
    for joint, mark in enumerate(FROM_MEDIAPIPE):
        if mark >= 0:
            joints[joint, :2] = pose.points[mark]
            joints[joint, 2] = pose.visibility[mark] >= least
    joints[1, :2] = (joints[2, :2] + joints[5, :2]) / 2
    joints[1, 2] = min(joints[2, 2], joints[5, 2])
    return within(joints, size)


def within(joints: Joints, size: Size) -> Joints:
    """The points with those outside a picture of ``size`` marked unseen."""
    x, y = joints[:, 0], joints[:, 1]
    result = joints.copy()
    result[:, 2] *= (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    return result


def facing(joints: Joints) -> Joints:
    """The points of a figure that faces the camera: sides that an estimator swapped are swapped back."""
    if joints[2, 2] and joints[5, 2] and joints[2, 0] > joints[5, 0]:
        return joints[list(MIRRORED)]
    return joints


def moved(joints: Joints, *, by: tuple[float, float] = (0.0, 0.0), scale: tuple[float, float] = (1.0, 1.0)) -> Joints:
    """The points minus ``by`` (x, y), then times ``scale`` (x, y): into a crop, at the crop's new size."""
    result = joints.copy()
    result[:, :2] = (result[:, :2] - np.asarray(by, np.float32)) * np.asarray(scale, np.float32)
    return result


def torso_length(joints: Joints) -> float:
    """Distance in px from the shoulders' middle to the hips'; twice the shoulders' width where no hip is seen."""
    if joints[[2, 5, 8, 11], 2].all():
        return float(np.hypot(*((joints[2] + joints[5] - joints[8] - joints[11])[:2] / 2)))
    if joints[[2, 5], 2].all():
        return 2 * float(np.hypot(*(joints[2] - joints[5])[:2]))
    return 0.0


def share_followed(asked: Joints, found: Joints, *, within_torso: float = 0.25) -> float:
    """Share of the body's joints seen in both that lie within ``within_torso`` of a torso's length (PCK).

    The head's points are left out. 0 if fewer than four joints can be compared.
    """
    both = (asked[1:14, 2] > 0) & (found[1:14, 2] > 0)
    reach = within_torso * torso_length(asked)
    if both.sum() < 4 or reach <= 0:
        return 0.0
    distance = np.hypot(*(asked[1:14, :2] - found[1:14, :2])[both].T)
    return float((distance <= reach).mean())


def settled(joints: Joints, figure: Mask) -> Joints:
    """The points with shoulders, elbows and wrists moved so far into the outline that an arm has room there.

    Estimators set shoulders on the cloth; a body drawn on them would show beside the sleeves. No point moves further
    than an arm's half width, and none that is not seen.
    """
    reach = ARM_HALF * torso_length(joints) / (CROWN_TO_HIPS - CROWN_TO_NECK_BASE - NECK_BASE_TO_SHOULDERS)
    depth = depth_within(figure)
    result = joints.copy()
    for joint in (joint for arm in ARMS for joint in arm):
        x, y = (round(float(v)) for v in joints[joint, :2])
        inside = 0 <= y < figure.shape[0] and 0 <= x < figure.shape[1]
        if joints[joint, 2] and inside and depth[y, x] < reach:
            result[joint, :2] = deepest_near(np.minimum(depth, np.float32(reach)), (float(x), float(y)), reach)
    if result[[2, 5], 2].all():
        result[1, :2] = (result[2, :2] + result[5, :2]) / 2
    return result


def same_shoulders(one: Joints, other: Joints, *, within_torso: float = 0.25) -> bool:
    """Whether both shoulders of two poses lie within ``within_torso`` of a torso's length: else one is guessed."""
    shoulders = [2, 5]
    apart = np.hypot(*(one - other)[shoulders, :2].T)
    return bool(other[shoulders, 2].all() and (apart <= within_torso * torso_length(one)).all())


def same_trunk(one: Joints, other: Joints, *, least: float = 0.65) -> bool:
    """Whether the trunks of two poses are about as long: an estimator may fold a headless figure into its chest."""
    lengths = sorted((torso_length(one), torso_length(other)))
    return lengths[0] >= least * lengths[1]


def with_outer_arms(joints: Joints, seen: Joints, figure: Mask) -> Joints:
    """``joints`` with those arms of ``seen`` that lie further out, elbow and wrist together, but within ``figure``.

    Where an arm touches the trunk, an outline shows none, and an estimator that guesses one sets it before the trunk:
    both err inwards, and what lies further out within the figure can only be arm.
    """
    result = joints.copy()
    for side, (_, elbow, wrist) in enumerate(ARMS):
        both = [elbow, wrist]
        inside = all(_holds(figure, float(seen[joint, 0]), float(seen[joint, 1])) for joint in both)
        further = (-1, 1)[side] * float((seen[both, 0] - joints[both, 0]).sum())
        if inside and seen[both, 2].all() and (further > 0 or not joints[both, 2].all()):
            result[both] = seen[both]
    return result


def _holds(figure: Mask, x: float, y: float) -> bool:
    row, column = round(y), round(x)
    return 0 <= row < figure.shape[0] and 0 <= column < figure.shape[1] and bool(figure[row, column])


def depth_within(mask: Mask) -> NDArray[np.float32]:
    """Distance of each pixel of ``mask`` to what is outside, the picture's frame included."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)


def deepest_near(middle: NDArray[np.float32], at: tuple[float, float], reach: float) -> tuple[float, float]:
    """The point near ``at`` (x, y) that lies deepest in the limb: shortest ways cut corners along its edge."""
    x, y, r = round(at[0]), round(at[1]), max(1, round(reach))
    x0, y0 = max(0, x - r), max(0, y - r)
    window = middle[y0 : y + r + 1, x0 : x + r + 1]
    if window.size == 0:
        return at
    row, column = np.unravel_index(int(window.argmax()), window.shape)
    return float(x0 + column), float(y0 + row)

"""OpenPose-18 skeletons as ControlNets were trained on them: coloured sticks and dots on black."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Image, Size

LIMBS: Final = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
"""Pairs of joints, in the order in which OpenPose colours and overdraws them."""

COLORS: Final = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
"""Colour of each joint; the first seventeen are the limbs' too, at 60 %."""

STICK_PX: Final = 4


def draw_skeleton(joints: NDArray[np.float32], size: Size, *, stick_px: int = STICK_PX) -> Image:
    """Draw one body's joints (18, 3) of x px, y px and seen (> 0) on black of ``size``: the pose control's map.

    The sticks are ellipses of half width ``stick_px``, whatever the size, because that is what pose ControlNets saw
    (Cao et al. 2017, "Realtime multi-person 2D pose estimation"; the drawing of ControlNet's own annotator).
    """
    canvas = np.zeros((*size, 3), np.uint8)
    seen = joints[:, 2] > 0
    for (a, b), color in zip(LIMBS, COLORS, strict=False):
        if not (seen[a] and seen[b]):
            continue
        (ax, ay), (bx, by) = (float(v) for v in joints[a, :2]), (float(v) for v in joints[b, :2])
        length, angle = math.hypot(ax - bx, ay - by), math.degrees(math.atan2(ay - by, ax - bx))
        middle = (int((ax + bx) / 2), int((ay + by) / 2))
        outline = np.array(cv2.ellipse2Poly(middle, (int(length / 2), stick_px), int(angle), 0, 360, 1))
        cv2.fillConvexPoly(canvas, outline, [int(c * 0.6) for c in color])
    for (x, y, there), color in zip(joints, COLORS, strict=True):
        if there > 0:
            cv2.circle(canvas, (int(x), int(y)), stick_px, color, thickness=-1)
    return canvas


SPOT_SHARE: Final = 0.25
"""Spots smaller than this share of the largest are blends between two dots of a resampled map, and no joint."""


def read_skeleton(drawn: Image, *, tolerance: int = 40) -> NDArray[np.float32]:
    """The joints (18, 3) of x px, y px and seen (1 or 0) that `draw_skeleton` drew, at any scale of its map.

    A joint is the middle of the largest spot of its own colour, to ``tolerance`` levels a channel, so a resampled map
    is read too. Joints whose dot lies under later ones are not seen.
    """
    joints, areas = np.zeros((18, 3), np.float32), np.zeros(18, np.int64)
    for index, color in enumerate(COLORS):
        lowest, highest = ([min(max(level + by, 0), 255) for level in color] for by in (-tolerance, tolerance))
        near = cv2.inRange(drawn, np.array(lowest, np.uint8), np.array(highest, np.uint8))
        count, _, stats, centers = cv2.connectedComponentsWithStats(near)
        if count > 1:
            largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
            areas[index] = stats[largest, cv2.CC_STAT_AREA]
            joints[index] = (*centers[largest], 1)
    joints[areas < SPOT_SHARE * areas.max()] = 0
    return joints

"""Faces and hands in a generated picture: the parts that are drawn anew after it was enlarged, as areas of pixels."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from masks.networks import LOCK, POSE, ask, face_boxes, reduced
from pipeline.pixels.pose import Joints
from pipeline.types import Box, Image, Mask, Pose, Size

SEEN: Final = 0.5
"""Visibility from which on a landmark is believed."""
FACE_ROOM: Final = 1.3
"""A face with forehead and chin is this much larger than the network's box, which ends at the brows."""
NOSE, NECK = 0, 1
"""Joints of an OpenPose skeleton."""
HEAD_PX: Final = 512
"""A head's crop is enlarged to this: the network misses faces of a few px."""
HANDS: Final = ((13, 15, (17, 19, 21)), (14, 16, (18, 20, 22)))
"""Elbow, wrist and fingers of both arms among MediaPipe's landmarks."""
HAND_LENGTH: Final = 0.75
"""Length of a hand as a share of its forearm, from the wrist to the finger tips."""


def face_areas(image: Image, asked: Joints | None = None) -> list[Mask]:
    """An ellipse over each face of a picture (H, W, 3); masks (H, W), largest first, none if none is seen.

    ``asked`` is the pose that was asked for: where no face is seen in the whole picture, its head is looked at closely.
    """
    size: Size = (image.shape[0], image.shape[1])
    boxes = face_boxes(image) or _faces_near(image, asked)
    boxes = sorted(boxes, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))
    return [face_area(box, size) for box in boxes]


def _faces_near(image: Image, asked: Joints | None) -> list[Box]:
    """Faces in a crop around the head of a pose, in the picture's px; none without nose and neck."""
    if asked is None or not asked[[NOSE, NECK], 2].all():
        return []
    x, y = asked[NOSE, :2]
    reach = 2 * float(np.hypot(*(asked[NOSE, :2] - asked[NECK, :2])))
    x0, y0 = max(0, round(float(x) - reach)), max(0, round(float(y) - reach))
    crop = image[y0 : round(float(y) + reach), x0 : round(float(x) + reach)]
    if min(crop.shape[:2]) < 16:
        return []
    scale = max(1.0, HEAD_PX / max(crop.shape[:2]))
    large = np.asarray(cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
    return [
        (x0 + round(a / scale), y0 + round(b / scale), x0 + round(c / scale), y0 + round(d / scale))
        for a, b, c, d in face_boxes(large)
    ]


def face_area(box: Box, size: Size) -> Mask:
    """The ellipse of a face whose box the network gave; it may reach beyond the picture, the area does not."""
    width, height = (box[2] - box[0]) * FACE_ROOM, (box[3] - box[1]) * FACE_ROOM
    # The box holds brows to chin: what is added for the forehead lies above it.
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2 - 0.1 * height)
    canvas = np.zeros(size, np.uint8)
    cv2.ellipse(canvas, (middle, (width, height), 0), 1, thickness=-1)
    return np.asarray(canvas > 0)


def hand_areas(image: Image) -> list[Mask]:
    """A circle over each hand of the person in a picture (H, W, 3) whose wrist and fingers are seen; masks (H, W)."""
    small, scale = reduced(image)
    pose = _pose_of(small)
    if pose is None:
        return []
    size: Size = (image.shape[0], image.shape[1])
    return hands_of(Pose(points=(pose.points / scale).astype(np.float32), visibility=pose.visibility), size)


def hands_of(pose: Pose, size: Size) -> list[Mask]:
    """The areas of the hands of a pose whose landmarks lie in the px of a picture of ``size``."""
    found = []
    for elbow, wrist, fingers in HANDS:
        marks = (wrist, *fingers)
        if pose.visibility[list(marks)].min() < SEEN or not _inside(pose.points[wrist], size):
            continue
        tips, root = pose.points[list(fingers)].mean(axis=0), pose.points[wrist]
        length = max(HAND_LENGTH * float(np.hypot(*(root - pose.points[elbow]))), 2 * float(np.hypot(*(tips - root))))
        away = (tips - root) / max(1e-6, float(np.hypot(*(tips - root))))
        middle = root + away * length / 2
        canvas = np.zeros(size, np.uint8)
        cv2.circle(canvas, (round(float(middle[0])), round(float(middle[1]))), max(2, round(0.65 * length)), 1, -1)
        found.append(np.asarray(canvas > 0))
    return found


def _inside(point: NDArray[np.float32], size: Size) -> bool:
    return bool(0 <= point[0] < size[1] and 0 <= point[1] < size[0])


def _pose_of(image: Image) -> Pose | None:
    """The pose network's landmarks in a reduced picture's px; None where it sees nobody."""
    with LOCK:
        marks = ask(POSE, image).pose_landmarks
    if marks is None:
        return None
    points = np.array([(mark.x * image.shape[1], mark.y * image.shape[0]) for mark in marks.landmark], np.float32)
    visibility = np.clip(np.array([mark.visibility for mark in marks.landmark], np.float32), 0, 1)
    return Pose(points=points, visibility=visibility)

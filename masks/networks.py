"""MediaPipe's networks, as its wheel carries them: pose, selfie segmentation and faces, one question at a time."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.hearing import heard
from pipeline.types import Box, Image

Probability = NDArray[np.float32]
"""(H, W) in [0, 1]: how likely a pixel is the person's."""

LOCK = threading.RLock()
"""MediaPipe's graphs are not safe to share between threads."""
POSE, SELFIE, FACES = 0, 1, 2
_LOOK_PX = 1024


@functools.cache
def _networks() -> tuple[Any, Any, Any]:
    """Pose, selfie and face networks, loaded once a process."""
    with _quiet():
        from mediapipe.python.solutions import face_detection, pose, selfie_segmentation

        networks = (
            pose.Pose(
                static_image_mode=True, model_complexity=1, enable_segmentation=True, min_detection_confidence=0.4
            ),
            selfie_segmentation.SelfieSegmentation(model_selection=0),
            face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5),
        )
        for network in networks:
            network.process(np.zeros((64, 64, 3), np.uint8))
    return networks


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """MediaPipe's C++ side writes warnings straight to file descriptor 2 while it loads, whatever it is told."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        kept = os.dup(2)
    except OSError:  # a process without standard error has nothing to keep quiet
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def ask(which: int, image: Image) -> Any:
    """MediaPipe's own answer of one network (``POSE``, ``SELFIE`` or ``FACES``); hold ``LOCK`` meanwhile."""
    with heard():  # protobuf's deprecations, none of them ours
        return _networks()[which].process(np.ascontiguousarray(image))


def reduced(image: Image) -> tuple[Image, float]:
    """The picture at 1024 pixels at most, and its scale."""
    scale = min(1.0, _LOOK_PX / max(image.shape[:2]))
    if scale == 1.0:
        return image, scale
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def foreground_probability(image: Image) -> Probability:
    """The selfie network's foreground, (H, W) float32 in [0, 1]: a person, or else what stands out."""
    with LOCK:
        return np.asarray(ask(SELFIE, image).segmentation_mask, np.float32).copy()


def face_boxes(image: Image) -> list[Box]:
    """Boxes of the faces in a picture, in its own pixels."""
    small, scale = reduced(image)
    found = faces_of(small)
    return [(round(a / scale), round(b / scale), round(c / scale), round(d / scale)) for a, b, c, d in found]


def face_sureness(image: Image) -> float:
    """How sure the face network is of the surest face in a picture, in [0, 1]; 0 where it sees none."""
    small, _ = reduced(image)
    with LOCK:
        found = ask(FACES, small).detections or ()
    return max((float(one.score[0]) for one in found), default=0.0)


def faces_of(image: Image) -> list[Box]:
    """Boxes of the faces in a picture that is reduced already; they may reach beyond it."""
    height, width = image.shape[:2]
    boxes = []
    with LOCK:
        found = ask(FACES, image).detections or ()
    for one in found:
        box = one.location_data.relative_bounding_box
        x0, y0 = round(box.xmin * width), round(box.ymin * height)
        boxes.append((x0, y0, x0 + round(box.width * width), y0 + round(box.height * height)))
    return boxes

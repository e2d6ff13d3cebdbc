"""The person in a photo: MediaPipe's masks and landmarks, sharpened to the photo's own edges.

MediaPipe's networks see 256 pixels. Two of them (pose and selfie) look at the whole photo and at a crop around the
person; their mean says where the person surely is and is not, and GrabCut finds the edge in between.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.outline import faint_share
from pipeline.types import Box, Image, Mask, Pose, Size

_LOCK = threading.Lock()
"""MediaPipe's graphs are not safe to share between threads."""
_LOOK_PX = 1024
_VISIBLE = 0.5
_NO_BOX = (0, 0, 0, 0)
_NEVER, _SURE = 0.2, 0.8
"""Probabilities under and over which no edge is looked for."""
_JOINTS = (11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person found in a picture, all at the picture's own size.

    ``mask`` is True on the person; ``sure`` and ``never`` are where every look agreed. ``agreement`` is the IoU of the
    pose network's mask with the selfie network's, ``change`` the IoU of their mean with the refined mask, and
    ``joints_inside`` the share of visible joints that the mask covers. ``joints_seen`` is the mean visibility of the
    joints that should lie inside the picture. ``others`` counts faces beside the person's own; ``has_face`` is
    whether the face network sees a face on the mask at all. ``faint`` is the share of the outline where both sides
    look alike, ``guessed`` how broad the networks' doubt is along it (see ``doubt_width``).
    """

    mask: Mask
    sure: Mask
    never: Mask
    pose: Pose
    agreement: float
    change: float
    joints_inside: float
    joints_seen: float
    others: int
    has_face: bool = True
    faint: float = 0.0
    guessed: float = 0.0

    @property
    def is_faceless(self) -> bool:
        """Whether a whole body shows no face: a mannequin, or someone seen from behind. A frame may cut heads off."""
        return not self.has_face and not self.mask[:2].any()


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One answer of the pose network: mask probability (H, W) and landmarks in pixels."""

    probability: NDArray[np.float32]
    pose: Pose


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


def _answer(which: int, image: Image) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # protobuf's deprecations, none of them ours
        return _networks()[which].process(np.ascontiguousarray(image))


def find_person(image: Image) -> Person | None:
    """The largest person of a picture, None when no body is seen.

    ``image`` is (H, W, 3) uint8. Same picture, same answer: the networks run in static mode and GrabCut is seeded.
    """
    small, scale = reduced(image)
    with _LOCK:
        faces = _faces(small)
        look = _largest_look(small, faces)
        if look is None:
            return None
        around = _around(look)
        probability, agreement, pose = _second_looks(small, look, around)
    refined = refine(small, probability)
    size: Size = (image.shape[0], image.shape[1])
    points = pose.points / scale
    pose = Pose(points=points.astype(np.float32), visibility=pose.visibility)
    mask = _enlarged(refined, size)
    return Person(
        mask=mask,
        sure=_enlarged(probability > 0.95, size) & mask,
        never=_enlarged(probability < 0.02, size) & ~mask,
        pose=pose,
        agreement=agreement,
        change=ops.iou(probability > 0.5, refined),
        joints_inside=_joints_inside(mask, pose),
        joints_seen=_joints_seen(mask, pose),
        others=_others(faces, refined),
        has_face=len(faces) > _others(faces, refined),
        faint=faint_share(small, refined),
        guessed=doubt_width(probability),
    )


def doubt_width(probability: NDArray[np.float32]) -> float:
    """Mean width of what is broadly doubted along a person's outline, in thousandths of the picture's longer side.

    ``probability`` is (H, W) in [0, 1]. A seam is doubted over a pixel or two of the networks' own; where dark cloth
    meets a dark backdrop they doubt whole patches, and an edge found in there is a guess.
    """
    side = max(probability.shape)
    outline = int(np.count_nonzero(ops.boundary(probability > 0.5)))
    broad = ops.opened((probability > _NEVER) & (probability < _SURE), side / 250)
    return float(np.count_nonzero(broad) / (max(outline, 1) * side / 1000))


def foreground_probability(image: Image) -> NDArray[np.float32]:
    """The selfie network's foreground, (H, W) float32 in [0, 1]: a person, or else what stands out."""
    with _LOCK:
        return np.asarray(_answer(1, image).segmentation_mask, np.float32).copy()


def face_boxes(image: Image) -> list[Box]:
    """Boxes of the faces in a picture, in its own pixels."""
    small, scale = reduced(image)
    with _LOCK:
        found = _faces(small)
    return [(round(a / scale), round(b / scale), round(c / scale), round(d / scale)) for a, b, c, d in found]


def reduced(image: Image) -> tuple[Image, float]:
    """The picture at 1024 pixels at most, and its scale."""
    scale = min(1.0, _LOOK_PX / max(image.shape[:2]))
    if scale == 1.0:
        return image, scale
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _enlarged(mask: Mask, size: Size) -> Mask:
    """A mask brought up without steps: its soft edge is enlarged and cut at one half."""
    if mask.shape == size:
        return mask
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    return np.asarray(cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_CUBIC) > 0.5)


def face_sureness(image: Image) -> float:
    """How sure the face network is of the surest face in a picture, in [0, 1]; 0 where it sees none."""
    small, _ = reduced(image)
    with _LOCK:
        found = _answer(2, small).detections or ()
    return max((float(one.score[0]) for one in found), default=0.0)


def _faces(image: Image) -> list[Box]:
    height, width = image.shape[:2]
    boxes = []
    for found in _answer(2, image).detections or ():
        box = found.location_data.relative_bounding_box
        x0, y0 = round(box.xmin * width), round(box.ymin * height)
        boxes.append((x0, y0, x0 + round(box.width * width), y0 + round(box.height * height)))
    return boxes


def _look(image: Image, box: Box) -> _Look | None:
    """Ask the pose network about one box of the picture."""
    x0, y0, x1, y1 = box
    answer = _answer(0, image[y0:y1, x0:x1])
    if answer.pose_landmarks is None or answer.segmentation_mask is None:
        return None
    probability = np.zeros(image.shape[:2], np.float32)
    probability[y0:y1, x0:x1] = answer.segmentation_mask
    marks = answer.pose_landmarks.landmark
    points = np.array([(x0 + mark.x * (x1 - x0), y0 + mark.y * (y1 - y0)) for mark in marks], np.float32)
    visibility = np.clip(np.array([mark.visibility for mark in marks], np.float32), 0, 1)
    if np.count_nonzero(probability > 0.5) < 0.002 * probability.size:
        return None
    return _Look(probability=probability, pose=Pose(points=points, visibility=visibility))


def _largest_look(image: Image, faces: list[Box]) -> _Look | None:
    """The whole picture, and a body-sized box under each face that the first look did not cover."""
    size: Size = (image.shape[0], image.shape[1])
    best = _look(image, (0, 0, size[1], size[0]))
    for face in sorted(faces, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))[:3]:
        x, y = (face[0] + face[2]) // 2, (face[1] + face[3]) // 2
        if best is not None and 0 <= x < size[1] and 0 <= y < size[0] and best.probability[y, x] > 0.5:
            continue
        tall = face[3] - face[1]
        body = ops.grown_box((x - 3 * tall, y - 2 * tall, x + 3 * tall, y + 9 * tall), 0, size)
        look = _look(image, body)
        if look is not None and (best is None or _area(look) > 1.2 * _area(best)):
            best = look
    return best


def _area(look: _Look) -> int:
    return int(np.count_nonzero(look.probability > 0.5))


def _around(look: _Look) -> Box:
    size: Size = (look.probability.shape[0], look.probability.shape[1])
    box = ops.bounding_box(look.probability > 0.5) or (0, 0, size[1], size[0])
    return ops.grown_box(box, 0.12 * max(box[2] - box[0], box[3] - box[1]), size)


def _second_looks(image: Image, look: _Look, box: Box) -> tuple[NDArray[np.float32], float, Pose]:
    """Mean probability of pose and selfie networks over the whole picture and the crop; their agreement; the pose."""
    x0, y0, x1, y1 = box
    closer = _look(image, box)
    if closer is None or ops.iou(closer.probability > 0.5, look.probability > 0.5) < 0.5:
        closer = look  # the closer look took another person
    body = (look.probability + closer.probability) / 2
    near = ops.grow(np.maximum(look.probability, closer.probability) > 0.5, 0.06 * max(image.shape[:2]))
    selfie = np.asarray(_answer(1, image).segmentation_mask, np.float32).copy()
    crop = np.zeros_like(selfie)
    crop[y0:y1, x0:x1] = _answer(1, image[y0:y1, x0:x1]).segmentation_mask
    person = (selfie + crop) / 2 * near
    mean = np.asarray((body + person) / 2, np.float32)
    mean = np.maximum(mean, 0.75 * _lower_look(image, mean > 0.5))
    return mean, ops.iou(body > 0.5, person > 0.5), closer.pose


def _lower_look(image: Image, seen: Mask) -> NDArray[np.float32]:
    """Legs and feet that the looks at the whole lost: the selfie network on the lower two thirds, where joined on."""
    size: Size = (seen.shape[0], seen.shape[1])
    box = ops.bounding_box(seen)
    found = np.zeros(size, np.float32)
    if box is None or box[3] >= 0.98 * size[0]:
        return found
    x0, y0, x1, y1 = box
    top = y0 + round(0.35 * (y1 - y0))
    half = round(0.75 * (y1 - top) + 0.1 * (x1 - x0))
    middle = (x0 + x1) // 2
    left, right, low = max(0, middle - half), min(size[1], middle + half), min(size[0], top + 2 * half)
    found[top:low, left:right] = _answer(1, image[top:low, left:right]).segmentation_mask
    found[: y1 - round(0.2 * (y1 - y0))] = 0  # only what lies at the feet and below
    found[:, : max(0, x0 - (x1 - x0) // 8)] = 0
    found[:, x1 + (x1 - x0) // 8 :] = 0
    joined = ops.parts_touching((found > 0.5) | seen, seen)
    return np.where(joined, found, 0).astype(np.float32)


def refine(image: Image, probability: NDArray[np.float32]) -> Mask:
    """GrabCut inside the doubtful band (Rother et al., 2004), in the box around the person."""
    guess = probability > 0.5
    box = ops.bounding_box(probability > 0.2)
    if box is None:
        return guess
    size: Size = (guess.shape[0], guess.shape[1])
    x0, y0, x1, y1 = ops.grown_box(box, 0.15 * max(box[2] - box[0], box[3] - box[1]), size)
    inner = probability[y0:y1, x0:x1]
    labels = np.where(inner > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inner < _NEVER] = cv2.GC_BGD
    labels[inner > _SURE] = cv2.GC_FGD
    if not (inner > 0.5).any() or not (inner < 0.5).any():
        return guess
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(np.ascontiguousarray(image[y0:y1, x0:x1]), labels, _NO_BOX, *models, 3, cv2.GC_INIT_WITH_MASK)
    mask = np.zeros_like(guess)
    mask[y0:y1, x0:x1] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    mask = ops.smooth_edge(mask, max(0.7, max(size) / 1200))
    speck = 0.002 * float(np.count_nonzero(mask))
    return ops.drop_islands(ops.fill_holes(mask, speck / 4), speck)


def _joints_inside(mask: Mask, pose: Pose) -> float:
    """Share of the visible joints inside the picture that lie on the mask."""
    height, width = mask.shape
    wide = ops.grow(mask, max(height, width) / 100)
    hits = []
    for joint in _JOINTS:
        x, y = (int(value) for value in pose.points[joint])
        if pose.visibility[joint] > _VISIBLE and 0 <= x < width and 0 <= y < height:
            hits.append(bool(wide[y, x]))
    return float(np.mean(hits)) if hits else 0.0


def _joints_seen(mask: Mask, pose: Pose) -> float:
    """Mean visibility of knees and ankles that the pose places inside the picture; 1 where the frame cuts them off."""
    height, width = mask.shape
    legs = [j for j in (25, 26, 27, 28) if 0 <= pose.points[j][0] < width and 0 <= pose.points[j][1] < 0.95 * height]
    return float(pose.visibility[legs].mean()) if legs else 1.0


def _others(faces: list[Box], mask: Mask) -> int:
    """Faces that are not on the mask: other people."""
    height, width = mask.shape
    count = 0
    for x0, y0, x1, y1 in faces:
        x, y = min(max((x0 + x1) // 2, 0), width - 1), min(max((y0 + y1) // 2, 0), height - 1)
        count += not mask[y, x]
    return count

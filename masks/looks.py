"""What MediaPipe's networks say of a picture: looks at the whole, at crops of it and at their mirror images.

The networks see 256 pixels and tell a mirrored picture a little differently, so that the mean over many looks has a
sharper edge than any one of them, and where they differ there is doubt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masks import ops
from masks.networks import LOCK, POSE, SELFIE, Probability, ask
from pipeline.types import Box, Image, Mask, Pose, Size

_HEADS = (1.8, 2.5)
"""Half the sides of the crops around a face, in heights of the face."""
_PORTRAIT = 0.16
"""Height of a face relative to its person from which on it is a portrait, which is what the selfie network knows."""
_NEAR = 0.06
"""How far from the body that the pose network sees something may still belong to it, as a share of the longest side."""
_HELD = 0.35
"""How large something held may be, relative to the body."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One answer of the pose network: mask probability (H, W) and landmarks in pixels."""

    probability: Probability
    pose: Pose


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What all looks at one person say together, (H, W) of the picture they were taken of.

    ``probability`` is their mean, ``agreement`` the IoU of the pose network's body with the selfie network's person,
    ``is_portrait`` whether the face is large beside the person.
    """

    probability: Probability
    agreement: float
    is_portrait: bool
    pose: Pose


def look_at_person(image: Image, faces: list[Box]) -> Looks | None:
    """Every look at the largest person of a reduced picture; None when no body is seen."""
    with LOCK:
        first = _largest_look(image, faces)
        return None if first is None else _all_looks(image, first, faces)


def _look(image: Image, box: Box) -> Look | None:
    """Ask the pose network about one box of the picture."""
    x0, y0, x1, y1 = box
    answer = ask(POSE, image[y0:y1, x0:x1])
    if answer.pose_landmarks is None or answer.segmentation_mask is None:
        return None
    probability = np.zeros(image.shape[:2], np.float32)
    probability[y0:y1, x0:x1] = answer.segmentation_mask
    marks = answer.pose_landmarks.landmark
    points = np.array([(x0 + mark.x * (x1 - x0), y0 + mark.y * (y1 - y0)) for mark in marks], np.float32)
    visibility = np.clip(np.array([mark.visibility for mark in marks], np.float32), 0, 1)
    if np.count_nonzero(probability > 0.5) < 0.002 * probability.size:
        return None
    return Look(probability=probability, pose=Pose(points=points, visibility=visibility))


def _largest_look(image: Image, faces: list[Box]) -> Look | None:
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


def _area(look: Look) -> int:
    return int(np.count_nonzero(look.probability > 0.5))


def _around(look: Look) -> Box:
    size: Size = (look.probability.shape[0], look.probability.shape[1])
    box = ops.bounding_box(look.probability > 0.5) or (0, 0, size[1], size[0])
    return ops.grown_box(box, 0.12 * max(box[2] - box[0], box[3] - box[1]), size)


def _all_looks(image: Image, first: Look, faces: list[Box]) -> Looks:
    """Body and person as the two networks see them, and their mean."""
    box = _around(first)
    closer = _same(_look(image, box), first)
    mirrored = _same(_mirrored_look(image, box), first)
    body = np.asarray((first.probability + closer.probability + mirrored.probability) / 3, np.float32)
    seen = np.maximum(first.probability, closer.probability) > 0.5
    face = own_face(faces, seen)
    person = _person_looks(image, box, face)
    held = _held(person, seen, [one for one in faces if one is not face])
    person = np.where(held | ops.grow(seen, _NEAR * max(image.shape[:2])), person, 0).astype(np.float32)
    portrait = face is not None and face[3] - face[1] > _PORTRAIT * (box[3] - box[1])
    weight = 0.25 if portrait else 0.5
    mean = np.asarray(weight * body + (1 - weight) * person, np.float32)
    mean = np.where(held, np.maximum(mean, person), mean)
    mean = np.maximum(mean, 0.75 * _lower_look(image, mean > 0.5))
    agreement = ops.iou((body > 0.5) | held, person > 0.5)
    return Looks(probability=mean.astype(np.float32), agreement=agreement, is_portrait=portrait, pose=closer.pose)


def _same(look: Look | None, first: Look) -> Look:
    """A later look, or the first where that took another person."""
    if look is None or ops.iou(look.probability > 0.5, first.probability > 0.5) < 0.5:
        return first
    return look


def _mirrored_look(image: Image, box: Box) -> Look | None:
    """The pose network's look at a box of the mirrored picture; only its probability is turned back."""
    width = image.shape[1]
    look = _look(np.ascontiguousarray(image[:, ::-1]), (width - box[2], box[1], width - box[0], box[3]))
    if look is None:
        return None
    return Look(probability=np.ascontiguousarray(look.probability[:, ::-1]), pose=look.pose)


def _person_looks(image: Image, box: Box, face: Box | None) -> Probability:
    """The selfie network's mean over the whole picture, the person's box, its head, and a tall body's parts."""
    size: Size = (image.shape[0], image.shape[1])
    whole: Box = (0, 0, size[1], size[0])
    total, weight = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for crop in dict.fromkeys([whole, box, *_heads(face, size), *_lengthwise(box)]):
        x0, y0, x1, y1 = crop
        trust = _inner_weight(crop, size)
        total[y0:y1, x0:x1] += trust * _both_ways(image[y0:y1, x0:x1])
        weight[y0:y1, x0:x1] += trust
    return np.asarray(total / np.maximum(weight, 1e-6), np.float32)


def _both_ways(image: Image) -> Probability:
    """The selfie network on a picture and on its mirror image."""
    straight = np.asarray(ask(SELFIE, image).segmentation_mask, np.float32).copy()
    mirrored = np.asarray(ask(SELFIE, image[:, ::-1]).segmentation_mask, np.float32)[:, ::-1]
    return np.asarray((straight + mirrored) / 2, np.float32)


def _heads(face: Box | None, size: Size) -> list[Box]:
    """Crops around the head, which the selfie network sees best."""
    if face is None:
        return []
    x, y, tall = (face[0] + face[2]) // 2, (face[1] + face[3]) // 2, face[3] - face[1]
    return [ops.grown_box((x, y, x, y), share * tall, size) for share in _HEADS]


def _lengthwise(box: Box) -> list[Box]:
    """Overlapping squares along a body that is taller than wide."""
    x0, y0, x1, y1 = box
    side = max(64, x1 - x0)
    if y1 - y0 < 1.2 * side:
        return []
    count = int(np.ceil((y1 - y0) / (0.6 * side)))
    tops = np.linspace(y0, y1 - side, count)
    return [(x0, round(top), x1, round(top) + side) for top in tops]


def _inner_weight(crop: Box, size: Size) -> Probability:
    """How far a look at ``crop`` counts: less near its border, where it lacks context, but not at the picture's own."""
    x0, y0, x1, y1 = crop
    fade = max(1.0, 0.15 * min(x1 - x0, y1 - y0))
    across, down = np.arange(x1 - x0) + 0.5, np.arange(y1 - y0) + 0.5
    left = across / fade if x0 > 0 else np.ones_like(across)
    right = across[::-1] / fade if x1 < size[1] else np.ones_like(across)
    top = down / fade if y0 > 0 else np.ones_like(down)
    bottom = down[::-1] / fade if y1 < size[0] else np.ones_like(down)
    columns, rows = np.minimum(left, right), np.minimum(top, bottom)
    return np.clip(np.minimum(rows[:, None], columns[None]), 0, 1).astype(np.float32)


def own_face(faces: list[Box], body: Mask) -> Box | None:
    """The largest of the ``faces`` whose middle lies on a ``body`` (H, W), in its px; None where none does."""
    height, width = body.shape
    own = []
    for face in faces:
        x, y = min(max((face[0] + face[2]) // 2, 0), width - 1), min(max((face[1] + face[3]) // 2, 0), height - 1)
        if body[y, x]:
            own.append(face)
    return max(own, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)


def _held(person: Probability, body: Mask, others: list[Box]) -> Mask:
    """What the body holds: seen as foreground, joined to the body, smaller than it and without a face of its own."""
    more = (person > 0.6) & ~body
    thick = ops.opened(more, 0.03 * max(body.shape))
    held = np.zeros_like(body)
    labels, areas = ops.parts(thick)
    near = ops.grow(body, 0.1 * max(body.shape))
    for label in np.flatnonzero(areas > 0.01 * np.count_nonzero(body)):
        part = labels == label
        if label and areas[label] < _HELD * np.count_nonzero(body) and (part & near).any() and not _has(part, others):
            held |= part
    return held


def _has(part: Mask, faces: list[Box]) -> bool:
    """Whether a part of the picture holds one of the faces."""
    height, width = part.shape
    return any(part[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)].any() for x0, y0, x1, y1 in faces)


def _lower_look(image: Image, seen: Mask) -> Probability:
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
    found[top:low, left:right] = ask(SELFIE, image[top:low, left:right]).segmentation_mask
    found[: y1 - round(0.2 * (y1 - y0))] = 0  # only what lies at the feet and below
    found[:, : max(0, x0 - (x1 - x0) // 8)] = 0
    found[:, x1 + (x1 - x0) // 8 :] = 0
    joined = ops.parts_touching((found > 0.5) | seen, seen)
    return np.where(joined, found, 0).astype(np.float32)

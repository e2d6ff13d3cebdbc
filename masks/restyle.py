"""What may be repainted when a worn garment is exchanged: a mask without its outline, and without face, hair and hands.

A mask shaped like the old garment makes the new one that shape (OOTDiffusion, issue 201); one that takes hands and hair
with it has them drawn anew, worse (Leffa, issue 54).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import ops
from pipeline.pixels import pose
from pipeline.pixels.pose import Joints
from pipeline.types import Box, Image, Mask, Size

GAP: Final = 0.08
"""Gaps up to this share of the garment's area, such as that between arm and trunk, are part of its outline too."""
SKIN: Final = 8.0
"""Distance in Lab's a and b to the face's colour below which a pixel may be skin."""
SHADE: Final = (45.0, 30.0)
"""How much darker and lighter (L) than the face's it may be."""
CHIN: Final = 0.45
"""Where the chin lies on the way from the nose to the shoulders' line."""
HAND: Final = 0.55
"""How far a hand reaches beyond the wrist, in forearms."""
ROUND: Final = 0.30
"""Half the thickness of a hand and its room, in forearms."""


def restyle_room(
    image: Image, garment: Mask, figure: Mask, joints: Joints | None, faces: Sequence[Box], *, relax: float
) -> tuple[Mask, Mask]:
    """The relaxed mask of ``garment`` (H, W), and what of it is not to be touched.

    ``figure`` is the whole person, ``joints`` (18, 3) its pose, ``relax`` the share of the picture's longer side by
    which the mask is relaxed. The second mask is a little smaller than face, hair and hands, so that no rim of the old
    garment is kept with them.
    """
    size: Size = (garment.shape[0], garment.shape[1])
    px = round(relax * max(size))
    relaxed = ops.relaxed(garment, px)
    if px:
        relaxed = ops.fill_holes(relaxed, GAP * float(garment.sum()))
    kept = protected(image, garment, figure, joints, faces)
    return relaxed, ops.shrink(kept, ops.band_px(size) / 2)


def meeting_hands(joints: Joints, kept: Mask) -> Joints:
    """The joints with each wrist moved to where the hand that is ``kept`` (see `protected`) begins.

    Estimators set wrists a hand's length off; a forearm that is drawn to one of them has two hands.
    """
    result = joints.copy()
    for _, elbow, wrist in pose.ARMS:
        if not (joints[elbow, 2] and joints[wrist, 2]):
            continue
        hand = np.zeros(kept.shape, np.uint8)
        along = joints[wrist, :2] - joints[elbow, :2]
        reach = float(np.hypot(*along))
        _capsule(hand, joints[wrist, :2], joints[wrist, :2] + HAND * along, ROUND * reach)
        ys, xs = np.nonzero((hand > 0) & kept)
        if len(xs) < 9:
            continue
        distance = np.hypot(xs - joints[elbow, 0], ys - joints[elbow, 1])
        near = distance <= np.quantile(distance, 0.02) + 0.06 * reach
        result[wrist, :2] = float(xs[near].mean()), float(ys[near].mean())
    return result


def protected(image: Image, garment: Mask, figure: Mask, joints: Joints | None, faces: Sequence[Box]) -> Mask:
    """Face, hair, hands and bare forearms of a figure, (H, W).

    Of the garment's own mask only a hand that lies on it and has the face's colour: masks take hands with them.
    """
    rest = figure & ~garment
    for box in faces:
        rest = rest | (_oval(box, rest.shape) & ~garment)
    if joints is None:
        return rest & _above_faces(faces, rest.shape)
    head = rest & _head(joints, rest.shape)
    skin = _skin(image, garment, joints, faces)
    chest = rest & _chest(joints, rest.shape)
    hair = ops.parts_touching((chest & ~skin) | head, head) if head.any() else head
    hands = _hands(joints, rest.shape) & (skin if skin.any() else rest)
    return head | hair | ops.opened(hands, ops.band_px(hands.shape)) | (rest & skin & _forearms(joints, rest.shape))


def _oval(box: Box, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, np.uint8)
    x0, y0, x1, y1 = box
    middle, half = ((x0 + x1) // 2, (y0 + y1) // 2), (max(1, (x1 - x0) // 2), max(1, (y1 - y0) // 2))
    cv2.ellipse(mask, middle, half, 0, 0, 360, 1, -1)
    return np.asarray(mask > 0)


def _above_faces(faces: Sequence[Box], shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, np.bool_)
    for _, _, _, y1 in faces:
        mask[: max(0, y1)] = True
    return mask


def _head(joints: Joints, shape: tuple[int, ...]) -> Mask:
    """Everything above the chin's row; nothing where no nose is seen."""
    mask = np.zeros(shape, np.bool_)
    if joints[0, 2] and joints[1, 2]:
        chin = float(joints[0, 1] + CHIN * (joints[1, 1] - joints[0, 1]))
        mask[: max(0, round(chin))] = True
    return mask


def _chest(joints: Joints, shape: tuple[int, ...]) -> Mask:
    """The box from the chin to the middle of the trunk, as wide as the shoulders: where long hair lies."""
    mask = np.zeros(shape, np.bool_)
    if not joints[[2, 5], 2].all():
        return mask
    (left, right), torso = sorted((float(joints[2, 0]), float(joints[5, 0]))), pose.torso_length(joints)
    line = float(joints[[2, 5], 1].mean())
    top, low = max(0, round(line - 0.5 * torso)), max(0, round(line + 0.5 * torso))
    mask[top:low, max(0, round(left)) : max(0, round(right))] = True
    return mask


def _hands(joints: Joints, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, np.uint8)
    for _, elbow, wrist in pose.ARMS:
        if joints[elbow, 2] and joints[wrist, 2]:
            along = joints[wrist, :2] - joints[elbow, :2]
            _capsule(mask, joints[wrist, :2], joints[wrist, :2] + HAND * along, ROUND * float(np.hypot(*along)))
    return np.asarray(mask > 0)


def _forearms(joints: Joints, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, np.uint8)
    for _, elbow, wrist in pose.ARMS:
        if joints[elbow, 2] and joints[wrist, 2]:
            reach = float(np.hypot(*(joints[wrist, :2] - joints[elbow, :2])))
            _capsule(mask, joints[elbow, :2], joints[wrist, :2], ROUND * reach)
    return np.asarray(mask > 0)


def _capsule(mask: NDArray[np.uint8], start: NDArray[np.float32], end: NDArray[np.float32], half: float) -> None:
    ends = [(round(float(one[0])), round(float(one[1]))) for one in (start, end)]
    cv2.line(mask, ends[0], ends[1], 1, max(1, round(2 * half)))


def _skin(image: Image, garment: Mask, joints: Joints, faces: Sequence[Box]) -> Mask:
    """Pixels of the face's own colour; nowhere if no face is seen."""
    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    spot = np.zeros(image.shape[:2], np.uint8)
    for x0, y0, x1, y1 in faces:
        middle = ((x0 + x1) // 2, round(0.42 * y0 + 0.58 * y1))
        cv2.circle(spot, middle, max(2, round(0.22 * (x1 - x0))), 1, -1)
    if not spot.any() and joints[0, 2]:
        x, y = (round(float(value)) for value in joints[0, :2])
        cv2.circle(spot, (x, y), max(2, round(0.06 * pose.torso_length(joints))), 1, -1)
    seen = (spot > 0) & ~garment
    if not seen.any():
        return np.zeros(image.shape[:2], np.bool_)
    face = np.median(lab[seen], axis=0)
    lit = (lab[..., 0] > face[0] - SHADE[0]) & (lab[..., 0] < face[0] + SHADE[1])
    return np.asarray((np.hypot(lab[..., 1] - face[1], lab[..., 2] - face[2]) < SKIN) & lit)

"""The person in a photo: MediaPipe's masks and landmarks, sharpened to the photo's own edges.

MediaPipe's networks see 256 pixels. Two of them (pose and selfie) look at the whole photo and at a crop around the
person, both also in a mirror; their mean says where the person surely is and is not, and GrabCut in windows along the
doubtful band finds the edge in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masks import ops
from masks.local_cut import cautious, cut_votes, doubt_width, enlarged, settled
from masks.looks import look_at_person
from masks.networks import faces_of, reduced
from masks.outline import faint_share
from pipeline.types import Box, Image, Mask, Pose, Size

_VISIBLE = 0.5
_FEET = (27, 28, 29, 30, 31, 32)
"""Ankles, heels, tips of the feet."""
_SOLE = 0.02
"""How far below the lowest of them a sole may reach, as a share of the person's height."""
_JOINTS = (11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)


@dataclass(frozen=True, kw_only=True)
class Person:
    """A person found in a picture, all at the picture's own size.

    ``mask`` is True on the person; ``sure`` and ``never`` are where every look agreed. ``agreement`` is the IoU of the
    pose network's mask with the selfie network's, ``change`` the IoU of their mean with the refined mask, and
    ``joints_inside`` the share of visible joints that the mask covers. ``joints_seen`` is the mean visibility of the
    joints that should lie inside the picture. ``others`` counts faces beside the person's own; ``has_face`` is
    whether the face network sees a face on the mask at all. ``faint`` is the share of the outline where both sides
    look alike, ``guessed`` how broad the networks' doubt is along it (see ``doubt_width``). ``below_feet`` is the share
    of the mask below the soles (see ``share_below_feet``).
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
    below_feet: float = 0.0

    @property
    def is_faceless(self) -> bool:
        """Whether a whole body shows no face: a mannequin, or someone seen from behind. A frame may cut heads off."""
        return not self.has_face and not self.mask[:2].any()


def find_person(image: Image, *, cut: bool = True) -> Person | None:
    """The largest person of a picture, None when no body is seen.

    ``image`` is (H, W, 3) uint8. Same picture, same answer: the networks run in static mode and GrabCut is seeded.
    Without ``cut`` the edge is the networks' own, some pixels off, in a quarter of the time: enough to tell whether
    there is somebody, and about where.
    """
    small, scale = reduced(image)
    faces = faces_of(small)
    looks = look_at_person(small, faces)
    if looks is None:
        return None
    probability = looks.probability
    votes = cut_votes(small, probability) if cut else probability
    if cut and looks.is_portrait:
        votes = cautious(votes, probability)
    refined = settled(votes, probability)
    size: Size = (image.shape[0], image.shape[1])
    points = looks.pose.points / scale
    pose = Pose(points=points.astype(np.float32), visibility=looks.pose.visibility)
    mask = enlarged(refined, size)
    return Person(
        mask=mask,
        sure=enlarged(probability > 0.95, size) & mask,
        never=enlarged(probability < 0.02, size) & ~mask,
        pose=pose,
        agreement=looks.agreement,
        change=ops.iou(probability > 0.5, refined),
        joints_inside=_joints_inside(mask, pose),
        joints_seen=_joints_seen(mask, pose),
        others=_others(faces, refined),
        has_face=len(faces) > _others(faces, refined),
        faint=faint_share(small, refined),
        guessed=doubt_width(probability),
        below_feet=share_below_feet(mask, pose),
    )


def share_below_feet(mask: Mask, pose: Pose) -> float:
    """Share of a person's mask, 0 to 1, that lies below the soles: a shadow on the floor, or what someone stands on.

    0 where no foot is seen.
    """
    feet = [pose.points[joint][1] for joint in _FEET if pose.visibility[joint] > _VISIBLE]
    rows = np.flatnonzero(mask.any(axis=1))
    if not feet or not len(rows):
        return 0.0
    lowest = max(feet) + _SOLE * (rows[-1] - rows[0] + 1)
    below = mask[int(np.clip(lowest, 0, len(mask))) :]
    return float(np.count_nonzero(below) / np.count_nonzero(mask))


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

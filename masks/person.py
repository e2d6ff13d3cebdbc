"""The person in a photo: MediaPipe's masks and landmarks, sharpened to the photo's own edges.

MediaPipe's networks see 256 pixels. Two of them (pose and selfie) look at the whole photo and at a crop around the
person, both also in a mirror; their mean says where the person surely is and is not, and GrabCut in windows along the
doubtful band finds the edge in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.local_cut import cautious, cut_votes
from masks.looks import look_at_person
from masks.networks import faces_of, reduced
from masks.outline import faint_share
from pipeline.types import Box, Image, Mask, Pose, Size

_VISIBLE = 0.5
_NEVER, _SURE = 0.2, 0.8
"""Probabilities under and over which no edge is looked for."""
_CRUMB, _DOUBTED = 0.012, 0.6
"""Half the width of what is a crumb where the networks' mean probability is lower, as a share of the longest side."""
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


def find_person(image: Image) -> Person | None:
    """The largest person of a picture, None when no body is seen.

    ``image`` is (H, W, 3) uint8. Same picture, same answer: the networks run in static mode and GrabCut is seeded.
    """
    small, scale = reduced(image)
    faces = faces_of(small)
    looks = look_at_person(small, faces)
    if looks is None:
        return None
    probability = looks.probability
    votes = cut_votes(small, probability)
    if looks.is_portrait:
        votes = cautious(votes, probability)
    refined = _settled(votes, probability)
    size: Size = (image.shape[0], image.shape[1])
    points = looks.pose.points / scale
    pose = Pose(points=points.astype(np.float32), visibility=looks.pose.visibility)
    mask = _enlarged(refined, size)
    return Person(
        mask=mask,
        sure=_enlarged(probability > 0.95, size) & mask,
        never=_enlarged(probability < 0.02, size) & ~mask,
        pose=pose,
        agreement=looks.agreement,
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


def _enlarged(mask: Mask, size: Size) -> Mask:
    """A mask brought up without steps: its soft edge is enlarged and cut at one half."""
    if mask.shape == size:
        return mask
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    return np.asarray(cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_CUBIC) > 0.5)


def _settled(votes: NDArray[np.float32], probability: NDArray[np.float32]) -> Mask:
    """One person out of votes: rounded at a pixel's scale, without specks, pinholes, and crumbs that stick to it."""
    mask = ops.smooth_edge(votes > 0.5, max(0.7, max(votes.shape) / 1200))
    # strands and straps are thin as well, but on them the networks are surer
    thin = mask & ~ops.opened(mask, _CRUMB * max(mask.shape))
    labels, areas = ops.parts(thin)
    total = np.bincount(labels.ravel(), probability.ravel(), minlength=len(areas))
    crumbs = total < _DOUBTED * np.maximum(areas, 1)
    crumbs[0] = False
    mask &= ~crumbs[labels]
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

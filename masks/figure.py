"""Who wears the garment: the old figure's mask and its pose, of people and of mannequins."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from masks import ops
from masks.garment import plain_figure
from masks.person import Person, find_person
from pipeline.pixels import pose
from pipeline.pixels.checks_garment import Seen, share_beside
from pipeline.pixels.pose import Joints
from pipeline.types import Image, Mask, Size

LOOK_PX = 1024
"""Longest side at which a generated picture is judged: smaller, the face of a whole figure is missed."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The figure in a photo: ``mask`` (H, W), ``joints`` (18, 3) or None, and in words where the pose comes from.

    ``whole`` is False where nothing but the garment itself is known of it.
    """

    mask: Mask
    joints: Joints | None
    source: str
    whole: bool = True


def find_figure(image: Image, garment: Mask) -> Figure:
    """The figure that wears ``garment``. A face makes it a person, whose pose the estimator reads; else the outline
    is completed to a pose, and an estimator that sees a body in a mannequin is asked only where no outline is seen."""
    plain, person = plain_figure(image), find_person(image)
    if person is not None and not _wears(person, garment):
        person = None
    mask = garment if plain is None else plain | garment
    if plain is None and person is not None:
        mask = person.mask | garment
    size: Size = (garment.shape[0], garment.shape[1])
    if person is not None and person.has_face and person.joints_inside >= 0.75:
        joints = pose.facing(pose.from_landmarks(person.pose, size))
        if joints[[2, 5], 2].all():
            settled = pose.settled(joints, mask)
            return Figure(mask=mask, joints=settled, source="the pose of the person in the photo")
    if plain is None and person is not None:
        joints = pose.from_landmarks(person.pose, size)
        if joints[[2, 5], 2].all():
            return Figure(mask=mask, joints=joints, source="the pose seen in a figure without a face")
    outlined = pose.from_outline(mask, garment)
    if outlined is None:
        return Figure(mask=mask, joints=None, source="no pose can be read", whole=plain is not None)
    what = "the figure's outline" if plain is not None else "the garment's outline"
    whole = plain is not None or person is not None
    return Figure(mask=mask, joints=outlined, source=f"a pose completed from {what}", whole=whole)


def _wears(person: Person, garment: Mask) -> bool:
    return bool((person.mask & garment).sum() >= 0.5 * garment.sum())


def look_at(image: Image, asked: Joints | None, old: Mask | None = None) -> Seen | None:
    """What the estimator sees in a generated picture; None if it sees nobody.

    ``asked`` is the pose that was asked for, ``old`` the figure in the photo where its outline is known.
    """
    scale = min(1.0, LOOK_PX / max(image.shape[:2]))
    size: Size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    small = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    person = find_person(small)
    if person is None:
        return None
    found = pose.facing(pose.from_landmarks(person.pose, size))
    followed, beside = 0.0, None
    if asked is not None:
        wanted = pose.moved(asked, scale=(size[1] / image.shape[1], size[0] / image.shape[0]))
        followed = pose.share_followed(wanted, found)
        if old is not None and wanted[[2, 5], 2].all():
            shoulders = float(wanted[[2, 5], 1].mean())
            beside = share_beside(person.mask, ops.resized(old, size), below=shoulders)
    return Seen(people=1 + person.others, has_face=person.has_face, followed=followed, beside=beside)

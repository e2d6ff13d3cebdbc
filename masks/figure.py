"""Who wears the garment: the old figure's mask and its pose, of people and of mannequins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import cv2
import numpy as np

from masks import ops
from masks.find import Detected, Detector
from masks.garment import WEARERS, person_in, plain_figure
from masks.looks import own_face
from masks.networks import face_sureness, faces_of
from masks.person import find_person
from masks.wearer import detected_figure, lost_share, wearer_of, wears
from pipeline.errors import ItemError
from pipeline.pixels import anatomy, geometry, pose, pose_fit, pose_outline
from pipeline.pixels.checks_garment import Seen, share_beside
from pipeline.pixels.faces import face_detail
from pipeline.pixels.pose import Joints
from pipeline.types import Image, Mask, Size

Wearers = Callable[[], Sequence[Detected]]
"""Finds persons and mannequins in the photo, once and only if somebody asks."""
Bodies = Callable[[Image], Sequence[Joints]]
"""Reads the joints of every body in a picture."""
LEAST_JOINTS: Final = 4
"""Fewer joints than this are no pose."""
LOOK_PX = 1024
"""Longest side at which a generated picture is judged: smaller, the face of a whole figure is missed."""
FACE_SURE: Final = 0.68
"""A generated face is believed from this sureness on: a smear where a face goes reached 0.64, of 19 drawn faces of a
twentieth of the picture one stayed under it."""
MANNEQUIN: Final = "mannequin"
SPILL: Final = 0.35
"""More than this, as a share of the person, is no hat or bag that the person network misses."""
GUESSED: Final = "of who wears the garment nothing else is seen: head, arms and legs would be guessed"
LOST: Final = 0.01
"""Cloth of the garment's colours beside its mask, in the garment's area, from which the mask has lost some."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The figure in a photo: ``mask`` (H, W), ``joints`` (18, 3) or None, and in words where the pose comes from.

    ``whole`` is False where nothing but the garment itself is known of it; ``problems`` say why a person drawn in this
    pose would not be published.
    """

    mask: Mask
    joints: Joints | None
    source: str
    whole: bool = True
    problems: tuple[str, ...] = ()


def find_figure(image: Image, garment: Mask, detector: Detector | None = None, bodies: Bodies | None = None) -> Figure:
    """The figure that wears ``garment``, and its pose, fitted to hands and hips that are seen beside the garment.

    With ``bodies`` the pose is what these read in the photo, as it is. Raises ItemError where they read nobody there.
    """
    wearers = cache(lambda: () if detector is None else detector(image, WEARERS))
    figure = _read_figure(image, garment, wearers)
    if bodies is not None:
        joints = _body_on(figure.mask, image, bodies)
        return replace(figure, joints=joints, source="the pose that OpenPose reads", problems=_of_no_body(joints))
    told = (*_torn(image, garment, wearers), *(() if figure.whole else (GUESSED,)))
    if figure.joints is None:
        return replace(figure, problems=told)
    joints = pose_fit.fitted(figure.joints, image, figure.mask, garment)
    return replace(figure, joints=joints, problems=told or _of_no_body(joints))


def _torn(image: Image, garment: Mask, wearers: Wearers) -> tuple[str, ...]:
    """Whether the garment's mask has lost cloth that lies on the figure, where no plain backdrop gives its edge."""
    if plain_figure(image) is not None:
        return ()
    wearer = person_in(image) or wearer_of(wearers(), garment)
    lost = 0.0 if wearer is None else lost_share(image, garment, wearer.mask)
    return (f"cloth of the garment's colours lies beside its mask, {lost:.1%} of it",) if lost > LOST else ()


def _of_no_body(joints: Joints) -> tuple[str, ...]:
    told = anatomy.implausible(joints)
    return (f"nobody stands like this: {', '.join(told)}",) if told else ()


def _body_on(figure: Mask, image: Image, bodies: Bodies) -> Joints:
    """Of the bodies read around the figure, the one most of whose joints lie on it."""
    box = geometry.context_box(geometry.box_of(figure) or (0, 0, *image.shape[1::-1]), (len(figure), figure.shape[1]))
    found = [pose.moved(one, by=(-float(box[0]), -float(box[1]))) for one in bodies(geometry.crop(image, box))]
    near = ops.grow(figure, max(figure.shape) / 100)
    best = max(found, key=lambda one: _on(near, one).sum(), default=None)
    if best is None or (seen := best[:, 2] > 0).sum() < LEAST_JOINTS or _on(near, best).sum() < seen.sum() / 2:
        raise ItemError(
            "OpenPose reads nobody who wears the garment: leave by: openpose out of garment.controls, or give another "
            "photo"
        )
    return pose.facing(best)


def _on(mask: Mask, joints: Joints) -> Mask:
    """Which of the joints are seen and lie on ``mask``."""
    height, width = mask.shape
    x, y = np.rint(joints[:, 0]).astype(int), np.rint(joints[:, 1]).astype(int)
    inside = (joints[:, 2] > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return np.asarray(inside & mask[y.clip(0, height - 1), x.clip(0, width - 1)])


def _read_figure(image: Image, garment: Mask, wearers: Wearers) -> Figure:
    """The figure and its pose as estimator and outline give it.

    Before a plain backdrop colours show the figure, and the person network adds what is of the backdrop's own colour
    (a grey mannequin before grey). Where neither does, the detector's ``wearers`` are asked for. A face makes a person,
    whose pose the estimator reads, unless the detector knows the figure for a mannequin with a modelled face: there the
    estimator guesses arms that are not. Else the outline is completed to a pose, and the estimator is asked only where
    no outline is seen.
    """
    plain, person = plain_figure(image), person_in(image)
    if person is not None and not wears(person.mask, garment, 0.5):
        person = None
    if plain is not None and person is not None and _spills(plain, person.mask):
        plain = None
    seen = [one for one in (plain, None if person is None else person.mask) if one is not None]
    if not seen:
        seen = [one for one in (detected_figure(image, garment, wearers()),) if one is not None]
    mask, size = np.logical_or.reduce([garment, *seen]), (garment.shape[0], garment.shape[1])
    faced = person is not None and person.has_face and person.joints_inside >= 0.75
    guessed = faced and _modelled(garment, wearers)
    read = None if person is None or guessed else pose.facing(pose.from_landmarks(person.pose, size))
    if read is not None and faced and read[[2, 5], 2].all():
        return Figure(mask=mask, joints=pose.settled(read, mask), source="the pose of the person in the photo")
    outlined = pose_outline.from_outline(mask, garment)
    if read is not None and outlined is not None and not _agree(outlined, read):
        read = None
    if read is not None and plain is None and read[[2, 5], 2].all():
        return Figure(mask=mask, joints=anatomy.with_a_head(read), source="the pose seen in a figure without a face")
    if outlined is None:
        return Figure(mask=mask, joints=None, source="no pose can be read", whole=plain is not None)
    if read is not None:
        outlined = pose.with_outer_arms(outlined, read, mask)
    what = "the figure's outline" if seen else "the garment's outline"
    return Figure(mask=mask, joints=outlined, source=f"a pose completed from {what}", whole=bool(seen))


def _agree(outlined: Joints, read: Joints) -> bool:
    """Whether an estimator's pose is a body's at all, and that of the outline: headless figures get a dwarf's."""
    alike = pose.same_shoulders(outlined, read) and pose.same_trunk(outlined, read)
    return alike and not anatomy.implausible(anatomy.with_a_head(read))


def _spills(plain: Mask, person: Mask) -> bool:
    """Whether what differs from the backdrop is far more than the person: a floor's edge, the veins of marble."""
    return bool((plain & ~person).sum() > SPILL * person.sum())


def _modelled(garment: Mask, wearers: Wearers) -> bool:
    """Whether the detector takes the figure who wears the garment for a mannequin rather than a person."""
    wearer = wearer_of(wearers(), garment)
    return wearer is not None and wearer.phrase == MANNEQUIN


def look_at(image: Image, asked: Joints | None, old: Mask | None = None) -> Seen | None:
    """What the estimator sees in a generated picture; None if it sees nobody.

    ``asked`` is the pose that was asked for, ``old`` the figure in the photo where its outline is known.
    """
    scale = min(1.0, LOOK_PX / max(image.shape[:2]))
    size: Size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    small = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    person = find_person(small, cut=False)  # what shows beside a figure is measured with more slack than its edge has
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
    face = person.has_face and face_sureness(small) >= FACE_SURE
    own = own_face(faces_of(small), person.mask) if face else None
    detail = None if own is None else face_detail(small, own)
    return Seen(people=1 + person.others, has_face=face, followed=followed, beside=beside, face_detail=detail)

"""Answers about a picture that are kept: for its pixels, for the last pictures only, and unchangeable."""

from __future__ import annotations

import numpy as np
import pytest
import skimage

from masks.person import Person, find_person
from masks.remembered import PICTURES, remembered
from pipeline.types import Image, Mask, Pose


def _picture(level: int) -> Image:
    return np.full((4, 6, 3), level, np.uint8)


def test_a_picture_is_asked_about_once_and_another_shape_is_another_picture() -> None:
    asked: list[tuple[int, ...]] = []

    @remembered
    def bright(image: Image) -> Mask:
        asked.append(image.shape)
        return np.asarray(image[..., 0] > 100)

    first = bright(_picture(120))
    assert bright(_picture(120).copy()) is first
    assert bright(np.ascontiguousarray(_picture(120).reshape(6, 4, 3))).shape == (6, 4)
    assert asked == [(4, 6, 3), (6, 4, 3)]
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = False


def test_another_mask_in_the_same_picture_is_another_question() -> None:
    asked: list[int] = []

    @remembered
    def within(image: Image, mask: Mask) -> int:
        asked.append(int(image[mask].sum()))
        return asked[-1]

    whole, none = np.ones((4, 6), np.bool_), np.zeros((4, 6), np.bool_)
    assert [within(_picture(1), mask) for mask in (whole, none, whole)] == [72, 0, 72]
    assert asked == [72, 0]


def test_only_the_last_pictures_are_kept() -> None:
    asked: list[int] = []

    @remembered
    def level(image: Image) -> int:
        asked.append(int(image[0, 0, 0]))
        return asked[-1]

    for at in range(PICTURES + 1):
        level(_picture(at))
    level(_picture(PICTURES))
    level(_picture(0))
    assert asked == [*range(PICTURES + 1), 0]


def test_nobody_is_an_answer_and_a_persons_arrays_are_read_only_too() -> None:
    asked: list[bool] = []

    @remembered
    def somebody(image: Image) -> Person | None:
        asked.append(bool(image.any()))
        mask = np.ones(image.shape[:2], np.bool_)
        pose = Pose(points=np.zeros((33, 2), np.float32), visibility=np.zeros(33, np.float32))
        seen = {"agreement": 1.0, "change": 1.0, "joints_inside": 1.0, "joints_seen": 1.0}
        return Person(mask=mask, sure=mask, never=~mask, pose=pose, others=0, **seen) if asked[-1] else None

    assert somebody(_picture(0)) is None
    assert somebody(_picture(0)) is None
    person = somebody(_picture(1))
    assert person is not None
    assert not person.never.flags.writeable
    assert not person.pose.points.flags.writeable
    assert asked == [False, True]


def test_a_person_without_a_cut_is_about_the_same_person() -> None:
    astronaut = np.asarray(skimage.data.astronaut())
    cut, quick = find_person(astronaut), find_person(astronaut, cut=False)
    assert cut is not None
    assert quick is not None
    np.testing.assert_array_equal(cut.pose.points, quick.pose.points)
    assert (quick.others, quick.has_face) == (cut.others, cut.has_face)
    overlap = (cut.mask & quick.mask).sum() / (cut.mask | quick.mask).sum()
    assert 0.8 < overlap < 1

"""One bad sign is enough to park an item, and the words say which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import pytest
import skimage.data
from PIL import Image as Pillow

from masks.backdrop import Keyed
from masks.confidence import of_keyed, of_person
from masks.local_cut import doubt_width
from masks.person import Person, find_person, share_below_feet
from pipeline.types import Pose

MASK = np.zeros((100, 100), np.bool_)
MASK[25:75, 30:70] = True
GOOD_KEY = Keyed(
    mask=MASK,
    plain_share=1.0,
    error=0.5,
    separation=1.0,
    agreement=0.98,
    shadow_share=0.1,
    reflection_share=0.0,
    outline_only=False,
    missed=0.0,
    shadow_gap=0.0,
    notes=(),
)
GOOD_PERSON = Person(
    mask=MASK,
    sure=MASK,
    never=~MASK,
    pose=Pose(points=np.zeros((33, 2), np.float32), visibility=np.ones(33, np.float32)),
    agreement=0.95,
    change=0.97,
    joints_inside=1.0,
    joints_seen=0.95,
    others=0,
)


def test_good_signs_give_a_confidence_that_passes() -> None:
    assert of_keyed(GOOD_KEY).confidence > 0.9
    assert of_keyed(GOOD_KEY).reasons == ()
    assert of_person(GOOD_PERSON).confidence > 0.9


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"plain_share": 0.5}, "border"),
        ({"error": 9.0}, "uneven"),
        ({"separation": 0.4}, "outline"),
        ({"agreement": 0.6}, "disagree"),
        ({"missed": 0.4}, "outside the mask"),
        ({"outline_only": True}, "outline"),
        ({"hollow_foot": 0.5}, "pale foot"),
        ({"slivers": 0.1}, "pale rims"),
        ({"mask": np.ones((100, 100), np.bool_)}, "fills the frame"),
    ],
)
def test_one_bad_sign_parks_a_keyed_subject(change: dict[str, Any], words: str) -> None:
    verdict = of_keyed(replace(GOOD_KEY, **change))
    assert verdict.confidence < 0.6
    assert any(words in reason for reason in verdict.reasons)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"agreement": 0.7}, "networks"),
        ({"change": 0.7}, "edges"),
        ({"joints_inside": 0.5}, "joints"),
        ({"joints_seen": 0.2}, "legs"),
        ({"faint": 0.4}, "hardly shows"),
        ({"guessed": 10.5}, "a guess in places"),
        ({"has_face": False}, "mannequin"),
    ],
)
def test_one_bad_sign_parks_a_person(change: dict[str, Any], words: str) -> None:
    verdict = of_person(replace(GOOD_PERSON, **change))
    assert verdict.confidence < 0.6
    assert any(words in reason for reason in verdict.reasons)


def test_a_body_that_the_frame_cuts_at_the_neck_needs_no_face() -> None:
    cropped = MASK.copy()
    cropped[:25, 40:60] = True
    assert of_person(replace(GOOD_PERSON, has_face=False, mask=cropped)).confidence > 0.9


def test_worse_signs_never_raise_the_confidence() -> None:
    last = 1.0
    for agreement in (1.0, 0.9, 0.8, 0.7, 0.6, 0.3, 0.0):
        now = of_keyed(replace(GOOD_KEY, agreement=agreement)).confidence
        assert 0 <= now <= last
        last = now


def test_what_lies_below_the_soles_is_no_person() -> None:
    mask = np.zeros((400, 300), np.bool_)
    mask[50:350, 100:200] = True
    points = np.full((33, 2), 100, np.float32)
    points[29:33, 1] = 344
    pose = Pose(points=points, visibility=np.ones(33, np.float32))
    assert share_below_feet(mask, pose) == 0
    shadow = mask.copy()
    shadow[350:365, 60:280] = True
    share = share_below_feet(shadow, pose)
    assert share == pytest.approx(np.count_nonzero(shadow[350:]) / np.count_nonzero(shadow), abs=0.005)
    assert of_person(replace(GOOD_PERSON, below_feet=share)).confidence < 0.6
    unseen = replace(pose, visibility=np.zeros(33, np.float32))
    assert share_below_feet(shadow, unseen) == 0


def test_only_broad_doubt_along_an_outline_counts() -> None:
    probability = np.zeros((500, 500), np.float32)
    probability[100:400, 100:400] = 1
    thin = cv2.GaussianBlur(probability, (0, 0), 1.0)
    assert doubt_width(thin) == 0
    patch = thin.copy()
    patch[150:250, 85:115] = 0.5
    assert 2 < doubt_width(patch) < 6
    assert doubt_width(np.zeros((40, 40), np.float32)) == 0


def test_a_uniform_before_a_flag_is_cut_without_the_flag() -> None:
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    person = find_person(np.asarray(Pillow.open(path).convert("RGB"), np.uint8))
    assert person is not None
    for x, y in ((158, 120), (360, 120), (255, 35), (170, 260), (60, 400), (480, 400), (40, 580), (185, 78)):
        assert person.mask[y, x], (x, y)  # hat, ears and shoulders
    for x, y in ((140, 120), (148, 205), (146, 250), (120, 330), (30, 380), (20, 450), (385, 120)):
        assert not person.mask[y, x], (x, y)  # the flag, its cord and the sky
    assert of_person(person).confidence >= 0.6


def test_a_helmet_that_is_cut_off_is_no_sure_mask() -> None:
    person = find_person(np.asarray(skimage.data.astronaut()))
    assert person is not None
    assert of_person(person).confidence < 0.6

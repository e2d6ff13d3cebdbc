"""Faces and hands of drawn people: found where they are, also of a small figure in a wide picture."""

from __future__ import annotations

import numpy as np
import pytest

from masks.networks import face_boxes
from masks.parts import HANDS, face_area, face_areas, hand_areas, hands_of
from pipeline.embedded.render import worn_pair
from pipeline.types import Pose


def middle(area: np.ndarray) -> np.ndarray:
    """x and y of an area's middle."""
    return np.argwhere(area).mean(axis=0)[::-1]


@pytest.mark.parametrize("seed", [201, 310, 320])
def test_the_face_and_the_hands_of_a_drawn_person_are_found(seed: int) -> None:
    _, scene = worn_pair(seed, size=(640, 480))
    (face,) = face_areas(scene.image)
    nose, height = scene.keypoints[0, :2], float(np.ptp(np.nonzero(face)[0]))
    assert np.hypot(*(middle(face) - nose)) < 0.3 * height
    skin = scene.masks["skin"] | scene.masks["hair"]
    assert skin[face].mean() > 0.6
    hands = hand_areas(scene.image)
    assert len(hands) == 2
    for wrist in scene.keypoints[[4, 7], :2]:
        nearest = min(float(np.hypot(*(middle(hand) - wrist))) for hand in hands)
        assert nearest < 0.4 * height, "a hand is half a head long, and its middle lies past the wrist"
    assert not (face & hands[0]).any()


def test_a_small_figure_in_a_wide_picture_is_looked_at_more_closely() -> None:
    _, scene = worn_pair(310, size=(640, 480))
    wide = np.full((1600, 2400, 3), 200, np.uint8)
    wide[900:1540, 100:580] = scene.image
    asked = scene.keypoints + np.array([100, 900, 0], np.float32)
    assert not face_boxes(wide)
    assert not face_areas(wide)
    (face,) = face_areas(wide, asked)
    assert np.hypot(*(middle(face) - asked[0, :2])) < 20
    headless = asked.copy()
    headless[0, 2] = 0
    assert not face_areas(wide, headless)


def test_where_nobody_is_no_part_is_found() -> None:
    wall = np.full((300, 300, 3), 180, np.uint8)
    assert face_areas(wall) == []
    assert hand_areas(wall) == []


def test_a_hand_lies_beyond_its_wrist_and_unseen_ones_are_left_out() -> None:
    points, visibility = np.zeros((33, 2), np.float32), np.zeros(33, np.float32)
    elbow, wrist, fingers = HANDS[0]
    points[elbow], points[wrist] = (100, 60), (100, 100)
    points[list(fingers)] = [(96, 112), (100, 114), (104, 112)]
    visibility[[wrist, *fingers]] = 0.9
    (hand,) = hands_of(Pose(points=points, visibility=visibility), (200, 200))
    assert hand[112, 100]
    assert hand[128, 100], "the finger tips"
    assert not hand[90, 100], "the forearm"
    visibility[fingers[1]] = 0.2
    assert hands_of(Pose(points=points, visibility=visibility), (200, 200)) == []
    visibility[fingers[1]] = 0.9
    points[[wrist, *fingers], 1] += 200
    assert hands_of(Pose(points=points, visibility=visibility), (200, 200)) == [], "outside the picture"


def test_a_faces_area_holds_its_forehead_and_ends_at_the_pictures_edge() -> None:
    face = face_area((40, 40, 80, 80), (120, 120))
    assert face[30, 60]
    assert face[79, 60]
    assert not face[92, 60]
    assert not face[60, 30]
    assert face_area((-20, -20, 20, 20), (120, 120)).any()

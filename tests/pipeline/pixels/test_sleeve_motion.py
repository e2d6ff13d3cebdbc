"""Sleeves moved onto arms: the trunk stays, the sleeves follow, on a drawn outline."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.pixels import pose
from pipeline.pixels.landmarks import Landmarks, find_landmarks
from pipeline.pixels.sleeve_motion import Shift, _carried, sleeve_shift
from pipeline.pixels.stances import ORDINARY, Stance, body_height, sleeve_line, stance_of, top_matrix
from pipeline.types import Mask


def sweater(*, sleeves: bool = True) -> Mask:
    """A flat sweater, 700 px high: a trunk and two straight sleeves, 22 degrees off straight down."""
    drawn = np.zeros((800, 900), np.uint8)
    trunk = [(410, 90), (490, 90), (570, 130), (590, 700), (310, 700), (330, 130)]
    cv2.fillPoly(drawn, [np.array(trunk, np.int32)], 1)
    for sign in (-1, 1) if sleeves else ():
        sleeve = [(450 + sign * 80, 118), (450 + sign * 120, 130), (450 + sign * 320, 560), (450 + sign * 262, 586)]
        cv2.fillPoly(drawn, [np.array([*sleeve, (450 + sign * 130, 300)], np.int32)], 1)
    return np.asarray(drawn > 0)


@pytest.fixture(scope="module")
def marks() -> Landmarks:
    return find_landmarks(sweater())


def moved_by(shift: Shift, points: np.ndarray) -> np.ndarray:
    columns, rows = np.rint(points).astype(int).T
    return np.asarray(shift[rows, columns])


def raised(stance: Stance, degrees: float) -> Stance:
    """The stance with both arms held that much further out."""
    joints = stance.joints.copy()
    for side, (shoulder, elbow, wrist) in enumerate(pose.ARMS):
        angle = np.deg2rad(degrees) * (1, -1)[side]
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]).T
        for joint in (elbow, wrist):
            joints[joint, :2] = joints[shoulder, :2] + turn @ (joints[joint, :2] - joints[shoulder, :2])
    return replace(stance, joints=joints.astype(np.float32))


def test_the_trunk_stays_where_it_was_laid(marks: Landmarks) -> None:
    stance = stance_of(marks)
    shift = sleeve_shift(marks, stance, ORDINARY)
    assert shift is not None
    assert shift.shape == (*stance.size, 2)
    matrix = top_matrix(stance, marks, ORDINARY)
    trunk = marks.sides.mean(axis=1)[:-1] @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(moved_by(shift, trunk)).max() < 0.7


@pytest.mark.parametrize("degrees", [0.0, 5.0, -4.0])
def test_the_sleeve_s_middle_comes_to_lie_on_the_arm(marks: Landmarks, degrees: float) -> None:
    stance = raised(stance_of(marks), degrees)
    shift, matrix = sleeve_shift(marks, stance, ORDINARY), top_matrix(stance, marks, ORDINARY)
    assert shift is not None
    for side in (0, 1):
        line = sleeve_line(marks, side, body_height(marks, ORDINARY))
        assert line is not None
        laid = line @ matrix[:, :2].T + matrix[:, 2]
        _, elbow, wrist = stance.joints[list(pose.ARMS[side]), :2].astype(np.float64)
        for share in (0.3, 0.8):
            at = elbow + (wrist - elbow) * share
            source = at + moved_by(shift, at[None])[0]
            off = min(
                np.hypot(*(start + (end - start) * t - source))
                for start, end in itertools.pairwise(laid)
                for t in np.linspace(0, 1, 101)
            )
            assert off < 0.006 * stance.unit, f"the cloth under {share} of the forearm is no sleeve's middle"


def test_nothing_moves_without_sleeves() -> None:
    marks = find_landmarks(sweater(sleeves=False))
    assert marks.sleeves == (None, None)
    assert sleeve_shift(marks, stance_of(marks), ORDINARY) is None


def test_points_are_carried_as_far_along_and_aside() -> None:
    line, arm = np.array([[0.0, 0], [0, 10], [0, 20]]), np.array([[5.0, 0], [15, 0], [15, 10]])
    carried = _carried(np.array([[0.0, 4], [2, 15], [-1, 23]]), line, arm)
    assert carried == pytest.approx(np.array([[9.0, 0], [17, 5], [14, 13]]))

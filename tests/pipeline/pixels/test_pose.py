"""Poses from landmarks and from outlines, against drawn figures whose joints are known."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.embedded.render import worn_pair
from pipeline.pixels import pose, pose_outline
from pipeline.types import Pose

BODY = slice(1, 14)


def landmarks(visible: float = 1.0) -> Pose:
    points = np.stack([np.arange(33), np.arange(33) * 2], axis=1).astype(np.float32)
    return Pose(points=points, visibility=np.full(33, visible, np.float32))


def test_landmarks_become_openpose_points_with_the_neck_between_the_shoulders() -> None:
    joints = pose.from_landmarks(landmarks(), (100, 100))
    assert joints[2, :2].tolist() == [12, 24]  # the right shoulder
    assert joints[5, :2].tolist() == [11, 22]
    assert joints[1, :2].tolist() == [11.5, 23]
    assert joints[:, 2].all()


def test_points_outside_the_picture_and_faint_ones_are_not_seen() -> None:
    assert not pose.from_landmarks(landmarks(0.2), (100, 100))[:, 2].any()
    cut = pose.from_landmarks(landmarks(), (40, 100))
    assert cut[2, 2] == 1
    assert cut[10, 2] == 0  # the ankle at y = 56


def test_swapped_sides_are_swapped_back_and_right_ones_stay() -> None:
    joints = pose.from_landmarks(landmarks(), (100, 100))
    assert joints[2, 0] > joints[5, 0]
    turned = pose.facing(joints)
    assert turned[2, 0] < turned[5, 0]
    assert np.array_equal(turned[14], joints[15])
    assert np.array_equal(pose.facing(turned), turned)


def test_moved_goes_into_a_crop_and_to_its_new_size() -> None:
    joints = np.ones((18, 3), np.float32) * np.array([30, 50, 1], np.float32)
    moved = pose.moved(joints, by=(10, 20), scale=(0.5, 2.0))
    assert moved[0].tolist() == [10, 60, 1]


def test_a_pose_is_followed_by_itself_and_not_by_one_a_torso_away() -> None:
    scene, _ = worn_pair(200, size=(256, 192))
    truth = scene.keypoints
    assert pose.share_followed(truth, truth) == 1
    away = truth.copy()
    away[:, 0] += pose.torso_length(truth)
    assert pose.share_followed(truth, away) == 0
    unseen = truth.copy()
    unseen[:, 2] = 0
    assert pose.share_followed(truth, unseen) == 0


def test_outlines_of_mannequins_give_their_joints() -> None:
    """Twelve drawn mannequins, with and without heads, whole and cut: nine of ten joints within a quarter torso."""
    hits, heads = [], set()
    for seed in range(400, 412):
        scene, _ = worn_pair(seed, size=(256, 192))
        truth = scene.keypoints
        found = pose_outline.from_outline(scene.alpha > 0.5)
        assert found is not None
        seen = truth[BODY, 2] > 0
        distance = np.hypot(*(found[BODY, :2] - truth[BODY, :2]).T)
        hits.extend(distance[seen] < 0.25 * pose.torso_length(truth))
        heads.add(scene.spec.kind)
    assert heads == {"headless", "mannequin"}
    assert np.mean(hits) >= 0.85


def test_a_headless_figure_gets_a_head_above_its_neck() -> None:
    scene = next(one for one in (worn_pair(seed, size=(256, 192))[0] for seed in range(400, 420)) if headless(one))
    joints = pose_outline.from_outline(scene.alpha > 0.5)
    assert joints is not None
    assert joints[0, 1] < joints[1, 1] - 0.2 * pose.torso_length(joints)


def headless(scene: object) -> bool:
    spec = scene.spec  # type: ignore[attr-defined]
    return spec.kind == "headless" and spec.framing == "full"


def test_nothing_and_a_speck_have_no_pose() -> None:
    empty = np.zeros((64, 64), bool)
    assert pose_outline.from_outline(empty) is None
    empty[10:14, 10:14] = True
    assert pose_outline.from_outline(empty) is None


def test_settled_joints_have_an_arms_room_inside_the_outline() -> None:
    figure = np.zeros((200, 200), bool)
    figure[20:180, 60:140] = True
    joints = np.zeros((18, 3), np.float32)
    for joint, (x, y) in {2: (61, 40), 5: (138, 40), 8: (80, 120), 11: (120, 120), 3: (61, 90)}.items():
        joints[joint] = x, y, 1
    moved = pose.settled(joints, figure)
    assert moved[2, 0] > 64
    assert moved[5, 0] < 135
    assert np.array_equal(moved[8], joints[8])
    assert moved[1, 0] == pytest.approx((moved[2, 0] + moved[5, 0]) / 2)
    assert np.abs(moved[:, :2] - joints[:, :2])[2:].max() <= 10


def test_a_trunk_that_was_folded_into_the_chest_is_told() -> None:
    joints = worn_pair(201, size=(384, 288))[0].keypoints
    folded = joints.copy()
    folded[[8, 11], 1] -= 0.5 * pose.torso_length(joints)
    assert pose.same_trunk(joints, joints)
    assert not pose.same_trunk(joints, folded)
    assert not pose.same_trunk(folded, joints)

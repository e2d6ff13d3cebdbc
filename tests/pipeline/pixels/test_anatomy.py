"""Joints that no body has are told in words; a head on a headless chest is set where heads are."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.embedded.render import worn_pair
from pipeline.pixels.anatomy import head_height, implausible, with_a_head
from pipeline.pixels.pose import Joints


def _standing(seed: int = 7_100_009) -> Joints:
    joints = worn_pair(seed, size=(256, 192))[1].keypoints.copy()
    assert joints[:, 2].all()
    return joints


@pytest.mark.parametrize("seed", [7_100_006, 7_100_009, 7_100_015, 7_100_020])
def test_bodies_are_possible(seed: int) -> None:
    for scene in worn_pair(seed, size=(256, 192)):
        assert implausible(scene.keypoints) == ()


def test_a_giants_forearm_a_sunken_head_and_shoulders_in_one_place_are_told() -> None:
    joints = _standing()
    joints[4, :2] = joints[3, :2] + 3 * (joints[4, :2] - joints[3, :2])
    assert len(implausible(joints)) == 1
    assert implausible(joints)[0].startswith("a forearm is")
    joints[4, 2] = 0  # what is not seen is not judged
    assert implausible(joints) == ()
    joints[0, :2] = joints[1, :2]
    assert [one.split(" lies")[0] for one in implausible(joints)] == ["the head"]
    joints[5, :2] = joints[2, :2] + 1
    assert any(one.startswith("shoulders are") for one in implausible(joints))
    joints[[8, 11], :2] = joints[[2, 5], :2]
    assert implausible(joints) == ("shoulders and hips lie in one place",)
    joints[11, 2] = 0
    assert implausible(joints) == ()


def test_a_sunken_head_is_set_where_a_body_holds_it_and_a_true_one_stays() -> None:
    true = _standing()
    assert with_a_head(true) is true
    sunken = true.copy()
    sunken[[0, 14, 15, 16, 17], 1] += 0.4 * (true[8, 1] - true[2, 1])
    assert implausible(sunken)
    mended = with_a_head(sunken)
    assert implausible(mended) == ()
    reach = 0.05 * float(np.hypot(*(true[8] - true[2])[:2]))
    assert np.abs(mended[[0, 14, 15, 16, 17], :2] - true[[0, 14, 15, 16, 17], :2]).max() < reach
    np.testing.assert_array_equal(mended[1:14], true[1:14])
    assert head_height(mended) == pytest.approx(0.456, abs=0.01)

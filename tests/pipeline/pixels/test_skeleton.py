"""Skeletons are drawn as the annotator of the pose ControlNets draws them."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pixels.skeleton import draw_skeleton, read_skeleton

SIZE = (96, 80)


def joints_of(seed: int, missing: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    joints = np.ones((18, 3), np.float32)
    joints[:, 0] = rng.uniform(4, SIZE[1] - 4, 18)
    joints[:, 1] = rng.uniform(4, SIZE[0] - 4, 18)
    joints[rng.permutation(18)[:missing]] = 0
    return joints


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 18))
def test_equals_controlnet_aux(seed: int, missing: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux.open_pose.body import Keypoint
        from controlnet_aux.open_pose.util import draw_bodypose
    joints = joints_of(seed, missing)
    theirs = [Keypoint(x / SIZE[1], y / SIZE[0]) if seen else None for x, y, seen in joints.astype(np.float64)]
    expected = draw_bodypose(np.zeros((*SIZE, 3), np.uint8), theirs)
    found = draw_skeleton(joints, SIZE)
    # Their coordinates go through a division and back, which may move a stick by a pixel.
    assert (found != expected).any(axis=2).mean() < 0.03
    assert np.array_equal(np.unique(found.reshape(-1, 3), axis=0), np.unique(expected.reshape(-1, 3), axis=0))


def test_nobody_is_black() -> None:
    assert draw_skeleton(np.zeros((18, 3), np.float32), SIZE).max() == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_map_is_read_as_it_was_drawn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.permutation(30)[:18]  # apart, so that no dot hides another
    joints = np.ones((18, 3), np.float32)
    joints[:, 0], joints[:, 1] = 20 + 40 * (cells % 6), 20 + 40 * (cells // 6)
    joints[rng.permutation(18)[:4]] = 0
    for scale in (1, 2):
        drawn = draw_skeleton(joints, (240, 280))
        if scale > 1:
            drawn = np.asarray(cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
        found = read_skeleton(drawn)
        assert (found[:, 2] == joints[:, 2]).all()
        seen = joints[:, 2] > 0
        assert np.abs(found[seen, :2] / scale - joints[seen, :2]).max() < 1.5

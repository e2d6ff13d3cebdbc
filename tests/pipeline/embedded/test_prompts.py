"""Prompts of the segmenter's training: clicks lie where their labels say."""

import numpy as np
import pytest

from pipeline.embedded.train.prompts import KINDS, beside, click_in, clicks_on, corrections, kind_of

SIDE, SCALE = 32, 2.0


@pytest.fixture
def masks():
    drawn = np.zeros((2, SIDE, SIDE), np.float32)
    drawn[0, 4:20, 6:14] = 1
    drawn[1, 24:30, 20:31] = 1
    return drawn


def places(clicks):
    return (clicks.points / SCALE).astype(int)


def test_every_kind_of_prompt_is_used():
    rng = np.random.default_rng(0)
    assert {kind_of(rng) for _ in range(100)} == set(KINDS)


def test_clicks_on_lie_on_their_thing_and_the_others_beside_it(masks):
    clicks = clicks_on(masks, 6, SCALE, np.random.default_rng(1))
    assert clicks.points.shape == (2, 6, 2)
    assert (clicks.labels[:, 0] == 1).all()
    assert set(clicks.labels.ravel()) == {0, 1}
    for row, at in np.ndindex(2, 6):
        x, y = places(clicks)[row, at]
        assert masks[row, y, x] == clicks.labels[row, at]


def test_beside_is_near_the_thing_and_not_on_it(masks):
    around = beside(masks[0] > 0)
    assert not (around & (masks[0] > 0)).any()
    assert around[2, 10]
    assert not around[30, 30]
    assert click_in(np.zeros((4, 4), bool), np.random.default_rng(0)) is None


def test_a_correction_is_where_the_mask_was_wrong(masks):
    found = masks > 0
    found[0, 4:20, 6:10] = False  # the left half is lacking
    found[1, 2:6, 2:6] = True  # and this is too much
    for seed in range(10):
        clicks = corrections(found, masks, SCALE, np.random.default_rng(seed))
        (x, y), (u, v) = places(clicks)[:, 0]
        assert clicks.labels[:, 0].tolist() == [1, 0]
        assert 6 <= x < 10
        assert 2 <= u < 6
        assert 2 <= v < 6
        assert 4 <= y < 20


def test_a_perfect_mask_is_confirmed(masks):
    clicks = corrections(masks > 0, masks, SCALE, np.random.default_rng(0))
    assert clicks.labels.tolist() == [[1], [1]]


def test_a_thing_too_thin_for_its_cells_is_clicked_where_it_is_densest():
    thin = np.zeros((1, SIDE, SIDE), np.float32)
    thin[0, 5, 7] = 0.4
    assert places(clicks_on(thin, 1, SCALE, np.random.default_rng(0)))[0, 0].tolist() == [7, 5]

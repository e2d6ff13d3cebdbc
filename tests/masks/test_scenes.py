"""Drawn packshots: exact truth, same seed same pixels."""

from __future__ import annotations

import numpy as np
import pytest

from masks.scenes import RECIPES, draw_packshot


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_packshot_has_a_subject_inside_a_backdrop(name: str) -> None:
    shot = draw_packshot(name, size=96)
    assert shot.image.shape == (96, 96, 3)
    assert shot.image.dtype == np.uint8
    assert shot.alpha.dtype == np.float32
    assert 0 <= shot.alpha.min() <= shot.alpha.max() <= 1
    if not shot.hard:
        assert 0.01 < float((shot.alpha > 0.5).mean()) < 0.6
    ground = shot.image[shot.alpha == 0].mean(axis=0)
    assert float(np.abs(ground - RECIPES[name].rgb).max()) < 60


def test_seed_decides_every_pixel() -> None:
    one, again, other = draw_packshot("fur", 1, 96), draw_packshot("fur", 1, 96), draw_packshot("fur", 2, 96)
    np.testing.assert_array_equal(one.image, again.image)
    np.testing.assert_array_equal(one.alpha, again.alpha)
    assert (one.image != other.image).any()

"""Each measure sees what it is for, and nothing else."""

import numpy as np
import pytest

from pipeline.pixels import checks
from pipeline.types import Alpha, Image, Mask


def square(size: int = 60, low: int = 20, high: int = 40) -> Mask:
    mask = np.zeros((size, size), np.bool_)
    mask[low:high, low:high] = True
    return mask


def flat(level: int, size: int = 60) -> Image:
    return np.full((size, size, 3), level, np.uint8)


def test_one_changed_pixel_outside_is_seen_and_inside_is_not() -> None:
    before, after, mask = flat(100), flat(100), square()
    after[30, 30] = 255
    assert checks.outside_difference(before, after, mask) == 0
    after[5, 5, 2] = 97
    assert checks.outside_difference(before, after, mask) == 3
    assert checks.outside_difference(before, after, np.ones((60, 60), np.bool_)) == 0


def test_delta_e_of_known_colors() -> None:
    assert checks.mean_delta_e(flat(119), flat(119), square()) == 0
    assert 0.3 < checks.mean_delta_e(flat(119), flat(120), square()) < 0.5
    assert checks.mean_delta_e(flat(0), flat(255), square()) == pytest.approx(100, abs=0.1)
    assert checks.mean_delta_e(flat(0), flat(255), np.zeros((60, 60), np.bool_)) == 0


def test_the_seam_step_measures_the_edge_against_its_surroundings() -> None:
    mask = square()
    image = flat(100)
    assert checks.seam_step(image, mask) == pytest.approx(0, abs=0.01)
    image[mask] = 130
    assert checks.seam_step(image, mask) == pytest.approx(30, abs=2)
    noisy = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    assert abs(checks.seam_step(noisy, mask)) < 12
    assert checks.seam_step(image, np.ones((60, 60), np.bool_)) == 0


def test_expansion_counts_growth_only() -> None:
    assert checks.expansion(square(), square()) == 0
    assert checks.expansion(square(), square(60, 20, 42)) == pytest.approx((22**2 - 20**2) / 400)
    assert checks.expansion(square(60, 20, 42), square()) == 0
    assert checks.expansion(np.zeros((9, 9), np.bool_), np.ones((9, 9), np.bool_)) == 0


def test_empty_frames_are_known() -> None:
    random = np.random.default_rng(1)
    photo = random.integers(0, 256, (60, 60, 3), dtype=np.uint8)
    assert checks.is_near_uniform(flat(240))
    assert not checks.is_near_uniform(photo)
    assert checks.is_near_black(flat(3))
    assert not checks.is_near_black(photo)
    assert not checks.is_near_black(flat(240))


def test_a_backdrop_of_254_is_no_white() -> None:
    image, product = flat(255), square()
    image[product] = 40
    assert checks.backdrop_error(image, product, (255, 255, 255)) == 0
    image[0, 17] = 254
    assert checks.backdrop_error(image, product, (255, 255, 255)) == 1


def test_a_product_at_the_border_is_no_backdrop() -> None:
    image, product = flat(255), square(60, 0, 60)
    image[:] = 30
    assert checks.backdrop_error(image, product, (255, 255, 255)) == 0


def test_fill_share_follows_the_longest_side() -> None:
    mask = np.zeros((100, 200), np.bool_)
    mask[10:60, 20:180] = True
    assert checks.fill_share(mask) == pytest.approx(0.8)
    assert checks.fill_share(np.zeros((9, 9), np.bool_)) == 0


def soft_disc() -> tuple[Image, Alpha]:
    y, x = np.mgrid[:80, :80]
    alpha = np.clip((30 - np.hypot(x - 40, y - 40)) / 4 + 0.5, 0, 1).astype(np.float32)
    red, green = np.array([200.0, 30, 30]), np.array([40.0, 220, 60])
    photo = red * alpha[..., None] + green * (1 - alpha[..., None])
    return np.rint(photo).astype(np.uint8), alpha


def test_the_rim_measure_sees_the_old_backdrop() -> None:
    photo, alpha = soft_disc()
    clean = np.where(alpha[..., None] > 0.01, np.array([200, 30, 30]), photo).astype(np.uint8)
    assert checks.rim_residue(photo, alpha, photo) == pytest.approx(0.5, abs=0.1)
    assert checks.rim_residue(clean, alpha, photo) < 0.02


def test_the_rim_measure_without_soft_pixels_is_zero() -> None:
    photo, _ = soft_disc()
    assert checks.rim_residue(photo, np.ones((80, 80), np.float32), photo) == 0

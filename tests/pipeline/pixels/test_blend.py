"""Compositing and seamless blends."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pixels import blend, checks
from pipeline.types import Image, Mask

seeds = st.integers(0, 2**31)


def noise(seed: int, size: int = 40) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def random_mask(seed: int, size: int = 40) -> Mask:
    field = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((size, size)), (0, 0), 4)
    return np.asarray(field > 0)


def test_over_puts_a_cut_out_back_on_its_backdrop_as_it_was() -> None:
    random = np.random.default_rng(1)
    foreground, backdrop = random.random((2, 20, 20, 3), dtype=np.float32)
    alpha = random.random((20, 20), dtype=np.float32)
    photo = foreground * alpha[..., None] + backdrop * (1 - alpha[..., None])
    assert np.abs(blend.over(foreground, alpha, backdrop) - photo).max() < 1e-6


def test_over_in_linear_light_is_brighter_between_black_and_white() -> None:
    black, white = np.zeros((1, 1, 3), np.float32), np.ones((1, 1, 3), np.float32)
    half = np.full((1, 1), 0.5, np.float32)
    assert blend.over(black, half, white)[0, 0, 0] == pytest.approx(0.5)
    assert blend.over(black, half, white, linear_light=True)[0, 0, 0] == pytest.approx(0.735, abs=0.002)


def test_no_shadow_leaves_a_pixel_bit_for_bit() -> None:
    image = noise(0).astype(np.float32) / 255
    shadow = np.zeros((40, 40), np.float32)
    shadow[:20] = 0.5
    shaded = blend.shade(image, shadow)
    assert (shaded[20:] == image[20:]).all()
    assert np.allclose(shaded[:20], image[:20] / 2)


@given(seeds, st.floats(0, 20))
@settings(max_examples=30)
def test_a_feather_never_leaves_its_mask(seed: int, width: float) -> None:
    mask = random_mask(seed)
    matte = blend.feather(mask, width)
    assert (matte[~mask] == 0).all()
    assert 0 <= matte.min() <= matte.max() <= 1


def test_a_feather_is_solid_inside_and_at_the_pictures_border() -> None:
    mask = np.zeros((60, 60), np.bool_)
    mask[20:] = True
    matte = blend.feather(mask, 8)
    assert (matte[30:] == 1).all()
    assert (np.diff(matte[:, 30]) >= 0).all()
    assert 0 < matte[20, 30] < 0.1


# ---- colour fit


def test_the_ring_fit_takes_back_a_change_of_exposure_and_saturation() -> None:
    y, x = np.mgrid[:120, :120] / 120
    source = np.stack([90 + 90 * x, 70 + 70 * y, 60 + 40 * x * y], axis=2).astype(np.uint8)
    value = source.max(axis=2, keepdims=True).astype(float)
    generated = np.rint((value - (value - source) * 0.75) * 0.85 + 12).astype(np.uint8)
    mask = np.zeros((120, 120), np.bool_)
    mask[30:90, 30:90] = True
    fitted = blend.ring_color_fit(source, generated, mask)
    assert checks.mean_delta_e(source, generated, mask) > 4
    assert checks.mean_delta_e(source, fitted, mask) < 1.5


def test_the_ring_fit_does_not_explode_on_a_uniform_backdrop() -> None:
    random = np.random.default_rng(2)
    source = (236 + random.integers(-1, 2, (100, 100, 1))).repeat(3, 2).astype(np.uint8)
    generated = (230 + random.integers(-1, 2, (100, 100, 1))).repeat(3, 2).astype(np.uint8)
    mask = np.zeros((100, 100), np.bool_)
    mask[30:70, 30:70] = True
    generated[mask] = (150, 60, 40)
    fitted = blend.ring_color_fit(source, generated, mask)
    assert np.abs(fitted[~mask].mean() - 236) < 1
    assert np.abs(fitted[mask].astype(int) - [156, 62, 42]).max() <= 8


def test_the_ring_fit_keeps_the_hue() -> None:
    generated, source = noise(3, 64), np.clip(noise(3, 64) * 0.8 + 20, 0, 255).astype(np.uint8)
    mask = random_mask(1, 64)
    fitted = blend.ring_color_fit(source, generated, mask)
    before = cv2.cvtColor(generated.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    after = cv2.cvtColor(fitted.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    colored = (before[..., 1] > 0.3) & (before[..., 2] > 0.4) & (after[..., 1] > 0.2)
    turn = np.abs(before[..., 0] - after[..., 0])[colored]
    assert np.minimum(turn, 360 - turn).max() < 4


def test_an_empty_ring_changes_nothing() -> None:
    generated = noise(4)
    assert blend.ring_color_fit(noise(5), generated, np.ones((40, 40), np.bool_)) is generated


# ---- seamless


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_blends_never_change_a_pixel_outside_the_mask(seed: int) -> None:
    base, patch, mask = noise(seed), noise(seed + 1), random_mask(seed)
    for blended in (blend.multiband(base, patch, mask), blend.poisson(base, patch, mask)):
        assert checks.outside_difference(base, blended, mask) == 0
        assert blended.dtype == np.uint8


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_blending_a_picture_into_itself_gives_it_back(seed: int) -> None:
    base, mask = noise(seed), random_mask(seed)
    assert np.abs(blend.multiband(base, base, mask).astype(int) - base).max() <= 1
    assert np.abs(blend.poisson(base, base, mask).astype(int) - base).max() <= 1


def scene() -> tuple[Image, Image, Mask]:
    y, x = np.mgrid[:160, :160] / 160
    base = np.stack([120 + 60 * x, 110 + 50 * y, 130 - 30 * x], axis=2).astype(np.uint8)
    mask = np.zeros((160, 160), np.bool_)
    mask[40:120, 40:120] = True
    return base, np.clip(base.astype(int) + 25, 0, 255).astype(np.uint8), mask


def test_blends_take_the_seam_away() -> None:
    base, patch, mask = scene()
    hard = checks.seam_step(np.where(mask[..., None], patch, base), mask)
    assert hard > 10
    assert checks.seam_step(blend.multiband(base, patch, mask), mask) < hard / 3
    assert checks.seam_step(blend.poisson(base, patch, mask), mask) < 1.5


def test_poisson_takes_an_even_shift_away_altogether() -> None:
    base, patch, mask = scene()
    assert np.abs(blend.poisson(base, patch, mask).astype(int) - base).max() <= 2


def test_a_large_poisson_blend_agrees_with_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    base, patch, mask = scene()
    patch = np.clip(patch.astype(int) + noise(7, 160) // 8, 0, 255).astype(np.uint8)
    exact = blend.poisson(base, patch, mask)
    monkeypatch.setattr(blend, "POISSON_UNKNOWNS", 800)
    coarse = blend.poisson(base, patch, mask)
    assert checks.outside_difference(base, coarse, mask) == 0
    assert np.abs(coarse.astype(int) - exact).mean() < 1.5


def test_masks_without_a_border() -> None:
    base, patch = noise(8), noise(9)
    assert (blend.poisson(base, patch, np.ones((40, 40), np.bool_)) == patch).all()
    assert (blend.poisson(base, patch, np.zeros((40, 40), np.bool_)) == base).all()
    assert (blend.multiband(base, patch, np.zeros((40, 40), np.bool_)) == base).all()


def test_the_ring_lies_outside() -> None:
    mask = np.zeros((40, 40), np.bool_)
    mask[15:25, 15:25] = True
    around = blend.ring(mask, 2, 5)
    assert not (around & mask).any()
    assert around[20, 10]
    assert not around[20, 13]
    assert not blend.ring(np.zeros((5, 5), np.bool_), 0, 9).any()

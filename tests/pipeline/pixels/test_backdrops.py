"""Backdrops: exact colours, smooth gradients, repeatable studios."""

import cv2
import numpy as np
import pytest

from pipeline.pixels import backdrops


def test_a_solid_is_that_color_and_no_other() -> None:
    image = backdrops.solid((20, 30), (255, 254, 1))
    assert image.shape == (20, 30, 3)
    assert (image == (255, 254, 1)).all()


def test_a_gradient_goes_from_top_to_bottom_without_bands() -> None:
    image = backdrops.gradient((400, 100), (250, 250, 250), (230, 230, 230), seed=1)
    assert image[:5].mean() == pytest.approx(250, abs=0.5)
    assert image[-5:].mean() == pytest.approx(230, abs=0.5)
    rows = image[..., 0].astype(float).mean(axis=1)
    assert np.abs(np.diff(np.convolve(rows, np.ones(15) / 15, "valid"))).max() < 0.12
    mixed = [len(np.unique(row)) > 1 for row in image[100:300, :, 0]]
    assert np.mean(mixed) > 0.9
    assert (backdrops.gradient((400, 100), (250,) * 3, (230,) * 3, seed=1) == image).all()


@pytest.mark.parametrize("shape", [(50, 200), (200, 50), (400, 400)])
def test_a_picture_covers_the_canvas_from_its_middle(shape: tuple[int, int]) -> None:
    y, x = np.mgrid[: shape[0], : shape[1]]
    source = np.stack([x * 255 // shape[1], y * 255 // shape[0], x * 0], axis=2).astype(np.uint8)
    image = backdrops.picture((120, 160), source)
    assert image.shape == (120, 160, 3)
    assert np.abs(image[60, 80].astype(int) - [127, 127, 0]).max() <= 4
    full_width = shape[1] / shape[0] <= 160 / 120
    assert (image[60, 0, 0] < 4) == full_width


def test_defocus_blurs_but_keeps_the_light() -> None:
    source = np.zeros((100, 100, 3), np.uint8)
    source[50, 50] = 255
    sharp, soft = (backdrops.picture((100, 100), source, defocus=d) for d in (0.0, 0.03))
    assert (sharp == source).all()
    assert soft.max() < 80
    assert (soft[48:53, 48:53] > 0).all()


def test_a_studio_has_wall_floor_light_and_no_bands() -> None:
    image = backdrops.studio((400, 400), (200, 190, 180), (170, 160, 150), ground=0.85, center=0.5, seed=4)
    gray = cv2.GaussianBlur(image.astype(np.float32).mean(axis=2), (0, 0), 3)
    assert gray[120, 160] > gray[300, 200] > gray[395, 395]
    assert gray[120, 160] > gray[10, 390] + 8
    assert np.abs(np.diff(gray, axis=0)).max() < 1
    assert np.abs(np.diff(gray, axis=1)).max() < 1
    assert image.max() < 255


def test_a_studio_repeats_with_its_seed_and_differs_with_another() -> None:
    first, again, other = (
        backdrops.studio((60, 80), (200, 200, 200), (180, 180, 180), ground=0.8, center=0.5, seed=s) for s in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()
    assert np.abs(first.astype(int) - other).max() < 16


def test_a_studio_follows_the_ground_line() -> None:
    high, low = (
        backdrops.studio((300, 300), (220, 220, 220), (120, 120, 120), ground=g, center=0.5, seed=0).mean(axis=(1, 2))
        for g in (0.7, 0.95)
    )
    assert np.argmax(high < 150) < np.argmax(low < 150) - 20

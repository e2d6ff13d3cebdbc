"""Colour conversions, dither and the spreading of the subject's colour."""

import numpy as np
import pytest

from pipeline.pixels.color import bleed, dithered, linear_to_srgb, parse_color, srgb_to_linear, to_float, to_uint8


def test_linear_light_and_back_gives_every_level() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert (to_uint8(linear_to_srgb(srgb_to_linear(to_float(levels)))) == levels).all()
    assert srgb_to_linear(np.float32([0.5])) == pytest.approx(0.2140, abs=1e-3)


@pytest.mark.parametrize("text", ["fff", "#fff", "#12345g", "white", ""])
def test_a_wrong_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"colour|base 16"):
        parse_color(text)


def test_a_colour_is_read() -> None:
    assert parse_color("#0A80ff") == (10, 128, 255)


def test_dither_keeps_the_mean_and_constants_outside() -> None:
    flat = np.full((200, 200, 3), 100.4 / 255, np.float32)
    result = dithered(flat, seed=3)
    assert set(np.unique(result)) <= {100, 101}
    assert result.mean() == pytest.approx(100.4, abs=0.12)
    assert (result[..., 0] == result[..., 1]).all()
    assert (dithered(flat, seed=3) == result).all()
    assert (dithered(flat, seed=3, where=np.zeros((200, 200), np.bool_)) == 100).all()


def test_bleed_spreads_the_subject_and_leaves_it_alone() -> None:
    y, x = np.mgrid[:80, :80]
    alpha = np.clip(26 - np.hypot(x - 40, y - 40), 0, 1).astype(np.float32)
    image = np.where(alpha[..., None] > 0.5, np.array([180, 60, 20]), np.array([0, 0, 255])).astype(np.uint8)
    result = bleed(image, alpha)
    assert (result[alpha == 1] == image[alpha == 1]).all()
    assert np.abs(result.astype(int) - [180, 60, 20]).max() <= 4


def test_bleed_without_a_solid_pixel_changes_nothing() -> None:
    image = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    assert bleed(image, np.full((3, 3), 0.4, np.float32)) is image

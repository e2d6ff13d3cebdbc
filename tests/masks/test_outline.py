"""Whether a mask's outline shows in the picture."""

from __future__ import annotations

import numpy as np
import pytest

from masks.outline import faint_share, hollow_foot, like_outside, pole_share, sliver_share


def square(side: int = 200) -> np.ndarray:
    mask = np.zeros((side, side), np.bool_)
    mask[50:150, 50:150] = True
    return mask


def test_an_outline_between_two_colours_shows_all_along() -> None:
    image = np.full((200, 200, 3), 245, np.uint8)
    image[square()] = (40, 60, 160)
    assert faint_share(image, square()) == 0


def test_a_cut_through_one_colour_shows_nowhere() -> None:
    assert faint_share(np.full((200, 200, 3), 245, np.uint8), square()) == 1


def test_half_of_a_pale_product_is_cut_where_no_seam_is() -> None:
    image = np.full((200, 200, 3), 245, np.uint8)
    image[50:150, 50:100] = (40, 60, 160)  # the other half of the square is as pale as the backdrop
    assert faint_share(image, square()) == pytest.approx(0.5, abs=0.06)


def test_a_soft_lens_does_not_make_an_outline_faint() -> None:
    import cv2

    image = np.full((200, 200, 3), 245, np.uint8)
    image[square()] = (40, 60, 160)
    assert faint_share(cv2.GaussianBlur(image, (0, 0), 2), square()) < 0.05


def test_no_outline_is_not_faint() -> None:
    assert faint_share(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.bool_)) == 0


def test_a_sole_of_which_only_the_lower_rim_is_seen_leaves_the_foot_hollow() -> None:
    rim = np.zeros((200, 200), np.bool_)
    rim[162:164, 50:150] = True
    assert hollow_foot(square() | rim, rim) == 1
    half = rim.copy()
    half[:, 100:] = False
    assert hollow_foot(square() | half, half) == pytest.approx(0.5)


def test_what_stands_on_its_own_colour_has_no_hollow_foot() -> None:
    rim = np.zeros((200, 200), np.bool_)
    rim[162:164, 50:150] = True
    assert hollow_foot(square() | rim, np.zeros_like(rim)) == 0, "a rung, a handle"
    assert hollow_foot(square(), square()) == 0, "a grey product"
    thick = np.zeros((200, 200), np.bool_)
    thick[162:180, 50:150] = True
    assert hollow_foot(square() | thick, thick) == 0, "a grey sole that was found"
    assert hollow_foot(np.zeros((20, 20), np.bool_), np.ones((20, 20), np.bool_)) == 0


def test_a_pole_is_one_thin_bar_over_some_height() -> None:
    coat = np.zeros((200, 120), np.bool_)
    coat[20:150, 20:100] = True
    assert pole_share(coat) == 0
    assert pole_share(np.zeros((9, 9), np.bool_)) == 0
    on_stand = coat.copy()
    on_stand[150:185, 57:63] = True
    on_stand[185:190, 40:80] = True
    assert pole_share(on_stand) == pytest.approx(35 / 170, abs=0.02)
    on_hanger = coat.copy()
    on_hanger[6:20, 57:63] = True
    assert pole_share(on_hanger) > 0.07
    trousers = coat.copy()
    trousers[60:150, 45:75] = False
    assert pole_share(trousers) == 0, "two legs are no pole"
    straps = coat.copy()
    straps[5:20, 40:45] = straps[5:20, 75:80] = True
    assert pole_share(straps) == 0, "two straps are no hook"


def test_pale_rims_are_slivers_and_wires_and_bodies_are_not() -> None:
    mask = np.zeros((1100, 1100), np.bool_)
    mask[300:800, 300:700] = True
    everywhere, nowhere = np.ones_like(mask), np.zeros_like(mask)
    assert sliver_share(mask, everywhere) == 0
    assert sliver_share(nowhere, everywhere) == 0
    rims = mask.copy()
    rims[400:700, 760:763] = rims[400:700, 800:803] = True
    rims[400:403, 700:803] = rims[697:700, 700:803] = True
    assert sliver_share(rims, everywhere) > 0.2
    assert sliver_share(rims, nowhere) == 0


def test_glass_shows_what_lies_behind_it_and_a_cup_does_not() -> None:
    light = np.broadcast_to(np.linspace(120, 200, 240)[:, None, None], (240, 240, 3)).astype(np.uint8)
    mask = np.hypot(*np.mgrid[-120:120, -120:120]) < 70
    cup = light.copy()
    cup[mask] = (150, 60, 50)
    half = cup.copy()
    half[:, 120:] = light[:, 120:]
    pixels = np.count_nonzero(mask)
    assert np.count_nonzero(like_outside(light, mask)) > 0.5 * pixels
    assert np.count_nonzero(like_outside(cup, mask)) < 0.02 * pixels
    seen = like_outside(half, mask)
    assert not (seen & ~mask).any()
    assert not seen[:, :112].any()
    assert 0.2 * pixels < np.count_nonzero(seen) < 0.5 * pixels
    assert not like_outside(cup, np.zeros_like(mask)).any()
    assert not like_outside(cup, np.ones_like(mask)).any()


def test_coloured_cloth_in_shadow_is_told_by_its_hue() -> None:
    mask = np.hypot(*np.mgrid[-120:120, -120:120]) < 70
    image = np.full((240, 240, 3), (190, 70, 60), np.uint8)
    image[mask] = (60, 90, 150)
    image[100:140, 100:120] = (130, 42, 36)  # the same cloth in the shadow of a sleeve
    seen = like_outside(image, mask)
    assert seen[104:136, 104:116].all()
    assert not seen[100:140, 130:].any()
    np.testing.assert_array_equal(like_outside(image, mask, coloured_only=True), seen)
    grey = np.full((240, 240, 3), 170, np.uint8)
    assert like_outside(grey, mask).any()
    assert not like_outside(grey, mask, coloured_only=True).any()

"""Shadows: dark where the product touches, soft and gone before the border."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pixels import shadow
from pipeline.types import Mask


def canvas(size: int = 300) -> Mask:
    return np.zeros((size, size), np.bool_)


def bottle() -> Mask:
    mask = canvas()
    mask[60:240, 110:190] = True
    return mask


def table() -> Mask:
    mask = canvas()
    mask[80:100, 60:240] = True
    mask[100:240, 60:75] = mask[100:240, 225:240] = True
    return mask


def test_the_floor_is_the_lower_contour_and_bridges_the_arch() -> None:
    floor = shadow.read_floor(table())
    assert floor is not None
    assert floor.ground[60:240] == pytest.approx(239)
    assert floor.lift[65] == 0
    assert floor.lift[150] == 140
    assert np.isinf(floor.lift[10])
    assert shadow.read_floor(canvas()) is None


def test_a_receding_edge_is_on_the_floor_and_a_ball_is_not() -> None:
    box = np.zeros((300, 300), np.uint8)
    cv2.fillPoly(box, [np.array([[60, 100], [240, 100], [240, 190], [140, 230], [60, 200]])], 1)
    floor = shadow.read_floor(box > 0)
    assert floor is not None
    assert floor.lift[62:238].max() < 2
    ball = cv2.circle(np.zeros((300, 300), np.uint8), (150, 150), 80, 1, -1)
    floor = shadow.read_floor(ball > 0)
    assert floor is not None
    assert floor.lift[150] == 0
    assert floor.lift[76] > 20


def test_feet_farther_back_stand_on_the_floor_too() -> None:
    mask = table()
    mask[100:222, 100:112] = True
    floor = shadow.read_floor(mask)
    assert floor is not None
    assert floor.lift[105] == 0
    assert floor.ground[150] == pytest.approx(239)


def test_contact_is_darkest_at_the_feet_and_fades_outwards() -> None:
    mask = table()
    result = shadow.contact_shadow(mask, strength=0.6)
    below = result[241]
    assert below[60:75].max() > 2 * below[150]
    column = result[241:, 67]
    assert (np.diff(column) <= 1e-6).all()
    assert column[0] > 0.1
    assert result.max() <= 0.6


def test_wider_is_softer_and_stronger_is_darker() -> None:
    hard, soft = (shadow.contact_shadow(bottle(), softness=s) for s in (0.5, 2.0))
    assert (soft > 0).sum() > 1.5 * (hard > 0).sum()
    weak, strong = (shadow.contact_shadow(bottle(), strength=s) for s in (0.2, 0.8))
    assert weak.max() < strong.max() <= 0.8
    assert not shadow.contact_shadow(bottle(), strength=0).any()
    assert not shadow.contact_shadow(bottle(), strength=0.006).any()  # what could not be seen is none


@given(st.integers(0, 80), st.integers(20, 219), st.integers(30, 280), st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_border_stays_without_shadow(x: int, width: int, bottom: int, cast: bool) -> None:
    mask = canvas()
    mask[10:bottom, x : x + width] = True
    result = shadow.cast_shadow(mask) if cast else shadow.contact_shadow(mask)
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 1
    for edge in (result[:3], result[-3:], result[:, :3], result[:, -3:]):
        assert not edge.any()


def test_the_room_beside_the_product_is_taken_whole_to_fade_out() -> None:
    mask = np.zeros((400, 600), np.bool_)
    mask[100:300, 200:600] = True
    window = shadow.border_window(mask)
    clear = round(0.012 * 400)
    assert np.array_equal(window[200, [0, clear - 1, 200, 400]], np.float32([0, 0, 1, 1]))
    assert window[200, (200 + clear) // 2] == pytest.approx(0.5, abs=0.02)
    assert window[300, 400] > 0.98  # what lies at the foot is not faded
    assert window[200, -1] == 0
    assert window[200, -1 - clear - 20] == 1


def test_far_from_the_product_there_is_none() -> None:
    result = shadow.contact_shadow(bottle())
    assert not result[:120].any()
    assert not result[:, :40].any()


def test_a_cast_shadow_falls_to_the_right_and_softens() -> None:
    contact, cast = shadow.contact_shadow(bottle()), shadow.cast_shadow(bottle())
    assert (cast >= contact - 1e-6).all()
    thrown = cast - contact
    assert thrown[:, 195:].sum() > 10 * thrown[:, :105].sum()
    steepness = [np.abs(np.diff(cast[:, x])).max() for x in (205, 240)]
    assert steepness[0] > steepness[1]


def test_a_slow_shadow_has_no_step() -> None:
    result = shadow.contact_shadow(table(), softness=2)
    assert np.abs(np.diff(result[243:], axis=1)).max() < 0.03


def test_an_empty_mask_throws_none() -> None:
    assert not shadow.contact_shadow(canvas()).any()
    assert not shadow.cast_shadow(canvas()).any()
    assert not shadow.wall_shadow(canvas()).any()


def test_a_wall_shadow_is_the_silhouette_to_the_right_and_below_and_softer_farther_out() -> None:
    mask = canvas()
    mask[80:220, 110:190] = True
    wall = shadow.wall_shadow(mask, strength=0.5)
    assert 0 < wall.max() <= 0.5
    assert wall[150, 192] > 2 * wall[150, 107], "to the right"
    assert wall[222, 150] > 2 * wall[77, 150], "and below"
    assert wall[222, 150] > wall[224, 150] > wall[226, 150] > 0
    assert wall[240:, :].max() < 0.02, "no floor: nothing is thrown away from the silhouette"
    softer = shadow.wall_shadow(mask, strength=0.5, softness=2)
    assert np.abs(np.diff(softer[150, 186:])).max() < np.abs(np.diff(wall[150, 186:])).max()


def test_a_reflection_mirrors_the_subject_below_its_floor() -> None:
    mask = bottle()
    image = np.zeros((300, 300, 3), np.uint8)
    image[200:240] = (10, 200, 30)
    mirrored, faint = shadow.reflection(image, mask.astype(np.float32), strength=0.3)
    assert (mirrored[250, 150] == (10, 200, 30)).all()
    assert 0.15 < faint[242, 150] <= 0.3
    assert faint[250, 150] < faint[242, 150]
    assert faint[250, 40] == 0
    assert not shadow.reflection(image, canvas().astype(np.float32))[1].any()

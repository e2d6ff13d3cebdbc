"""Hands, arms and necks that a garment's mask took with it are told by the neck's colour; cloth is not touched."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from masks import ops
from masks.shell import neck_of_cloth, shell_in
from pipeline.types import Image, Mask

SIZE = (300, 240)
SHELL, SKIN, NAVY, BEIGE = (150, 150, 152), (196, 142, 110), (30, 38, 90), (206, 178, 140)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure in a jumper: the picture, the cloth, a hand on it, and the whole figure."""

    image: Image
    cloth: Mask
    hand: Mask
    neck: Mask
    figure: Mask


def drawn(shell: tuple[int, int, int], cloth: tuple[int, int, int], *, striped: bool = False) -> Drawn:
    canvas = np.full((*SIZE, 3), 235, np.uint8)
    parts = {name: np.zeros(SIZE, np.uint8) for name in ("neck", "trunk", "hand")}
    cv2.rectangle(parts["neck"], (108, 30), (132, 75), 1, -1)
    cv2.rectangle(parts["trunk"], (75, 70), (165, 220), 1, -1)
    cv2.rectangle(parts["hand"], (80, 190), (105, 206), 1, -1)
    canvas[parts["neck"] > 0] = shell
    canvas[parts["trunk"] > 0] = cloth
    if striped:
        for left in range(75, 165, 8):
            band = np.zeros(SIZE, np.uint8)
            cv2.rectangle(band, (left, 70), (left + 3, 220), 1, -1)
            canvas[(band & parts["trunk"]) > 0] = shell
    canvas[parts["hand"] > 0] = shell
    shade = np.linspace(0.82, 1.1, SIZE[1], dtype=np.float32)[None, :, None]
    image = np.clip(canvas * shade, 0, 255).astype(np.uint8)
    neck, trunk, hand = (parts[name] > 0 for name in ("neck", "trunk", "hand"))
    return Drawn(image=image, cloth=trunk & ~hand, hand=hand, neck=neck & ~trunk, figure=neck | trunk)


@pytest.mark.parametrize("shell", [SHELL, SKIN])
def test_a_hand_on_the_cloth_is_told_by_the_necks_colour(shell: tuple[int, int, int]) -> None:
    one = drawn(shell, NAVY)
    bare = shell_in(one.image, one.cloth | one.hand, one.figure)
    assert (bare & one.hand).sum() > 0.95 * one.hand.sum()
    assert not (bare & ops.shrink(one.cloth, 2)).any()


def test_a_neck_within_the_mask_is_told_too() -> None:
    one = drawn(SHELL, NAVY)
    bare = shell_in(one.image, one.figure, one.figure)
    assert (bare & one.neck).sum() > 0.9 * one.neck.sum()
    assert (bare & one.hand).sum() > 0.95 * one.hand.sum()


def test_a_mask_without_skin_loses_nothing() -> None:
    one = drawn(SHELL, NAVY)
    assert not shell_in(one.image, one.cloth, one.figure).any()


def test_cloth_of_the_necks_colour_is_never_taken_for_skin() -> None:
    plain, striped = drawn(SKIN, BEIGE), drawn(SHELL, NAVY, striped=True)
    alike = drawn(SHELL, (158, 158, 160))
    assert not (shell_in(plain.image, plain.cloth, plain.figure) & plain.cloth).any()
    assert not (shell_in(striped.image, striped.cloth, striped.figure) & striped.cloth).any()
    assert not shell_in(alike.image, alike.cloth | alike.hand, alike.figure).any()


def test_a_mask_that_took_a_neck_of_the_cloths_colour_is_known() -> None:
    one = drawn(SHELL, SHELL)
    assert neck_of_cloth(one.image, one.figure, one.figure)
    assert not neck_of_cloth(one.image, one.cloth | one.hand, one.figure)
    other = drawn(SHELL, NAVY)
    assert not neck_of_cloth(other.image, other.figure, other.figure)


def test_without_a_neck_nothing_is_told() -> None:
    one = drawn(SHELL, NAVY)
    hidden = one.cloth | one.hand
    assert not shell_in(one.image, hidden, hidden).any()
    assert not shell_in(one.image, np.zeros(SIZE, bool), one.figure).any()


def test_a_skirt_of_the_shells_colour_is_no_shell() -> None:
    one = drawn(SHELL, NAVY)
    skirt = np.zeros(SIZE, bool)
    skirt[150:220, 75:166] = True
    image = one.image.copy()
    image[skirt] = (160, 160, 161)
    assert not (shell_in(image, one.cloth | one.hand, one.figure) & ops.shrink(skirt, 2)).any()


def test_grey_trousers_are_legs_only_where_no_trousers_were_asked_for() -> None:
    one = drawn(SHELL, NAVY)
    legs = np.zeros(SIZE, bool)
    legs[221:290, 88:108] = legs[221:290, 132:152] = True
    image = one.image.copy()
    image[legs] = SHELL
    garment, figure = one.cloth | legs, one.figure | legs
    assert (shell_in(image, garment, figure) & legs).sum() > 0.9 * legs.sum()
    assert not (shell_in(image, garment, figure, legs=False) & legs).any()


def test_a_lighter_fold_without_a_seam_is_cloth() -> None:
    one = drawn(SHELL, (118, 112, 106))
    image = one.image.copy()
    fold = np.exp(-(((np.arange(SIZE[0]) - 150) / 30.0) ** 2))[:, None, None].astype(np.float32)
    lit = np.clip(image + fold * np.array([26, 32, 38], np.float32), 0, 255).astype(np.uint8)
    image[one.cloth] = lit[one.cloth]
    assert not shell_in(image, one.cloth, one.figure).any()


def test_a_white_cuff_beside_a_pale_hand_is_cloth() -> None:
    one = drawn((232, 205, 190), NAVY)
    cuff = np.zeros(SIZE, bool)
    cuff[186:211, 106:118] = True
    image = one.image.copy()
    image[cuff] = (236, 234, 230)
    bare = shell_in(image, one.cloth | one.hand, one.figure)
    assert (bare & one.hand).sum() > 0.9 * one.hand.sum()
    assert (bare & cuff).sum() < 0.1 * cuff.sum()


def test_an_arm_in_its_own_shade_is_told_whole_before_cloth_of_another_hue() -> None:
    one = drawn((240, 240, 240), (172, 150, 214))
    arm = np.zeros(SIZE, np.bool_)
    arm[90:200, 166:190] = True
    shade = np.linspace(1.0, 0.5, arm[90].sum(), dtype=np.float32)
    image = one.image.copy()
    image[90:200, 166:190] = (240 * shade)[None, :, None].astype(np.uint8)
    bare = shell_in(image, one.cloth | one.hand | arm, one.figure | arm)
    assert (bare & arm).sum() > 0.95 * arm.sum()
    assert not (bare & ops.shrink(one.cloth, 2)).any()


def test_the_lowest_rim_of_a_chest_within_the_collar_is_told() -> None:
    one = drawn(SHELL, NAVY)
    rim = one.neck.copy()
    rim[:66] = False
    bare = shell_in(one.image, one.cloth | one.hand | rim, one.figure)
    assert (bare & rim).sum() > 0.8 * rim.sum()
    assert not (bare & ops.shrink(one.cloth, 2)).any()

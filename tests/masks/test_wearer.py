"""The figure that a detector finds: rims of the place go, limbs that its segmenter lost come back; on drawn arrays."""

from __future__ import annotations

import numpy as np
import pytest

from masks import ops
from masks.find import Detected
from masks.wearer import detected_figure, lost_share, wearer_of, with_limbs
from pipeline.types import Image, Mask

SHELL, CLOTH, PLACE = (205, 205, 206), (30, 110, 100), (120, 150, 90)


def _drawn() -> tuple[Image, Mask, Mask]:
    """A grey mannequin with one arm off its side before green: the picture, its top, and all of it."""
    picture = np.full((400, 300, 3), PLACE, np.uint8)
    figure, garment = np.zeros((400, 300), np.bool_), np.zeros((400, 300), np.bool_)
    garment[100:220, 100:200] = True  # a top without sleeves
    figure[40:101, 135:165] = True  # head and neck
    figure[110:240, 200:226] = True  # an arm
    figure[220:390, 110:190] = True  # legs
    picture[figure] = SHELL
    picture[garment] = CLOTH
    return picture, garment, figure | garment


def test_the_surest_figure_that_wears_the_garment_is_its_wearer() -> None:
    garment = np.zeros((10, 10), np.bool_)
    garment[4:8, 4:8] = True
    beside = np.zeros_like(garment)
    beside[:, :3] = True
    found = [Detected(beside, 0.9, "person"), Detected(~beside, 0.4, "mannequin"), Detected(~beside, 0.3, "person")]
    wearer = wearer_of(found, garment)
    assert wearer is not None
    assert wearer.phrase == "mannequin"
    assert wearer_of(found[:1], garment) is None


@pytest.mark.parametrize("seen", ["nobody", "the garment alone", "beside"])
def test_who_is_not_seen_to_wear_it_is_not_believed(seen: str) -> None:
    picture, garment, _ = _drawn()
    beside = np.zeros_like(garment)
    beside[:, :90] = True
    masks = {"nobody": [], "the garment alone": [garment], "beside": [beside]}[seen]
    assert detected_figure(picture, garment, [Detected(mask, 0.9, "mannequin") for mask in masks]) is None


def test_an_arm_that_the_segmenter_lost_has_the_necks_colour() -> None:
    picture, garment, figure = _drawn()
    armless = figure.copy()
    armless[:, 200:] = False
    found = detected_figure(picture, garment, [Detected(armless, 0.9, "mannequin")])
    assert found is not None
    assert found[115:235, 205:220].all()
    assert not (found & ~ops.grow(figure, 4)).any()


def test_a_wall_of_the_necks_colour_is_no_limb() -> None:
    picture, garment, figure = _drawn()
    armless = figure.copy()
    armless[:, 200:] = False
    picture[100:300, 200:] = SHELL
    assert not with_limbs(picture, armless, garment)[:, 205:].any()


def test_rims_of_the_place_along_a_garment_are_dropped() -> None:
    picture, garment, figure = _drawn()
    rough = figure.copy()
    rough[100:220, 88:100] = True
    found = detected_figure(picture, garment, [Detected(rough, 0.9, "mannequin")])
    assert found is not None
    assert not found[100:220, 88:98].any()
    assert found[230:380, 115:185].all()


def test_a_strip_that_a_mask_has_lost_is_cloth_beside_it() -> None:
    picture, garment, figure = _drawn()
    torn = garment.copy()
    torn[100:220, 100:112] = False
    assert lost_share(picture, garment, figure) == 0
    assert lost_share(picture, torn, figure) == pytest.approx(0.09, abs=0.03)

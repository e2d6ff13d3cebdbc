"""Several garments on one body: what each is, their order, what of them is seen, and that their pixels are carried."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.palette import DYES, rgb
from pipeline.embedded.render import render
from pipeline.embedded.scene import SceneSpec
from pipeline.errors import ItemError
from pipeline.outfits import Piece, as_garment, in_order
from pipeline.pixels import pose
from pipeline.pixels.bottoms import find_bottom, leg_turn
from pipeline.pixels.layers import Layer, stacked, under
from pipeline.pixels.stances import stance_for_legs
from pipeline.placing import Placed, place
from pipeline.types import Mask, Subject


@cache
def piece(kind: str, color: str = "navy", *, sleeve: float = 0.0, said: str = "") -> Piece:
    garment = GarmentSpec(kind=kind, color_name=color, color=rgb(DYES[color]), sleeve=sleeve)
    spec = SceneSpec(kind="flat", backdrop="white", pose_seed=4, garments=(garment,))
    scene = render(4, size=(512, 512), spec=spec)
    subject = Subject(
        mask=scene.alpha > 0.5, alpha=scene.alpha, foreground=scene.image, confidence=1.0, finder="file"
    )  # fmt: skip
    return Piece(subject=subject, phrases=(said or kind,))


def dressed(*pieces: Piece) -> Placed:
    return place(pieces[0].subject, pieces[0].phrases, pieces[1:])


def seen_in(placed: Placed, color: str, rows: slice) -> float:
    """Share of the garments' solid pixels in ``rows`` that have a dye's hue."""
    solid = placed.alpha[rows] >= 1
    pixels = placed.foreground[rows][solid].astype(np.float32)
    dye = rgb(DYES[color]) * 255
    ratio = pixels / np.maximum(pixels.max(axis=1, keepdims=True), 1)
    return float((np.abs(ratio - dye / dye.max()).max(axis=1) < 0.15).mean())


@pytest.mark.parametrize(
    ("said", "order"),
    [
        (("jacket", "trousers", "shirt"), ("trousers", "shirt", "jacket")),
        (("t-shirt", "high-waisted trousers"), ("t-shirt", "high-waisted trousers")),
        (("sweater", "high-waisted trousers"), ("high-waisted trousers", "sweater")),
        (("overcoat", "jeans", "dress"), ("jeans", "dress", "overcoat")),
        (("shirt", "t-shirt"), ("shirt", "t-shirt")),
    ],
)
def test_garments_lie_in_the_order_in_which_they_are_worn(said: tuple[str, ...], order: tuple[str, ...]) -> None:
    sleeves = {"trousers": 0.0, "jeans": 0.0}
    pieces = [piece(_kind(one), sleeve=sleeves.get(_kind(one), 1.0), said=one) for one in said]
    assert tuple(one.name for one in in_order([as_garment(one) for one in pieces])) == order


def _kind(said: str) -> str:
    return {"overcoat": "coat"}.get(said, said.rpartition(" ")[2])


def test_a_top_hangs_over_trousers_and_a_high_waistband_takes_it_in() -> None:
    top, trousers = piece("t-shirt", "coral", sleeve=0.3), piece("trousers", "navy")
    over = dressed(top, trousers)
    assert over.layers == ("trousers", "t-shirt")
    assert over.problems == ()
    assert over.shown[1] == 1
    assert 0.6 < over.shown[0] < 0.95, "the waistband is under the hem"
    tucked = dressed(top, piece("trousers", "navy", said="high-waisted trousers"))
    waist = round((0.06 + 0.45) / 1.12 * over.alpha.shape[0])
    rows = slice(waist - 6, waist + 6)
    assert seen_in(over, "coral", rows) > 0.9
    assert seen_in(tucked, "navy", rows) > 0.9


def test_the_legs_of_the_pose_lie_in_the_trousers() -> None:
    placed = dressed(piece("sweater", "cream", sleeve=1.0), piece("trousers", "navy"))
    assert placed.joints[:, 2].all(), "the whole body is in the picture"
    for hip, knee, ankle in pose.LEGS:
        for start, end in ((hip, knee), (knee, ankle)):
            x, y = (placed.joints[start, :2] * 0.3 + placed.joints[end, :2] * 0.7).round().astype(int)
            assert placed.alpha[y, x] > 0.5


def test_a_shirt_is_seen_in_the_opening_of_a_jacket_and_nowhere_beside_it() -> None:
    alone = dressed(piece("jacket", "coral", sleeve=1.0), piece("trousers", "navy"))
    both = dressed(piece("jacket", "coral", sleeve=1.0), piece("trousers", "navy"), piece("shirt", "white", sleeve=1.0))
    assert both.layers == ("trousers", "shirt", "jacket")
    assert 0.02 < both.shown[1] < 0.3
    added = (both.alpha > 0.5) & (alone.alpha <= 0.5)
    ys, xs = np.nonzero(added)
    middle, unit = both.alpha.shape[1] / 2, both.alpha.shape[0] / 1.12
    assert np.abs(xs - middle).max() < 0.08 * unit, "at the neck alone"
    assert ys.max() < 0.4 * both.alpha.shape[0]


def test_trousers_alone_stand_on_a_body_of_their_own() -> None:
    placed = dressed(piece("trousers", "navy"))
    assert placed.layers == ("trousers",)
    assert placed.shown == (1.0,)
    ankles = placed.joints[[10, 13], 1]
    bottom = np.flatnonzero((placed.alpha > 0.5).any(axis=1))[-1]
    assert np.abs(ankles - bottom).max() < 0.05 * placed.alpha.shape[0]


def test_what_cannot_be_worn_together_is_refused_by_name() -> None:
    with pytest.raises(ItemError, match="trousers and skirt dress the same legs"):
        dressed(piece("trousers"), piece("skirt"))
    with pytest.raises(ItemError, match="a hoodie does not"):
        dressed(piece("t-shirt", sleeve=0.3), piece("sweater", sleeve=1.0, said="green hoodies"))


def test_a_garment_that_others_hide_is_said() -> None:
    placed = dressed(piece("sweater", "cream", sleeve=1.0), piece("t-shirt", "coral", sleeve=0.3))
    assert placed.layers == ("sweater", "t-shirt"), "the later one lies over the other"
    under_it = dressed(piece("t-shirt", "coral", sleeve=0.3), piece("sweater", "cream", sleeve=1.0))
    assert under_it.layers == ("t-shirt", "sweater")
    assert any(said.startswith("t-shirt: ") and "are seen under the others" in said for said in under_it.problems)


def trousers_mask(spread: float) -> Mask:
    """Trousers 200 px wide at the waist, 1300 px long, whose hems stand ``spread`` px off straight down."""
    canvas = np.zeros((1500, 900), np.uint8)
    for sign in (-1, 1):
        hem = 450 + sign * (60 + spread)
        leg = [[450, 420], [450 + sign * 110, 420], [hem + sign * 45, 1400], [hem - sign * 45, 1400]]
        cv2.fillPoly(canvas, [np.array(leg, np.int32)], 1)
    cv2.fillPoly(canvas, [np.array([[350, 100], [550, 100], [560, 430], [340, 430]], np.int32)], 1)
    return np.asarray(canvas > 0)


def test_spread_legs_are_measured_and_too_wide_ones_told() -> None:
    straight, wide = find_bottom(trousers_mask(0)), find_bottom(trousers_mask(300))
    assert straight.is_long
    assert straight.length == pytest.approx(1300, rel=0.02)
    assert leg_turn(straight) == 0
    assert leg_turn(wide) > 6
    stance = stance_for_legs(straight)
    assert stance.joints[:, 2].all()
    with pytest.raises(ValueError, match="too small"):
        find_bottom(np.zeros((40, 40), np.bool_))


def test_a_stack_keeps_the_colours_of_what_alone_is_seen() -> None:
    rng = np.random.default_rng(3)
    low, high = (rng.integers(0, 256, (40, 30, 3)).astype(np.uint8) for _ in range(2))
    below, above = np.zeros((40, 30), np.float32), np.zeros((40, 30), np.float32)
    below[5:38, 5:25], above[2:15, 4:26] = 1, 1
    above[15, 4:26] = 0.5
    stack = stacked([Layer(image=low, alpha=below), Layer(image=high, alpha=above)], unit=40)
    assert np.array_equal(stack.image[2:15, 4:26], high[2:15, 4:26])
    assert np.array_equal(stack.image[30:38, 5:25], low[30:38, 5:25]), "beyond the hem's shadow"
    assert (stack.image[17, 5:25].astype(int) <= low[17, 5:25]).all(), "under the hem it is darker"
    assert stack.alpha[15, 10] == 1
    assert stack.shown[1] == 1
    assert stack.shown[0] == pytest.approx((below.sum() - 10 * 20 - 0.5 * 20) / below.sum())


def test_a_wide_waistband_rounds_into_the_hem_above_it() -> None:
    upper, lower = np.zeros((200, 100), np.float32), np.zeros((200, 100), np.float32)
    upper[10:120, 35:65], lower[60:190, 20:80] = 1, 1
    strict, hips = under(lower, upper, 50), under(lower, upper, 50, hips_px=40)
    assert np.array_equal(strict[121:], lower[121:]), "what hangs under the hem is left"
    assert strict[60:119, :34].max() == 0
    widths = [(hips[row] > 0.5).sum() for row in (78, 90, 105, 119)]
    assert widths[0] <= 32
    assert widths == sorted(widths)
    assert widths[-1] >= 58

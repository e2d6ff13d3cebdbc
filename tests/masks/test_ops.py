"""Mask operations are what their names say, for any mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from masks import ops
from pipeline.embedded.render import render
from pipeline.types import Mask

masks = arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))
pairs = st.tuples(st.integers(1, 16), st.integers(1, 16)).flatmap(
    lambda size: st.tuples(arrays(np.bool_, size), arrays(np.bool_, size))
)
radii = st.integers(0, 8)


def brute_force_grow(mask: Mask, px: float) -> Mask:
    rows, columns = np.nonzero(mask)
    grid = np.indices(mask.shape)
    out = np.zeros_like(mask)
    for row, column in zip(rows, columns, strict=True):
        out |= (grid[0] - row) ** 2 + (grid[1] - column) ** 2 <= px**2
    return out


def disk(radius: float, size: int = 101) -> Mask:
    y, x = np.mgrid[:size, :size] - size // 2
    return np.asarray(np.hypot(x, y) <= radius)


@settings(max_examples=60, deadline=None)
@given(masks, radii)
def test_grow_adds_exactly_the_pixels_within_reach(mask: Mask, px: int) -> None:
    np.testing.assert_array_equal(ops.grow(mask, px), brute_force_grow(mask, px))


def test_grow_by_six_grows_a_dot_and_an_edge_by_six() -> None:
    dot = np.zeros((31, 31), np.bool_)
    dot[15, 15] = True
    assert ops.bounding_box(ops.grow(dot, 6)) == (9, 9, 22, 22)
    half = np.zeros((5, 40), np.bool_)
    half[:, :20] = True
    assert ops.grow(half, 6).sum(axis=1).tolist() == [26] * 5
    assert ops.shrink(half, 6).sum(axis=1).tolist() == [14] * 5


@settings(max_examples=60, deadline=None)
@given(masks, radii)
def test_shrink_is_the_growth_of_the_outside(mask: Mask, px: int) -> None:
    np.testing.assert_array_equal(ops.shrink(mask, px), ~ops.grow(~mask, px))


@settings(max_examples=60, deadline=None)
@given(masks, radii)
def test_order_of_the_operations(mask: Mask, px: int) -> None:
    assert not (ops.shrink(mask, px) & ~mask).any()
    assert not (mask & ~ops.grow(mask, px)).any()
    assert not (ops.opened(mask, px) & ~mask).any()
    assert not (mask & ~ops.closed(mask, px)).any()
    np.testing.assert_array_equal(ops.grow(mask, -px), ops.shrink(mask, px))


def test_shrink_does_not_eat_from_the_frame() -> None:
    full = np.ones((9, 9), np.bool_)
    assert ops.shrink(full, 3).all()
    assert not ops.grow(~full, 3).any()


def test_fill_holes_up_to_an_area_and_never_an_open_bay() -> None:
    ring = disk(40) & ~disk(5)
    ring[10:14, 48:52] = False
    area = int(np.count_nonzero(disk(5)))
    assert ops.fill_holes(ring, area)[50, 50]
    assert not ops.fill_holes(ring, area - 1)[50, 50]
    bay = np.ones((9, 9), np.bool_)
    bay[4, 4:] = False
    np.testing.assert_array_equal(ops.fill_holes(bay), bay)


def test_a_diagonal_gap_of_the_outside_does_not_open_a_hole() -> None:
    mask = np.array([[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]], np.bool_)
    assert ops.fill_holes(mask)[1, 1]


@settings(max_examples=60, deadline=None)
@given(masks)
def test_filled_holes_leave_none(mask: Mask) -> None:
    filled = ops.fill_holes(mask)
    assert not (mask & ~filled).any()
    np.testing.assert_array_equal(ops.fill_holes(filled), filled)


def test_islands_and_the_largest_part() -> None:
    mask = np.zeros((30, 30), np.bool_)
    mask[2:12, 2:12] = True
    mask[20:23, 20:23] = True
    assert np.count_nonzero(ops.drop_islands(mask, 10)) == 100
    assert np.count_nonzero(ops.drop_islands(mask, 9)) == 109
    assert np.count_nonzero(ops.largest_part(mask)) == 100
    seed = np.zeros_like(mask)
    seed[21, 21] = True
    assert np.count_nonzero(ops.parts_touching(mask, seed)) == 9
    empty = np.zeros_like(mask)
    assert not ops.largest_part(empty).any()
    assert not ops.parts_touching(mask, empty).any()


def test_smooth_edge_rounds_jags_and_keeps_the_area() -> None:
    rng = np.random.default_rng(1)
    jagged = disk(35) ^ (ops.boundary(disk(35)) & (rng.random((101, 101)) < 0.5))
    smooth = ops.smooth_edge(jagged, 2)
    assert np.count_nonzero(ops.boundary(smooth)) < np.count_nonzero(ops.boundary(jagged))
    assert abs(int(smooth.sum()) / int(jagged.sum()) - 1) < 0.02


def test_trimap_of_a_mask_has_the_asked_band() -> None:
    half = np.zeros((5, 40), np.bool_)
    half[:, :20] = True
    row = ops.trimap(half, 3, 5)[2]
    assert row.tolist() == [1.0] * 17 + [0.5] * 8 + [0.0] * 15


def test_trimap_of_an_alpha_keeps_every_soft_pixel_unknown() -> None:
    alpha = np.zeros((5, 40), np.float32)
    alpha[:, :10] = 1
    alpha[:, 10:20] = np.linspace(1, 0, 10)
    row = ops.trimap(alpha, 2, 2)[2]
    assert (row[11:19] == 0.5).all()
    assert row[0] == 1
    assert row[-1] == 0


def test_bands_scale_with_the_picture() -> None:
    assert ops.band_px((1000, 500)) == 4
    assert ops.band_px((6000, 4000)) == 24
    assert ops.band_px((50, 50)) == 2


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_scores_are_symmetric_and_bounded(pair: tuple[Mask, Mask]) -> None:
    one, other = pair
    assert 0 <= ops.iou(one, other) <= 1
    assert ops.iou(one, other) == ops.iou(other, one)
    assert 0 <= ops.boundary_f(one, other) <= 1
    assert abs(ops.boundary_f(one, other) - ops.boundary_f(other, one)) < 1e-9
    assert ops.iou(one, one) == 1
    assert ops.boundary_f(one, one) == 1


def test_boundary_f_forgives_the_tolerance_and_no_more() -> None:
    tolerance = 3 / np.hypot(101, 101)
    assert ops.boundary_f(disk(30), disk(32), tolerance) == 1
    assert ops.boundary_f(disk(30), disk(36), tolerance) == 0
    assert abs(ops.iou(disk(30), disk(36)) - (30 / 36) ** 2) < 0.02


@settings(max_examples=60, deadline=None)
@given(masks)
def test_the_box_holds_the_mask_and_no_more(mask: Mask) -> None:
    box = ops.bounding_box(mask)
    if box is None:
        assert not mask.any()
        return
    x0, y0, x1, y1 = box
    inner = mask[y0:y1, x0:x1]
    assert inner.sum() == mask.sum()
    assert inner[0].any()
    assert inner[-1].any()
    assert inner[:, 0].any()
    assert inner[:, -1].any()


def test_sides_of_the_frame() -> None:
    mask = np.zeros((10, 10), np.bool_)
    mask[3:10, 4:6] = True
    assert ops.touches_edges(mask) == {"bottom"}
    assert ops.touches_edges(mask, 4) == {"bottom", "top"}
    assert ops.touches_edges(~mask) == {"left", "top", "right", "bottom"}
    assert ops.touches_edges(np.zeros_like(mask)) == frozenset()
    assert ops.grown_box((4, 3, 6, 10), 3, (10, 10)) == (1, 0, 9, 10)


def test_resized_is_nearest() -> None:
    mask = np.zeros((4, 4), np.bool_)
    mask[:, 2:] = True
    assert ops.resized(mask, (8, 12))[0].tolist() == [False] * 6 + [True] * 6


def test_unwanted_pixels_are_cut_out_eroded() -> None:
    garment = np.ones((101, 101), np.bool_)
    hand = disk(20)
    np.testing.assert_array_equal(ops.minus(garment, hand), ~hand)
    cut = ops.minus(garment, hand, 4)
    np.testing.assert_array_equal(cut, ~ops.shrink(hand, 4))
    assert not ops.minus(hand, garment).any()


def test_an_unwanted_thing_is_eroded_by_a_share_of_the_picture():
    garment, hand = np.ones((1000, 600), bool), np.zeros((1000, 600), bool)
    hand[100:200, 100:200] = True
    assert np.count_nonzero(~ops.minus(garment, hand)) == 96 * 96
    assert np.count_nonzero(~ops.minus(garment, hand, 0)) == 100 * 100


@settings(max_examples=40, deadline=None)
@given(masks, st.integers(0, 6))
def test_a_relaxed_silhouette_holds_the_mask_and_stays_within_reach(mask: Mask, px: int) -> None:
    relaxed = ops.relaxed(mask, px)
    assert not (mask & ~relaxed).any()
    assert not (relaxed & ~ops.grow(mask, 2 * px)).any()


def test_a_relaxed_silhouette_no_longer_tells_a_narrow_hem_from_a_flared_one() -> None:
    """Of two rendered garments, a waist's outline leaks less the more it is relaxed."""
    scene = render(3, size=(192, 192))
    garment = max((mask for name, mask in scene.masks.items() if name not in ("skin", "hair")), key=np.count_nonzero)
    outlines = [np.count_nonzero(ops.boundary(ops.relaxed(garment, px))) for px in (0, 4, 10)]
    hulls = [np.count_nonzero(ops.closed(ops.relaxed(garment, px), 12)) for px in (0, 4, 10)]
    areas = [np.count_nonzero(ops.relaxed(garment, px)) for px in (0, 4, 10)]
    assert areas[0] / hulls[0] < areas[1] / hulls[1] < areas[2] / hulls[2], "ever fewer bays are left"
    assert outlines[2] ** 2 / areas[2] < outlines[0] ** 2 / areas[0], "and the outline is ever smoother"
    slit = np.ones((60, 60), np.bool_)
    slit[:, 28:31] = False
    assert ops.relaxed(slit, 1).all(), "a slit of 3 px is bridged by 1 px"
    with pytest.raises(ValueError, match="0 px or more"):
        ops.relaxed(slit, -1)


def test_hands_and_hair_are_cut_out_of_a_rendered_garment() -> None:
    scene = render(3, size=(192, 192))
    garment = max((mask for name, mask in scene.masks.items() if name not in ("skin", "hair")), key=np.count_nonzero)
    unwanted = scene.masks["skin"] | scene.masks.get("hair", np.zeros_like(garment))
    generous = ops.grow(garment, 6)
    cut = ops.minus(generous, unwanted, 1)
    assert ops.iou(cut, garment) > ops.iou(generous, garment)
    assert not (garment & ~cut).any(), "the erosion spares the garment's own rim"

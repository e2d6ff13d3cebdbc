"""Boxes, crops, tiles and resizing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pixels import geometry
from pipeline.types import Box, Mask, Size

sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))


@st.composite
def boxes_in_pictures(draw: st.DrawFn) -> tuple[Box, Size]:
    height, width = draw(st.integers(4, 300)), draw(st.integers(4, 300))
    x0, y0 = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    return (x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))), (height, width)


def disc(size: int, radius: float) -> Mask:
    y, x = np.mgrid[:size, :size]
    return np.asarray(np.hypot(x - size / 2 + 0.5, y - size / 2 + 0.5) < radius)


def test_box_of_holds_every_true_pixel_and_no_more() -> None:
    mask = np.zeros((10, 12), np.bool_)
    mask[3, 4] = mask[7, 9] = True
    assert geometry.box_of(mask) == (4, 3, 10, 8)
    assert geometry.box_of(np.zeros((4, 4), np.bool_)) is None


@given(boxes_in_pictures(), st.floats(1, 3), st.integers(0, 64), st.sampled_from([None, 0.5, 1.0, 1.5]))
def test_context_box_holds_the_box_and_stays_inside(
    case: tuple[Box, Size], factor: float, floor_px: int, aspect: float | None
) -> None:
    box, size = case
    x0, y0, x1, y1 = geometry.context_box(box, size, factor=factor, floor_px=floor_px, aspect=aspect)
    assert 0 <= x0 <= box[0] < box[2] <= x1 <= size[1]
    assert 0 <= y0 <= box[1] < box[3] <= y1 <= size[0]
    if aspect is not None and y1 - y0 < size[0] and x1 - x0 < size[1]:
        assert abs((x1 - x0) - aspect * (y1 - y0)) <= 1 + aspect


def test_context_box_moves_inwards_at_the_edge_instead_of_shrinking() -> None:
    assert geometry.context_box((0, 0, 20, 20), (200, 200), factor=1, floor_px=10) == (0, 0, 40, 40)


@given(boxes_in_pictures(), st.integers(0, 2**31))
@settings(max_examples=40)
def test_paste_leaves_everything_outside_bit_for_bit(case: tuple[Box, Size], seed: int) -> None:
    box, size = case
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    before = image.copy()
    patch = random.integers(0, 256, (*geometry.box_size(box), 3), dtype=np.uint8)
    mask = random.random(patch.shape[:2]) > 0.5
    result = geometry.paste(image, patch, box, mask)
    touched = np.zeros(size, np.bool_)
    touched[box[1] : box[3], box[0] : box[2]] = mask
    assert (image == before).all()
    assert (result[~touched] == image[~touched]).all()
    assert (geometry.crop(result, box)[mask] == patch[mask]).all()


def test_paste_refuses_a_patch_of_another_size() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        geometry.paste(np.zeros((9, 9, 3), np.uint8), np.zeros((3, 3, 3), np.uint8), (0, 0, 4, 3))


@given(st.integers(1, 900), st.integers(9, 300), st.data())
def test_tile_weights_are_a_partition_of_unity(length: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, tile // 3))
    margin = data.draw(st.integers(0, overlap // 2))
    spans = geometry.tile_spans(length, tile, overlap)
    weights = geometry.span_weights(spans, margin)
    total = np.zeros(length)
    for (start, end), weight in zip(spans, weights, strict=True):
        assert 0 <= start < end <= length
        assert end - start <= tile
        assert weight.shape == (end - start,)
        assert (weight >= 0).all()
        total[start:end] += weight
    assert np.abs(total - 1).max() < 1e-6
    assert len({end - start for start, end in spans}) == 1


def test_tiles_keep_their_overlap_and_silence_their_inner_margins() -> None:
    spans = geometry.tile_spans(1000, 256, 48)
    weights = geometry.span_weights(spans, 18)
    for (left, right), weight in zip(pairwise(spans), weights, strict=False):
        assert left[1] - right[0] >= 48
        assert (weight[-18:] == 0).all()
    assert (weights[1][:18] == 0).all()
    assert weights[0][0] == 1


def test_two_dimensional_weights_fit_the_boxes() -> None:
    total = np.zeros((130, 210))
    boxes = geometry.tiles((130, 210), 64, 16)
    for box, weight in zip(boxes, geometry.tile_weights((130, 210), 64, 16, 4), strict=True):
        geometry.crop(total, box)[...] += weight
    assert np.abs(total - 1).max() < 1e-6


def test_a_too_wide_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="more than a third"):
        geometry.tile_spans(500, 60, 21)


# ---- resizing


@given(sizes, sizes)
def test_resize_gives_the_size_and_keeps_the_type(old: Size, new: Size) -> None:
    assert geometry.resize_image(np.zeros((*old, 3), np.uint8), new).shape == (*new, 3)
    alpha = geometry.resize_alpha(np.ones(old, np.float32), new)
    assert alpha.shape == new
    assert alpha.dtype == np.float32
    assert geometry.resize_mask(np.ones(old, np.bool_), new).all()


def test_alpha_stays_in_range_when_enlarged() -> None:
    alpha = geometry.resize_alpha(disc(40, 12).astype(np.float32), (163, 163))
    assert alpha.min() == 0
    assert alpha.max() == 1


@pytest.mark.parametrize("new", [(70, 70), (333, 333)])
def test_a_resized_cut_out_carries_no_rim_of_the_backdrop(new: Size) -> None:
    mask = disc(201, 80)
    image = np.where(mask[..., None], np.array([200, 40, 30]), np.array([0, 255, 0])).astype(np.uint8)
    small, alpha = geometry.resize_cutout(image, mask.astype(np.float32), new)
    seen = alpha > 0.05
    assert np.abs(small[seen].astype(int) - [200, 40, 30]).max() <= 1
    plain = geometry.resize_image(image, new)
    assert np.abs(plain[seen].astype(int) - [200, 40, 30]).max() > 60


def test_inside_a_cut_out_is_resized_as_any_picture() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (90, 90, 3), dtype=np.uint8)
    small, _ = geometry.resize_cutout(image, np.ones((90, 90), np.float32), (40, 40))
    assert np.abs(small.astype(int) - geometry.resize_image(image, (40, 40))).max() <= 1


def test_depths_are_distances_to_the_nearest_pixel_outside() -> None:
    from scipy import ndimage

    mask = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(90, 70)), 4) > 0
    assert np.allclose(geometry.depth_of(mask), ndimage.distance_transform_edt(mask), atol=1e-5)
    assert geometry.depth_of(mask)[~mask].max() == 0


@pytest.mark.parametrize("px", [0, 1, 7.5, 30])
def test_a_mask_grows_by_a_disc(px: float) -> None:
    mask = np.zeros((81, 81), np.bool_)
    mask[40, 40] = True
    y, x = np.mgrid[:81, :81] - 40
    assert np.array_equal(geometry.grow_mask(mask, px), np.hypot(y, x) <= px)


def test_an_empty_mask_stays_empty_and_a_full_one_full() -> None:
    for mask in (np.zeros((9, 9), np.bool_), np.ones((9, 9), np.bool_)):
        assert np.array_equal(geometry.grow_mask(mask, 3), mask)

"""Masks to other programs' formats and back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image as Pillow

from masks import shelf_formats as formats
from pipeline.errors import StoreError
from pipeline.files.codec import encode_alpha

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=24)
LEVELS = arrays(np.uint8, SHAPES)


def png(array: np.ndarray, mode: str) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(array).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


@given(LEVELS)
@settings(max_examples=30, deadline=None)
def test_grey_png_keeps_every_level(levels: np.ndarray) -> None:
    np.testing.assert_array_equal(formats.read_levels(formats.write_levels(levels)), levels)
    np.testing.assert_array_equal(formats.read_any(formats.write_levels(levels), size=levels.shape), levels)


@given(LEVELS)
@settings(max_examples=30, deadline=None)
def test_rgba_keeps_every_level_and_the_colours_under_it(levels: np.ndarray) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*levels.shape, 3), np.uint8)
    data = formats.write_rgba(image, levels)
    np.testing.assert_array_equal(formats.read_any(data, size=levels.shape), levels)
    np.testing.assert_array_equal(np.asarray(Pillow.open(io.BytesIO(data)))[..., :3], image)


@given(arrays(np.bool_, SHAPES))
@settings(max_examples=60, deadline=None)
def test_coco_run_lengths_keep_a_hard_mask(mask: np.ndarray) -> None:
    value = formats.to_coco(formats.from_mask(mask))
    np.testing.assert_array_equal(formats.from_coco(value, size=mask.shape) > 0, mask)


def test_coco_run_lengths_are_those_of_pycocotools() -> None:
    from pycocotools import mask as coco

    mask = np.random.default_rng(3).random((211, 97)) < 0.3
    value = formats.to_coco(formats.from_mask(mask))
    theirs = coco.decode({"size": value["size"], "counts": value["counts"].encode()})
    np.testing.assert_array_equal(theirs.astype(bool), mask)


def test_plain_lists_of_counts_are_read_column_by_column() -> None:
    value = {"size": [2, 3], "counts": [1, 2, 3]}
    np.testing.assert_array_equal(formats.from_coco(value, size=(2, 3)), np.array([[0, 255, 0], [255, 0, 0]], np.uint8))


@pytest.mark.parametrize(
    "value",
    [
        {},
        None,
        {"size": [2, 3]},
        {"size": [2, 3], "counts": [1, 2]},
        {"size": [2, 3], "counts": [-1, 7]},
        {"size": [2, 3], "counts": [10**30]},
        {"size": [2, 3], "counts": "\x00"},
        {"size": [2, 3], "counts": "ooooooooooooooooooooooooooooo"},
        {"size": [3, 2], "counts": [6]},
    ],
)
def test_wrong_run_lengths_are_refused(value: object) -> None:
    with pytest.raises(StoreError):
        formats.from_coco(value, size=(2, 3))


def test_a_stored_16_bit_alpha_reads_as_rounded_levels() -> None:
    alpha = np.linspace(0, 1, 1001, dtype=np.float32)[None]
    levels = formats.read_levels(encode_alpha(alpha))
    assert np.abs(levels.astype(int) - np.rint(alpha * 255)).max() <= 1
    assert (levels[0, 0], levels[0, -1]) == (0, 255)


def test_a_mask_of_another_size_is_refused_not_resized() -> None:
    levels = np.zeros((4, 6), np.uint8)
    for data in (formats.write_levels(levels), formats.write_rgba(np.zeros((4, 6, 3), np.uint8), levels)):
        with pytest.raises(StoreError, match="6 x 4 px and its photo 4 x 6 px"):
            formats.read_any(data, size=(6, 4))


def test_a_coloured_picture_without_transparency_is_refused() -> None:
    data = png(np.full((4, 6, 3), (200, 10, 10), np.uint8), "RGB")
    with pytest.raises(StoreError, match="no transparency"):
        formats.read_any(data, size=(4, 6))
    with pytest.raises(StoreError, match="one grey channel"):
        formats.read_levels(data)


def test_a_mask_is_not_cut_at_127() -> None:
    levels = np.array([[0, 1, 126, 127, 128, 254, 255]], np.uint8)
    assert formats.read_any(formats.write_levels(levels), size=(1, 7)).tolist() == levels.tolist()

"""The width of a neckline to fractions of a pixel, on drawn ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.pixels.landmarks import Landmarks, find_landmarks
from pipeline.pixels.neck_width import coarse_half, neck_half
from pipeline.types import Image, Mask

MIDDLE = 200.0


@pytest.fixture(scope="module")
def marks() -> Landmarks:
    """Of a plain trunk whose axis is the column 200."""
    trunk = np.zeros((400, 401), np.uint8)
    trunk[40:380, 90:311] = 1
    return find_landmarks(np.asarray(trunk > 0))


def drawn(half: float) -> tuple[Image, Mask]:
    """A dark U so wide in lighter cloth, its edge smooth, and a mask of it that is two pixels too wide."""
    large = np.full((1600, 1604, 3), (200, 150, 90), np.uint8)
    middle, top, deep, wide = round(4 * (MIDDLE + 0.5)), 4 * 40, 4 * 60, round(4 * half)
    cv2.rectangle(large, (middle - wide, top), (middle + wide - 1, deep), (70, 40, 30), -1)
    cv2.circle(large, (middle, deep), wide, (70, 40, 30), -1)
    image = cv2.resize(large, (401, 400), interpolation=cv2.INTER_AREA)
    ys, xs = np.mgrid[:400, :401]
    below = np.maximum(ys - 60, 0)
    return np.asarray(image), np.asarray(((xs - MIDDLE) ** 2 + below**2 <= (half + 2) ** 2) & (ys >= 40))


def off(mask: Mask, marks: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    ys, xs = np.nonzero(mask)
    away = np.stack([xs, ys], axis=1).astype(np.float32) - marks.tops.mean(axis=0)
    return away @ marks.across, away @ marks.down


@pytest.mark.parametrize("half", [30.0, 30.5, 31.25])
def test_the_photo_s_edge_counts_and_not_the_mask_s(marks: Landmarks, half: float) -> None:
    image, mask = drawn(half)
    aside, deep = off(mask, marks)
    assert coarse_half(aside, deep) > half + 1
    assert neck_half(image, aside, deep, marks) == pytest.approx(half, abs=0.15)


def test_without_an_edge_the_mask_s_counts(marks: Landmarks) -> None:
    image, mask = drawn(30)
    aside, deep = off(mask, marks)
    assert neck_half(np.full_like(image, 90), aside, deep, marks) == coarse_half(aside, deep)


def test_ends_of_the_back_do_not_widen_a_round_neckline() -> None:
    ys, xs = np.mgrid[:100, -60:61].astype(np.float32)
    round_one = (xs / 40) ** 2 + (ys / 90) ** 2 <= 1
    ends = (ys < 8) & (np.abs(xs) < 41)
    vee = np.abs(xs) <= 40 * (1 - ys / 100)
    assert coarse_half(xs[round_one | ends], ys[round_one | ends]) == pytest.approx(39, abs=0.6)
    assert coarse_half(xs[vee], ys[vee]) == 40

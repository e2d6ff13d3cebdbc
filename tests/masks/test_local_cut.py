"""The edge is found by the colours on its two sides, window by window."""

from __future__ import annotations

import cv2
import numpy as np

from masks import ops
from masks.local_cut import cautious, cut_votes, leaning
from pipeline.types import Image, Mask


def before_two_backdrops(size: int = 240) -> tuple[Image, Mask]:
    """A body in navy above and red below, before a backdrop in red above and navy below: no one colour is its own."""
    mask = np.zeros((size, size), np.bool_)
    mask[40:, 70:170] = True
    above = np.arange(size)[:, None] < 140
    navy, red = np.array([25, 25, 90]), np.array([150, 30, 30])
    image = np.where((mask == above)[..., None], navy, red).astype(np.float32)
    image += np.random.default_rng(3).normal(0, 3, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), mask


def doubted(mask: Mask, shift: int = 4, sigma: float = 5) -> np.ndarray:
    """What networks say of a mask: roughly, and some pixels aside."""
    return cv2.GaussianBlur(np.roll(mask, shift, axis=1).astype(np.float32), (0, 0), sigma)


def test_local_colours_find_an_edge_that_global_ones_cannot() -> None:
    image, mask = before_two_backdrops()
    probability = doubted(mask)
    votes = cut_votes(image, probability)
    assert votes.dtype == np.float32
    assert 0 <= votes.min() <= votes.max() <= 1
    assert ops.iou(probability > 0.5, mask) < 0.95
    assert ops.iou(votes > 0.5, mask) > 0.985


def test_what_the_networks_are_sure_of_is_kept() -> None:
    image, mask = before_two_backdrops()
    probability = doubted(mask)
    votes = cut_votes(image, probability)
    edge = ops.grow(probability > 0.5, 3) & ops.grow(probability <= 0.5, 3)
    sure = (probability < 0.04) & ~edge
    np.testing.assert_array_equal(votes[sure], probability[sure])


def test_a_doubtful_segment_leans_to_the_side_it_looks_like() -> None:
    image, mask = before_two_backdrops()
    probability = mask.astype(np.float32)
    inside, outside = (slice(60, 90), slice(150, 170)), (slice(60, 90), slice(172, 192))
    probability[inside] = probability[outside] = 0.5
    leans = leaning(image, probability)
    assert leans[inside].mean() > 0.3
    assert leans[outside].mean() < -0.3
    assert leans[200, 100] == 0


def test_of_broadly_doubted_patches_only_what_is_believed_stays() -> None:
    votes = np.zeros((200, 200), np.float32)
    votes[50:, 60:140] = 1
    probability = votes.copy()
    probability[80:120, 60:80] = 0.5  # the networks doubt it, the colours keep it
    kept = cautious(votes, probability) > 0.5
    assert not kept[90:110, 62:76].any()
    assert kept[60:70, 65:135].all()
    np.testing.assert_array_equal(cautious(votes, votes), votes)

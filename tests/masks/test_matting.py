"""Soft edges and the subject's own colours."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from PIL import Image as Pillow

from masks import matting, ops
from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.palette import DYES, rgb
from pipeline.embedded.render import render
from pipeline.embedded.scene import SceneSpec
from pipeline.types import Alpha, Image

RED, GREEN = np.array([200.0, 40, 30]), np.array([30.0, 180, 60])


def edge(width: float, size: int = 120, noise: float = 0.0) -> tuple[Image, Alpha]:
    """Red on the left, green on the right, mixed over ``width`` pixels."""
    x = np.arange(size)
    ramp = np.clip(0.5 - (x - size / 2) / width, 0, 1)
    alpha = np.broadcast_to(ramp, (size, size)).astype(np.float32)
    mixed = alpha[..., None] * RED + (1 - alpha[..., None]) * GREEN
    mixed = mixed + np.random.default_rng(0).normal(0, noise, mixed.shape)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8), alpha


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_soft_edge_is_the_true_mix(noise: float) -> None:
    image, truth = edge(3, noise=noise)
    alpha = matting.soft_edge(image, truth >= 0.5)
    assert float(np.abs(alpha - truth).mean()) < 0.004
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1


def test_before_a_busy_backdrop_the_edge_is_the_masks_own() -> None:
    size = 160
    draws = np.random.default_rng(5)
    stones = np.kron(draws.integers(0, 255, (size // 4, size // 4, 3)), np.ones((4, 4, 1)))
    truth = np.zeros((size, size), np.bool_)
    truth[:, :80] = True
    image = np.where(truth[..., None], RED, stones).astype(np.uint8)
    alpha = matting.soft_edge(image, truth)
    assert alpha[:, 83:].max() < 0.1  # no stones come with it
    assert alpha[:, :77].min() > 0.9
    even = np.where(truth[..., None], RED, GREEN).astype(np.uint8)
    np.testing.assert_allclose(matting.soft_edge(even, truth), truth, atol=0.02)


def test_closed_form_keeps_what_is_known_and_solves_the_rest() -> None:
    image, truth = edge(6)
    known = ops.trimap(truth >= 0.5, 6, 6)
    alpha = matting.closed_form_alpha(image, known)
    np.testing.assert_array_equal(alpha[known == 1], 1)
    np.testing.assert_array_equal(alpha[known == 0], 0)
    assert float(np.abs(alpha - truth).mean()) < 0.01


def test_a_large_band_is_solved_small_and_guided_up() -> None:
    image, truth = edge(12, size=240)
    known = ops.trimap(truth >= 0.5, 12, 12)
    alpha = matting.closed_form_alpha(image, known, max_unknown=1500)
    np.testing.assert_array_equal(alpha[known == 1], 1)
    assert float(np.abs(alpha - truth)[known == 0.5].mean()) < 0.06


def test_a_trimap_with_nothing_to_tell_is_left_at_one_half() -> None:
    image, _ = edge(6, size=40)
    unknown = np.full((40, 40), 0.5, np.float32)
    np.testing.assert_array_equal(matting.closed_form_alpha(image, unknown), unknown)
    full = np.ones((40, 40), np.float32)
    np.testing.assert_array_equal(matting.closed_form_alpha(image, full), full)


def test_no_backdrop_colour_is_left_in_the_soft_edge() -> None:
    image, alpha = edge(8)
    colours = matting.own_colours(image, alpha)
    soft = (alpha > 0.2) & (alpha < 1)
    assert float(np.abs(colours[soft] - RED).max()) < 25
    assert float(np.abs(image[soft] - RED).max()) > 90


def test_solid_pixels_are_carried_bit_for_bit() -> None:
    image, alpha = edge(8, noise=12)
    colours = matting.own_colours(image, alpha)
    np.testing.assert_array_equal(colours[alpha == 1], image[alpha == 1])
    assert (colours != image).any()


def test_a_hard_mask_leaves_the_picture_as_it_is() -> None:
    image, _ = edge(6, size=40)
    np.testing.assert_array_equal(matting.own_colours(image, np.ones((40, 40), np.float32)), image)


def test_only_a_ragged_outline_gets_a_wide_band() -> None:
    size = 300
    y, x = np.mgrid[:size, :size] - size // 2
    angle = np.arctan2(y, x)
    smooth = np.hypot(x, y) < 80
    spiky = np.hypot(x, y) < 80 + 16 * np.abs(np.sin(angle * 60))
    assert not matting.ragged_parts(smooth).any()
    ragged = matting.ragged_parts(spiky)
    assert ragged.any()
    narrow = ops.trimap(spiky, 2, 2)
    wide = matting.hair_band(spiky, narrow, ragged)
    assert np.count_nonzero(wide == 0.5) > np.count_nonzero(narrow == 0.5)
    np.testing.assert_array_equal(matting.hair_band(smooth, narrow, np.zeros_like(smooth)), narrow)


def test_the_dark_core_of_a_shadow_leaves_no_fringe_on_a_coloured_product() -> None:
    """The foot of the sample's coral bottle: grey dimmed to dark grey is on no colour line from grey to coral."""
    photo = np.asarray(Pillow.open(str(files("configs").joinpath("samples/bottle-wave.jpg"))).convert("RGB"))
    foot = photo[600:1600, 300:1300]
    coral = foot[..., 0].astype(int) - foot[..., 2] > 25
    mask = ops.fill_holes(ops.largest_part(coral))
    alpha = matting.soft_edge(foot, mask)
    beyond = ops.boundary(ops.grow(mask, 4))
    assert float(np.percentile(alpha[beyond], 99)) < 0.03
    assert float(alpha[ops.shrink(mask, 4)].min()) > 0.98


def test_a_black_product_on_grey_keeps_its_soft_edge_whatever_a_shadow_would_explain() -> None:
    x = np.arange(120)
    truth = np.broadcast_to(np.clip(0.5 - (x - 60) / 6, 0, 1), (120, 120)).astype(np.float32)
    mixed = truth[..., None] * 20.0 + (1 - truth[..., None]) * np.array([190.0, 190, 190])
    alpha = matting.soft_edge(np.rint(mixed).astype(np.uint8), truth >= 0.5)
    assert float(np.abs(alpha - truth).mean()) < 0.005


def test_the_dark_foot_of_a_shadow_is_no_soft_edge_of_beige_cloth() -> None:
    piece = GarmentSpec(kind="trousers", color_name="beige", color=rgb(DYES["beige"]))
    flat = SceneSpec(kind="flat", backdrop="white", backdrop_seed=5, pose_seed=5, garments=(piece,))
    scene = render(5, size=(640, 640), spec=flat)
    truth = scene.alpha > 0.5
    found = matting.soft_edge(scene.image, truth) >= 0.5
    assert np.count_nonzero(found & ~truth) < 0.02 * np.count_nonzero(ops.boundary(truth))

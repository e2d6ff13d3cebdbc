"""Subjects on plain backdrops: without shadow, without reflection, with their holes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from masks import ops
from masks.backdrop import key_subject
from masks.confidence import of_keyed
from masks.reflection import best_fold
from masks.scenes import draw_packshot
from masks.surface import fit_backdrop, to_lab
from pipeline.embedded.samples import FLAT
from pipeline.types import Image, Mask

SIZE = 440


def plain(rgb: tuple[int, int, int], *, noise: float = 1.0, fall: float = 0.0, size: int = 200) -> Image:
    rng = np.random.default_rng(3)
    level = 1 - fall * np.linspace(1, 0, size)[:, None, None]
    return np.clip(np.array(rgb) * level + rng.normal(0, noise, (size, size, 3)), 0, 255).astype(np.uint8)


def disk(size: int, radius: float, centre: tuple[float, float]) -> Mask:
    y, x = np.mgrid[:size, :size]
    return np.asarray(np.hypot(x - centre[0], y - centre[1]) <= radius)


@pytest.mark.parametrize("white", [219, 235, 251])
def test_studio_white_is_whatever_the_studio_has(white: int) -> None:
    image = plain((white, white, white - 2))
    truth = disk(200, 50, (100, 100))
    image[truth] = (150, 60, 40)
    keyed = key_subject(image)
    assert keyed is not None
    assert ops.iou(keyed.mask, truth) > 0.97
    assert of_keyed(keyed).confidence > 0.8


def test_a_gradient_is_followed_and_a_subject_on_the_frame_does_not_spoil_it() -> None:
    image = plain((235, 232, 228), fall=0.3)
    truth = disk(200, 60, (100, 190))
    image[truth] = (40, 60, 120)
    backdrop = fit_backdrop(to_lab(image))
    assert backdrop is not None
    untouched = to_lab(plain((235, 232, 228), fall=0.3, noise=0))
    assert float(np.abs(backdrop.lab - untouched)[:120].mean()) < 0.8
    left, top, right, bottom = backdrop.side_shares
    assert min(left, top, right) > 0.9
    assert bottom < 0.6
    keyed = key_subject(image)
    assert keyed is not None
    assert ops.iou(keyed.mask, truth) > 0.97


def test_a_border_of_many_colours_is_no_backdrop() -> None:
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (10, 10, 3)).astype(np.uint8)
    image = np.kron(blocks, np.ones((20, 20, 1), np.uint8))
    keyed = key_subject(image)
    assert keyed is None or of_keyed(keyed).confidence < 0.4


def test_an_empty_backdrop_has_no_subject() -> None:
    assert key_subject(plain((240, 240, 240))) is None


def test_the_dark_core_of_a_contact_shadow_is_not_the_subject() -> None:
    size = 400
    y, x = np.mgrid[:size, :size]
    image = plain((240, 240, 240), size=size).astype(np.float64)
    # as dark as a third at the foot and gone 14 px below: too steep to be flooded
    pool = 0.65 * np.clip(1 - np.maximum(y - 299, 0) / 14, 0, 1) * (np.abs(x - 200) < 96) * (y > 285)
    image *= (1 - cv2.GaussianBlur(pool, (0, 0), 2))[..., None]
    truth = (np.abs(x - 200) < 100) & (y > 100) & (y < 300)
    image[truth] = (180, 110, 50)
    keyed = key_subject(cv2.GaussianBlur(image, (0, 0), 0.7).astype(np.uint8))
    assert keyed is not None
    assert not (keyed.mask & (y > 303)).any()
    assert ops.iou(keyed.mask, truth) > 0.98


def test_stripes_of_light_and_dark_are_kept_whole_at_the_outline() -> None:
    size = 400
    y, x = np.mgrid[:size, :size]
    image = plain((165, 167, 168), size=size)
    truth = (np.abs(x - 200) < 90) & (y > 60) & (y < 344)
    image[truth & (y % 40 < 20)] = (36, 44, 78)
    image[truth & (y % 40 >= 20)] = (228, 146, 176)  # lighter than the backdrop, which lies between the two
    keyed = key_subject(image)
    assert keyed is not None
    assert not (truth & ~keyed.mask & (np.abs(x - 200) < 88) & (y > 62) & (y < 342)).any()
    assert ops.iou(keyed.mask, truth) > 0.97


def shirt_on_cloth(folds: float) -> tuple[Image, Mask, Mask]:
    """A pale shirt on red cloth; between its sleeve and its body lies cloth in a shade of its own."""
    size = 400
    y, x = np.mgrid[:size, :size]
    waves = 1 + folds * np.sin(x / 13.0 + 2 * np.sin(y / 31.0))
    cloth = np.array((205, 70, 95)) * waves[..., None] + np.random.default_rng(1).normal(0, 1, (size, size, 3))
    outline = (np.abs(x - 200) < 120) & (y > 60) & (y < 340)
    gap = (np.abs(x - 255) < 11) & (y > 120) & (y < 300)
    image = np.where((outline & ~gap)[..., None], np.array((206, 214, 222)), cloth)
    image[gap] = np.array((138, 44, 62)) + np.random.default_rng(2).normal(0, 1, (np.count_nonzero(gap), 3))
    return cv2.GaussianBlur(np.clip(image, 0, 255), (0, 0), 0.7).astype(np.uint8), outline & ~gap, gap


def test_cloth_in_the_gap_of_a_sleeve_is_not_the_subject() -> None:
    image, truth, gap = shirt_on_cloth(folds=0.2)
    keyed = key_subject(image)
    assert keyed is not None
    assert keyed.mask[ops.shrink(gap, 3)].mean() < 0.02
    assert ops.iou(keyed.mask, truth) > 0.95
    assert "backdrop colour" in " ".join(of_keyed(keyed).reasons), "it might be a print: a person looks"


def test_backdrop_colour_left_in_the_mask_is_doubted() -> None:
    image, _, _ = shirt_on_cloth(folds=0.2)
    spot = disk(400, 9, (200, 200)) | disk(400, 9, (160, 250))
    image[spot] = (150, 50, 70)
    keyed = key_subject(image)
    assert keyed is not None
    assert keyed.mask[spot].mean() > 0.9, "too small to be a gap: a print, perhaps"
    verdict = of_keyed(keyed)
    assert any("backdrop colour in the mask" in words for words in verdict.reasons)
    assert verdict.confidence < 0.6


def test_a_soft_shadow_is_not_the_subject() -> None:
    size = 240
    y, x = np.mgrid[:size, :size]
    image = plain((240, 240, 240), size=size).astype(np.float64)
    pool = 0.45 * np.exp(-(((x - 120) / 70) ** 2 + ((y - 180) / 18) ** 2))
    image *= (1 - pool)[..., None]
    truth = (np.abs(x - 120) < 45) & (y > 60) & (y < 180)
    image[truth] = (180, 40, 40)
    keyed = key_subject(image.astype(np.uint8))
    assert keyed is not None
    assert ops.iou(keyed.mask, truth) > 0.96


@pytest.mark.parametrize("name", ["mug_lamp", "sunglasses"])
def test_a_hard_shadow_is_taken_away(name: str) -> None:
    shot = draw_packshot(name, size=SIZE)
    keyed = key_subject(shot.image)
    assert keyed is not None
    assert keyed.shadow_share > 0.1
    assert ops.iou(keyed.mask, shot.alpha >= 0.5) > 0.93


@pytest.mark.parametrize("name", ["lipstick_mirror", "bottle_mirror"])
def test_a_reflection_is_taken_away(name: str) -> None:
    shot = draw_packshot(name, size=SIZE)
    keyed = key_subject(shot.image)
    assert keyed is not None
    assert ops.iou(keyed.mask, shot.alpha >= 0.5) > 0.93


def test_a_symmetric_product_is_no_reflection() -> None:
    difference = np.zeros((120, 80, 3), np.float32)
    cv2.circle(difference, (40, 60), 30, (-50, 20, 10), -1)
    fold = best_fold(difference)
    assert fold is None or not fold.is_reflection


def test_a_dimmed_mirror_image_is_a_reflection() -> None:
    rng = np.random.default_rng(5)
    upper = np.zeros((60, 60, 3), np.float32)
    upper[10:, 15:45] = rng.normal(-50, 20, (50, 30, 3))
    fade = np.linspace(0.4, 0.1, 60, dtype=np.float32)[:, None, None]
    difference = np.concatenate([upper, upper[::-1] * fade])
    fold = best_fold(difference)
    assert fold is not None
    assert abs(fold.foot - 60) <= 2


@pytest.mark.parametrize(("name", "place"), [("mug", (0.665, 0.52)), ("bangle", (0.5, 0.5)), ("stool", (0.5, 0.5))])
def test_holes_that_show_the_backdrop_stay_holes(name: str, place: tuple[float, float]) -> None:
    shot = draw_packshot(name, size=SIZE)
    keyed = key_subject(shot.image)
    assert keyed is not None
    assert not keyed.mask[int(place[1] * SIZE), int(place[0] * SIZE)]
    assert ops.iou(keyed.mask, shot.alpha >= 0.5) > 0.93


def test_a_grey_product_is_not_its_own_shadow() -> None:
    shot = draw_packshot("tee_grey", size=SIZE)
    keyed = key_subject(shot.image)
    assert keyed is not None
    assert ops.iou(keyed.mask, shot.alpha >= 0.5) > 0.96


def test_white_on_white_that_lost_its_handle_is_unsure() -> None:
    keyed = key_subject(draw_packshot("mug_white").image)
    assert keyed is not None
    verdict = of_keyed(keyed)
    assert verdict.confidence < 0.6
    assert any("pale rims" in reason for reason in verdict.reasons)


def test_glass_is_unsure() -> None:
    keyed = key_subject(draw_packshot("glass", size=SIZE).image)
    assert keyed is None or of_keyed(keyed).confidence < 0.6


def test_same_picture_same_mask() -> None:
    image = draw_packshot("chain_bag", size=SIZE).image
    one, other = key_subject(image), key_subject(image)
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.mask, other.mask)
    assert of_keyed(one) == of_keyed(other)


def test_folds_and_shadows_of_a_coloured_cloth_are_not_the_subject() -> None:
    size = 240
    y, x = np.mgrid[:size, :size]
    image = plain((200, 60, 110), noise=3, size=size).astype(np.float64)
    image *= (1 + 0.05 * np.sin((x + 0.6 * y) / 9))[..., None]
    truth = (np.abs(x - 110) < 50) & (np.abs(y - 110) < 60)
    image[(np.abs(x - 122) < 50) & (np.abs(y - 122) < 60)] *= 0.55
    image[truth] = (90, 110, 150)
    keyed = key_subject(np.clip(image, 0, 255).astype(np.uint8))
    assert keyed is not None
    assert ops.iou(keyed.mask, truth) > 0.93


def test_the_foot_of_a_shadow_around_beige_cloth_is_not_the_subject() -> None:
    sample = next(one for one in FLAT if one.sku == "trousers-sand")
    scene = sample.draw()
    truth, keyed = scene.masks["trousers"], key_subject(scene.image)
    assert keyed is not None
    assert np.count_nonzero(keyed.mask & ~truth) < 0.4 * np.count_nonzero(ops.boundary(truth))
    assert np.count_nonzero(truth & ~keyed.mask) < 0.4 * np.count_nonzero(ops.boundary(truth))

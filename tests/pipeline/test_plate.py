"""Generated places: what the model sees, and that nothing of the product stays in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.models.controls import PRODUCT_MAPS, control_maps
from pipeline.models.families import Inpaint
from pipeline.passes.inpaint import Wish
from pipeline.pixels.geometry import grow_mask
from pipeline.plate import GREY, enlarge_plate, generate_plate, seen_product, without_product
from tests.pipeline.passes.test_inpaint import painter


def product() -> tuple[np.ndarray, np.ndarray]:
    image, alpha = np.zeros((256, 256, 3), np.uint8), np.zeros((256, 256), np.float32)
    image[80:200, 90:170] = (200, 30, 30)
    alpha[80:200, 90:170] = 1
    return image, alpha


def test_the_model_sees_the_product_and_repaints_all_but_it() -> None:
    asked: list[Inpaint] = []
    image, alpha = product()
    plate = generate_plate(painter(asked), image, alpha, Wish(prompt="a wall"))
    request = asked[0]
    assert request.size == plate.shape[:2] == (64, 64)
    assert np.abs(request.image[35, 32].astype(int) - (200, 30, 30)).max() <= 2
    assert np.abs(request.image[4, 4].astype(int) - GREY).max() <= 1
    assert not request.repaint[35, 32]
    assert request.repaint[4, 4]


def test_the_models_view_is_what_controls_are_drawn_of() -> None:
    asked: list[Inpaint] = []
    image, alpha = product()
    generator = painter(asked)
    known = seen_product(generator, image, alpha)
    maps = control_maps(known, ["canny"], PRODUCT_MAPS)
    generate_plate(generator, image, alpha, Wish(prompt="a wall"), controls=maps)
    request = asked[0]
    assert np.array_equal(request.image, known.image)
    assert np.array_equal(request.repaint, ~known.kept)
    assert np.array_equal(request.controls[0].image, maps[0].image)
    assert not maps[0].image[~grow_mask(known.kept, 2)].any()


def test_of_a_products_depth_nothing_around_it_is_told() -> None:
    image, alpha = product()
    known = replace(seen_product(painter([]), image, alpha), annotate=lambda kind, image: np.full_like(image, 77))
    (depth,) = control_maps(known, ["depth"], PRODUCT_MAPS)
    assert (depth.image[known.kept] == 77).all()
    assert not depth.image[~known.kept].any()
    (whole,) = control_maps(known, ["depth"])
    assert (whole.image == 77).all()


def test_the_product_is_taken_out_of_its_place() -> None:
    plate = np.full((64, 64, 3), (60, 120, 60), np.uint8)
    plate[20:50, 22:43] = (200, 30, 30)
    alpha = np.zeros((64, 64), np.float32)
    alpha[20:50, 22:43] = 1
    empty = without_product(plate, alpha)
    assert np.abs(empty.astype(int) - (60, 120, 60)).max() <= 2
    assert np.array_equal(empty[:10], plate[:10])


def test_a_plate_grows_smoothly_and_is_blurred_by_its_own_pixels() -> None:
    rng = np.random.default_rng(0)
    plate = rng.integers(0, 256, (32, 48, 3), dtype=np.uint8)
    large = enlarge_plate(plate, (320, 480), defocus=0.0)
    assert large.shape == (320, 480, 3)
    steps = np.abs(np.diff(large.astype(int), axis=1)).max()
    assert steps < 40, "no edge of a plate's pixel is seen"
    blurred = enlarge_plate(plate, (320, 480), defocus=0.05)
    assert blurred.std() < 0.6 * large.std()
    assert np.array_equal(enlarge_plate(plate, (32, 48), defocus=0.0), plate)

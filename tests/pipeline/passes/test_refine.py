"""The refine pass: what it may never touch, that tiles cover and meet without a step, and parts at native size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.models.checkpoints import EXTRA_ROWS
from pipeline.models.devices import loaded_models
from pipeline.models.generators import load_generator
from pipeline.models.weights import MIRROR
from pipeline.passes.inpaint import Wish
from pipeline.passes.refine import FADE, held_tone, refine_part, refine_parts, refine_tiles
from pipeline.pixels.checks import outside_difference
from pipeline.pixels.geometry import depth_of
from tests.pipeline.models.diffusion_mirror import write_mirror, write_rows
from tests.pipeline.passes.constant_gain import ConstantGain

WISH = Wish(prompt="a woman by a wall", seed=3, strength=0.4, steps=5)


def gradient(size: tuple[int, int] = (150, 210)) -> np.ndarray:
    """A studio's backdrop: light that changes slowly."""
    rows, columns = np.indices(size)
    return np.stack([90 + rows * 0.3, 110 + columns * 0.2, 130 + (rows + columns) * 0.1], axis=2).astype(np.uint8)


def textured(size: tuple[int, int] = (150, 210)) -> np.ndarray:
    """The same with a checker of 4 levels on it."""
    rows, columns = np.indices(size)
    return gradient(size) + np.where((rows + columns) % 2, 4, 0).astype(np.uint8)[..., None]


def ellipse(size: tuple[int, int], at: tuple[int, int], radius: float) -> np.ndarray:
    rows, columns = np.indices(size)
    return np.asarray(np.hypot(rows - at[0], columns - at[1]) <= radius)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_outside_the_repainted_area_every_pixel_stays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(40, 200)), int(rng.integers(40, 200))
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    repaint = ellipse(size, (size[0] // 2, size[1] // 3), float(rng.integers(5, 60)))
    refined = refine_tiles(ConstantGain(0.7, 1.3, detail=2).generator, image, repaint, WISH)
    assert outside_difference(image, refined.image, repaint) == 0
    assert (refined.image[repaint] != image[repaint]).any()
    part = ellipse(size, (size[0] // 2, size[1] // 2), 12)
    assert outside_difference(image, refine_part(ConstantGain(0.7).generator, image, part, WISH).image, part) == 0


@pytest.mark.parametrize("size", [(150, 210), (64, 64), (40, 300), (57, 90)])
def test_tiles_cover_all_of_the_area_and_are_of_the_native_size(size: tuple[int, int]) -> None:
    """The stronger contrast that the generator gives everything is found in every pixel within the fade."""
    image, repaint = textured(size), np.ones(size, np.bool_)
    repaint[:7, :9] = False
    double = ConstantGain(detail=4)
    refined = refine_tiles(double.generator, image, repaint, WISH)
    change = np.abs(refined.image.astype(int) - image).max(axis=2)
    full = depth_of(repaint) > 64 * FADE + 3
    if min(size) >= 64:
        assert {one.size for one in double.asked} == {(64, 64)}
        assert (change[full] >= 5).all(), "one pixel of the area is one pixel of a tile"
    else:
        assert change[full].mean() > 1, "resampled, the checker is fainter"
    assert refined.done == len(double.asked) >= 1


def test_tiles_of_different_colours_leave_no_step() -> None:
    image = gradient()
    repaint = np.ones(image.shape[:2], np.bool_)
    double = ConstantGain(0.8, 1.15, 0.95, 1.2)
    refined = refine_tiles(double.generator, image, repaint, WISH)
    assert len(double.asked) >= 12
    off = refined.image.astype(int) - image
    assert np.abs(off).max() <= 3, "a gain of a fifth is 30 levels"
    for axis in (0, 1):
        assert np.abs(np.diff(off, axis=axis)).max() <= 2, "no edge of a tile"


def test_tone_is_the_pictures_and_detail_the_models() -> None:
    piece = gradient((64, 64))
    rows, columns = np.indices((64, 64))
    detail = np.where((rows + columns) % 2, 12, -12)[..., None]
    held = held_tone(piece, np.clip(piece * 0.8 + detail, 0, 255).astype(np.uint8), sigma=4)
    assert np.abs(held - piece - detail).max() < 4


def test_tiles_without_repainted_pixels_are_not_drawn() -> None:
    image = textured((200, 400))
    repaint = np.zeros((200, 400), np.bool_)
    repaint[90:110, 10:390] = True
    double = ConstantGain(detail=3)
    refine_tiles(double.generator, image, repaint, WISH)
    assert all(one.repaint.any() for one in double.asked)
    assert len(double.asked) < 12
    empty = refine_tiles(double.generator, image, np.zeros_like(repaint), WISH)
    assert (empty.done, empty.image is image) == (0, True)


def test_a_tile_is_asked_for_what_it_shows_with_a_seed_of_its_own() -> None:
    image = gradient()
    figure = np.zeros(image.shape[:2], np.bool_)
    figure[:, :20] = True
    double = ConstantGain(detail=3)
    wish = replace(WISH, reference_scale=0.6)
    refine_tiles(double.generator, image, np.ones_like(figure), wish, figure=figure, place="a wall", control="tile")
    prompts = {one.prompt for one in double.asked}
    assert prompts == {"a woman by a wall", "a wall"}
    assert {one.reference_scale for one in double.asked if one.prompt == "a wall"} == {0.0}
    assert len({one.seed for one in double.asked}) == len(double.asked)
    assert {(one.strength, one.executed_steps) for one in double.asked} == {(0.4, 2)}
    for one in double.asked:
        (control,) = one.controls
        assert control.kind == "tile"
        assert np.array_equal(control.image, one.image)


def test_a_tile_that_comes_out_empty_stays_as_it_was() -> None:
    image = gradient()
    repaint = np.ones(image.shape[:2], np.bool_)
    refined = refine_tiles(ConstantGain(0.0, 1.0, detail=0).generator, image, repaint, WISH)
    assert refined.left >= 4
    assert refined.done >= 4
    assert np.abs(refined.image.astype(int) - image).max() <= 1


def test_a_part_is_drawn_at_the_native_size_and_joined_without_a_step() -> None:
    image = gradient((300, 300))
    part = ellipse((300, 300), (100, 120), 20)
    double = ConstantGain(0.8, detail=0)
    refined = refine_part(double.generator, image, part, WISH, control="canny")
    assert refined.done == 1
    (asked,) = double.asked
    assert asked.size == (64, 64)
    assert 0.2 < asked.repaint.mean() < 0.7, "the part with context around it"
    assert asked.controls[0].kind == "canny"
    assert np.abs(refined.image.astype(int) - image).max() <= 6, "its colours are fitted to what is around it"


def test_parts_are_drawn_inside_the_repainted_area_alone() -> None:
    image = textured((200, 200))
    repaint = np.zeros((200, 200), np.bool_)
    repaint[:, :100] = True
    inside, half, outside = (ellipse((200, 200), (60, x), 15) for x in (40, 95, 150))
    double = ConstantGain(detail=3)
    refined = refine_parts(double.generator, image, [inside, half, outside], repaint, WISH)
    assert refined.done == len(double.asked) == 2, "what lies outside is left alone"
    assert outside_difference(image, refined.image, repaint & (inside | half)) == 0
    assert (refined.image[half & repaint] != image[half & repaint]).any()
    nothing = refine_parts(double.generator, image, [], repaint, WISH)
    assert (nothing.done, nothing.image is image) == (0, True)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    only = ("sd15-inpainting", "sdxl-base", "controlnet-sd15-tile", "controlnet-sdxl-tile", "controlnet-sdxl-canny")
    return write_mirror(tmp_path_factory.mktemp("mirror"), only=only)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "control"),
    [("sd15-inpainting", "tile"), ("sdxl-base", "tile"), ("sdxl-base", "canny"), ("sd15-inpainting", None)],
)
def test_tiny_checkpoints_refine_in_their_true_layout(
    name: str, control: str | None, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MIRROR, str(mirror))
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path / "rows.yaml")))
    loaded_models().clear()
    generator = load_generator(name, controls=(control,) if control else (), device="cpu")
    rng = np.random.default_rng(3)
    image = np.repeat(np.repeat(rng.integers(0, 256, (10, 13, 3), dtype=np.uint8), 10, 0), 10, 1)
    repaint = ellipse((100, 130), (40, 60), 35)
    wish = replace(WISH, steps=25)
    refined = refine_tiles(generator, image, repaint, wish, control=control)
    assert outside_difference(image, refined.image, repaint) == 0
    assert np.abs(refined.image[repaint].astype(int) - image[repaint]).mean() > 1
    assert np.array_equal(refined.image, refine_tiles(generator, image, repaint, wish, control=control).image)
    assert refined.left == 0
    face = refine_part(generator, image, ellipse((100, 130), (40, 60), 12), wish, control=control)
    assert face.done == 1
    assert (face.image != image).any()

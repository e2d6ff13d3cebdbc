"""Scenes: reproducible, complete ground truth, true to their specification."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.embedded.backdrops import BACKDROPS, backdrop, tabletop
from pipeline.embedded.cloth import BOTTOMS, TOPS, GarmentSpec
from pipeline.embedded.folder import render_folder, sheet
from pipeline.embedded.palette import DYES, rgb
from pipeline.embedded.parts import Tube
from pipeline.embedded.render import box_of, flat_pair, render, render_garment, render_product, worn_pair
from pipeline.embedded.scene import PRODUCTS, SceneSpec, random_looks, random_spec
from pipeline.errors import RecipeError

SMALL = (128, 128)


def headless(kind: str = "t-shirt", color: str = "red", pattern: str = "plain", **more) -> SceneSpec:
    garment = GarmentSpec(kind=kind, color_name=color, color=rgb(DYES[color]), pattern=pattern, **more)
    looks = random_looks(np.random.default_rng(1), "headless")
    return SceneSpec(kind="headless", backdrop="white", garments=(garment,), looks=looks, calm=True)


def test_same_seed_same_bytes_another_seed_another_picture():
    first, again, other = render(3, size=SMALL), render(3, size=SMALL), render(4, size=SMALL)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.caption == again.caption
    assert first.image.tobytes() != other.image.tobytes()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_ground_truth_fits_the_picture(seed):
    scene = render(seed, size=(96, 120))
    assert scene.image.shape == (96, 120, 3)
    assert scene.image.dtype == np.uint8
    assert scene.alpha.shape == (96, 120)
    assert scene.alpha.dtype == np.float32
    assert 0 <= scene.alpha.min() <= scene.alpha.max() <= 1
    taken = np.zeros((96, 120), int)
    for mask in scene.masks.values():
        assert mask.dtype == np.bool_
        taken += mask
    assert taken.max() == 1, "parts overlap"
    assert np.mean((scene.alpha > 0.5) == (taken > 0)) > 0.97
    for found in scene.boxes:
        x0, y0, x1, y1 = found.box
        assert 0 <= x0 < x1 <= 120
        assert 0 <= y0 < y1 <= 96
        assert found.phrases
    inside = scene.keypoints[scene.keypoints[:, 2] > 0]
    assert (inside[:, 0] < 120).all()
    assert (inside[:, 1] < 96).all()


@pytest.mark.parametrize("color", ["red", "green", "blue", "yellow"])
def test_a_garment_has_the_colour_that_it_is_asked_for(color):
    scene = render(0, size=(192, 192), spec=headless(color=color))
    pixels = scene.image[scene.masks["t-shirt"]].reshape(-1, 1, 3)
    hue = float(np.median(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[..., 0]))
    asked = (rgb(DYES[color]) * 255).astype(np.uint8).reshape(1, 1, 3)
    wanted = float(cv2.cvtColor(asked, cv2.COLOR_RGB2HSV)[0, 0, 0])
    assert abs((hue - wanted + 90) % 180 - 90) < 6


@pytest.mark.parametrize("kind", [*TOPS, *BOTTOMS])
def test_every_garment_is_drawn_flat_ghost_and_worn(kind):
    for way in ("flat", "ghost"):
        scene = render_garment(kind, 2, SMALL, way=way)
        assert scene.masks[kind].mean() > 0.08
        assert set(scene.masks) == {kind}
    worn = render(0, size=SMALL, spec=headless(kind=kind, sleeve=1.0))
    assert worn.masks[kind].sum() > 100
    assert "mannequin" in worn.masks


@pytest.mark.parametrize("kind", PRODUCTS)
def test_products_stand_whole_inside_the_picture(kind):
    for seed in range(3):
        scene = render_product(kind, seed, SMALL)
        x0, y0, x1, y1 = scene.boxes[0].box
        assert scene.boxes[0].label == kind
        assert x0 > 0
        assert y0 > 0
        assert x1 < 128
        assert y1 < 128
        assert max(x1 - x0, y1 - y0) > 60


def test_the_same_seed_shows_the_same_thing_at_every_size():
    small, large = render(12, size=(160, 160)), render(12, size=(640, 640))
    shrunk = cv2.resize(large.image, (160, 160), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(shrunk - small.image).mean() < 5
    assert np.mean((cv2.resize(large.alpha, (160, 160)) > 0.5) == (small.alpha > 0.5)) > 0.98


@pytest.mark.parametrize("seed", range(4))
def test_pairs_share_garment_pose_and_backdrop(seed):
    bare, person = worn_pair(seed, size=SMALL)
    assert bare.spec.garments == person.spec.garments
    garment = person.spec.garments[-1].kind
    a, b = bare.masks[garment], person.masks[garment]
    assert (a & b).sum() / (a | b).sum() > 0.9
    body = slice(1, 14)
    assert np.array_equal(bare.keypoints[body], person.keypoints[body])
    flat, worn = flat_pair(seed, size=SMALL)
    assert flat.spec.garments[0] is worn.spec.garments[-1]
    assert set(flat.masks) == {garment}


def test_headless_figures_hide_the_points_of_the_face():
    scene = render(0, size=SMALL, spec=headless())
    assert scene.keypoints[[0, 14, 15, 16, 17], 2].sum() == 0
    assert scene.keypoints[[2, 5, 8, 11], 2].sum() == 4


@pytest.mark.parametrize("name", BACKDROPS)
def test_backdrops_are_seeded_and_in_range(name):
    first, again, other = backdrop(name, 1, 60, 90), backdrop(name, 1, 60, 90), backdrop(name, 2, 60, 90)
    assert first.shape == (60, 90, 3)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 1.3
    assert tabletop("wood", 1, 60, 90).shape == (60, 90, 3)


def test_the_white_backdrop_is_white():
    assert backdrop("white", 0, 64, 64).min() > 0.94


def test_random_specs_cover_every_kind():
    kinds = {random_spec(np.random.default_rng(seed)).kind for seed in range(120)}
    assert kinds == {"person", "mannequin", "headless", "flat", "ghost", "product"}


def test_a_folder_of_scenes_can_be_read_back(tmp_path):
    assert render_folder(tmp_path, 2, seed=7, size=(64, 96)) == 2
    rows = [json.loads(line) for line in (tmp_path / "scenes.jsonl").read_text().splitlines()]
    scene = render(7, size=(64, 96))
    assert rows[0]["caption"] == scene.caption
    picture = cv2.imread(str(tmp_path / rows[0]["picture"]))[..., ::-1]
    assert np.array_equal(picture, scene.image)
    for label, name in rows[0]["masks"].items():
        assert np.array_equal(cv2.imread(str(tmp_path / name), 0) > 0, scene.masks[label])


@pytest.mark.parametrize(("arguments", "word"), [({"size": (16, 64)}, "size"), ({"pairs": "triple"}, "triple")])
def test_a_folder_refuses_what_the_studio_does_not_draw(tmp_path, arguments, word):
    with pytest.raises(RecipeError, match=word):
        render_folder(tmp_path, 1, **arguments)


def test_a_sheet_fills_its_last_row():
    assert sheet(3, size=(64, 64), columns=2).shape == (128, 128, 3)


def test_box_of_is_tight():
    mask = np.zeros((10, 12), bool)
    mask[2:5, 3:9] = True
    assert box_of(mask) == (3, 2, 9, 5)


def test_a_steep_outline_has_no_steps():
    top = np.array([250.0, 50.0], np.float32)
    tube = Tube(start=top, end=top + np.array([0, 1_900], np.float32), ts=(0, 0.1, 1), widths=(20.0, 230.0, 230.0))
    field = tube.field(2_000, 500)
    breadth = field.alpha[60:220].sum(axis=1)
    growth = np.diff(breadth)
    assert growth.mean() > 1.5, "a slope, not an upright edge"
    assert growth.max() < 2 * np.median(growth)
    half = (field.alpha[130] > 0.02) & (field.alpha[130] < 0.98)
    assert half.sum() >= 4, "a flat slope is soft over more than a pixel of a row"

"""The editor's pure modules in a real browser, level for level against NumPy and OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from masks.shelf_formats import read_levels
from tests.masks.review.browser import browser
from tests.masks.review.brushes import Levels, segment
from tests.masks.review.parked import park, served

SIZE = (61, 83)


@pytest.fixture(scope="module")
def modules(needs_chromium: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page of this origin, which may import the modules."""
    with served(park(tmp_path_factory.mktemp("empty"), [])) as place, browser() as running:
        page = running.new_page()
        page.goto(f"{place}/")
        yield page


def noise(seed: int) -> Levels:
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur((rng.random(SIZE) * 255).astype(np.float32), (0, 0), 3)
    return np.where(soft > 130, np.clip((soft - 120) * 20, 0, 255), 0).astype(np.uint8)


def call(page: Any, levels: Levels, module: str, name: str, *arguments: object) -> tuple[Levels, dict[str, int] | None]:
    """``name`` of ``module`` on a mask: the levels after it, and the rectangle that it says it changed."""
    script = """async ([levels, height, width, module, name, rest]) => {
      const mask = {levels: Uint8Array.from(levels), width, height};
      const area = (await import(`/static/${module}.js`))[name](mask, ...rest);
      return [[...mask.levels], area];
    }"""
    height, width = levels.shape
    after, area = page.evaluate(script, [levels.ravel().tolist(), height, width, module, name, list(arguments)])
    changed = np.array(after, np.uint8).reshape(levels.shape)
    outside = np.ones(levels.shape, bool)
    if area:
        outside[area["y"] : area["y"] + area["height"], area["x"] : area["x"] + area["width"]] = False
    np.testing.assert_array_equal(changed[outside], levels[outside], "outside the rectangle nothing changes")
    return changed, area


def point(at: tuple[float, float]) -> dict[str, float]:
    return {"x": at[0], "y": at[1]}


@pytest.mark.parametrize("erase", [False, True])
@pytest.mark.parametrize(("radius", "hardness"), [(0.5, 1.0), (7.0, 1.0), (12.5, 0.3), (9.0, 0.0), (300.0, 0.8)])
def test_a_piece_of_a_stroke(modules: Any, radius: float, hardness: float, erase: bool) -> None:
    before = noise(1)
    for start, end in [((20.25, 30.5), (60.0, 11.75)), ((40.0, 40.0), (40.0, 40.0)), ((-5.0, 3.0), (200.0, 70.0))]:
        brush = {"radius": radius, "hardness": hardness, "erase": erase}
        after, _ = call(modules, before, "strokes", "paintSegment", point(start), point(end), brush)
        np.testing.assert_array_equal(after, segment(before, start, end, radius, hardness, erase))


def test_a_stroke_beside_the_picture_changes_nothing(modules: Any) -> None:
    brush = {"radius": 5, "hardness": 1, "erase": False}
    after, area = call(modules, noise(1), "strokes", "paintSegment", point((-40, -40)), point((-20, 90)), brush)
    assert area is None
    np.testing.assert_array_equal(after, noise(1))


def test_a_lasso_on_whole_pixels_fills_exactly_these(modules: Any) -> None:
    corners = [point(at) for at in ((10, 5), (50, 5), (50, 40), (30, 40), (30, 20), (10, 20))]
    wanted = np.zeros(SIZE, np.uint8)
    wanted[5:20, 10:50] = 255
    wanted[20:40, 30:50] = 255
    after, _ = call(modules, np.zeros(SIZE, np.uint8), "strokes", "fillOutline", corners, {"erase": False})
    np.testing.assert_array_equal(after, wanted)
    after, _ = call(modules, np.full(SIZE, 255, np.uint8), "strokes", "fillOutline", corners, {"erase": True})
    np.testing.assert_array_equal(after, 255 - wanted)


def test_a_slanted_lasso_is_antialiased_by_its_area(modules: Any) -> None:
    corners = np.array([(8.3, 4.1), (70.2, 20.6), (33.4, 55.9)])
    after, _ = call(
        modules, np.zeros(SIZE, np.uint8), "strokes", "fillOutline", [point(c) for c in corners], {"erase": False}
    )
    fine = np.zeros((SIZE[0] * 16, SIZE[1] * 16), np.uint8)
    cv2.fillPoly(fine, [np.rint(corners * 16 - 0.5).astype(np.int32)], 255)
    exact = cv2.resize(fine, SIZE[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(after.astype(int) - exact).max() < 48
    assert abs(int(after.sum()) - int(exact.sum())) / exact.sum() < 0.01


def octagon(px: int) -> tuple[np.ndarray, np.ndarray]:
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    kernel = np.pad(np.ones((1, 1), np.uint8), px)
    for step in range(px):
        kernel = cv2.dilate(kernel, np.ones((3, 3), np.uint8) if step % 2 else cross)
    return kernel, cross


@pytest.mark.parametrize("px", [1, 2, 5, 9])
def test_growing_and_shrinking_are_grey_morphology(modules: Any, px: int) -> None:
    before = noise(2)
    kernel, _ = octagon(px)
    grown, _ = call(modules, before, "edges", "grow", px)
    np.testing.assert_array_equal(grown, cv2.dilate(before, kernel, borderType=cv2.BORDER_REPLICATE))
    shrunk, _ = call(modules, before, "edges", "shrink", px)
    np.testing.assert_array_equal(shrunk, cv2.erode(before, kernel, borderType=cv2.BORDER_REPLICATE))


def test_a_subject_that_the_frame_cuts_stays_at_the_frame(modules: Any) -> None:
    before = np.zeros(SIZE, np.uint8)
    before[20:, 30:50] = 255
    after, _ = call(modules, before, "edges", "shrink", 4)
    assert after[-1, 40] == 255
    assert after[22, 40] == 0
    soft, _ = call(modules, before, "edges", "feather", 3)
    assert soft[-1, 40] >= 254


@pytest.mark.parametrize("px", [1, 2, 4, 6])
def test_feather_is_close_to_a_gaussian(modules: Any, px: int) -> None:
    before = np.zeros(SIZE, np.uint8)
    before[15:45, 20:60] = 255
    after, _ = call(modules, before, "edges", "feather", px)
    gauss = cv2.GaussianBlur(before.astype(np.float32), (0, 0), px)
    assert np.abs(after - gauss).max() < (2 if px < 5 else 12)


def test_invert_twice_is_nothing(modules: Any) -> None:
    once, _ = call(modules, noise(3), "edges", "invert")
    np.testing.assert_array_equal(once, 255 - noise(3))


def test_tidy_fills_small_holes_removes_small_specks_and_keeps_the_rest(modules: Any) -> None:
    before = np.zeros(SIZE, np.uint8)
    before[10:50, 20:60] = 255
    before[9, 20:60] = 90
    wanted = before.copy()
    before[30:33, 30:33] = 0
    before[2:4, 2:4] = 200
    before[1, 2:4] = 60
    before[40:48, 40:48] = wanted[40:48, 40:48] = 0
    after, _ = call(modules, before, "parts", "tidy", 20)
    np.testing.assert_array_equal(after, wanted)


def test_empty_masks_are_left_alone(modules: Any) -> None:
    empty = np.zeros(SIZE, np.uint8)
    for name in ("grow", "shrink", "feather"):
        after, area = call(modules, empty, "edges", name, 3)
        assert area is None
        np.testing.assert_array_equal(after, empty)


def test_undo_and_redo_bring_every_level_back(modules: Any) -> None:
    script = """async () => {
      const {History} = await import("/static/history.js");
      const mask = {levels: new Uint8Array(20), width: 5, height: 4};
      const area = {x: 1, y: 1, width: 3, height: 2};
      const history = new History(24);
      const seen = [];
      for (const level of [10, 20, 30]) {
        const before = {...mask, levels: mask.levels.slice()};
        for (const at of [6, 7, 8, 11, 12, 13]) mask.levels[at] = level;
        history.add(before, mask, area);
      }
      seen.push(mask.levels[7], history.add({...mask, levels: mask.levels.slice()}, mask, area));
      history.undo(mask); seen.push(mask.levels[7]);
      history.undo(mask); seen.push(mask.levels[7]);
      seen.push(history.undo(mask)); // the first step was forgotten: 24 bytes hold two
      history.redo(mask); history.redo(mask); seen.push(mask.levels[12], mask.levels[0]);
      seen.push(history.redo(mask));
      return seen;
    }"""
    assert modules.evaluate(script) == [30, False, 20, 10, None, 30, 0, None]


def test_png_carries_all_levels_both_ways(modules: Any) -> None:
    levels = np.random.default_rng(4).integers(0, 256, SIZE, np.uint8)
    script = """async ([levels, height, width]) => {
      const {encodeGrey, decodeGrey} = await import("/static/png.js");
      const blob = await encodeGrey({levels: Uint8Array.from(levels), width, height});
      return [[...new Uint8Array(await blob.arrayBuffer())], [...(await decodeGrey(blob)).levels]];
    }"""
    data, back = modules.evaluate(script, [levels.ravel().tolist(), *SIZE])
    np.testing.assert_array_equal(read_levels(bytes(data)), levels)
    np.testing.assert_array_equal(np.array(back, np.uint8).reshape(SIZE), levels)


def test_zooming_keeps_the_point_under_the_pointer(modules: Any) -> None:
    script = """async () => {
      const {fit, pan, toPicture, zoom} = await import("/static/viewport.js");
      const picture = {width: 4000, height: 3000}, screen = {width: 900, height: 700};
      const view = fit(picture, screen), at = {x: 123, y: 456};
      const near = zoom(view, at, 7), away = pan(near, 1e6, -1e6, picture, screen);
      return {before: toPicture(view, at), after: toPicture(near, at), away, deep: zoom(near, at, 1e9).scale, near};
    }"""
    found = modules.evaluate(script)
    assert found["after"]["x"] == pytest.approx(found["before"]["x"])
    assert found["after"]["y"] == pytest.approx(found["before"]["y"])
    assert found["deep"] == 32
    assert (found["away"]["x"], found["away"]["y"]) == (840, pytest.approx(60 - 3000 * found["near"]["scale"]))


def test_a_mask_of_many_tiles_has_no_seams(modules: Any) -> None:
    y, x = np.mgrid[:290, :310]
    before = np.clip((90 - np.hypot(y - 140, x - 150)) * 40, 0, 255).astype(np.uint8)
    before[128:130, 5:300] = 255
    grown, _ = call(modules, before, "edges", "grow", 7)
    np.testing.assert_array_equal(grown, cv2.dilate(before, octagon(7)[0], borderType=cv2.BORDER_REPLICATE))
    soft, _ = call(modules, before, "edges", "feather", 3)
    gauss = cv2.GaussianBlur(before.astype(np.float32), (0, 0), 3, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(soft - gauss).max() < 2
    softer, _ = call(modules, before, "edges", "feather", 12)
    gauss = cv2.GaussianBlur(before.astype(np.float32), (0, 0), 12, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(softer - gauss).max() < 12


def test_parts_that_meet_late_are_one(modules: Any) -> None:
    """A U is one part though its arms begin apart; its bay is no hole."""
    before = np.zeros((40, 40), np.uint8)
    before[5:30, 5:8] = before[5:30, 20:23] = before[28:30, 5:23] = 255
    after, area = call(modules, before, "parts", "tidy", 100)
    assert area is None, "the U has 25 * 6 + 24 pixels"
    np.testing.assert_array_equal(after, before)

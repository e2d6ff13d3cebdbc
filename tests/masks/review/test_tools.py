"""The touch-up page's tools in a real browser: threshold, chips, picking, files, and the result before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masks.review.assist import Assist, Click
from masks.review.desk import Desk, Sheet
from masks.shelf_formats import read_levels, write_levels
from tests.masks.review.parked import Parked, served
from tests.masks.review.test_assist import SCENE, looks, rerun

__all__ = ["looks"]
READY = "#stage[data-state=ready]"


@pytest.fixture
def place(looks: Parked) -> Iterator[str]:
    Assist(desk_of(looks)).detections(sheet_of(looks))  # the networks' packages take long to import
    with served(looks, reviewer="anna", rerun=rerun) as address:
        yield address


def open_look(page: Any, place: str) -> None:
    page.goto(f"{place}/")
    with page.expect_navigation():
        page.click(".row")
    with page.expect_navigation():
        page.click("[data-open]")
    page.wait_for_selector(READY)


def saved_levels(page: Any, parked: Parked) -> Any:
    page.keyboard.press("Control+s")
    page.wait_for_selector("text=Saved as a draft")
    own = sheet_of(parked).own
    assert own is not None
    return read_levels(parked.shelf.read(own))


def sheet_of(parked: Parked) -> Sheet:
    return desk_of(parked).sheet(parked.batch, "look", "front")


def desk_of(parked: Parked) -> Desk:
    return Desk(parked.ledger, parked.store, parked.shelf)


def press_at(page: Any, x: float, y: float, button: str = "left") -> None:
    """A click at a point of the picture, in its own pixels."""
    box = page.locator("#hand").bounding_box()
    view = page.locator("#view").evaluate("c => ({s: +c.dataset.scale, x: +c.dataset.x, y: +c.dataset.y})")
    page.mouse.click(box["x"] + x * view["s"] + view["x"], box["y"] + y * view["s"] + view["y"], button=button)


def test_the_slider_and_the_chips_make_the_mask_from_stored_scores(page: Any, place: str, looks: Parked) -> None:
    open_look(page, place)
    page.wait_for_selector("#detected[data-state=ready]")
    scores = [float(chip.inner_text().split()[-1]) for chip in page.locator(".chip.box").all()]
    low = f"{min(scores) - 0.02:.2f}"
    page.locator("#threshold").evaluate(
        "(s, v) => { s.value = v; for (const kind of ['input', 'change']) s.dispatchEvent(new Event(kind)); }", low
    )
    page.wait_for_selector("text=Unsaved changes")
    assert page.locator(".chip.box[aria-pressed=true]").count() == len(scores)
    for number in range(1, len(scores)):
        page.locator(".chip.box").nth(number).click()
    page.wait_for_timeout(1500)
    wanted = read_levels(Assist(desk_of(looks)).proposal(sheet_of(looks), [0]))
    np.testing.assert_array_equal(saved_levels(page, looks), wanted)


def test_picks_add_and_take_away(page: Any, place: str, looks: Parked) -> None:
    open_look(page, place)
    found = read_levels(desk_of(looks).mask(sheet_of(looks)))
    rows, columns = np.nonzero(np.any(list(SCENE.masks.values()), axis=0))
    x, y = columns[len(rows) // 2] + 0.5, rows[len(rows) // 2] + 0.5
    page.keyboard.press("p")
    press_at(page, x, y)
    page.wait_for_selector("text=Unsaved changes")
    added = saved_levels(page, looks)
    clicked = Assist(desk_of(looks)).click(sheet_of(looks), [Click(x=x, y=y, adds=True)])
    np.testing.assert_array_equal(added, np.maximum(found, read_levels(clicked)))

    page.keyboard.press("b")
    page.keyboard.press("p")
    press_at(page, x, y, button="right")
    page.wait_for_selector("text=Unsaved changes")
    assert not saved_levels(page, looks)[int(y), int(x)], "a right click took it away"
    page.keyboard.press("z")
    page.keyboard.press("z")
    np.testing.assert_array_equal(saved_levels(page, looks), found)


def test_a_file_comes_in_and_goes_out(page: Any, place: str, looks: Parked, tmp_path: Path) -> None:
    open_look(page, place)
    made = np.zeros((320, 256), np.uint8)
    made[40:200, 60:180] = 255
    file = tmp_path / "photoshop.png"
    file.write_bytes(write_levels(made))
    page.set_input_files("#import", str(file))
    page.wait_for_selector("text=Unsaved changes")
    with page.expect_download() as download:
        page.click("[data-export=png]")
    np.testing.assert_array_equal(read_levels(Path(download.value.path()).read_bytes()), made)
    wrong = tmp_path / "small.png"
    wrong.write_bytes(write_levels(made[:10, :10]))
    page.set_input_files("#import", str(wrong))
    page.wait_for_selector("text=save it at the photo's own size")


def test_the_result_is_seen_before_the_verdict(page: Any, place: str, looks: Parked) -> None:
    open_look(page, place)
    page.keyboard.press("i")
    page.keyboard.press("g")
    page.wait_for_selector("text=Unsaved changes")
    page.keyboard.press("y")
    page.wait_for_selector("#trial figure[data-which=own][data-state=ready]")
    page.wait_for_selector("#trial figure[data-which=found][data-state=none]")
    assert "nothing is left of the subject" in page.inner_text("#trial figure[data-which=found]")
    assert (
        page.locator("#trial figure[data-which=own] img").evaluate("i => i.decode().then(() => i.naturalWidth)") == 256
    )
    page.click("#trial [data-approve]")
    page.wait_for_selector("text=Nothing waits in this batch")
    assert looks.ledger.record(looks.batch, "look", "front").verdict == "edited"

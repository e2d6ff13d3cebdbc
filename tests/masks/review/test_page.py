"""The touch-up page in a real browser: what a reviewer does with mouse and keys, and what is then stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masks.review.ids import to_id
from masks.shelf import Revision, RevisionKind, place_of
from masks.shelf_formats import read_levels
from pipeline.files.ledger import Record
from tests.masks.review.brushes import Levels, draw, stroke
from tests.masks.review.parked import Parked

READY = "#stage[data-state=ready]"


def record_of(parked: Parked, number: int = 0) -> Record:
    return parked.ledger.record(parked.batch, f"shoe/{number} <b>", "front")


def newest(parked: Parked, number: int = 0) -> Revision | None:
    return parked.shelf.latest(place_of(str(record_of(parked, number).source_digest)))


def found_levels(parked: Parked) -> Levels:
    """The levels of the mask that the batch found."""
    result = parked.store.get(record_of(parked).keys["subject"])
    assert result is not None
    return read_levels(result.read("alpha.png"))


def open_first(page: Any, place: str) -> None:
    """By the keyboard alone, from the list of batches to the editor."""
    page.goto(f"{place}/")
    with page.expect_navigation():
        page.click(".row")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(READY)


def hold(page: Any, name: str, value: float) -> None:
    """Set a slider as a script: a brush of an exact size."""
    page.evaluate(
        "([name, value]) => { const kept = JSON.parse(localStorage.getItem('seamline.editor') ?? '{}');"
        "localStorage.setItem('seamline.editor', JSON.stringify({...kept, [name]: value})); }",
        [name, value],
    )


def test_what_is_painted_is_stored_pixel_by_pixel_and_approved(page: Any, place: str, parked: Parked) -> None:
    page.goto(f"{place}/")
    hold(page, "size", 22)
    hold(page, "hardness", 0.4)
    open_first(page, place)
    page.keyboard.press("1")
    found = found_levels(parked)

    painted = draw(page, [(400, 250), (430, 262), (470, 300), (471, 330)])
    page.keyboard.press("e")
    erased = draw(page, [(500, 340), (440, 352)])
    wanted = stroke(found, painted, radius=11, hardness=0.4)
    wanted = stroke(wanted, erased, radius=11, hardness=0.4, erase=True)
    assert (wanted != found).sum() > 1000, "the strokes met the picture"
    page.wait_for_selector("text=Unsaved changes")
    assert newest(parked) is None, "nothing is stored before it is saved"

    page.keyboard.press("Control+s")
    page.wait_for_selector("text=Saved as a draft")
    draft = newest(parked)
    assert draft is not None
    assert draft.kind is RevisionKind.DRAFT
    np.testing.assert_array_equal(read_levels(parked.shelf.read(draft)), wanted)

    draw(page, [(420, 300), (425, 305)])
    page.keyboard.press("z")
    page.keyboard.press("a")
    page.wait_for_selector("text=shoe/0 <b> front approved with your edits.")
    assert "shoe/1" in page.locator(".bar h1").inner_text(), "the next item is open"
    edited, record = newest(parked), record_of(parked)
    assert edited is not None
    assert (edited.kind, edited.note.by, record.state, record.verdict) == ("edited", "anna", "approved", "edited")
    np.testing.assert_array_equal(read_levels(parked.shelf.read(edited)), wanted)

    page.keyboard.press("u")
    # in the heading: the message of the approval names the item too, before anything is taken back
    page.wait_for_selector(".bar h1:has-text('shoe/0 <b>')")
    page.wait_for_selector(READY)
    assert record_of(parked).state == "parked"


def test_a_lasso_and_undo(page: Any, place: str, parked: Parked) -> None:
    open_first(page, place)
    page.keyboard.press("1")
    page.keyboard.press("l")
    draw(page, [(380, 250), (520, 250), (520, 300), (380, 300)])
    for key in ("z", "Shift+z", "g", "s", "f", "t"):
        page.keyboard.press(key)
    page.keyboard.press("Control+s")
    page.wait_for_selector("text=Saved as a draft")
    saved = newest(parked)
    assert saved is not None
    first = read_levels(parked.shelf.read(saved))
    for _ in range(10):
        page.keyboard.press("z")
    page.keyboard.press("Control+s")
    page.wait_for_selector("text=Saved as a draft")
    second = newest(parked)
    assert second is not None
    assert second.number == 2
    np.testing.assert_array_equal(read_levels(parked.shelf.read(second)), found_levels(parked))
    assert (first != found_levels(parked)).any()


def test_of_two_tabs_the_second_is_told_and_overwrites_nothing(page: Any, place: str, parked: Parked) -> None:
    open_first(page, place)
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(READY)
    draw(other, [(430, 330), (450, 350)])
    other.keyboard.press("Control+s")
    other.wait_for_selector("text=Saved as a draft")
    theirs = newest(parked)
    assert theirs is not None

    draw(page, [(400, 300), (500, 300)])
    page.keyboard.press("a")
    page.wait_for_selector("text=nothing was overwritten")
    assert page.locator("#saved").inner_text() == "Unsaved changes", "what was painted here is still here"
    assert newest(parked) == theirs
    assert record_of(parked).state == "parked"
    with page.expect_navigation():
        page.click(".notice button >> text=Reload")
    page.wait_for_selector(READY)
    page.keyboard.press("a")
    page.wait_for_selector("text=approved with your edits")
    other.keyboard.press("x")
    other.fill("#why-reject", "too late")
    other.keyboard.press("Enter")
    other.wait_for_selector(".notice.bad")
    assert record_of(parked).verdict == "edited"


def test_redo_and_reject_ask_for_a_reason(page: Any, place: str, parked: Parked) -> None:
    open_first(page, place)
    page.keyboard.press("d")
    page.keyboard.press("Enter")
    assert page.locator("#ask-redo").is_visible(), "a reason is needed"
    page.click("text=wrong object")
    page.select_option("#finder", "person")
    page.keyboard.press("Tab")
    page.click("#ask-redo >> text=Send back")
    page.wait_for_selector("text=sent back")
    first = record_of(parked)
    assert (first.state, first.scores["review"]["why"]) == ("pending", "wrong object")
    assert first.overrides["subject.finder"] == "person"

    page.wait_for_selector(READY)
    page.keyboard.press("x")
    page.keyboard.type("strap & <i>buckle</i> missing")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=rejected.")
    assert record_of(parked, 1).reason == "rejected by anna: strap & <i>buckle</i> missing"

    page.wait_for_selector(READY)
    page.keyboard.press("a")
    page.wait_for_selector("text=Nothing waits in this batch")
    page.click("text=Settled")
    assert page.locator("[data-card]").count() == 3
    assert page.locator("text=strap & <i>buckle</i> missing").is_visible()
    page.locator("[data-reopen]").last.click()
    page.wait_for_selector(READY)


def test_typing_a_name_is_no_command(page: Any, place: str, parked: Parked) -> None:
    open_first(page, place)
    page.fill("#reviewer", "")
    page.click("#reviewer")
    page.keyboard.type("xada")
    assert not page.locator("dialog[open]").count()
    page.keyboard.press("Tab")
    page.keyboard.press("a")
    page.wait_for_selector("text=approved.")
    assert record_of(parked).verdict_by == "xada"


@pytest.mark.parametrize("size", [(1280, 800), (2560, 1440)])
def test_everything_is_in_sight_and_named(page: Any, place: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_first(page, place)
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == list(size)
    for words in ("Approve", "Find again", "Reject", "Save draft"):
        box = page.locator(f".verdicts >> text={words}").first.bounding_box()
        assert box["y"] + box["height"] <= size[1]
    canvas = page.locator("#view").bounding_box()
    assert canvas["width"] > 0.6 * size[0]
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, a[href], meter")].filter((one) => {
          const label = one.labels?.[0]?.textContent ?? "";
          return !(one.textContent + label + (one.getAttribute("aria-label") ?? "")).trim();
        }).map((one) => one.outerHTML)"""
    )
    assert nameless == []


def test_a_photo_that_has_changed_is_told(page: Any, place: str, parked: Parked) -> None:
    record = record_of(parked)
    with Path(record.address).open("ab") as file:
        file.write(b"more")
    page.goto(f"{place}/batches/{to_id(parked.batch)}/items/{to_id(record.sku, record.view)}")
    assert "has changed since this batch saw it" in page.inner_text("main")

"""What a person said of a mask is taken up by the next run of the recipe, and by later batches."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from flows.finishing import Summary
from flows.running import run_recipe
from flows.workplace import locate_runs, open_files
from masks.review.desk import Desk
from masks.shelf import RevisionKind, shelf_of
from masks.shelf_formats import write_levels
from pipeline.files.ledger import Record, Verdict
from pipeline.files.picture import read_bytes
from pipeline.files.provenance import read_provenance
from pipeline.files.recipe import Recipe
from pipeline.types import ItemState
from tests.flows.conftest import MakeRecipe, draw_product

DOUBT = "subject.park_below=1"


def run(recipe: Recipe) -> Summary:
    summary = run_recipe(
        recipe, "tiny.yaml", [], watch=lambda plan: nullcontext(), say=lambda line: None, prefect=False
    )
    assert summary is not None
    return summary


def desk_of(recipe: Recipe) -> Desk:
    runs, url = locate_runs(recipe)
    ledger, store = open_files(runs, url)
    return Desk(ledger, store, shelf_of(runs))


def records(desk: Desk, batch: str) -> dict[str, Record]:
    return {record.sku: record for record in desk.ledger.records(batch)}


def judge(desk: Desk, batch: str, record: Record, verdict: Verdict, why: str = "") -> None:
    sheet = desk.sheet(batch, record.sku, record.view)
    desk.judge(sheet, verdict, base=sheet.base, by="anna", why=why)


def paint(desk: Desk, batch: str, record: Record) -> np.ndarray:
    """Save a block as this item's mask."""
    levels = np.zeros(desk.photo(record).size, np.uint8)
    levels[20:90, 30:70] = 255
    levels[20, 30:70] = 100
    desk.save(desk.sheet(batch, record.sku, record.view), write_levels(levels), base=0, by="anna")
    return levels


def test_the_next_run_finishes_what_was_approved_with_the_mask_that_was_painted(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(DOUBT)
    batch = run(recipe).batch
    desk = desk_of(recipe)
    first, second, third = records(desk, batch).values()
    assert {first.state, second.state, third.state} == {ItemState.PARKED}
    judge(desk, batch, first, Verdict.APPROVED)
    levels = paint(desk, batch, second)
    judge(desk, batch, second, Verdict.APPROVED)
    judge(desk, batch, third, Verdict.REJECTED, "wrong product")

    again = run(recipe)
    assert again.batch == batch, "the same batch is taken up"
    after = records(desk, batch)
    assert [after[one.sku].state for one in (first, second, third)] == ["accepted", "accepted", "rejected"]
    assert [after[one.sku].verdict for one in (first, second, third)] == ["approved", "edited", "rejected"]
    assert after[first.sku].keys["subject"] == first.keys["subject"], "approved as found: nothing is found again"
    assert after[second.sku].keys["subject"] != second.keys["subject"]
    stored = desk.store.get(after[second.sku].keys["subject"])
    assert stored is not None
    from pipeline.files.codec import unpack_subject

    np.testing.assert_array_equal(np.rint(unpack_subject(stored).alpha * 255), levels)
    provenance = [read_provenance(read_bytes(str(after[one.sku].output))) for one in (first, second)]
    assert [said.mask_revision for said in provenance if said] == ["0", "2"]
    assert run(recipe).did.items == 0, "then there is nothing to do"


def test_an_edit_outlives_its_batch_until_the_photo_changes(make_recipe: MakeRecipe, photos: Path) -> None:
    recipe = make_recipe(DOUBT)
    batch = run(recipe).batch
    desk = desk_of(recipe)
    first, second, third = records(desk, batch).values()
    paint(desk, batch, first)
    for record in (first, second):
        judge(desk, batch, record, Verdict.APPROVED)

    other = make_recipe(DOUBT, "shadow.strength=0.2")
    later = run(other)
    assert later.batch != batch
    states = {sku: record.state for sku, record in records(desk, later.batch).items()}
    assert states == {first.sku: "accepted", second.sku: "accepted", third.sku: "parked"}

    draw_product(photos / "shoe0.png", 77)
    last = records(desk, run(other).batch)[first.sku]
    assert last.state == "parked", "the old mask is never used for a new photo"
    assert any("the photo has changed since anna edited its mask" in reason for reason in last.scores["reasons"])


def test_a_redo_finds_the_mask_again_and_tells_what_was_asked(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(DOUBT)
    batch = run(recipe).batch
    desk = desk_of(recipe)
    first = next(iter(records(desk, batch).values()))
    paint(desk, batch, first)
    judge(desk, batch, first, Verdict.REDO, "wrong object")
    assert records(desk, batch)[first.sku].state is ItemState.PENDING
    run(recipe)
    after = records(desk, batch)[first.sku]
    assert after.state is ItemState.PARKED
    assert after.keys["subject"] == first.keys["subject"], "the edit was put aside"
    assert after.scores["review"]["why"] == "wrong object"
    assert desk.sheet(batch, first.sku, first.view).revisions[-1].kind is RevisionKind.REDO


def test_a_draft_changes_nothing(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(DOUBT)
    batch = run(recipe).batch
    desk = desk_of(recipe)
    first = next(iter(records(desk, batch).values()))
    paint(desk, batch, first)
    assert run(recipe).did.items == 0
    assert records(desk, batch)[first.sku].state is ItemState.PARKED


def test_a_mask_given_later_mends_an_item_in_which_nothing_was_found(make_recipe: MakeRecipe, photos: Path) -> None:
    from PIL import Image

    Image.fromarray(np.full((120, 96, 3), 236, np.uint8)).save(photos / "empty.png")
    recipe = make_recipe()
    batch = run(recipe).batch
    desk = desk_of(recipe)
    empty = records(desk, batch)["empty"]
    assert empty.state is ItemState.FAILED
    from masks.shelf import Note, place_of

    levels = np.zeros((120, 96), np.uint8)
    levels[20:90, 30:70] = 255
    note = Note(kind=RevisionKind.IMPORTED, by="anna", sku="empty", view=empty.view, address=empty.address)
    desk.shelf.save(place_of(str(empty.source_digest)), note, base=0, mask=write_levels(levels))
    assert run(recipe).did.items == 1
    assert records(desk, batch)["empty"].state is ItemState.ACCEPTED


TOO_SMALL = ("export.marketplace=amazon", "export.longest_px=1000", "upscale.max_growth=1")
"""Pictures that break the marketplace's rules: the photos are small and may not grow."""


def test_a_picture_that_was_approved_is_published_whatever_the_checks_say(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(DOUBT, *TOO_SMALL)
    batch = run(recipe).batch
    desk = desk_of(recipe)
    first, second, third = records(desk, batch).values()
    paint(desk, batch, second)
    for record in (first, second):
        judge(desk, batch, record, Verdict.APPROVED)
    run(recipe)
    seen = records(desk, batch)
    for sku in (first.sku, second.sku):
        assert seen[sku].state is ItemState.PARKED, seen[sku].reason  # the mask was approved, the picture not yet seen
        assert str(seen[sku].reason).startswith("the finished picture: ")
        assert desk.preview(seen[sku], "taken")[:2] == b"\xff\xd8", "the reviewer sees what was made"
        judge(desk, batch, seen[sku], Verdict.APPROVED)
    run(recipe)
    after = records(desk, batch)
    assert [after[one.sku].state for one in (first, second, third)] == ["accepted", "accepted", "parked"]
    assert any(str(note).startswith("approved by anna as it is: ") for note in after[first.sku].scores["notes"])
    assert run(recipe).did.items == 0, "then there is nothing to do"

    other = make_recipe(DOUBT, *TOO_SMALL, "background.color=#f7f7f7")
    later = records(desk, run(other).batch)[first.sku]
    assert later.state is ItemState.PARKED, "another picture, which nobody has seen"
    assert str(later.reason).startswith("the finished picture: ")


def test_a_parked_item_keeps_nothing_of_an_earlier_picture(make_recipe: MakeRecipe, photos: Path) -> None:
    from PIL import Image

    recipe = make_recipe()
    batch = run(recipe).batch
    desk = desk_of(recipe)
    assert records(desk, batch)["shoe0"].state is ItemState.ACCEPTED
    far_away = np.full((120, 96, 3), 236, np.uint8)
    far_away[60:66, 40:44] = (30, 60, 90)
    Image.fromarray(far_away).save(photos / "shoe0.png")
    run(recipe)
    after = records(desk, batch)["shoe0"]
    assert after.state is ItemState.PARKED
    assert set(after.keys) == {"subject", "preview"}
    assert "fill" not in after.scores
    assert run(recipe).did.items == 0, "an item that waits is not done again"

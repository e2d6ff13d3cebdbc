"""What a reviewer can do, without a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from masks.review.desk import Desk, Missing, Sheet, reasons
from masks.review.ids import from_id, to_id
from masks.shelf import Conflict, RevisionKind
from masks.shelf_formats import read_levels, write_levels
from pipeline.errors import SeamlineError, StoreError
from pipeline.files.ledger import Verdict
from pipeline.types import ItemState
from tests.masks.review.parked import SIZE, Parked

LEVELS = np.random.default_rng(5).integers(0, 256, SIZE, np.uint8)


@pytest.fixture
def desk(parked: Parked) -> Desk:
    return Desk(parked.ledger, parked.store, parked.shelf)


def sheet_of(desk: Desk, parked: Parked, number: int = 0) -> Sheet:
    record = parked.ledger.parked(parked.batch)[number]
    return desk.sheet(parked.batch, record.sku, record.view)


def again(desk: Desk, sheet: Sheet) -> Sheet:
    return desk.sheet(sheet.batch.id, sheet.record.sku, sheet.record.view)


def test_the_found_mask_is_shown_until_somebody_paints(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    assert sheet.base == 0
    stored = parked.store.get(sheet.record.keys["subject"])
    assert stored is not None
    np.testing.assert_array_equal(read_levels(desk.mask(sheet)), read_levels(stored.read("alpha.png")))
    desk.save(sheet, write_levels(LEVELS), base=0, by="anna")
    painted = again(desk, sheet)
    np.testing.assert_array_equal(read_levels(desk.mask(painted)), LEVELS)
    np.testing.assert_array_equal(read_levels(desk.mask(painted, 0)), read_levels(stored.read("alpha.png")))


def test_approving_what_was_found_keeps_its_mask_on_the_shelf(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    record = desk.judge(sheet, Verdict.APPROVED, base=0, by="anna")
    assert (record.state, record.verdict, record.verdict_by) == (ItemState.APPROVED, Verdict.APPROVED, "anna")
    (revision,) = again(desk, sheet).revisions
    assert revision.kind is RevisionKind.APPROVED
    stored = parked.store.get(sheet.record.keys["subject"])
    assert stored is not None
    assert parked.shelf.read(revision) == stored.read("alpha.png")
    assert revision.note.subject_key == sheet.record.keys["subject"]


def test_approving_what_was_painted_is_an_edit(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    desk.save(sheet, write_levels(LEVELS), base=0, by="anna")
    record = desk.judge(again(desk, sheet), Verdict.APPROVED, base=1, by="ben")
    assert record.verdict is Verdict.EDITED
    draft, edited = again(desk, sheet).revisions
    assert (draft.kind, edited.kind) == (RevisionKind.DRAFT, RevisionKind.EDITED)
    assert draft.mask == edited.mask
    assert parked.shelf.word(sheet.place) == edited
    assert edited.note.confidence == pytest.approx(0.2)


def test_two_reviewers_never_overwrite_each_other(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    desk.save(sheet, write_levels(LEVELS), base=0, by="anna")
    with pytest.raises(Conflict, match="anna saved revision 1"):
        desk.save(sheet, write_levels(255 - LEVELS), base=0, by="ben")
    with pytest.raises(Conflict):
        desk.judge(sheet, Verdict.APPROVED, base=0, by="ben")
    assert again(desk, sheet).record.state is ItemState.PARKED
    np.testing.assert_array_equal(read_levels(desk.mask(again(desk, sheet))), LEVELS)


def test_a_settled_item_takes_no_second_word(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    desk.judge(sheet, Verdict.REJECTED, base=0, by="anna", why="cut off")
    settled = again(desk, sheet)
    assert settled.record.reason == "rejected by anna: cut off"
    for act in (
        lambda: desk.judge(settled, Verdict.APPROVED, base=1, by="ben"),
        lambda: desk.save(settled, write_levels(LEVELS), base=1, by="ben"),
    ):
        with pytest.raises(Conflict, match="rejected by anna already"):
            act()


@pytest.mark.parametrize("verdict", [Verdict.APPROVED, Verdict.REJECTED, Verdict.REDO])
def test_a_word_can_be_taken_back_with_the_mask_it_had(desk: Desk, parked: Parked, verdict: Verdict) -> None:
    sheet = sheet_of(desk, parked)
    desk.save(sheet, write_levels(LEVELS), base=0, by="anna")
    desk.judge(again(desk, sheet), verdict, base=1, by="anna", why="because")
    record = desk.reopen(again(desk, sheet), by="anna")
    assert (record.state, record.verdict, record.reason) == (ItemState.PARKED, None, sheet.record.reason)
    assert not parked.shelf.word(sheet.place).in_force  # type: ignore[union-attr]
    kept = again(desk, sheet)
    assert (kept.own is None) == (verdict is Verdict.REDO), "a redo had put the edit aside"
    assert desk.judge(kept, Verdict.APPROVED, base=kept.base, by="anna").state is ItemState.APPROVED


def test_nothing_can_be_taken_back_that_was_not_said(desk: Desk, parked: Parked) -> None:
    with pytest.raises(Conflict, match="no word to take back"):
        desk.reopen(sheet_of(desk, parked), by="anna")


@pytest.mark.parametrize("verdict", [Verdict.REDO, Verdict.REJECTED])
def test_redo_and_reject_need_a_reason(desk: Desk, parked: Parked, verdict: Verdict) -> None:
    with pytest.raises(SeamlineError, match="say why"):
        desk.judge(sheet_of(desk, parked), verdict, base=0, by="anna", why="  ")
    assert parked.ledger.counts(parked.batch)["parked"] == 3


def test_a_redo_may_ask_for_another_finder(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    record = desk.judge(sheet, Verdict.REDO, base=0, by="anna", why="a person wears it", finder="person")
    assert record.state is ItemState.PENDING
    assert record.overrides["subject.finder"] == "person"
    with pytest.raises(SeamlineError, match="cannot be asked for"):
        desk.judge(sheet_of(desk, parked), Verdict.REDO, base=0, by="anna", why="x", finder="file")


def test_a_mask_of_another_size_is_refused(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    with pytest.raises(StoreError, match="save it at the photo's own size"):
        desk.save(sheet, write_levels(LEVELS[:-1]), base=0, by="anna")
    assert again(desk, sheet).revisions == ()


def test_a_photo_that_has_changed_is_not_judged(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    Path(sheet.record.address).write_bytes(b"another photo")
    with pytest.raises(Conflict, match="its photo has changed since this batch saw it"):
        desk.photo(sheet.record)


def test_the_queue_goes_on_and_begins_again(desk: Desk, parked: Parked) -> None:
    first, second, third = parked.ledger.parked(parked.batch)
    following, at, waiting = desk.following(parked.batch, first.sku, first.view)
    assert (following, at, waiting) == (second, 1, 3)
    assert desk.following(parked.batch, third.sku, third.view)[:2] == (first, 3)
    assert desk.following(parked.batch, "gone", "")[:2] == (first, 0)


def test_unknown_things_are_missing(desk: Desk, parked: Parked) -> None:
    sheet = sheet_of(desk, parked)
    for ask in (
        lambda: desk.batch("nothing"),
        lambda: desk.sheet(parked.batch, "nothing", ""),
        lambda: desk.mask(sheet, 7),
        lambda: desk.preview(sheet.record, "result"),
    ):
        with pytest.raises(Missing):
            ask()
    parked.store.remove(sheet.record.keys["subject"])
    with pytest.raises(Missing, match="run the recipe again"):
        desk.mask(sheet)


def test_reasons_say_first_why_it_waits(desk: Desk, parked: Parked) -> None:
    assert list(reasons(sheet_of(desk, parked).record)) == ["mask confidence 0.20 is under park_below 0.6", "drawn"]


@pytest.mark.parametrize(
    "texts", [("plain-1",), ("a/b",), ("../../etc", "x"), ("sku", ""), ("ä\udc80", "b"), ("~",), ("",), ("a.b",)]
)
def test_ids_stand_for_any_text_and_hold_no_path(texts: tuple[str, ...]) -> None:
    segment = to_id(*texts)
    assert not set(segment) & set("/\\.%?# ")
    assert from_id(segment) == texts


@pytest.mark.parametrize("segment", ["", "..", "a.b", "~!", "~YQ==", "~YR", "a/b", "-a"])
def test_only_ids_that_were_made_here_are_read(segment: str) -> None:
    with pytest.raises(ValueError, match="id"):
        from_id(segment)

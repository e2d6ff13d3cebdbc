"""One item by itself: its picture with the found mask and with a painted one; its record stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flows.items import process_chunk
from flows.planning import plan_batch
from flows.rerun import rerun_from
from flows.workplace import open_workplace
from masks.shelf import Note, RevisionKind, place_of, shelf_of
from masks.shelf_formats import write_levels
from pipeline.files.picture import decode_picture
from pipeline.types import ItemState
from tests.flows.conftest import MakeRecipe


def test_an_item_is_tried_with_either_mask_and_nothing_is_decided(make_recipe: MakeRecipe) -> None:
    plan = plan_batch(make_recipe("subject.park_below=1", "shadow.kind=none"))
    assert plan is not None
    process_chunk(plan.address, [("shoe0", "main")])
    work = open_workplace(plan.address)
    record = work.ledger.record(work.id, "shoe0", "main")
    assert record.state is ItemState.PARKED

    rerun = rerun_from(plan.address.runs, plan.address.ledger)
    found = rerun(work.batch, record, None)
    assert found.picture is not None
    asked_otherwise = replace(record, overrides={"subject.finder": "person"})
    assert rerun(work.batch, asked_otherwise, None).picture == found.picture, "as it was found, not as it would be now"

    levels = np.zeros((120, 96), np.uint8)
    levels[24:60, 24:48] = 255  # a quarter of the block
    shelf, place = shelf_of(plan.address.runs), place_of(str(record.source_digest))
    note = Note(kind=RevisionKind.DRAFT, by="anna", sku="shoe0", view="main", address=record.address)
    draft = shelf.save(place, note, base=0, mask=write_levels(levels))
    own = rerun(work.batch, record, replace(draft, note=replace(note, kind=RevisionKind.EDITED)))
    assert own.picture is not None
    one, other = (decode_picture(data, "result").image for data in (found.picture, own.picture))
    assert one.shape[0] > other.shape[0], "the smaller subject is framed and enlarged by itself"

    empty = shelf.save(place, note, base=1, mask=write_levels(np.zeros((120, 96), np.uint8)))
    nothing = rerun(work.batch, record, replace(empty, note=replace(note, kind=RevisionKind.EDITED)))
    assert nothing.picture is None
    assert "empty" in nothing.notes[0]
    assert work.ledger.record(work.id, "shoe0", "main") == record, "its record is as it was"

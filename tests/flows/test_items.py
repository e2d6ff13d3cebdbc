"""The item boundary: whatever one item does, the others go on, and its record says what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import items
from flows.endings import Ending
from flows.items import MAX_DEATHS, process_chunk
from flows.planning import Plan, plan_batch
from flows.stages import walk
from flows.way import ItemWay
from flows.workplace import open_workplace
from pipeline.errors import ItemError, OutOfMemory, WeightsMissing
from pipeline.files.ledger import Record
from pipeline.types import ItemState
from tests.flows.conftest import MakeRecipe

IDS = [("shoe0", "main"), ("shoe1", "main"), ("shoe2", "main")]


@pytest.fixture
def plan(make_recipe: MakeRecipe) -> Plan:
    planned = plan_batch(make_recipe())
    assert planned is not None
    return planned


def records(plan: Plan) -> list[Record]:
    work = open_workplace(plan.address)
    return list(work.ledger.records(work.id))


def fail_first(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def failing(way: ItemWay) -> Ending:
        if way.item.sku == "shoe0":
            raise error
        return walk(way)

    monkeypatch.setattr(items, "walk", failing)


@pytest.mark.parametrize("error", [ItemError("shoe0: torn"), WeightsMissing("get them"), OutOfMemory("buy more")])
def test_our_errors_are_recorded_word_for_word(plan: Plan, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_first(monkeypatch, error)
    outcome = process_chunk(plan.address, IDS)
    assert outcome.states == {"failed": 1, "accepted": 2}
    record = records(plan)[0]
    assert (record.state, record.reason, record.error) == (ItemState.FAILED, str(error), type(error).__name__)


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), MemoryError()])
def test_unforeseen_errors_keep_their_traceback(plan: Plan, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_first(monkeypatch, error)
    assert process_chunk(plan.address, IDS).states == {"failed": 1, "accepted": 2}
    record = records(plan)[0]
    assert record.reason is not None
    assert record.reason.startswith(type(error).__name__)
    trace = Path(record.reason.rsplit(" ", 1)[-1]).read_text()
    assert "in failing" in trace
    assert "shoe0.png" in trace


def test_an_interrupt_is_no_item_s_fault(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_first(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        process_chunk(plan.address, IDS)
    assert {record.state for record in records(plan)} == {ItemState.PENDING}


def test_faults_of_ours_are_tried_again_and_an_item_s_own_are_not(
    plan: Plan, make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_first(patch, OutOfMemory("buy more"))
        process_chunk(plan.address, IDS)
    again = plan_batch(make_recipe())
    assert again is not None
    assert again.todo == 1
    fail_first(monkeypatch, ItemError("torn"))
    process_chunk(plan.address, IDS)
    third = plan_batch(make_recipe())
    assert third is not None
    assert third.todo == 0
    retried = plan_batch(make_recipe(), retry_failed=True)
    assert retried is not None
    assert retried.todo == 1


def test_an_item_that_kills_its_process_is_left_out_in_the_end(plan: Plan) -> None:
    work = open_workplace(plan.address)
    work.ledger.update(work.id, "shoe0", "main", attempts=MAX_DEATHS)
    assert process_chunk(plan.address, IDS).states == {"failed": 1, "accepted": 2}
    assert records(plan)[0].error == "ProcessDied"


def test_what_has_ended_is_left_alone(plan: Plan) -> None:
    assert process_chunk(plan.address, IDS).executed["subject"] == 3
    again = process_chunk(plan.address, IDS)
    assert again.states == {"accepted": 3}
    assert again.executed == {}


def test_a_damaged_result_is_made_again(plan: Plan, make_recipe: MakeRecipe) -> None:
    process_chunk(plan.address, IDS)
    work = open_workplace(plan.address)
    first = records(plan)[0]
    folder = work.store.address + f"/{first.keys['compose'][:2]}/{first.keys['compose']}"
    image = next(Path(folder).glob("*image.png"))
    image.write_bytes(image.read_bytes()[:-1] + b"?")  # the same size
    plan_two = plan_batch(make_recipe("export.quality=70"))
    assert plan_two is not None
    outcome = process_chunk(plan_two.address, IDS)
    assert outcome.states == {"accepted": 3}
    assert outcome.executed["compose"] == 1


def test_an_approved_item_is_finished_whatever_its_confidence(make_recipe: MakeRecipe) -> None:
    plan = plan_batch(make_recipe("subject.park_below=1.0"))
    assert plan is not None
    process_chunk(plan.address, IDS)
    work = open_workplace(plan.address)
    assert work.ledger.counts(work.id)["parked"] == 3
    work.ledger.update(work.id, "shoe0", "main", state=ItemState.APPROVED)
    assert process_chunk(plan.address, IDS[:1]).states == {"accepted": 1}

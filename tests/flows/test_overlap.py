"""Beside the item that is painted, the next one's photo is read and the last one's files are written."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from flows import endings, items, places
from flows.items import MAX_DEATHS, process_chunk
from flows.planning import Plan, plan_batch
from flows.stages import walk
from flows.way import ItemWay
from flows.workplace import open_workplace
from pipeline.errors import OutOfMemory
from pipeline.files.ledger import Record
from pipeline.files.store import DamagedResult
from pipeline.types import ItemState
from tests.flows.conftest import MakeRecipe

IDS = [("shoe0", "main"), ("shoe1", "main"), ("shoe2", "main")]
PLACE = ("background.kind=generated", "background.prompt=marble", "generate.steps=4")
PATIENCE_S = 60


@pytest.fixture
def plan(make_recipe: MakeRecipe) -> Plan:
    planned = plan_batch(make_recipe(*PLACE))
    assert planned is not None
    return planned


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Painting by the shipped model; told which items it was, in order."""
    painted: list[str] = []
    own = places._generate

    def generate(way: ItemWay, *said: Any) -> Any:
        painted.append(way.item.sku)
        return own(way, *said)

    monkeypatch.setattr(places, "_generate", generate)
    return painted


def records(plan: Plan) -> dict[str, Record]:
    work = open_workplace(plan.address)
    return {record.sku: record for record in work.ledger.records(work.id)}


def when_painting(monkeypatch: pytest.MonkeyPatch, sku: str, do: Any) -> None:
    own = places._generate

    def generate(way: ItemWay, *said: Any) -> Any:
        if way.item.sku == sku:
            do(way)
        return own(way, *said)

    monkeypatch.setattr(places, "_generate", generate)


def test_while_an_item_is_painted_the_last_one_ends_and_the_next_one_is_read(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, ended = threading.Event(), threading.Event()
    decode, update = ItemWay.picture.func, items._end  # type: ignore[attr-defined]

    def picture(way: ItemWay) -> Any:
        made = decode(way)
        if way.item.sku == "shoe2":
            read.set()
        return made

    def end(way: ItemWay, changes: dict[str, Any]) -> None:
        update(way, changes)
        if way.item.sku == "shoe0":
            ended.set()

    def both(_: ItemWay) -> None:
        assert ended.wait(PATIENCE_S), "the last item was not written beside"
        assert read.wait(PATIENCE_S), "the next item was not read beside"

    monkeypatch.setattr(ItemWay.picture, "func", picture)
    monkeypatch.setattr(items, "_end", end)
    when_painting(monkeypatch, "shoe1", both)
    outcome = process_chunk(plan.address, IDS)
    assert outcome.states == {"accepted": 3}
    assert {stage: outcome.executed[stage] for stage in ("subject", "place", "export", "preview")} == {
        "subject": 3, "place": 3, "export": 3, "preview": 3,
    }  # fmt: skip


def test_pictures_and_records_are_those_of_one_item_after_the_other(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, tuple[Any, ...]]] = []
    for number, alone in enumerate((False, True)):
        plan = plan_batch(make_recipe(*PLACE, f"batch.runs={tmp_path / f'runs{number}'}"))
        assert plan is not None
        with monkeypatch.context() as patch:
            if alone:
                patch.setattr(items, "uses_generator", lambda _: False)
            process_chunk(plan.address, IDS)
        made = records(plan)
        told.append({sku: (one.keys, one.scores, Path(str(one.output)).read_bytes()) for sku, one in made.items()})
    assert told[0] == told[1]


def test_errors_land_on_the_item_that_they_belong_to(plan: Plan, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "shoe1.png").write_bytes(b"no picture")
    own = endings._export

    def export(way: ItemWay, composed: Any) -> Any:
        if way.item.sku == "shoe0":
            raise ZeroDivisionError("while it was written")
        return own(way, composed)

    monkeypatch.setattr(endings, "_export", export)
    assert process_chunk(plan.address, IDS).states == {"failed": 2, "accepted": 1}
    made = records(plan)
    assert made["shoe0"].error == "ZeroDivisionError"
    assert "while it was written" in str(made["shoe0"].reason)
    assert made["shoe1"].error == "UnreadableImage"
    assert made["shoe2"].state is ItemState.ACCEPTED
    assert {one.attempts for one in made.values()} == {0}


def test_an_item_that_cannot_be_painted_does_not_hold_the_others(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: ItemWay) -> None:
        raise OutOfMemory("buy more")

    when_painting(monkeypatch, "shoe1", fail)
    assert process_chunk(plan.address, IDS).states == {"failed": 1, "accepted": 2}
    assert records(plan)["shoe1"].error == "OutOfMemory"


def test_a_result_that_is_lost_while_it_is_written_is_made_again(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    own, lost = endings._export, []

    def export(way: ItemWay, composed: Any) -> Any:
        if way.item.sku == "shoe0" and not lost:
            lost.append(threading.current_thread().name)
            raise DamagedResult("gone")
        return own(way, composed)

    monkeypatch.setattr(endings, "_export", export)
    outcome = process_chunk(plan.address, IDS)
    assert outcome.states == {"accepted": 3}
    assert lost[0].startswith("beside")
    assert outcome.executed["export"] == 3


def test_what_may_have_killed_a_process_is_done_alone(
    plan: Plan, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = open_workplace(plan.address)
    work.ledger.update(work.id, "shoe1", "main", attempts=MAX_DEATHS - 1)
    seen: list[tuple[str, ItemState]] = []

    def alone(way: ItemWay) -> Any:
        seen.append((way.item.sku, records(plan)["shoe0"].state))
        assert way.item.sku == "shoe1"
        return walk(way)

    monkeypatch.setattr(items, "walk", alone)
    assert process_chunk(plan.address, IDS).states == {"accepted": 3}
    assert seen == [("shoe1", ItemState.ACCEPTED)], "the one before had ended"
    assert small == ["shoe0", "shoe1", "shoe2"]


def test_an_interrupt_waits_for_what_is_written(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: ItemWay) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        when_painting(patch, "shoe1", interrupt)
        with pytest.raises(KeyboardInterrupt):
            process_chunk(plan.address, IDS)
    made = records(plan)
    assert made["shoe0"].state is ItemState.ACCEPTED
    assert made["shoe1"].state is ItemState.PENDING
    again = process_chunk(plan.address, IDS)
    assert again.executed["place"] == 2

import io
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.errors import SeamlineError, StoreError
from pipeline.files.ledger import ALLOWED, BatchStatus, Ledger, Record, Verdict, ledger_url
from pipeline.files.ledger_rows import CHUNK
from pipeline.types import Item, ItemState
from tests.servers import postgres_server

RECIPE = {"recipe_name": "packshot", "recipe_digest": "d1", "recipe_text": "name: packshot", "catalog": "c.csv"}


def items(number: int, start: int = 0, per_shard: int = 10) -> Iterator[tuple[Item, int]]:
    for n in range(start, start + number):
        color = {"color": "größe"}
        item = Item(sku=f"sku{n}", view="front", address=f"{n}.jpg", row=n, attributes=color, overrides={"a.b": [1]})
        yield item, n // per_shard


@pytest.fixture(scope="module")
def postgres():
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request, tmp_path):
    if request.param == "sqlite":
        url = ledger_url(str(tmp_path / "runs"))
    else:
        url = request.getfixturevalue("postgres")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        engine.dispose()
    with Ledger.open(url) as opened:
        yield opened


@pytest.fixture
def batch(ledger):
    begun = ledger.begin_batch(**RECIPE, version="1").id
    ledger.add_items(begun, items(25))
    return begun


def test_an_item_comes_back_as_the_catalog_gave_it(ledger, batch):
    record = ledger.record(batch, "sku3", "front")
    assert record.item == next(items(1, 3))[0]
    assert (record.state, record.shard, record.attempts, record.keys) == (ItemState.PENDING, 0, 0, {})
    assert record.updated.endswith("+00:00")


def test_adding_a_catalog_again_neither_doubles_nor_resets(ledger, batch):
    ledger.update(batch, "sku3", "front", state=ItemState.MASKED)
    assert ledger.add_items(batch, items(CHUNK + 50)) == CHUNK + 25
    assert ledger.add_items(batch, items(CHUNK + 50)) == 0
    assert ledger.record(batch, "sku3", "front").state is ItemState.MASKED
    assert sum(ledger.counts(batch).values()) == CHUNK + 50


def test_items_are_taken_from_the_catalog_as_they_are_written(ledger, batch):
    def checked() -> Iterator[tuple[Item, int]]:
        for number, pair in enumerate(items(3 * CHUNK, start=100)):
            if number == 2 * CHUNK + 1:
                assert sum(ledger.counts(batch).values()) == 25 + 2 * CHUNK
            yield pair

    assert ledger.add_items(batch, checked()) == 3 * CHUNK


def test_records_come_in_the_order_of_the_catalog_page_by_page(ledger, batch):
    ledger.add_items(batch, items(2 * CHUNK + 5))
    rows = [record.row for record in ledger.records(batch)]
    assert rows == list(range(2 * CHUNK + 5))
    assert [record.row for record in ledger.records(batch, shard=2)] == list(range(20, 30))
    ledger.update(batch, "sku21", "front", state=ItemState.PARKED)
    ledger.update(batch, "sku24", "front", state=ItemState.FAILED)
    chosen = ledger.records(batch, states=[ItemState.PARKED, ItemState.FAILED])
    assert [record.row for record in chosen] == [21, 24]
    first = list(ledger.records(batch, limit=7))
    assert [record.row for record in ledger.records(batch, limit=7, after=first[-1])] == list(range(7, 14))
    assert list(ledger.records(batch, states=[])) == []
    assert ledger.shards(batch, states=[ItemState.FAILED]) == [2]


def test_records_may_be_changed_while_they_are_read(ledger, batch):
    for record in ledger.records(batch, states=[ItemState.PENDING]):
        ledger.update(batch, record.sku, record.view, state=ItemState.ACCEPTED)
    assert ledger.counts(batch)["accepted"] == 25


def test_fields_are_changed_and_what_stages_know_is_merged(ledger, batch):
    ledger.update(batch, "sku1", "front", keys={"picture": "a"}, scores={"iou": 1}, timings={"picture": 0.5})
    record = ledger.update(
        batch, "sku1", "front", state="masked", keys={"masks": "b"}, timings={"masks": 2.0}, confidence=0.25, attempts=1
    )
    assert record == ledger.record(batch, "sku1", "front")
    assert record.keys == {"picture": "a", "masks": "b"}
    assert record.timings == {"picture": 0.5, "masks": 2.0}
    assert (record.state, record.confidence, record.attempts, record.scores) == (ItemState.MASKED, 0.25, 1, {"iou": 1})
    assert ledger.update(batch, "sku1", "front", reason=None).reason is None
    assert record.updated < ledger.record(batch, "sku1", "front").updated


def test_a_wrong_change_of_a_chunk_changes_nothing(ledger, batch):
    good = ("sku1", "front", {"state": ItemState.MASKED})
    with pytest.raises(SeamlineError, match="has no such item"):
        ledger.update_many(batch, [good, ("sku99", "front", {})])
    with pytest.raises(SeamlineError, match="no field colour"):
        ledger.update_many(batch, [good, ("sku2", "front", {"colour": 1})])
    assert ledger.record(batch, "sku1", "front").state is ItemState.PENDING
    assert len(ledger.update_many(batch, [good, ("sku2", "front", {"attempts": 1})])) == 2
    assert ledger.record(batch, "sku1", "front").state is ItemState.MASKED
    assert ledger.update_many(batch, []) == []


def path_to(goal: ItemState) -> list[ItemState]:
    paths = {ItemState.PENDING: [ItemState.PENDING]}
    for state in list(ItemState) * 3:
        for after in ALLOWED[state] if state in paths else ():
            paths.setdefault(after, [*paths[state], after])
    return paths[goal]


@pytest.mark.parametrize("old", list(ItemState))
def test_only_allowed_changes_of_state_are_made(ledger, batch, old):
    for new in ItemState:
        ledger.add_items(batch, [(Item(sku=f"to {new}", view="v", address="", row=1), 0)])
        for step in path_to(old):
            ledger.update(batch, f"to {new}", "v", state=step)
        if new == old or new in ALLOWED[old]:
            assert ledger.update(batch, f"to {new}", "v", state=new).state is new
        else:
            with pytest.raises(SeamlineError, match=f"to {new}/v: a {old} item cannot become {new}"):
                ledger.update(batch, f"to {new}", "v", state=new)
            assert ledger.record(batch, f"to {new}", "v").state is old


def test_a_parked_item_needs_a_person_to_be_rendered():
    assert ItemState.RENDERED not in ALLOWED[ItemState.PARKED]
    assert ItemState.ACCEPTED not in ALLOWED[ItemState.PARKED]


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.APPROVED, ItemState.APPROVED),
        (Verdict.EDITED, ItemState.APPROVED),
        (Verdict.REDO, ItemState.PENDING),
        (Verdict.REJECTED, ItemState.REJECTED),
    ],
)
def test_a_verdict_is_recorded_with_its_author(ledger, batch, verdict, state):
    ledger.update(batch, "sku1", "front", state=ItemState.PARKED, reason="unsure")
    ledger.judge(batch, "sku1", "front", verdict, "ann", reason="looked at it")
    record = ledger.record(batch, "sku1", "front")
    assert (record.verdict, record.verdict_by, record.state) == (verdict, "ann", state)
    assert record.verdict_at is not None
    assert record.reason == "looked at it"


def test_the_review_queue_begins_with_the_worst(ledger, batch):
    for number, confidence in enumerate([0.5, 0.1, None, 0.3]):
        ledger.update(batch, f"sku{number}", "front", state=ItemState.PARKED, confidence=confidence)
    ledger.update(batch, "sku9", "front", state=ItemState.MASKED, confidence=0.0)
    assert [record.sku for record in ledger.parked(batch)] == ["sku2", "sku1", "sku3", "sku0"]
    assert [record.sku for record in ledger.parked(batch, limit=2, offset=1)] == ["sku1", "sku3"]


def test_an_unfinished_batch_is_found_again(ledger, batch):
    assert ledger.latest(recipe_digest="d1").id == batch
    assert ledger.latest(recipe_digest="d2") is None
    ledger.update(batch, "sku1", "front", state=ItemState.ACCEPTED)
    ended = ledger.finish_batch(batch)
    assert (ended.status, ended.counts["accepted"], ended.counts["pending"]) == (BatchStatus.FINISHED, 1, 24)
    assert ended.finished is not None
    assert ended.finished > ended.started
    assert ledger.latest(recipe_digest="d1") is None
    assert ledger.latest(recipe_name="packshot", statuses=list(BatchStatus)).id == batch
    assert ledger.finish_batch(batch, BatchStatus.RUNNING).finished is None
    newer = ledger.begin_batch(**RECIPE, version="1")
    assert newer.id != batch
    assert ledger.latest(recipe_digest="d1") == newer
    assert [found.id for found in ledger.batches()] == [newer.id, batch]


def test_what_an_earlier_batch_finished_is_known(ledger, batch):
    ledger.update(batch, "sku1", "front", state=ItemState.ACCEPTED, source_digest="s1", output="out/1.jpg")
    ledger.update(batch, "sku2", "front", state=ItemState.FAILED)
    later = ledger.begin_batch(**RECIPE, version="1").id
    ledger.add_items(later, items(5))
    ledger.update(later, "sku3", "front", state=ItemState.ACCEPTED, source_digest="s3")
    found = ledger.finished_before("d1", "sku1", "front")
    assert (found.source_digest, found.output) == ("s1", "out/1.jpg")
    assert ledger.finished_before("d2", "sku1", "front") is None
    assert ledger.finished_before("d1", "sku2", "front") is None
    ledger.update(later, "sku1", "front", state=ItemState.ACCEPTED, source_digest="s1 new")
    pairs = [(f"sku{n}", "front") for n in range(CHUNK + 5)]
    many = ledger.all_finished_before("d1", pairs)
    assert {sku: record.source_digest for (sku, _), record in many.items()} == {"sku1": "s1 new", "sku3": "s3"}
    assert ledger.all_finished_before("d1", []) == {}


def test_bad_rows_are_kept_once(ledger, batch):
    ledger.add_problems(batch, [(7, "no photo"), (3, "no SKU")])
    ledger.add_problems(batch, [(7, "no photo")])
    assert [(problem.row, problem.message) for problem in ledger.problems(batch)] == [(3, "no SKU"), (7, "no photo")]


def test_an_export_is_the_same_each_time_and_in_order(ledger, batch, tmp_path):
    ledger.update(batch, "sku1", "front", keys={"z": "1", "a": "2"})
    assert ledger.export_jsonl(batch, tmp_path / "out" / "records.jsonl") == 25
    text = (tmp_path / "out" / "records.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["sku"] for line in lines] == [f"sku{n}" for n in range(25)]
    assert Record(**lines[1]) == ledger.record(batch, "sku1", "front")
    assert "größe" in text
    stream = io.StringIO()
    assert ledger.export_jsonl(batch, stream) == 25
    assert stream.getvalue() == text
    assert list(tmp_path.glob("out/*")) == [tmp_path / "out" / "records.jsonl"]


def test_unknown_batches_are_named(ledger):
    for call in (ledger.batch, ledger.finish_batch, lambda batch: ledger.add_items(batch, items(1))):
        with pytest.raises(StoreError, match="no batch 'lost'"):
            call("lost")


def test_an_id_is_given_once(ledger):
    ledger.begin_batch(**RECIPE, version="1", batch_id="mine")
    with pytest.raises(StoreError, match="already a batch mine"):
        ledger.begin_batch(**RECIPE, version="1", batch_id="mine")


def test_a_ledger_travels_to_other_processes_and_opens_twice(ledger, batch):
    with pickle.loads(pickle.dumps(ledger)) as other:
        other.update(batch, "sku1", "front", state=ItemState.MASKED)
    assert ledger.record(batch, "sku1", "front").state is ItemState.MASKED


def test_a_newer_ledger_is_refused(ledger):
    engine = sa.create_engine(ledger.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE seamline_ledger SET version = 99"))
    engine.dispose()
    with pytest.raises(StoreError, match="upgrade Seamline"):
        Ledger.open(ledger.url)


def test_the_queues_are_read_from_indices(tmp_path):
    with Ledger.open(ledger_url(str(tmp_path))) as ledger:
        batch = ledger.begin_batch(**RECIPE, version="1").id
        ledger.add_items(batch, items(50))
        engine, plans = ledger._engine, []

        @sa.event.listens_for(engine, "before_cursor_execute")
        def explain(connection, cursor, statement, parameters, context, executemany):
            if statement.startswith("SELECT records"):
                cursor.execute("EXPLAIN QUERY PLAN " + statement, parameters)
                plans.append(" ".join(row[-1] for row in cursor.fetchall()))

        ledger.parked(batch)
        list(ledger.records(batch, shard=1))
        list(ledger.records(batch))
        ledger.counts(batch)
        ledger.record(batch, "sku1", "front")
    assert len(plans) >= 5
    assert not [plan for plan in plans if "SCAN" in plan]
    assert "records_by_state" in plans[0]
    assert "USE TEMP B-TREE" not in plans[1] + plans[2]


def test_urls_are_checked(tmp_path, monkeypatch):
    assert ledger_url("s3://bucket/runs", "postgresql+psycopg://u@h/d") == "postgresql+psycopg://u@h/d"
    assert ledger_url(str(tmp_path)) == f"sqlite:///{tmp_path}/ledger.sqlite"
    with pytest.raises(StoreError, match=r"set batch\.ledger"):
        ledger_url("s3://bucket/runs")
    with pytest.raises(StoreError, match="must be a file"):
        Ledger.open("sqlite://")
    with pytest.raises(StoreError, match="not mysql"):
        Ledger.open("mysql://h/d")
    with pytest.raises(StoreError, match="cannot be read"):
        Ledger.open("no url")
    (tmp_path / "text.sqlite").write_text("this is no database " * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        Ledger.open(f"sqlite:///{tmp_path}/text.sqlite")
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        Ledger.open("postgresql+psycopg://u:hush@127.0.0.1:9/d")
    assert "hush" not in str(caught.value)


def test_postgresql_without_its_library_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"seamline\[postgres\]"):
        Ledger.open("postgresql://u@127.0.0.1/d")


def test_the_documented_changes_of_state_are_the_allowed_ones():
    rows = (Path(__file__).parents[3] / "docs" / "store.md").read_text().splitlines()
    table = [row.strip("| ").split(" | ") for row in rows if row.startswith("| ")][1:]
    assert {old: set(new.split(", ")) for old, new in table} == {old: set(new) for old, new in ALLOWED.items()}

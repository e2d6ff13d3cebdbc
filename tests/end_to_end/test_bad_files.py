"""A catalog with a hundred bad and odd files: a record for each, and no crash."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from flows.chunks import run_directly
from flows.crew import Crew
from flows.finishing import finish_batch
from flows.planning import plan_batch
from flows.workplace import open_workplace
from pipeline.types import ItemState
from tests.bad_files import write_bad_files
from tests.flows.conftest import MakeRecipe


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_hundred_bad_files_give_a_hundred_records(make_recipe: MakeRecipe, photos: Path, tmp_path: Path) -> None:
    bad = write_bad_files(tmp_path / "bad", 100)
    table = tmp_path / "catalog.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "photo"])
        writer.writerows([one.path.stem, one.path] for one in bad)
        writer.writerows([path.stem, path] for path in sorted(photos.iterdir()))
    plan = plan_batch(make_recipe(f"catalog.address={table}"))
    assert plan is not None
    summary = finish_batch(plan.address, run_directly(plan.address, Crew(0)), 0.0)

    assert summary.tally.total == len(bad) + 3
    assert summary.tally.left == 0
    work = open_workplace(plan.address)
    records = {record.sku: record for record in work.ledger.records(work.id)}
    refused = "\n".join(problem.message for problem in work.ledger.problems(work.id))
    for one in bad:
        record = records.get(one.path.stem)
        if record is None:
            assert one.path.stem in refused, f"{one.path.name} is neither an item nor a bad row"
        elif one.readable:
            assert record.state is not ItemState.FAILED or record.error != "UnreadableImage", record.reason
        else:
            assert record.state is ItemState.FAILED
            assert record.error == "UnreadableImage", f"{one.kind}: {record.error}: {record.reason}"
            assert one.path.name in (record.reason or ""), "the reason names the file"
    assert all(records[f"shoe{number}"].state is ItemState.ACCEPTED for number in range(3))
    assert not list(Path(summary.folder).glob("tracebacks/*")), "every error was foreseen"

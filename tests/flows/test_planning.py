"""Which batch a run works on: taken up, checked, or begun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.chunks import run_directly
from flows.crew import Crew
from flows.finishing import Summary, finish_batch
from flows.planning import plan_batch, sole_run
from flows.workplace import open_workplace
from pipeline.errors import CatalogError, SeamlineError
from pipeline.files.ledger import BatchStatus
from pipeline.files.recipe import Recipe
from pipeline.types import ItemState
from tests.flows.conftest import MakeRecipe, draw_product


def run(recipe: Recipe) -> Summary | None:
    plan = plan_batch(recipe)
    return None if plan is None else finish_batch(plan.address, run_directly(plan.address, Crew(0)), 0.0)


def ran(recipe: Recipe) -> Summary:
    summary = run(recipe)
    assert summary is not None
    return summary


def test_a_second_run_does_nothing_in_the_same_batch(make_recipe: MakeRecipe) -> None:
    first = ran(make_recipe())
    assert first.did.executed == dict.fromkeys(("subject", "compose", "export", "checks", "preview"), 3)
    second = ran(make_recipe())
    assert second.batch == first.batch
    assert second.did.items == 0
    assert "nothing to do" in second.lines[0]


def test_a_changed_photo_is_done_again_in_its_batch(make_recipe: MakeRecipe, photos: Path) -> None:
    first = ran(make_recipe())
    draw_product(photos / "shoe1.png", seed=50)
    second = ran(make_recipe())
    assert second.batch == first.batch
    assert second.did.items == 1
    assert set(second.did.executed.values()) == {1}
    assert second.tally.finished == 3


def test_a_lost_picture_is_written_again_without_any_work(make_recipe: MakeRecipe) -> None:
    first = ran(make_recipe())
    lost = Path(first.folder) / "pictures" / "shoe1.main.jpg"
    data = lost.read_bytes()
    lost.unlink()
    second = ran(make_recipe())
    assert second.did.items == 1
    assert second.did.executed == {}
    assert lost.read_bytes() == data


def test_another_recipe_is_another_batch_that_shares_results(make_recipe: MakeRecipe) -> None:
    first = ran(make_recipe())
    second = ran(make_recipe("shadow.strength=0.1"))
    assert second.batch != first.batch
    assert second.did.executed == dict.fromkeys(("compose", "export", "checks", "preview"), 3)


def test_more_photos_are_another_batch_that_does_the_new_ones(make_recipe: MakeRecipe, photos: Path) -> None:
    ran(make_recipe())
    draw_product(photos / "new.png", seed=9)
    second = ran(make_recipe())
    assert second.tally.finished == 4
    assert second.did.executed["subject"] == 1


def test_parking_lets_what_is_made_alone(make_recipe: MakeRecipe) -> None:
    ran(make_recipe())
    strict = ran(make_recipe("subject.park_below=1.0"))
    assert strict.tally.parked == 3
    assert set(strict.did.executed) == {"preview"}
    again = ran(make_recipe("subject.park_below=0.5"))
    assert again.tally.finished == 3
    assert again.did.executed == {}


def test_only_new_leaves_out_what_was_ended(make_recipe: MakeRecipe, photos: Path) -> None:
    nightly = "batch.only_new=true"
    assert ran(make_recipe(nightly)).tally.finished == 3
    assert run(make_recipe(nightly)) is None
    draw_product(photos / "new.png", seed=9)
    draw_product(photos / "shoe0.png", seed=10)
    third = ran(make_recipe(nightly))
    assert third.tally.total == third.did.items == 2
    assert run(make_recipe(nightly)) is None


def test_only_new_does_not_repeat_what_is_parked_or_broken(make_recipe: MakeRecipe, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    strict = ("batch.only_new=true", "subject.park_below=1.0")
    first = ran(make_recipe(*strict))
    assert (first.tally.parked, first.tally.failed) == (3, 1)
    assert run(make_recipe(*strict)) is None


def test_an_interrupted_batch_is_taken_up(make_recipe: MakeRecipe) -> None:
    plan = plan_batch(make_recipe())
    assert plan is not None
    assert plan.todo == 3
    work = open_workplace(plan.address)
    Crew(0).run(plan.address, [("shoe0", "main")])
    again = plan_batch(make_recipe())
    assert again is not None
    assert again.address == plan.address
    assert again.todo == 2
    assert again.found.startswith("goes on")
    assert work.ledger.counts(work.id)[ItemState.ACCEPTED] == 1


def test_an_interrupted_batch_over_another_list_is_given_up(make_recipe: MakeRecipe, photos: Path) -> None:
    plan = plan_batch(make_recipe())
    assert plan is not None
    (photos / "shoe2.png").unlink()
    other = plan_batch(make_recipe())
    assert other is not None
    assert other.address.batch != plan.address.batch
    work = open_workplace(other.address)
    assert work.ledger.batch(plan.address.batch).status is BatchStatus.ABANDONED


def test_bad_rows_count_as_failed(make_recipe: MakeRecipe, photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "catalog.csv"
    table.write_text("sku,photo\na,shoe0.png\nb,missing.png\na,shoe1.png\n")
    summary = ran(make_recipe(f"catalog.address={table}", f"catalog.photo_root={photos}"))
    assert summary.tally.line == "in 3 = finished 1 + parked 0 + failed 2"
    assert (Path(summary.folder) / "bad-rows.jsonl").read_text().count("\n") == 2


def test_the_newest_batch_is_pointed_at(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    summary = ran(make_recipe())
    latest = tmp_path / "runs" / "tiny" / "latest"
    assert latest.resolve() == Path(summary.folder).resolve()
    names = {path.name for path in latest.iterdir()}
    assert {"pictures", "recipe.yaml", "records.jsonl", "contact-sheet.html", "summary.json"} <= names


def test_an_empty_folder_is_a_catalog_error(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError):
        plan_batch(make_recipe(f"catalog.address={tmp_path / 'empty'}"))


def test_a_recipe_runs_once_at_a_time(make_recipe: MakeRecipe, recipe_file: Path) -> None:
    code = (
        "import sys; from flows.planning import sole_run; from pipeline.files.recipe import load_recipe\n"
        "with sole_run(load_recipe(sys.argv[1])): print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(recipe_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SeamlineError, match="running already"), sole_run(make_recipe()):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with sole_run(make_recipe()):
        pass

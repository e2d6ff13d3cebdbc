"""Another threshold over a finished batch, or one row's own: masks from stored scores, no detector run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image as PilImage

from flows.items import process_chunk
from flows.planning import plan_batch
from flows.workplace import open_workplace
from masks import evidence
from pipeline.embedded.render import render
from pipeline.files.clean import clean
from pipeline.types import ItemState
from tests.flows.conftest import MakeRecipe

DETECTING = ("subject.finder=grounding_dino", "subject.phrases=[person]", "subject.box_threshold=0.05")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each network ran."""
    counted: Counter[str] = Counter()
    for name in ("detect", "embed"):

        def counting(*args: object, of: object = getattr(evidence, name), name: str = name) -> object:
            counted[name] += 1
            return of(*args)  # type: ignore[operator]

        monkeypatch.setattr(evidence, name, counting)
    return counted


@pytest.fixture
def people(photos: Path) -> Path:
    """Two rendered people in place of the drawn products."""
    for photo in photos.iterdir():
        photo.unlink()
    for seed in (0, 3):
        PilImage.fromarray(render(seed, size=(256, 192)).image).save(photos / f"look{seed}.png")
    return photos


def run_batch(make_recipe: MakeRecipe, *overrides: str) -> tuple[Counter[str], list[ItemState]]:
    plan = plan_batch(make_recipe(*DETECTING, *overrides))
    assert plan is not None
    work = open_workplace(plan.address)
    ids = [(record.sku, record.view) for record in work.ledger.records(work.id)]
    outcome = process_chunk(plan.address, ids)
    return Counter(outcome.executed), [record.state for record in work.ledger.records(work.id)]


@pytest.mark.usefixtures("people")
def test_a_finished_batch_is_tuned_without_a_detector_run(make_recipe: MakeRecipe, runs: Counter[str]) -> None:
    executed, _ = run_batch(make_recipe, "subject.park_below=0")
    assert runs == {"detect": 2, "embed": 2}
    assert (executed["scores"], executed["embedding"], executed["subject"]) == (2, 2, 2)
    executed, _ = run_batch(make_recipe, "subject.park_below=0", "subject.box_threshold=0.1")
    assert runs == {"detect": 2, "embed": 2}, "the second batch took its masks from the store"
    assert (executed["scores"], executed["embedding"], executed["subject"]) == (0, 0, 2)


def test_a_rows_own_threshold_runs_no_detector(make_recipe: MakeRecipe, people: Path, runs: Counter[str]) -> None:
    table = people.parent / "catalog.csv"
    rows = [f"{photo.stem},{photo},{{}}" for photo in sorted(people.iterdir())]
    table.write_text("sku,photo,subject.box_threshold\n" + "\n".join(rows).format(0.05, 0.05))
    run_batch(make_recipe, f"catalog.address={table}")
    table.write_text("sku,photo,subject.box_threshold\n" + "\n".join(rows).format(0.05, 0.2))
    executed, _ = run_batch(make_recipe, f"catalog.address={table}")
    assert executed["subject"] == 1, "only the row with another threshold"
    assert runs["detect"] == 2


@pytest.mark.usefixtures("people")
def test_what_a_parked_item_was_found_with_stays_for_the_touch_up_page(make_recipe: MakeRecipe) -> None:
    _, states = run_batch(make_recipe, "subject.park_below=1")
    assert set(states) == {ItemState.PARKED}
    plan = plan_batch(make_recipe(*DETECTING, "subject.park_below=1"))
    assert plan is not None
    work = open_workplace(plan.address)
    clean(work.store, work.ledger, max_bytes=0)
    for record in work.ledger.records(work.id):
        kept = [key for name, key in record.keys.items() if name.startswith("evidence")]
        assert len(kept) == 2, "one phrase and the embedding"
        assert all(work.store.has(key) for key in kept)


@pytest.mark.parametrize(("finder", "hangs"), [("grounding_dino", True), ("person", False)])
def test_a_garment_taken_off_its_wearer_hangs_without_being_told(
    make_recipe: MakeRecipe, people: Path, finder: str, hangs: bool
) -> None:
    (people / "look3.png").unlink()
    pictures = set()
    for told in ("true", "false"):
        recipe = make_recipe(
            f"subject.finder={finder}", "subject.phrases=[dress]", "subject.box_threshold=0.05", "subject.park_below=0",
            "background.kind=studio", f"shadow.hangs={told}",
        )  # fmt: skip
        plan = plan_batch(recipe)
        assert plan is not None
        process_chunk(plan.address, [("look0", "main")])
        work = open_workplace(plan.address)
        record = work.ledger.record(work.id, "look0", "main")
        composed = work.store.get(record.keys["compose"])
        assert composed is not None
        pictures.add(composed.digest("image.png"))
    assert (len(pictures) == 1) is hangs

"""Places of several items in one call of the model: the pictures and records that each would have alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from flows.items import process_chunk
from flows.planning import Plan, plan_batch
from flows.way import ItemWay
from flows.workplace import open_workplace
from pipeline.embedded.render import worn_pair
from pipeline.errors import CheckFailed
from pipeline.files.codec import decode_image
from pipeline.files.ledger import Record
from pipeline.files.recipe import load_recipe
from pipeline.models import generators
from pipeline.models.devices import loaded_models
from pipeline.types import ItemState
from tests.flows.conftest import MakeRecipe

IDS = [("shoe0", "main"), ("shoe1", "main"), ("shoe2", "main")]
PLACE = ("background.kind=generated", "background.prompt=marble", "generate.steps=4")
TOLERANCE = 2
"""Levels of 255 by which a picture may differ from the one that is made alone."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures were made in each call of the model."""
    counted: list[int] = []
    own = generators._generate_once

    def once(generator: Any, requests: Sequence[Any]) -> list[Any]:
        counted.append(len(requests))
        return own(generator, requests)

    monkeypatch.setattr(generators, "_generate_once", once)
    loaded_models().clear()
    return counted


def planned(recipe: Any) -> Plan:
    plan = plan_batch(recipe)
    assert plan is not None
    return plan


def ended(plan: Plan) -> dict[str, tuple[Record, Any]]:
    """Records and plates by SKU."""
    work = open_workplace(plan.address)
    found = {}
    for record in work.ledger.records(work.id):
        place = work.store.get(ItemWay(work, record).keys.place) if "place" in record.keys else None
        found[record.sku] = (record, None if place is None else decode_image(place.read("plate.png")).astype(int))
    return found


@pytest.mark.slow
def test_items_are_painted_in_one_call_as_they_would_be_alone(
    make_recipe: MakeRecipe, tmp_path: Path, calls: list[int]
) -> None:
    told = []
    for most in (1, 3):
        plan = planned(make_recipe(*PLACE, f"generate.batch={most}", f"batch.runs={tmp_path / str(most)}"))
        outcome = process_chunk(plan.address, IDS)
        assert outcome.states == {"accepted": 3}
        assert {stage: outcome.executed[stage] for stage in ("subject", "place", "compose")} == {
            "subject": 3, "place": 3, "compose": 3,
        }  # fmt: skip
        told.append(ended(plan))
    assert calls == [1, 1, 1, 3]
    alone, together = told
    plates = [together[sku][1] for sku, _ in IDS]
    assert np.abs(plates[0] - plates[1]).max() > 20, "each has its own"
    for sku, (record, plate) in alone.items():
        assert together[sku][0].keys == record.keys, "how many go in a call decides no key"
        assert np.abs(together[sku][1] - plate).max() <= TOLERANCE
        assert set(together[sku][0].timings) == set(record.timings)


def test_another_batch_paints_nothing_anew(make_recipe: MakeRecipe, calls: list[int]) -> None:
    process_chunk(planned(make_recipe(*PLACE)).address, IDS)
    assert planned(make_recipe(*PLACE, "generate.batch=3")).todo == 0
    assert calls == [1, 1, 1]


def test_the_last_group_is_smaller_and_what_cannot_be_painted_is_no_neighbours_fault(
    make_recipe: MakeRecipe, photos: Path, calls: list[int]
) -> None:
    (photos / "shoe1.png").write_bytes(b"no picture")
    plan = planned(make_recipe(*PLACE, "generate.batch=2"))
    assert process_chunk(plan.address, IDS).states == {"failed": 1, "accepted": 2}
    made = ended(plan)
    assert made["shoe1"][0].error == "UnreadableImage"
    assert {one.attempts for one, _ in made.values()} == {0}
    assert calls == [1, 1]


def test_a_call_that_fails_tells_by_items_which_of_them_it_was(
    make_recipe: MakeRecipe, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(make_recipe(*PLACE, "generate.batch=3"))
    work = open_workplace(plan.address)
    bad = ItemWay(work, work.ledger.record(work.id, "shoe1", "main")).seed
    own = generators._generate_once

    def once(generator: Any, requests: Sequence[Any]) -> list[Any]:
        made = own(generator, requests)
        if any(one.seed == bad for one in requests):
            raise CheckFailed("it is black")
        return made

    monkeypatch.setattr(generators, "_generate_once", once)
    assert process_chunk(plan.address, IDS).states == {"failed": 1, "accepted": 2}
    assert calls == [3, 1, 1, 1]
    assert ended(plan)["shoe1"][0].reason == "it is black"


def test_what_may_have_killed_a_process_is_in_no_group(make_recipe: MakeRecipe, calls: list[int]) -> None:
    plan = planned(make_recipe(*PLACE, "generate.batch=3"))
    work = open_workplace(plan.address)
    work.ledger.update(work.id, "shoe1", "main", attempts=1)
    outcome = process_chunk(plan.address, IDS)
    assert outcome.states == {"accepted": 3}
    assert outcome.executed["subject"] == 3
    assert calls == [2, 1]
    assert ended(plan)["shoe1"][0].state is ItemState.ACCEPTED


@pytest.mark.slow
def test_candidates_of_several_garments_go_together_too(tmp_path: Path, calls: list[int]) -> None:
    for seed in (201, 203):
        scene, _ = worn_pair(seed, size=(320, 240))
        mask = np.logical_or.reduce([scene.masks[garment.kind] for garment in scene.spec.garments])
        for folder, array in (("photos", scene.image), ("masks", mask.astype(np.uint8) * 255)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Pillow.fromarray(array).save(tmp_path / folder / f"shirt{seed}.png")
    file = tmp_path / "worn.yaml"
    file.write_text(
        f"name: worn\nkind: garment\ncatalog: {{address: {tmp_path / 'photos'}}}\n"
        f"subject: {{finder: file, masks: {tmp_path / 'masks'}, phrases: [shirt]}}\n"
        "garment: {candidates: 2, rounds: 1}\nbackground: {prompt: white studio background}\n"
        "generate: {checkpoint: studio-renderer}\nupscale: {model: lanczos}\nexport: {marketplace: plain}\n"
    )
    ids, told = [("shirt201", "main"), ("shirt203", "main")], []
    for most in (1, 4):
        plan = planned(load_recipe(str(file), [f"generate.batch={most}", f"batch.runs={tmp_path / str(most)}"]))
        process_chunk(plan.address, ids)
        told.append(
            {sku: (one.state, one.keys, one.scores["core_difference"]) for sku, (one, _) in ended(plan).items()}
        )
    assert calls == [2, 2, 4]
    assert told[0] == told[1]

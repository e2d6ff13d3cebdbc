"""Which field of a recipe redoes which stage: the promise that nothing else is touched."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from flows.keys import StageKeys
from flows.planning import plan_batch
from flows.way import ItemWay, item_seed
from flows.workplace import open_workplace
from pipeline.errors import NothingFound
from tests.flows.conftest import MakeRecipe, draw_product

ALL = {"subject", "compose", "export", "checks"}


def keys_of(make_recipe: MakeRecipe, *overrides: str) -> StageKeys:
    plan = plan_batch(make_recipe(*overrides))
    assert plan is not None
    work = open_workplace(plan.address)
    return ItemWay(work, next(work.ledger.records(work.id))).keys


def changed(before: StageKeys, after: StageKeys) -> set[str]:
    one, two = asdict(before), asdict(after)
    return {stage for stage in one if one[stage] != two[stage]}


@pytest.mark.parametrize(
    ("override", "redone"),
    [
        ("subject.park_below=0.9", set()),
        ("batch.chunk_size=1", set()),
        ("batch.max_failed=0.5", set()),
        ("catalog.limit=1", set()),
        ("export.quality=80", {"export", "checks"}),
        ("export.format=png", {"export", "checks"}),
        ("shadow.strength=0.2", {"compose", "export", "checks"}),
        ("background.color=#eeeeee", {"compose", "export", "checks"}),
        ("upscale.max_growth=2", {"compose", "export", "checks"}),
        ("export.longest_px=300", {"compose", "export", "checks"}),
        ("batch.seed=7", {"compose", "export", "checks"}),
        ("subject.finder=auto", ALL),
        ("subject.phrases=[shoe]", ALL),
    ],
)
def test_a_field_redoes_only_what_depends_on_it(make_recipe: MakeRecipe, override: str, redone: set[str]) -> None:
    assert changed(keys_of(make_recipe), keys_of(make_recipe, override)) == redone


def test_another_photo_redoes_everything(make_recipe: MakeRecipe, photos: Path) -> None:
    before = keys_of(make_recipe)
    draw_product(photos / "shoe0.png", seed=99)
    assert changed(before, keys_of(make_recipe)) == ALL


def test_a_backdrop_picture_counts_by_its_content(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    picture = tmp_path / "wall.png"
    draw_product(picture, 1)
    recipe = ("background.kind=picture", f"background.picture={picture}")
    before = keys_of(make_recipe, *recipe)
    draw_product(picture, 2)
    assert changed(before, keys_of(make_recipe, *recipe)) == {"compose", "export", "checks"}


def test_a_mask_file_that_is_not_there_is_told_by_name(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = ("subject.finder=file", f"subject.masks={tmp_path}")
    with pytest.raises(NothingFound, match=r"shoe0\.main\.png nor shoe0\.png"):
        keys_of(make_recipe, *recipe)


def test_seeds_depend_on_the_item_alone() -> None:
    assert item_seed(0, "a", "1") == item_seed(0, "a", "1")
    seeds = {
        item_seed(seed, sku, view, attempt) for seed in (0, 1) for sku in "ab" for view in "12" for attempt in (0, 1)
    }
    assert len(seeds) == 16
    assert item_seed(0, "a1", "") != item_seed(0, "a", "1")
    assert all(0 <= seed < 2**63 for seed in seeds)

"""Approved masks of a catalog become ranges in the recipe, and these reach the choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.siblings import approved_shapes, learned
from flows.tune_cmd import tune
from flows.workplace import locate_runs, open_files
from masks.evidence import Evidence
from masks.shelf import shelf_of
from pipeline.errors import RecipeError
from pipeline.files.ledger import Verdict
from tests.flows.conftest import MakeRecipe
from tests.flows.test_review import DOUBT, desk_of, judge, records, run

MUGS = "subject.phrases=[mug]"


def test_three_approved_masks_become_ranges_of_the_recipe(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(DOUBT, MUGS)
    batch = run(recipe).batch
    desk = desk_of(recipe)
    runs, url = locate_runs(recipe)
    ledger, _ = open_files(runs, url)
    shelf = shelf_of(runs)
    for count, record in enumerate(records(desk, batch).values()):
        assert len(approved_shapes(ledger, shelf, recipe.name).get("mug", [])) == count
        assert not learned(approved_shapes(ledger, shelf, recipe.name))
        judge(desk, batch, record, Verdict.APPROVED)
    shapes = approved_shapes(ledger, shelf, recipe.name)
    (habit,) = learned(shapes)
    assert (habit.word, habit.count) == ("mug", 3)
    assert habit.area[0] < min(shape.area for shape in shapes["mug"]) < habit.area[1]
    assert approved_shapes(ledger, shelf, "another recipe") == {}


def test_a_rejected_photo_teaches_nothing(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(DOUBT, MUGS)
    batch = run(recipe).batch
    desk = desk_of(recipe)
    for record in records(desk, batch).values():
        judge(desk, batch, record, Verdict.REJECTED, "wrong product")
    runs, url = locate_runs(recipe)
    assert approved_shapes(open_files(runs, url)[0], shelf_of(runs), recipe.name) == {}


def test_the_sheet_gives_the_patch_and_the_recipe_takes_it(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(DOUBT, MUGS)
    batch = run(recipe).batch
    desk = desk_of(recipe)
    for record in records(desk, batch).values():
        judge(desk, batch, record, Verdict.APPROVED)
    page = Path(tune(recipe, "tiny.yaml", say=lambda _: None)).read_text()
    patch = yaml.safe_load(page.partition('<pre id="patch">')[2].partition("</pre>")[0])["subject"]
    assert set(patch["usual_area"]) == {"mug"}
    ranges = [f"subject.{name}={{mug: {patch[name]['mug']}}}" for name in ("usual_area", "usual_aspect")]
    patched = make_recipe(MUGS, *ranges, "subject.finder=grounding_dino")
    asked: list[dict[str, Any]] = []
    tuned = Evidence.tuned
    monkeypatch.setattr(Evidence, "tuned", lambda *given, **options: asked.append(options) or tuned(*given, **options))
    run(patched)
    low, high = patch["usual_area"]["mug"]
    assert asked[0]["priors"]["mug"].area.deviation((low * high) ** 0.5) < 0.1


def test_a_range_rises(make_recipe: MakeRecipe) -> None:
    with pytest.raises(RecipeError, match="the smaller one"):
        make_recipe("subject.usual_area={mug: [0.4, 0.1]}")

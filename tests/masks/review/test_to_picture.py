"""From a parked item over the page in a browser to its finished picture."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from flows.review_cmd import start_page
from flows.running import run_recipe
from flows.workplace import locate_runs, open_files
from masks.shelf import shelf_of
from masks.shelf_formats import read_levels
from pipeline.files.codec import unpack_subject
from pipeline.files.picture import read_picture
from tests.flows.conftest import MakeRecipe, make_recipe, own_crew, photos, recipe_file
from tests.masks.review.brushes import draw
from tests.masks.review.parked import Parked, served

__all__ = ["make_recipe", "own_crew", "photos", "recipe_file"]


def test_a_parked_item_is_painted_approved_and_finished(page: Any, make_recipe: MakeRecipe) -> None:
    recipe = make_recipe("subject.park_below=1", "catalog.limit=1")

    def run() -> str:
        summary = run_recipe(recipe, "tiny", [], watch=lambda plan: nullcontext(), say=lambda line: None, prefect=False)
        assert summary is not None
        return summary.batch

    batch = run()
    runs, url = locate_runs(recipe)
    ledger, store = open_files(runs, url)
    parked = Parked(runs=Path(runs), batch=batch, ledger=ledger, store=store, shelf=shelf_of(runs))
    (before,) = ledger.parked(batch)
    with served(parked, reviewer="anna") as place:
        page.goto(place + start_page(ledger, recipe.name))
        page.keyboard.press("Enter")
        page.wait_for_selector("#stage[data-state=ready]")
        page.keyboard.press("1")
        draw(page, [(470, 330), (480, 350), (500, 360)])
        page.keyboard.press("a")
        page.wait_for_selector("text=run the recipe again to finish it")
        page.wait_for_load_state("networkidle")
        page.goto("about:blank")  # nothing of the page shall ask a server that is about to end
    assert run() == batch

    after = ledger.record(batch, before.sku, before.view)
    assert (after.state, after.verdict, after.verdict_by) == ("accepted", "edited", "anna")
    picture = read_picture(str(after.output))
    assert max(picture.image.shape) == 256
    assert (picture.image[0, 0] == 255).all(), "on the recipe's white"
    used = store.get(after.keys["subject"])
    (*_, edited) = shelf_of(runs).revisions(shelf_of(runs).places(before.sku, before.view)[0])
    assert used is not None
    painted = read_levels(shelf_of(runs).read(edited))
    np.testing.assert_array_equal(np.rint(unpack_subject(used).alpha * 255), painted)
    found = store.get(before.keys["subject"])
    assert found is not None
    assert (painted != read_levels(found.read("alpha.png"))).sum() > 500, "what was painted counts"

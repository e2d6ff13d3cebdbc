"""A finished picture is made again from its record alone; two batches are held side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage
from typer.testing import CliRunner

from flows.cli import app
from flows.items import process_chunk
from flows.planning import plan_batch
from flows.replay import difference, find_batch, replay
from flows.workplace import BatchAddress, open_workplace
from pipeline.errors import ItemError, RecipeError
from pipeline.files.codec import encode_image
from pipeline.files.compare import compare, compare_page
from pipeline.files.recipe import Recipe
from tests.flows.conftest import MakeRecipe, draw_product


def finished(recipe: Recipe) -> BatchAddress:
    plan = plan_batch(recipe)
    assert plan is not None
    work = open_workplace(plan.address)
    ids = [(one.sku, one.view) for one in work.ledger.records(work.id)]
    process_chunk(plan.address, ids)
    return plan.address


def test_a_picture_is_made_again_to_the_byte(make_recipe: MakeRecipe) -> None:
    made = replay(finished(make_recipe()), "shoe0")
    assert (made.largest, made.differing, made.same_bytes, made.changes) == (0, 0.0, True, ())


def test_a_picture_that_is_not_the_recipes_own_is_told(make_recipe: MakeRecipe) -> None:
    address = finished(make_recipe("export.format=png"))
    work = open_workplace(address)
    record = work.ledger.record(work.id, "shoe1", "main")
    assert record.output is not None
    with PilImage.open(record.output) as opened:
        pixels = np.asarray(opened.convert("RGB")).copy()
    pixels[5, 7] ^= 3
    PilImage.fromarray(pixels).save(record.output)
    made = replay(address, "shoe1")
    assert made.largest == 3
    assert made.differing == pytest.approx(1 / pixels[..., 0].size)
    assert not made.same_bytes


def test_another_photo_or_an_unknown_item_is_refused(make_recipe: MakeRecipe, photos: Path) -> None:
    address = finished(make_recipe())
    with pytest.raises(RecipeError, match="no SKU 'boot'"):
        replay(address, "boot")
    draw_product(photos / "shoe0.png", 77)
    with pytest.raises(ItemError, match="another photo"):
        replay(address, "shoe0")


def test_pictures_of_two_sizes_cannot_be_held_together() -> None:
    small, large = (encode_image(np.zeros((side, 64, 3), np.uint8)) for side in (64, 65))
    with pytest.raises(ItemError, match="64x65 px"):
        difference(small, large)


def test_two_batches_are_compared_item_by_item(make_recipe: MakeRecipe, photos: Path, tmp_path: Path) -> None:
    first = finished(make_recipe())
    (photos / "shoe2.png").write_bytes(b"broken")
    draw_product(photos / "shoe3.png", 9)
    second = finished(make_recipe("shadow.strength=0.1"))
    work = open_workplace(second)
    verdicts = {pair.sku: pair.verdict for pair in compare(work.ledger, first.batch, second.batch)}
    assert verdicts == {"shoe0": "changed", "shoe1": "changed", "shoe2": "worse", "shoe3": "only in B"}
    page, counts = compare_page(work.ledger, work.store, first.batch, second.batch)
    assert counts == {"changed": 2, "worse": 1, "only in B": 1}
    assert page.index("Worse") < page.index("Changed"), "what needs a look comes first"
    assert page.count("data:image/") >= 5
    assert "the pictures differ by ΔE" in page
    backwards = {pair.verdict for pair in compare(work.ledger, second.batch, first.batch)}
    assert backwards == {"changed", "better", "only in A"}


def test_the_commands(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    address = finished(make_recipe())
    where = ["--runs", address.runs]
    done = CliRunner().invoke(app, ["replay", "tiny", "shoe0", "-o", str(tmp_path / "again.jpg"), *where])
    assert "largest difference 0 of 255" in done.output, done.output
    assert (tmp_path / "again.jpg").stat().st_size > 0
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["compare", "tiny", address.batch, "-o", str(page), *where])
    assert done.output.splitlines()[0] == "3 same"
    work = open_workplace(address)
    with pytest.raises(RecipeError, match="no batch 'nope'"):
        find_batch(work.ledger, "nope")

"""`seamline tune` over a rendered catalog with true masks: seconds, no second detector run, a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.bench_retune import rendered_catalog
from flows.cli import app
from flows.tune_cmd import spread, tune
from pipeline.errors import RecipeError
from pipeline.types import Item
from tests.flows.conftest import MakeRecipe


@pytest.fixture
def looks(tmp_path: Path) -> str:
    """Two rendered people with garments, and their true masks."""
    return rendered_catalog(tmp_path / "looks", 2, size=(256, 192))


def test_a_second_sheet_comes_from_stored_scores(make_recipe: MakeRecipe, looks: str, tmp_path: Path) -> None:
    recipe = make_recipe(f"catalog.address={looks}", "subject.finder=grounding_dino", "subject.box_threshold=0.3")
    said: list[str] = []
    for _ in range(2):
        address = tune(recipe, "looks.yaml", truth=str(tmp_path / "looks" / "truth"), say=said.append)
    assert said[0].endswith("2 detector runs")
    assert said[1].endswith(" 0 detector runs")
    page = Path(address).read_text()
    assert "all from stored scores" in page
    assert "Its mean IoU is" in page
    assert "box_threshold:" in page


def test_the_command_writes_where_it_is_told(recipe_file: Path, looks: str, tmp_path: Path) -> None:
    target = tmp_path / "out" / "sheet.html"
    asked = ["tune", str(recipe_file), "--set", f"catalog.address={looks}", "--sample", "1", "-o", str(target)]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == str(target)
    assert "1 of 2 photos" in target.read_text()


def test_a_recipe_without_phrases_is_told_what_to_write(make_recipe: MakeRecipe) -> None:
    with pytest.raises(RecipeError, match=r"subject\.phrases"):
        tune(make_recipe(), "tiny.yaml", say=lambda _: None)


def test_a_sample_is_spread_over_the_catalog() -> None:
    items = [Item(sku=str(number), view="", address="", row=number) for number in range(10)]
    assert [item.sku for item in spread(items, 4)] == ["0", "2", "5", "7"]
    assert spread(items, None) == items

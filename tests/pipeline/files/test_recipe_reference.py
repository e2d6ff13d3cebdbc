from pathlib import Path

from pipeline.files.recipe_reference import put_reference, schema_text

ROOT = Path(__file__).parents[3]
REWRITE = "run: python -m pipeline.files.recipe_reference"


def test_the_committed_schema_is_that_of_the_models() -> None:
    assert (ROOT / "configs" / "recipe.schema.json").read_text(encoding="utf-8") == schema_text(), REWRITE


def test_the_documented_fields_are_those_of_the_models() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert page == put_reference(page), REWRITE
    assert '| `box_threshold` | auto, or a number from 0.01 to 0.99 | `"auto"` |' in page

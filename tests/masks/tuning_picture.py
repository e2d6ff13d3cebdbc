"""The tuning sheet of garment.yaml's sample for docs/images: `python -m tests.masks.tuning_picture`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flows.tune_cmd import tune
from pipeline.files.recipe import load_recipe
from tests.masks.review.browser import browser

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "tuning-sheet.jpg"
SIZE = {"width": 1440, "height": 1200}


def main() -> None:
    """Write the sheet in a folder of its own, and what a browser shows of it at first."""
    with tempfile.TemporaryDirectory() as folder, browser() as running:
        recipe = load_recipe("garment.yaml", [f"batch.runs={folder}"])
        sheet = tune(recipe, "garment.yaml")
        page = running.new_page(viewport=SIZE)
        page.goto(Path(sheet).resolve().as_uri())
        page.screenshot(path=str(PICTURE), type="jpeg", quality=85)
    print(PICTURE.name)


if __name__ == "__main__":
    main()

"""A tiny catalog of drawn products, a recipe over it, and a crew that is this very process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from flows import crew as crew_module
from flows.workplace import open_files
from pipeline.files.recipe import Recipe, load_recipe

MakeRecipe = Callable[..., Recipe]


def draw_product(path: Path, seed: int, size: tuple[int, int] = (120, 96)) -> None:
    """A block with a darker foot on studio grey, (H, W) = ``size``, with a little noise."""
    rng = np.random.default_rng(seed)
    height, width = size
    image = np.full((height, width, 3), 236, np.int16)
    image[height // 5 : -height // 6, width // 4 : -width // 4] = rng.integers(20, 190, 3)
    image[height // 2 : -height // 6, width // 3 : -width // 3] //= 2
    image += rng.integers(-2, 3, image.shape).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    PilImage.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with three drawn products."""
    for number in range(3):
        draw_product(tmp_path / "photos" / f"shoe{number}.png", number)
    return tmp_path / "photos"


@pytest.fixture
def recipe_file(tmp_path: Path, photos: Path) -> Path:
    """A recipe over `photos` for small pictures without any learned model."""
    file = tmp_path / "tiny.yaml"
    file.write_text(
        f"name: tiny\ncatalog: {{address: {photos}}}\nsubject: {{finder: backdrop}}\nupscale: {{model: lanczos}}\n"
        f"export: {{marketplace: plain, longest_px: 256}}\nbatch: {{runs: {tmp_path / 'runs'}}}\n"
    )
    return file


@pytest.fixture
def make_recipe(recipe_file: Path) -> MakeRecipe:
    """The recipe with overrides put in: ``make_recipe("shadow.strength=0.2")``."""
    return lambda *overrides: load_recipe(str(recipe_file), overrides)


@pytest.fixture(autouse=True)
def own_crew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No processes of their own, no server of the user's, and nothing kept open between tests."""
    monkeypatch.setenv("SEAMLINE_WORKERS", "0")
    crew_module.crew.cache_clear()
    yield
    crew_module.crew.cache_clear()
    open_files.cache_clear()

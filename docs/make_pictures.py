"""Make the README's pictures: run both sample recipes and set sources and results side by side.

.venv/bin/python docs/make_pictures.py
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np

from flows.running import run_recipe
from flows.workplace import open_files
from pipeline.files.encode import encode_picture
from pipeline.files.ledger import ledger_url
from pipeline.files.picture import read_picture
from pipeline.files.preview import shrink
from pipeline.files.recipe import load_recipe
from pipeline.files.sample import GARMENT
from pipeline.types import Image

IMAGES = Path(__file__).parent / "images"
SHOWN = ("portrait-hopper", "sneaker-mint", "bag-cobalt", "armchair-navy", "bottle-wave", "lamp-walnut")
TILE_PX = 300
GAP_PX = 12


def tile(image: Image) -> Image:
    """A picture in the middle of a square of its own corner's colour."""
    small = shrink(image, TILE_PX)
    square = np.empty((TILE_PX, TILE_PX, 3), np.uint8)
    square[:] = small[0, 0]
    top, left = (TILE_PX - small.shape[0]) // 2, (TILE_PX - small.shape[1]) // 2
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


def sheet(rows: list[list[Image]]) -> Image:
    """Rows of pictures with gaps between them."""
    height = len(rows) * (TILE_PX + GAP_PX) - GAP_PX
    width = len(rows[0]) * (TILE_PX + GAP_PX) - GAP_PX
    page = np.full((height, width, 3), 222, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            top, left = y * (TILE_PX + GAP_PX), x * (TILE_PX + GAP_PX)
            page[top : top + TILE_PX, left : left + TILE_PX] = tile(image)
    return page


def results(config: str, runs: str, *more: str) -> dict[str, tuple[str, str]]:
    """Photo and finished picture of every finished item of a recipe, with ``more`` overrides."""
    overrides = [f"batch.runs={runs}", *more]
    recipe = load_recipe(config, overrides)
    done = run_recipe(recipe, config, overrides, watch=lambda _: nullcontext(), say=print, prefect=False)
    if done is None:
        raise SystemExit(f"{config}: nothing was made")
    ledger, _ = open_files(runs, ledger_url(runs))
    return {record.sku: (record.address, record.output) for record in ledger.records(done.batch) if record.output}


def write_garments() -> None:
    """Write docs/images/garment.jpg: photos above, the finished pictures of garment.yaml below."""
    made = results("garment.yaml", "runs")
    rows = [[read_picture(pair[side]).image for pair in made.values()] for side in (0, 1)]
    (IMAGES / "garment.jpg").write_bytes(encode_picture(sheet(rows), file_format="jpeg", quality=88))


LOOK = "tee-coast"


def write_look() -> None:
    """Write docs/images/look.jpg: flat photos of a t-shirt and trousers, and both on one person."""
    photo, picture = results("garment.yaml", "runs")[LOOK]
    sample = next(one for one in GARMENT if one.sku == LOOK)
    others = [str(Path(photo).with_name(name)) for _, name in sample.worn_with]
    row = [read_picture(path).image for path in (photo, *others, picture)]
    (IMAGES / "look.jpg").write_bytes(encode_picture(sheet([row]), file_format="jpeg", quality=88))


def main() -> None:
    """Write docs/images/sample.jpg, docs/images/garment.jpg and docs/images/look.jpg."""
    packshots, backgrounds = results("packshot.yaml", "runs"), results("background.yaml", "runs")
    shown = [sku for sku in SHOWN if sku in packshots and sku in backgrounds]
    rows = [
        [read_picture(packshots[sku][0]).image for sku in shown],
        [read_picture(packshots[sku][1]).image for sku in shown],
        [read_picture(backgrounds[sku][1]).image for sku in shown],
    ]
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "sample.jpg").write_bytes(encode_picture(sheet(rows), file_format="jpeg", quality=88))
    write_garments()
    write_look()


if __name__ == "__main__":
    main()

"""The bench of re-tuning: another threshold over a finished batch, from stored scores, beside detecting again."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORN = frozenset("t-shirt sweater hoodie tank top dress skirt coat jacket trousers jeans shorts shirt bag".split())


@dataclass(frozen=True, kw_only=True)
class Retuning:
    """Seconds of the detector part over ``items`` pictures, anew and out of the store; of whole runs over ``whole``.

    ``full_s`` is what a Grounding DINO of Swin-T's size takes for one picture of 800 px: its weights are random, which
    costs the same.
    """

    items: int
    whole: int
    detect_s: float
    stored_s: float
    full_s: float
    batch_s: float
    retuned_s: float


def rendered_catalog(folder: Path, number: int, *, size: tuple[int, int] = (640, 480), seed: int = 0) -> str:
    """Draw so many people and things with the offline studio's renderer: photos, phrases and true masks.

    Returns the address of the catalog; the true masks lie in ``folder/truth`` as SKU.png.
    """
    import numpy as np
    from PIL import Image as Pillow

    from pipeline.embedded.render import render

    for name in ("photos", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str, str]] = []
    while len(rows) < number:
        scene = render(seed, size=size)
        seed += 1
        thing = next((one for one in scene.boxes if one.label in WORN and one.phrases), None)
        if thing is None:
            continue
        sku = f"look-{len(rows):03d}"
        Pillow.fromarray(scene.image).save(folder / "photos" / f"{sku}.png")
        Pillow.fromarray(scene.masks[thing.label].astype(np.uint8) * 255).save(folder / "truth" / f"{sku}.png")
        rows.append((sku, f"photos/{sku}.png", thing.label))
    table = folder / "catalog.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("sku", "photo", "phrases"), *rows])
    return str(table)


def measure_retuning(items: int = 100, whole: int = 10) -> Retuning:
    """Run a rendered batch, change its threshold and run again; and time the detector part alone, both ways."""
    from flows.running import run_recipe
    from pipeline.files.recipe import load_recipe

    with tempfile.TemporaryDirectory() as folder:
        table = rendered_catalog(Path(folder) / "catalog", items)

        def run(threshold: float) -> float:
            overrides = [
                f"catalog.address={table}", f"catalog.limit={whole}", f"batch.runs={folder}/runs",
                "subject.finder=grounding_dino", f"subject.box_threshold={threshold}", "subject.park_below=0",
                "export.longest_px=512", "export.marketplace=plain",
            ]  # fmt: skip
            began = time.perf_counter()
            run_recipe(
                load_recipe("packshot.yaml", overrides), "packshot.yaml", overrides,
                watch=lambda _: nullcontext(), say=lambda _: None, prefect=False,
            )  # fmt: skip
            return time.perf_counter() - began

        batch_s, retuned_s = run(0.05), run(0.1)
        detect_s, stored_s = _detector_part(table, f"{folder}/runs")
    return Retuning(
        items=items,
        whole=whole,
        detect_s=detect_s,
        stored_s=stored_s,
        full_s=_full_size(),
        batch_s=batch_s,
        retuned_s=retuned_s,
    )


def _full_size() -> float:
    """Seconds of one picture in a Grounding DINO of the common size (Swin-T, 900 queries), in transformers' code."""
    import torch
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

    with torch.inference_mode():
        model: Any = GroundingDinoForObjectDetection(GroundingDinoConfig())
        model.eval()
        words = torch.tensor([[101, 4377, 1012, 102]])
        began = time.perf_counter()
        model(pixel_values=torch.rand(1, 3, 800, 600), input_ids=words, attention_mask=torch.ones_like(words))
        return time.perf_counter() - began


def _detector_part(table: str, runs: str) -> tuple[float, float]:
    """Seconds of boxes at a threshold for every item: by the detector, then from the store. In one process, in turn."""
    from flows.workplace import open_files
    from masks.detect import boxes_at, detect
    from masks.evidence import Evidence
    from pipeline.files.ledger import ledger_url
    from pipeline.files.picture import read_picture

    _, store = open_files(runs, ledger_url(runs, None))
    evidence = Evidence(store, "grounding-dino-embedded", "sam-embedded")
    with Path(table).open() as file:
        rows: Sequence[dict[str, str]] = list(csv.DictReader(file))
    anew = stored = 0.0
    for number, row in enumerate(rows):
        picture = read_picture(str(Path(table).parent / row["photo"]))
        if number == 0:
            detect(evidence.detector, picture.image, ["warm up"])
        began = time.perf_counter()
        boxes_at(detect(evidence.detector, picture.image, [row["phrases"]]), 0.1)
        anew += time.perf_counter() - began
        evidence.scores(str(picture.digest), picture.image, [row["phrases"]])  # in the store now, if it was not
        began = time.perf_counter()
        boxes_at(evidence.scores(str(picture.digest), picture.image, [row["phrases"]]), 0.1)
        stored += time.perf_counter() - began
    return anew, stored

"""Controls that a recipe wants drawn by a named network: read, keyed, and an item's own error where nothing is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from flows.items import process_chunk
from flows.planning import plan_batch
from flows.way import ItemWay
from flows.workplace import Workplace, open_workplace
from pipeline.files.codec import decode_arrays, decode_image
from pipeline.files.ledger import Record
from pipeline.files.recipe import Recipe, load_recipe
from pipeline.models.devices import loaded_models
from pipeline.models.weights import MIRROR
from pipeline.pixels.skeleton import draw_skeleton, read_skeleton
from pipeline.types import ItemState
from tests.pipeline.models.dot_reader import CELL, SIDE, dotted, write_reader

READ = ("garment.controls=[{kind: pose, by: openpose}]", "accept_licence=openpose")


@pytest.fixture
def worn(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Recipe]:
    """A recipe over one photo with a body of dots, the whole of which is the garment, and one without."""
    weights = tmp_path_factory.getbasetemp() / "dots"
    if not weights.exists():
        write_reader(weights)
    monkeypatch.setenv(MIRROR, str(weights))
    loaded_models().clear()
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    empty = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[20:-20, 20:-20] = 255
    for name, image in (("dots", dotted()[0]), ("empty", empty)):
        Pillow.fromarray(image).save(tmp_path / "photos" / f"{name}.png")
        Pillow.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    file = tmp_path / "worn.yaml"
    file.write_text(
        f"name: worn\nkind: garment\ncatalog: {{address: {tmp_path / 'photos'}}}\n"
        f"subject: {{finder: file, masks: {tmp_path / 'masks'}, phrases: [shirt], park_below: 0}}\n"
        "garment: {candidates: 1, rounds: 1}\nbackground: {prompt: white studio background}\n"
        "generate: {checkpoint: studio-renderer}\nupscale: {model: lanczos}\n"
        "export: {marketplace: plain, format: png}\n"
        f"batch: {{runs: {tmp_path / 'runs'}}}\n"
    )
    return lambda *overrides: load_recipe(str(file), overrides)


def records_of(recipe: Recipe) -> tuple[Workplace, dict[str, Record]]:
    plan = plan_batch(recipe)
    assert plan is not None
    work = open_workplace(plan.address)
    return work, {record.sku: record for record in work.ledger.records(work.id)}


@pytest.mark.slow
def test_a_recipes_pose_is_what_openpose_reads_and_nobody_is_an_items_error(worn: Callable[..., Recipe]) -> None:
    work, _ = records_of(worn(*READ))
    process_chunk(work.address, [("dots", "main"), ("empty", "main")])
    ended = {record.sku: record for record in work.ledger.records(work.id)}
    assert ended["empty"].state is ItemState.FAILED
    assert ended["empty"].error == "ItemError"
    assert "OpenPose reads nobody who wears the garment" in str(ended["empty"].reason)
    keys = ItemWay(work, ended["dots"]).keys
    figure, painted = work.store.get(keys.figure), work.store.get(keys.paint)
    assert figure is not None
    assert painted is not None
    joints, truth = decode_arrays(figure.read("joints.npz"))["joints"], dotted()[1]
    assert np.abs(joints - truth).max() < CELL / 2
    drawn = decode_image(painted.read("control-pose.png"))
    scale = drawn.shape[0] / SIDE
    there = read_skeleton(drawn)
    assert np.abs(there[there[:, 2] > 0, :2] - scale * joints[there[:, 2] > 0, :2]).max() < 3
    assert drawn.shape == draw_skeleton(joints, drawn.shape[:2]).shape
    assert "the pose that OpenPose reads" in painted.meta["notes"]


def test_another_reader_reads_and_paints_anew_and_a_named_default_paints_alone(worn: Callable[..., Recipe]) -> None:
    def keys(*overrides: str) -> dict[str, str]:
        work, records = records_of(worn(*overrides))
        return ItemWay(work, records["dots"]).keys.named()

    before = keys("garment.controls=[pose]")
    read = keys(*READ)
    assert {stage for stage in before if before[stage] != read[stage]} == {
        "figure", "paint", "compose", "export", "checks",
    }  # fmt: skip
    assert keys("garment.controls=[{kind: pose}]")["figure"] == before["figure"]

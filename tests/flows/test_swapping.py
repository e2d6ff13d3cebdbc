"""The shipped background recipe on other generators: `checkpoint` alone is swapped, and whole recipes come out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flows.items import process_chunk
from flows.planning import plan_batch
from flows.workplace import open_workplace
from pipeline.errors import RecipeError
from pipeline.files.picture import decode_picture
from pipeline.files.recipe import Recipe, load_recipe
from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint, checkpoints
from pipeline.models.devices import loaded_models
from tests.pipeline.models.comfy_server import serving

GENERATORS = [row.id for row in checkpoints().values() if row.role == "generator"]


def swapped(name: str, *overrides: str) -> Recipe:
    """configs/background.yaml with its generated place, drawn by that row."""
    return load_recipe("background", ("background.kind=generated", f"generate.checkpoint={name}", *overrides))


@pytest.mark.parametrize("name", GENERATORS)
def test_every_row_takes_the_shipped_recipe_as_it_is(name: str) -> None:
    if checkpoint(name).commercial:
        assert swapped(name).generate.checkpoint == name
        return
    with pytest.raises(RecipeError, match=f"accept_licence: {name}"):
        swapped(name)
    assert swapped(name, f"accept_licence={name}").accept_licence == [name]  # as the message says


def test_the_shipped_recipe_says_what_is_swapped() -> None:
    assert load_recipe("background").generate.checkpoint == "inpaint-embedded"
    assert load_recipe("background").background.prompt
    with pytest.raises(RecipeError, match="no control canny"):
        swapped("tiny-sd", "background.controls=[canny]")


def finished(recipe: Recipe, name: str) -> None:
    """Run one item to its end and see that its place was drawn by ``name``."""
    plan = plan_batch(recipe)
    assert plan is not None
    outcome = process_chunk(plan.address, [("shoe0", "main")])
    work = open_workplace(plan.address)
    record = next(work.ledger.records(work.id))
    assert outcome.states == {"accepted": 1}, record.reason
    assert record.output is not None
    assert decode_picture(Path(record.output).read_bytes(), "finished").image[:20].std() > 1
    told = work.store.get(record.keys["place"])
    assert told is not None
    assert told.meta["checkpoint"] == name


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread", "flow_rows")
@pytest.mark.parametrize(
    "name",
    [
        "flux1-schnell", "flux1-schnell-q4-k-s", "flux2-klein-4b", "qwen-image-lightning-4",
        "qwen-image-edit-lightning-4", "sd3.5-large-turbo", "z-image-turbo", "lumina2-q4-0", "lumina2-nf4",
        "omnigen-v1",
    ],
)  # fmt: skip
def test_the_shipped_recipe_runs_on_a_row_of_each_flow_family(name: str, photos: Path, tmp_path: Path) -> None:
    if checkpoint(name).quantisation == "nf4":
        pytest.importorskip("bitsandbytes")
    here = (f"catalog.address={photos}", "catalog.limit=1", f"batch.runs={tmp_path / 'runs'}")
    finished(swapped(name, f"accept_licence={name}", *here), name)


def test_the_shipped_recipe_runs_on_a_comfyui_server(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "comfyui-inpaint"
    with serving() as server:
        fields = checkpoint(name).model_dump(mode="json", exclude_unset=True) | {"config": server.url}
        fields["sampling"] = {**fields["sampling"], "native_px": [64, 64]}
        rows = tmp_path / "rows.yaml"
        rows.write_text(yaml.safe_dump({"checkpoints": [fields]}))
        monkeypatch.setenv(EXTRA_ROWS, str(rows))
        loaded_models().clear()
        here = (f"catalog.address={photos}", "catalog.limit=1", f"batch.runs={tmp_path / 'runs'}")
        finished(swapped(name, *here), name)
        loaded_models().clear()

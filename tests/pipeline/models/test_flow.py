"""Masked latent blending: what lies outside the mask stays, at every noise level and in every pipeline that uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from pipeline.errors import ModelError, RecipeError
from pipeline.models.checkpoints import EXTRA_ROWS
from pipeline.models.devices import loaded_models
from pipeline.models.families import Inpaint
from pipeline.models.families.flow import KeepKnown, noised, pipeline_name
from pipeline.models.generators import generate, load_generator
from tests.pipeline.models import tiny_flow

SIZE = (96, 64)
WRITERS: dict[str, Callable[[Path], Path]] = {
    "lumina2": tiny_flow.write_lumina2,
    "omnigen": tiny_flow.write_omnigen,
}


def scheduler(**fields: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    made = FlowMatchEulerDiscreteScheduler(**fields)
    made.set_timesteps(4)
    return made


def test_known_latents_are_held_at_the_steps_level_and_stand_clean_at_the_end() -> None:
    known, noise = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    repaint = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    repaint[..., 2:] = True
    pipe = SimpleNamespace(scheduler=scheduler())
    keep = KeepKnown(known=known, noise=noise, repaint=repaint)
    for step in range(4):
        latents = torch.full((1, 2, 4, 4), 7.0)
        held = keep(pipe, step, None, {"latents": latents})["latents"]
        assert torch.equal(held[..., 2:], latents[..., 2:])
        assert torch.allclose(held[..., :2], pipe.scheduler.sigmas[step + 1] * noise[..., :2])
    assert torch.equal(held[..., :2], known[..., :2])


def test_a_scheduler_that_counts_the_other_way_is_understood() -> None:
    turned = scheduler(invert_sigmas=True, num_train_timesteps=1)
    known, noise = torch.zeros(1), torch.ones(1)
    assert float(noised(turned, turned.sigmas[0], known, noise)) == pytest.approx(1.0, abs=0.01)
    assert float(noised(turned, turned.sigmas[-1], known, noise)) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("family", WRITERS)
def test_outside_the_mask_a_blended_picture_ends_in_the_photos_latents(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = WRITERS[family](tmp_path / "folder")
    sampling = {"native_px": list(SIZE), "multiple_of": 16, "steps": 3, "guidance": 2.5}
    row = {
        "id": "blended", "role": "generator", "family": family, "address": str(folder), "size_gb": 0.01, "year": 2025,
        "licence": "Apache-2.0", "commercial": True, "sampling": sampling,
    }  # fmt: skip
    rows = tmp_path / "rows.yaml"
    rows.write_text(yaml.safe_dump({"checkpoints": [row]}))
    monkeypatch.setenv(EXTRA_ROWS, str(rows))
    loaded_models().clear()
    generator = load_generator("blended", device="cpu")
    wanted = [request(seed, prompt) for seed, prompt in ((1, "marble"), (2, "a wooden floor"))]
    said = generator.family.call(generator, (wanted[0],))
    arguments = said["calls"][0] if "calls" in said else said
    keep = arguments["callback_on_step_end"]
    with torch.inference_mode():
        pipe = getattr(generator.pipe, "pipe", generator.pipe)
        latents = pipe(**arguments | {"output_type": "latent"}).images
    assert torch.allclose(latents[~keep.repaint], keep.known[~keep.repaint], atol=1e-5)
    assert float((latents - keep.known)[keep.repaint].abs().mean()) > 0.1
    together = generate(generator, wanted)
    for one, picture in zip(wanted, together, strict=True):
        assert np.abs(generate(generator, [one])[0].astype(int) - picture).max() <= 2
    assert np.abs(together[0].astype(int) - together[1])[wanted[0].repaint].mean() > 5
    if family == "omnigen":
        with pytest.raises(RecipeError, match="it begins with noise"):
            generate(generator, [request(1, "marble", strength=0.7)])
    loaded_models().clear()


def request(seed: int, prompt: str, **said: Any) -> Inpaint:
    repaint = np.zeros(SIZE, np.bool_)
    repaint[0:32, 0:64] = True
    image = np.full((*SIZE, 3), 128, np.uint8)
    image[:, ::2] = 90
    return Inpaint(image=image, repaint=repaint, prompt=prompt, seed=seed, steps=3, guidance=2.5, **said)


def test_a_folder_that_is_no_pipeline_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model_index.json is missing or broken"):
        pipeline_name(tmp_path)
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(ModelError, match=r"model_index.json is missing or broken"):
        pipeline_name(tmp_path)

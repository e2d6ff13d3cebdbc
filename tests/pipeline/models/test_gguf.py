"""Transformers in GGUF: each quantisation gives the picture of the weights that it stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers.loaders.single_file_utils as single_file
import numpy as np
import pytest
import torch
import yaml

from pipeline.errors import ModelError
from pipeline.models.checkpoints import EXTRA_ROWS
from pipeline.models.devices import loaded_models
from pipeline.models.families import Inpaint
from pipeline.models.generators import generate, load_generator
from pipeline.types import Image
from tests.pipeline.models import flow_mirror, tiny_flow, tiny_gguf

SIZE = (64, 48)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    flow_mirror.shrink_what_diffusers_fixes(monkeypatch)


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_flow.write_flux(tmp_path_factory.mktemp("flux"), guidance=False, sizes=tiny_flow.BLOCK_SIZES)


def request(steps: int) -> Inpaint:
    repaint = np.zeros(SIZE, np.bool_)
    repaint[16:48, 8:40] = True
    image = np.random.default_rng(2).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return Inpaint(image=image, repaint=repaint, prompt="marble", seed=1, steps=steps, guidance=1.0)


def paint(folder: Path, family: str, file: Path | None, place: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """The picture of the folder's pipeline, its transformer taken from ``file``."""
    steps = 2 if family == "qwen-image" else 1  # its schedule ends in a stretch that one step does not have
    common: dict[str, Any] = {"size_gb": 0.01, "year": 2024, "licence": "Apache-2.0", "commercial": True}
    sampling = {"native_px": list(SIZE), "multiple_of": 16, "steps": steps, "guidance": 1.0}
    row = {"id": "whole", "role": "generator", "family": family, "address": str(folder), "sampling": sampling, **common}
    rows = [row]
    if file is not None:
        part = {"id": "small", "role": "transformer", "family": family, "address": str(file.parent), **common}
        rows = [part | {"file": file.name}, row | {"needs": {"transformer": "small"}}]
    listed = place / "rows.yaml"
    listed.write_text(yaml.safe_dump({"checkpoints": rows}))
    monkeypatch.setenv(EXTRA_ROWS, str(listed))
    loaded_models().clear()
    return generate(load_generator("whole", device="cpu"), [request(steps)])[0]


@pytest.mark.parametrize("kind", tiny_gguf.QUANTISED)
def test_flux_runs_on_every_quantisation(
    kind: str, flux: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrow: None
) -> None:
    from diffusers import FluxTransformer2DModel

    whole = FluxTransformer2DModel.from_pretrained(flux, subfolder="transformer")
    original = tiny_gguf.flux_original(tiny_gguf.linear_state(whole))
    file = tmp_path / f"flux1-schnell-{kind}.gguf"
    blocks = ("double_blocks.", "single_blocks.")
    meant = tiny_gguf.write_gguf(file, original, kind=kind, blocks=blocks, architecture="flux")
    small = paint(flux, "flux", file, tmp_path, monkeypatch)
    converted = single_file.convert_flux_transformer_checkpoint_to_diffusers(dict(meant))
    whole.load_state_dict(converted)
    dense = tmp_path / "dense"
    whole.save_pretrained(dense)
    same = paint(flux, "flux", _single(dense), tmp_path, monkeypatch)
    assert np.abs(small.astype(int) - same).max() <= 2
    if kind == "Q8_0":
        assert np.abs(small.astype(int) - paint(flux, "flux", None, tmp_path, monkeypatch)).mean() < 2


def _single(folder: Path) -> Path:
    return folder / "diffusion_pytorch_model.safetensors"


def test_qwen_image_runs_on_gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import QwenImageTransformer2DModel

    heads = {name: tiny_flow.BLOCK_SIZES[name] for name in ("attention_head_dim", "num_attention_heads")}
    sizes = tiny_flow.QWEN_SIZES | heads | {"num_layers": 1, "axes_dims_rope": (16, 56, 56)}
    folder = tiny_flow.write_qwen_image(tmp_path / "qwen", sizes=sizes)
    whole = QwenImageTransformer2DModel.from_pretrained(folder, subfolder="transformer")
    file = tmp_path / "qwen-image-Q8_0.gguf"
    tiny_gguf.write_gguf(
        file, tiny_gguf.linear_state(whole), kind="Q8_0", blocks=("transformer_blocks.",), architecture="qwen_image"
    )
    small = paint(folder, "qwen-image", file, tmp_path, monkeypatch)
    assert np.abs(small.astype(int) - paint(folder, "qwen-image", None, tmp_path, monkeypatch)).mean() < 2


def test_a_file_that_is_no_gguf_is_named(flux: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(60))
    with pytest.raises(ModelError, match="cannot be loaded"):
        paint(flux, "flux", broken, tmp_path, monkeypatch)
    pickled = tmp_path / "flux.ckpt"
    torch.save({"a": torch.zeros(1)}, pickled)
    with pytest.raises(ModelError, match=r"flux.ckpt is neither .safetensors nor .gguf"):
        paint(flux, "flux", pickled, tmp_path, monkeypatch)

"""What a generator is put together from: LoRAs with weights, single files, 8-bit storage; and prompts encoded once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import Generator, Inpaint, Part, Parts
from pipeline.models.families.sd15 import FAMILY
from pipeline.models.generators import generate
from tests import tiny_diffusion as tiny
from tests.pipeline.models.generator_folders import as_row, generator_row

LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_folder(tmp_path_factory.mktemp("base"), channels=9)


def part(place: Path, weight: float = 1.0) -> Part:
    row = as_row(generator_row(place, id=place.stem, role="lora", sampling={}))
    return Part(row=row, place=place, weight=weight)


def row_of(place: Path, **fields: Any) -> Checkpoint:
    return as_row(generator_row(place, **fields))


def test_several_loras_act_at_once_each_with_its_weight(folder: Path, tmp_path: Path) -> None:
    one = tiny.write_lora(tmp_path / "one.safetensors", tiny.unet(), kohya=True, seed=1)
    two = tiny.write_lora(tmp_path / "two.safetensors", tiny.unet(), kohya=False, seed=2)
    plain = FAMILY.load(row_of(folder), Parts(place=folder), "cpu").unet.state_dict()[f"{LAYER}.weight"]
    parts = Parts(place=folder, loras=(part(one, 0.5), part(two, -2.0)))
    worn = FAMILY.load(row_of(folder), parts, "cpu").unet.state_dict()[f"{LAYER}.weight"]
    kohya, peft = tiny.read(one), tiny.read(two)
    key = "lora_unet_" + LAYER.replace(".", "_")
    first = kohya[f"{key}.lora_up.weight"].float() @ kohya[f"{key}.lora_down.weight"].float()  # alpha is the rank
    second = peft[f"unet.{LAYER}.lora_B.weight"].float() @ peft[f"unet.{LAYER}.lora_A.weight"].float()
    assert torch.allclose(worn - plain, 0.5 * first - 2.0 * second, atol=1e-3)


def test_a_lora_of_another_architecture_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tiny.write_lora(tmp_path / "other.safetensors", tiny.unet(block_out_channels=(16, 32, 32, 32)), kohya=True)
    with pytest.raises(ModelError, match=r"'other'.*cannot be loaded"):
        FAMILY.load(row_of(folder), Parts(place=folder, loras=(part(other),)), "cpu")


def test_a_single_file_says_its_architecture_and_is_no_pickle(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.safetensors"
    bare.touch()
    with pytest.raises(ModelError, match=r"needs: \{config: <row>\}"):
        FAMILY.load(row_of(bare), Parts(place=bare), "cpu")
    pickled = tmp_path / "old.ckpt"
    torch.save({"state_dict": {}}, pickled)
    with pytest.raises(ModelError, match="is a Python pickle"):
        FAMILY.load(row_of(pickled), Parts(place=pickled, needs={"config": part(folder)}), "cpu")


def test_weights_are_stored_in_8_bits_if_the_row_says_so(folder: Path) -> None:
    row = row_of(folder, quantisation="fp8", dtype="bfloat16", sampling={"steps": 2})
    pipe = FAMILY.load(row, Parts(place=folder), "cpu")
    assert pipe.unet.get_submodule(LAYER).weight.dtype == torch.float8_e4m3fn
    made = generate(Generator(row=row, family=FAMILY, pipe=pipe, device="cpu", fingerprint="x"), [request()])
    assert made[0].std() > 1


def test_a_prompt_is_encoded_once(folder: Path) -> None:
    row = row_of(folder, sampling={"steps": 2})
    pipe = FAMILY.load(row, Parts(place=folder), "cpu")
    generator = Generator(row=row, family=FAMILY, pipe=pipe, device="cpu", fingerprint="x")
    first = generate(generator, [request(guidance=3.0)])[0]
    assert (generator.prompts.misses, generator.prompts.hits) == (2, 0)
    again = generate(generator, [request(guidance=3.0)])[0]
    assert (generator.prompts.misses, generator.prompts.hits) == (2, 2)
    assert np.array_equal(first, again)


def request(guidance: float = 1.0) -> Inpaint:
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    repaint = np.zeros((64, 64), np.bool_)
    repaint[16:48, 16:48] = True
    return Inpaint(image=image, repaint=repaint, prompt="marble background", seed=1, steps=2, guidance=guidance)

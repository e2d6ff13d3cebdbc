"""Denoisers stored in 4 and 8 bits by bitsandbytes, on a processor."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import ModelError
from pipeline.models.families import Generator, Parts
from pipeline.models.families.sd15 import FAMILY
from pipeline.models.families.storage import store_small
from pipeline.models.generators import generate, held_gb, load_generator
from tests.pipeline.models.test_parts import LAYER, request, row_of
from tests.tiny_diffusion import write_folder


class Kept(torch.nn.Module):
    """A network of which diffusers keeps one part in float32."""

    _keep_in_fp32_modules = ("embed",)

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.ModuleDict({"first": torch.nn.Linear(64, 64)})
        self.blocks = torch.nn.ModuleList([torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.Conv1d(1, 1, 1))])


@pytest.mark.parametrize(
    ("said", "kind", "stored", "furthest"),
    [("nf4", "Linear4bit", torch.uint8, 0.15), ("int8", "Linear8bitLt", torch.int8, 0.02)],
)
def test_linear_layers_alone_are_stored_small_and_give_about_the_same(
    said: str, kind: str, stored: torch.dtype, furthest: float
) -> None:
    pytest.importorskip("bitsandbytes")
    torch.manual_seed(1)
    network, seen = Kept(), torch.randn(4, 64)
    linear = network.blocks[0][0]
    with torch.inference_mode():
        before = linear(seen)
    store_small(row_of(Path("x"), quantisation=said), network, torch.float32)
    small = network.blocks[0][0]
    assert type(small).__name__ == kind
    assert small.weight.dtype == stored
    assert small.weight.numel() == linear.weight.numel() // (2 if said == "nf4" else 1)
    with torch.inference_mode():
        assert (small(seen) - before).norm() < furthest * before.norm()
        assert torch.equal(small(seen), small(seen))
    assert type(network.embed["first"]) is torch.nn.Linear
    assert type(network.blocks[0][1]) is torch.nn.Conv1d


@pytest.mark.parametrize("said", ["nf4", "int8"])
def test_a_denoiser_stored_small_paints_and_takes_less_memory(said: str, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = write_folder(tmp_path / "random", channels=9)
    pictures, took = [], []
    for quantisation in (None, said):
        row = row_of(folder, quantisation=quantisation, dtype="bfloat16", sampling={"steps": 2})
        pipe = FAMILY.load(row, Parts(place=folder), "cpu")
        generator = Generator(row=row, family=FAMILY, pipe=pipe, device="cpu", fingerprint="x")
        pictures.append(generate(generator, [request()])[0].astype(int))
        took.append(held_gb(generator))
    assert type(pipe.unet.get_submodule(LAYER)).__name__ in ("Linear4bit", "Linear8bitLt")
    assert took[1] < took[0]
    assert 0 < np.abs(pictures[0] - pictures[1]).mean() < 20


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    said = r"as nf4 by bitsandbytes, which is not .*pip install 'seamline\[small\]'"
    with pytest.raises(ModelError, match=said):
        store_small(row_of(Path("x"), quantisation="nf4"), Kept(), torch.float32)
    with pytest.raises(ModelError, match=said):  # not WeightsMissing: before any weights are looked for
        load_generator("lumina2-nf4", device="cpu")

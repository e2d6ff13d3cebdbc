"""Compiled networks: the plain one's pictures, one graph a size, and refusals that say what to do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch._dynamo.testing import CompileCounterWithBackend

from pipeline.errors import ModelError, RecipeError
from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint
from pipeline.models.compiling import COMPILERS, is_compiled, refuse_without_compiler
from pipeline.models.devices import has_bfloat16, loaded_models
from pipeline.models.families import ControlMap, Inpaint
from pipeline.models.generators import generate, load_generator, refuse_unfit
from pipeline.models.on_cpu import PackedConv2d, PackedLinear
from tests import tiny_diffusion as tiny
from tests.pipeline.models.generator_folders import generator_row

LEVELS = 2
"""What a compiled picture may differ by from the plain one, of 255: fused layers round in other places."""
SIDE = 64
TWO_LEVELS: dict[str, Any] = {
    "layers_per_block": 1, "block_out_channels": tiny.WIDTHS[:2],
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
"""Every kind of block once, for compiling takes its time."""
COMPILER = COMPILERS.get(sys.platform, "g++")


@pytest.fixture(autouse=True)
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny Stable Diffusion 1.5 with two ControlNets, in float32 and in bfloat16."""
    folder = tiny.write_folder(tmp_path / "sd", changes=TWO_LEVELS)
    net = tiny.write_controlnet(tmp_path / "net", tiny.unet(**TWO_LEVELS), variant=None)
    control = generator_row(net, id="tiny-net", role="controlnet", dtype="float32")
    del control["sampling"]
    fields: dict[str, Any] = {
        "controlnets": {"pose": "tiny-net", "canny": "tiny-net"}, "sampling": {"native_px": [SIDE, SIDE]},
    }  # fmt: skip
    listed = [control, *(generator_row(folder, id=dtype, dtype=dtype, **fields) for dtype in ("float32", "bfloat16"))]
    path = tmp_path / "rows.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": listed}))
    monkeypatch.setenv(EXTRA_ROWS, str(path))
    loaded_models().clear()
    torch.compiler.reset()


def request(seed: int, *, side: int = SIDE, kinds: tuple[str, ...] = ()) -> Inpaint:
    image = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    repaint = np.zeros((side, side), np.bool_)
    repaint[8:-8, 8:-8] = True
    return Inpaint(
        image=image, repaint=repaint, prompt="marble background", seed=seed, steps=3, guidance=1.0,
        controls=tuple(ControlMap(kind=kind, image=image) for kind in kinds),
    )  # fmt: skip


def picture(generator: Any, asked: Inpaint) -> Any:
    return generate(generator, [asked])[0].astype(int)


@pytest.mark.parametrize(("backend", "kinds"), [("aot_eager", ("pose",)), ("eager", ()), ("eager", ("pose", "canny"))])
def test_a_compiled_picture_is_the_plain_one_and_the_next_item_compiles_nothing(
    backend: str, kinds: tuple[str, ...]
) -> None:
    counter = CompileCounterWithBackend(backend)
    plain = load_generator("float32", controls=kinds, device="cpu")
    fast = load_generator("float32", controls=kinds, device="cpu", compiled=True, _backend=counter)
    assert fast is not plain
    assert counter.frame_count == 0, "nothing is compiled before a picture is asked for"
    first = request(1, kinds=kinds)
    assert np.abs(picture(fast, first) - picture(plain, first)).max() <= LEVELS
    graphs = counter.frame_count
    assert graphs >= (2 if kinds else 1), "the denoiser and the ControlNets, which are alike"
    second = request(2, kinds=kinds)
    assert np.abs(picture(fast, second) - picture(plain, second)).max() <= LEVELS
    assert np.abs(picture(fast, first) - picture(fast, second)).max() > LEVELS
    assert counter.frame_count == graphs


def test_each_size_has_a_graph_and_after_torchs_limit_runs_plain() -> None:
    counter = CompileCounterWithBackend("eager")
    fast = load_generator("float32", device="cpu", compiled=True, _backend=counter)
    graphs = [0]
    for side in (SIDE, SIDE + 16, SIDE + 32):
        picture(fast, request(1, side=side))
        graphs.append(counter.frame_count)
    assert graphs == sorted(set(graphs)), "no graph serves two sizes"
    with torch._dynamo.config.patch(recompile_limit=1):
        made = picture(fast, request(1, side=SIDE + 48))
    assert counter.frame_count == graphs[-1]
    plain = load_generator("float32", device="cpu")
    assert np.abs(made - picture(plain, request(1, side=SIDE + 48))).max() <= LEVELS


def test_a_generator_is_loaded_once_compiled_and_once_plain() -> None:
    plain = load_generator("float32", device="cpu")
    fast = load_generator("float32", device="cpu", compiled=True, _backend="eager")
    assert load_generator("float32", device="cpu", compiled=True, _backend="eager") is fast
    assert load_generator("float32", device="cpu") is plain
    assert (is_compiled(plain.pipe.unet), is_compiled(fast.pipe.unet)) == (False, True)


@pytest.mark.skipif(not has_bfloat16(), reason="the processor has no bfloat16")
def test_in_bfloat16_the_compiled_networks_keep_plain_weights_and_the_vae_is_packed() -> None:
    kinds = ("pose", "canny")
    fast = load_generator("bfloat16", controls=kinds, device="cpu", compiled=True, _backend="eager")
    packed = (PackedConv2d, PackedLinear)
    for network, wanted in ((fast.pipe.unet, False), (fast.pipe.controlnet, False), (fast.pipe.vae, True)):
        assert any(isinstance(layer, packed) for layer in network.modules()) == wanted
    assert picture(fast, request(1, kinds=kinds)).shape == (SIDE, SIDE, 3)


def test_a_network_that_cannot_be_compiled_says_what_to_do() -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise NotImplementedError("no such instruction")

    generator = load_generator("float32", device="cpu", compiled=True, _backend=broken)
    with pytest.raises(
        ModelError, match=r"^float32 cannot be compiled here .*: no such instruction.: leave generate.compile out$"
    ):
        picture(generator, request(1))


def test_without_a_compiler_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ModelError, match=r"needs a C\+\+ compiler.*there is no .*or leave generate.compile out"):
        load_generator("float32", device="cpu", compiled=True)
    monkeypatch.setenv("CXX", "our-compiler")
    with pytest.raises(ModelError, match="there is no 'our-compiler' here"):
        refuse_without_compiler("cpu")
    refuse_without_compiler("cuda")
    monkeypatch.setenv("CXX", sys.executable)
    refuse_without_compiler("cpu")


@pytest.mark.parametrize("name", ["studio-renderer", "comfyui-inpaint"])
def test_what_has_no_network_here_is_refused_by_name(name: str) -> None:
    with pytest.raises(RecipeError, match=f"^{name}: it has no network here.*leave generate.compile out$"):
        load_generator(name, device="cpu", compiled=True)
    row = checkpoint(name, role="generator")
    assert row.sampling is not None
    with pytest.raises(RecipeError, match=f"^{name}: it has no network here"):
        refuse_unfit(row, steps=row.sampling.steps, guidance=row.sampling.guidance, compiled=True)
    refuse_unfit(row, steps=row.sampling.steps, guidance=row.sampling.guidance)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(os.environ.get("CXX") or COMPILER) is None, reason="no C++ compiler")
def test_torchs_own_compiler_gives_the_plain_picture() -> None:
    plain, fast = (load_generator("float32", device="cpu", compiled=one) for one in (False, True))
    assert np.abs(picture(fast, request(1)) - picture(plain, request(1))).max() <= LEVELS

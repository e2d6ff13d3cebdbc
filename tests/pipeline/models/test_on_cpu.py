"""Packed weights and attention in pieces: the plain network's results, sizes and memory, and back again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional

from flows.bench_generation_weights import TINY, unet_config
from pipeline.models import on_cpu
from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint
from pipeline.models.devices import has_bfloat16, loaded_models
from pipeline.models.families.diffusion import quiet
from pipeline.models.generators import generate, held_gb, load_generator
from tests.pipeline.models.generator_folders import generator_row
from tests.pipeline.models.test_generators import SIZE, request
from tests.tiny_diffusion import write_folder, write_lora

TOLERANCE = 1e-2
"""What a packed layer, or attention in pieces, may differ by from the plain one: root mean squares, as a share."""

pytestmark = pytest.mark.skipif(not has_bfloat16(), reason="the processor has no bfloat16")


def far(made: Tensor, plain: Tensor) -> float:
    """The differences' root mean square, as a share of the values'."""
    return float((made.float() - plain.float()).norm() / plain.float().norm())


def networks() -> dict[str, tuple[nn.Module, Callable[[Any, torch.dtype], Tensor]]]:
    """A UNet and a VAE in bfloat16, each with a call of it in a number format."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    with quiet():
        unet = UNet2DConditionModel(**unet_config(TINY)).to(torch.bfloat16).eval()
        vae = AutoencoderKL(block_out_channels=(8, 16), norm_num_groups=4, **blocks).to(torch.bfloat16).eval()
    latents, words = torch.randn(2, 9, 8, 12).bfloat16(), torch.randn(2, 77, 32).bfloat16()
    picture = torch.randn(1, 3, 24, 32).bfloat16()
    time = torch.tensor(500)
    return {
        "unet": (unet, lambda net, kind: net(latents.to(kind), time, encoder_hidden_states=words.to(kind)).sample),
        "vae": (vae, lambda net, kind: net.decode(net.encode(picture.to(kind)).latent_dist.mode()).sample),
    }


@pytest.mark.parametrize("name", ["unet", "vae"])
def test_a_packed_network_is_as_near_to_float32_as_the_plain_one(name: str) -> None:
    network, call = networks()[name]
    with torch.inference_mode(), quiet():
        exact = call(networks()[name][0].float(), torch.float32)
        plain = call(network, torch.bfloat16)
        layers = sum(type(one) in (nn.Linear, nn.Conv2d) for one in network.modules())
        assert on_cpu.pack(network) == layers > 10
        assert on_cpu.pack(network) == 0
        with on_cpu.Attention():
            made = call(network, torch.bfloat16)
    assert made.shape == plain.shape
    assert made.dtype == plain.dtype
    assert far(made, exact) < 1.25 * far(plain, exact)
    assert far(made, plain) < 3 * TOLERANCE


def test_the_comparison_sees_one_wrong_weight() -> None:
    network, call = networks()["unet"]
    with torch.inference_mode():
        plain = call(network, torch.bfloat16)
        network.conv_out.weight[:, 0, 1, 1] += 0.2
        on_cpu.pack(network)
        assert far(call(network, torch.bfloat16), plain) > 3 * TOLERANCE


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(24, 40),
        nn.Linear(24, 40, bias=False),
        nn.Conv2d(9, 24, 3, stride=2, padding=1),
        nn.Conv2d(12, 24, 3, padding=2, dilation=2, groups=3, bias=False),
    ],
)
def test_a_packed_layer_moved_or_cast_is_plain_again(layer: nn.Module) -> None:
    own = layer.to(torch.bfloat16)
    before = own.weight.detach().clone()
    seen = torch.randn(2, 9 if own.weight.shape[1] == 9 else 12, 7, 24).bfloat16()
    with torch.inference_mode():
        plain = own(seen)
        assert on_cpu.pack(own) == 1
        assert own.weight.layout != torch.strided
        made = own(seen)
        assert made.shape == plain.shape
        assert far(made, plain) < TOLERANCE
    own.to(torch.float32)
    assert type(own) in (nn.Linear, nn.Conv2d)
    assert torch.equal(own.weight, before.float())
    assert own.weight.is_contiguous()


def test_a_network_is_unpacked_to_the_weights_that_it_had() -> None:
    network, _ = networks()["unet"]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    on_cpu.pack(network)
    after = on_cpu.unpack(network).state_dict()
    assert set(after) == set(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(isinstance(one, (on_cpu.PackedLinear, on_cpu.PackedConv2d)) for one in network.modules())


def test_other_formats_and_other_classes_stay() -> None:
    class Own(nn.Linear):
        """Such as GGUF's and bitsandbytes' layers."""

    left = nn.Sequential(nn.Linear(8, 8), Own(8, 8).to(torch.bfloat16), nn.LayerNorm(8))
    left.append(nn.Linear(8, 8).to(torch.float8_e4m3fn))
    left.append(nn.Conv2d(4, 4, 3, padding="same", dtype=torch.bfloat16))
    left.append(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect", dtype=torch.bfloat16))
    assert on_cpu.pack(left) == 0
    assert on_cpu.prepare(SimpleNamespace(components={"unet": nn.Linear(4, 4, dtype=torch.bfloat16)})) == 0
    assert on_cpu.prepare(SimpleNamespace()) == 0


@pytest.mark.parametrize(("queries", "keys", "width"), [(100, 100, 40), (64, 77, 80), (33, 256, 160)])
@pytest.mark.parametrize("threads", [1, 2])
def test_attention_in_pieces(
    queries: int, keys: int, width: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_cpu, "SCORES", 4096)
    monkeypatch.setattr(on_cpu, "MIN_ROWS", 16)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.manual_seed(1)
    query = torch.randn(2, queries, 3, width).bfloat16().transpose(1, 2)
    key, value = (torch.randn(2, keys, 3, width).bfloat16().transpose(1, 2) for _ in range(2))
    key += 4 * torch.randn(1, 3, 1, width).bfloat16()
    exact = functional.scaled_dot_product_attention(query.float(), key.float(), value.float())
    with torch.inference_mode():
        made = on_cpu.attend(query, key, value)
        assert made.shape == exact.shape
        assert made.transpose(1, 2).is_contiguous(), "as torch's own, which diffusers views"
        assert far(made, exact) < TOLERANCE
        assert far(on_cpu.attend(query, key, value, scale=0.9 * width**-0.5), exact) > 4 * TOLERANCE


def test_the_pool_leaves_the_number_of_threads_as_it_was() -> None:
    import threading

    before, seen = torch.get_num_threads(), list[int]()
    on_cpu._single_threads.cache_clear()
    pool = on_cpu._single_threads(2)
    assert pool is not None
    assert set(pool.map(lambda _: torch.get_num_threads(), range(8))) == {1}
    assert torch.get_num_threads() == before
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [before]
    on_cpu._single_threads.cache_clear()


def test_only_plain_attention_in_bfloat16_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Tensor] = []
    monkeypatch.setattr(on_cpu, "attend", lambda query, *_, **__: taken.append(query) or query)
    one = torch.randn(1, 2, 8, 16)
    small, mask = one.bfloat16(), torch.ones(8, 8, dtype=torch.bool)
    attention = functional.scaled_dot_product_attention
    with on_cpu.Attention(), torch.no_grad():
        attention(one, one, one)
        attention(small, small, small, attn_mask=mask)
        attention(small, small, small, is_causal=True)
        attention(small, small[:, :1], small[:, :1], enable_gqa=True)
        assert not taken
        attention(small, small, small)
        attention(query=small, key=small, value=small, scale=0.1)
    assert len(taken) == 2
    with on_cpu.Attention():
        attention(small, small, small)
    assert len(taken) == 2, "with gradients it is torch's own"


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, folder = tmp_path / "rows.yaml", write_folder(tmp_path / "random", channels=9)
    listed = [
        generator_row(folder, dtype="bfloat16"),
        generator_row(folder, id="fp8", dtype="bfloat16", quantisation="fp8"),
    ]
    path.write_text(yaml.safe_dump({"checkpoints": listed}))
    monkeypatch.setenv(EXTRA_ROWS, str(path))
    loaded_models().clear()


@pytest.mark.usefixtures("rows")
def test_a_loaded_generator_is_packed_and_paints_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = load_generator("random", device="cpu")
    assert isinstance(packed.pipe.unet.conv_in, on_cpu.PackedConv2d)
    assert isinstance(packed.pipe.vae.decoder.conv_in, on_cpu.PackedConv2d)
    made, took = generate(packed, [request(1)])[0], held_gb(packed)
    loaded_models().clear()
    monkeypatch.setattr(on_cpu, "prepare", lambda _: 0)
    monkeypatch.setattr(on_cpu, "_is_simple", lambda *_, **__: False)
    plain = load_generator("random", device="cpu")
    assert type(plain.pipe.unet.conv_in) is nn.Conv2d
    assert took == pytest.approx(held_gb(plain))
    assert made.shape == (*SIZE, 3)
    assert np.abs(made.astype(int) - generate(plain, [request(1)])[0]).mean() < 255 * TOLERANCE


def test_a_trained_model_paints_packed_what_it_paints_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = checkpoint("inpaint-embedded").model_dump(mode="json", exclude_unset=True, exclude={"controlnets"})
    path = tmp_path / "rows.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": [row | {"id": "packed", "dtype": "bfloat16"}]}))
    monkeypatch.setenv(EXTRA_ROWS, str(path))
    wanted = request(1, steps=6, guidance=2.0)
    plain, packed = (load_generator(name, device="cpu") for name in ("inpaint-embedded", "packed"))
    assert isinstance(packed.pipe.unet.conv_in, on_cpu.PackedConv2d)
    pictures = [generate(one, [wanted])[0].astype(int) for one in (plain, packed, packed)]
    assert np.abs(pictures[0] - pictures[1]).max() <= 8
    assert np.array_equal(pictures[1], pictures[2])


@pytest.mark.usefixtures("rows")
def test_loras_are_fused_before_and_one_put_on_a_packed_network_comes_off_again(tmp_path: Path) -> None:
    from pipeline.models.tensors import read_state

    pipe = load_generator("random", device="cpu").pipe
    call = networks()["unet"][1]
    state = read_state(write_lora(tmp_path / "lora.safetensors", pipe.unet, kohya=False))
    with torch.inference_mode(), quiet():
        before = call(pipe.unet, torch.bfloat16)
        pipe.load_lora_weights(state, adapter_name="late")
        assert far(call(pipe.unet, torch.bfloat16), before) > TOLERANCE
        pipe.unload_lora_weights()
        assert torch.equal(call(pipe.unet, torch.bfloat16), before)
    assert isinstance(pipe.unet.conv_in, on_cpu.PackedConv2d)


@pytest.mark.usefixtures("rows")
def test_tiles_work_on_packed_weights_and_small_storage_is_left() -> None:
    generator = load_generator("random", device="cpu")
    vae = generator.pipe.vae
    whole = generate(generator, [request(1)])[0]
    vae.enable_tiling()
    vae.tile_sample_min_size, vae.tile_latent_min_size = 32, 4
    tiled = generate(generator, [request(1)])[0]
    assert np.abs(whole.astype(int) - tiled).mean() > 1
    vae.to(vae.dtype)  # plain again
    assert type(vae.decoder.conv_in) is nn.Conv2d
    assert np.abs(generate(generator, [request(1)])[0].astype(int) - tiled).mean() < 255 * TOLERANCE
    small = load_generator("fp8", device="cpu")
    assert small.pipe.unet.down_blocks[0].resnets[0].conv1.weight.dtype == torch.float8_e4m3fn
    assert generate(small, [request(1)])[0].shape == (*SIZE, 3)

"""Tiny random checkpoints of Stable Diffusion 1, 2 and XL in their true layouts: folders, single files, LoRAs, UNets.

Topologies are the real ones (levels, layers a block, attention places, text towers); only widths are small.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline.models.families.diffusion import quiet

WIDTHS = (8, 16, 16, 16)
TEXT, TEXT_2 = 32, 48
KOHYA = ("attn1.to_q", "attn2.to_v", "proj_in", "conv1", "downsamplers.0.conv")
"""Which layers a tiny LoRA changes: attention, 1x1 and 3x3 convolutions, as distillations do."""


@functools.cache
def tokenizer() -> Any:
    """The studio's tokenizer: CLIP's byte pairs with few merges."""
    from pipeline.embedded.train.vocabulary import build_tokenizer

    return build_tokenizer()


def text_encoder(width: int = TEXT, *, projection: bool = False, seed: int = 0) -> Any:
    """CLIP's text tower with two layers."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(seed)
    words = tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(words), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=words.model_max_length, bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, projection_dim=width, hidden_act="gelu",
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def vae(*, tiny: bool = False, seed: int = 1) -> Any:
    """A full VAE at f = 8, or TAESD's form; its output has contrast, or it would be taken for an empty picture."""
    from diffusers import AutoencoderKL, AutoencoderTiny

    torch.manual_seed(seed)
    if tiny:
        made: Any = AutoencoderTiny(
            encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4, num_encoder_blocks=(1, 1, 1, 1),
            num_decoder_blocks=(1, 1, 1, 1),
        )  # fmt: skip
        with torch.no_grad():
            made.decoder.layers[-1].weight.mul_(20)
            made.decoder.layers[-1].bias.fill_(0.5)
        return made.eval()
    made = AutoencoderKL(
        block_out_channels=(8,) * 4, layers_per_block=1, latent_channels=4, norm_num_groups=4, sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    with torch.no_grad():
        made.decoder.conv_out.weight.mul_(4)
    return made.eval()


def unet(*, channels: int = 4, seed: int = 2, **changes: Any) -> Any:
    """The UNet of Stable Diffusion 1.x: four levels, attention in the first three."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(seed)
    common: dict[str, Any] = {
        "sample_size": 8, "in_channels": channels, "out_channels": 4, "cross_attention_dim": TEXT,
        "block_out_channels": WIDTHS, "layers_per_block": 2, "attention_head_dim": 4, "norm_num_groups": 4,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    }  # fmt: skip
    return UNet2DConditionModel(**{**common, **changes}).eval()


XL: dict[str, Any] = {
    "block_out_channels": WIDTHS[:3], "cross_attention_dim": TEXT + TEXT_2, "use_linear_projection": True,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 1, 2), "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": TEXT_2 + 6 * 8,
}  # fmt: skip
"""What SDXL changes: three levels, two text towers, and sizes as an input."""
SMALL: dict[str, Any] = {"layers_per_block": 1}
TINY: dict[str, Any] = {
    "layers_per_block": 1, "block_out_channels": WIDTHS[:3], "mid_block_type": None,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3, "up_block_types": ("CrossAttnUpBlock2D",) * 3,
}  # fmt: skip
"""tiny-sd and SDXS: one layer a block, no middle, no lowest level."""
TWO: dict[str, Any] = {"cross_attention_dim": TEXT_2, "use_linear_projection": True, "attention_head_dim": (1, 2, 4, 4)}
"""What Stable Diffusion 2 changes: a wider text tower, linear projections, heads a level."""
LCM: dict[str, Any] = {"time_cond_proj_dim": 16}
"""Guidance as an input of the network."""
UNEVEN: dict[str, Any] = {
    "transformer_layers_per_block": (1, (2, 2), (1, 1)),
    "reverse_transformer_layers_per_block": ((1, 1, 2), (2, 1, 1), 1), "mid_block_type": "UNetMidBlock2D",
}  # fmt: skip
"""What distillation left of SDXL in SSD-1B and Vega: other depths of attention up and down, none in the middle."""


def scheduler(**changes: Any) -> Any:
    """The noise schedule of the real folders."""
    from diffusers import EulerDiscreteScheduler

    common: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return EulerDiscreteScheduler(**{**common, "steps_offset": 1, **changes})


def write_folder(
    folder: Path, *, xl: bool = False, channels: int = 4, changes: Mapping[str, Any] | None = None,
    tiny_vae: bool = False, wide_text: bool = False, variant: str | None = None, pickle: bool = False, seed: int = 2,
) -> Path:  # fmt: skip
    """A pipeline's folder as the hub has it; ``variant`` fp16 halves it, ``pickle`` writes .bin files."""
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    parts: dict[str, Any] = {"vae": vae(tiny=tiny_vae), "tokenizer": tokenizer(), "scheduler": scheduler()}
    parts["unet"] = unet(channels=channels, seed=seed, **{**(XL if xl else {}), **(changes or {})})
    parts["text_encoder"] = text_encoder(TEXT_2 if wide_text else TEXT)
    with quiet():
        if xl:
            parts |= {"tokenizer_2": tokenizer(), "text_encoder_2": text_encoder(TEXT_2, projection=True, seed=5)}
            pipe: Any = StableDiffusionXLPipeline(**parts, add_watermarker=False)
        else:
            pipe = StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None)
        pipe.to(torch.float16 if variant else torch.float32).save_pretrained(folder, variant=variant)
    if pickle:
        for path in list(folder.rglob("*.safetensors")):
            name = "pytorch_model.bin" if path.stem == "model" else f"{path.stem}.bin"
            torch.save(read(path), path.with_name(name))
            path.unlink()
    return folder


def read(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file."""
    from safetensors.torch import load_file

    return dict(load_file(path))


def save(state: Mapping[str, torch.Tensor], path: Path) -> Path:
    """Write tensors as safetensors."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous().clone() for name, value in state.items()}, path)
    return path


def write_unet(path: Path, network: Any) -> Path:
    """A whole UNet in one file, diffusers' names, as SDXL-Lightning and Hyper-SD publish it."""
    return save({name: value.half() for name, value in network.state_dict().items()}, path)


def write_controlnet(folder: Path, network: Any, *, variant: str | None, pickle: bool = False) -> Path:
    """A ControlNet that fits a UNet of 4 channels; its gates are open, for a fresh one would not act."""
    from diffusers import ControlNetModel

    torch.manual_seed(7)
    net = ControlNetModel.from_unet(network, load_weights_from_unet=False)
    with torch.no_grad():
        for gate in [*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out]:
            torch.nn.init.normal_(gate.weight, 0, 0.5)
    net.half().save_pretrained(folder, variant=variant, safe_serialization=not pickle)
    return folder


def layers_of(network: Any) -> Iterator[tuple[str, Any]]:
    """The layers that a tiny LoRA changes."""
    for name, layer in network.named_modules():
        if name.endswith(KOHYA) and isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
            yield name, layer


def write_lora(path: Path, network: Any, *, kohya: bool, rank: int = 2, scale: float = 0.3, seed: int = 9) -> Path:
    """A LoRA of a UNet: in kohya's names (``lora_unet_..lora_down``, alpha) or diffusers' (``unet...lora_A``)."""
    torch.manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    for name, layer in layers_of(network):
        weight = layer.weight
        down = torch.randn(rank, *weight.shape[1:]) * scale
        up = torch.randn(weight.shape[0], rank, *((1, 1) if weight.dim() == 4 else ())) * scale
        if kohya:
            key = "lora_unet_" + name.replace(".", "_")
            state |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up}
            state[f"{key}.alpha"] = torch.tensor(float(rank))
        else:
            state |= {f"unet.{name}.lora_A.weight": down, f"unet.{name}.lora_B.weight": up}
    return save({name: value.half() for name, value in state.items()}, path)


SEEN = 24
"""Width of what the tiny image encoder says of a picture."""


def write_image_encoder(folder: Path, *, seed: int = 11) -> Path:
    """CLIP's vision tower with its projection, as a transformers folder."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8,
        projection_dim=SEEN,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).half().save_pretrained(folder)
    return folder


def write_ip_adapter(path: Path, network: Any, *, plus: bool = False, seed: int = 12) -> Path:
    """An IP-Adapter of a UNet in the authors' names: four tokens off a projection, or off a perceiver (``plus``)."""
    torch.manual_seed(seed)
    width, state = network.config.cross_attention_dim, dict[str, torch.Tensor]()
    shapes = _perceiver(width) if plus else {"proj.weight": (4 * width, SEEN)}
    state |= {f"image_proj.{name}": torch.randn(shape) for name, shape in shapes.items()}
    if not plus:
        state["image_proj.proj.bias"] = torch.zeros(4 * width)
    norm = "norm_out" if plus else "norm"
    state |= {f"image_proj.{norm}.weight": torch.ones(width), f"image_proj.{norm}.bias": torch.zeros(width)}
    for place, name in enumerate(network.attn_processors):
        if name.endswith("attn2.processor"):
            to_k = network.get_submodule(name.removesuffix(".processor")).to_k
            for kind in ("k", "v"):
                state[f"ip_adapter.{place}.to_{kind}_ip.weight"] = torch.randn(to_k.weight.shape)
    return save({name: value.half() for name, value in state.items()}, path)


def _perceiver(width: int, depth: int = 4) -> dict[str, tuple[int, ...]]:
    """Shapes of IP-Adapter Plus's projection: heads of 64, so its inner width is that of the queries."""
    shapes: dict[str, tuple[int, ...]] = {"latents": (1, 4, width)}
    for name, (into, out) in {"proj_in": (32, width), "proj_out": (width, width)}.items():
        shapes |= {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
    for at in range(depth):
        for name in ("0.norm1", "0.norm2", "1.0"):
            shapes |= {f"layers.{at}.{name}.weight": (width,), f"layers.{at}.{name}.bias": (width,)}
        shapes[f"layers.{at}.0.to_q.weight"] = (64, width)
        shapes[f"layers.{at}.0.to_kv.weight"] = (128, width)
        shapes[f"layers.{at}.0.to_out.weight"] = (width, 64)
        shapes[f"layers.{at}.1.1.weight"] = (4 * width, width)
        shapes[f"layers.{at}.1.3.weight"] = (width, 4 * width)
    return shapes

"""What the generation bench works on: Stable Diffusion 1.5's inpainting networks with random weights, and photos."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

ROW: Final = "bench-random"
"""The id of the row that the bench's own row file holds."""
FULL: Final[Mapping[str, Any]] = {
    "native_px": 512, "photo_px": 2048,
    "unet": {"block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": 8, "norm_num_groups": 32},
    "vae": {"block_out_channels": (128, 256, 512, 512), "norm_num_groups": 32},
    "text": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
}  # fmt: skip
TINY: Final[Mapping[str, Any]] = {
    "native_px": 64, "photo_px": 160,
    "unet": {"block_out_channels": (8, 16, 16, 16), "attention_head_dim": 4, "norm_num_groups": 4},
    "vae": {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4},
    "text": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
}  # fmt: skip
"""The same topology with small widths, for tests."""
MASK_SHARE: Final = 0.15
STEPS: Final = 4


def unet_config(size: Mapping[str, Any]) -> dict[str, Any]:
    """The UNet of Stable Diffusion 1.5's inpainting checkpoint: 9 channels, four levels, attention in three."""
    return {
        "sample_size": size["native_px"] // 8, "in_channels": 9, "out_channels": 4, "layers_per_block": 2,
        "cross_attention_dim": size["text"]["hidden_size"],
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3, **size["unet"],
    }  # fmt: skip


def unet_tflop(size: Mapping[str, Any]) -> float:
    """Floating-point operations of one UNet call for one picture, in 10^12, counted without computing anything."""
    import torch
    from diffusers import UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode

    cells = size["native_px"] // 8
    with torch.device("meta"), torch.inference_mode():
        unet = UNet2DConditionModel(**unet_config(size))
        latents = torch.empty(1, 9, cells, cells)
        words = torch.empty(1, 77, size["text"]["hidden_size"])
        counter = FlopCounterMode(display=False)
        with counter:
            unet(latents, torch.empty(1), encoder_hidden_states=words)
    return float(counter.get_total_flops()) / 1e12


def write_checkpoint(folder: Path, size: Mapping[str, Any]) -> Path:
    """A whole random inpainting pipeline in diffusers' layout, in fp16 as the hub has it; kept if it is there."""
    done = folder / "complete.json"
    if done.is_file() and done.read_text() == _signature(size):
        return folder
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel

    from pipeline.models.families.diffusion import quiet

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        unet = UNet2DConditionModel(**unet_config(size))
        pipe: Any = StableDiffusionInpaintPipeline(
            unet=unet, vae=_vae(size), text_encoder=_text_encoder(size), tokenizer=_tokenizer(),
            scheduler=EulerDiscreteScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
            ),
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    finally:
        torch.set_default_dtype(before)
    with quiet():
        pipe.to(torch.float16).save_pretrained(folder)
    done.write_text(_signature(size))
    return folder


def _signature(size: Mapping[str, Any]) -> str:
    return json.dumps(size, sort_keys=True)


def _vae(size: Mapping[str, Any]) -> Any:
    """Stable Diffusion's VAE; its output has contrast, or it would be taken for an empty picture."""
    import torch
    from diffusers import AutoencoderKL

    vae: Any = AutoencoderKL(
        latent_channels=4, layers_per_block=2, sample_size=size["native_px"],
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **size["vae"],
    )  # fmt: skip
    with torch.no_grad():
        vae.decoder.conv_out.weight.mul_(4)
    return vae


def _tokenizer() -> Any:
    from pipeline.embedded.train.vocabulary import build_tokenizer

    tokenizer = build_tokenizer()
    tokenizer.model_max_length = 77
    return tokenizer


def _text_encoder(size: Mapping[str, Any]) -> Any:
    """CLIP ViT-L's text tower with its own vocabulary's size; the words are the studio's."""
    from transformers import CLIPTextConfig, CLIPTextModel

    words = _tokenizer()
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408, max_position_embeddings=77, bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, hidden_act="quick_gelu", **size["text"],
        )
    )  # fmt: skip


def write_row(path: Path, checkpoint: Path, size: Mapping[str, Any]) -> Path:
    """A file of rows (`SEAMLINE_CHECKPOINTS`) with the random checkpoint: the built-in model's family, four steps."""
    from pipeline.models.checkpoints import checkpoint as row_of

    native = [size["native_px"]] * 2
    row = {
        "id": ROW, "role": "generator", "family": row_of("inpaint-embedded").family, "address": str(checkpoint),
        "dtype": "float16", "size_gb": 2.1, "year": 2026, "licence": "Apache-2.0", "commercial": True,
        "sampling": {"native_px": native, "multiple_of": 8, "steps": STEPS, "min_steps": 1, "guidance": 1.0},
    }  # fmt: skip
    path.write_text(yaml.safe_dump({"checkpoints": [row]}), encoding="utf-8")
    return path


def write_photos(folder: Path, number: int, size: Mapping[str, Any]) -> list[tuple[Path, Path]]:
    """So many square JPEG photos, each with a mask: an ellipse of `MASK_SHARE` of the photo, elsewhere each time."""
    import cv2

    from pipeline.files.codec import encode_mask
    from pipeline.files.encode import encode_picture
    from pipeline.files.picture import read_picture
    from pipeline.files.sample import sample_folder
    from pipeline.pixels.geometry import resize_image

    sample_folder("packshot", str(folder))
    portrait = read_picture(str(folder / "samples/packshot/photos/astronaut.png")).image
    px = size["photo_px"]
    photo = resize_image(portrait, (px, px))
    tall, wide = px * math.sqrt(MASK_SHARE / math.pi) * np.array([1.1, 1 / 1.1])
    rng = np.random.default_rng(0)
    made: list[tuple[Path, Path]] = []
    for index in range(number):
        center = rng.uniform([wide + 1, tall + 1], [px - wide - 1, px - tall - 1])
        drawn = np.zeros((px, px), np.uint8)
        axes = (round(float(wide)), round(float(tall)))
        cv2.ellipse(drawn, (round(center[0]), round(center[1])), axes, 0, 0, 360, 1, -1)
        image_path, mask_path = folder / f"photo-{index}.jpg", folder / f"mask-{index}.png"
        image_path.write_bytes(encode_picture(np.roll(photo, index * px // number, axis=1), quality=92))
        mask_path.write_bytes(encode_mask(drawn > 0))
        made.append((image_path, mask_path))
    return made

"""Tiny random generators in the hub's own layout, as checkpoints lie on disk."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from pipeline.embedded.diffusion import build_controlnet, build_text_encoder, build_unet, save_inpaint
from pipeline.embedded.train.latents import build_vae
from pipeline.embedded.train.vocabulary import build_tokenizer
from pipeline.models.checkpoints import Checkpoint


def write_generator(folder: Path, *, channels: int = 9, seed: int = 0) -> Path:
    """A whole inpainting pipeline with random weights; ``channels`` 4 is a plain text-to-image checkpoint."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    unet = build_unet()
    if channels != 9:
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel.from_config({**unet.config, "in_channels": channels})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_inpaint(
            folder, vae=build_vae(), tokenizer=tokenizer, text_encoder=build_text_encoder(tokenizer), unet=unet
        )
    return folder


def write_control(folder: Path, *, seed: int = 1) -> Path:
    """A ControlNet with random weights."""
    torch.manual_seed(seed)
    build_controlnet().half().save_pretrained(folder)
    return folder


def generator_row(folder: Path, **fields: Any) -> dict[str, Any]:
    """The row of a generator in ``folder``."""
    sampling = {"native_px": [48, 32], "multiple_of": 16, "steps": 3, "min_steps": 2, "guidance": 1.0}
    return {
        "id": "random", "role": "generator", "family": "sd15", "address": str(folder), "size_gb": 0.01, "year": 2026,
        "licence": "Apache-2.0", "commercial": True, "sampling": {**sampling, **fields.pop("sampling", {})}, **fields,
    }  # fmt: skip


def as_row(fields: dict[str, Any]) -> Checkpoint:
    """The row as it is read."""
    return Checkpoint.model_validate(fields)

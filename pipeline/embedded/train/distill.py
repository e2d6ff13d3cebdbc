"""A few-step variant of the inpainting model: a LoRA by consistency distillation (LCM-LoRA).

Luo et al. 2023, "LCM-LoRA: a universal Stable-Diffusion acceleration module": the student's guess of the clean picture
at one time is held to its own guess one solver step earlier, where the solver is the trained model. The model needs no
guidance, so the solver takes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.embedded.diffusion import noise_schedule
from pipeline.embedded.train.inpaint import BATCH, draw_batch, even_times, steer, tokens_of, trained_parts
from pipeline.embedded.train.latents import LinearMap
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.precision import fast_format
from pipeline.embedded.train.restage import open_restage

DISTILL_SCHEDULE: Final = Schedule(steps=500, rate=6e-4, warmup=20, anneal=0.6, weight_decay=0.0, average=0.98)
RANK: Final = 16
LAYERS: Final = ("to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2", "conv_shortcut", "time_emb_proj", "ff.net.2")
SOLVER_STEPS: Final = 40
"""Stretches that the solver divides the noise into; the student jumps over all of them."""


def add_lora(unet: Any) -> Any:
    """``unet`` frozen, with a fresh LoRA that alone is trained; untrained it changes nothing."""
    from peft import LoraConfig

    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(LAYERS), init_lora_weights=True))
    return unet


def clean_guess(velocity: Any, noisy: Any, signal: Any) -> Any:
    """The clean latents that a velocity at ``noisy`` means."""
    return signal.sqrt() * noisy - (1 - signal).sqrt() * velocity


def distill(
    folder: Path,
    teacher: Path,
    scenes: Path,
    linear: LinearMap,
    *,
    schedule: Schedule = DISTILL_SCHEDULE,
    batch: int = BATCH,
) -> None:
    """Train the LoRA in ``folder`` for the run ``teacher``; goes on where it stopped."""
    import torch

    tokenizer, model = trained_parts(teacher)
    model.requires_grad_(False)
    run = Training(folder=folder, model=add_lora(model["unet"]), schedule=schedule, save_every=50)
    cache, signals = open_restage(scenes), noise_schedule().alphas_cumprod.float()
    stride = len(signals) // SOLVER_STEPS

    def loss_of(unet: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        generator = torch.Generator().manual_seed(step)
        drawn = draw_batch(cache, linear, rng, batch)
        late = (even_times(batch, generator) // stride + 1) * stride - 1
        early = (late - stride).clamp(min=0)
        noise = torch.randn(drawn["latents"].shape, generator=generator)
        before, after = (signals[times][:, None, None, None] for times in (late, early))
        noisy = before.sqrt() * drawn["latents"] + (1 - before).sqrt() * noise

        def velocity(latents: Any, times: Any, steered: Mapping[str, Any]) -> Any:
            seen = torch.cat([latents, drawn["mask"], drawn["kept"]], 1).contiguous(memory_format=torch.channels_last)
            return unet(seen, times, text, **steered).sample.float()

        with fast_format():
            with torch.no_grad():
                text = model["text"](tokens_of(tokenizer, drawn["texts"])).last_hidden_state
                steered = steer(model, text, drawn["controls"], noisy, late)
                unet.disable_adapters()
                taught = velocity(noisy, late, steered)
                unet.enable_adapters()
                clean = clean_guess(taught, noisy, before)
                turned = before.sqrt() * taught + (1 - before).sqrt() * noisy  # the noise that the teacher sees
                nearer = after.sqrt() * clean + (1 - after).sqrt() * turned
                again = steer(model, text, drawn["controls"], nearer, early)
                goal = clean_guess(velocity(nearer, early, again), nearer, after)
                first = (late < stride)[:, None, None, None]
                goal = torch.where(first, drawn["latents"], goal)
            guess = clean_guess(velocity(noisy, late, steered), noisy, before)
        error = (guess - goal).square().mean(1, keepdim=True)
        weight = 0.1 + 0.9 * drawn["mask"]
        return (((error + 1e-4).sqrt() - 1e-2) * weight).sum() / weight.sum(), {"square": float(error.mean().detach())}

    run.train(loss_of)


def export_lora(run: Path, folder: Path) -> None:
    """Write a run's averaged LoRA as diffusers loads one: ``pytorch_lora_weights.safetensors``, fp16."""
    import torch
    from diffusers import StableDiffusionInpaintPipeline
    from peft.utils import get_peft_model_state_dict

    from pipeline.embedded.diffusion import build_unet
    from pipeline.embedded.train.run import averaged

    unet = add_lora(build_unet())
    unet.load_state_dict(averaged(run))
    layers = get_peft_model_state_dict(unet)
    halved = {name: value.to(torch.float16).contiguous() for name, value in layers.items()}
    StableDiffusionInpaintPipeline.save_lora_weights(folder, unet_lora_layers=halved)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)

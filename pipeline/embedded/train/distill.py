"""A few-step variant of the inpainting model: a LoRA by consistency distillation (LCM-LoRA).

Luo et al. 2023, "LCM-LoRA: a universal Stable-Diffusion acceleration module": the student's guess of the clean picture
at one time is held to its own guess one solver step earlier, where the solver is the trained model under guidance. The
student takes in the guidance and needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.embedded.diffusion import GUIDANCE, noise_schedule
from pipeline.embedded.train.inpaint import draw_batch, even_times, parts_of, steer, tokens_of
from pipeline.embedded.train.latents import LinearMap
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.precision import fast_format
from pipeline.embedded.train.restage import open_restage
from pipeline.embedded.train.vocabulary import build_tokenizer

DISTILL_SCHEDULE: Final = Schedule(steps=200, rate=8e-4, warmup=10, anneal=0.6, weight_decay=0.0, average=0.95)
BATCH: Final = 8
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


def consistency_loss(
    unet: Any, model: Any, tokens: tuple[Any, Any], batch: Mapping[str, Any], signals: Any, seed: int
) -> tuple[Any, dict[str, float]]:
    """How far the student's clean guess at a time is from its own guess one solver step nearer (Huber, in the mask).

    ``tokens`` are the batch's captions and as many empty ones; ``signals`` (1000,) the share of signal at each time.
    """
    import torch

    generator, count = torch.Generator().manual_seed(seed), batch["latents"].shape[0]
    stride = len(signals) // SOLVER_STEPS
    late = (even_times(count, generator) // stride + 1) * stride - 1
    early = (late - stride).clamp(min=0)
    before, after = (signals[times][:, None, None, None] for times in (late, early))
    noise = torch.randn(batch["latents"].shape, generator=generator)
    noisy = before.sqrt() * batch["latents"] + (1 - before).sqrt() * noise

    def velocity(latents: Any, times: Any, steered: Mapping[str, Any], text: Any) -> Any:
        seen = torch.cat([latents, batch["mask"], batch["kept"]], 1).contiguous(memory_format=torch.channels_last)
        return unet(seen, times, text, **steered).sample.float()

    with fast_format():
        with torch.no_grad():
            said, silence = (model["text"](words).last_hidden_state for words in tokens)
            steered = steer(model, said, batch["controls"], noisy, late)
            unet.disable_adapters()
            unled = velocity(noisy, late, steered, silence)
            taught = unled + GUIDANCE * (velocity(noisy, late, steered, said) - unled)
            unet.enable_adapters()
            clean = clean_guess(taught, noisy, before)
            turned = before.sqrt() * taught + (1 - before).sqrt() * noisy  # the noise that the teacher sees
            nearer = after.sqrt() * clean + (1 - after).sqrt() * turned
            again = steer(model, said, batch["controls"], nearer, early)
            goal = clean_guess(velocity(nearer, early, again, said), nearer, after)
            goal = torch.where((late < stride)[:, None, None, None], batch["latents"], goal)
        guess = clean_guess(velocity(noisy, late, steered, said), noisy, before)
    square = (guess - goal).square().mean(1, keepdim=True)
    weight = 0.1 + 0.9 * batch["mask"]
    loss = (((square + 1e-4).sqrt() - 1e-2) * weight).sum() / weight.sum()
    return loss, {"square": round(float(square.mean().detach()), 4)}


def distill(
    folder: Path,
    teacher: Path,
    scenes: Path,
    linear: LinearMap,
    *,
    schedule: Schedule = DISTILL_SCHEDULE,
    batch: int = BATCH,
) -> None:
    """Train the LoRA in ``folder`` for ``teacher``, a run's folder or an exported model's; goes on where it stopped."""
    tokenizer, model = build_tokenizer(), parts_of(teacher)
    model.requires_grad_(False)
    run = Training(folder=folder, model=add_lora(model["unet"]), schedule=schedule, save_every=50)
    cache, signals = open_restage(scenes), noise_schedule().alphas_cumprod.float()

    def loss_of(unet: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        drawn = draw_batch(cache, linear, rng, batch)
        tokens = tokens_of(tokenizer, drawn["texts"]), tokens_of(tokenizer, [""] * batch)
        return consistency_loss(unet, model, tokens, drawn, signals, step)

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

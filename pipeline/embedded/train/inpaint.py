"""Training of the embedded inpainting model: text encoder, denoiser and pose ControlNet together, from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.embedded.diffusion import (
    build_controlnet,
    build_text_encoder,
    build_unet,
    noise_schedule,
    save_inpaint,
)
from pipeline.embedded.train.latents import FACTOR, LinearMap
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.repaint import random_repaint
from pipeline.embedded.train.restage import RestageCache, open_restage
from pipeline.embedded.train.vae import trained_vae
from pipeline.embedded.train.vocabulary import build_tokenizer
from pipeline.errors import WeightsMissing
from pipeline.pixels.skeleton import draw_skeleton

INPAINT_SCHEDULE: Final = Schedule(steps=30_000, rate=1.4e-3, warmup=100, anneal=0.4, weight_decay=1e-3, average=0.997)
BATCH: Final = 12
OUTSIDE: Final = 0.1
"""Weight of the loss outside the repaint mask; nought would let the known area drift."""
CONTROLLED: Final = 0.75
"""Share of the batches that see the pose; without it the model must still draw."""


def build_model(tokenizer: Any) -> Any:
    """Text encoder, denoiser and pose ControlNet as one module."""
    import torch

    torch.manual_seed(0)
    return torch.nn.ModuleDict(
        {"text": build_text_encoder(tokenizer), "unet": build_unet(), "pose": build_controlnet()}
    )


def random_caption(parts: tuple[str, str], rng: np.random.Generator) -> str:
    """The caption as users may shorten it: whole, without its place, the place alone, or nothing."""
    what, place = parts
    lot = rng.random()
    if lot < 0.08:
        return ""
    if lot < 0.20:
        return place
    if lot < 0.30:
        return what
    if lot < 0.42:
        return f"{what.split(' wearing ')[0]}, {place}"
    return f"{what}, {place}"


def draw_batch(cache: RestageCache, linear: LinearMap, rng: np.random.Generator, size: int = BATCH) -> dict[str, Any]:
    """Latents of the picture and of what stays of it, the latent mask, skeletons and captions of one step."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    picks = np.sort(rng.integers(0, len(cache), size))
    images, masks, maps, texts = [], [], [], []
    for index in picks:
        labels, joints = np.asarray(cache.labels[index]), np.asarray(cache.joints[index])
        images.append(cache.images[index])
        masks.append(random_repaint(labels, rng, body=bool(joints[:, 2].any())))
        maps.append(draw_skeleton(joints, (labels.shape[0], labels.shape[1])))
        texts.append(random_caption(cache.captions[index], rng))
    pixels = torch.from_numpy(np.stack(images).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    repaint = torch.from_numpy(np.stack(masks).astype(np.float32))[:, None]
    skeletons = torch.from_numpy(np.stack(maps).astype(np.float32) / 255).permute(0, 3, 1, 2)
    with torch.no_grad():
        return {
            "latents": linear(pixels),
            "kept": linear(pixels * (1 - repaint)),
            "mask": F.max_pool2d(repaint, FACTOR),
            "skeletons": skeletons,
            "texts": texts,
        }


def denoising_loss(model: Any, tokens: Any, batch: dict[str, Any], sigmas: Any, seed: int, *, controlled: bool) -> Any:
    """Squared error of the velocity (Salimans & Ho 2022), inside the mask ten times outside; and its parts to log."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    latents, mask = batch["latents"], batch["mask"]
    times = torch.randint(0, 1000, (latents.shape[0],), generator=generator)
    noise = torch.randn(latents.shape, generator=generator)
    signal = sigmas[times][:, None, None, None]
    noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
    velocity = signal.sqrt() * noise - (1 - signal).sqrt() * latents
    text = model["text"](tokens).last_hidden_state
    extra: dict[str, Any] = {}
    flat = torch.channels_last
    if controlled:
        down, middle = model["pose"](
            noisy.contiguous(memory_format=flat),
            times,
            encoder_hidden_states=text,
            controlnet_cond=batch["skeletons"].contiguous(memory_format=flat),
            return_dict=False,
        )
        extra = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
    seen = torch.cat([noisy, mask, batch["kept"]], 1).contiguous(memory_format=flat)
    error = (model["unet"](seen, times, text, **extra).sample - velocity).square().mean(1, keepdim=True)
    weight = OUTSIDE + (1 - OUTSIDE) * mask
    inside = float((error * mask).sum().detach() / mask.sum().clamp(min=1))
    return (error * weight).sum() / weight.sum(), {"inside": round(inside, 4)}


def train_inpaint(folder: Path, scenes: Path, linear: LinearMap, *, schedule: Schedule = INPAINT_SCHEDULE) -> None:
    """Train in ``folder`` on the restaging scenes of ``scenes``; goes on where it stopped."""

    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    run = Training(folder=folder, model=model, schedule=schedule, save_every=100)
    signal = noise_schedule().alphas_cumprod.float()
    caches = {"open": open_restage(scenes)}

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        if step % 500 == 0:  # the scenes may still be being rendered
            caches["open"] = open_restage(scenes)
        batch = draw_batch(caches["open"], linear, rng)
        tokens = tokenizer(
            batch["texts"], padding="max_length", max_length=tokenizer.model_max_length, truncation=True,
            return_tensors="pt",
        ).input_ids  # fmt: skip
        controlled = bool(rng.random() < CONTROLLED)
        loss, numbers = denoising_loss(model, tokens, batch, signal, step, controlled=controlled)
        return loss, numbers

    run.train(loss_of)


def trained_parts(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and averaged model of a run.

    Raises:
        WeightsMissing: the run has no checkpoint yet.
    """
    import torch

    path = folder / "checkpoint.pt"
    if not path.exists():
        raise WeightsMissing(f"{folder} holds no checkpoint; train first: seamline studio train inpaint")
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    model.load_state_dict(torch.load(path, weights_only=True)["average"])
    return tokenizer, model.eval()


def export_inpaint(run: Path, vae_run: Path, folder: Path) -> None:
    """Write what a run has reached as a pipeline's folder, and its pose control as ``controlnet_pose`` in it."""
    import torch

    tokenizer, model = trained_parts(run)
    save_inpaint(folder, vae=trained_vae(vae_run), tokenizer=tokenizer, text_encoder=model["text"], unet=model["unet"])
    model["pose"].to(torch.float16).save_pretrained(folder / "controlnet_pose")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # the library writes them for their owner alone

"""Training of the embedded inpainting model: text encoder, denoiser and ControlNets together, from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.diffusion import (
    CHANNELS,
    LATENTS,
    build_controlnet,
    build_text_encoder,
    build_unet,
    load_controlnet,
    load_inpaint,
    noise_schedule,
    save_inpaint,
)
from pipeline.embedded.train.latents import FACTOR, LinearMap
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.precision import fast_format
from pipeline.embedded.train.repaint import edges_near, random_repaint
from pipeline.embedded.train.restage import BOTTOM, PARTS, RestageCache, open_restage
from pipeline.embedded.train.vocabulary import build_tokenizer
from pipeline.errors import WeightsMissing
from pipeline.pixels.skeleton import draw_skeleton
from pipeline.types import Image, Size

INPAINT_SCHEDULE: Final = Schedule(steps=4_400, rate=1.4e-3, warmup=60, anneal=0.4, weight_decay=1e-3, average=0.995)
BATCH: Final = 12
NATIVE: Final[Size] = (128, 96)
"""Size of the pictures that it draws, in px: at 192 x 144 the same time gives a third of the samples."""
OUTSIDE: Final = 0.1
"""Weight of the loss outside the repaint mask; nought would let the known area drift."""
HINT: Final = 0.3
"""Weight of what the caption alone says of the repainted parts' colours."""
LEAST_CELLS: Final = 3
"""Parts of which fewer latents are repainted are not asked for."""
CONTROLS: Final = ("pose", "canny")
CONTROL_SHARES: Final = {(): 0.52, ("pose",): 0.36, ("pose", "canny"): 0.12}
"""Share of the batches that see each set of controls; without any the model must still draw."""


def build_model(tokenizer: Any) -> Any:
    """Text encoder, denoiser, a ControlNet per control and the layer of `hint_loss` as one module."""
    import torch

    torch.manual_seed(0)
    parts = {"text": build_text_encoder(tokenizer), "unet": build_unet(NATIVE[0])}
    parts["hint"] = torch.nn.Linear(4 * CHANNELS[0], 2 * PARTS * LATENTS)
    return torch.nn.ModuleDict(parts | {name: build_controlnet() for name in CONTROLS})


def random_caption(parts: tuple[str, str], rng: np.random.Generator, garment: int | None = None) -> str:
    """The caption as users may shorten it: whole, without its place, the place alone, or nothing.

    Where ``garment``, TOP or BOTTOM, is repainted by itself, half of the captions name nothing else that is worn.
    """
    what, place = parts
    if garment is not None and rng.random() < 0.5:
        return f"{_only(what, garment)}, {place}"
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


def _only(what: str, garment: int) -> str:
    """The caption's first half with one garment of the outfit: the top is said first, the bottom after it."""
    who, worn, outfit = what.partition(" wearing ")
    pieces = outfit.split(" with a ")[0].split(" and ")
    return f"{who}{worn}{pieces[min(int(garment == BOTTOM), len(pieces) - 1)]}" if worn else what


def draw_batch(
    cache: RestageCache, linear: LinearMap, rng: np.random.Generator, size: int = BATCH, *, px: Size = NATIVE
) -> dict[str, Any]:
    """Latents of pictures of ``px`` and of what stays of them, the latent mask, control maps and captions of one step.

    ``controls`` holds the maps of one of CONTROL_SHARES, drawn for the whole batch.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    lot = int(rng.choice(len(CONTROL_SHARES), p=list(CONTROL_SHARES.values())))
    seen = list(CONTROL_SHARES)[lot]
    images, masks, texts, kinds = [], [], [], []
    maps: dict[str, list[Image]] = {name: [] for name in seen}
    for index in np.sort(rng.integers(0, len(cache), size)):
        image, labels, joints = cache.scene(int(index), px)
        body = bool(joints[:, 2].any())
        repaint = random_repaint(labels, rng, body=body)
        images.append(image)
        masks.append(repaint.mask)
        kinds.append(labels)
        texts.append(random_caption(cache.captions[index], rng, repaint.garment))
        if "pose" in seen:
            maps["pose"].append(draw_skeleton(joints, px))
        if "canny" in seen:
            maps["canny"].append(edges_near(image, repaint.mask, rng))
    pixels = torch.from_numpy(np.stack(images).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    cells = F.max_pool2d(torch.from_numpy(np.stack(masks).astype(np.float32))[:, None], FACTOR)
    repainted = F.interpolate(cells, scale_factor=FACTOR)  # whole latents, as the family's call grows its masks
    with torch.no_grad():
        return {
            "latents": linear(pixels),
            "kept": linear(pixels * (1 - repainted)),
            "mask": cells,
            "parts": _parts(np.stack(kinds)),
            "controls": {name: _stacked(maps[name]) for name in seen},
            "texts": texts,
        }


def _parts(labels: NDArray[np.uint8]) -> Any:
    """Share of every latent that is each part's: (N, H, W) labels to (N, PARTS, 1, H/4, W/4)."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    of_each = torch.from_numpy((labels[:, None] == np.arange(PARTS)[None, :, None, None]).astype(np.float32))
    return F.avg_pool2d(of_each, FACTOR)[:, :, None]


def _stacked(maps: list[Image]) -> Any:
    import torch

    return torch.from_numpy(np.stack(maps).astype(np.float32) / 255).permute(0, 3, 1, 2)


def even_times(count: int, generator: Any) -> Any:
    """``count`` times of 0 to 999, one in each of ``count`` equal stretches: less noise in the loss than free draws."""
    import torch

    places = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
    return (places * 1000).long().clamp(max=999)


def denoising_loss(
    model: Any, tokens: Any, batch: dict[str, Any], signals: Any, seed: int
) -> tuple[Any, dict[str, float]]:
    """Squared error of the velocity (Salimans & Ho 2022), inside the mask ten times outside; and its parts to log.

    Each picture counts alike: by area, garments would be a twentieth of what is learned, and their words stay unheard.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    latents, mask = batch["latents"], batch["mask"]
    times = even_times(latents.shape[0], generator)
    noise = torch.randn(latents.shape, generator=generator)
    signal = signals[times][:, None, None, None]
    noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
    velocity = signal.sqrt() * noise - (1 - signal).sqrt() * latents
    with fast_format():
        text = model["text"](tokens).last_hidden_state
        made = denoise(model, text, batch, noisy, times)
    hint = hint_loss(model, text.float(), latents, batch["parts"] * mask[:, None])
    error = (made.float() - velocity).square().mean(1, keepdim=True)
    weight = OUTSIDE + (1 - OUTSIDE) * mask
    inside = float((error * mask).sum().detach() / mask.sum().clamp(min=1))
    each = (error * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
    return each.mean() + HINT * hint, {"inside": round(inside, 4), "hint": round(float(hint.detach()), 4)}


def hint_loss(model: Any, text: Any, latents: Any, parts: Any) -> Any:
    """How badly mean and deviation of each part's latents are read off the caption alone, by a layer not shipped.

    Words for the colours of cloth and skin stayed unheard for 90,000 pictures: attention that is even over forty tokens
    gives them no slope to climb. This puts them into the pooled text, from where the denoiser takes them up.

    Args:
        model: the parts of `build_model`.
        text: (N, 40, C) encoded captions.
        latents: (N, 4, h, w).
        parts: (N, PARTS, 1, h, w) share of each latent that is a part's and repainted, in [0, 1].
    """
    import torch

    area = parts.sum((2, 3, 4))
    whole = area.clamp(min=1)[..., None]
    means, squares = (((latents**power)[:, None] * parts).sum((3, 4)) / whole for power in (1, 2))
    deviations = (squares - means.square()).clamp(min=0).sqrt()
    said = model["hint"](model["unet"].add_embedding(text)).unflatten(1, (PARTS, 2 * LATENTS))
    seen = (area > LEAST_CELLS).float()
    return ((said - torch.cat([means, deviations], 2)).square().mean(2) * seen).sum() / seen.sum().clamp(min=1)


def steer(model: Any, text: Any, controls: Mapping[str, Any], noisy: Any, times: Any) -> dict[str, Any]:
    """What the ControlNets add to the denoiser at ``noisy`` latents: their sum, as its keyword arguments."""
    import torch

    down: list[Any] = []
    middle: Any = None
    for name, maps in controls.items():
        found, centre = model[name](
            noisy.contiguous(memory_format=torch.channels_last),
            times,
            encoder_hidden_states=text,
            controlnet_cond=maps.contiguous(memory_format=torch.channels_last),
            return_dict=False,
        )
        down = [a + b for a, b in zip(down, found, strict=True)] if down else list(found)
        middle = centre if middle is None else middle + centre
    return {"down_block_additional_residuals": down or None, "mid_block_additional_residual": middle}


def denoise(model: Any, text: Any, batch: dict[str, Any], noisy: Any, times: Any) -> Any:
    """The denoiser's answer for ``noisy`` latents at ``times`` under the batch, its captions encoded in ``text``."""
    import torch

    steered = steer(model, text, batch["controls"], noisy, times)
    seen = torch.cat([noisy, batch["mask"], batch["kept"]], 1).contiguous(memory_format=torch.channels_last)
    return model["unet"](seen, times, text, **steered).sample


def tokens_of(tokenizer: Any, texts: list[str]) -> Any:
    """Token ids (N, 40) of captions."""
    return tokenizer(
        texts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids


def train_inpaint(
    folder: Path,
    scenes: Path,
    linear: LinearMap,
    *,
    schedule: Schedule = INPAINT_SCHEDULE,
    batch: int = BATCH,
    px: Size = NATIVE,
    start: Path | None = None,
) -> None:
    """Train in ``folder`` on the restaging scenes of ``scenes``, drawn at ``px``; goes on where it stopped.

    A fresh run takes its weights from ``start``, if one is given: a run's folder, or an exported model's.
    """
    tokenizer = build_tokenizer()
    model = build_model(tokenizer) if start is None else parts_of(start)
    run = Training(folder=folder, model=model, schedule=schedule, save_every=100)
    signals = noise_schedule().alphas_cumprod.float()
    cache = open_restage(scenes)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        drawn = draw_batch(cache, linear, rng, batch, px=px)
        loss, numbers = denoising_loss(model, tokens_of(tokenizer, drawn["texts"]), drawn, signals, step)
        return loss, numbers

    run.train(loss_of)


def parts_of(folder: Path) -> Any:
    """The averaged model of a run's folder, or that of a folder that `export_inpaint` wrote, in float32.

    Raises:
        WeightsMissing: a run without a checkpoint yet.
    """
    import torch

    model, path = build_model(build_tokenizer()), folder / "checkpoint.pt"
    if (folder / "model_index.json").exists():
        whole = load_inpaint(folder)
        model["text"].load_state_dict(whole.text_encoder.state_dict())
        model["unet"].load_state_dict(whole.unet.state_dict())
        for name in CONTROLS:
            model[name].load_state_dict(load_controlnet(folder / f"controlnet_{name}").state_dict())
    elif path.exists():
        model.load_state_dict(torch.load(path, weights_only=True)["average"])
    else:
        raise WeightsMissing(f"{folder} holds no checkpoint; train first: seamline studio train inpaint")
    return model.eval()


def export_inpaint(run: Path, vae: Any, folder: Path) -> None:
    """Write a run's model and its ``vae`` as a pipeline's folder, with each control as ``controlnet_NAME`` in it."""
    import torch

    tokenizer, model = build_tokenizer(), parts_of(run)
    save_inpaint(folder, vae=vae, tokenizer=tokenizer, text_encoder=model["text"], unet=model["unet"])
    for name in CONTROLS:
        model[name].to(torch.float16).save_pretrained(folder / f"controlnet_{name}")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # the library writes them for their owner alone

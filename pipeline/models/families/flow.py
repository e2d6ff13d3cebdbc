"""What the rectified-flow families share: the arguments of their inpainting pipelines, and masked latent blending.

Esser et al., Scaling Rectified Flow Transformers for High-Resolution Image Synthesis, arXiv 2403.03206; blending:
Avrahami et al., Blended Latent Diffusion, arXiv 2206.02779.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.arguments import whole_cells
from pipeline.models.families.diffusion import (
    dtype_of,
    from_folder,
    named,
    quiet,
    scheduler_of,
    wear_loras,
)  # fmt: skip
from pipeline.models.families.image_prompt import encoder_parts
from pipeline.models.families.prompts import Embedding
from pipeline.models.families.storage import store_small
from pipeline.models.families.types import Generator, Inpaint, Part, Parts

if TYPE_CHECKING:
    import torch


def pipeline_name(folder: Path) -> str:
    """The class that a folder's makers saved it from; variants of one architecture tell themselves apart by it.

    Raises:
        ModelError: no model_index.json, or no class in it.
    """
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        return str(index["_class_name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} is no diffusers folder: model_index.json is missing or broken") from error


def load_folder(
    row: Checkpoint, parts: Parts, device: str, pipeline: str, *, transformer: str, controlnet: str | None = None,
    joined: Callable[[list[Any]], Any] = list, wear: Callable[[Any, Part], None] | None = None,
) -> Any:  # fmt: skip
    """The diffusers ``pipeline`` of a folder, with its ControlNets, a transformer of another file, scheduler and LoRAs.

    ``transformer`` and ``controlnet`` are the classes of these parts; ``joined`` makes one of several ControlNets;
    ``wear`` puts an IP-Adapter on the pipeline, where the family has one.

    Raises:
        ModelError: the folder or a part of it is not what its row says.
    """
    import diffusers

    dtype = dtype_of(row, device)
    given: dict[str, Any] = {}
    with quiet(), named(row, parts.place):
        if parts.controls and controlnet:
            nets = _controls(getattr(diffusers, controlnet), parts, dtype)
            given["controlnet"] = nets[0] if len(nets) == 1 else joined(nets)
        if "transformer" in parts.needs:
            given["transformer"] = _transformer(getattr(diffusers, transformer), parts, dtype)
        if parts.image_encoder is not None:
            given |= encoder_parts(parts.image_encoder, dtype)
        pipe = from_folder(getattr(diffusers, pipeline), row, parts, dtype, given)
        pipe.scheduler = scheduler_of(row, pipe.scheduler)
        wear_loras(pipe, parts.loras)
        if parts.ip_adapter is not None and wear is not None:
            with named(parts.ip_adapter.row, parts.ip_adapter.place):
                wear(pipe, parts.ip_adapter)
    pipe.set_progress_bar_config(disable=True)
    if row.quantisation is not None:
        store_small(row, pipe.transformer, dtype)
    return pipe.to(device)


def _controls(kind: Any, parts: Parts, dtype: Any) -> list[Any]:
    """A ControlNet a control; a union one that serves several kinds is loaded once."""
    loaded: dict[Path, Any] = {}
    for part in parts.controls.values():
        if part.place not in loaded:
            with named(part.row, part.place):
                loaded[part.place] = kind.from_pretrained(
                    part.place, dtype=dtype, local_files_only=True, use_safetensors=True
                )
    return [loaded[part.place] for part in parts.controls.values()]


def _transformer(kind: Any, parts: Parts, dtype: Any) -> Any:
    """A transformer from a part of its own: a folder, a single safetensors file, or GGUF, which stays quantised."""
    from diffusers import GGUFQuantizationConfig

    part = parts.needs["transformer"]
    place = part.place
    if place.is_dir():
        return kind.from_pretrained(place, dtype=dtype, local_files_only=True, use_safetensors=True)
    if place.suffix not in {".gguf", ".safetensors"}:
        raise ModelError(f"Checkpoint {part.row.id!r}: {place.name} is neither .safetensors nor .gguf")
    settings: dict[str, Any] = {"config": str(parts.place), "subfolder": "transformer", "local_files_only": True}
    if place.suffix == ".gguf":
        settings["quantization_config"] = GGUFQuantizationConfig(compute_dtype=dtype)
    return kind.from_single_file(str(place), dtype=dtype, **settings)


def text_arguments(requests: Sequence[Inpaint]) -> dict[str, Any]:
    """Prompt, size, steps and a random generator a request: what every pipeline takes, by the names that all use."""
    import torch

    height, width = requests[0].size
    return {
        "prompt": [one.prompt for one in requests],
        "height": height,
        "width": width,
        "num_inference_steps": requests[0].steps,
        "num_images_per_prompt": 1,
        "generator": [torch.Generator("cpu").manual_seed(one.seed) for one in requests],
        "output_type": "np",
    }


def kept_texts(
    generator: Generator, prompts: Sequence[str], encode: Callable[[str], Embedding]
) -> dict[str, torch.Tensor]:
    """What the text encoders make of prompts, each encoded once in this generator's life, as one batch by name.

    For encoders whose embeddings have one length for every prompt; ``encode`` gives a prompt's, with a leading 1.
    """
    import torch

    def fresh(prompt: str) -> Embedding:
        with torch.inference_mode():
            return encode(prompt)

    found = [generator.prompts.get(prompt, functools.partial(fresh, prompt)) for prompt in prompts]
    return {name: torch.cat([one[name] for one in found]) for name in found[0]}


def inpaint_arguments(requests: Sequence[Inpaint], *, cell_px: int) -> dict[str, Any]:
    """`text_arguments` and the picture, its mask in whole cells of ``cell_px``, and the strength."""
    from PIL import Image as Pillow

    masks = [whole_cells(one.repaint, cell_px) for one in requests]
    return text_arguments(requests) | {
        "image": [Pillow.fromarray(one.image) for one in requests],
        "mask_image": [Pillow.fromarray(mask.astype(np.uint8) * 255) for mask in masks],
        "strength": requests[0].strength,
        "padding_mask_crop": None,
    }


@dataclass(frozen=True, kw_only=True)
class KeepKnown:
    """A ``callback_on_step_end`` that puts the photo's latents, noised to the step's level, back outside the mask.

    ``known`` and ``noise`` have the shape of the pipeline's latents; ``repaint`` is True where latents are generated
    and broadcasts to them. After the last step the level is 0, so that the known latents stand there as encoded.
    """

    known: torch.Tensor
    noise: torch.Tensor
    repaint: torch.Tensor

    def __call__(self, pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        """The step's latents with the known part restored."""
        import torch

        latents = values["latents"]
        held = noised(pipe.scheduler, pipe.scheduler.sigmas[step + 1], self.known, self.noise)
        return {"latents": torch.where(self.repaint, latents, held.to(latents))}


def noised(scheduler: Any, sigma: Any, known: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """``known`` on the straight way to ``noise`` at the scheduler's ``sigma``; some count from noise to picture."""
    share = 1 - sigma if scheduler.config.get("invert_sigmas", False) else sigma
    mixed: torch.Tensor = known * (1 - share) + noise * share
    return mixed


def blended(
    pipe: Any, requests: Sequence[Inpaint], *, encode: Callable[[torch.Tensor], torch.Tensor], channels: int,
    cell_px: int, pack: Callable[[torch.Tensor], torch.Tensor] = lambda latents: latents, mu: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The arguments that make a text-to-image pipeline inpaint: latents, the steps left by the strength, a callback.

    ``encode`` takes pictures (N, 3, H, W) in [-1, 1] and gives scaled latents (N, C, h, w); ``pack`` brings latents
    into the pipeline's own shape; ``mu`` is the time shift that the pipeline will give its scheduler.
    """
    import torch

    first = requests[0]
    executed = max(1, first.executed_steps)
    sigmas = np.linspace(1.0, 1 / first.steps, first.steps)[first.steps - executed :]
    pictures = torch.from_numpy(np.stack([one.image for one in requests])).movedim(-1, 1)
    with torch.inference_mode():
        known = encode(pictures.to(pipe.vae.device, pipe.vae.dtype) / 127.5 - 1).float()
    seeds = [torch.Generator("cpu").manual_seed(one.seed) for one in requests]
    noise = torch.cat([torch.randn((1, channels, *known.shape[-2:]), generator=seed) for seed in seeds]).to(known)
    masks = np.stack([whole_cells(one.repaint, cell_px) for one in requests])
    scale = first.size[0] // known.shape[-2]
    repaint = torch.from_numpy(masks[:, None, ::scale, ::scale].copy()).expand(-1, channels, -1, -1).to(known.device)
    keep = KeepKnown(known=pack(known), noise=pack(noise), repaint=pack(repaint.float()) > 0.5)
    planned = copy.deepcopy(pipe.scheduler)
    planned.set_timesteps(sigmas=list(sigmas), **({} if mu is None else {"mu": mu}))
    start = noised(planned, planned.sigmas[0], keep.known, keep.noise)
    return {
        "latents": start.to(pipe.transformer.dtype),
        "sigmas": list(sigmas),
        "num_inference_steps": executed,
        "callback_on_step_end": keep,
        "callback_on_step_end_tensor_inputs": ["latents"],
    }


def encode_to_the_mean(vae: Any) -> None:
    """Let the autoencoder give the mean: some pipelines sample what they are shown without the request's generator."""
    own = vae.encode

    @functools.wraps(own)
    def encode(*pictures: Any, **said: Any) -> Any:
        found = own(*pictures, **said)
        found.latent_dist.std = found.latent_dist.std * 0
        return found

    vae.encode = encode


def encoded(vae: Any, pictures: torch.Tensor) -> torch.Tensor:
    """Latents of pictures as the transformer sees them: the mean, shifted and scaled."""
    latents: torch.Tensor = vae.encode(pictures).latent_dist.mode()
    scaled: torch.Tensor = (latents - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
    return scaled


def time_shift(pipe: Any, tokens: int) -> float:
    """Flux's ``mu`` for a picture of ``tokens`` cells: larger pictures stay longer at high noise."""
    config = pipe.scheduler.config
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    least, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    return float(least + (most - least) * (tokens - low) / (high - low))

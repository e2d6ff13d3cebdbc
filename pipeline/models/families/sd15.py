"""Stable Diffusion 1.x: 9-channel inpainting checkpoints and plain 4-channel ones, with ControlNets.

Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, arXiv 2112.10752; Zhang et al., Adding
Conditional Control to Text-to-Image Diffusion Models, arXiv 2302.05543.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.types import Family, Inpaint
from pipeline.types import Mask


def load(row: Checkpoint, place: Path, controls: Mapping[str, Path], device: str) -> Any:
    """The row's pipeline with its scheduler, and the ControlNets in the order of ``controls``.

    Raises:
        ModelError: the folder is no such pipeline, or its scheduler is not one of diffusers'.
    """
    import torch
    from diffusers import ControlNetModel, StableDiffusionControlNetInpaintPipeline, StableDiffusionInpaintPipeline

    dtype = getattr(torch, row.dtype)
    common: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "safety_checker": None}
    common["requires_safety_checker"] = False
    if not row.pickle:
        common["use_safetensors"] = True
    with _quiet(), _named(row, place):
        if controls:
            nets = [
                ControlNetModel.from_pretrained(folder, dtype=dtype, local_files_only=True)
                for folder in controls.values()
            ]
            one_or_all = nets[0] if len(nets) == 1 else nets
            pipe = StableDiffusionControlNetInpaintPipeline.from_pretrained(place, controlnet=one_or_all, **common)
        else:
            pipe = StableDiffusionInpaintPipeline.from_pretrained(place, **common)
        pipe.scheduler = _scheduler(row, pipe.scheduler)
    pipe.set_progress_bar_config(disable=True)
    pipe.unet.to(memory_format=torch.channels_last)
    return pipe.to(device)


def _scheduler(row: Checkpoint, shipped: Any) -> Any:
    """The scheduler that the row's sampling asks for, over the settings of the one in the folder."""
    import diffusers

    if row.sampling is None or row.sampling.scheduler is None:
        return shipped
    wanted = getattr(diffusers, row.sampling.scheduler, None)
    if wanted is None:
        raise ModelError(f"Checkpoint {row.id!r}: diffusers has no scheduler {row.sampling.scheduler!r}")
    return wanted.from_config(shipped.config, **row.sampling.settings)


@contextlib.contextmanager
def _named(row: Checkpoint, place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        said = str(error).strip()
        reason = said.splitlines()[0] if said else type(error).__name__
        raise ModelError(f"Checkpoint {row.id!r} in {place} cannot be loaded: {reason[:300]}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide diffusers' and transformers' bars and advice; what is wrong is raised."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    before = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    bar = transformers_logging.is_progress_bar_enabled()
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call, unused-ignore]
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        diffusers_logging.set_verbosity(before[0])
        transformers_logging.set_verbosity(before[1])
        diffusers_logging.enable_progress_bar()
        if bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]


def whole_cells(repaint: Mask, cell_px: int) -> Mask:
    """The mask grown to whole latent cells: a cell with one repainted pixel is repainted.

    diffusers takes a cell's nearest pixel, so a strap thinner than a cell could vanish between two samples.
    """
    height, width = repaint.shape
    cells = repaint.reshape(height // cell_px, cell_px, width // cell_px, cell_px).any(axis=(1, 3))
    return np.repeat(np.repeat(cells, cell_px, 0), cell_px, 1)


def call(pipe: Any, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments for requests of one shape, steps and strength; each has its own random generator."""
    import torch
    from PIL import Image as Pillow

    first = requests[0]
    height, width = first.size
    masks = [whole_cells(one.repaint, pipe.vae_scale_factor) for one in requests]
    arguments: dict[str, Any] = {
        "prompt": [one.prompt for one in requests],
        "image": [Pillow.fromarray(one.image) for one in requests],
        "mask_image": [Pillow.fromarray(mask.astype(np.uint8) * 255) for mask in masks],
        "height": height,
        "width": width,
        "strength": first.strength,
        "num_inference_steps": first.steps,
        "guidance_scale": first.guidance,
        "generator": [torch.Generator("cpu").manual_seed(one.seed) for one in requests],
        "eta": 0.0,
        "output_type": "np",
    }
    if first.guidance > 1:
        arguments["negative_prompt"] = [one.negative_prompt for one in requests]
    if first.controls:
        arguments |= _control_arguments(requests)
    return arguments


def _control_arguments(requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """One ControlNet takes a map a request; several take a map each and one request, as diffusers has it."""
    from PIL import Image as Pillow

    controls = requests[0].controls
    if len(controls) > 1 and len(requests) > 1:
        raise ValueError("several controls at once take one request at a time")
    maps = [Pillow.fromarray(control.image) for one in requests for control in one.controls]
    reach: dict[str, list[float]] = {
        "controlnet_conditioning_scale": [control.scale for control in controls],
        "control_guidance_start": [control.start for control in controls],
        "control_guidance_end": [control.end for control in controls],
    }
    alone = len(controls) == 1
    return {"control_image": maps, **{name: values[0] if alone else values for name, values in reach.items()}}


FAMILY = Family(
    id="sd15",
    multiple_of=8,
    controls=frozenset({"pose", "canny", "softedge", "lineart", "depth"}),
    negative_prompt=True,
    load=load,
    call=call,
)

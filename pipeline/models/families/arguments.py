"""The arguments that inpainting pipelines share: pictures, masks in whole cells, control maps, random generators."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.image_prompt import image_prompt_arguments
from pipeline.models.families.soft_edge import soft_arguments
from pipeline.models.families.types import Generator, Inpaint
from pipeline.types import Mask


def whole_cells(repaint: Mask, cell_px: int) -> Mask:
    """The mask grown to whole latent cells: a cell with one repainted pixel is repainted.

    diffusers takes a cell's nearest pixel, so a strap thinner than a cell could vanish between two samples.
    """
    height, width = repaint.shape
    cells = repaint.reshape(height // cell_px, cell_px, width // cell_px, cell_px).any(axis=(1, 3))
    return np.repeat(np.repeat(cells, cell_px, 0), cell_px, 1)


def common_arguments(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The arguments that every inpainting pipeline takes, prompts aside; each request has its own random generator."""
    import torch
    from PIL import Image as Pillow

    row, pipe, first = generator.row, generator.pipe, requests[0]
    height, width = first.size
    told = {}
    if getattr(pipe, "image_encoder", None) is not None:
        told = image_prompt_arguments(generator, requests, guided=has_second_pass(row, first.guidance))
    masks = [whole_cells(one.repaint, pipe.vae_scale_factor) for one in requests]
    return {
        "image": [Pillow.fromarray(one.image) for one in requests],
        "mask_image": [Pillow.fromarray(mask.astype(np.uint8) * 255) for mask in masks],
        "height": height,
        "width": width,
        "strength": first.strength,
        "num_inference_steps": first.steps,
        "guidance_scale": first.guidance,
        "generator": [torch.Generator("cpu").manual_seed(one.seed) for one in requests],
        "eta": row.sampling.eta if row.sampling else 0.0,
        "output_type": "np",
        **(control_arguments(requests) if first.controls else {}),
        **soft_arguments(pipe, requests),
        **told,
    }


def control_arguments(requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """One ControlNet takes a map a request; several take a map each, or a tensor of every request's, (N, 3, H, W).

    diffusers refuses lists in lists here, and takes tensors: their values are what it makes of pictures.
    """
    import torch
    from PIL import Image as Pillow

    controls = requests[0].controls
    maps: list[Any] = [Pillow.fromarray(control.image) for one in requests for control in one.controls]
    if len(controls) > 1 and len(requests) > 1:
        stacked = [np.stack([one.controls[at].image for one in requests]) for at in range(len(controls))]
        maps = [torch.from_numpy(images).movedim(-1, 1).float() / 255 for images in stacked]
    reach: dict[str, list[float]] = {
        "controlnet_conditioning_scale": [control.scale for control in controls],
        "control_guidance_start": [control.start for control in controls],
        "control_guidance_end": [control.end for control in controls],
    }
    alone = len(controls) == 1
    return {"control_image": maps, **{name: values[0] if alone else values for name, values in reach.items()}}


def has_second_pass(row: Checkpoint, guidance: float) -> bool:
    """Whether guidance makes the network run twice a step, with and without the prompt."""
    return guidance > 1 and not (row.sampling and row.sampling.embedded_guidance)

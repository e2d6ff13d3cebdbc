"""Stable Diffusion 1.x and 2.x: 9-channel inpainting checkpoints and plain 4-channel ones, with ControlNets.

A 4-channel checkpoint inpaints by masked latent blending: at each step what lies outside the mask is set back to the
photo's own latents, noised to that step.

Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, arXiv 2112.10752; Zhang et al., Adding
Conditional Control to Text-to-Image Diffusion Models, arXiv 2302.05543.
"""

from __future__ import annotations

import functools
from typing import Any

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.arguments import common_arguments, has_second_pass
from pipeline.models.families.diffusion import load_pipe
from pipeline.models.families.prompts import Embedding
from pipeline.models.families.types import Family, Generator, Inpaint, Parts


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The row's pipeline. Raises ModelError if the weights are not of this family."""
    from diffusers import StableDiffusionControlNetInpaintPipeline, StableDiffusionInpaintPipeline

    return load_pipe(
        row, parts, device, plain=StableDiffusionInpaintPipeline, controlled=StableDiffusionControlNetInpaintPipeline,
        safety_checker=None, requires_safety_checker=False,
    )  # fmt: skip


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments for requests of one shape, steps, guidance and strength."""
    arguments = common_arguments(generator, requests)
    arguments["prompt_embeds"] = _embeddings(generator, [one.prompt for one in requests])
    if has_second_pass(generator.row, requests[0].guidance):
        arguments["negative_prompt_embeds"] = _embeddings(generator, [one.negative_prompt for one in requests])
    return arguments


def _embeddings(generator: Generator, prompts: list[str]) -> Any:
    import torch

    kept = [generator.prompts.get(prompt, functools.partial(_encode, generator, prompt)) for prompt in prompts]
    return torch.cat([one["prompt_embeds"] for one in kept])


def _encode(generator: Generator, prompt: str) -> Embedding:
    import torch

    with torch.inference_mode():
        return {"prompt_embeds": generator.pipe.encode_prompt(prompt, generator.device, 1, False)[0]}


FAMILY = Family(
    id="sd15",
    multiple_of=8,
    controls=frozenset({"pose", "canny", "softedge", "lineart", "depth", "tile"}),
    negative_prompt=True,
    batch_of_controls=True,
    image_prompt=True,
    soft_edge=True,
    load=load,
    call=call,
)

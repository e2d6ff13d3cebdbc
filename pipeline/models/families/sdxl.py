"""Stable Diffusion XL and its smaller kin (SSD-1B, Segmind-Vega): 9-channel and 4-channel checkpoints, ControlNets.

Podell et al., SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis, arXiv 2307.01952.
"""

from __future__ import annotations

from typing import Any

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.arguments import common_arguments, has_second_pass
from pipeline.models.families.diffusion import load_pipe
from pipeline.models.families.prompts import Embedding
from pipeline.models.families.types import Family, Generator, Inpaint, Parts


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The row's pipeline. Raises ModelError if the weights are not of this family."""
    from diffusers import StableDiffusionXLControlNetInpaintPipeline, StableDiffusionXLInpaintPipeline

    return load_pipe(
        row, parts, device, plain=StableDiffusionXLInpaintPipeline,
        controlled=StableDiffusionXLControlNetInpaintPipeline, add_watermarker=False,
    )  # fmt: skip


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments for requests of one shape, steps, guidance and strength.

    The size that SDXL is told is the picture's own, uncropped: small numbers would ask for a blurred enlargement.
    """
    import torch

    height, width = requests[0].size
    arguments = common_arguments(generator, requests)
    arguments |= {"original_size": (height, width), "target_size": (height, width), "crops_coords_top_left": (0, 0)}
    wanted = {"": [_embedding(generator, one.prompt, negative=False) for one in requests]}
    if has_second_pass(generator.row, requests[0].guidance):
        wanted["negative_"] = [_embedding(generator, one.negative_prompt, negative=True) for one in requests]
    for prefix, found in wanted.items():
        for name in ("prompt_embeds", "pooled_prompt_embeds"):
            arguments[prefix + name] = torch.cat([one[name] for one in found])
    return arguments


def _embedding(generator: Generator, prompt: str, *, negative: bool) -> Embedding:
    """A prompt's embeddings; an empty negative prompt is zeros where the checkpoint was trained so."""
    zeros = negative and not prompt and bool(generator.pipe.config.get("force_zeros_for_empty_prompt"))
    return generator.prompts.get((prompt, zeros), lambda: _encode(generator, prompt, zeros=zeros))


def _encode(generator: Generator, prompt: str, *, zeros: bool) -> Embedding:
    import torch

    with torch.inference_mode():
        embeds, _, pooled, _ = generator.pipe.encode_prompt(
            prompt, device=generator.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
    made = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}
    return {name: torch.zeros_like(value) for name, value in made.items()} if zeros else made


FAMILY = Family(
    id="sdxl",
    multiple_of=8,
    controls=frozenset({"pose", "canny", "softedge", "lineart", "depth", "tile"}),
    negative_prompt=True,
    batch_of_controls=True,
    image_prompt=True,
    soft_edge=True,
    load=load,
    call=call,
)

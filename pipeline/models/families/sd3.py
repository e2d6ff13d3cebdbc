"""Stable Diffusion 3 and 3.5: the inpainting pipeline; with ControlNets the text-to-image one and blended latents.

Esser et al., Scaling Rectified Flow Transformers for High-Resolution Image Synthesis, arXiv 2403.03206.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import flow
from pipeline.models.families.arguments import control_arguments
from pipeline.models.families.prompts import Embedding
from pipeline.models.families.sd3_image_prompt import sd3_image_prompt_arguments, wear_sd3_ip_adapter
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

if TYPE_CHECKING:
    import torch

PLAIN: Final = "StableDiffusion3InpaintPipeline"
CONTROLLED: Final = "StableDiffusion3ControlNetPipeline"
"""diffusers' ControlNet-inpainting pipeline is for one net alone, which takes no map; any other net needs this one."""

TOKENS: Final = 256
"""How much of a prompt T5 reads."""


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The pipeline with its ControlNets. Raises ModelError if the folder is no such pipeline."""
    name = CONTROLLED if parts.controls else PLAIN
    pipe = flow.load_folder(
        row, parts, device, name, transformer="SD3Transformer2DModel", controlnet="SD3ControlNetModel",
        wear=wear_sd3_ip_adapter,
    )  # fmt: skip
    if parts.controls:
        flow.encode_to_the_mean(pipe.vae)
    return pipe


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The arguments of either pipeline, every value said."""
    pipe, first = generator.pipe, requests[0]
    cell_px = pipe.vae_scale_factor * pipe.transformer.config.patch_size
    if first.controls:
        arguments = flow.text_arguments(requests) | control_arguments(requests)
        arguments |= flow.blended(
            pipe, requests, encode=lambda pictures: flow.encoded(pipe.vae, pictures),
            channels=pipe.transformer.config.in_channels, cell_px=cell_px,
        )  # fmt: skip
    else:
        arguments = flow.inpaint_arguments(requests, cell_px=cell_px)
    arguments |= {"guidance_scale": first.guidance, "max_sequence_length": TOKENS, "clip_skip": None}
    arguments |= {"prompt": None, **_texts(generator, [one.prompt for one in requests])}
    if first.guidance > 1:
        unwanted = _texts(generator, [one.negative_prompt for one in requests])
        arguments |= {f"negative_{name}": embedding for name, embedding in unwanted.items()}
    if pipe.image_encoder is not None:
        arguments |= sd3_image_prompt_arguments(generator, requests, guided=first.guidance > 1)
    return arguments


def _texts(generator: Generator, prompts: list[str]) -> dict[str, torch.Tensor]:
    def encode(prompt: str) -> Embedding:
        embeds, _, pooled, _ = generator.pipe.encode_prompt(
            prompt, None, None, do_classifier_free_guidance=False, max_sequence_length=TOKENS
        )
        return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}

    return flow.kept_texts(generator, prompts, encode)


FAMILY = Family(
    id="sd3",
    multiple_of=16,
    controls=frozenset({"pose", "canny", "softedge", "lineart", "depth"}),
    negative_prompt=True,
    image_prompt=True,
    load=load,
    call=call,
)

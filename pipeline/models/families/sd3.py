"""Stable Diffusion 3 and 3.5: the inpainting pipeline; with ControlNets the text-to-image one and blended latents.

Esser et al., Scaling Rectified Flow Transformers for High-Resolution Image Synthesis, arXiv 2403.03206.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import flow
from pipeline.models.families.diffusion import control_arguments
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

PLAIN: Final = "StableDiffusion3InpaintPipeline"
CONTROLLED: Final = "StableDiffusion3ControlNetPipeline"
"""diffusers' ControlNet-inpainting pipeline is for one net alone, which takes no map; any other net needs this one."""


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The pipeline with its ControlNets. Raises ModelError if the folder is no such pipeline."""
    name = CONTROLLED if parts.controls else PLAIN
    pipe = flow.load_folder(
        row, parts, device, name, transformer="SD3Transformer2DModel", controlnet="SD3ControlNetModel"
    )
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
    arguments |= {"guidance_scale": first.guidance, "max_sequence_length": 256, "clip_skip": None}
    if first.guidance > 1:
        arguments["negative_prompt"] = [one.negative_prompt for one in requests]
    return arguments


FAMILY = Family(
    id="sd3",
    multiple_of=16,
    controls=frozenset({"pose", "canny", "softedge", "lineart", "depth"}),
    negative_prompt=True,
    load=load,
    call=call,
)

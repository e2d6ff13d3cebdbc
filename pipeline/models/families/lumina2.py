"""Lumina-Image 2.0: a text-to-image pipeline that inpaints by blended latents.

Qin et al., Lumina-Image 2.0: A Unified and Efficient Image Generative Framework, arXiv 2503.21758.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import flow
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

CELL_PX: Final = 16
SYSTEM: Final = (
    "You are an assistant designed to generate superior images with the superior degree of image-text alignment "
    "based on textual prompts or user prompts."
)
"""The makers' own preface to every prompt."""


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The pipeline. Raises ModelError if the folder is no such pipeline."""
    return flow.load_folder(row, parts, device, "Lumina2Pipeline", transformer="Lumina2Transformer2DModel")


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments, every value said."""
    pipe, first = generator.pipe, requests[0]
    channels = pipe.transformer.config.in_channels
    arguments = flow.text_arguments(requests) | flow.blended(
        pipe, requests, encode=lambda pictures: flow.encoded(pipe.vae, pictures), channels=channels, cell_px=CELL_PX,
        mu=flow.time_shift(pipe, channels),  # the pipeline takes the channels for the number of its cells
    )  # fmt: skip
    arguments |= {
        "guidance_scale": first.guidance,
        "system_prompt": SYSTEM,
        "cfg_trunc_ratio": 1.0,
        "cfg_normalization": True,
        "max_sequence_length": 256,
    }
    if first.guidance > 1:
        arguments["negative_prompt"] = [one.negative_prompt for one in requests]
    return arguments


FAMILY = Family(
    id="lumina2", multiple_of=16, controls=frozenset(), negative_prompt=True, load=load, call=call,
)  # fmt: skip

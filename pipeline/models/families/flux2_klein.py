"""FLUX.2 klein in its inpainting pipeline: the photo stands beside the latents as a reference, too.

Black Forest Labs, FLUX.2. The pipeline's second pass takes no negative prompt of ours, only an empty one.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import flow
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

CELL_PX: Final = 16
TEXT_LAYERS: Final = (9, 18, 27)
"""Layers of the text encoder that the transformer reads."""


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The pipeline. Raises ModelError if the folder is no such pipeline."""
    return flow.load_folder(row, parts, device, "Flux2KleinInpaintPipeline", transformer="Flux2Transformer2DModel")


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments, every value said."""
    return flow.inpaint_arguments(requests, cell_px=CELL_PX) | {
        "image_reference": None,
        "guidance_scale": requests[0].guidance,
        "max_sequence_length": 512,
        "text_encoder_out_layers": TEXT_LAYERS,
    }


FAMILY = Family(
    id="flux2-klein", multiple_of=16, controls=frozenset(), negative_prompt=False, load=load, call=call,
)  # fmt: skip

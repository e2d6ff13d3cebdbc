"""Z-Image and Z-Image-Turbo in their inpainting pipeline.

Tongyi Lab, Z-Image: An Efficient Image Generation Foundation Model with Single-Stream Diffusion Transformer, 2025.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import flow
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

CELL_PX: Final = 16


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The pipeline. Raises ModelError if the folder is no such pipeline."""
    return flow.load_folder(row, parts, device, "ZImageInpaintPipeline", transformer="ZImageTransformer2DModel")


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments, every value said."""
    first = requests[0]
    arguments = flow.inpaint_arguments(requests, cell_px=CELL_PX) | {
        "guidance_scale": first.guidance,
        "cfg_normalization": False,
        "cfg_truncation": 1.0,
        "max_sequence_length": 512,
    }
    del arguments["padding_mask_crop"]
    if first.guidance > 1:
        arguments["negative_prompt"] = [one.negative_prompt for one in requests]
    return arguments


FAMILY = Family(
    id="z-image", multiple_of=16, controls=frozenset(), negative_prompt=True, load=load, call=call,
)  # fmt: skip

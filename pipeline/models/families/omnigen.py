"""OmniGen: an editing model that is shown the photo and held to it by blended latents.

Xiao et al., OmniGen: Unified Image Generation, arXiv 2409.11340.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import flow
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

CELL_PX: Final = 16
PHOTO: Final = "<img><|image_1|></img>"
"""How a prompt names the picture that is edited."""
PHOTO_GUIDANCE: Final = 1.6
"""How closely the edit keeps to the photo: the makers' value."""


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The pipeline. Raises ModelError if the folder is no such pipeline."""
    pipe = flow.load_folder(row, parts, device, "OmniGenPipeline", transformer="OmniGenTransformer2DModel")
    flow.encode_to_the_mean(pipe.vae)
    return pipe


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments, every value said; its steps begin with noise, so the strength is always 1."""
    from PIL import Image as Pillow

    pipe, first = generator.pipe, requests[0]
    arguments = flow.text_arguments(requests) | flow.blended(
        pipe, requests, encode=lambda pictures: flow.encoded(pipe.vae, pictures),
        channels=pipe.transformer.config.in_channels, cell_px=CELL_PX,
    )  # fmt: skip
    del arguments["sigmas"]
    return arguments | {
        "prompt": [f"{PHOTO} {one.prompt}" for one in requests],
        "input_images": [[Pillow.fromarray(one.image)] for one in requests],
        "num_inference_steps": first.steps,
        "max_input_image_size": max(first.size),
        "guidance_scale": first.guidance,
        "img_guidance_scale": PHOTO_GUIDANCE,
        "use_input_image_size_as_output": False,
    }


FAMILY = Family(
    id="omnigen", multiple_of=16, controls=frozenset(), negative_prompt=False, load=load, call=call,
)  # fmt: skip

"""OmniGen: an editing model that is shown the photo and held to it by blended latents.

Xiao et al., OmniGen: Unified Image Generation, arXiv 2409.11340.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from pipeline.errors import RecipeError
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
    return OneByOne(pipe)


@dataclass(frozen=True)
class OneByOne:
    """The pipeline called once a request: in its own batches the lengths of the other prompts change a picture."""

    pipe: Any

    def __call__(self, *, calls: list[dict[str, Any]]) -> SimpleNamespace:
        """Pictures (N, H, W, 3) in [0, 1] as ``.images``, one for each call's arguments."""
        return SimpleNamespace(images=np.concatenate([self.pipe(**arguments).images for arguments in calls]))

    def __getattr__(self, name: str) -> Any:
        """Everything else is the pipeline's own."""
        return getattr(self.pipe, name)


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments for each request.

    Raises:
        RecipeError: a strength below 1; the pipeline's steps begin with noise.
    """
    weak = min(one.strength for one in requests)
    if weak < 1:
        raise RecipeError(f"{generator.row.id}: it begins with noise, so strength {weak:g} is none of it; write 1")
    return {"calls": [arguments(generator.pipe.pipe, (one,)) for one in requests]}


def arguments(pipe: Any, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The pipeline's arguments, every value said."""
    from PIL import Image as Pillow

    first = requests[0]
    said = flow.text_arguments(requests) | flow.blended(
        pipe, requests, encode=lambda pictures: flow.encoded(pipe.vae, pictures),
        channels=pipe.transformer.config.in_channels, cell_px=CELL_PX,
    )  # fmt: skip
    del said["sigmas"]
    return said | {
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
    starts_from_picture=False,
)  # fmt: skip

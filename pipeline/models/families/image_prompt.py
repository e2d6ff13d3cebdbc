"""Image prompts: a reference picture beside the words, by an IP-Adapter and its image encoder.

Ye et al., IP-Adapter: Text Compatible Image Prompt Adapter for Text-to-Image Diffusion Models, arXiv 2308.06721.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.prompts import Embedding
from pipeline.models.families.types import Generator, Inpaint, Part
from pipeline.models.tensors import read_state, refuse_misfit
from pipeline.types import Image

if TYPE_CHECKING:
    import torch
    from PIL import Image as Pillow

PARTS = ("image_proj", "ip_adapter")
"""What the names in an IP-Adapter's file begin with."""


def encoder_parts(part: Part, dtype: Any) -> dict[str, Any]:
    """The image encoder, CLIP's or SigLIP's, and the preparation of its pictures, as parts of a pipeline.

    The row's ``config`` is the encoder's config.json in its folder: such repositories hold more than one encoder.
    """
    import transformers

    config = part.place / (part.row.config or "config.json")
    siglip = str(json.loads(config.read_text(encoding="utf-8"))["model_type"]).startswith("siglip")
    kind = transformers.SiglipVisionModel if siglip else transformers.CLIPVisionModelWithProjection
    encoder: Any = kind.from_pretrained(
        config.parent, dtype=dtype, local_files_only=True, use_safetensors=not part.row.pickle or None
    )
    side = encoder.config.image_size
    if siglip:
        prepare: Any = transformers.SiglipImageProcessor(size={"height": side, "width": side})
    else:
        prepare = transformers.CLIPImageProcessor(size=side, crop_size=side)
    return {"image_encoder": encoder, "feature_extractor": prepare}


def wear_ip_adapter(pipe: Any, part: Part) -> None:
    """Add an IP-Adapter to a pipeline that has its image encoder; LoRAs must be fused before.

    Raises:
        ModelError: the file is no IP-Adapter, or one for another network or image encoder.
    """
    state = adapter_state(part, {name: name for name in PARTS})
    _refuse_other_unet(pipe.unet, state["ip_adapter"], part.row.id)
    refuse_other_encoder(pipe.image_encoder.config, state["image_proj"], part.row)
    pipe.load_ip_adapter(state, subfolder="", weight_name="")


def adapter_state(part: Part, beginnings: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The tensors of an IP-Adapter's file by part (PARTS) and the rest of their names.

    ``beginnings`` says to which part a name belongs, by what stands before its first dot. Raises ModelError for other
    names and for a part without tensors.
    """
    state: dict[str, dict[str, Any]] = {name: {} for name in PARTS}
    for name, value in read_state(part.place, pickle=part.row.pickle).items():
        kind, _, rest = name.partition(".")
        state.setdefault(beginnings.get(kind, kind), {})[rest] = value
    if len(state) > len(PARTS) or not all(state.values()):
        raise ModelError(
            f"Checkpoint {part.row.id!r}: {part.place.name} is no IP-Adapter, whose tensors begin with "
            f"{' and '.join(beginnings)}"
        )
    return state


def _refuse_other_unet(unet: Any, layers: Mapping[str, torch.Tensor], name: str) -> None:
    """Compare with the network's cross-attention layers: diffusers takes the first so many and ignores the rest."""
    wanted: dict[str, tuple[int, ...]] = {}
    for place, processor in enumerate(unet.attn_processors):
        if processor.endswith("attn2.processor"):
            attention = unet.get_submodule(processor.removesuffix(".processor"))
            wanted |= {
                f"{place}.to_{kind}_ip.weight": tuple(getattr(attention, f"to_{kind}").weight.shape) for kind in "kv"
            }
    found = {key: tuple(value.shape) for key, value in layers.items()}
    shapes = [f"{key} {found[key]} for {shape}" for key, shape in wanted.items() if found.get(key, shape) != shape]
    refuse_misfit(name, sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys()), shapes)


def refuse_other_encoder(config: Any, projection: Mapping[str, torch.Tensor], row: Checkpoint) -> None:
    """Compare what the adapter reads with what the encoder gives: one embedding, or the states before its last."""
    read = projection.get("proj.weight", projection.get("proj_in.weight"))
    gives = config.projection_dim if "proj.weight" in projection else config.hidden_size
    if read is None or read.shape[1] != gives:
        reads = "pictures in a way that is not known" if read is None else f"{read.shape[1]}"
        raise ModelError(
            f"Checkpoint {row.id!r}: its image_encoder {row.needs['image_encoder']!r} gives {gives} numbers for a "
            f"picture, and it reads {reads}: name the encoder that it was trained with"
        )


def squared(reference: Image) -> Image:
    """The picture in the middle of a square of its border's median colour: encoders cut a square out of what is longer.

    ``reference`` is (H, W, 3) uint8, the result (S, S, 3).
    """
    height, width = reference.shape[:2]
    border = np.concatenate([reference[0], reference[-1], reference[:, 0], reference[:, -1]])
    side = max(height, width)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = np.median(border, axis=0)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = reference
    return square


def image_prompt_arguments(generator: Generator, requests: tuple[Inpaint, ...], *, guided: bool) -> dict[str, Any]:
    """The arguments of a pipeline with an IP-Adapter: what its encoder made of the requests' one reference.

    ``guided`` is whether guidance makes a second pass.
    """
    import torch

    generator.pipe.set_ip_adapter_scale(requests[0].reference_scale)
    known = encoded_reference(generator, requests[0], functools.partial(_encode, generator))
    return {
        "ip_adapter_image_embeds": [torch.cat([known[name] for name in (("without", "with") if guided else ("with",))])]
    }


def share_reference(requests: Sequence[Inpaint]) -> bool:
    """Whether requests can be made in one call: diffusers' pipelines take one reference for a whole batch."""
    first = requests[0]
    return (
        all(
            one.reference is first.reference
            or (
                one.reference is not None
                and first.reference is not None
                and np.array_equal(one.reference, first.reference)
            )
            for one in requests
        )
        and len({one.reference_scale for one in requests}) == 1
    )


def encoded_reference(
    generator: Generator, request: Inpaint, encode: Callable[[Pillow.Image], Mapping[str, torch.Tensor]]
) -> Embedding:
    """What the image encoder makes of a request's reference, once in this generator's life.

    ``encode`` is given the reference in a square, no larger than the encoder sees.
    """
    reference = request.reference
    if reference is None:
        raise ValueError("a generator with an IP-Adapter takes requests with a reference picture only")
    digest = hashlib.sha256(reference.tobytes()).hexdigest()

    def fresh() -> Mapping[str, torch.Tensor]:
        import torch

        with torch.inference_mode():
            return encode(_seen(reference, generator.pipe.image_encoder.config.image_size))

    return generator.prompts.get(("reference", digest, reference.shape), fresh)


def _seen(reference: Image, side: int) -> Pillow.Image:
    from PIL import Image as Pillow

    square = squared(reference)
    if square.shape[0] > side:
        square = np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    return Pillow.fromarray(square)


def _encode(generator: Generator, seen: Pillow.Image) -> Mapping[str, torch.Tensor]:
    both = generator.pipe.prepare_ip_adapter_image_embeds([seen], None, generator.device, 1, True)[0]
    without, told = both.chunk(2)
    return {"without": without, "with": told}

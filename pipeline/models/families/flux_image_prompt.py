"""Reference pictures for FLUX.1 dev: an IP-Adapter on the double blocks, in the names of XLabs or of diffusers.

Ye et al., IP-Adapter, arXiv 2308.06721; the layout is that of XLabs-AI's adapters. diffusers has it in the pipeline
without ControlNets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.models.families.image_prompt import PARTS, adapter_state, encoded_reference, refuse_other_encoder
from pipeline.models.families.types import Generator, Inpaint, Part
from pipeline.models.tensors import refuse_misfit

if TYPE_CHECKING:
    import torch
    from PIL import Image as Pillow

BEGINNINGS: Final = {"ip_adapter_proj_model": "image_proj", "double_blocks": "ip_adapter"} | {one: one for one in PARTS}
"""What the names in a file begin with, XLabs' first, and the part that they belong to."""
RENAMED: Final = {
    "processor.": "", "ip_adapter_double_stream_k_proj": "to_k_ip", "ip_adapter_double_stream_v_proj": "to_v_ip",
}  # fmt: skip
"""XLabs' words in the rest of a name, and diffusers'."""


def wear_flux_ip_adapter(pipe: Any, part: Part) -> None:
    """Add an IP-Adapter to a pipeline that has its image encoder.

    Raises:
        ModelError: the file is no IP-Adapter, or one for another network or image encoder.
    """
    state = adapter_state(part, BEGINNINGS)
    state["ip_adapter"] = {_renamed(name): value for name, value in state["ip_adapter"].items()}
    _refuse_other_transformer(pipe.transformer, state["ip_adapter"], part.row.id)
    refuse_other_encoder(pipe.image_encoder.config, state["image_proj"], part.row)
    pipe.load_ip_adapter(state, weight_name="")


def _renamed(name: str) -> str:
    for theirs, ours in RENAMED.items():
        name = name.replace(theirs, ours)
    return name


def _refuse_other_transformer(transformer: Any, layers: Mapping[str, torch.Tensor], name: str) -> None:
    """Compare with the network's double blocks: diffusers takes the first so many and ignores the rest."""
    wide, read = transformer.inner_dim, transformer.config.joint_attention_dim
    kinds = {"weight": (wide, read), "bias": (wide,)}
    wanted = {
        f"{block}.to_{which}_ip.{kind}": shape
        for block in range(transformer.config.num_layers)
        for which in "kv"
        for kind, shape in kinds.items()
    }
    found = {key: tuple(value.shape) for key, value in layers.items()}
    shapes = [f"{key} {found[key]} for {shape}" for key, shape in wanted.items() if found.get(key, shape) != shape]
    refuse_misfit(name, sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys()), shapes)


def flux_image_prompt_arguments(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The arguments of a pipeline with an IP-Adapter: what its encoder made of the requests' one reference.

    The second is for a pass against a negative prompt, which is not made here; without it diffusers would encode black.
    """
    import torch

    pipe = generator.pipe

    def encode(seen: Pillow.Image) -> dict[str, torch.Tensor]:
        return {"with": pipe.encode_image(seen, generator.device, 1)[:, None]}

    pipe.set_ip_adapter_scale(requests[0].reference_scale)
    told = encoded_reference(generator, requests[0], encode)["with"].to(pipe.transformer.dtype)
    told = told.expand(len(requests), -1, -1)
    return {"ip_adapter_image_embeds": [told], "negative_ip_adapter_image_embeds": [torch.zeros_like(told)]}

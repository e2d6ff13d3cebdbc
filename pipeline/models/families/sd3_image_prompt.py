"""Reference pictures for Stable Diffusion 3.5: an IP-Adapter on every block, read through SigLIP and a resampler.

Ye et al., IP-Adapter, arXiv 2308.06721; the layout is that of InstantX's adapter for SD3.5 Large, in its authors' names
or in diffusers'. What is seen of the picture depends on the step: the resampler is told the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.models.families.image_prompt import PARTS, adapter_state, encoded_reference, refuse_other_encoder
from pipeline.models.families.types import Generator, Inpaint, Part
from pipeline.models.tensors import refuse_misfit

if TYPE_CHECKING:
    import torch
    from PIL import Image as Pillow


def wear_sd3_ip_adapter(pipe: Any, part: Part) -> None:
    """Add an IP-Adapter to a pipeline that has its image encoder.

    Raises:
        ModelError: the file is no IP-Adapter, or one for another network or image encoder.
    """
    state = adapter_state(part, {name: name for name in PARTS})
    _refuse_other_transformer(pipe.transformer, state["ip_adapter"], part.row.id)
    refuse_other_encoder(pipe.image_encoder.config, state["image_proj"], part.row)
    # Strictly: diffusers' sparing way leaves layers that the file lacks without values.
    pipe.load_ip_adapter(state, low_cpu_mem_usage=False)
    pipe.transformer.to(pipe.transformer.dtype)


def _refuse_other_transformer(transformer: Any, layers: Mapping[str, torch.Tensor], name: str) -> None:
    """Compare with the network's blocks, of which each has a processor."""
    import torch
    from diffusers.models.attention_processor import SD3IPAdapterJointAttnProcessor2_0

    heads, wide = transformer.config.num_attention_heads, transformer.config.attention_head_dim
    told = layers.get("0.norm_ip.linear.weight")
    with torch.device("meta"):
        processor = SD3IPAdapterJointAttnProcessor2_0(
            hidden_size=heads * wide, ip_hidden_states_dim=heads * wide, head_dim=wide,
            timesteps_emb_dim=1 if told is None else told.shape[1],
        )  # fmt: skip
    kinds = {key: tuple(value.shape) for key, value in processor.state_dict().items()}
    places = range(len(transformer.attn_processors))
    wanted = {f"{place}.{key}": shape for place in places for key, shape in kinds.items()}
    found = {key: tuple(value.shape) for key, value in layers.items()}
    shapes = [f"{key} {found[key]} for {shape}" for key, shape in wanted.items() if found.get(key, shape) != shape]
    refuse_misfit(name, sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys()), shapes)


def sd3_image_prompt_arguments(generator: Generator, requests: tuple[Inpaint, ...], *, guided: bool) -> dict[str, Any]:
    """The arguments of a pipeline with an IP-Adapter: what its encoder made of the requests' one reference.

    ``guided`` is whether guidance makes a second pass, which sees nothing; diffusers repeats both for a batch.
    """
    import torch

    pipe = generator.pipe

    def encode(seen: Pillow.Image) -> dict[str, torch.Tensor]:
        return {"with": pipe.encode_image(seen, generator.device)}

    pipe.set_ip_adapter_scale(requests[0].reference_scale)
    told = encoded_reference(generator, requests[0], encode)["with"].to(pipe.transformer.dtype)
    return {"ip_adapter_image_embeds": torch.cat([torch.zeros_like(told), told]) if guided else told}

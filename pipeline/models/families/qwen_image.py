"""Qwen-Image and Qwen-Image-Edit in their inpainting pipelines; with ControlNets blended latents.

Wu et al., Qwen-Image Technical Report, arXiv 2508.02324. Guidance is a second pass (true_cfg_scale).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import flow
from pipeline.models.families.arguments import control_arguments
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

if TYPE_CHECKING:
    import torch

PIPELINES: Final = {
    "QwenImagePipeline": "QwenImageInpaintPipeline",
    "QwenImageEditPipeline": "QwenImageEditInpaintPipeline",
}
"""Which pipeline inpaints, by the class that a folder was saved from."""
CONTROLLED: Final = "QwenImageControlNetPipeline"
"""diffusers' ControlNet-inpainting pipeline takes neither a picture nor a map beside its own net's mask."""
CELL_PX: Final = 16
NO_WORDS: Final = " "
"""The makers' empty negative prompt."""


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The pipeline of the row's kind, with its ControlNets.

    Raises:
        ModelError: no such pipeline, or controls on an editing one.
    """
    saved_as = flow.pipeline_name(parts.place)
    name = PIPELINES.get(saved_as)
    if name is None:
        raise ModelError(f"Checkpoint {row.id!r}: {saved_as} is none of {', '.join(PIPELINES)}")
    if parts.controls and saved_as != "QwenImagePipeline":
        raise ModelError(f"Checkpoint {row.id!r}: {saved_as} takes no controls; take a row of Qwen-Image")
    return flow.load_folder(
        row, parts, device, CONTROLLED if parts.controls else name,
        transformer="QwenImageTransformer2DModel", controlnet="QwenImageControlNetModel", joined=_union,
    )  # fmt: skip


def _union(nets: list[Any]) -> Any:
    """diffusers lets one union net read several maps, and knows no way for several nets."""
    from diffusers import QwenImageMultiControlNetModel

    if any(net is not nets[0] for net in nets):
        raise ValueError("several controls at once need one union ControlNet for all; name one row for each kind")
    return QwenImageMultiControlNetModel([nets[0]])


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The arguments of the pipeline's kind, every value said."""
    pipe, first = generator.pipe, requests[0]
    if first.controls:
        arguments = flow.text_arguments(requests) | control_arguments(requests) | _blended(pipe, requests)
    else:
        arguments = flow.inpaint_arguments(requests, cell_px=CELL_PX)
    arguments |= {"true_cfg_scale": first.guidance, "guidance_scale": None, "max_sequence_length": 512}
    if first.guidance > 1:
        arguments["negative_prompt"] = [one.negative_prompt or NO_WORDS for one in requests]
    return arguments


def _blended(pipe: Any, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    channels = pipe.transformer.config.in_channels // 4
    height, width = requests[0].size

    def pack(latents: torch.Tensor) -> torch.Tensor:
        packed: torch.Tensor = pipe._pack_latents(latents, len(latents), channels, *latents.shape[-2:])
        return packed

    return flow.blended(
        pipe, requests, encode=lambda pictures: encoded(pipe.vae, pictures), channels=channels, cell_px=CELL_PX,
        pack=pack, mu=flow.time_shift(pipe, (height // CELL_PX) * (width // CELL_PX)),
    )  # fmt: skip


def encoded(vae: Any, pictures: torch.Tensor) -> torch.Tensor:
    """Latents (N, C, h, w) of pictures: the video autoencoder's one frame, by its own mean and deviation a channel."""
    import torch

    latents: torch.Tensor = vae.encode(pictures[:, :, None]).latent_dist.mode()[:, :, 0]
    mean, deviation = (
        torch.tensor(values).view(1, -1, 1, 1).to(latents)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    return (latents - mean) / deviation


FAMILY = Family(
    id="qwen-image",
    multiple_of=32,
    controls=frozenset({"pose", "canny", "softedge", "depth"}),
    negative_prompt=True,
    load=load,
    call=call,
)

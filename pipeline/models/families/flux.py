"""FLUX.1: dev, schnell and Krea in the inpainting pipeline, Fill and Kontext in their own, with ControlNets.

Black Forest Labs, FLUX.1; Batifol et al., FLUX.1 Kontext, arXiv 2506.15742. Guidance is an input of the network
and not a second pass, so there is no negative prompt.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import flow
from pipeline.models.families.flux_image_prompt import flux_image_prompt_arguments, wear_flux_ip_adapter
from pipeline.models.families.prompts import Embedding
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

PIPELINES: Final = {
    "FluxPipeline": "FluxInpaintPipeline",
    "FluxFillPipeline": "FluxFillPipeline",
    "FluxKontextPipeline": "FluxKontextInpaintPipeline",
}
"""Which pipeline inpaints, by the class that a folder was saved from."""
CONTROLLED: Final = "FluxControlNetInpaintPipeline"
UNION_MODES: Final = {"canny": 0, "depth": 2, "pose": 4}
"""Numbers of the kinds in union ControlNets with a mode input, as InstantX and Shakker-Labs trained them."""
CELL_PX: Final = 16
"""8 px of the autoencoder, times patches of 2x2 latents."""


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The pipeline of the row's kind, with its ControlNets.

    Raises:
        ModelError: no such pipeline, or controls or an IP-Adapter where the kind takes none.
    """
    saved_as = flow.pipeline_name(parts.place)
    name = PIPELINES.get(saved_as)
    if name is None:
        raise ModelError(f"Checkpoint {row.id!r}: {saved_as} is none of {', '.join(PIPELINES)}")
    if parts.ip_adapter is not None and (parts.controls or saved_as != "FluxPipeline"):
        raise ModelError(f"Checkpoint {row.id!r}: a reference is read by FLUX.1 dev without controls alone")
    if parts.controls and saved_as != "FluxPipeline":
        raise ModelError(f"Checkpoint {row.id!r}: {saved_as} takes no controls; take a row of FLUX.1 dev")
    return flow.load_folder(
        row, parts, device, CONTROLLED if parts.controls else name,
        transformer="FluxTransformer2DModel", controlnet="FluxControlNetModel", wear=wear_flux_ip_adapter,
    )  # fmt: skip


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The arguments of the pipeline's kind, every value said."""
    pipe, first = generator.pipe, requests[0]
    kind = type(pipe).__name__
    length = 512 if pipe.transformer.config.guidance_embeds else 256  # schnell was distilled on 256 tokens
    arguments = flow.inpaint_arguments(requests, cell_px=CELL_PX) | {
        "prompt": None,
        **flow.kept_texts(generator, [one.prompt for one in requests], lambda prompt: _encoded(pipe, prompt, length)),
        "guidance_scale": first.guidance,
        "max_sequence_length": length,
    }
    if kind == "FluxFillPipeline":
        del arguments["padding_mask_crop"]
    if kind == "FluxKontextInpaintPipeline":
        arguments |= {"true_cfg_scale": 1.0, "_auto_resize": False, "max_area": first.size[0] * first.size[1]}
    if kind == "FluxInpaintPipeline":
        arguments["true_cfg_scale"] = 1.0
    if getattr(pipe, "image_encoder", None) is not None:
        arguments |= flux_image_prompt_arguments(generator, requests)
    if first.controls:
        arguments |= _control_arguments(pipe, requests)
    return arguments


def _encoded(pipe: Any, prompt: str, length: int) -> Embedding:
    embeds, pooled, _ = pipe.encode_prompt(prompt, None, num_images_per_prompt=1, max_sequence_length=length)
    return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}


def _control_arguments(pipe: Any, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    from PIL import Image as Pillow

    controls = requests[0].controls
    maps = [Pillow.fromarray(control.image) for one in requests for control in one.controls]
    several = len(controls) > 1
    nets = list(pipe.controlnet.nets) if several else [pipe.controlnet]
    modes = [_mode(net, control.kind) for net, control in zip(nets, controls, strict=True)]
    reach: dict[str, list[Any]] = {
        "controlnet_conditioning_scale": [control.scale for control in controls],
        "control_guidance_start": [control.start for control in controls],
        "control_guidance_end": [control.end for control in controls],
    }
    arguments: dict[str, Any] = {name: said if several else said[0] for name, said in reach.items()}
    if several:
        arguments["control_mode"] = modes
    else:  # one net takes a mode a request
        arguments["control_mode"] = None if modes[0] is None else modes * len(requests)
    return {"control_image": maps, **arguments}


def _mode(net: Any, kind: str) -> int | None:
    if not net.union:
        return None
    if kind not in UNION_MODES:
        raise ModelError(f"A union ControlNet of Flux has no mode for {kind!r}; it has {', '.join(UNION_MODES)}")
    return UNION_MODES[kind]


FAMILY = Family(
    id="flux",
    multiple_of=16,
    controls=frozenset({"pose", "canny", "softedge", "lineart", "depth"}),
    negative_prompt=False,
    image_prompt=True,
    image_prompt_with_controls=False,
    load=load,
    call=call,
)

"""What families of diffusers' pipelines share: folders, single files, exchanged parts, LoRAs, schedulers."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError
from pipeline.hearing import heard
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.devices import choose_dtype
from pipeline.models.families.image_prompt import encoder_parts, wear_ip_adapter
from pipeline.models.families.storage import store_small
from pipeline.models.families.types import Part, Parts
from pipeline.models.tensors import load_strictly, read_state

ORIGINAL_UNET = "model.diffusion_model."
"""How a UNet's names begin in a file of the authors' own layout."""


def dtype_of(row: Checkpoint, device: str) -> Any:
    """The torch dtype that the row's weights are computed in on that device."""
    import torch

    return getattr(torch, choose_dtype(row.dtype, device))


@contextlib.contextmanager
def named(row: Checkpoint, place: Path) -> Iterator[None]:
    """Turn what diffusers and torch raise while loading into one ModelError that names the row."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "alloc" in str(error).lower():
            raise  # out of memory has its own name
        said = str(error).strip()
        reason = said.splitlines()[0] if said else type(error).__name__
        raise ModelError(f"Checkpoint {row.id!r} in {place} cannot be loaded: {reason[:300]}") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide diffusers' and transformers' bars and advice; what is wrong is raised."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    before = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    bar = transformers_logging.is_progress_bar_enabled()
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call, unused-ignore]
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    try:
        with heard():
            yield
    finally:
        diffusers_logging.set_verbosity(before[0])
        transformers_logging.set_verbosity(before[1])
        diffusers_logging.enable_progress_bar()
        if bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]


def load_pipe(
    row: Checkpoint, parts: Parts, device: str, *, plain: type[Any], controlled: type[Any], **extra: Any
) -> Any:
    """The row's pipeline on ``device``: from a folder or a single file, with its parts, LoRAs and scheduler.

    Args:
        row: the checkpoint.
        parts: where everything lies.
        device: where it runs.
        plain: the pipeline's class without controls.
        controlled: the class with ControlNets.
        extra: what that class is given beyond its weights.

    Raises:
        ModelError: something is no such pipeline, does not fit it, or is not one of diffusers' schedulers.
    """
    import torch

    dtype = dtype_of(row, device)
    with quiet(), named(row, parts.place):
        components = {**extra, **exchanged(row, parts, dtype)}
        if parts.image_encoder is not None:
            components |= encoder_parts(parts.image_encoder, dtype)
        kind = controlled if parts.controls else plain
        if parts.controls:
            nets = [load_controlnet(part, dtype) for part in parts.controls.values()]
            components["controlnet"] = nets[0] if len(nets) == 1 else nets
        read = from_file if parts.place.is_file() else from_folder
        pipe = read(kind, row, parts, dtype, components)
        pipe.scheduler = scheduler_of(row, pipe.scheduler)
        wear_loras(pipe, parts.loras)
        if parts.ip_adapter is not None:
            with named(parts.ip_adapter.row, parts.ip_adapter.place):
                wear_ip_adapter(pipe, parts.ip_adapter)
    pipe.set_progress_bar_config(disable=True)
    pipe.unet.to(memory_format=torch.channels_last)
    if row.quantisation is not None:
        store_small(row, pipe.unet, dtype)
    return pipe.to(device)


def from_folder(kind: type[Any], row: Checkpoint, parts: Parts, dtype: Any, components: Mapping[str, Any]) -> Any:
    """A pipeline from a folder in diffusers' layout, safetensors unless the row allows a pickle."""
    common: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "variant": row.variant}
    if not row.pickle:
        common["use_safetensors"] = True
    return kind.from_pretrained(parts.place, **common, **components)


def from_file(kind: type[Any], row: Checkpoint, parts: Parts, dtype: Any, components: Mapping[str, Any]) -> Any:
    """A pipeline from one file in the authors' own layout; the architecture and the tokenizers are the config's."""
    if parts.place.suffix != ".safetensors" and not row.pickle:
        raise ModelError(
            f"Checkpoint {row.id!r}: {parts.place.name} is a Python pickle, which can run code when it is read. "
            "Use a .safetensors file, or set 'pickle: true' in its row (it is then read with weights_only)"
        )
    config = parts.needs.get("config")
    if config is None:
        raise ModelError(
            f"Checkpoint {row.id!r} is a single file: its row must say 'needs: {{config: <row>}}', a row of the "
            "architecture's folder (those with the role 'config')"
        )
    read_state(parts.place, pickle=row.pickle)  # refuses a file that holds more than tensors
    return kind.from_single_file(
        str(parts.place), config=str(config.place), dtype=dtype, local_files_only=True, **components
    )


def exchanged(row: Checkpoint, parts: Parts, dtype: Any) -> dict[str, Any]:
    """The parts that stand in the place of the folder's own: a whole UNet, a VAE."""
    made: dict[str, Any] = {}
    home = parts.needs["config"].place if "config" in parts.needs else parts.place
    if "unet" in parts.needs:
        made["unet"] = load_unet(parts.needs["unet"], home, dtype)
    if "vae" in parts.needs:
        made["vae"] = load_vae(parts.needs["vae"], dtype)
    return made


def load_unet(part: Part, home: Path, dtype: Any) -> Any:
    """A UNet from a folder, or from one file in diffusers' or the authors' names over the architecture in ``home``."""
    from diffusers import UNet2DConditionModel

    if part.place.is_dir():
        return UNet2DConditionModel.from_pretrained(
            part.place, dtype=dtype, local_files_only=True, use_safetensors=not part.row.pickle or None,
            variant=part.row.variant,
        )  # fmt: skip
    state = read_state(part.place, pickle=part.row.pickle)
    if any(name.startswith((ORIGINAL_UNET, "input_blocks.")) for name in state):
        return UNet2DConditionModel.from_single_file(
            str(part.place), config=str(home), subfolder="unet", dtype=dtype, local_files_only=True
        )
    config = UNet2DConditionModel.load_config(home, subfolder="unet", local_files_only=True)
    unet = UNet2DConditionModel.from_config(config)
    load_strictly(unet, state, name=part.row.id)
    return unet.to(dtype)


def load_vae(part: Part, dtype: Any) -> Any:
    """A VAE from a folder of its own, full or tiny (TAESD), as its config says."""
    import diffusers

    said = json.loads((part.place / "config.json").read_text(encoding="utf-8"))["_class_name"]
    if said not in ("AutoencoderKL", "AutoencoderTiny"):
        raise ModelError(f"Checkpoint {part.row.id!r} is an {said}, and an AutoencoderKL or AutoencoderTiny is needed")
    return getattr(diffusers, said).from_pretrained(
        part.place, dtype=dtype, local_files_only=True, use_safetensors=not part.row.pickle or None,
        variant=part.row.variant,
    )  # fmt: skip


def load_controlnet(part: Part, dtype: Any) -> Any:
    """A ControlNet from its folder."""
    from diffusers import ControlNetModel

    with named(part.row, part.place):
        return ControlNetModel.from_pretrained(
            part.place, dtype=dtype, local_files_only=True, use_safetensors=not part.row.pickle or None,
            variant=part.row.variant,
        )  # fmt: skip


def scheduler_of(row: Checkpoint, shipped: Any) -> Any:
    """The scheduler that the row's sampling asks for, over the settings of the one in the folder.

    Raises:
        ModelError: diffusers has none of that name.
    """
    import diffusers

    sampling = row.sampling
    if sampling is None:
        return shipped
    wanted = type(shipped) if sampling.scheduler is None else getattr(diffusers, sampling.scheduler, None)
    if wanted is None:
        raise ModelError(f"Checkpoint {row.id!r}: diffusers has no scheduler {sampling.scheduler!r}")
    made = wanted.from_config(shipped.config, **sampling.settings)
    if sampling.timesteps:
        fix_timesteps(made, sampling.timesteps)
    return made


def fix_timesteps(scheduler: Any, timesteps: Sequence[int]) -> None:
    """Let the scheduler answer every request for steps with these timesteps: not all pipelines hand on a list."""
    own = scheduler.set_timesteps

    @functools.wraps(own)
    def set_timesteps(num_inference_steps: int | None = None, device: Any = None, **_: Any) -> None:
        with quiet():  # it is told that the list differs from its own: that is what the list is for
            own(timesteps=list(timesteps), device=device)

    scheduler.set_timesteps = set_timesteps


def wear_loras(pipe: Any, loras: Sequence[Part]) -> None:
    """Add LoRAs (diffusers', peft's or kohya's names), all at once with their weights, into the pipeline's own weights.

    Raises:
        ModelError: a file is no LoRA, or holds nothing for this architecture.
    """
    for index, part in enumerate(loras):
        with named(part.row, part.place):
            state = read_state(part.place, pickle=part.row.pickle)
            pipe.load_lora_weights(state, adapter_name=f"lora{index}")
        worn = {name for names in pipe.get_list_adapters().values() for name in names}
        if f"lora{index}" not in worn:
            raise ModelError(
                f"LoRA {part.row.id!r} in {part.place} holds nothing for this architecture; it was made for another"
            )
    if loras:
        names = [f"lora{index}" for index in range(len(loras))]
        pipe.set_adapters(names, adapter_weights=[part.weight for part in loras])
        pipe.fuse_lora(adapter_names=names)
        pipe.unload_lora_weights()

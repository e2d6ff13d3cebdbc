"""Generators: a checkpoint's row to a loaded model, refusals before any work, and requests to pictures."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import CheckFailed, OutOfMemory, RecipeError
from pipeline.models.asking import handed_out
from pipeline.models.checkpoints import Checkpoint, Sampling, check_licence, checkpoint, checkpoints
from pipeline.models.compiling import Backend, compile_networks, compiling_named, refuse_without_compiler
from pipeline.models.devices import choose_device, free_memory, loaded_models, out_of_memory_named
from pipeline.models.families import FAMILIES, Family, Generator, Inpaint, Part, Parts
from pipeline.models.families.diffusion import quiet
from pipeline.models.families.image_prompt import share_reference
from pipeline.models.families.soft_edge import MIN_STEPS as SOFT_STEPS
from pipeline.models.families.storage import refuse_without_library
from pipeline.models.ladder import fit_into_memory
from pipeline.models.weights import fingerprint, locate, needed
from pipeline.pixels.checks import is_near_black, is_near_uniform
from pipeline.types import Image, Size


def family_of(row: Checkpoint) -> Family:
    """The family of a generator's row. Raises RecipeError if no code calls it."""
    family = FAMILIES.get(row.family)
    if family is None:
        raise RecipeError(f"Checkpoint {row.id!r}: no family {row.family!r}; known: {', '.join(FAMILIES)}")
    return family


def sampling_of(row: Checkpoint) -> Sampling:
    """How the row is sampled. Raises RecipeError if it does not say."""
    if row.sampling is None:
        raise RecipeError(
            f"Checkpoint {row.id!r} is a generator without 'sampling': its row must say steps and guidance"
        )
    return row.sampling


def refuse_unfit(
    row: Checkpoint, *, steps: int, guidance: float, strength: float = 1.0, controls: Sequence[str] = (),
    negative_prompt: str = "", scheduler: str | None = None, reference: bool = False, soft_edge: bool = False,
    compiled: bool = False,
) -> None:  # fmt: skip
    """Refuse what the checkpoint cannot do, before anything is loaded.

    Raises:
        RecipeError: fewer executed steps than its minimum or more than its maximum, a guidance or a scheduler that a
            distilled checkpoint cannot take, a control that its row has no ControlNet for, a negative prompt or a
            ``reference`` picture that would not be read, a ``soft_edge`` that its family or its steps do not give, or
            ``compiled`` where there is nothing to compile.
    """
    family, sampling = family_of(row), sampling_of(row)
    executed = int(steps * strength)
    if executed < sampling.min_steps:
        raise RecipeError(
            f"{row.id}: {steps} steps at strength {strength:g} are {executed} executed steps, and it needs at least "
            f"{sampling.min_steps}: write steps: {int(np.ceil(sampling.min_steps / strength))} or more"
        )
    if sampling.max_steps is not None and steps > sampling.max_steps:
        raise RecipeError(f"{row.id}: {steps} steps, and it works with at most {sampling.max_steps}: leave steps out")
    with_scheduler(row, scheduler)
    low, high = sampling.guidance_range
    if not low <= guidance <= high:
        raise RecipeError(f"{row.id}: guidance {guidance:g} is outside {low:g} to {high:g}, where it works")
    if reference:
        ip_adapter_of(row)
    have_maps = readable_controls(row, reference=reference)
    missing = [kind for kind in controls if kind not in have_maps]
    if missing:
        have = ", ".join(sorted(have_maps)) or "none"
        beside = " beside a reference" if reference else ""
        raise RecipeError(f"{row.id}: no control {', '.join(missing)}{beside}; its row has {have}")
    if soft_edge:
        _refuse_soft_edge(row, steps=steps, strength=strength)
    if compiled:
        _refuse_compiling(row)
    if negative_prompt and (not family.negative_prompt or guidance <= 1 or sampling.embedded_guidance):
        raise RecipeError(f"{row.id}: at guidance {guidance:g} a negative prompt is not read; leave it out")


def _refuse_compiling(row: Checkpoint) -> None:
    if not family_of(row).compiles:
        raise RecipeError(f"{row.id}: it has no network here that could be compiled; leave generate.compile out")


def _refuse_soft_edge(row: Checkpoint, *, steps: int, strength: float) -> None:
    most = sampling_of(row).max_steps
    if not family_of(row).soft_edge:
        raise RecipeError(f"{row.id}: it repaints all or nothing, and garment.soft_edge is not read; leave it out")
    if most is not None and int(most * strength) < SOFT_STEPS:
        raise RecipeError(
            f"{row.id}: garment.soft_edge needs {SOFT_STEPS} executed steps, and it works with at most {most}; "
            "leave it out, or choose a checkpoint of more steps"
        )
    if int(steps * strength) < SOFT_STEPS:
        raise RecipeError(
            f"{row.id}: garment.soft_edge needs {SOFT_STEPS} executed steps, and {steps} steps at strength "
            f"{strength:g} are fewer: write steps: {int(np.ceil(SOFT_STEPS / strength))} or more"
        )


def ip_adapter_of(row: Checkpoint) -> Checkpoint:
    """The row of the IP-Adapter that reads reference pictures for ``row``. Raises RecipeError where it has none."""
    if not family_of(row).image_prompt or row.ip_adapter is None:
        able = sorted(one.id for one in checkpoints().values() if one.role == "generator" and one.ip_adapter)
        raise RecipeError(
            f"{row.id}: its row has no IP-Adapter, so generate.reference is not read; leave it out, or choose a "
            f"checkpoint that has one: {', '.join(able[:6])}"
        )
    return checkpoint(row.ip_adapter, role="ip_adapter")


def with_scheduler(row: Checkpoint, scheduler: str | None) -> Checkpoint:
    """The row with another of its schedulers; with its own for None.

    Raises:
        RecipeError: the row does not list it, as a distilled checkpoint lists none.
    """
    if scheduler is None:
        return row
    sampling = sampling_of(row)
    own = sampling.scheduler or "the one in its folder"
    if scheduler == own:
        return row
    if scheduler not in sampling.schedulers:
        others = ", ".join(sampling.schedulers) or "no other"
        raise RecipeError(f"{row.id}: scheduler {scheduler} does not fit it; it takes {own}, and {others}")
    return row.model_copy(update={"sampling": sampling.model_copy(update={"scheduler": scheduler})})


def readable_controls(row: Checkpoint, *, reference: bool = False) -> frozenset[str]:
    """The kinds of control maps that a generator reads: by ControlNets of its row, or by itself.

    With a ``reference``, those that it reads beside one.
    """
    family = family_of(row)
    if reference and not family.image_prompt_with_controls:
        return family.own_controls
    return family.own_controls | (family.controls & row.controlnets.keys())


def load_generator(
    name: str, *, controls: Sequence[str] = (), device: str = "auto", accept_licence: Sequence[str] = (),
    scheduler: str | None = None, reference: bool = False, compiled: bool = False, mirror: Path | None = None,
    _backend: Backend = "inductor",
) -> Generator:  # fmt: skip
    """The checkpoint ``name`` with the ControlNets of ``controls``, loaded once in this process.

    ``scheduler`` takes the place of the row's own, if the row lists it. With ``reference``, the row's IP-Adapter is
    loaded too, and every request must carry a reference picture. With ``compiled``, the denoiser and the ControlNets
    run by torch.compile.

    Raises:
        RecipeError: no such generator, no such control in its row, no such scheduler, no IP-Adapter for a reference,
            or nothing to compile.
        LicenceRefused: non-commercial and not accepted.
        WeightsMissing: not on this machine; the message says how to get them.
        ModelError: the weights do not fit, there is no C++ compiler, or what stores the row's weights is not installed.
    """
    row = with_scheduler(checkpoint(name, role="generator"), scheduler)
    check_licence(row, accept_licence)
    family, where = family_of(row), choose_device(device)
    if compiled:
        _refuse_compiling(row)
        refuse_without_compiler(where, _backend)
    refuse_without_library(row)
    wanted = [kind for kind in controls if kind not in family.own_controls]
    nets = {kind: checkpoint(row.controlnets[kind], role="controlnet") for kind in wanted}
    adapter = ip_adapter_of(row) if reference else None
    extra = [*nets.values(), *([adapter] if adapter else [])]
    for part in extra:
        check_licence(part, accept_licence)

    def load() -> Generator:
        parts = places_of(row, nets, adapter, mirror=mirror)
        with out_of_memory_named(f"loading {row.id}"):
            pipe = family.load(row, parts, where)
            if compiled:
                compile_networks(pipe, backend=_backend)
            if where == "cpu" and "diffusers" in sys.modules:
                from pipeline.models.on_cpu import prepare

                prepare(pipe)
        prints = [fingerprint(one, mirror=mirror) for one in (row, *extra)]
        return Generator(
            row=row, family=family, pipe=pipe, device=where, fingerprint="+".join(prints), compiled=compiled
        )

    sampled = row.sampling and row.sampling.scheduler
    key = ("generator", row.id, tuple(controls), reference, where, sampled, mirror, compiled and _backend)
    size_gb = row.size_gb + sum(part.size_gb for part in extra)
    try:
        generator: Generator = loaded_models().get(key, size_gb, load, measure=held_gb)
    except OutOfMemory:
        loaded_models().clear()  # whatever else is loaded can be loaded again
        free_memory()
        generator = loaded_models().get(key, size_gb, load, measure=held_gb)
    return generator


def held_gb(generator: Generator) -> float:
    """What a generator's weights take on the device, in units of 10^9 bytes; its file may be of another precision."""
    import torch

    parts = getattr(generator.pipe, "components", {}).values()
    modules = [part for part in parts if isinstance(part, torch.nn.Module)]
    tensors = {id(one): one for module in modules for one in (*module.parameters(), *module.buffers())}
    return sum(one.numel() * one.element_size() for one in tensors.values()) / 1e9


def places_of(
    row: Checkpoint, controlnets: Mapping[str, Checkpoint], ip_adapter: Checkpoint | None = None, *,
    mirror: Path | None = None,
) -> Parts:  # fmt: skip
    """Where everything lies that the row is loaded from. Raises WeightsMissing for the first that is not here."""

    def part(one: Checkpoint, weight: float = 1.0) -> Part:
        return Part(row=one, place=locate(one, mirror=mirror), weight=weight)

    return Parts(
        place=locate(row, mirror=mirror),
        controls={kind: part(net) for kind, net in controlnets.items()},
        needs={name: part(needed(row, name)) for name in row.needs},
        ip_adapter=None if ip_adapter is None else part(ip_adapter),
        image_encoder=None if ip_adapter is None else part(needed(ip_adapter, "image_encoder")),
        loras=tuple(part(checkpoint(use.id, role="lora"), use.weight) for use in row.loras),
    )


def native_size(row: Checkpoint, aspect: float) -> Size:
    """The (height, width) nearest to ``aspect`` = width / height that has the checkpoint's native number of pixels."""
    family, (height, width) = family_of(row), sampling_of(row).native_px
    step = max(family.multiple_of, sampling_of(row).multiple_of)
    tall = float(np.sqrt(height * width / np.clip(aspect, 0.5, 2.0)))
    return max(step, round(tall / step) * step), max(step, round(tall * np.clip(aspect, 0.5, 2.0) / step) * step)


def generate(generator: Generator, requests: Sequence[Inpaint]) -> list[Image]:
    """Generate pictures for requests of one shape, in one call; each depends on its own seed alone.

    Batched results differ from single ones by float rounding only: two levels of 255 at most on the embedded model.
    Requests with several controls where the family takes no batch of them, or with different references, go one by one.
    Where the memory does not do, fewer are made at once and the VAE works in tiles; `ladder.take_notes` tells.

    Raises:
        CheckFailed: a picture came out black or of one colour, as safety checkers and empty controls leave them.
        OutOfMemory: not even one picture fits on the device.
    """
    if not requests:
        return []
    if (made := handed_out(generator, requests)) is not None:
        return made
    alone = len(requests[0].controls) > 1 and not generator.family.batch_of_controls
    if len(requests) > 1 and (alone or not share_reference(requests)):
        return [picture for one in requests for picture in generate(generator, [one])]
    return fit_into_memory(generator, requests, _generate_once)


def _generate_once(generator: Generator, requests: Sequence[Inpaint]) -> list[Image]:
    import torch

    from pipeline.models.on_cpu import Attention

    uses_diffusers = "diffusers" in sys.modules
    silence = quiet() if uses_diffusers else contextlib.nullcontext()
    # A compiler cannot look into attention in pieces: compiled networks have their own.
    in_pieces = uses_diffusers and generator.device == "cpu" and not generator.compiled
    attention = Attention() if in_pieces else contextlib.nullcontext()
    watched = compiling_named(generator.row.id) if generator.compiled else contextlib.nullcontext()
    what = f"generating {len(requests)} pictures with {generator.row.id}"
    with torch.inference_mode(), out_of_memory_named(what), silence, attention, watched:
        made = generator.pipe(**generator.family.call(generator, tuple(requests))).images
    pictures = [np.rint(np.clip(one, 0, 1) * 255).astype(np.uint8) for one in made]
    for picture in pictures:
        if is_near_black(picture) or is_near_uniform(picture):
            raise CheckFailed(f"{generator.row.id} made a black or empty picture; use another prompt, seed or dtype")
    return pictures

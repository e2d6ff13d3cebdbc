"""Out of memory: fewer pictures at once, then the VAE in tiles, then idle parts on the processor.

Every step down is noted on the generator, remembered for pictures of that size alone, and undone after the call, so
that later and smaller work runs as if nothing had happened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from pipeline.errors import OutOfMemory
from pipeline.models.families import Generator, Inpaint
from pipeline.types import Image

Once = Callable[[Generator, Sequence[Inpaint]], list[Image]]
"""One call of the model; raises OutOfMemory."""


@contextlib.contextmanager
def _as_it_is(generator: Generator) -> Iterator[None]:
    yield


@contextlib.contextmanager
def _tiled(generator: Generator) -> Iterator[None]:
    vae = generator.pipe.vae
    vae.enable_tiling()
    vae.enable_slicing()
    try:
        yield
    finally:
        vae.disable_tiling()
        vae.disable_slicing()


@contextlib.contextmanager
def _offloaded(generator: Generator) -> Iterator[None]:
    with _tiled(generator):
        generator.pipe.enable_model_cpu_offload(device=generator.device)
        try:
            yield
        finally:
            generator.pipe.remove_all_hooks()
            generator.pipe.to(generator.device)


def _rungs(generator: Generator) -> list[tuple[str, Callable[[Generator], contextlib.AbstractContextManager[None]]]]:
    """The ways to save memory that this generator has, from none to most."""
    rungs: list[tuple[str, Callable[[Generator], contextlib.AbstractContextManager[None]]]] = [("", _as_it_is)]
    vae = getattr(generator.pipe, "vae", None)
    # A tiny VAE needs next to nothing, and diffusers' tiles of it are right at f = 8 only.
    if hasattr(vae, "enable_tiling") and type(vae).__name__ != "AutoencoderTiny":
        rungs.append(("VAE in tiles", _tiled))
        if generator.device.startswith("cuda"):
            rungs.append(("VAE in tiles, idle parts on the processor", _offloaded))
    return rungs


def fit_into_memory(generator: Generator, requests: Sequence[Inpaint], once: Once) -> list[Image]:
    """All pictures of ``requests``, with as little given up as the memory asks for.

    What was given up is added to ``generator.notes``; tiles change a picture by a few levels, smaller batches by
    rounding.

    Raises:
        OutOfMemory: one picture does not fit, however it is made.
    """
    size, rungs = requests[0].size, _rungs(generator)
    limit, rung = generator.limits.get(size, (len(requests), 0))
    limit = min(limit, len(requests))
    made: list[Image] = []
    while len(made) < len(requests):
        part = requests[len(made) : len(made) + limit]
        try:
            with rungs[rung][1](generator):
                made += once(generator, part)
        except OutOfMemory:
            if limit > 1:
                limit = (limit + 1) // 2
            elif rung + 1 < len(rungs):
                rung += 1
            else:
                raise
            generator.limits[size] = (limit, rung)
    if limit < len(requests) or rung:
        how = f"{limit} at a time" + (f", {rungs[rung][0]}" if rung else "")
        generator.notes.append(f"out of memory with {len(requests)} at {size[1]}x{size[0]} px: made {how}")
    return made


def take_notes(generator: Generator) -> list[str]:
    """The notes since the last call of this, for a record."""
    notes = list(generator.notes)
    generator.notes.clear()
    return notes

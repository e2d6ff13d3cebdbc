"""`seamline checkpoints bench`: what each generator whose weights are here costs on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.models.checkpoints import Checkpoint
    from pipeline.models.families import Generator, Inpaint

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One line of the table; seconds of the first picture include loading, ``held_gb`` is what stays in memory."""

    row: Checkpoint
    device: str
    steps: int
    first_s: float
    second_s: float
    held_gb: float


def bench_rows(ids: Sequence[str] | None, *, accepted: Sequence[str], steps: int | None, say: Say) -> list[Cost]:
    """Time generators, one after another and each alone in memory.

    Without ``ids``: all whose weights are here and whose licence allows it or is accepted; why others are left out is
    said. A generator that was asked for and is not here is an error.
    """
    from pipeline.errors import LicenceRefused, ModelError, WeightsMissing
    from pipeline.models.checkpoints import check_licence, checkpoint, checkpoints
    from pipeline.models.weights import locate, parts_of

    names = ids or [row.id for row in checkpoints().values() if row.role == "generator"]
    costs: list[Cost] = []
    for row in (checkpoint(name, role="generator") for name in names):
        try:
            for part in parts_of(row):
                locate(part)
            check_licence(row, accepted)
            costs.append(cost_of(row, accepted=accepted, steps=steps))
        except WeightsMissing:
            if ids:
                raise
        except (LicenceRefused, ModelError) as error:
            if ids:
                raise
            say(f"{row.id} is left out: {error}")
    return costs


def cost_of(row: Checkpoint, *, accepted: Sequence[str] = (), steps: int | None = None) -> Cost:
    """Load a generator and make two pictures of its native size."""
    from pipeline.models.devices import loaded_models
    from pipeline.models.generators import generate, held_gb, load_generator, refuse_unfit, sampling_of

    sampling = sampling_of(row)
    wanted = steps or sampling.steps
    refuse_unfit(row, steps=wanted, guidance=sampling.guidance)
    loaded_models().clear()
    began = time.perf_counter()
    generator: Generator = load_generator(row.id, accept_licence=accepted)
    generate(generator, [_request(row, wanted, seed=1)])
    first = time.perf_counter()
    generate(generator, [_request(row, wanted, seed=2)])
    second = time.perf_counter()
    cost = Cost(
        row=row, device=generator.device, steps=wanted, first_s=first - began, second_s=second - first,
        held_gb=held_gb(generator),
    )  # fmt: skip
    loaded_models().clear()
    return cost


def _request(row: Checkpoint, steps: int, *, seed: int) -> Inpaint:
    import numpy as np

    from pipeline.models.families import Inpaint
    from pipeline.models.generators import native_size, sampling_of

    height, width = native_size(row, sampling_of(row).native_px[1] / sampling_of(row).native_px[0])
    tall, wide = np.mgrid[:height, :width]
    image = np.stack([tall % 256, wide % 256, (tall + wide) % 256], axis=-1).astype(np.uint8)
    repaint = np.zeros((height, width), np.bool_)
    repaint[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    prompt = "a product photograph on a marble table, soft daylight"
    return Inpaint(
        image=image, repaint=repaint, prompt=prompt, seed=seed, steps=steps, guidance=sampling_of(row).guidance
    )


def bench_table(costs: Sequence[Cost]) -> Table:
    """The table of `bench`, fastest second picture first."""
    from rich.table import Column, Table

    numbers = ("steps", "first image s", "second image s", "size GB", "in memory GB")
    columns = [Column(name, justify="right") for name in numbers]
    shown = Table(Column("model", no_wrap=True), "device", *columns, "year", "notes", box=None)
    for cost in sorted(costs, key=lambda cost: cost.second_s):
        row = cost.row
        shown.add_row(
            row.id, cost.device, str(cost.steps), f"{cost.first_s:.2f}", f"{cost.second_s:.2f}", f"{row.size_gb:g}",
            f"{cost.held_gb:.2f}", str(row.year), row.notes,
        )  # fmt: skip
    return shown

"""`seamline checkpoints`: which weights there are, and how to get them onto this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.models.checkpoints import Checkpoint

app = typer.Typer(no_args_is_help=True, help="List, fetch and verify model weights.")

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID...", help="Rows of configs/checkpoints.yaml; all if none.")
]
Accept = Annotated[list[str] | None, typer.Option("--accept-licence", help="Accept a row's non-commercial licence.")]


Role = Annotated[str | None, typer.Option(help="Only rows of this role: generator, lora, controlnet, detector, ...")]
FamilyName = Annotated[str | None, typer.Option("--family", help="Only rows of this family.")]


@app.command("list")
def list_(role: Role = None, family: FamilyName = None) -> None:
    """Show every checkpoint: what it is for, its size, its licence, and whether it is on this machine."""
    from rich.console import Console

    from pipeline.models.checkpoints import checkpoints

    rows = [row for row in checkpoints().values() if role in (None, row.role) and family in (None, row.family)]
    Console().print(table(rows))


@app.command()
def fetch(
    ids: Annotated[list[str], typer.Argument(metavar="ID...")],
    accept_licence: Accept = None,
    controls: Annotated[
        bool, typer.Option("--controls", help="Fetch the rows' ControlNets and IP-Adapters, too.")
    ] = False,
) -> None:
    """Download weights from the hub, with all that they need (LoRAs, other parts), and verify their digests."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from pipeline.models.weights import fetch as fetch_weights

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    for row in _wanted(ids, accept_licence or [], controls=controls):
        with Progress(*columns) as bar:
            shown = bar.add_task(row.id, total=int(row.size_gb * 1e9))
            place = fetch_weights(row, lambda done, total: bar.update(shown, completed=done, total=total or None))  # noqa: B023
        typer.echo(f"{row.id}: {place}")


def _wanted(ids: list[str], accepted: list[str], *, controls: bool) -> list[Checkpoint]:
    """The rows of those ids with their parts, each once; a licence accepted for a row is accepted for its parts."""
    from pipeline.models.checkpoints import check_licence, checkpoint
    from pipeline.models.weights import parts_of

    found: dict[str, Checkpoint] = {}
    for row in map(checkpoint, ids):
        check_licence(row, accepted)
        found |= {part.id: part for part in parts_of(row)}
        beside = [*row.controlnets.values(), *([row.ip_adapter] if row.ip_adapter else [])] if controls else []
        for one in map(checkpoint, beside):
            check_licence(one, accepted)
            found |= {part.id: part for part in parts_of(one)}
    return list(found.values())


@app.command()
def check(
    ids: Ids = None,
    load: Annotated[bool, typer.Option("--load", help="Load generators, too: slow, and the surest check.")] = False,
) -> None:
    """Find weights on this machine and verify their digests; ends with 2 if one is missing or damaged."""
    from pipeline.errors import ModelError
    from pipeline.models.checkpoints import checkpoint, checkpoints
    from pipeline.models.weights import locate, parts_of, verify

    wrong = 0
    for name in ids or sorted(checkpoints()):
        row = checkpoint(name)
        try:
            for part in parts_of(row):
                verify(part, locate(part))
            loaded = _loaded(row) if load and row.role == "generator" else ""
        except ModelError as error:
            wrong += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{name}: {locate(row)}{loaded}")
    if wrong:
        raise typer.Exit(2)


def _loaded(row: Checkpoint) -> str:
    """Load a generator and let it go again; what it took."""
    from pipeline.models.devices import loaded_models
    from pipeline.models.generators import held_gb, load_generator

    generator = load_generator(row.id, accept_licence=[row.id, *row.controlnets.values()])
    told = f" (loaded on {generator.device}, {held_gb(generator):.2f} GB)"
    loaded_models().clear()
    return told


@app.command()
def bench(
    ids: Ids = None,
    accept_licence: Accept = None,
    steps: Annotated[int | None, typer.Option(help="Steps instead of the rows' own.")] = None,
) -> None:
    """Time the generators whose weights are here: the first picture with loading, and the second."""
    from rich.console import Console

    from flows.checkpoints_bench import bench_rows, bench_table

    figures = bench_rows(ids, accepted=accept_licence or [], steps=steps, say=lambda text: typer.echo(text, err=True))
    if not figures:
        raise typer.BadParameter("no generator's weights are on this machine; 'seamline checkpoints list' shows them")
    Console().print(bench_table(figures))


def table(rows: list[Checkpoint]) -> Table:
    """The table of ``list``."""
    from rich.table import Column, Table

    from pipeline.errors import ModelError
    from pipeline.models.weights import locate

    shown = Table(Column("id", no_wrap=True), "role", "family", "GB", "year", "licence", "here", box=None)
    for row in sorted(rows, key=lambda row: (row.role, row.id)):
        try:
            locate(row)
            here = "yes"
        except ModelError:
            here = "no"
        licence = row.licence if row.commercial else f"{row.licence} (not commercial)"
        shown.add_row(row.id, row.role, row.family, f"{row.size_gb:g}", str(row.year), licence, here)
    return shown

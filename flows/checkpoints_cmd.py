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


@app.command("list")
def list_() -> None:
    """Show every checkpoint: what it is for, its size, its licence, and whether it is on this machine."""
    from rich.console import Console

    from pipeline.models.checkpoints import checkpoints

    Console().print(table(list(checkpoints().values())))


@app.command()
def fetch(ids: Annotated[list[str], typer.Argument(metavar="ID...")], accept_licence: Accept = None) -> None:
    """Download weights from the hub and verify their digests."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from pipeline.models.checkpoints import check_licence, checkpoint
    from pipeline.models.weights import fetch as fetch_weights

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    for name in ids:
        row = checkpoint(name)
        check_licence(row, accept_licence or ())
        with Progress(*columns) as bar:
            shown = bar.add_task(name, total=int(row.size_gb * 1e9))
            place = fetch_weights(row, lambda done, total: bar.update(shown, completed=done, total=total or None))  # noqa: B023
        typer.echo(f"{name}: {place}")


@app.command()
def check(ids: Ids = None) -> None:
    """Find weights on this machine and verify their digests; ends with 2 if one is missing or damaged."""
    from pipeline.errors import ModelError
    from pipeline.models.checkpoints import checkpoint, checkpoints
    from pipeline.models.weights import locate, verify

    wrong = 0
    for name in ids or sorted(checkpoints()):
        row = checkpoint(name)
        try:
            place = locate(row)
            verify(row, place)
        except ModelError as error:
            wrong += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{name}: {place}")
    if wrong:
        raise typer.Exit(2)


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

"""The commands over finished batches: `seamline replay` and `seamline compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[str, typer.Option(help="Folder of batches, store and Prefect's files.", metavar="FOLDER")]
LedgerUrl = Annotated[str | None, typer.Option(help="The ledger's SQLAlchemy URL, if it is not in RUNS.")]


def replay(
    batch: Annotated[str, typer.Argument(help="Batch id, or a recipe's name for its newest batch.", metavar="BATCH")],
    sku: Annotated[str, typer.Argument(help="Which product.", metavar="SKU")],
    view: Annotated[str | None, typer.Option(help="Which view, if the SKU has several.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Keep the new picture in this file.")] = None,
    runs: Runs = "runs",
    ledger: LedgerUrl = None,
) -> None:
    """Make a finished picture again from its record, every stage anew, and say how far it is from the batch's."""
    from flows.replay import find_batch
    from flows.replay import replay as again
    from flows.workplace import BatchAddress, open_files
    from pipeline.files.ledger import ledger_url

    address, url = _absolute(runs), ledger_url(_absolute(runs), ledger)
    book, _ = open_files(address, url)
    made = again(BatchAddress(runs=address, ledger=url, batch=find_batch(book, batch)), sku, view)
    for change in made.changes:
        typer.echo(change)
    if output is not None:
        output.write_bytes(made.data)
    same = ", the same file byte for byte" if made.same_bytes else ""
    typer.echo(f"{made.name}: largest difference {made.largest} of 255, {made.differing:.2%} of pixels differ{same}")


def compare(
    first: Annotated[str, typer.Argument(help="Batch id, or a recipe's name for its newest batch.", metavar="A")],
    second: Annotated[str, typer.Argument(help="The other one.", metavar="B")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the page goes.")] = Path("comparison.html"),
    runs: Runs = "runs",
    ledger: LedgerUrl = None,
) -> None:
    """Show two batches side by side: which items came out better, worse or otherwise."""
    from flows.replay import find_batch
    from flows.workplace import open_files
    from pipeline.files.compare import ORDER, compare_page
    from pipeline.files.ledger import ledger_url

    address = _absolute(runs)
    book, store = open_files(address, ledger_url(address, ledger))
    page, counts = compare_page(book, store, find_batch(book, first), find_batch(book, second))
    output.write_text(page, encoding="utf-8")
    typer.echo(", ".join(f"{counts[name]} {name}" for name in ORDER if counts[name]) or "no items")
    typer.echo(str(output))


def _absolute(runs: str) -> str:
    from pipeline.files.address import is_local, local_path

    return str(local_path(runs)) if is_local(runs) else runs

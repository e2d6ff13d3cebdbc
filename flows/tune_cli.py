"""The command `seamline tune`. Light: the networks are imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer


def tune(
    config: Annotated[str, typer.Argument(help="Recipe: a file, or a name in configs/.", metavar="CONFIG")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="Set a field of the recipe; can be repeated.", metavar="FIELD=VALUE"),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Photos to look at, spread evenly over the catalog.")] = 24,
    all_: Annotated[bool, typer.Option("--all", help="Look at every photo of the catalog.")] = False,
    truth: Annotated[
        str | None, typer.Option(help="Folder of true masks, SKU.VIEW.png or SKU.png, to score against.")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Where the sheet goes.", metavar="FILE")] = None,
) -> None:
    """Show what every detector threshold gives over a catalog, and the patch to apply."""
    from flows.tune_cmd import tune as write_sheet
    from pipeline.files.recipe import load_recipe

    recipe = load_recipe(config, set_ or [])
    address = write_sheet(
        recipe,
        config,
        sample=None if all_ else sample,
        truth=truth,
        output=output,
        say=lambda line: typer.echo(line),
    )
    typer.echo(address)

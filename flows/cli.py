"""The command line. Heavy libraries are imported by the command that needs them: `seamline --help` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows import batches_cmd, checkpoints_cmd, exits, studio_cmd, tune_cli
from pipeline.errors import CatalogError, RecipeError, SeamlineError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Restage product catalogs: the product's own pixels are carried, not re-drawn.",
    epilog=exits.EPILOG,
)
app.add_typer(checkpoints_cmd.app, name="checkpoints")
app.add_typer(studio_cmd.app, name="studio")
app.command()(tune_cli.tune)
app.command()(batches_cmd.replay)
app.command()(batches_cmd.compare)

Config = Annotated[str, typer.Argument(help="Recipe: a file, or a name in configs/.", metavar="CONFIG")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="Set a field of the recipe; can be repeated.", metavar="FIELD=VALUE"),
]
Runs = Annotated[str, typer.Option(help="Folder of batches, store and Prefect's files.", metavar="FOLDER")]


def main() -> None:
    """Run the command line; ends the process with the codes of `flows.exits`."""
    try:
        app(standalone_mode=True)
    except SeamlineError as error:
        print(f"error: {error}", file=sys.stderr)
        wrong_input = isinstance(error, RecipeError | CatalogError)
        sys.exit(exits.WRONG_INPUT if wrong_input else exits.UNEXPECTED)
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to go on where it stopped", file=sys.stderr)
        sys.stderr.flush()
        # Not sys.exit: the crew is in the middle of items, which the next run does again anyway.
        os._exit(exits.INTERRUPTED)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"seamline {version('seamline')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def run(
    config: Config,
    set_: Set = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Work on the first N items only.")] = None,
    direct: Annotated[bool, typer.Option("--direct", help="Do not report to a Prefect server.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try failed items again.")] = False,
) -> None:
    """Run a recipe over its catalog; run again to go on, or to do what has changed."""
    from rich.console import Console

    from flows.progress import watched
    from flows.running import run_recipe
    from pipeline.files.recipe import load_recipe

    overrides = list(set_ or [])
    if limit is not None:
        overrides.append(f"catalog.limit={limit}")
    recipe = load_recipe(config, overrides)
    console = Console(stderr=True)
    summary = run_recipe(
        recipe,
        config,
        overrides,
        watch=lambda plan: watched(plan, console),
        say=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
        prefect=not direct,
        retry_failed=retry_failed,
    )
    if summary is None:
        typer.echo("nothing to do: no photo is new or changed since the last batch")
        return
    for line in summary.lines:
        typer.echo(line)
    _leave(exits.SOME_FAILED if summary.tally.failed else exits.FINE)


@app.command()
def check(config: Config, set_: Set = None) -> None:
    """Check a recipe and its catalog, row by row, without running them."""
    from pipeline.files.catalog import check_catalog
    from pipeline.files.marketplace import marketplace
    from pipeline.files.recipe import load_recipe

    recipe = load_recipe(config, set_ or [])
    row = marketplace(recipe.export.marketplace)
    typer.echo(f"recipe {recipe.name}: valid; pictures for {row.title}")
    report = check_catalog(recipe.catalog, runs=recipe.batch.runs)
    typer.echo(str(report))
    _leave(exits.WRONG_INPUT if report.problems else exits.FINE)


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write instead of the screen.")] = None,
) -> None:
    """Write the JSON Schema of recipes, with which editors complete and check them."""
    import json

    from pipeline.files.recipe import recipe_schema

    text = json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@app.command("lint-pictures")
def lint_pictures(
    folder: Annotated[str, typer.Argument(help="Folder of finished pictures, local or any fsspec address.")],
    marketplace: Annotated[str, typer.Option("--marketplace", "-m", help="Whose rules: a row of marketplaces.yaml.")],
    fix: Annotated[str | None, typer.Option(help="Write the pictures, fixed where safe, into this folder.")] = None,
) -> None:
    """Check finished pictures against a marketplace's rules."""
    from pipeline.files.lint_fix import lint_folder
    from pipeline.files.marketplace import marketplace as marketplace_row

    pictures = errors = 0
    for linted in lint_folder(folder, marketplace_row(marketplace), fix_to=fix):
        pictures += 1
        errors += any(finding.severity == "error" for finding in linted.findings)
        for finding in linted.findings:
            typer.echo(f"{linted.name}: {finding}")
    typer.echo(f"{pictures} pictures, {errors} with errors")
    _leave(exits.SOME_FAILED if errors else exits.FINE)


@app.command()
def clean(
    budget: Annotated[str, typer.Option(help="What the store may keep: 500MB, 20GB, 1.5GiB.")] = "20GB",
    runs: Runs = "runs",
    ledger: Annotated[str | None, typer.Option(help="The ledger's SQLAlchemy URL, if it is not in RUNS.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
) -> None:
    """Shrink the store of intermediate results to a budget; finished pictures and parked items stay."""
    from flows.workplace import open_files
    from pipeline.files.clean import clean as clean_store
    from pipeline.files.clean import parse_size
    from pipeline.files.ledger import ledger_url

    book, store = open_files(runs, ledger_url(runs, ledger))
    report = clean_store(store, book, max_bytes=parse_size(budget), dry_run=dry_run)
    done = "would remove" if dry_run else "removed"
    typer.echo(
        f"{done} {report.results_removed} of {report.results_before} results and {report.leftovers_removed} leftovers; "
        f"the store takes {report.bytes_after / 1e9:.2f} GB, {report.bytes_protected / 1e9:.2f} GB of it protected"
    )


@app.command()
def status(
    runs: Runs = "runs",
    ledger: Annotated[str | None, typer.Option(help="The ledger's SQLAlchemy URL, if it is not in RUNS.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many batches, newest first.")] = 10,
) -> None:
    """List the newest batches and their counts."""
    from flows.status import status_lines
    from pipeline.files.ledger import ledger_url

    for line in status_lines(ledger_url(runs, ledger), last):
        typer.echo(line)


@app.command()
def deploy(config: Config, set_: Set = None) -> None:
    """Register a recipe's schedule with Prefect's server; a worker runs it from then on."""
    from flows.server import need_server, use_server
    from flows.workplace import locate_runs, prefect_home
    from pipeline.files.recipe import load_recipe

    home = prefect_home(locate_runs(load_recipe(config, set_ or []))[0])
    url = need_server(home)
    use_server(url, home)
    from flows.deployments import deploy as register

    deployed = register(config, set_ or [], url)
    typer.echo(f"{deployed.name}: {deployed.cron} ({deployed.timezone})")
    typer.echo(f"shown at {deployed.url}; run it now with: prefect deployment run {deployed.name}")


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 4200,
    worker: Annotated[bool, typer.Option(help="Also start a worker for scheduled batches.")] = True,
    runs: Runs = "runs",
) -> None:
    """Start Prefect's dashboard and a worker on this machine; Ctrl-C ends both."""
    from flows.dashboard import serve_dashboard
    from flows.workplace import prefect_home

    serve_dashboard(prefect_home(runs), port, worker=worker, say=lambda line: typer.echo(line))


@app.command()
def review(
    config: Annotated[str | None, typer.Argument(help="Recipe whose batch to open first.", metavar="[CONFIG]")] = None,
    set_: Set = None,
    runs: Runs = "runs",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free one.")] = 4270,
    host: Annotated[str, typer.Option(help="Address to answer on; others than this machine's own need a token.")] = (
        "127.0.0.1"
    ),
    token: Annotated[
        str | None, typer.Option(envvar="SEAMLINE_REVIEW_TOKEN", help="Lets others in who know it.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Show the page in the browser.")] = True,
) -> None:
    """Judge and mend parked masks on a page in the browser; Ctrl-C ends it."""
    from flows.review_cmd import review as serve

    ledger = name = None
    if config is not None:
        from flows.workplace import locate_runs
        from pipeline.files.recipe import load_recipe

        recipe = load_recipe(config, set_ or [])
        name, (runs, ledger) = recipe.name, locate_runs(recipe)
    serve(
        runs,
        ledger=ledger,
        recipe_name=name,
        host=host,
        port=port,
        token=token,
        open_browser=open_,
        say=lambda line: typer.echo(line),
    )


@app.command()
def worker(runs: Runs = "runs") -> None:
    """Start one more worker for scheduled batches, for the server that answers."""
    from flows.dashboard import run_worker
    from flows.server import need_server
    from flows.workplace import prefect_home

    home = prefect_home(runs)
    _leave(run_worker(home, need_server(home)))


def _leave(code: int) -> None:
    if code:
        raise typer.Exit(code)


if __name__ == "__main__":
    main()

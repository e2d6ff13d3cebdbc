"""`seamline studio`: draw scenes with ground truth, train the embedded models on them, and score what they learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="Render catalog scenes; train and score the embedded models.")

RunsFolder = Annotated[Path, typer.Option("--runs", help="Folder of scenes, checkpoints and logs.")]
DEFAULT_RUNS = Path("runs/studio")


@app.command()
def render(
    out: Annotated[Path, typer.Argument(help="Folder for pictures, masks and scenes.jsonl.", metavar="FOLDER")],
    count: Annotated[int, typer.Option(min=1, help="How many scenes, or pairs.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first one; the next ones follow.")] = 0,
    size: Annotated[str, typer.Option(help="Height x width in px, 64 to 2048 a side: 512, or 768x576.")] = "512",
    pairs: Annotated[
        str | None, typer.Option(help="Draw pairs of one outfit: worn (mannequin, person) or flat (laid, worn).")
    ] = None,
) -> None:
    """Draw scenes with masks per part, boxes with phrases, 18 key points and captions."""
    from pipeline.embedded.folder import render_folder

    pictures = render_folder(out, count, seed=seed, size=_size(size), pairs=pairs)
    typer.echo(f"{pictures} pictures with their masks: {out}/scenes.jsonl")


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdigit() for side in sides):
        raise typer.BadParameter(f"{text!r} is not a size: write 512, or height x width such as 768x576")
    return int(sides[0]), int(sides[-1])


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="Which model; see `seamline studio models`.", metavar="NAME")],
    runs: RunsFolder = DEFAULT_RUNS,
    threads: Annotated[int, typer.Option(min=1, help="Processor cores to train on.")] = 2,
    start: Annotated[
        Path | None,
        typer.Option("--from", help="sam, detector, inpaint, inpaint-lcm: train further from a folder of weights."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="With --from: how many steps.")] = 5_000,
    rate: Annotated[float, typer.Option(min=1e-7, max=0.01, help="With --from: the learning rate at first.")] = 6e-4,
) -> None:
    """Train a model from its seeds, or go on where its training stopped. Takes hours; Ctrl-C stops it."""
    import cv2
    import torch

    from pipeline.embedded.train.run import train as go_on

    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    typer.echo(f"checkpoints and logs lie below {runs}")
    go_on(name, runs, start, steps=steps, rate=rate)


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="Which model.", metavar="NAME")],
    out: Annotated[Path, typer.Argument(help="Folder for the weights, in the hub's layout.", metavar="FOLDER")],
    runs: RunsFolder = DEFAULT_RUNS,
) -> None:
    """Write what a training has reached so far as a folder that loads."""
    from pipeline.embedded.train.run import EXPORTS
    from pipeline.errors import RecipeError

    if name not in EXPORTS:
        raise RecipeError(f"no model {name!r} to export: say one of {', '.join(EXPORTS)}")
    EXPORTS[name](runs, out)
    typer.echo(f"{name}: {out}")


@app.command()
def score(
    name: Annotated[str, typer.Argument(help="Which model.", metavar="NAME")],
    scenes: Annotated[int, typer.Option(min=1, help="How many held-out scenes.")] = 200,
    folder: Annotated[Path | None, typer.Option(help="Weights to score; the shipped ones by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    detector: Annotated[bool, typer.Option("--detector", help="sam: from the boxes of the shipped detector.")] = False,
    jitter: Annotated[float, typer.Option(min=0, max=0.5, help="sam: move box edges by this share of a side.")] = 0.0,
    clicks: Annotated[int, typer.Option(min=0, max=8, help="sam: from this many random clicks, not boxes.")] = 0,
    pairs: Annotated[bool, typer.Option("--pairs", help="sam: each scene beside another in one picture.")] = False,
) -> None:
    """Measure a model on scenes that no training has seen."""
    from pipeline.embedded.score import DETECTOR, SCORES
    from pipeline.errors import RecipeError

    if name not in SCORES:
        raise RecipeError(f"no score for {name!r}: say one of {', '.join(SCORES)}")
    asked = {"detector": DETECTOR if detector else None, "jitter": jitter, "clicks": clicks, "pairs": pairs}
    options: dict[str, Any] = {option: value for option, value in asked.items() if value}
    if options and name != "sam":
        raise RecipeError(f"{', '.join(f'--{option}' for option in options)}: only `score sam` takes it")
    places = () if folder is None else (folder,)
    found = SCORES[name](*places, scenes=scenes, **options)
    if as_json:
        typer.echo(json.dumps({"model": name, "scenes": scenes, **found}))
        return
    width = max(map(len, found))
    for key, value in found.items():
        typer.echo(f"{key.replace('_', ' '):{width}}  {value:g}")


@app.command()
def grid(
    name: Annotated[str, typer.Argument(help="Which model; inpaint is the one that draws.", metavar="NAME")],
    out: Annotated[Path, typer.Argument(help="Folder for the pictures.", metavar="FOLDER")],
    count: Annotated[int, typer.Option(min=1, help="How many scenes a grid shows, none picked.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first one; the next ones follow.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Weights to show; the shipped ones by default.")] = None,
) -> None:
    """Draw what a model makes of scenes that no training has seen, each scene above its result."""
    from pipeline.embedded.inpaint_grid import write_grids
    from pipeline.embedded.score import WEIGHTS
    from pipeline.errors import RecipeError

    if name != "inpaint":
        raise RecipeError(f"no grid for {name!r}: say inpaint")
    for path in write_grids(folder or WEIGHTS / "inpaint-tiny", out, count=count, seed=seed):
        typer.echo(str(path))


@app.command()
def models() -> None:
    """List the embedded models: what can be trained, what is shipped, how large it is."""
    from pipeline.embedded.score import WEIGHTS
    from pipeline.embedded.train.run import TRAININGS

    typer.echo("can be trained: " + ", ".join(TRAININGS))
    for folder in sorted(path for path in WEIGHTS.iterdir() if path.is_dir()):
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        typer.echo(f"shipped: {folder.name} ({size / 1e6:.1f} MB)")

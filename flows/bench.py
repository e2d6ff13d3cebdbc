"""`make bench`: speed and memory as ratios, measured side by side in one run, since machines and loads differ."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from statistics import median

from rich.console import Console
from rich.table import Table

from pipeline.types import Image

REPEATS = 3
ITEMS = 3
RETUNED = 100


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table: how long something took, and how that compares with its neighbour."""

    group: str
    what: str
    seconds: float
    base_s: float

    @property
    def ratio(self) -> str:
        """``1`` for the first of a group, else how many times faster or slower than it."""
        if self.seconds == self.base_s:
            return "1"
        times = self.base_s / self.seconds
        return f"{times:.3g} times faster" if times > 1 else f"{1 / times:.3g} times slower"


def timed(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median seconds of ``repeats`` calls."""
    return median(_seconds(work) for _ in range(repeats))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(group: str, works: dict[str, Callable[[], object]], repeats: int = REPEATS) -> list[Figure]:
    """Time several ways of the same thing in turn, after one call each to warm up; the first is the measure."""
    for work in works.values() if repeats > 1 else ():
        work()
    seconds = {what: timed(work, repeats) for what, work in works.items()}
    base_s = next(iter(seconds.values()))
    return [Figure(group=group, what=what, seconds=took, base_s=base_s) for what, took in seconds.items()]


def batches() -> list[Figure]:
    """A batch from nothing, the same again, and again with one field changed, over the first sample items."""
    from flows.running import run_recipe
    from pipeline.files.recipe import load_recipe

    with tempfile.TemporaryDirectory() as folder:

        def run(*changes: str) -> None:
            overrides = [f"batch.runs={folder}", f"catalog.limit={ITEMS}", *changes]
            recipe = load_recipe("packshot.yaml", overrides)
            run_recipe(
                recipe, "packshot.yaml", overrides, watch=lambda _: nullcontext(), say=lambda _: None, prefect=False
            )

        return compare(
            f"batch of {ITEMS}",
            {
                "from nothing": run,
                "run again": run,
                "export.quality changed": lambda: run("export.quality=85"),
                "shadow.strength changed": lambda: run("shadow.strength=0.4"),
            },
            repeats=1,
        )


def enlarging(image: Image) -> list[Figure]:
    """Four times larger: Lanczos, and the networks that `auto` chooses from."""
    from pipeline.passes.upscale import upscale

    crop = image[:128, :128]
    models = ("lanczos", "realesr-compact", "realesrgan-x4plus")
    return compare("enlarge 128 px x4", {model: partial(upscale, crop, 4.0, model=model) for model in models})


def finding(image: Image) -> list[Figure]:
    """The finders that need no downloaded weights, on one photo of a person."""
    from masks.find import find_subject
    from pipeline.types import Picture

    picture = Picture(image=image)
    finders = ("person", "auto")
    return compare("find in 0.26 MP", {name: partial(find_subject, picture, finder=name) for name in finders})


def retuning(items: int = RETUNED) -> list[Figure]:
    """Another threshold over a finished batch: the detector part anew and out of the store, and the whole batch."""
    from flows.bench_retune import measure_retuning

    found = measure_retuning(items)
    parts = f"boxes of {items} pictures"
    full_s = found.full_s * items
    return [
        Figure(group=parts, what="detected again", seconds=found.detect_s, base_s=found.detect_s),
        Figure(group=parts, what="from stored scores", seconds=found.stored_s, base_s=found.detect_s),
        Figure(group="the same, Swin-T size", what="detected again", seconds=full_s, base_s=full_s),
        Figure(group="the same, Swin-T size", what="from stored scores", seconds=found.stored_s, base_s=full_s),
        Figure(group=f"batch of {found.whole}", what="from nothing", seconds=found.batch_s, base_s=found.batch_s),
        Figure(
            group=f"batch of {found.whole}", what="box_threshold changed", seconds=found.retuned_s, base_s=found.batch_s
        ),
    ]


def photo() -> Image:
    """The portrait of the sample catalog."""
    from pipeline.files.picture import read_picture
    from pipeline.files.sample import sample_folder

    with tempfile.TemporaryDirectory() as folder:
        sample_folder("packshot", folder)
        return read_picture(f"{folder}/samples/packshot/photos/astronaut.png").image


@contextmanager
def table(console: Console) -> Iterator[Callable[[Figure], None]]:
    """A table that is printed at the end of the block."""
    shown = Table("what", "way", "seconds", "beside the first", box=None)
    yield lambda figure: shown.add_row(figure.group, figure.what, f"{figure.seconds:.3g}", figure.ratio)
    console.print(shown)


def main() -> None:
    """Measure everything and print the table."""
    console = Console()
    image = photo()
    with table(console) as show:
        for figure in (*batches(), *retuning(), *enlarging(image), *finding(image)):
            show(figure)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    console.print(f"\npeak memory of one process: {peak / 1024:.0f} MiB")


if __name__ == "__main__":
    main()

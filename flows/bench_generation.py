"""`python -m flows.bench_generation`: our generation beside the plain diffusers script, at full size, in one run.

Weights are random (the same work, no download). Both sides live in processes of their own and take turns, so that a
machine's other load meets both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, Self

from rich.console import Console
from rich.table import Table

from flows.bench_generation_sides import Answer
from pipeline.errors import SeamlineError

ITEMS: Final = 8
ROUNDS: Final = 3
AIMS: Final[Mapping[str, float]] = {"faster": 1.7, "memory": 1.0, "overhead": 0.03, "share": 0.8}


@dataclass(kw_only=True)
class Side:
    """What one side did: single items, each alone, and a run of several; ``peaks`` are its matrix products' rates."""

    dtype: str = ""
    singles: list[Answer] = field(default_factory=list)
    runs: list[tuple[int, Answer]] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    @property
    def single_s(self) -> float:
        """Median seconds of an item alone."""
        return median(one.seconds for one in self.singles)

    @property
    def several_s(self) -> float:
        """Seconds an item of the runs of several."""
        return sum(one.seconds for _, one in self.runs) / sum(number for number, _ in self.runs)

    @property
    def cpu_s(self) -> float:
        """Median seconds of all cores together that an item alone takes."""
        return median(one.cpu_s for one in self.singles)

    @property
    def peak_mb(self) -> float:
        """The most memory that its process held."""
        return max(one.peak_mb for one in self._all)

    @property
    def unet_s(self) -> float:
        """The fastest UNet call: what it takes when nothing disturbs it."""
        return min(call for one in self._all for call in one.unet_s)

    @property
    def overhead(self) -> float:
        """What the pass takes beyond the networks' own calls, as a share of those; the median over all answers."""
        return median(one.pass_s / one.networks_s - 1 for one in self._all)

    @property
    def overhead_with_files(self) -> float:
        """The same with reading the photo and writing the result."""
        return median(one.seconds / one.networks_s - 1 for one in self._all)

    def share(self, tflop: float) -> float:
        """What of the peak of matrix products (its best) a UNet call (its fastest) reaches."""
        return tflop / self.unet_s / max(self.peaks)

    @property
    def _all(self) -> list[Answer]:
        return [*self.singles, *(one for _, one in self.runs)]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both sides of one run; ``tflop`` is what one UNet call takes, in 10^12 operations."""

    plain: Side
    ours: Side
    tflop: float
    items: int

    @property
    def faster(self) -> float:
        """How many times less time an item alone takes."""
        return self.plain.single_s / self.ours.single_s

    @property
    def faster_several(self) -> float:
        """How many times less time an item of several takes."""
        return self.plain.several_s / self.ours.several_s

    @property
    def memory(self) -> float:
        """Our peak memory as a share of the plain script's."""
        return self.ours.peak_mb / self.plain.peak_mb

    def unmet(self) -> list[str]:
        """The aims that were missed, each in words; empty if all are met."""
        missed = {
            f"{self.faster:.2f} times faster alone, {AIMS['faster']:g} is the aim": self.faster < AIMS["faster"],
            f"{self.faster_several:.2f} times faster in {self.items}, {AIMS['faster']:g} is the aim": (
                self.faster_several < AIMS["faster"]
            ),
            f"{self.memory:.2f} of the memory, {AIMS['memory']:g} is the aim": self.memory > AIMS["memory"],
            f"{self.ours.overhead:.1%} overhead, under {AIMS['overhead']:.0%} is the aim": (
                self.ours.overhead >= AIMS["overhead"]
            ),
            f"{self.ours.share(self.tflop):.0%} of the peak, {AIMS['share']:.0%} is the aim": (
                self.ours.share(self.tflop) < AIMS["share"]
            ),
        }
        return [words for words, is_missed in missed.items() if is_missed]


class Process:
    """A side in its own process: one JSON line a request, one an answer."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start ``python -m flows.bench_generation_sides`` and wait until its model is loaded."""
        self._process = subprocess.Popen(  # noqa: S603 - this program and words of its own
            [sys.executable, "-m", "flows.bench_generation_sides", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        self.dtype = str(self._answer()["dtype"])

    def __enter__(self) -> Self:
        """The process is already there."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()

    def items(self, items: Sequence[tuple[Path, Path, Path, int]]) -> Answer:
        """Paint these items, one after the other."""
        return Answer(**self._ask({"items": [[str(part) for part in one[:3]] + [one[3]] for one in items]}))

    def peak(self) -> float:
        """10^12 operations a second of a large matrix product in the side's number format."""
        return float(self._ask({"peak": True})["peak"])

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._process.stdin is not None:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise SeamlineError(f"A side of the bench ended with code {self._process.wait()}; its words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def compare_sides(folder: Path, size: Mapping[str, Any], *, items: int = ITEMS, rounds: int = ROUNDS) -> Comparison:
    """Write what is needed into ``folder`` (weights that are there are kept) and let both sides take turns."""
    from flows.bench_generation_weights import ROW, STEPS, unet_tflop, write_checkpoint, write_photos, write_row

    checkpoint = write_checkpoint(folder / "checkpoint", size)
    rows = write_row(folder / "rows.yaml", checkpoint, size)
    photos = write_photos(folder, items, size)
    work = {
        name: [(photo, mask, folder / f"{name}-{index}.jpg", index) for index, (photo, mask) in enumerate(photos)]
        for name in ("plain", "ours")
    }
    sides = {"plain": Side(), "ours": Side()}
    plain_arguments = ["plain", str(checkpoint), str(size["native_px"]), str(STEPS)]
    environment = {"SEAMLINE_CHECKPOINTS": str(rows)}
    with Process(plain_arguments, {}) as plain, Process(["ours", ROW], environment) as ours:
        both = {"plain": plain, "ours": ours}
        for name, process in both.items():
            sides[name].dtype = process.dtype
            process.items(work[name][:1])  # the first item pays for set-ups that later ones find done
        for _ in range(rounds):
            for name, process in both.items():
                sides[name].peaks.append(process.peak())
                sides[name].singles.append(process.items(work[name][:1]))
        half = items // 2
        for name, part in (("plain", slice(0, half)), ("ours", slice(0, items)), ("plain", slice(half, items))):
            several = work[name][part]
            if several:
                sides[name].runs.append((len(several), both[name].items(several)))
        for name, process in both.items():
            sides[name].peaks.append(process.peak())
    return Comparison(plain=sides["plain"], ours=sides["ours"], tflop=unet_tflop(size), items=items)


def comparison_table(found: Comparison) -> Table:
    """The table that docs/speed.md shows."""
    shown = Table("what", "plain", "ours", "ours beside plain", box=None)
    plain, ours = found.plain, found.ours

    def row(what: str, values: tuple[float, float], form: str, beside: str = "") -> None:
        shown.add_row(what, *(form.format(value) for value in values), beside)

    shown.add_row("number format", plain.dtype, ours.dtype, "")
    row("an item alone, s", (plain.single_s, ours.single_s), "{:.2f}", f"{found.faster:.2f} times faster")
    row(
        f"an item of {found.items}, s", (plain.several_s, ours.several_s), "{:.2f}",
        f"{found.faster_several:.2f} times faster",
    )  # fmt: skip
    row(
        "an item alone, s of all cores",
        (plain.cpu_s, ours.cpu_s),
        "{:.1f}",
        f"{plain.cpu_s / ours.cpu_s:.2f} times less",
    )
    row("peak memory, MiB", (plain.peak_mb, ours.peak_mb), "{:.0f}", f"{found.memory:.2f} of it")
    row("one UNet call (fastest), s", (plain.unet_s, ours.unet_s), "{:.2f}", f"{plain.unet_s / ours.unet_s:.2f} times")
    row("matrix product peak, TFLOP/s", (max(plain.peaks), max(ours.peaks)), "{:.3f}")
    row("share of that peak", (plain.share(found.tflop), ours.share(found.tflop)), "{:.0%}")
    row("pass beyond the network calls", (plain.overhead, ours.overhead), "{:.1%}")
    row("the same with reading and writing", (plain.overhead_with_files, ours.overhead_with_files), "{:.1%}")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    from flows.bench_generation_weights import FULL

    parser = argparse.ArgumentParser(prog="python -m flows.bench_generation", description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS, help="items of the longer run")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often an item alone is timed on each side")
    parser.add_argument("--folder", type=Path, help="keeps the random weights (2.1 GB) for the next time")
    chosen = parser.parse_args(arguments)
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = compare_sides(folder, FULL, items=chosen.items, rounds=chosen.rounds)
    console.print(comparison_table(found))
    console.print(f"\none UNet call takes {found.tflop:.3f} TFLOP")
    for words in found.unmet():
        console.print(f"aim missed: {words}")


if __name__ == "__main__":
    main()

"""What the terminal shows of a running batch: a bar with rate and time left, or plain lines where there is no terminal.

It asks the ledger, so it shows whatever works on the batch: this process, its crew, or workers elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from flows.outcome import Tally, tally
from flows.planning import Plan
from flows.workplace import open_files
from pipeline.errors import StoreError

BAR_EVERY_S = 0.5
LINE_EVERY_S = 10.0


class Rate(ProgressColumn):
    """Items per second, or seconds per item where they are slow."""

    def render(self, task: Task) -> Text:
        """The speed of the last while."""
        return Text(pace(task.speed), style="progress.data.speed")


def pace(per_second: float | None) -> str:
    """``3.2 items/s``, ``12.0 s/item``, or nothing where it is not known yet."""
    if not per_second:
        return ""
    return f"{per_second:.1f} items/s" if per_second >= 1 else f"{1 / per_second:.1f} s/item"


@contextmanager
def watched(plan: Plan, console: Console) -> Iterator[None]:
    """Show how far a batch is for the length of the block."""
    stop = threading.Event()
    show = _show_bar if console.is_terminal else _show_lines
    thread = threading.Thread(target=show, args=(plan, console, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5.0)


def count(plan: Plan) -> Tally | None:
    """The batch's counts of now; None when the ledger is too busy to tell."""
    ledger, _ = open_files(plan.address.runs, plan.address.ledger)
    try:
        return tally(ledger.counts(plan.address.batch))
    except StoreError:
        return None


def _show_bar(plan: Plan, console: Console, stop: threading.Event) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, speed_estimate_period=120) as progress:
        bar = progress.add_task("items", total=plan.todo)
        while True:
            ended = stop.wait(BAR_EVERY_S)
            now = count(plan)
            if now is not None:
                words = f"finished {now.finished}  parked {now.parked}  failed {now.failed}"
                progress.update(bar, completed=plan.todo - now.left, description=words)
            if ended:
                return


def _show_lines(plan: Plan, console: Console, stop: threading.Event) -> None:
    began = time.monotonic()
    while not stop.wait(LINE_EVERY_S):
        now = count(plan)
        if now is not None:
            done = plan.todo - now.left
            speed = done / (time.monotonic() - began)
            speed_words = f", {pace(speed)}, {now.left / speed:.0f} s left" if speed else ""
            words = f"finished {now.finished}, parked {now.parked}, failed {now.failed}"
            console.print(f"{done} of {plan.todo} items{speed_words} ({words})", highlight=False)

"""The command line, with a batch that holds still at the HOLD_AT-th stage: `python -m tests.end_to_end.held run ...`.

The processes of a crew import this module again as their main one, so it holds in each of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from flows.cli import main
from flows.way import ItemWay, Made
from pipeline.files.store import Result

RUNS = Path(os.environ["HOLD_RUNS"])
HOLD_AT = int(os.environ["HOLD_AT"])
HELD = RUNS / "held"
"""Is there as soon as a process holds."""

_stage = ItemWay.stage


def held_stage(way: ItemWay, name: str, key: str, make: Callable[[], Made]) -> Result:
    logs = (path.read_text() for path in RUNS.glob("tiny/*/batch.log") if not path.parent.is_symlink())
    if sum(log.count(": executed ") for log in logs) >= HOLD_AT:
        HELD.touch()
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(0.05)
        os._exit(1)
    return _stage(way, name, key, make)


ItemWay.stage = held_stage  # type: ignore[method-assign]

if __name__ == "__main__":
    main()

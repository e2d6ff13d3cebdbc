"""kill -9 in the middle of a batch, and a second run finishes it: nothing done twice, nothing lost."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.dashboard import free_port
from pipeline.files.ledger import Ledger
from tests.flows.conftest import draw_product

ITEMS = 8
STAGES = 5
ROOT = Path(__file__).parents[2]


def start(recipe_file: Path, workers: int, hold_at: int = 10**9) -> subprocess.Popen[str]:
    """The batch in a process of its own; before the stage number ``hold_at`` it stands still and waits to be killed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SEAMLINE_WORKERS": str(workers)}
    environment |= {"HOLD_AT": str(hold_at), "HOLD_RUNS": str(recipe_file.parent / "runs")}
    environment["PREFECT_API_URL"] = f"http://127.0.0.1:{free_port()}/api"
    command = [sys.executable, "-m", "tests.end_to_end.held", "run", str(recipe_file)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def executions(runs: Path) -> Counter[str]:
    """Stage executions by stage and item, out of the batch's log."""
    logs = [path.read_text() for path in runs.glob("tiny/*/batch.log") if not path.parent.is_symlink()]
    return Counter(re.findall(r"executed (\S+ of \S+) in", "".join(logs)))


def kill_when(process: subprocess.Popen[str], ready: Callable[[], bool], delay_s: float = 0) -> None:
    """Kill -9 as soon as ``ready``, and a moment later."""
    while not ready():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("seed", "workers"), [(1, 0), (2, 0), (3, 2)])
def test_a_killed_batch_is_finished_by_the_next_run(recipe_file: Path, photos: Path, seed: int, workers: int) -> None:
    for number in range(3, ITEMS):
        draw_product(photos / f"shoe{number}.png", number)
    runs = recipe_file.parent / "runs"
    randomly = random.Random(seed)
    # The first kill falls anywhere inside a stage, the second on a batch that is held before one.
    early, late = randomly.randrange(1, STAGES), randomly.randrange(2 * STAGES, (ITEMS - 2) * STAGES)
    first = start(recipe_file, workers, hold_at=(ITEMS - 2) * STAGES)
    kill_when(first, lambda: executions(runs).total() >= early, randomly.uniform(0, 0.3))
    (runs / "held").unlink(missing_ok=True)
    kill_when(start(recipe_file, workers, hold_at=late), (runs / "held").exists)
    kills = 2
    last = start(recipe_file, workers)
    output, _ = last.communicate(timeout=600)
    assert last.returncode == 0, output
    assert "goes on with batch" in output
    assert f"in {ITEMS} = finished {ITEMS} + parked 0 + failed 0" in output

    done = executions(runs)
    if workers < 2:
        # A kill between storing a result and writing the line loses the line, never doubles it.
        assert max(done.values()) == 1, done
        assert ITEMS * STAGES - kills <= len(done) <= ITEMS * STAGES
    else:
        # A process whose parent was killed may still store a result that the next run has begun to make.
        assert done.total() <= ITEMS * STAGES + kills * workers
    with Ledger.open(f"sqlite:///{runs / 'ledger.sqlite'}") as ledger:
        batches = ledger.batches()
        assert len(batches) == 1
        for record in ledger.records(batches[0].id):
            assert Path(record.output or "").read_bytes()[:2] == b"\xff\xd8"
    folder = runs / "tiny" / batches[0].id
    assert len(list((folder / "pictures").iterdir())) == ITEMS, "no half-written file is left among the pictures"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_items_that_are_read_painted_and_written_at_once_survive_a_kill(recipe_file: Path, photos: Path) -> None:
    """Where a model paints, up to three items are in work: none of them is lost, nor a stage of them done twice."""
    with recipe_file.open("a") as recipe:
        recipe.write("background: {kind: generated, prompt: marble}\ngenerate: {steps: 4}\n")
    runs = recipe_file.parent / "runs"
    kill_when(start(recipe_file, 0, hold_at=9), (runs / "held").exists)
    last = start(recipe_file, 0)
    output, _ = last.communicate(timeout=500)
    assert last.returncode == 0, output
    assert "in 3 = finished 3 + parked 0 + failed 0" in output
    done = executions(runs)
    assert max(done.values()) == 1, done
    assert 3 * (STAGES + 1) - 3 <= len(done) <= 3 * (STAGES + 1), "a killed one may have stored and not said so"

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from flows.crew import Crew, ItemId, worker_count
from flows.outcome import ChunkOutcome
from flows.planning import plan_batch
from flows.workplace import BatchAddress
from pipeline.errors import SeamlineError
from tests.flows.conftest import MakeRecipe


def die_once(address: BatchAddress, ids: Sequence[ItemId]) -> ChunkOutcome:
    """Kills its process at the first call for an item, as a crash in native code does."""
    marker = Path(address.runs) / f"died-{ids[0][0]}"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return ChunkOutcome(states={"accepted": len(ids)}, executed={str(os.getpid()): 1})


@pytest.fixture
def address(make_recipe: MakeRecipe) -> BatchAddress:
    plan = plan_batch(make_recipe())
    assert plan is not None
    return plan.address


def test_a_dead_process_is_replaced_and_its_chunk_goes_on(address: BatchAddress) -> None:
    crew = Crew(1, die_once)
    try:
        first, second = crew.run(address, [("a", "")]), crew.run(address, [("a", ""), ("b", "")])
    finally:
        crew.close()
    assert first.items == 1
    assert second.items == 2
    assert first.executed == second.executed, "the same process, with its models, takes the next chunk"
    assert str(os.getpid()) not in first.executed


def test_processes_end_with_their_parent(address: BatchAddress, tmp_path: Path) -> None:
    code = (
        "import os, sys, multiprocessing\nfrom flows.crew import _end_with_parent\n"
        "def stay():\n    _end_with_parent(); print(os.getpid(), flush=True); import time; time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=stay); child.start(); child.join()\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and _state(child) != "Z":
        assert time.monotonic() < deadline, "the child outlives its parent"
        time.sleep(0.05)


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return "Z"


def test_the_number_of_processes_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLINE_WORKERS", "7")
    assert worker_count() == 7
    monkeypatch.setenv("SEAMLINE_WORKERS", "many")
    with pytest.raises(SeamlineError, match="SEAMLINE_WORKERS=many"):
        worker_count()
    monkeypatch.delenv("SEAMLINE_WORKERS")
    assert 1 <= worker_count() <= (os.cpu_count() or 1)

"""Schedules on a real Prefect server, and a real worker that fires them.

A server whose scheduler has died looks healthy: only scheduled runs that appear prove it (SQLAlchemy 2.1 and newer
FastAPI versions break Prefect 3.8 so).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows import dashboard
from flows.server import api_url, worker_environment

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "prefect"


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard, "STARTS_WITHIN_S", 400.0)
        with dashboard.running_server(home, dashboard.free_port()) as url:
            yield url


def call(server: str, home: Path, *arguments: str) -> str:
    """A command of ours, pointed at the server; its output."""
    environment = {**worker_environment(home, server), "PYTHONPATH": str(ROOT), "SEAMLINE_WORKERS": "0"}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def flow_runs(server: str, **criteria: Any) -> list[Any]:
    import httpx

    answer = httpx.post(f"{server}/flow_runs/filter", json={"flow_runs": criteria, "limit": 50}, timeout=60)
    answer.raise_for_status()
    return list(answer.json())


def wait_for(what: str, found: Any, within_s: float = 300.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (result := found()):
        assert time.monotonic() < deadline, f"{what} did not come within {within_s:.0f} s"
        time.sleep(1.0)
    return result


def scheduled(recipe_file: Path, cron: str) -> Path:
    nightly = recipe_file.with_name("nightly.yaml")
    text = (
        recipe_file.read_text().replace("name: tiny", "name: nightly").replace("batch: {", "batch: {only_new: true, ")
    )
    nightly.write_text(f'{text}schedule: {{cron: "{cron}", timezone: Europe/Paris}}\n')
    return nightly


def test_a_schedule_gets_runs_and_a_worker_fires_them(server: str, home: Path, recipe_file: Path) -> None:
    nightly = scheduled(recipe_file, "* * * * *")
    assert "catalog-batch/nightly" in call(server, home, "flows.cli", "deploy", str(nightly))
    call(server, home, "flows.cli", "deploy", str(nightly))  # twice: replaced, not doubled

    runs = wait_for("a scheduled run", lambda: flow_runs(server, state={"type": {"any_": ["SCHEDULED"]}}))
    times = [run["expected_start_time"] for run in runs]
    assert len(times) == len(set(times)), "one schedule, not two"

    worker = dashboard.start_worker(home, server, output=home / "worker.log")
    try:
        done = wait_for("a finished batch", lambda: _completed(server), within_s=500)
    finally:
        dashboard._stop(worker)
    assert done["state"]["message"] == "in 3 = finished 3 + parked 0 + failed 0", (home / "worker.log").read_text()
    pictures = recipe_file.parent / "runs" / "nightly" / "latest" / "pictures"
    assert len(list(pictures.iterdir())) == 3


def _completed(server: str) -> Any:
    found = flow_runs(
        server, state={"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}, parent_task_run_id={"is_null_": True}
    )
    return found[0] if found else None


def test_a_recipe_without_a_schedule_cannot_be_deployed(server: str, home: Path, recipe_file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": server}
    command = [sys.executable, "-m", "flows.cli", "deploy", str(recipe_file)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 2
    assert "has no schedule" in done.stderr


def test_a_run_with_a_server_shows_there(server: str, home: Path, recipe_file: Path) -> None:
    output = call(server, home, "flows.cli", "run", str(recipe_file))
    assert "in 3 = finished 3 + parked 0 + failed 0" in output
    names = [run["name"] for run in flow_runs(server, name={"like_": "tiny-"})]
    assert any("shard" in name for name in names)
    assert server == api_url(int(server.rsplit(":", 1)[1].split("/")[0]))

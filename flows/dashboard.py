"""Prefect's server and one worker on this machine, under one command that ends both."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from flows.server import (
    WORK_POOL,
    answers,
    api_url,
    forget_server,
    note_server,
    server_environment,
    worker_environment,
)
from pipeline.errors import SeamlineError

STARTS_WITHIN_S = 180.0
STOPS_WITHIN_S = 20.0
HOST = "127.0.0.1"


class DashboardError(SeamlineError):
    """The dashboard cannot be started or has died."""


def serve_dashboard(home: Path, port: int, *, worker: bool = True, say: Callable[[str], None] = print) -> None:
    """Run the server and a worker until interrupted (Ctrl-C or SIGTERM). Raises DashboardError.

    ``home`` keeps Prefect's database and a note of the address, which `seamline run` and `seamline deploy` read.
    """
    home.mkdir(parents=True, exist_ok=True)
    with running_server(home, port) as url, _interruptible():
        note_server(home, url)
        try:
            say(f"dashboard: {url.removesuffix('/api')}   (Ctrl-C ends it)")
            if worker:
                say(f"worker: takes the scheduled batches of the pool {WORK_POOL!r}, one at a time")
            _watch(home, url, worker=worker)
        finally:
            forget_server(home)


def run_worker(home: Path, url: str) -> int:
    """Run one more worker in the foreground until interrupted; its exit code."""
    with _interruptible():
        process = start_worker(home, url, output=None)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            _stop(process)


@contextmanager
def running_server(home: Path, port: int) -> Iterator[str]:
    """A Prefect server on loopback for the length of the block; gives its API address. Raises DashboardError."""
    url = api_url(port, HOST)
    _refuse_taken_port(port, url)
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            env=server_environment(home, url),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        _await_server(process, url, log)
        yield url
    finally:
        _stop(process)


def start_worker(home: Path, url: str, *, output: Path | None) -> subprocess.Popen[bytes]:
    """Start a worker of our pool, which it makes if it is missing; it runs one batch at a time."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process"]
    command += ["--limit", "1", "--name", f"{socket.gethostname()}-{os.getpid()}"]
    environment = worker_environment(home, url)
    if output is None:
        return subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
    with output.open("ab") as file:
        return subprocess.Popen(  # noqa: S603
            command, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def free_port() -> int:
    """A port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _watch(home: Path, url: str, *, worker: bool) -> None:
    """Keep the worker alive; end when the server dies or somebody interrupts."""
    process: subprocess.Popen[bytes] | None = None
    misses = 0
    try:
        while True:
            if worker and (process is None or process.poll() is not None):
                process = start_worker(home, url, output=home / "worker.log")
            time.sleep(1.0 if misses else 2.0)
            misses = 0 if answers(url, within_s=10.0) else misses + 1
            if misses >= 3:
                raise DashboardError(f"the Prefect server has died; its last words are in {home / 'server.log'}")
    except KeyboardInterrupt:
        return
    finally:
        if process is not None:
            _stop(process)


def _refuse_taken_port(port: int, url: str) -> None:
    if answers(url):
        page = url.removesuffix("/api")
        raise DashboardError(f"a Prefect server runs already: open {page}, or choose another --port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DashboardError(f"port {port} is taken by another program: choose another with --port") from error


def _await_server(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not answers(url):
        if process.poll() is not None:
            raise DashboardError(f"the Prefect server did not start:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise DashboardError(f"the Prefect server did not answer within {STARTS_WITHIN_S:.0f} s:\n{_tail(log)}")
        time.sleep(0.2)


def _tail(log: Path, lines: int = 15) -> str:
    width = shutil.get_terminal_size().columns
    return "\n".join(line[: 2 * width] for line in log.read_text(errors="replace").splitlines()[-lines:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started in its session: asked first, then forced."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C, so that children are stopped too."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""The processes that work on items: several at a time, each with its models loaded once, and expendable.

Matting and the sparse solvers hold Python's lock, so threads do not use a second core: items are spread over processes.
A process that dies (out of memory, a crash in native code) is replaced and its chunk goes on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing.connection import wait
from pathlib import Path

from flows.items import process_chunk
from flows.logs import attach_log, log_file
from flows.outcome import ChunkOutcome
from flows.workplace import BatchAddress
from pipeline.errors import SeamlineError

ItemId = tuple[str, str]
"""SKU and view."""

Work = Callable[[BatchAddress, Sequence[ItemId]], ChunkOutcome]
"""What is done with a chunk: an importable function, so that a process can find it."""

MEMORY_PER_WORKER = 2 << 30
"""Bytes that one process may need: libraries and models about 1 GiB, a 24-megapixel photo in work the rest."""
_WORKERS = "SEAMLINE_WORKERS"


class Crew:
    """``workers`` processes that take chunks; with 0 workers the calling thread does the work itself."""

    def __init__(self, workers: int, work: Work = process_chunk) -> None:
        """Nothing is started before the first chunk comes. ``work`` is what is done with a chunk."""
        self.workers = workers
        self._work = work
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """How many chunks are worked on at the same time."""
        return max(1, self.workers)

    def run(self, address: BatchAddress, ids: Sequence[ItemId]) -> ChunkOutcome:
        """Work on a chunk and wait for it. Safe to call from several threads.

        A chunk whose process died is given to the next process, which leaves out what was finished; an item that
        killed several is recorded as failed by `process_chunk`, so this comes to an end.
        """
        if self.workers == 0:
            return self._work(address, ids)
        # Each death counts an attempt of the item that was in work; the rest is for deaths by a neighbour's fault.
        for _ in range(5 * len(ids) + 10):
            pool = self._open(address)
            try:
                return pool.submit(self._work, address, ids).result()
            except BrokenProcessPool:
                self._replace(pool)
        raise SeamlineError(f"batch {address.batch}: the processes that work on it keep dying; is there enough memory?")

    def close(self) -> None:
        """End the processes after what they are doing."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _open(self, address: BatchAddress) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                cores = max(1, _cores() // self.workers)
                # Read by OpenMP, BLAS and numba when a child loads them: processes share the cores, not fight for them.
                for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
                    os.environ.setdefault(name, str(cores))
                # Spawned, not forked: CUDA and threads do not survive a fork.
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(
                    self.workers, context, initializer=_begin_worker, initargs=(log_file(address),)
                )
            return self._pool

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                self._pool = None
        broken.shutdown(wait=False, cancel_futures=True)


@lru_cache(maxsize=1)
def crew() -> Crew:
    """This process's crew, made at the first call; its size is `worker_count`."""
    return Crew(worker_count())


def worker_count() -> int:
    """Processes that suit this machine; ``SEAMLINE_WORKERS`` decides if it is set (0: no processes of their own).

    One where there is a GPU, which one process fills; otherwise one for each core that the memory has room for.
    """
    chosen = os.environ.get(_WORKERS)
    if chosen is not None:
        if not chosen.isdecimal() or int(chosen) > 256:
            raise SeamlineError(f"{_WORKERS}={chosen}: write a number of processes from 0 to 256")
        return int(chosen)
    if any(Path("/dev").glob("nvidia[0-9]*")) and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        return 1
    return max(1, min(_cores(), _free_memory() // MEMORY_PER_WORKER))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return 4 * MEMORY_PER_WORKER


def _begin_worker(log: str | None) -> None:
    """Prepare a new process: its log and its native libraries' chatter go to a file, interrupts are its parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if log is not None:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        attach_log(log)
    _end_with_parent()


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone: nobody would ever stop it, nor read its results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()

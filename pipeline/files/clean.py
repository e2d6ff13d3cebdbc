"""Keeping the store within a size budget: what was used least recently goes first."""

from __future__ import annotations

import re
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SeamlineError
from pipeline.files.address import TEMPORARY_PREFIX
from pipeline.files.ledger import BatchStatus, Ledger
from pipeline.files.store import Store, StoredFile
from pipeline.files.store_manifest import MANIFEST

DEAD_AFTER_S = 3600.0
"""A temporary file, or a result without a manifest, that has not changed for this long belongs to a dead write."""
_GRACE_S = 600.0
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class CleanReport:
    """What `clean` did, or would do. Sizes are bytes of results; leftovers are counted apart."""

    results_before: int
    bytes_before: int
    results_removed: int
    bytes_removed: int
    bytes_protected: int
    leftovers_removed: int
    leftover_bytes: int
    dry_run: bool

    @property
    def bytes_after(self) -> int:
        """Bytes of the results that stay."""
        return self.bytes_before - self.bytes_removed


def parse_size(text: str) -> int:
    """Bytes from ``"20GB"`` (10^9), ``"1.5GiB"`` (2^30), ``"500M"``, ``"0"``. Raises SeamlineError."""
    found = _SIZE.fullmatch(text)
    unit, binary = (found[2].upper(), bool(found[3])) if found else ("", False)
    if not found or (binary and not unit):
        raise SeamlineError(f"{text!r} is not a size; write for example 500MB, 20GB or 1.5GiB")
    return int(float(found[1]) * (_BINARY if binary else _UNITS)[unit])


def clean(store: Store, ledger: Ledger | None, *, max_bytes: int, dry_run: bool = False) -> CleanReport:
    """Remove results, least recently used first, until the others take at most ``max_bytes``; and dead writes.

    Results that an unfinished batch or a parked item refers to are never removed, so the store may stay above its
    budget; ``bytes_protected`` tells. While a batch runs, so are results of the last ten minutes, which it may not
    have recorded yet. The time of last use is exact to an hour in local folders; object stores know the time of
    writing only. Works in two passes over the listing, in bounded memory. ``dry_run`` only reports.
    """
    guard = _Guard(ledger)
    sizes: Counter[int] = Counter()  # bytes of removable results by second of last use
    results = total = protected = 0
    for entry in _entries(store):
        results += 1
        total += entry.size
        if guard.keeps(entry):
            protected += entry.size
        else:
            sizes[entry.used_s] += entry.size
    removed, freed = 0, 0
    horizon, wanted = _horizon(sizes, excess=total - max_bytes)
    if horizon >= 0:
        for entry in _entries(store):
            if entry.used_s > horizon or guard.keeps(entry):
                continue
            if entry.used_s == horizon:
                if wanted <= 0:
                    continue
                wanted -= entry.size
            removed, freed = removed + 1, freed + entry.size
            if not dry_run:
                store.remove(entry.key)
    leftovers, leftover_bytes = _remove_leftovers(store, dry_run=dry_run)
    return CleanReport(
        results_before=results,
        bytes_before=total,
        results_removed=removed,
        bytes_removed=freed,
        bytes_protected=protected,
        leftovers_removed=leftovers,
        leftover_bytes=leftover_bytes,
        dry_run=dry_run,
    )


@dataclass(frozen=True)
class _Entry:
    key: str
    size: int
    used_s: int


def _entries(store: Store) -> Iterator[_Entry]:
    for key, files in store.folders():
        manifest = next((file for file in files if file.name == MANIFEST), None)
        if manifest is not None:
            size = sum(file.size for file in files if not file.name.startswith(TEMPORARY_PREFIX))
            yield _Entry(key, size, int(manifest.used_s))


def _horizon(sizes: Counter[int], *, excess: int) -> tuple[int, int]:
    """Results last used before this second must all go, and of that second itself so many bytes; (-1, 0) for none."""
    excess = min(excess, sum(sizes.values()))
    for second in sorted(sizes):
        if 0 < excess <= sizes[second]:
            return second, excess
        excess -= sizes[second]
    return -1, 0


class _Guard:
    """Knows which results must stay. Keeps 8 bytes of each key: a clash keeps a result too many, never one too few."""

    def __init__(self, ledger: Ledger | None) -> None:
        prefixes = array("Q", (int(key[:16], 16) for key in ledger.kept_keys()) if ledger else ())
        self._prefixes: NDArray[np.uint64] = np.unique(np.frombuffer(prefixes, np.uint64))
        running = ledger is not None and any(batch.status is BatchStatus.RUNNING for batch in ledger.batches())
        self._recent_s = time.time() - _GRACE_S if running else float("inf")

    def keeps(self, entry: _Entry) -> bool:
        if entry.used_s >= self._recent_s:
            return True
        prefix = np.uint64(int(entry.key[:16], 16))
        at = int(np.searchsorted(self._prefixes, prefix))
        return at < len(self._prefixes) and self._prefixes[at] == prefix


def _remove_leftovers(store: Store, *, dry_run: bool) -> tuple[int, int]:
    dead_before = time.time() - DEAD_AFTER_S
    number = size = 0
    for _, files in store.folders():
        whole = any(file.name == MANIFEST for file in files)
        dead = [file for file in files if _is_leftover(file, whole) and file.used_s < dead_before]
        number, size = number + len(dead), size + sum(file.size for file in dead)
        if dead and not dry_run:
            store.remove_files(dead)
    return number, size


def _is_leftover(file: StoredFile, whole: bool) -> bool:
    return file.name.startswith(TEMPORARY_PREFIX) or not whole

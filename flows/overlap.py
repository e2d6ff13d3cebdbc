"""What goes on beside the item that is painted: the next one's photo is read, the last one's files are written.

One item ahead and one behind, each in a thread of its own; both end up in the store and the ledger as they would have
without, so that a process may be killed at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from flows.way import ItemWay
from pipeline.files.ledger import Record


@dataclass(frozen=True, kw_only=True)
class Written:
    """An item that was written; not ``ended`` where a stored result was lost, and it must be done again."""

    way: ItemWay
    ended: bool


class Overlap:
    """Two threads beside the one that paints. An item is touched by one thread at a time."""

    def __init__(self) -> None:
        """Nothing is started before it is needed."""
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="beside")
        self._ahead: tuple[ItemWay, Future[None]] | None = None
        self._behind: Future[Written] | None = None
        self._asked: dict[tuple[str, str], ItemWay | None] = {}

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is in work."""
        self._threads.shutdown(wait=True)

    def remember(self, way: ItemWay, *, next_in_turn: bool) -> None:
        """Keep an item that was asked what it wants painted, without its pixels, until its turn comes."""
        name = (way.item.sku, way.item.view)
        if next_in_turn:
            self._asked[name] = None
        else:
            way.__dict__.pop("picture", None)
            self._asked[name] = way

    def has_asked(self, way: ItemWay) -> bool:
        """Whether the item was asked already."""
        return (way.item.sku, way.item.view) in self._asked

    def read(self, way: ItemWay) -> None:
        """Begin to read and decode an item's photo. What goes wrong there goes wrong again when the item is begun."""
        way = self._asked.get((way.item.sku, way.item.view)) or way
        self._ahead = way, self._threads.submit(_read, way)

    def take(self, record: Record) -> ItemWay | None:
        """The item of ``record`` with what is known of it: its photo, once that is read; None if nothing is."""
        way, name = None, (record.sku, record.view)
        if self._ahead is not None:
            (ahead, reading), self._ahead = self._ahead, None
            wait([reading])
            way = ahead if (ahead.item.sku, ahead.item.view) == name else None
        way = way or self._asked.get(name)
        if way is not None:
            way.record = record
        if name in self._asked:
            self._asked[name] = None  # its pixels shall go with it
        return way

    def write(self, job: Callable[[], Written]) -> None:
        """Begin to write what an item has come to; one at a time, so `settle` stands before the next."""
        self._behind = self._threads.submit(job)

    def settle(self) -> Written | None:
        """What is being written, once it is; None if nothing is."""
        writing, self._behind = self._behind, None
        return None if writing is None else writing.result()


def _read(way: ItemWay) -> None:
    if not way.work.store.has(way.keys.compose):
        _ = way.picture

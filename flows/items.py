"""Items and chunks: the one place where an item's error becomes a record, and the batch goes on."""

from __future__ import annotations

import gc
import hashlib
import logging
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, TypeVar

from flows.endings import Ending, Painted, end, source_preview
from flows.keys import uses_generator
from flows.outcome import ChunkOutcome
from flows.overlap import Overlap, Written
from flows.stages import paint, walk
from flows.way import ItemWay
from flows.workplace import BatchAddress, Workplace, open_workplace
from pipeline.errors import ItemError, ModelError, OutOfMemory, SeamlineError
from pipeline.files.address import exists, join, write_file
from pipeline.files.ledger import UNFINISHED, Record
from pipeline.files.store import DamagedResult
from pipeline.types import ItemState

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_DEATHS = 5
"""An item that was in work when that many processes died is taken for their cause."""


def process_chunk(address: BatchAddress, ids: Sequence[tuple[str, str]]) -> ChunkOutcome:
    """Bring the items ``ids`` (SKU, view) of a batch to their end, one after the other, and count what was done.

    Where a model paints, the next item's photo is read and the last one's files are written beside it. Items that have
    ended already are left alone, so a chunk may be given out again after its process has died.
    """
    work = open_workplace(address)
    executed: Counter[str] = Counter()
    with Overlap() as beside:
        for at, (sku, view) in enumerate(ids):
            record = work.ledger.record(work.id, sku, view)
            if record.state not in UNFINISHED:
                continue
            if uses_generator(work.recipe) and record.attempts == 0:
                _paint_beside(work, record, beside, executed, ids[at + 1 :])
            else:  # what may have killed a process is done alone, so that no neighbour is taken for the cause
                _settle(beside, executed)
                _process_item(work, record, executed)
        _settle(beside, executed)
    states = Counter(work.ledger.record(work.id, sku, view).state.value for sku, view in ids)
    return ChunkOutcome(states=dict(states), executed=dict(executed))


def _paint_beside(
    work: Workplace, record: Record, beside: Overlap, executed: Counter[str], following: Sequence[tuple[str, str]]
) -> None:
    """Paint an item, while the last one is written and the next one is read; its own writing is left going on."""
    way, most = beside.take(record) or ItemWay(work, record), work.recipe.generate.batch
    _begin(way)
    if most > 1 and not beside.has_asked(way):
        _paint_together(beside, [way, *_untried(work, following[: most - 1])], most)
    for after in _untried(work, following[:1]):
        beside.read(after)
    painted, failed = _tried(way, lambda: _painted(way))
    _settle(beside, executed)
    if painted is None:
        executed.update(way.executed)
        _end(way, failed)
    else:
        beside.write(partial(_write, way, painted))


def _untried(work: Workplace, ids: Sequence[tuple[str, str]]) -> list[ItemWay]:
    """The items among ``ids`` that are open and in which no process has died."""
    records = [work.ledger.record(work.id, sku, view) for sku, view in ids]
    return [ItemWay(work, one) for one in records if one.state in UNFINISHED and one.attempts == 0]


def _paint_together(beside: Overlap, ways: Sequence[ItemWay], most: int) -> None:
    """Have the first pictures of several items made in one call; each item is handed its own when it is its turn.

    What goes wrong before is not told here: it goes wrong again then.
    """
    from pipeline.models.asking import asked, make_together
    from pipeline.models.generators import generate

    wanted = []
    for way in ways:
        with suppress(DamagedResult):
            wanted.append(asked(partial(_tried, way, partial(_painted, way))))
        beside.remember(way, next_in_turn=way is ways[0])
    _, _ = _tried(ways[0], lambda: make_together([one for one in wanted if one is not None], most, generate))


def _settle(beside: Overlap, executed: Counter[str]) -> None:
    """Wait for the item that is being written; do it again where a stored result of it was lost."""
    written = beside.settle()
    if written is not None:
        executed.update(written.way.executed)
        if not written.ended:
            _process_item(written.way.work, written.way.record, executed)


def _write(way: ItemWay, painted: Painted) -> Written:
    """Bring a painted item to its end, in the ledger too; not where a stored result was lost, which needs models."""
    try:
        fields, failed = _tried(way, lambda: _published(way, end(way, painted)))
    except DamagedResult:
        return Written(way=way, ended=False)
    _end(way, failed if fields is None else fields)
    return Written(way=way, ended=True)


def is_outdated(work: Workplace, record: Record) -> bool:
    """Whether an ended item must be done again: other photo, other stages, lost picture. Reads no unchanged photo.

    Items that failed for their own fault stay failed until their photo changes or a person gives a mask; those that
    failed for ours (a model, the disk, a bug) are tried again.
    """
    if record.state is ItemState.FAILED and record.error not in item_error_names():
        return True
    way = ItemWay(work, record)
    try:
        digest, keys = way.digest, way.keys.named()
    except ModelError:
        return True
    except ItemError as error:
        return record.state is not ItemState.FAILED or record.reason != str(error)
    if record.state is ItemState.FAILED:
        mended = way.edited is not None and way.edited.when > record.updated
        return mended or record.source_digest != digest
    changed = any(keys[stage] != key for stage, key in record.keys.items() if stage in keys)
    return changed or (record.output is not None and not exists(record.output))


@lru_cache(maxsize=1)
def item_error_names() -> frozenset[str]:
    """Names of the errors that are an item's own fault, as records keep them."""
    names = {ItemError.__name__}
    for known in ItemError.__subclasses__():
        names |= {known.__name__, *(narrower.__name__ for narrower in known.__subclasses__())}
    return frozenset(names)


def _process_item(work: Workplace, record: Record, executed: Counter[str]) -> None:
    if record.attempts >= MAX_DEATHS:
        reason = f"the process died {MAX_DEATHS} times while it worked on this item; look at the photo and the memory"
        _update(work, record, {"state": ItemState.FAILED, "error": "ProcessDied", "reason": reason})
        return
    way = ItemWay(work, record)
    _begin(way)
    fields, failed = _tried(way, lambda: _finish(way))
    executed.update(way.executed)
    _end(way, failed if fields is None else fields)


def _begin(way: ItemWay) -> None:
    # On the disk before the work begins: a process that is killed cannot say so afterwards.
    record = way.record
    way.work.ledger.update(way.work.id, record.sku, record.view, attempts=record.attempts + 1)


def _tried(way: ItemWay, step: Callable[[], T]) -> tuple[T | None, dict[str, Any]]:
    """What a step gives; else None, and the fields of a failed item's record. Lost results are the caller's."""
    try:
        return step(), {}
    except DamagedResult:
        raise
    except SeamlineError as error:
        if isinstance(error, OutOfMemory):
            _give_memory_back()
        seen = source_preview(way) if isinstance(error, ItemError) else {}
        return None, {**_failure(error, str(error)), "keys": seen}
    except Exception as error:  # noqa: BLE001 - the item boundary: whatever one item does, the others go on
        if isinstance(error, MemoryError):
            _give_memory_back()
        return None, _failure(error, _trace(way.work, way.record, error))


def _painted(way: ItemWay) -> Painted:
    return _once_more(way, paint)


def _finish(way: ItemWay) -> dict[str, Any]:
    """The fields of the record of an item that was finished or parked. Raises whatever goes wrong."""
    return _once_more(way, lambda one: _published(one, walk(one)))


def _once_more(way: ItemWay, step: Callable[[ItemWay], T]) -> T:
    """What a step gives, if need be at a second try: a damaged result was removed from the store, and is made anew."""
    _ = way.digest  # first of all: the record shall say which photo it was, whatever happens then
    try:
        return step(way)
    except DamagedResult:
        return step(way)


def _published(way: ItemWay, ending: Ending) -> dict[str, Any]:
    fields: dict[str, Any] = {"keys": ending.keys, "scores": ending.scores, "confidence": ending.confidence}
    if ending.reason is not None:
        return {**fields, "state": ItemState.PARKED, "reason": ending.reason, "error": None, "output": None}
    address = join(way.work.folder, "pictures", ending.name)
    write_file(address, ending.data)
    return {**fields, "state": ItemState.ACCEPTED, "reason": None, "error": None, "output": address}


def _end(way: ItemWay, changes: dict[str, Any]) -> None:
    known = {"source_digest": way.__dict__.get("digest"), "timings": way.timings, "attempts": 0}
    _update(way.work, way.record, {**known, **changes, **_anew(way.record, changes)})


def _anew(record: Record, changes: dict[str, Any]) -> dict[str, Any]:
    """Keys and scores without those of the item's last end: of a picture that it no longer has, of another photo."""
    keys = dict.fromkeys(record.keys) | dict(changes.get("keys", {}))
    scores = {name: None for name in record.scores if name != "review"} | dict(changes.get("scores", {}))
    return {"keys": keys, "scores": scores}


def _failure(error: Exception, reason: str) -> dict[str, Any]:
    return {"state": ItemState.FAILED, "error": type(error).__name__, "reason": reason, "output": None}


def _update(work: Workplace, record: Record, changes: dict[str, Any]) -> None:
    ended = work.ledger.update(work.id, record.sku, record.view, **changes)
    if ended.state is ItemState.FAILED:
        log.warning("%s/%s failed: %s", record.sku, record.view, ended.reason)


def _trace(work: Workplace, record: Record, error: Exception) -> str:
    """Keep the traceback of an error that nobody foresaw, and say where it lies."""
    name = hashlib.sha256(f"{record.sku}\0{record.view}".encode("utf-8", "surrogatepass")).hexdigest()[:20]
    address = join(work.folder, "tracebacks", f"{name}.txt")
    text = "".join(traceback.format_exception(error))
    write_file(address, f"{record.sku} {record.view} {record.address}\n\n{text}".encode("utf-8", "replace"))
    return f"{type(error).__name__}: {error}; this is a fault of Seamline, its traceback is in {address}"


def _give_memory_back() -> None:
    """After one item that was too large, the memory is there again for smaller ones."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()

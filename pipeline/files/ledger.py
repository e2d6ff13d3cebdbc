"""The ledger: what is known of every item in every batch. Report, review, resume and audit read only this.

SQLite (one machine, many processes) or PostgreSQL (many machines), by SQLAlchemy URL. Every change is one short
transaction that is on the disk when the call returns.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from functools import partial
from os import PathLike, fspath
from typing import IO, Any

import sqlalchemy as sa

from pipeline.errors import StoreError
from pipeline.files.address import write_stream
from pipeline.files.ledger_engine import ledger_url, open_engine, read, write
from pipeline.files.ledger_rows import (
    CHUNK,
    ORDER,
    behind,
    change,
    chunks,
    find,
    insert_new,
    new_row,
    now,
    to_batch,
    to_record,
)
from pipeline.files.ledger_tables import batches, problems, records
from pipeline.files.ledger_types import ALLOWED, UNFINISHED, Batch, BatchStatus, Problem, Record, Verdict
from pipeline.types import Item, ItemState

__all__ = ["ALLOWED", "UNFINISHED", "Batch", "BatchStatus", "Ledger", "Problem", "Record", "Verdict", "ledger_url"]


class Ledger:
    """An open ledger. Safe to share between threads and processes; a pickled one opens its URL anew."""

    def __init__(self, url: str) -> None:
        """Open ``url`` (``sqlite:///…`` or ``postgresql+psycopg://…``) and make its tables if new."""
        self.url = url
        self._engine = open_engine(url)

    @classmethod
    def open(cls, url: str) -> Ledger:
        """The same as ``Ledger(url)``; see `ledger_url` for the URL that belongs to a recipe."""
        return cls(url)

    def close(self) -> None:
        """Give the connections back. The ledger opens new ones when it is used again."""
        self._engine.dispose()

    def __enter__(self) -> Ledger:
        """Use as a context manager: closes at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __reduce__(self) -> tuple[type[Ledger], tuple[str]]:
        """Pickle by URL."""
        return type(self), (self.url,)

    # Batches

    def begin_batch(
        self,
        *,
        recipe_name: str,
        recipe_digest: str,
        recipe_text: str,
        catalog: str,
        version: str,
        batch_id: str | None = None,
    ) -> Batch:
        """A new running batch. Its id, unless given, is the recipe's name, the UTC time and four random digits."""
        begun = datetime.now(UTC)
        batch = Batch(
            id=batch_id or f"{recipe_name}-{begun:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
            recipe_name=recipe_name,
            recipe_digest=recipe_digest,
            recipe_text=recipe_text,
            catalog=catalog,
            version=version,
            started=begun.isoformat(timespec="microseconds"),
        )
        values = {f.name: getattr(batch, f.name) for f in dataclass_fields(Batch)}
        try:
            write(self._engine, lambda c: c.execute(sa.insert(batches).values(values)))
        except sa.exc.IntegrityError as error:
            raise StoreError(f"there is already a batch {batch.id}; choose another id") from error
        return batch

    def batch(self, batch: str) -> Batch:
        """The batch with this id. Raises StoreError if there is none."""
        found = read(self._engine, lambda c: c.execute(sa.select(batches).where(batches.c.id == batch)).first())
        if found is None:
            raise StoreError(f"the ledger has no batch {batch!r}")
        return to_batch(found)

    def batches(self, *, recipe_digest: str | None = None, recipe_name: str | None = None) -> list[Batch]:
        """All batches, newest first; of one recipe if its digest or name is given."""
        query = sa.select(batches).order_by(batches.c.started.desc(), batches.c.id.desc())
        if recipe_digest is not None:
            query = query.where(batches.c.recipe_digest == recipe_digest)
        if recipe_name is not None:
            query = query.where(batches.c.recipe_name == recipe_name)
        return [to_batch(row) for row in self._all(query)]

    def latest(
        self,
        *,
        recipe_digest: str | None = None,
        recipe_name: str | None = None,
        statuses: Collection[BatchStatus] = (BatchStatus.RUNNING,),
    ) -> Batch | None:
        """The newest batch of a recipe with one of ``statuses``: by default one that was begun and never ended."""
        found = self.batches(recipe_digest=recipe_digest, recipe_name=recipe_name)
        return next((batch for batch in found if batch.status in statuses), None)

    def finish_batch(self, batch: str, status: BatchStatus = BatchStatus.FINISHED) -> Batch:
        """End a batch: its time, its counts of now, its status (`RUNNING` opens it again)."""
        running = status is BatchStatus.RUNNING
        values = {"status": status, "finished": None if running else now(), "counts": self.counts(batch)}
        done = write(
            self._engine, lambda c: c.execute(sa.update(batches).where(batches.c.id == batch).values(values)).rowcount
        )
        if not done:
            raise StoreError(f"the ledger has no batch {batch!r}")
        return self.batch(batch)

    # Items

    def add_items(self, batch: str, items: Iterable[tuple[Item, int]]) -> int:
        """Add ``(item, shard)`` pairs as pending records; returns how many were new.

        Streams in transactions of `CHUNK`. Items that the batch already has are left as they are, so a killed run
        may simply add its catalog again.
        """
        self.batch(batch)
        added = 0
        for chunk in chunks(items):
            added_at = now()
            rows = [new_row(batch, item, shard, added_at) for item, shard in chunk]
            added += write(self._engine, partial(insert_new, table=records, rows=rows))
        return added

    def update(self, batch: str, sku: str, view: str, **fields: Any) -> Record:
        """Change fields of one record in one transaction, and return it as it now is.

        ``keys``, ``scores`` and ``timings`` are merged into what is there (an entry of None takes one out), every
        other field is replaced. Raises SeamlineError for an unknown field, an unknown item or a state that may not
        follow the present one.
        """
        return self.update_many(batch, [(sku, view, fields)])[0]

    def update_many(self, batch: str, changes: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[Record]:
        """Change several records, ``(sku, view, fields)`` each, in one transaction: all of them or none."""
        return write(self._engine, lambda c: [change(c, batch, *one) for one in changes])

    def judge(self, batch: str, sku: str, view: str, verdict: Verdict, by: str, **fields: Any) -> Record:
        """Record a person's word: approved and edited masks are approved, redo is pending again, rejected ends it."""
        state = {Verdict.REDO: ItemState.PENDING, Verdict.REJECTED: ItemState.REJECTED}.get(verdict, ItemState.APPROVED)
        word = {"verdict": verdict, "verdict_by": by, "verdict_at": now(), "state": state}
        return self.update(batch, sku, view, **{**fields, **word})

    def record(self, batch: str, sku: str, view: str) -> Record:
        """One record. Raises SeamlineError if the batch has no such item."""
        return read(self._engine, lambda c: find(c, batch, sku, view))

    def records(
        self,
        batch: str,
        *,
        states: Collection[ItemState] | None = None,
        shard: int | None = None,
        limit: int | None = None,
        after: Record | None = None,
    ) -> Iterator[Record]:
        """Records in the order of the catalog (shard, row, SKU, view), streamed in bounded memory.

        ``after`` goes on behind a record of an earlier call. Records may be changed while this runs: it holds no
        transaction between its pages, and shows each record as it is when its page is read.
        """
        query = sa.select(records).where(records.c.batch == batch).order_by(*ORDER)
        if states is not None:
            query = query.where(records.c.state.in_(sorted(states)))
        if shard is not None:
            query = query.where(records.c.shard == shard)
        left = limit
        while left is None or left > 0:
            size = CHUNK if left is None else min(CHUNK, left)
            page = self._page(query if after is None else query.where(behind(after)), size)
            yield from page
            if len(page) < size:
                return
            after = page[-1]
            left = None if left is None else left - size

    def parked(self, batch: str, *, limit: int = 50, offset: int = 0) -> list[Record]:
        """Items that wait for a person, worst confidence first (none at all is the worst)."""
        query = sa.select(records).where(records.c.batch == batch, records.c.state == ItemState.PARKED)
        worst = records.c.confidence.asc().nulls_first()
        return self._page(query.order_by(worst, records.c.sku, records.c.view).offset(offset), limit)

    def counts(self, batch: str) -> dict[str, int]:
        """How many items the batch has in each state; every state is there, zeros too. They sum up to its items."""
        query = sa.select(records.c.state, sa.func.count()).where(records.c.batch == batch).group_by(records.c.state)
        found = {state: number for state, number in self._all(query)}  # noqa: C416
        return {state.value: found.get(state.value, 0) for state in ItemState}

    def shards(self, batch: str, *, states: Collection[ItemState] | None = None) -> list[int]:
        """Numbers of the shards that have items (in one of ``states``), in order."""
        query = sa.select(records.c.shard).where(records.c.batch == batch).distinct().order_by(records.c.shard)
        if states is not None:
            query = query.where(records.c.state.in_(sorted(states)))
        return list(read(self._engine, lambda c: c.scalars(query).all()))

    def finished_before(
        self, recipe_digest: str, sku: str, view: str, *, state: ItemState = ItemState.ACCEPTED
    ) -> Record | None:
        """The newest record of this item that a batch of this recipe has finished (its source digest and output)."""
        return self.all_finished_before(recipe_digest, [(sku, view)], state=state).get((sku, view))

    def all_finished_before(
        self, recipe_digest: str, items: Sequence[tuple[str, str]], *, state: ItemState = ItemState.ACCEPTED
    ) -> dict[tuple[str, str], Record]:
        """`finished_before` for many ``(sku, view)`` with few queries; those never finished are left out."""
        newest: dict[tuple[str, str], Record] = {}
        for chunk in chunks(items):
            query = (
                sa.select(records)
                .join(batches, batches.c.id == records.c.batch)
                .where(sa.tuple_(records.c.sku, records.c.view).in_(chunk))
                .where(batches.c.recipe_digest == recipe_digest, records.c.state == state)
                .order_by(batches.c.started, batches.c.id)
            )
            for row in self._all(query):
                newest[row.sku, row.view] = to_record(row)
        return newest

    def kept_keys(self) -> Iterator[str]:
        """Keys of results that `clean` must keep: of parked items, and of every item of a running batch."""
        for batch in self.batches():
            states = None if batch.status is BatchStatus.RUNNING else UNFINISHED | {ItemState.PARKED}
            for record in self.records(batch.id, states=states):
                yield from record.keys.values()

    # Bad rows, exports

    def add_problems(self, batch: str, found: Iterable[tuple[int, str]]) -> None:
        """Keep ``(row, message)`` of catalog rows that could not become items; the same one twice is kept once."""
        for chunk in chunks(found):
            rows = [{"batch": batch, "row": row, "message": message} for row, message in chunk]
            write(self._engine, partial(insert_new, table=problems, rows=rows))

    def problems(self, batch: str) -> list[Problem]:
        """Bad rows of the batch's catalog, in order."""
        query = sa.select(problems).where(problems.c.batch == batch).order_by(problems.c.row, problems.c.message)
        return [Problem(row=row.row, message=row.message) for row in self._all(query)]

    def export_jsonl(self, batch: str, target: str | PathLike[str] | IO[str]) -> int:
        """Write the batch's records as JSON lines in the order of the catalog; returns how many.

        ``target`` is an open text file, or an address, which appears when it is whole.
        """
        if not isinstance(target, (str, PathLike)):
            return sum(1 for line in self._lines(batch) if target.write(line) or True)
        number = 0
        with write_stream(fspath(target)) as file:
            for line in self._lines(batch):
                file.write(line.encode())
                number += 1
        return number

    def _lines(self, batch: str) -> Iterator[str]:
        for record in self.records(batch):
            yield json.dumps(vars(record), sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"

    def _page(self, query: sa.Select[Any], size: int) -> list[Record]:
        return [to_record(row) for row in self._all(query.limit(size))]

    def _all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        return read(self._engine, lambda c: c.execute(query).all())

"""Rows of the ledger's tables to the dataclasses of `ledger_types` and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from pipeline.errors import SeamlineError
from pipeline.files.ledger_tables import records
from pipeline.files.ledger_types import Batch, BatchStatus, Record, Verdict, check_transition
from pipeline.types import Item, ItemState

CHUNK = 1000
"""Rows per transaction when many are written, and per query when many are read."""
ORDER = (records.c.shard, records.c.row, records.c.sku, records.c.view)
"""The order of the catalog."""
_MERGED = frozenset({"keys", "scores", "timings"})
_CHANGEABLE = frozenset(f.name for f in dataclass_fields(Record)) - {"batch", "sku", "view", "updated"}
_T = TypeVar("_T")


def now() -> str:
    """ISO 8601 in UTC, always with microseconds, so that text order is time order."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def chunks(values: Iterable[_T]) -> Iterator[list[_T]]:
    """Lists of up to `CHUNK` values."""
    iterator = iter(values)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk


def to_batch(row: Row[Any]) -> Batch:
    """A row of `batches`."""
    values = dict(row._mapping)
    return Batch(**{**values, "status": BatchStatus(values["status"])})


def to_record(row: Row[Any]) -> Record:
    """A row of `records`."""
    values = dict(row._mapping)
    values["state"] = ItemState(values["state"])
    values["verdict"] = values["verdict"] and Verdict(values["verdict"])
    return Record(**values)


def new_row(batch: str, item: Item, shard: int, added: str) -> dict[str, Any]:
    """The row of a pending item."""
    return {
        "batch": batch,
        "sku": item.sku,
        "view": item.view,
        "shard": shard,
        "row": item.row,
        "address": item.address,
        "attributes": dict(item.attributes),
        "overrides": dict(item.overrides),
        "state": ItemState.PENDING.value,
        "keys": {},
        "scores": {},
        "timings": {},
        "attempts": 0,
        "updated": added,
    }


def insert_new(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose key the table does not have; returns how many those were."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    counted = connection.execution_options(preserve_rowcount=True)
    return counted.execute(insert(table).on_conflict_do_nothing(), rows).rowcount


def of_item(batch: str, sku: str, view: str) -> sa.ColumnElement[bool]:
    """The condition that finds one record."""
    return sa.and_(records.c.sku == sku, records.c.view == view, records.c.batch == batch)


def find(connection: Connection, batch: str, sku: str, view: str, *, lock: bool = False) -> Record:
    """One record; ``lock`` keeps others from changing it until the transaction ends. Raises SeamlineError."""
    query = sa.select(records).where(of_item(batch, sku, view))
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise SeamlineError(f"{sku}/{view}: batch {batch} has no such item")
    return to_record(row)


def change(connection: Connection, batch: str, sku: str, view: str, fields: Mapping[str, Any]) -> Record:
    """Change fields of one record as `Ledger.update` says."""
    if unknown := set(fields) - _CHANGEABLE:
        raise SeamlineError(f"{sku}/{view}: a record has no field {', '.join(sorted(unknown))} that can be changed")
    old = find(connection, batch, sku, view, lock=True)
    values: dict[str, Any] = dict(fields)
    for name in _MERGED.intersection(fields):
        merged = {**getattr(old, name), **fields[name]}
        values[name] = {key: value for key, value in merged.items() if value is not None}
    if "state" in values:
        values["state"] = ItemState(values["state"])
        check_transition(sku, view, old.state, values["state"])
    query = sa.update(records).where(of_item(batch, sku, view)).values(**values, updated=now()).returning(records)
    return to_record(connection.execute(query).one())


def behind(record: Record) -> sa.ColumnElement[bool]:
    """The condition of the records that follow ``record`` in the order of the catalog."""
    here = (record.shard, record.row, record.sku, record.view)
    return sa.tuple_(*ORDER) > sa.tuple_(*(sa.literal(value) for value in here))

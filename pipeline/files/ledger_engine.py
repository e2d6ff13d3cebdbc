"""How the ledger's database is opened and spoken to: SQLite with a write-ahead log, or PostgreSQL."""

from __future__ import annotations

import json
import os
import random
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from pipeline.errors import StoreError
from pipeline.files.address import is_local, local_path, make_folder
from pipeline.files.ledger_tables import SCHEMA_VERSION, about, metadata

BUSY_TIMEOUT_S = 30.0
_SCHEMA_LOCK = 0x5EA3_11E5
_ATTEMPTS = 8
_PASSING_SQLSTATES = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock not available
_T = TypeVar("_T")


def ledger_url(runs: str, ledger: str | None = None) -> str:
    """The ledger's URL: ``ledger`` if given, else SQLite in the folder ``runs``.

    Raises StoreError when ``runs`` is an object store: SQLite needs a local disk.
    """
    if ledger:
        return ledger
    if not is_local(runs):
        raise StoreError(
            f"{runs}: a ledger cannot live in an object store; set batch.ledger to a database, for example "
            "postgresql+psycopg://user@host/seamline, or to sqlite:////path/on/a/local/disk/ledger.sqlite"
        )
    return f"sqlite:///{local_path(runs) / 'ledger.sqlite'}"


def open_engine(url: str) -> Engine:
    """An engine for a SQLAlchemy URL, with its tables made. Raises StoreError that says what to change."""
    try:
        parsed = sa.make_url(url)
        dialect = parsed.get_backend_name()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise StoreError(f"the ledger's URL {url!r} cannot be read: {error}") from error
    if dialect == "sqlite":
        engine = _sqlite_engine(parsed)
    elif dialect == "postgresql":
        engine = _postgres_engine(parsed)
    else:
        raise StoreError(f"the ledger can be sqlite:///… or postgresql+psycopg://…, not {dialect}")
    _forget_after_fork(engine)
    try:
        _make_tables(engine)
    except StoreError:
        engine.dispose()
        raise
    except sa.exc.DBAPIError as error:
        engine.dispose()
        shown = parsed.render_as_string(hide_password=True)
        raise StoreError(
            f"the ledger {shown} cannot be opened: {error.orig}; check its path, server and rights"
        ) from error
    return engine


def _engine_options() -> dict[str, Any]:
    dump = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
    return {"json_serializer": dump, "pool_pre_ping": False}


def _sqlite_engine(url: sa.URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise StoreError("the ledger must be a file: sqlite:////folder/ledger.sqlite")
    folder = local_path(url.database).parent
    try:
        make_folder(folder)
    except OSError as error:
        raise StoreError(f"the ledger's folder {folder} cannot be made: {error}") from error
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, **_engine_options())

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 must not begin transactions by itself: _begin does
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and writes later may fail at once when another writes between; one that
        # takes the write lock at its beginning waits its turn.
        writes = connection.get_execution_options().get("seamline_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: sa.URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        return sa.create_engine(url, **{**_engine_options(), "pool_pre_ping": True})
    except ModuleNotFoundError as error:
        raise StoreError(
            f"a PostgreSQL ledger needs the library {error.name}: pip install 'seamline[postgres]', "
            "and a URL like postgresql+psycopg://user@host/seamline"
        ) from error


def _make_tables(engine: Engine) -> None:
    with engine.execution_options(seamline_writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":  # two that open a new ledger at once make the tables once
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        metadata.create_all(connection)
        version = connection.scalar(sa.select(sa.func.max(about.c.version)))
        if version is None:
            connection.execute(sa.insert(about).values(version=SCHEMA_VERSION))
        elif version > SCHEMA_VERSION:
            raise StoreError(f"the ledger was written by a newer Seamline (version {version}): upgrade Seamline")


def _forget_after_fork(engine: Engine) -> None:
    # A connection that two processes share corrupts both; the child opens its own.
    reference = weakref.ref(engine)

    def forget() -> None:
        inherited = reference()
        if inherited is not None:
            inherited.dispose(close=False)

    os.register_at_fork(after_in_child=forget)


def write(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Run ``work`` in one writing transaction; on the disk when this returns. Tried again while others hold locks."""
    return _patiently(engine.execution_options(seamline_writes=True), work)


def read(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Run ``work`` in one short reading transaction."""
    return _patiently(engine, work)


def _patiently(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with engine.begin() as connection:
                return work(connection)
        except sa.exc.IntegrityError:
            raise  # the caller knows what clashed
        except sa.exc.DBAPIError as error:
            if attempt == _ATTEMPTS or not _passes(error):
                shown = engine.url.render_as_string(hide_password=True)
                raise StoreError(f"the ledger {shown} could not be used: {error.orig}; {_advice(error)}") from error
            time.sleep(random.uniform(0.02, 0.05) * 2**attempt)  # noqa: S311 - spreads the waiting, guards nothing
    raise AssertionError("unreachable")


def _passes(error: sa.exc.DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in _PASSING_SQLSTATES or error.connection_invalidated:
        return True
    text = str(error.orig)
    return "database is locked" in text or "database table is locked" in text


def _advice(error: sa.exc.DBAPIError) -> str:
    text = str(error.orig)
    if "full" in text:
        return "free some space on its disk, or run `seamline clean` with a smaller budget"
    if "locked" in text:
        return "another program keeps it locked: close it, or use PostgreSQL for many machines"
    return "check its disk, its rights and its server"

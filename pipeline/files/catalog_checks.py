"""What is checked across rows: no SKU and view twice, no photo missing. Both in bounded memory."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections import OrderedDict
from pathlib import Path
from types import TracebackType

_CACHE_KIB = 16_000
_LISTINGS_KEPT = 8
_BROKEN = (OSError, EOFError, zlib.error, ValueError, ImportError)


def read_errors(address: str) -> tuple[type[Exception], ...]:
    """Return what an address's library raises when it finds damage, no such protocol, no server or no rights."""
    protocol = address.partition("://")[0]
    if protocol in ("s3", "s3a"):
        from botocore.exceptions import BotoCoreError

        return (*_BROKEN, BotoCoreError)
    if protocol in ("http", "https"):
        from aiohttp import ClientError

        return (*_BROKEN, ClientError)
    return _BROKEN


class Seen:
    """The pairs of SKU and view met so far.

    A private temporary SQLite database: exact where hashes would need a second look, it answers at once with the
    line of the first, and beyond 16 MB it lies on disk. (A set of a million pairs takes some 200 MB; sorted blocks
    of hashes are small too, but find a pair only after the last row.) Use it as a context manager.
    """

    def __init__(self) -> None:
        """Open the database."""
        # An empty name is SQLite's private on-disk database; it is gone when closed, and needs no journal.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE seen (sku TEXT, view TEXT, row INT, PRIMARY KEY (sku, view)) WITHOUT ROWID")
        self._db.execute("BEGIN")
        self._cursor = self._db.cursor()

    def __enter__(self) -> Seen:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database, which deletes it."""
        self._db.close()

    def first_row(self, sku: str, view: str, row: int) -> int | None:
        """Return the row that had this SKU and view first, or None after noting that it is ``row``."""
        try:
            self._cursor.execute("INSERT INTO seen VALUES (?, ?, ?)", (sku, view, row))
        except sqlite3.IntegrityError:
            found = self._cursor.execute("SELECT row FROM seen WHERE sku = ? AND view = ?", (sku, view)).fetchone()
            return int(found[0])
        return None


class Photos:
    """Whether photos exist: a look at the file for local ones, one listing a folder for remote ones.

    Photos behind http(s) count as there: asking for each would cost a request a row. The names of the last eight
    remote folders are kept, so memory follows the largest folder.
    """

    def __init__(self) -> None:
        """Start with nothing listed."""
        self._names: OrderedDict[str, frozenset[str]] = OrderedDict()

    def trouble(self, address: str) -> str:
        """Return what is wrong with a photo's address, or nothing."""
        protocol, remote, _ = address.partition("://")
        if not remote:
            return _local_trouble(address)
        if protocol == "file":
            return _local_trouble(address.removeprefix("file://"))
        if protocol in ("http", "https"):
            return ""
        folder, _, name = address.rpartition("/")
        try:
            there = name in self._listing(folder)
        except read_errors(address) as error:
            said = str(error).rstrip(".")
            return f"photo {address}: its folder cannot be listed ({said}): check the address and your rights."
        return "" if there else f"photo {address} is not there."

    def _listing(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            from fsspec.core import url_to_fs

            fs, path = url_to_fs(folder)
            fs.invalidate_cache(path)
            try:
                names = frozenset(entry.rstrip("/").rpartition("/")[2] for entry in fs.ls(path, detail=False))
            except FileNotFoundError:
                names = frozenset()
            fs.invalidate_cache(path)
            self._names[folder] = names
            if len(self._names) > _LISTINGS_KEPT:
                self._names.popitem(last=False)
        self._names.move_to_end(folder)
        return self._names[folder]


def _local_trouble(path: str) -> str:
    # Not pathlib, which takes five times as long: this runs once a row, a million times.
    if os.path.isfile(path):  # noqa: PTH113
        return ""
    return f"photo {path} is a folder." if Path(path).is_dir() else f"photo {path} is not there."

"""Catalogs: rows to items, streamed. Folder, CSV, JSONL or Parquet; local or any fsspec address.

Bad rows never stop the good ones. ``read_catalog`` yields items and hands bad rows to a callback, for the ledger;
``check_catalog`` reads it all and returns what it found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import CatalogError
from pipeline.files.catalog_checks import Photos, Seen, read_errors
from pipeline.files.catalog_columns import Columns, RowError, find_columns, further_photos, row_items
from pipeline.files.catalog_folder import NOT_READ, PHOTO_ENDINGS, folder_files, sku_and_view
from pipeline.files.catalog_tables import Bad, Row, as_text, csv_rows, jsonl_rows, parquet_rows
from pipeline.files.recipe_models import CatalogSection
from pipeline.types import Item

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_TABLES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PRINTED = 20

Samples = Callable[[str, str], str]
"""Name of a sample catalog and the batches' folder to the sample's address."""


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that cannot be worked on. ``sku``, ``view`` and ``address`` are as far as they are known, else empty."""

    row: int
    message: str
    sku: str = ""
    view: str = ""
    address: str = ""


OnBadRow = Callable[[BadRow], None]


@dataclass(frozen=True, kw_only=True)
class CatalogReport:
    """What a catalog holds: ``count`` good items, and every problem as (row, message), in the order of the rows."""

    address: str
    count: int
    problems: list[tuple[int, str]]

    def __str__(self) -> str:
        """The count and the first 20 problems, one a line, as ``catalog.csv:17  message``."""
        lines = [f"{self.address}: {self.count:,} items, {len(self.problems):,} bad rows"]
        lines += [f"  {self.address}:{row}  {message}" for row, message in self.problems[:_PRINTED]]
        if len(self.problems) > _PRINTED:
            lines.append(f"  ... and {len(self.problems) - _PRINTED:,} more")
        return "\n".join(lines)


def check_catalog(
    section: CatalogSection, *, runs: str = "runs", samples: Samples | None = None, check_files: bool = True
) -> CatalogReport:
    """Read a whole catalog and report all its problems; arguments and errors as :func:`read_catalog`.

    Memory follows the number of bad rows, not of rows.
    """
    problems: list[tuple[int, str]] = []
    items = read_catalog(
        section,
        runs=runs,
        samples=samples,
        check_files=check_files,
        on_bad_row=lambda bad: problems.append((bad.row, bad.message)),
    )
    count = sum(1 for _ in items)
    return CatalogReport(address=section.address, count=count, problems=problems)


def read_catalog(
    section: CatalogSection,
    *,
    runs: str = "runs",
    samples: Samples | None = None,
    on_bad_row: OnBadRow | None = None,
    check_files: bool = True,
) -> Iterator[Item]:
    """Yield the items of a catalog in the order of its rows, in bounded memory, at most ``section.limit``.

    Args:
        section: the recipe's catalog.
        runs: where ``samples`` puts a sample catalog (``sample:NAME``).
        samples: finds a sample catalog; the built-in ones by default.
        on_bad_row: called with each row that cannot be worked on, in its turn.
        check_files: ask whether photos exist; a missing one makes a bad row.

    Raises:
        CatalogError: there is nothing at the address, it is no catalog, it lacks a column, or it is empty.
    """
    report: OnBadRow = on_bad_row or (lambda bad: None)
    address = _resolve(section.address, runs, samples)
    good = bad = 0

    def refuse(row: int, message: str, sku: str = "", view: str = "", photo: str = "") -> None:
        nonlocal bad
        bad += 1
        report(BadRow(row=row, message=message, sku=sku, view=view, address=photo))

    with Seen() as seen:
        photos = Photos()
        for item, is_known_there in _items(section, address, refuse):
            first = seen.first_row(item.sku, item.view, item.row)
            if first is not None:
                again = f"SKU {item.sku}, view {item.view} stands already in row {first}: {_apart(address)}"
                refuse(item.row, again, item.sku, item.view, item.address)
                continue
            named = further_photos(item) if is_known_there else [item.address, *further_photos(item)]
            trouble = next(filter(None, map(photos.trouble, named)), "") if check_files else ""
            if trouble:
                refuse(item.row, f"SKU {item.sku}: {trouble}", item.sku, item.view, item.address)
                continue
            good += 1
            yield item
            if good == section.limit:
                return
    if not good and not bad:
        raise CatalogError(f"catalog {section.address} holds no items: check catalog.address.")


def _apart(address: str) -> str:
    return "name the views apart in a view column." if _table(address) else "rename one of the two files."


def _resolve(address: str, runs: str, samples: Samples | None) -> str:
    kind, colon, name = address.partition(":")
    if kind != "sample" or not colon:
        return address
    if samples is None:
        from pipeline.files.sample import sample_folder

        samples = sample_folder
    return samples(name, runs)


def _table(address: str) -> str:
    """Return csv, jsonl or parquet by the address's ending, or nothing."""
    plain = address.lower()
    for ending in _COMPRESSED:
        plain = plain.removesuffix(ending)
    return _TABLES.get(PurePosixPath(plain).suffix, "")


Refuse = Callable[..., None]


def _items(section: CatalogSection, address: str, refuse: Refuse) -> Iterator[tuple[Item, bool]]:
    """Yield items, and whether the photo is known to exist."""
    from fsspec.core import url_to_fs

    try:
        fs, path = url_to_fs(address)
        if fs.isdir(path):
            for item in _folder_items(fs, path, refuse):
                yield item, True
        elif not fs.exists(path):
            raise CatalogError("there is nothing: check catalog.address.")
        elif not _table(address):
            raise CatalogError(f"neither a folder nor one of {', '.join(_TABLES)}: export the table as one of these.")
        else:
            for item in _table_items(section, address, refuse):
                yield item, False
    except CatalogError as error:
        raise CatalogError(f"catalog {address}: {error}") from None
    except read_errors(address) as error:
        said = str(error).rstrip(".")
        raise CatalogError(f"catalog {address} cannot be read ({said}): check the address and your rights.") from error


def _folder_items(fs: Any, root: str, refuse: Refuse) -> Iterator[Item]:
    row = 0
    for relative in folder_files(fs, root):
        ending = PurePosixPath(relative).suffix.lower()
        if ending not in PHOTO_ENDINGS | NOT_READ:
            continue
        row += 1
        sku, view = sku_and_view(relative)
        address = str(fs.unstrip_protocol(f"{root.rstrip('/')}/{relative}")).removeprefix("file://")
        if ending in NOT_READ:
            refuse(row, f"{relative}: {ending} is not read: export it as JPEG, PNG or TIFF.", sku, view, address)
        elif not relative.isprintable():
            refuse(row, f"{relative!a}: its name is no readable text: rename the file.")
        else:
            yield Item(sku=sku, view=view, address=address, row=row)


def _table_items(section: CatalogSection, address: str, refuse: Refuse) -> Iterator[Item]:
    kind = _table(address)
    mapping = tuple((str(field), column) for field, column in section.columns.items())
    root = _root(section, address)

    @lru_cache(maxsize=64)
    def columns(names: tuple[str, ...]) -> Columns:
        return find_columns(names, dict(mapping), every_mapped=kind != "jsonl")

    def locate(photo: str) -> str:
        return _locate(root, photo)

    for row in _rows(kind, address, lambda number, message: refuse(number, message)):
        try:
            found = columns(row.names)
        except CatalogError as error:
            if kind != "jsonl":
                raise
            refuse(row.number, str(error))
            continue
        try:
            items = row_items(found, row.cells, row.number, locate)
        except RowError as error:
            refuse(row.number, str(error), error.sku, error.view)
        else:
            yield from items


def _rows(kind: str, address: str, bad: Bad) -> Iterator[Row]:
    import fsspec

    with fsspec.open(address, "rb", compression="infer") as stream:
        if kind == "parquet":
            yield from parquet_rows(stream)
            return
        with as_text(stream) as text:
            yield from (csv_rows if kind == "csv" else jsonl_rows)(text, bad)


def _root(section: CatalogSection, address: str) -> str:
    """Return where relative photo addresses start, with its protocol, or as an absolute local path."""
    root = section.photo_root if section.photo_root is not None else address.rpartition("/")[0]
    return root if "://" in root else str(Path(root).absolute())


def _locate(root: str, photo: str) -> str:
    if "://" in photo or photo.startswith("/"):
        return photo
    if "://" in root:
        return f"{root.rstrip('/')}/{photo}"
    return os.path.normpath(f"{root}/{photo}")

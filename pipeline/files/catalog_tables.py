"""Rows of CSV, JSONL and Parquet, streamed, each with its true line.

A row that cannot be read goes to ``bad`` with its line and a sentence, and reading goes on.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import IO, NamedTuple, TextIO

from pipeline.errors import CatalogError
from pipeline.types import Json

Bad = Callable[[int, str], None]

_DELIMITERS = ",;\t"
_NOT_UTF8 = "is not UTF-8: save the file as UTF-8 (in Excel: CSV UTF-8)."
_PARQUET_ROWS = 1024


class Row(NamedTuple):
    """``number`` is the physical line where the row begins (Parquet: its position), counted from 1."""

    number: int
    names: tuple[str, ...]
    cells: Sequence[Json]


def as_text(stream: IO[bytes]) -> TextIO:
    """Wrap bytes as text for the readers below: UTF-8 with or without mark; other bytes survive as surrogates.

    Raises:
        CatalogError: the file begins with a UTF-16 or UTF-32 mark.
    """
    if stream.read(2) in (b"\xff\xfe", b"\xfe\xff"):
        raise CatalogError("is UTF-16: save it as UTF-8 (in Excel: CSV UTF-8).")
    stream.seek(0)
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def csv_rows(stream: TextIO, bad: Bad) -> Iterator[Row]:
    """Read CSV separated by commas, semicolons or tabs; blank lines are skipped.

    Python's csv module parses in strict mode; its limit of 131,072 characters a cell bounds what a quote that is
    never closed can swallow.

    Raises:
        CatalogError: there is no header, or it cannot be read.
    """
    first, skipped = stream.readline(), 0
    told = re.fullmatch(r"sep=(.)\s*", first)  # Excel's own way to name the separator
    if told:
        first, skipped = stream.readline(), 1
    outside_quotes = re.sub(r'"[^"]*"?', "", first)
    delimiter = told[1] if told else max(_DELIMITERS, key=outside_quotes.count)
    reader = csv.reader(chain([first], stream), delimiter=delimiter, strict=True)
    try:
        names = tuple(name.strip() for name in next(reader, ()))
    except csv.Error as error:
        raise CatalogError(f"its header cannot be read ({error}): check the quotes of the first line.") from None
    if not any(names):
        raise CatalogError("has no header: write the column names into its first line.")
    if not _is_unicode("".join(names)):
        raise CatalogError(f"its header {_NOT_UTF8}")
    while True:
        line = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            bad(line, _broken(error, line, reader.line_num + skipped))
            continue
        if not cells:
            continue
        if len(cells) != len(names):
            many = "is a separator inside a cell without quotes?" if len(cells) > len(names) else "is the row cut off?"
            bad(line, f"has {len(cells)} cells, the header {len(names)}: {many}")
        elif not _is_unicode("".join(cells)):
            bad(line, _NOT_UTF8)
        else:
            yield Row(line, names, cells)


def _broken(error: csv.Error, first: int, last: int) -> str:
    said = str(error)
    if "field larger" in said or "unexpected end" in said:
        return f"a quote is opened and not closed: lines {first} to {last} were not read. Close or double the quote."
    return f"is broken CSV ({said}): check its quotes; a quote inside a cell is written twice."


def jsonl_rows(stream: TextIO, bad: Bad) -> Iterator[Row]:
    """Read one JSON object a line; blank lines are skipped."""
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        if not _is_unicode(line):
            bad(number, _NOT_UTF8)
            continue
        try:
            row = json.loads(line, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            bad(number, f"is not JSON ({error.msg}, column {error.colno}): write one object a line.")
        except (ValueError, RecursionError) as error:
            bad(number, f"cannot be used: {error}.")
        else:
            if isinstance(row, dict):
                yield Row(number, tuple(row), tuple(row.values()))
            else:
                bad(number, 'is no JSON object: write {"sku": ..., "photo": ...}.')


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return row


def parquet_rows(stream: IO[bytes]) -> Iterator[Row]:
    """Read a Parquet file in batches of 1,024 rows.

    Raises:
        CatalogError: it is not a Parquet file, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        # Without pre-buffering, memory follows the batch and not the row group.
        file = pq.ParquetFile(stream, pre_buffer=False)
        names = tuple(file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield Row(number, names, cells)
    except pa.ArrowException as error:
        raise CatalogError(f"is not readable Parquet after row {number} ({error}): write it again.") from None

"""Make a finished picture again from its record alone, and say how far the new one is from the old."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np

from flows.companions import changed_companion
from flows.sources import source_digest
from flows.stages import walk
from flows.way import ItemWay
from flows.workplace import BatchAddress, Workplace, open_workplace
from pipeline.errors import ItemError, RecipeError
from pipeline.files.address import read_file
from pipeline.files.ledger import Ledger, Record
from pipeline.files.picture import decode_picture
from pipeline.files.store import Store


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A picture made again: ``data`` is the file, ``name`` its name.

    ``largest`` is the largest difference of a channel to the batch's own picture in levels of 255, ``differing`` the
    share of pixels that differ at all, ``same_bytes`` whether the files are one. ``changes`` says in words what is no
    longer as it was when the batch ran.
    """

    name: str
    data: bytes
    largest: int
    differing: float
    same_bytes: bool
    changes: tuple[str, ...]


def find_batch(ledger: Ledger, name: str) -> str:
    """The id of the batch ``name``: an id, or a recipe's name for its newest batch. Raises RecipeError."""
    batches = ledger.batches()
    for batch in batches:
        if name in (batch.id, batch.recipe_name):  # newest first
            return batch.id
    known = ", ".join(batch.id for batch in batches[:5]) or "none"
    raise RecipeError(f"no batch {name!r} in this ledger; newest: {known}")


def find_record(work: Workplace, sku: str, view: str | None) -> Record:
    """The record of a SKU's view, or of its only view. Raises RecipeError."""
    found = [one for one in work.ledger.records(work.id) if one.sku == sku and view in (None, one.view)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RecipeError(f"batch {work.id} has no SKU {sku!r}" + (f" with a view {view!r}" if view else ""))
    views = ", ".join(one.view for one in found)
    raise RecipeError(f"SKU {sku} has several views ({views}); say which with --view")


def replay(address: BatchAddress, sku: str, view: str | None = None) -> Replayed:
    """Make the picture of one finished item again, with every stage executed anew in an empty store.

    Raises:
        RecipeError: no such batch or item, or one without a finished picture.
        ItemError: its photo is no longer the one that the batch worked on, or it does not come to an end today.
    """
    work = open_workplace(address)
    record = find_record(work, sku, view)
    if record.output is None:
        raise RecipeError(f"{record.sku}/{record.view} has no finished picture: it is {record.state.value}")
    if source_digest(record.address, work.store)[0] != record.source_digest:
        raise ItemError(f"{record.address} is another photo than when {work.id} ran: put the old one back")
    if changed := changed_companion(record, lambda address: source_digest(address, work.store)[0]):
        raise ItemError(f"{changed} is another photo than when {work.id} ran: put the old one back")
    with tempfile.TemporaryDirectory(prefix="seamline-replay-") as folder:
        way = ItemWay(replace(work, store=Store(folder)), record)
        way.for_show = True  # the verdict was given already, by the batch or by a person
        changes = _changes(work, record, way.keys.named())
        ending = walk(way)
    before = read_file(record.output)
    largest, differing = difference(before, ending.data)
    return Replayed(
        name=ending.name,
        data=ending.data,
        largest=largest,
        differing=differing,
        same_bytes=before == ending.data,
        changes=changes,
    )


def difference(before: bytes, after: bytes) -> tuple[int, float]:
    """The largest difference of a channel, in levels of 255, and the share of pixels that differ.

    Raises ItemError if the pictures differ in size.
    """
    first, second = decode_picture(before, "the batch's picture").image, decode_picture(after, "the new picture").image
    if first.shape != second.shape:
        raise ItemError(
            f"the new picture is {second.shape[1]}x{second.shape[0]} px and the batch's is "
            f"{first.shape[1]}x{first.shape[0]} px"
        )
    gap = np.abs(first.astype(np.int16) - second.astype(np.int16)).max(axis=2)
    return int(gap.max()), float((gap > 0).mean())


def _changes(work: Workplace, record: Record, keys: dict[str, str]) -> tuple[str, ...]:
    """What decides the picture and is not as it was."""
    now = version("seamline")
    said = [f"made by Seamline {work.batch.version}, and this is {now}"] if work.batch.version != now else []
    moved = [stage for stage, key in keys.items() if record.keys.get(stage, key) != key]
    if moved:
        said.append(f"other inputs, weights or code decide {', '.join(moved)} today")
    return tuple(said)

"""What Prefect's dashboard shows of a batch: progress, a table of items, the contact sheet."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.finishing import Summary
from flows.workplace import BatchAddress, Workplace, open_workplace
from pipeline.errors import StoreError
from pipeline.files.ledger import Record
from pipeline.types import ItemState

EVERY_S = 2.0
"""Seconds between two updates of the progress: each costs a request."""
TABLE_ROWS = 200
SHEET_ITEMS = 24
SHEET_BYTES = 100_000
"""The dashboard prints a picture's whole address under it, and the server drops events over 1.5 MB."""


class Progress:
    """A bar in the dashboard; ``add`` items as they end."""

    def __init__(self, artifact: UUID, items: int) -> None:
        """``items`` is the whole."""
        self._artifact = artifact
        self._items = max(1, items)
        self._done = 0
        self._shown_at = time.monotonic()

    def add(self, items: int) -> None:
        """Count ended items; shown at most every `EVERY_S`."""
        self._done += items
        if time.monotonic() - self._shown_at >= EVERY_S:
            self.show()

    def show(self) -> None:
        """Show the present count."""
        self._shown_at = time.monotonic()
        update_progress_artifact(self._artifact, progress=min(100.0, 100.0 * self._done / self._items))


@contextmanager
def progress_artifact(name: str, items: int) -> Iterator[Progress]:
    """A progress artifact for the length of the block."""
    key = artifact_key("progress", name)
    artifact = cast(UUID, create_progress_artifact(0.0, key=key, description=f"{items} items"))
    progress = Progress(artifact, items)
    try:
        yield progress
    finally:
        progress.show()


def publish(summary: Summary, address: BatchAddress) -> None:
    """Put a batch's counts, its items that need a look, and a small contact sheet into the dashboard."""
    work = open_workplace(address)
    recipe = work.batch.recipe_name
    create_markdown_artifact(key=artifact_key("batch", recipe), markdown=_report(summary))
    rows = item_rows(work)
    if rows:
        what = f"items of {summary.batch}, failed and parked first" + (" (cut)" if len(rows) == TABLE_ROWS else "")
        create_table_artifact(key=artifact_key("items", recipe), table=rows, description=what)
    sheet = thumbnail_sheet(work)
    if sheet:
        address_of_it = "data:image/jpeg;base64," + base64.b64encode(sheet).decode()
        create_image_artifact(
            key=artifact_key("contact-sheet", recipe),
            image_url=address_of_it,
            description=f"all of it: {summary.sheet}",
        )


def artifact_key(kind: str, name: str) -> str:
    """A key as Prefect wants it: lower case, digits and dashes. The same key collects a history."""
    return re.sub(r"[^a-z0-9]+", "-", f"{kind}-{name}".lower()).strip("-")


def item_rows(work: Workplace) -> list[dict[str, Any]]:
    """The batch's items as rows of a table: failed ones first, then parked, then finished; `TABLE_ROWS` at most."""
    rows: list[dict[str, Any]] = []
    for state in (ItemState.FAILED, ItemState.PARKED, ItemState.ACCEPTED):
        records = work.ledger.records(work.id, states=(state,), limit=TABLE_ROWS - len(rows))
        rows += [_row(record) for record in records]
    return rows


def thumbnail_sheet(work: Workplace) -> bytes | None:
    """A JPEG of the first finished items, source above result, under `SHEET_BYTES`; None if there are no previews."""
    from PIL import Image as PilImage

    shown = work.ledger.records(work.id, states=(ItemState.ACCEPTED, ItemState.PARKED))
    columns = [shots for record in islice(shown, SHEET_ITEMS) if (shots := _shots(work, record))]
    if not columns:
        return None
    side = 96
    wide = min(8, len(columns))
    high = -(-len(columns) // wide)
    sheet = PilImage.new("RGB", (wide * side, high * 2 * side), "#e5e7eb")
    for number, shots in enumerate(columns):
        for place, data in enumerate(shots):
            with PilImage.open(io.BytesIO(data)) as shot:
                shot.thumbnail((side - 4, side - 4))
                left = (number % wide) * side + (side - shot.width) // 2
                top = (number // wide * 2 + place) * side + (side - shot.height) // 2
                sheet.paste(shot, (left, top))
    return _small_jpeg(sheet)


def _small_jpeg(sheet: Any) -> bytes:
    for quality in (80, 60, 40, 20):
        file = io.BytesIO()
        sheet.save(file, "JPEG", quality=quality)
        if file.tell() * 4 / 3 < SHEET_BYTES:
            break
    return file.getvalue()


def _shots(work: Workplace, record: Record) -> list[bytes]:
    """The previews of source and result (of source and mask, for a parked item)."""
    key = record.keys.get("preview")
    result = work.store.get(key, verify=False) if key else None
    if result is None:
        return []
    second = "result.jpg" if "result.jpg" in result.names else "mask.jpg"
    try:
        return [result.read(name) for name in ("source.jpg", second) if name in result.names]
    except StoreError:  # cleaned or damaged meanwhile: one picture less on the sheet
        return []


def _row(record: Record) -> dict[str, Any]:
    confidence = "" if record.confidence is None else f"{record.confidence:.2f}"
    return {
        "sku": record.sku,
        "view": record.view,
        "row": record.row,
        "state": str(record.state),
        "confidence": confidence,
        "reason": (record.reason or "")[:300],
    }


def _report(summary: Summary) -> str:
    counts = summary.tally
    return (
        f"# {summary.batch}\n\n"
        "| in | finished | parked | failed |\n|---|---|---|---|\n"
        f"| {counts.total} | {counts.finished} | {counts.parked} | {counts.failed} |\n\n"
        f"{summary.lines[0]}\n\n- folder: `{summary.folder}`\n- contact sheet: `{summary.sheet}`\n"
    )

"""Pages as text: what the templates are given. Everything in them is escaped by the template engine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from masks.review.desk import REDO_FINDERS, Desk, Sheet, reasons
from masks.review.ids import to_id
from pipeline.files.ledger import Batch, Record
from pipeline.types import ItemState

PAGE = 100
"""Items that one page of the queue shows."""

_VERDICTS = {
    "approved": "Approved",
    "edited": "Edited and approved",
    "redo": "To be found again",
    "rejected": "Rejected",
}


def batches_page(desk: Desk) -> str:
    """All batches, newest first, with how many items wait in each."""
    rows = [_batch_row(desk, batch) for batch in desk.ledger.batches()]
    return _render("batches.html.j2", batches=rows, waiting=sum(row["counts"]["parked"] for row in rows))


def queue_page(desk: Desk, batch: Batch, *, settled: bool) -> str:
    """The items of a batch that wait, worst first, or those that were judged."""
    records = desk.settled(batch.id) if settled else desk.ledger.parked(batch.id, limit=PAGE)
    row = _batch_row(desk, batch)
    return _render("queue.html.j2", batch=row, cards=[_card(batch, one) for one in records], settled=settled, page=PAGE)


def editor_page(desk: Desk, sheet: Sheet, *, can_try: bool = False) -> str:
    """One item in the editor."""
    record = sheet.record
    following, at, waiting = desk.following(record.batch, record.sku, record.view)
    photo = desk.photo(record)
    setup = {
        "url": _url(sheet.batch, record),
        "name": f"{record.sku} {record.view}".strip(),
        "queue": f"/batches/{to_id(sheet.batch.id)}",
        "next": _url(sheet.batch, following) if following else None,
        "nextPhoto": _photo(sheet.batch, following) if following else None,
        "base": sheet.base,
        "height": photo.size[0],
        "width": photo.size[1],
        "open": record.state is ItemState.PARKED,
        "own": sheet.own is not None,
        "byBoxes": sheet.own is None and record.scores.get("finder") == "grounding_dino",
    }
    return _render(
        "editor.html.j2",
        setup=setup,
        batch=_batch_row(desk, sheet.batch),
        card=_card(sheet.batch, record),
        photo=_photo(sheet.batch, record),
        revisions=list(reversed(sheet.revisions)),
        stale=sheet.stale,
        at=at,
        waiting=waiting,
        finders=REDO_FINDERS,
        own=sheet.own,
        phrases=sheet.place.phrases,
        can_try=can_try,
    )


def error_page(status: int, message: str) -> str:
    """A page that says what is wrong and leads back."""
    return _render("error.html.j2", status=status, message=message)


def _batch_row(desk: Desk, batch: Batch) -> dict[str, Any]:
    counts = desk.ledger.counts(batch.id)
    return {
        "id": batch.id,
        "name": batch.recipe_name,
        "url": f"/batches/{to_id(batch.id)}",
        "started": batch.started[:16].replace("T", " "),
        "counts": counts,
        "total": sum(counts.values()),
    }


def _card(batch: Batch, record: Record) -> Mapping[str, Any]:
    review = record.scores.get("review")
    said = review if isinstance(review, dict) else {}
    return {
        "sku": record.sku,
        "view": record.view,
        "url": _url(batch, record),
        "state": record.state.value,
        "title": record.attributes.get("title", ""),
        "finder": str(record.scores.get("finder", "")),
        "confidence": record.confidence,
        "reasons": list(reasons(record)),
        "verdict": record.verdict.value if record.verdict else None,
        "verdict_text": _VERDICTS.get(record.verdict.value) if record.verdict else None,
        "verdict_by": record.verdict_by,
        "verdict_at": (record.verdict_at or "")[:16].replace("T", " "),
        "why": str(said.get("why", "")),
        "why_by": str(said.get("by", "")),
        "shown": "taken" if "compose" in record.keys and record.output is None else "mask",
        "version": (record.keys.get("preview") or "0")[:12],
    }


def _url(batch: Batch, record: Record) -> str:
    return f"/batches/{to_id(batch.id)}/items/{to_id(record.sku, record.view)}"


def _photo(batch: Batch, record: Record) -> str:
    return f"{_url(batch, record)}/photo?v={(record.source_digest or '')[:16]}"


def _render(template: str, **values: Any) -> str:
    text: str = _environment().get_template(template).render(version=version("seamline"), **values)
    return text


@cache
def _environment() -> Environment:
    folder = str(files("masks.review").joinpath("templates"))
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

"""The contact sheet: source, mask and result of every item side by side, with its outcome in words.

Reads only the ledger and the store. Pages hold `PAGE` items, so that a catalog of any size opens in a browser.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any
from urllib.parse import quote

from pipeline.errors import StoreError
from pipeline.files.address import join, write_file
from pipeline.files.ledger import Batch, Ledger, Problem, Record
from pipeline.files.store import Result, Store
from pipeline.types import ItemState, Json

PAGE = 100
"""Items on one page of the contact sheet."""

BAD_ROWS_SHOWN = 200
"""Bad rows of the catalog that the first page lists; the rest is counted."""

SHEET = "contact-sheet.html"

OUTCOMES = {
    ItemState.ACCEPTED: "finished",
    ItemState.PARKED: "parked",
    ItemState.FAILED: "failed",
    ItemState.REJECTED: "failed",
}

_SHOTS = (("source", "Source", "not readable"), ("mask", "Mask", "no mask"), ("result", "Result", "not made"))


_FURTHER = (
    ("worn-with", "Worn with it, with their masks"),
    ("placed", "What is worn, laid on its pose"),
    ("controls", "Control maps"),
    ("candidates", "Candidates and their merit, the taken one framed"),
    ("taken", "What was made, not published"),
    ("joins", "Joins, three times enlarged"),
)
"""Pictures of kinds that generate; shown where they exist."""


def outcome(state: ItemState) -> str:
    """What a person wants to know of a state: ``finished``, ``parked``, ``failed`` or ``waiting``."""
    return OUTCOMES.get(state, "waiting")


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture of a card; ``small`` and ``full`` are relative links, or None."""

    kind: str
    title: str
    missing: str
    small: str | None = None
    full: str | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """One item as the contact sheet shows it."""

    sku: str
    view: str
    anchor: str
    outcome: str
    summary: str
    reason: str | None
    shots: tuple[Shot, ...]
    further: tuple[Shot, ...] = ()
    notes: tuple[str, ...] = ()
    measures: tuple[tuple[str, str], ...] = field(default_factory=tuple)


def write_contact_sheet(ledger: Ledger, store: Store, batch_id: str, folder: str) -> str:
    """Write the contact sheet of a batch into its folder, and return the address of its first page.

    Args:
        ledger: holds the batch.
        store: holds the items' previews, under each record's key ``preview``.
        batch_id: which batch.
        folder: the batch's folder or fsspec address; previews go to ``sheet/`` below it.
    """
    batch = ledger.batch(batch_id)
    counts = _outcomes(ledger.counts(batch_id))
    total = sum(counts.values())
    names = [_page_file(number) for number in range(1, max(1, -(-total // PAGE)) + 1)]
    for name, records in zip(names, _pages(ledger.records(batch_id), len(names)), strict=True):
        cards = [card(record, _copy_previews(store, record, folder), folder) for record in records]
        problems = ledger.problems(batch_id) if name == SHEET else []
        page = _render(batch, counts, cards, problems, names, name)
        write_file(join(folder, name), page.encode())
    return join(folder, SHEET)


def card(record: Record, previews: Sequence[str], folder: str = "") -> Card:
    """What the contact sheet says of one record; ``previews`` are links of the previews that exist."""
    small = {link.rsplit(".", 2)[-2]: link for link in previews}
    shots = tuple(
        Shot(kind=kind, title=title, missing=missing, small=small.get(kind), full=_full(kind, record, folder))
        for kind, title, missing in _SHOTS
    )
    finder = record.scores.get("finder")
    confidence = None if record.confidence is None else f"confidence {record.confidence:.2f}"
    return Card(
        sku=record.sku,
        view=record.view,
        anchor=_anchor(record),
        outcome=outcome(record.state),
        summary=", ".join(str(part) for part in (finder, confidence) if part),
        reason=record.reason,
        shots=shots,
        further=tuple(
            Shot(kind=kind, title=title, missing="", small=small[kind])
            for kind, title in _FURTHER
            if kind in small and not (kind == "taken" and "result" in small)
        ),
        notes=tuple(str(note) for note in _list(record.scores.get("reasons")) + _list(record.scores.get("notes"))),
        measures=tuple(_measures(record)),
    )


def _measures(record: Record) -> Iterator[tuple[str, str]]:
    for name, value in record.scores.items():
        if isinstance(value, bool | int | float):
            yield name.replace("_", " "), f"{value:.4g}"
    yield from ((f"{stage}, seconds", f"{seconds:.2f}") for stage, seconds in record.timings.items())


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


def _full(kind: str, record: Record, folder: str) -> str | None:
    """Link of the full-size result, relative to the sheet where it lies below the batch's folder."""
    if kind != "result" or not record.output:
        return None
    inside = record.output.removeprefix(folder.rstrip("/") + "/") if folder else record.output
    return quote(inside) if inside != record.output else record.output


def _anchor(record: Record) -> str:
    """A file and anchor name that no other item shares, whatever characters the SKU has."""
    return hashlib.sha256(f"{record.sku}\0{record.view}".encode()).hexdigest()[:20]


def _copy_previews(store: Store, record: Record, folder: str) -> list[str]:
    key = record.keys.get("preview")
    result = store.get(key) if key else None
    return list(_copied(result, record, folder)) if result is not None else []


def _copied(result: Result, record: Record, folder: str) -> Iterator[str]:
    for name in result.names:
        link = f"sheet/{_anchor(record)}.{name}"
        try:
            data = result.read(name)
        except StoreError:
            continue  # damaged since it was listed: the sheet shows a gap, the next run makes it again
        write_file(join(folder, link), data)
        yield link


def _outcomes(counts: dict[str, int]) -> dict[str, int]:
    summed = dict.fromkeys(("finished", "parked", "failed", "waiting"), 0)
    for state, number in counts.items():
        summed[outcome(ItemState(state))] += number
    return summed


def _page_file(number: int) -> str:
    return SHEET if number == 1 else f"contact-sheet-{number}.html"


def _pages(records: Iterable[Record], number: int) -> Iterator[list[Record]]:
    stream = iter(records)
    for _ in range(number):
        yield list(islice(stream, PAGE))


def _render(
    batch: Batch, counts: dict[str, int], cards: list[Card], problems: list[Problem], names: list[str], here: str
) -> str:
    pages = [{"file": name, "number": number, "here": name == here} for number, name in enumerate(names, 1)]
    lead = f"{batch.id} · {batch.started[:16].replace('T', ' ')} UTC · catalog {batch.catalog}"
    text: str = _template().render(
        title=batch.recipe_name,
        lead=lead,
        counts=counts,
        cards=cards,
        problems=problems[:BAD_ROWS_SHOWN],
        more_problems=max(0, len(problems) - BAD_ROWS_SHOWN),
        pages=pages,
        version=batch.version,
    )
    return text


@cache
def _template() -> Any:
    from jinja2 import Environment

    source = files("pipeline.files").joinpath("templates/contact_sheet.html.j2").read_text()
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)

"""Two batches side by side: which items came out better, worse, other or the same, on one page.

Reads only the ledger, the finished pictures and the store's previews.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import numpy as np

from pipeline.errors import SeamlineError
from pipeline.files.address import read_file
from pipeline.files.ledger import Ledger, Record
from pipeline.files.picture import decode_picture
from pipeline.files.store import Store
from pipeline.pixels.checks import delta_e
from pipeline.types import ItemState

Verdict = Literal["better", "worse", "changed", "same", "only in A", "only in B"]
ORDER: Final[tuple[Verdict, ...]] = ("worse", "better", "changed", "only in A", "only in B", "same")
RANK: Final = {ItemState.ACCEPTED: 2, ItemState.PARKED: 1, ItemState.APPROVED: 1}
"""Finished is better than parked, parked than failed."""
CONFIDENCE_STEP: Final = 0.05
"""Finders differ by less from one photo to the same photo saved again."""
SHOWN: Final = 400
"""Items on the page; the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One batch's word on an item: its outcome, why, the finder's confidence, a small picture as a data URL."""

    outcome: str
    reason: str
    confidence: float | None
    picture: str | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One item in both batches. ``delta_e`` is the mean CIEDE2000 between the finished pictures, None without two."""

    sku: str
    view: str
    verdict: Verdict
    before: Side | None
    after: Side | None
    delta_e: float | None


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What two batches' ledgers say of one item."""

    sku: str
    view: str
    verdict: Verdict
    before: Record | None
    after: Record | None


def compare(ledger: Ledger, first: str, second: str) -> Iterator[Pair]:
    """Match two batches' records by SKU and view, and judge each pair; both streams come in the catalog's order."""
    after = {(one.sku, one.view): one for one in ledger.records(second)}
    for record in ledger.records(first):
        other = after.pop((record.sku, record.view), None)
        verdict: Verdict = judge(record, other) if other else "only in A"
        yield Pair(sku=record.sku, view=record.view, verdict=verdict, before=record, after=other)
    for other in after.values():
        yield Pair(sku=other.sku, view=other.view, verdict="only in B", before=None, after=other)


def judge(before: Record, after: Record) -> Verdict:
    """By outcome, else by the finder's confidence where the pictures differ, else by whether they differ at all."""
    ranks = RANK.get(before.state, 0), RANK.get(after.state, 0)
    if ranks[0] != ranks[1]:
        return "better" if ranks[1] > ranks[0] else "worse"
    own = {"preview", "subject"}  # a preview has no say; a subject speaks through what was made of it
    if {k: v for k, v in before.keys.items() if k not in own} == {k: v for k, v in after.keys.items() if k not in own}:
        return "same"
    gain = (after.confidence or 0) - (before.confidence or 0)
    if abs(gain) >= CONFIDENCE_STEP:
        return "better" if gain > 0 else "worse"
    return "changed"


def compare_page(ledger: Ledger, store: Store, first: str, second: str) -> tuple[str, Counter[str]]:
    """The page as HTML with its pictures inside, and how many items came to which verdict.

    Raises StoreError if the ledger does not know one of the batches.
    """
    heads = ledger.batch(first), ledger.batch(second)
    found = sorted(compare(ledger, first, second), key=lambda pair: ORDER.index(pair.verdict))
    counts = Counter[str](pair.verdict for pair in found)
    rows = [_row(store, pair) for pair in found[:SHOWN]]
    page: str = _template().render(
        first=heads[0], second=heads[1], rows=rows, counts=[(name, counts[name]) for name in ORDER if counts[name]],
        left_out=max(0, len(found) - SHOWN),
    )  # fmt: skip
    return page, counts


def _row(store: Store, pair: Pair) -> Row:
    return Row(
        sku=pair.sku,
        view=pair.view,
        verdict=pair.verdict,
        before=_side(store, pair.before),
        after=_side(store, pair.after),
        delta_e=_distance(pair.before, pair.after) if pair.verdict != "same" else None,
    )


def _side(store: Store, record: Record | None) -> Side | None:
    if record is None:
        return None
    return Side(
        outcome={2: "finished", 1: "parked"}.get(RANK.get(record.state, 0), record.state.value),
        reason=record.reason or "",
        confidence=record.confidence,
        picture=_preview(store, record),
    )


def _preview(store: Store, record: Record) -> str | None:
    """The preview of the result, else of the photo, as a data URL."""
    key = record.keys.get("preview")
    result = store.get(key) if key else None
    if result is None:
        return None
    for kind in ("result", "source"):
        name = next((name for name in result.names if name.startswith(kind)), None)
        if name is not None:
            suffix = name.rsplit(".", 1)[-1].replace("jpg", "jpeg")
            return f"data:image/{suffix};base64,{base64.b64encode(result.read(name)).decode()}"
    return None


def _distance(before: Record | None, after: Record | None) -> float | None:
    if before is None or after is None or not before.output or not after.output:
        return None
    try:
        pictures = [decode_picture(read_file(one.output), one.output).image for one in (before, after) if one.output]
    except SeamlineError:  # moved away since: the page shows what is left
        return None
    if pictures[0].shape != pictures[1].shape:
        return None
    return round(float(np.mean(delta_e(pictures[0], pictures[1]))), 2)


@cache
def _template() -> Any:
    from jinja2 import Environment

    source = files("pipeline.files").joinpath("templates/compare.html.j2").read_text()
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)

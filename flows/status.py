"""The newest batches of a ledger, in lines."""

from __future__ import annotations

from collections.abc import Iterator

from flows.outcome import tally
from pipeline.files.ledger import Ledger


def status_lines(ledger_url: str, last: int) -> Iterator[str]:
    """A line for each of the ``last`` newest batches: id, status, when it began, counts of now."""
    with Ledger.open(ledger_url) as ledger:
        batches = ledger.batches()[:last]
        if not batches:
            yield "no batches yet: begin one with `seamline run CONFIG`"
        for batch in batches:
            counts = tally(ledger.counts(batch.id), len(ledger.problems(batch.id)))
            began = batch.started[:16].replace("T", " ")
            yield f"{batch.id}  {batch.status}  begun {began} UTC  {counts.line}"

"""The end of a batch: its records, its contact sheet, its counts, and what to tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flows.outcome import ChunkOutcome, Tally, tally
from flows.planning import latest_pointer
from flows.workplace import BatchAddress, Workplace, open_workplace
from pipeline.files.address import join, write_file
from pipeline.files.casting import cast_report
from pipeline.files.ledger import BatchStatus
from pipeline.files.report import write_contact_sheet
from pipeline.files.store import canonical_json

PICTURES = "pictures"
RECORDS = "records.jsonl"
SUMMARY = "summary.json"
BAD_ROWS = "bad-rows.jsonl"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run of a batch came to. ``did`` is this run alone, ``tally`` the whole batch, ``cast`` models' shares."""

    batch: str
    folder: str
    sheet: str
    tally: Tally
    did: ChunkOutcome
    seconds: float
    too_many_failed: bool
    cast: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The last words of a run."""
        bad = self.tally.bad_rows
        return [
            self._done,
            self.tally.line,
            *([f"bad rows       {bad} of the failed, told in {join(self.folder, BAD_ROWS)}"] if bad else []),
            *self.cast,
            f"pictures       {join(self.folder, PICTURES)}",
            f"contact sheet  {self.sheet}",
            f"records        {join(self.folder, RECORDS)}",
        ]

    @property
    def _done(self) -> str:
        if not self.did.items:
            return f"nothing to do ({self.seconds:.1f} s): batch {self.batch} is up to date"
        stages = ", ".join(f"{stage} {number}" for stage, number in self.did.executed.items()) or "none"
        return f"batch {self.batch}: {self.did.items} items in {self.seconds:.1f} s (stages executed: {stages})"


def finish_batch(address: BatchAddress, did: ChunkOutcome, seconds: float) -> Summary:
    """Write records, contact sheet and summary of a batch whose chunks are done, and end it in the ledger.

    Called also for a batch in which nothing was done: then it writes only what is missing.
    """
    work = open_workplace(address)
    bad_rows = len(work.ledger.problems(work.id))
    sums = tally(work.ledger.counts(work.id), bad_rows)
    too_many = bool(sums.total) and sums.failed / sums.total > work.recipe.batch.max_failed
    sheet = join(work.folder, "contact-sheet.html")
    status = work.ledger.batch(work.id).status
    if did.items or status is BatchStatus.RUNNING:
        if not sums.left:
            work.ledger.finish_batch(work.id, BatchStatus.FAILED if too_many else BatchStatus.FINISHED)
        sheet = _write_files(work)
    summary = Summary(
        batch=work.id,
        folder=work.folder,
        sheet=sheet,
        tally=sums,
        did=did,
        seconds=seconds,
        too_many_failed=too_many,
        cast=_cast(work),
    )
    _write_summary(work, summary)
    latest_pointer(work)
    return summary


def _cast(work: Workplace) -> tuple[str, ...]:
    """What share of the groups each model of the recipe's mix got."""
    mix = work.recipe.garment.mix
    if not mix:
        return ()
    return tuple(cast_report(((one.sku, one.overrides) for one in work.ledger.records(work.id)), mix))


def _write_files(work: Workplace) -> str:
    work.ledger.export_jsonl(work.id, join(work.folder, RECORDS))
    problems = work.ledger.problems(work.id)
    if problems:
        lines = (canonical_json(asdict(problem), of="a bad row") for problem in problems)
        write_file(join(work.folder, BAD_ROWS), ("\n".join(lines) + "\n").encode())
    sheet = write_contact_sheet(work.ledger, work.store, work.id, work.folder)
    return str(sheet)


def _write_summary(work: Workplace, summary: Summary) -> None:
    body = {"batch": work.id, "counts": asdict(summary.tally), "did": asdict(summary.did), "seconds": summary.seconds}
    body |= {"cast": list(summary.cast)} if summary.cast else {}
    write_file(join(work.folder, SUMMARY), canonical_json(body, of="the summary").encode() + b"\n")

"""What came of items, chunks and batches, in numbers. Plain data: it travels between processes and into Prefect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.types import ItemState

FINISHED = (ItemState.ACCEPTED,)
PARKED = (ItemState.PARKED,)
FAILED = (ItemState.FAILED, ItemState.REJECTED)


@dataclass(frozen=True, kw_only=True)
class ChunkOutcome:
    """What a chunk did: items by their new state, and how often each stage was really executed."""

    states: Mapping[str, int] = field(default_factory=dict)
    executed: Mapping[str, int] = field(default_factory=dict)

    @property
    def items(self) -> int:
        """Items that the chunk brought to an end."""
        return sum(self.states.values())


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of a whole batch: in = finished + parked + failed + left.

    ``bad_rows`` are rows of the catalog that could not become items; they are part of ``failed``. ``left`` is above
    zero only for a batch that was interrupted.
    """

    finished: int = 0
    parked: int = 0
    failed: int = 0
    left: int = 0
    bad_rows: int = 0

    @property
    def total(self) -> int:
        """Everything that the catalog put in."""
        return self.finished + self.parked + self.failed + self.left

    @property
    def line(self) -> str:
        """``in 114 = finished 10 + parked 4 + failed 100``."""
        left = f" + left {self.left}" if self.left else ""
        return f"in {self.total} = finished {self.finished} + parked {self.parked} + failed {self.failed}{left}"


def tally(counts: Mapping[str, int], bad_rows: int = 0) -> Tally:
    """Sum the ledger's counts by state up into the four ends of an item."""
    finished = sum(counts.get(state, 0) for state in FINISHED)
    parked = sum(counts.get(state, 0) for state in PARKED)
    failed = sum(counts.get(state, 0) for state in FAILED)
    left = sum(counts.values()) - finished - parked - failed
    return Tally(finished=finished, parked=parked, failed=failed + bad_rows, left=left, bad_rows=bad_rows)


def add_up(outcomes: list[ChunkOutcome]) -> ChunkOutcome:
    """One outcome for many chunks."""
    states: Counter[str] = Counter()
    executed: Counter[str] = Counter()
    for outcome in outcomes:
        states.update(outcome.states)
        executed.update(outcome.executed)
    return ChunkOutcome(states=dict(states), executed=dict(executed))

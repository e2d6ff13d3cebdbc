"""What the ledger knows: batches, records, and which changes of state are allowed. No database here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from pipeline.errors import SeamlineError
from pipeline.types import Item, ItemState, Json


class BatchStatus(StrEnum):
    """Where a batch stands. A batch that is `RUNNING` may also have been killed: the next run takes it up."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Verdict(StrEnum):
    """A person's word on a mask."""

    APPROVED = "approved"
    EDITED = "edited"
    REDO = "redo"
    REJECTED = "rejected"


_S = ItemState

ALLOWED: Mapping[ItemState, frozenset[ItemState]] = MappingProxyType(
    {
        # Work may be recorded once per stage or once at its end, so an item may skip states on its way.
        _S.PENDING: frozenset({_S.MASKED, _S.PARKED, _S.RENDERED, _S.ACCEPTED, _S.REJECTED, _S.FAILED}),
        _S.MASKED: frozenset({_S.PENDING, _S.PARKED, _S.RENDERED, _S.ACCEPTED, _S.REJECTED, _S.FAILED}),
        # Only a person's word leads out of here; `redo` is pending again.
        _S.PARKED: frozenset({_S.PENDING, _S.APPROVED, _S.REJECTED, _S.FAILED}),
        _S.APPROVED: frozenset({_S.PENDING, _S.PARKED, _S.RENDERED, _S.ACCEPTED, _S.REJECTED, _S.FAILED}),
        _S.RENDERED: frozenset({_S.PENDING, _S.PARKED, _S.ACCEPTED, _S.REJECTED, _S.FAILED}),
        # The ends. An item starts anew from pending: its output is lost, or a person wants it again.
        _S.ACCEPTED: frozenset({_S.PENDING, _S.PARKED}),
        _S.REJECTED: frozenset({_S.PENDING, _S.PARKED, _S.APPROVED}),
        _S.FAILED: frozenset({_S.PENDING}),
    }
)
"""For each state the states that may follow it. Staying in a state is always allowed."""

UNFINISHED = frozenset({_S.PENDING, _S.MASKED, _S.APPROVED, _S.RENDERED})
"""States in which Seamline itself still has something to do; a parked item waits for a person."""


def check_transition(sku: str, view: str, old: ItemState, new: ItemState) -> None:
    """Raise SeamlineError if an item may not go from ``old`` to ``new``."""
    if new != old and new not in ALLOWED[old]:
        choices = ", ".join(sorted(ALLOWED[old]))
        raise SeamlineError(f"{sku}/{view}: a {old} item cannot become {new}; it can become {choices}")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One run of a recipe over a catalog. Times are ISO 8601 text in UTC; ``counts`` are those of its end."""

    id: str
    recipe_name: str
    recipe_digest: str
    recipe_text: str
    catalog: str
    version: str
    started: str
    finished: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    status: BatchStatus = BatchStatus.RUNNING


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of one item in one batch. ``keys`` are results in the store by stage, ``timings`` seconds by stage.

    ``source_digest`` is the SHA-256 of the photo's bytes, ``output`` the address of the finished picture,
    ``confidence`` in [0, 1] the finder's trust in its mask, ``updated`` ISO 8601 text in UTC.
    """

    batch: str
    sku: str
    view: str
    shard: int
    row: int
    address: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Json] = field(default_factory=dict)
    state: ItemState = ItemState.PENDING
    reason: str | None = None
    error: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    source_digest: str | None = None
    scores: Mapping[str, Json] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    attempts: int = 0
    confidence: float | None = None
    verdict: Verdict | None = None
    verdict_by: str | None = None
    verdict_at: str | None = None
    output: str | None = None
    updated: str = ""

    @property
    def item(self) -> Item:
        """The item as the catalog gave it."""
        return Item(
            sku=self.sku,
            view=self.view,
            address=self.address,
            row=self.row,
            attributes=self.attributes,
            overrides=self.overrides,
        )


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A row of the catalog that could not become an item."""

    row: int
    message: str

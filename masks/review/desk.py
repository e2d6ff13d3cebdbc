"""What a reviewer can see and do, without a web page: the queue, photos, masks, verdicts.

Every act is a revision on the shelf first, which only one of two reviewers can add, and then a record in the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from threading import Lock
from typing import Any

from masks.shelf import Conflict, Note, Place, Revision, RevisionKind, Shelf, place_of
from masks.shelf_formats import read_levels, write_levels
from pipeline.errors import SeamlineError
from pipeline.files.encode import encode_picture
from pipeline.files.ledger import Batch, Ledger, Record, Verdict
from pipeline.files.picture import decode_picture, read_bytes
from pipeline.files.recipe import Recipe
from pipeline.files.store import Result, Store
from pipeline.types import ItemState, Size

PREVIEWS = ("source", "mask", "result", "taken")
REVIEWED = (ItemState.APPROVED, ItemState.REJECTED, ItemState.PENDING, ItemState.ACCEPTED)
"""States in which an item with a verdict may be."""
REDO_FINDERS = ("backdrop", "person")
"""Finders that a reviewer may ask for; they need no weights."""

_KINDS = {
    Verdict.APPROVED: RevisionKind.APPROVED,
    Verdict.EDITED: RevisionKind.EDITED,
    Verdict.REDO: RevisionKind.REDO,
    Verdict.REJECTED: RevisionKind.REJECTED,
}
_PHOTO_QUALITY = 95
_PHOTOS_KEPT = 3
_LONGEST_WORD = 500


class Missing(SeamlineError):
    """There is no such batch, item, mask or picture."""


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo as the page shows it: upright sRGB as JPEG, its (height, width)."""

    jpeg: bytes
    size: Size


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One item on the desk. ``base`` is the newest revision, 0 for none; ``own`` the one whose mask is shown.

    ``stale`` is an edit of an earlier photo of this item, which is not used.
    """

    batch: Batch
    record: Record
    place: Place
    revisions: tuple[Revision, ...]
    own: Revision | None
    stale: Revision | None

    @property
    def base(self) -> int:
        """What a save must build upon."""
        return self.revisions[-1].number if self.revisions else 0


class Desk:
    """The reviewer's desk over one ledger, store and shelf. Safe to share between threads."""

    def __init__(self, ledger: Ledger, store: Store, shelf: Shelf) -> None:
        """Reads nothing yet."""
        self.ledger = ledger
        self.store = store
        self.shelf = shelf
        self._lock = Lock()
        self._photo = lru_cache(maxsize=_PHOTOS_KEPT)(_read_photo)

    # Looking

    def batch(self, batch: str) -> Batch:
        """The batch with this id. Raises Missing."""
        try:
            return self.ledger.batch(batch)
        except SeamlineError as error:
            raise Missing(str(error)) from error

    def settled(self, batch: str, limit: int = 200) -> list[Record]:
        """Items with a verdict, newest verdict first."""
        judged = (record for record in self.ledger.records(batch, states=REVIEWED) if record.verdict is not None)
        return sorted(islice(judged, limit), key=lambda record: record.verdict_at or "", reverse=True)

    def sheet(self, batch: str, sku: str, view: str) -> Sheet:
        """One item. Raises Missing, and SeamlineError for one whose photo was never read."""
        found = self.batch(batch)
        try:
            record = self.ledger.record(batch, sku, view)
        except SeamlineError as error:
            raise Missing(str(error)) from error
        place = self._place(found, record)
        revisions = tuple(self.shelf.revisions(place))
        own = _own(revisions)
        stale = None if own else self.shelf.stale(sku, view, place)
        return Sheet(batch=found, record=record, place=place, revisions=revisions, own=own, stale=stale)

    def following(self, batch: str, sku: str, view: str) -> tuple[Record | None, int, int]:
        """The parked item after this one (the first again after the last), this one's place, and how many wait."""
        waiting = self.ledger.parked(batch, limit=10_000)
        at = next((i for i, one in enumerate(waiting) if (one.sku, one.view) == (sku, view)), None)
        others = [one for one in waiting if (one.sku, one.view) != (sku, view)]
        if at is None or not others:
            return (others[0] if others else None), 0 if at is None else at + 1, len(waiting)
        return others[at % len(others)], at + 1, len(waiting)

    def photo(self, record: Record) -> Photo:
        """The item's photo. Raises Conflict if it is no longer the one that the batch saw, and UnreadableImage."""
        return self._photo(record.address, record.source_digest or "", f"{record.sku}/{record.view}")

    def preview(self, record: Record, name: str) -> bytes:
        """A JPEG preview: ``source``, ``mask``, ``result``, or ``taken``, which is not finished. Raises Missing."""
        result = self._result(record, "preview")
        if result is None or f"{name}.jpg" not in result.names:
            raise Missing(f"{record.sku}/{record.view} has no preview {name!r}")
        return result.read(f"{name}.jpg")

    def mask(self, sheet: Sheet, number: int | None = None) -> bytes:
        """PNG of 8-bit grey of revision ``number``; 0 is the found mask, None what a person made, or else the found.

        Raises Missing.
        """
        if number is None:
            revision = sheet.own
        else:
            revision = next((one for one in sheet.revisions if one.number == number and one.mask), None)
            if revision is None and number != 0:
                raise Missing(f"{sheet.record.sku}/{sheet.record.view} has no mask of revision {number}")
        data = self._found(sheet.record) if revision is None else self.shelf.read(revision)
        return write_levels(read_levels(data))

    # Doing

    def save(self, sheet: Sheet, mask: bytes, *, base: int, by: str) -> Revision:
        """Keep a painted mask (PNG of 8-bit grey at the photo's size) as a draft upon revision ``base``.

        Raises Conflict if somebody else saved or judged meanwhile, StoreError for another PNG.
        """
        _check_open(sheet.record)
        levels = read_levels(mask, size=self.photo(sheet.record).size)
        note = self._note(sheet.record, RevisionKind.DRAFT, by, "")
        return self.shelf.save(sheet.place, note, base=base, mask=write_levels(levels))

    def judge(
        self, sheet: Sheet, verdict: Verdict, *, base: int, by: str, why: str = "", finder: str | None = None
    ) -> Record:
        """Record a person's word upon revision ``base``: approved (edited, if a mask was painted), redo, rejected.

        ``finder`` is what a redo shall use from now on for this item. Raises Conflict, and SeamlineError for a redo
        or a rejection without a reason.
        """
        why = why.strip()[:_LONGEST_WORD]
        if verdict in (Verdict.REDO, Verdict.REJECTED) and not why:
            raise SeamlineError(f"{sheet.record.sku}/{sheet.record.view}: say why, so that others can follow")
        if finder is not None and finder not in REDO_FINDERS:
            raise SeamlineError(f"finder {finder!r} cannot be asked for here; choose one of {', '.join(REDO_FINDERS)}")
        if verdict is Verdict.APPROVED and sheet.own is not None:
            verdict = Verdict.EDITED
        with self._lock:
            record = self.ledger.record(sheet.batch.id, sheet.record.sku, sheet.record.view)
            _check_open(record)
            self._shelve(sheet, record, verdict, base=base, by=by, why=why)
            fields: dict[str, Any] = {"scores": {"review": {"why": why, "by": by, "reason": record.reason}}}
            if verdict is Verdict.REJECTED:
                fields["reason"] = f"rejected by {by}: {why}"
            if verdict is Verdict.REDO and finder is not None:
                fields["overrides"] = {**record.overrides, "subject.finder": finder}
            return self.ledger.judge(sheet.batch.id, record.sku, record.view, verdict, by, **fields)

    def reopen(self, sheet: Sheet, *, by: str) -> Record:
        """Take the last word on an item back: it waits again. Raises Conflict if it is in work or done already."""
        record = sheet.record
        if record.verdict is None or record.state is ItemState.ACCEPTED:
            raise Conflict(f"{record.sku}/{record.view} is {record.state}: there is no word to take back")
        with self._lock:
            note = self._note(record, RevisionKind.REOPENED, by, "")
            self.shelf.save(sheet.place, note, base=sheet.base, mask_of=sheet.own)
            before = record.scores.get("review", {}).get("reason")
            fields = {"verdict": None, "verdict_by": None, "verdict_at": None, "reason": before or record.reason}
            return self.ledger.update(sheet.batch.id, record.sku, record.view, state=ItemState.PARKED, **fields)

    # Parts

    def _shelve(self, sheet: Sheet, record: Record, verdict: Verdict, *, base: int, by: str, why: str) -> None:
        note = self._note(record, _KINDS[verdict], by, why)
        if verdict is Verdict.APPROVED:
            self.shelf.save(sheet.place, note, base=base, mask=self._found(record))
        else:
            keep = None if verdict is Verdict.REDO else sheet.own
            self.shelf.save(sheet.place, note, base=base, mask_of=keep)

    def _note(self, record: Record, kind: RevisionKind, by: str, why: str) -> Note:
        composed = self._result(record, "compose")
        return Note(
            kind=kind,
            by=by,
            why=why,
            sku=record.sku,
            view=record.view,
            address=record.address,
            batch=record.batch,
            confidence=record.confidence,
            finder=str(record.scores.get("finder", "")),
            subject_key=record.keys.get("subject", ""),
            picture=composed.digest("image.png") if composed else "",
        )

    def _place(self, batch: Batch, record: Record) -> Place:
        if not record.source_digest:
            raise Missing(f"{record.sku}/{record.view}: its photo has not been read yet, so there is nothing to review")
        recipe = Recipe.model_validate_json(batch.recipe_text).for_item(record.item)
        return place_of(record.source_digest, recipe.subject.phrases)

    def _result(self, record: Record, stage: str) -> Result | None:
        key = record.keys.get(stage)
        return self.store.get(key, verify=False) if key else None

    def _found(self, record: Record) -> bytes:
        result = self._result(record, "subject")
        if result is None:
            raise Missing(f"{record.sku}/{record.view}: its mask is no longer in the store; run the recipe again")
        return result.read("alpha.png")


def reasons(record: Record) -> Iterator[str]:
    """Why an item waits, in words: what the finder said, after what parked it."""
    if record.reason:
        yield record.reason
    said = record.scores.get("reasons")
    yield from (str(reason) for reason in said) if isinstance(said, list) else ()


def _own(revisions: tuple[Revision, ...]) -> Revision | None:
    """The newest mask that a person made, unless a redo has put it aside."""
    newest = revisions[-1] if revisions else None
    return newest if newest is not None and newest.mask and newest.kind is not RevisionKind.APPROVED else None


def _check_open(record: Record) -> None:
    if record.state is not ItemState.PARKED:
        word = f"{record.verdict} by {record.verdict_by}" if record.verdict else str(record.state)
        raise Conflict(f"{record.sku}/{record.view} is {word} already; nothing was changed")


def _read_photo(address: str, digest: str, name: str) -> Photo:
    data = read_bytes(address)
    if hashlib.sha256(data).hexdigest() != digest:
        raise Conflict(f"{name}: its photo has changed since this batch saw it; run the recipe again")
    image = decode_picture(data, name).image
    jpeg = encode_picture(image, file_format="jpeg", quality=_PHOTO_QUALITY)
    return Photo(jpeg=jpeg, size=(image.shape[0], image.shape[1]))

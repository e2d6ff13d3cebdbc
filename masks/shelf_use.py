"""What a batch does with the shelf: a person's mask as the subject, and words on masks that no longer fit."""

from __future__ import annotations

from dataclasses import replace

from masks.shelf import Place, Revision, RevisionKind, Shelf
from masks.shelf_types import IN_FORCE
from pipeline.types import Picture, Subject


def subject_from(shelf: Shelf, revision: Revision, picture: Picture) -> Subject:
    """The subject that a person's mask says. Its soft edge is kept as it was painted; confidence is 1.

    Raises ItemError for a mask that does not fit the picture or is empty, StoreError for a damaged one.
    """
    from masks.find import find_subject

    found = find_subject(picture, finder="file", mask_file=shelf.read(revision))
    why = f": {revision.note.why}" if revision.note.why else ""
    words = f"{revision.kind} by {revision.note.by}, revision {revision.number}{why}"
    return replace(found, finder="shelf", reasons=(words,))


def trusts(word: Revision | None, subject_key: str) -> bool:
    """Whether a person has approved the very mask that ``subject_key`` names, in this batch or an earlier one."""
    return word is not None and word.kind is RevisionKind.APPROVED and word.note.subject_key == subject_key


def has_passed(word: Revision | None, picture: str) -> bool:
    """Whether a person has approved the very picture whose SHA-256 is ``picture``, whatever the checks say of it."""
    passes = word is not None and word.kind in (RevisionKind.APPROVED, *IN_FORCE)
    return passes and word is not None and word.note.picture == picture


def stale_words(shelf: Shelf, sku: str, view: str, place: Place) -> tuple[str, ...]:
    """What to tell of an item whose photo has changed since its mask was edited; nothing for any other."""
    stale = shelf.stale(sku, view, place)
    if stale is None:
        return ()
    said = f"the photo has changed since {stale.note.by} edited its mask ({stale.when[:10]}): that mask was not used"
    return (said,)

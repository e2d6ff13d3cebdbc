"""What lies on the shelf of masks: places, revisions and their kinds. No disk here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from pipeline.errors import SeamlineError, StoreError
from pipeline.types import Size

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Conflict(StoreError):
    """Somebody else has saved this mask meanwhile. Nothing was overwritten: look at theirs, then save again."""


class RevisionKind(StrEnum):
    """What a revision says of its mask."""

    DRAFT = "draft"
    """Saved on the way; batches do not use it, and the word before it stays in force."""
    APPROVED = "approved"
    """The mask that a finder made is right as it is."""
    EDITED = "edited"
    """Painted by a person and approved."""
    IMPORTED = "imported"
    """Made in another program and approved by being imported."""
    REDO = "redo"
    """Find it again: edits so far do not count."""
    REJECTED = "rejected"
    """The photo is not to be used."""
    REOPENED = "reopened"
    """The word before was taken back."""


IN_FORCE = frozenset({RevisionKind.EDITED, RevisionKind.IMPORTED})
"""Kinds whose mask every later batch uses instead of finding one."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where on the shelf a mask lies: the photo (SHA-256 of its bytes) and the phrases that name the subject.

    Order, case and spaces of phrases do not matter. Raises SeamlineError for a digest that is none.
    """

    digest: str
    phrases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Normalise the phrases."""
        if not _DIGEST.fullmatch(self.digest):
            raise SeamlineError(f"{self.digest!r} is not the SHA-256 of a photo: 64 digits 0-9a-f")
        object.__setattr__(self, "phrases", normal_phrases(self.phrases))

    @property
    def name(self) -> str:
        """A file name that stands for photo and phrases."""
        phrases = hashlib.sha256(json.dumps(self.phrases).encode()).hexdigest()[:16]
        return f"{self.digest}-{phrases}"


@dataclass(frozen=True, kw_only=True)
class Note:
    """What is written down with a mask: who, why, for which item, and what the finder thought of its own.

    ``confidence`` (in [0, 1]) and ``finder`` are those of the mask that the person saw; ``subject_key`` is that
    mask's result in the store. ``picture`` is the SHA-256 of the composed picture that the item was parked for, empty
    where it was parked for its mask.
    """

    kind: RevisionKind
    by: str
    sku: str
    view: str
    address: str
    why: str = ""
    batch: str = ""
    confidence: float | None = None
    finder: str = ""
    subject_key: str = ""
    picture: str = ""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One entry of the shelf. Numbers of a place count from 1 without gaps.

    ``mask`` is the SHA-256 of the mask's PNG, None for the mask as the finder made it; ``size`` its (height, width).
    ``when`` is ISO 8601 text in UTC. ``id`` is the SHA-256 of all the rest: keys of results are made of it.
    """

    place: Place
    number: int
    note: Note
    when: str
    mask: str | None = None
    size: Size | None = None
    id: str = ""

    @property
    def kind(self) -> RevisionKind:
        """What this revision says."""
        return self.note.kind

    @property
    def in_force(self) -> bool:
        """Whether batches use this revision's mask in place of a found one."""
        return self.kind in IN_FORCE and self.mask is not None


def normal_phrases(phrases: Sequence[str]) -> tuple[str, ...]:
    """Phrases in the one form that names a place: trimmed, folded, sorted, each once."""
    return tuple(sorted({" ".join(phrase.casefold().split()) for phrase in phrases} - {""}))


def write_revision(revision: Revision) -> bytes:
    """The revision as JSON bytes."""
    values = {**asdict(revision), "layout": 1}
    del values["id"]
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def read_revision(data: bytes, name: str) -> Revision:
    """The revision that `write_revision` wrote. Raises StoreError for anything else; ``name`` is what it is called."""
    try:
        values: dict[str, Any] = json.loads(data)
        if values.pop("layout") != 1:
            raise ValueError("it was written by a newer Seamline")
        place = Place(digest=values["place"]["digest"], phrases=tuple(values["place"]["phrases"]))
        note = Note(**{**values["note"], "kind": RevisionKind(values["note"]["kind"])})
        size = values["size"]
        revision = Revision(**{**values, "place": place, "note": note, "size": size and (size[0], size[1])})
    except (ValueError, TypeError, KeyError, AttributeError, SeamlineError) as error:
        raise StoreError(f"{name}: this revision of a mask cannot be read ({error}); remove the file") from error
    return replace(revision, id=hashlib.sha256(data).hexdigest())

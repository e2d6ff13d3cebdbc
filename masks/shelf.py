"""The shelf: masks kept per source picture and phrases, with every revision, who made it and why.

    ADDRESS/photos/ab/abcd…-phrases/r000001.json …   revisions of one photo's mask, numbered, never changed
    ADDRESS/photos/ab/abcd…-phrases/0f3c….png        masks, named by their own digest
    ADDRESS/items/3e/3e91…/abcd…-phrases.json        which photos an item has had masks for

A mask belongs to the bytes of its photo, so an edited one outlives every later batch until the photo changes; then
`Shelf.stale` finds it, and nothing uses it. The shelf lies beside the store and is not cleaned: the work of people
cannot be made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from masks.shelf_files import create_file, list_names
from masks.shelf_formats import read_levels
from masks.shelf_types import (
    IN_FORCE,
    Conflict,
    Note,
    Place,
    Revision,
    RevisionKind,
    normal_phrases,
    read_revision,
    write_revision,
)
from pipeline.errors import StoreError
from pipeline.files.address import join, read_file
from pipeline.types import Json

__all__ = ["IN_FORCE", "Conflict", "Note", "Place", "Revision", "RevisionKind", "Shelf", "shelf_of"]

_REVISION = re.compile(r"r(\d{6})\.json")


def shelf_of(runs: str) -> Shelf:
    """The shelf that belongs to a ``runs`` folder or address."""
    return Shelf(join(runs, "masks"))


class Shelf:
    """Masks at one address, local or any fsspec address. Cheap to make, safe to share between threads."""

    def __init__(self, address: str | os.PathLike[str], storage_options: Mapping[str, Json] | None = None) -> None:
        """``storage_options`` go to fsspec. Nothing is made on the disk before the first mask."""
        self.address = os.fspath(address)
        self.storage_options = dict(storage_options or {})

    def __repr__(self) -> str:
        """``Shelf('s3://…')``, without options, which may hold credentials."""
        return f"Shelf({self.address!r})"

    # Reading

    def revisions(self, place: Place) -> list[Revision]:
        """All revisions of a place, oldest first. Raises StoreError."""
        return [self._revision(place, number) for number in self._numbers(place)]

    def latest(self, place: Place) -> Revision | None:
        """The newest revision, drafts too: what an editor shows and builds upon."""
        numbers = self._numbers(place)
        return self._revision(place, numbers[-1]) if numbers else None

    def word(self, place: Place) -> Revision | None:
        """A person's last word on a place: the newest revision that is no draft."""
        for number in reversed(self._numbers(place)):
            revision = self._revision(place, number)
            if revision.kind is not RevisionKind.DRAFT:
                return revision
        return None

    def stale(self, sku: str, view: str, place: Place) -> Revision | None:
        """The mask in force that a person made for an earlier photo of this item, if ``place`` has no word yet.

        It is for showing and telling; it does not fit the present photo.
        """
        if self.word(place) is not None:
            return None
        earlier = [self.word(other) for other in self.places(sku, view) if other.phrases == place.phrases]
        found = [word for word in earlier if word is not None and word.in_force and word.place != place]
        return max(found, key=lambda word: word.when, default=None)

    def places(self, sku: str, view: str) -> list[Place]:
        """The photos (with phrases) that masks of this item were saved for."""
        folder = self._item_folder(sku, view)
        places = []
        for name in list_names(folder, storage_options=self.storage_options):
            said = json.loads(read_file(join(folder, name), storage_options=self.storage_options))
            places.append(Place(digest=said["digest"], phrases=tuple(said["phrases"])))
        return places

    def read(self, revision: Revision) -> bytes:
        """The revision's mask: a PNG of one grey channel, 8 or 16 bit. Raises StoreError for none, or a damaged one."""
        if revision.mask is None:
            raise StoreError(f"revision {revision.number} of {revision.note.sku} has no mask of its own")
        address = join(self._folder(revision.place), f"{revision.mask}.png")
        data = read_file(address, storage_options=self.storage_options)
        if hashlib.sha256(data).hexdigest() != revision.mask:
            raise StoreError(
                f"{address}: has other bytes than were written; restore it from a backup, or paint it anew"
            )
        return data

    # Writing

    def save(
        self,
        place: Place,
        note: Note,
        *,
        base: int,
        mask: bytes | None = None,
        mask_of: Revision | None = None,
    ) -> Revision:
        """Add a revision on top of revision ``base`` (0 for the first), and return it.

        Args:
            place: photo and phrases.
            note: who, why and for which item.
            base: number of the newest revision that its author has seen.
            mask: PNG of one grey channel, 255 on the subject, at the photo's size.
            mask_of: keep the mask of this revision instead.

        Raises:
            Conflict: the shelf has a revision newer than ``base``. Nothing was written over.
            StoreError: the mask is no such PNG, or the shelf cannot be written.
        """
        newest = (self._numbers(place) or [0])[-1]
        if newest != base:
            raise self._conflict(place, newest, base)
        digest, size = (mask_of.mask, mask_of.size) if mask_of else (None, None)
        if mask is not None:
            digest, size = self._write_mask(place, mask)
        revision = Revision(
            place=place,
            number=base + 1,
            note=note,
            when=datetime.now(UTC).isoformat(timespec="microseconds"),
            mask=digest,
            size=size,
        )
        self._write_item(place, note.sku, note.view)
        data = write_revision(revision)
        if not self._create(join(self._folder(place), _file_name(base + 1)), data):
            raise self._conflict(place, base + 1, base)
        return read_revision(data, _file_name(base + 1))

    def _write_mask(self, place: Place, mask: bytes) -> tuple[str, tuple[int, int]]:
        levels = read_levels(mask)
        digest = hashlib.sha256(mask).hexdigest()
        self._create(join(self._folder(place), f"{digest}.png"), mask)
        return digest, (levels.shape[0], levels.shape[1])

    def _write_item(self, place: Place, sku: str, view: str) -> None:
        said = {"digest": place.digest, "phrases": place.phrases}
        self._create(join(self._item_folder(sku, view), f"{place.name}.json"), json.dumps(said).encode())

    def _create(self, address: str, data: bytes) -> bool:
        return create_file(address, data, storage_options=self.storage_options)

    def _conflict(self, place: Place, newest: int, base: int) -> Conflict:
        other = self._revision(place, newest)
        return Conflict(
            f"{other.note.sku}/{other.note.view}: {other.note.by} saved revision {newest} ({other.kind}) while you "
            f"worked on revision {base}; nothing was overwritten: reload to see theirs"
        )

    # Names

    def _folder(self, place: Place) -> str:
        return join(self.address, "photos", place.digest[:2], place.name)

    def _item_folder(self, sku: str, view: str) -> str:
        name = hashlib.sha256(f"{sku}\0{view}".encode("utf-8", "surrogatepass")).hexdigest()
        return join(self.address, "items", name[:2], name)

    def _numbers(self, place: Place) -> list[int]:
        names = list_names(self._folder(place), storage_options=self.storage_options)
        return [int(found[1]) for found in map(_REVISION.fullmatch, names) if found]

    def _revision(self, place: Place, number: int) -> Revision:
        address = join(self._folder(place), _file_name(number))
        return read_revision(read_file(address, storage_options=self.storage_options), address)


def _file_name(number: int) -> str:
    return f"r{number:06d}.json"


def place_of(digest: str, phrases: Sequence[str] = ()) -> Place:
    """The place of a photo's mask, by the SHA-256 of the photo's bytes and the phrases that name the subject."""
    return Place(digest=digest, phrases=normal_phrases(phrases))

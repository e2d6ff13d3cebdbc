"""The further garments of a look: photos that a row names beside its own, each found and kept like an item's photo.

Masks lie on the shelf by photo and phrases, so one that a person gave to the same photo in another row counts here too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from flows.way import ItemWay, Made
from masks.shelf_use import trusts
from pipeline.errors import StoreError
from pipeline.files.ledger import Record
from pipeline.files.picture import read_bytes
from pipeline.files.store import Result
from pipeline.types import Json

if TYPE_CHECKING:
    from pipeline.outfits import Piece


def find_companions(way: ItemWay, find: Callable[[ItemWay], Made]) -> str | None:
    """Find the garment in every further photo. Says why the item has to wait where one of the masks is unsure."""
    for one in way.companions:
        found = one.stage("subject", one.keys.subject, partial(find, one))
        confidence, least = float(found.meta["confidence"]), one.recipe.subject.park_below
        if confidence < least and not way.for_show and not trusts(one.word, found.key):
            return (
                f"{one.item.address}: mask confidence {confidence:.2f} is under park_below {least:g}; give this photo "
                "a mask file, or a row of its own whose mask is approved"
            )
    return None


def pieces_of(way: ItemWay) -> tuple[Piece, ...]:
    """The further garments as their subject stages found them."""
    from pipeline.files.codec import unpack_subject
    from pipeline.outfits import Piece

    return tuple(
        Piece(subject=unpack_subject(_found(one)), phrases=tuple(one.recipe.subject.phrases)) for one in way.companions
    )


def companions_told(way: ItemWay) -> dict[str, Json]:
    """What a record says of the further photos: the digests of their bytes by address; nothing without any."""
    digests = {one.item.address: one.digest for one in way.companions}
    return {"worn_with": digests} if digests else {}


def claimed(way: ItemWay, ours: str | None) -> tuple[str | None, bool]:
    """The digital source of a picture that we made as ``ours`` from all photos of the item, and whether one of them
    claims a generated person."""
    from pipeline.files.provenance import combined_source, read_provenance

    generated = False
    for photo in (way, *way.companions):
        before = read_provenance(read_bytes(photo.item.address))
        ours = combined_source(before.digital_source if before else None, ours)
        generated = generated or (before.generated_person if before else False)
    return ours, generated


def companion_preview(way: ItemWay) -> dict[str, bytes]:
    """The contact sheet's picture of the further photos under their masks; empty without any."""
    from pipeline.files.codec import unpack_subject
    from pipeline.files.preview import masked_strip

    shown = [(one.picture.image, unpack_subject(_found(one)).alpha) for one in way.companions if _is_found(one)]
    return {"worn-with.jpg": masked_strip(shown)} if shown else {}


def changed_companion(record: Record, digest: Callable[[str], str]) -> str | None:
    """The first further photo whose bytes are no longer those that the record's picture was made of."""
    known: dict[str, str] = record.scores.get("worn_with") or {}
    return next((address for address, before in known.items() if digest(address) != before), None)


def _is_found(one: ItemWay) -> bool:
    return one.work.store.has(one.keys.subject)


def _found(one: ItemWay) -> Result:
    found = one.work.store.get(one.keys.subject)
    if found is None:
        raise StoreError(f"the mask of {one.item.address} is no longer in the store: run the batch again")
    return found

"""What a batch does with a person's mask."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from masks.shelf import Note, Revision, RevisionKind, Shelf, place_of
from masks.shelf_formats import write_levels
from masks.shelf_use import stale_words, subject_from, trusts
from pipeline.errors import ItemError
from pipeline.types import Picture

PLACE = place_of(hashlib.sha256(b"photo").hexdigest())


def save(shelf: Shelf, levels: np.ndarray, kind: RevisionKind = RevisionKind.EDITED) -> Revision:
    note = Note(kind=kind, by="anna", sku="A", view="front", address="a.jpg", why="strap", subject_key="ab" * 32)
    return shelf.save(PLACE, note, base=0, mask=write_levels(levels))


def test_a_painted_mask_is_the_subject_level_for_level(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shelf = Shelf(tmp_path)
    picture = Picture(image=np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    subject = subject_from(shelf, save(shelf, levels), picture)
    np.testing.assert_array_equal(np.rint(subject.alpha * 255), levels)
    assert (subject.finder, subject.confidence) == ("shelf", 1.0)
    assert subject.reasons == ("edited by anna, revision 1: strap",)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    saved = save(shelf, np.full((4, 4), 255, np.uint8))
    with pytest.raises(ItemError, match="4x4 but the photo is 9x8"):
        subject_from(shelf, saved, Picture(image=np.zeros((8, 9, 3), np.uint8)))


def test_trust_is_in_one_mask_and_not_in_the_next(tmp_path: Path) -> None:
    word = save(Shelf(tmp_path), np.full((4, 4), 255, np.uint8), RevisionKind.APPROVED)
    assert trusts(word, "ab" * 32)
    assert not trusts(word, "cd" * 32)
    assert not trusts(None, "ab" * 32)


def test_a_changed_photo_is_told_of_once_a_mask_was_edited(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    save(shelf, np.full((4, 4), 255, np.uint8))
    other = place_of(hashlib.sha256(b"new photo").hexdigest())
    (words,) = stale_words(shelf, "A", "front", other)
    assert "the photo has changed since anna edited its mask" in words
    assert stale_words(shelf, "A", "front", PLACE) == ()

"""The shelf: revisions, words, conflicts, photos that change; on a disk, in memory and on S3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from masks.shelf import Conflict, Note, Place, RevisionKind, Shelf, place_of, shelf_of
from masks.shelf_formats import read_levels, write_levels
from pipeline.errors import SeamlineError, StoreError

PHOTO = hashlib.sha256(b"photo").hexdigest()
OTHER = hashlib.sha256(b"another photo").hexdigest()
PLACE = place_of(PHOTO, ["shoe"])


def note(kind: RevisionKind = RevisionKind.EDITED, by: str = "anna", **more: str) -> Note:
    return Note(kind=kind, by=by, sku="A-1", view="front", address="photos/a.jpg", **more)


def mask(seed: int = 0) -> bytes:
    return write_levels(np.random.default_rng(seed).integers(0, 256, (7, 5), np.uint8))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return shelf_of(str(tmp_path / "runs"))


@pytest.fixture(params=["disk", "memory"])
def any_shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    if request.param == "disk":
        yield Shelf(tmp_path / "masks")
    else:
        yield Shelf(f"memory://shelf-{tmp_path.name}")


def test_an_empty_shelf_knows_nothing_and_writes_nothing(shelf: Shelf) -> None:
    assert shelf.latest(PLACE) is None
    assert shelf.word(PLACE) is None
    assert shelf.stale("A-1", "front", PLACE) is None
    assert not Path(shelf.address).exists()


def test_masks_come_back_byte_for_byte_with_who_and_why(any_shelf: Shelf) -> None:
    saved = any_shelf.save(PLACE, note(why="strap was missing"), base=0, mask=mask())
    found = any_shelf.latest(PLACE)
    assert found == saved
    assert (found.number, found.note.by, found.note.why, found.size) == (1, "anna", "strap was missing", (7, 5))
    assert any_shelf.read(found) == mask()
    assert len(found.id) == 64


def test_every_revision_stays(any_shelf: Shelf) -> None:
    for number in range(3):
        any_shelf.save(PLACE, note(), base=number, mask=mask(number))
    revisions = any_shelf.revisions(PLACE)
    assert [revision.number for revision in revisions] == [1, 2, 3]
    assert [any_shelf.read(revision) for revision in revisions] == [mask(0), mask(1), mask(2)]
    assert len({revision.id for revision in revisions}) == 3


def test_a_save_upon_an_old_revision_is_refused_and_changes_nothing(any_shelf: Shelf) -> None:
    any_shelf.save(PLACE, note(by="anna"), base=0, mask=mask(1))
    with pytest.raises(Conflict, match=r"A-1/front: anna saved revision 1 \(edited\) while you worked on revision 0"):
        any_shelf.save(PLACE, note(by="ben"), base=0, mask=mask(2))
    assert [revision.note.by for revision in any_shelf.revisions(PLACE)] == ["anna"]
    assert any_shelf.read(any_shelf.revisions(PLACE)[0]) == mask(1)


def test_a_base_that_is_not_there_yet_is_refused(shelf: Shelf) -> None:
    shelf.save(PLACE, note(), base=0, mask=mask())
    with pytest.raises(Conflict):
        shelf.save(PLACE, note(), base=5, mask=mask())


def test_of_many_writers_at_once_one_wins(shelf: Shelf) -> None:
    def write(seed: int) -> bool:
        try:
            shelf.save(PLACE, note(by=str(seed)), base=0, mask=mask(seed))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(write, range(16)))
    assert won.count(True) == 1
    (only,) = shelf.revisions(PLACE)
    assert only.note.by == str(won.index(True))
    assert shelf.read(only) == mask(won.index(True))
    assert not [path for path in Path(shelf.address).rglob(".*") if path.is_file()], "no temporary file is left"


def test_of_two_writers_on_s3_one_wins() -> None:
    from tests.servers import s3_server

    with s3_server() as s3:
        shelf = Shelf(f"{s3.address}/masks", s3.storage_options)
        shelf.save(PLACE, note(by="anna"), base=0, mask=mask(1))
        with pytest.raises(Conflict):
            shelf.save(PLACE, note(by="ben"), base=0, mask=mask(2))
        # The second has listed the folder before the first wrote: only the object store can tell them apart.
        late = Shelf(f"{s3.address}/masks", s3.storage_options)
        late._numbers = lambda place: []  # type: ignore[method-assign]
        with pytest.raises(Conflict):
            late.save(PLACE, note(by="ben"), base=0, mask=mask(2))
        assert shelf.read(shelf.revisions(PLACE)[0]) == mask(1)


def test_phrases_name_a_place_whatever_their_order_and_case() -> None:
    assert place_of(PHOTO, ["Red  shoe", "bag"]) == place_of(PHOTO, ["bag", "red shoe", "BAG", " "])
    assert place_of(PHOTO, ["shoe"]).name != place_of(PHOTO, ["bag"]).name
    assert place_of(PHOTO).name != place_of(OTHER).name


def test_a_place_needs_a_real_digest() -> None:
    with pytest.raises(SeamlineError, match="SHA-256"):
        Place(digest="../../etc/passwd")


def test_a_draft_leaves_the_word_before_it_in_force(shelf: Shelf) -> None:
    word = shelf.save(PLACE, note(), base=0, mask=mask(1))
    draft = shelf.save(PLACE, note(RevisionKind.DRAFT), base=1, mask=mask(2))
    assert shelf.word(PLACE) == word
    assert shelf.latest(PLACE) == draft
    assert word.in_force
    assert not draft.in_force


@pytest.mark.parametrize("kind", [RevisionKind.REDO, RevisionKind.REOPENED, RevisionKind.REJECTED])
def test_a_later_word_takes_an_edit_out_of_force(shelf: Shelf, kind: RevisionKind) -> None:
    edited = shelf.save(PLACE, note(), base=0, mask=mask(1))
    later = shelf.save(PLACE, note(kind), base=1, mask_of=edited)
    assert shelf.word(PLACE) == later
    assert not later.in_force
    assert later.mask == edited.mask


def test_an_edited_mask_outlives_batches_until_its_photo_changes(shelf: Shelf) -> None:
    edited = shelf.save(PLACE, note(), base=0, mask=mask())
    assert shelf_of(shelf.address.removesuffix("/masks")).word(PLACE) == edited
    assert shelf.stale("A-1", "front", PLACE) is None
    changed = place_of(OTHER, ["shoe"])
    assert shelf.word(changed) is None, "never used in silence"
    assert shelf.stale("A-1", "front", changed) == edited
    assert shelf.stale("A-2", "front", changed) is None
    assert shelf.stale("A-1", "front", place_of(OTHER, ["bag"])) is None
    shelf.save(changed, note(), base=0, mask=mask(3))
    assert shelf.stale("A-1", "front", changed) is None, "the new photo has a mask of its own"


def test_a_withdrawn_edit_is_not_stale_either(shelf: Shelf) -> None:
    shelf.save(PLACE, note(), base=0, mask=mask())
    shelf.save(PLACE, note(RevisionKind.REDO), base=1)
    assert shelf.stale("A-1", "front", place_of(OTHER, ["shoe"])) is None


def test_damaged_masks_are_not_handed_out(shelf: Shelf) -> None:
    saved = shelf.save(PLACE, note(), base=0, mask=mask())
    (file,) = Path(shelf.address).rglob(f"{saved.mask}.png")
    file.write_bytes(mask(9))
    with pytest.raises(StoreError, match="other bytes"):
        shelf.read(saved)


def test_a_revision_that_is_no_json_says_which_file(shelf: Shelf) -> None:
    shelf.save(PLACE, note(), base=0, mask=mask())
    (file,) = Path(shelf.address).rglob("r000001.json")
    file.write_text("{}")
    with pytest.raises(StoreError, match=r"r000001\.json"):
        shelf.latest(PLACE)


def test_only_grey_png_is_taken(shelf: Shelf) -> None:
    for wrong in (b"", b"no picture", mask()[:40]):
        with pytest.raises(StoreError):
            shelf.save(PLACE, note(), base=0, mask=wrong)
    assert shelf.latest(PLACE) is None


def test_a_word_without_mask_says_so(shelf: Shelf) -> None:
    saved = shelf.save(PLACE, note(RevisionKind.APPROVED), base=0)
    with pytest.raises(StoreError, match="no mask of its own"):
        shelf.read(saved)


def test_levels_of_a_stored_mask_are_what_was_painted(shelf: Shelf) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    saved = shelf.save(PLACE, note(), base=0, mask=write_levels(levels))
    np.testing.assert_array_equal(read_levels(shelf.read(saved)), levels)

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from flows.sources import source_digest
from pipeline.errors import UnreadableImage
from pipeline.files.store import Store


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    store, file = Store(tmp_path / "store"), tmp_path / "photo.jpg"
    file.write_bytes(b"first")
    expected = hashlib.sha256(b"first").hexdigest()
    assert source_digest(str(file), store) == (expected, b"first")
    assert source_digest(str(file), store) == (expected, None)


def test_a_changed_file_is_seen(tmp_path: Path) -> None:
    store, file = Store(tmp_path / "store"), tmp_path / "photo.jpg"
    file.write_bytes(b"first")
    before, _ = source_digest(str(file), store)
    file.write_bytes(b"other")  # the same size
    assert source_digest(str(file), store)[0] != before


def test_a_missing_file_is_an_item_s_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="no such file"):
        source_digest(str(tmp_path / "nothing.jpg"), Store(tmp_path / "store"))


def test_objects_are_known_by_what_their_store_says_of_them(tmp_path: Path) -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.pipe_file("/catalog/photo.jpg", b"first")
    store = Store(tmp_path / "store")
    first = source_digest("memory://catalog/photo.jpg", store)
    assert first[1] == b"first"
    assert source_digest("memory://catalog/photo.jpg", store) == (first[0], None)
    fs.pipe_file("/catalog/photo.jpg", b"other")
    assert source_digest("memory://catalog/photo.jpg", store)[0] != first[0]

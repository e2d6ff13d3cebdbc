"""A hundred bad and odd files: a picture or one clear error each, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.errors import UnreadableImage
from pipeline.files.picture import read_picture
from tests.bad_files import KINDS, BadFile, write_bad_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[BadFile]:
    return write_bad_files(tmp_path_factory.mktemp("bad"), 100, seed=5)


def test_the_maker_is_deterministic_and_covers_every_kind(tmp_path: Path, files: list[BadFile]) -> None:
    again = write_bad_files(tmp_path, 100, seed=5)
    assert {file.kind for file in files} == set(KINDS)
    for first, second in zip(files, again, strict=True):
        assert first.path.is_dir() or first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind(kind: str, files: list[BadFile]) -> None:
    for file in (file for file in files if file.kind == kind):
        started = time.monotonic()
        if file.readable:
            picture = read_picture(str(file.path))
            assert picture.image.shape[2] == 3
            assert picture.image.std() > 5
        else:
            with pytest.raises(UnreadableImage) as caught:
                read_picture(str(file.path))
            message = str(caught.value)
            assert message.startswith(f"{file.path}: ")
            assert message.count("\n") == 0
            assert ";" in message or "crop it" in message, "says what to do"
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("html", "web page"),
        ("svg", "SVG"),
        ("heic", "HEIC"),
        ("zip", "ZIP"),
        ("video", "video"),
        ("empty", "0 bytes"),
        ("text", "is text"),
        ("bomb", "million"),
        ("bomb-header", "million"),
        ("bad-checksum", "IDAT chunk has a wrong checksum"),
        ("lfs-pointer", "git lfs pull"),
        ("truncated-jpeg", "cut short"),
        ("one-pixel", "1 x 1 px"),
        ("transparent", "transparent everywhere"),
    ],
)
def test_errors_name_what_the_file_is(kind: str, says: str, files: list[BadFile]) -> None:
    with pytest.raises(UnreadableImage, match=says):
        read_picture(str(next(file.path for file in files if file.kind == kind)))


@pytest.mark.parametrize(
    ("kind", "says"),
    [("cmyk", "CMYK"), ("corrupt-icc", "ICC"), ("corrupt-exif", "EXIF"), ("wrong-exif", "42"), ("mpo", "first of 2")],
)
def test_conversions_are_recorded(kind: str, says: str, files: list[BadFile]) -> None:
    picture = read_picture(str(next(file.path for file in files if file.kind == kind)))
    assert any(says in note for note in picture.notes)

"""Decoding: orientation, depth, alpha, palettes, frames, limits, addresses."""

from __future__ import annotations

import io
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage

from pipeline.errors import StoreError, UnreadableImage
from pipeline.files.picture import Limits, decode_picture, read_picture
from tests.bad_files import exif, png, png16, product, saved

RNG = np.random.default_rng(3)


def letter_f() -> np.ndarray:
    """An F: no two of the eight orientations of it look the same."""
    image = np.full((96, 64, 3), 255, np.uint8)
    image[8:88, 8:20] = image[8:20, 8:56] = image[40:52, 8:40] = (200, 30, 30)
    return image


# What a camera stores so that a viewer who applies the orientation sees the upright picture: each is written out
# by hand, not with the transpositions that the code under test uses.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[:, ::-1],
}


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_comes_out_upright(orientation: int, file_format: str) -> None:
    stored = np.ascontiguousarray(STORED[orientation](letter_f()))
    options = {"lossless": True} if file_format == "WEBP" else {"quality": 98} if file_format == "JPEG" else {}
    picture = decode_picture(saved(stored, file_format, exif=exif(orientation), **options), "f")
    assert picture.image.shape == letter_f().shape
    assert np.abs(picture.image.astype(int) - letter_f()).mean() < 2


def test_orientation_turns_alpha_and_16_bit_pixels_too() -> None:
    alpha = np.zeros((96, 64), np.uint8)
    alpha[:10] = 255
    stored = np.ascontiguousarray(STORED[6](np.dstack([letter_f(), alpha])))
    picture = decode_picture(saved(stored, "PNG", exif=exif(6)), "f")
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, alpha / np.float32(255))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_rounded_not_clipped(channels: int) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)[..., None].repeat(channels, 2)
    picture = decode_picture(png16(np.ascontiguousarray(values)), "deep")
    expected = np.rint(np.arange(65536) / 257).astype(np.uint8).reshape(256, 256)
    np.testing.assert_array_equal(picture.image, expected[..., None].repeat(3, 2))
    assert "16 bit to 8" in picture.notes
    assert (picture.alpha is not None) == (channels in (2, 4))


def test_16_bit_colours_keep_their_order() -> None:
    levels = np.zeros((40, 40, 3), np.uint16)
    levels[..., 0] = 65535
    assert tuple(decode_picture(png16(levels), "red").image[5, 5]) == (255, 0, 0)


def test_16_bit_tiff_is_rounded() -> None:
    import cv2

    levels = np.full((40, 40, 3), (1000, 32000, 65280), np.uint16)
    ok, data = cv2.imencode(".tiff", levels[..., ::-1])
    picture = decode_picture(data.tobytes(), "deep.tif")
    assert ok
    assert tuple(picture.image[3, 3]) == (4, 125, 254)


def test_float_tiff_scales_by_its_range() -> None:
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    picture = decode_picture(saved(PilImage.fromarray(ramp), "TIFF"), "float")
    np.testing.assert_array_equal(picture.image[..., 0], np.rint(ramp * 255))
    with pytest.raises(UnreadableImage, match="no known white"):
        decode_picture(saved(PilImage.fromarray(ramp * 1e6), "TIFF"), "float")


def test_colours_under_alpha_are_kept_and_alpha_is_straight() -> None:
    pixels = RNG.integers(0, 256, (50, 40, 4), dtype=np.uint8)
    picture = decode_picture(saved(pixels, "PNG"), "a")
    np.testing.assert_array_equal(picture.image, pixels[..., :3])
    assert picture.alpha is not None
    assert picture.alpha.dtype == np.float32
    np.testing.assert_array_equal(np.rint(picture.alpha * 255), pixels[..., 3])


def test_opaque_alpha_is_none() -> None:
    opaque = np.dstack([letter_f(), np.full((96, 64), 255, np.uint8)])
    assert decode_picture(saved(opaque, "PNG"), "a").alpha is None


def test_premultiplied_tiff_is_divided_out() -> None:
    stored = np.full((40, 40, 4), (100, 50, 0, 128), np.uint8)
    straight = saved(stored, "TIFF")
    extra_samples = b"\x52\x01\x03\x00\x01\x00\x00\x00"
    assert extra_samples + b"\x02" in straight
    picture = decode_picture(straight.replace(extra_samples + b"\x02", extra_samples + b"\x01"), "a")
    assert np.abs(picture.image[0, 0].astype(int) - (199, 100, 0)).max() <= 1
    assert "premultiplied alpha divided out" in picture.notes


def test_palette_with_transparency() -> None:
    image = PilImage.fromarray(letter_f()).quantize(4)
    background = image.getpixel((0, 0))
    picture = decode_picture(saved(image, "PNG", transparency=background), "p")
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 0
    assert picture.alpha[10, 10] == 1
    assert "palette to RGB" in picture.notes


def test_grey_alpha_and_one_bit() -> None:
    grey = np.dstack([letter_f()[..., 1], np.full((96, 64), 90, np.uint8)])
    picture = decode_picture(saved(PilImage.fromarray(grey), "PNG"), "la")
    np.testing.assert_array_equal(picture.image[..., 2], letter_f()[..., 1])
    bits = decode_picture(saved(PilImage.fromarray(letter_f()[..., 1]).convert("1"), "PNG"), "bits")
    assert set(np.unique(bits.image)) == {0, 255}


@pytest.mark.parametrize(
    ("file_format", "what"), [("GIF", "frames"), ("WEBP", "frames"), ("TIFF", "pages"), ("MPO", "pictures")]
)
def test_the_first_of_several_is_taken_and_recorded(file_format: str, what: str) -> None:
    frames = [PilImage.new("RGB", (48, 48), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    picture = decode_picture(saved(frames[0], file_format, save_all=True, append_images=frames[1:]), "a")
    assert f"first of 3 {what}" in picture.notes
    assert picture.image[5, 5, 0] > 240
    assert picture.image[5, 5, 1:].max() < 10


def test_limits_are_named_in_the_error() -> None:
    data = saved(product(RNG), "PNG")
    with pytest.raises(UnreadableImage, match=r"x\.png: has 120 x 160 px .* save it at a smaller size"):
        decode_picture(data, "x.png", limits=Limits(max_pixels=100 * 100))
    with pytest.raises(UnreadableImage, match="under 200 px a side"):
        decode_picture(data, "x.png", limits=Limits(min_side_px=200))
    with pytest.raises(UnreadableImage, match=r"longer than 1\.2 to 1"):
        decode_picture(data, "x.png", limits=Limits(max_aspect=1.2))


def test_large_pictures_raise_no_warning_of_pillows() -> None:
    limit = PilImage.MAX_IMAGE_PIXELS
    with pytest.raises(UnreadableImage, match="cut short"):
        decode_picture(png(10_000, 9_000, 8, 2, b"\0"), "wide.png")
    assert limit == PilImage.MAX_IMAGE_PIXELS


def test_what_pillow_warns_of_becomes_a_note() -> None:
    block = bytearray(exif(6))
    block[10:14] = (2).to_bytes(4, "little")[:4] if block[6:8] == b"II" else (2).to_bytes(4, "big")
    damaged = bytes(block[:-7]) + b"\x0c\x01\x0c\x00\x00\x00\xff\xff\xff\x7f"
    picture = decode_picture(saved(product(RNG), "JPEG", exif=damaged), "x.jpg")
    assert any("EXIF" in note for note in picture.notes), picture.notes


def test_a_cut_file_is_refused_at_every_length(tmp_path: Path) -> None:
    data = saved(product(RNG), "JPEG", quality=90)
    for share in np.linspace(0.01, 0.97, 25):
        with pytest.raises(UnreadableImage, match=r"copy it again|cut short"):
            decode_picture(data[: int(len(data) * share)], "cut.jpg")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"]), st.data())
def test_flipped_bytes_give_a_picture_or_an_unreadable_image(file_format: str, data: st.DataObject) -> None:
    original = bytearray(ORIGINALS[file_format])
    for _ in range(data.draw(st.integers(1, 8))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode_picture(bytes(original), "flipped", limits=Limits(max_pixels=1_000_000))
    except UnreadableImage:
        return
    else:
        assert picture.image.dtype == np.uint8
        assert picture.image.ndim == 3


ORIGINALS = {
    name: saved(product(np.random.default_rng(1)), name) for name in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF")
}


def test_reads_any_address_up_to_the_byte_limit(tmp_path: Path) -> None:
    data = saved(product(RNG), "PNG")
    (tmp_path / "ä b#1.png").write_bytes(data)
    local = read_picture(str(tmp_path / "ä b#1.png"))
    fsspec.filesystem("memory").pipe("/photos/a.png", data)
    remote = read_picture("memory://photos/a.png")
    np.testing.assert_array_equal(local.image, remote.image)
    assert local.digest == remote.digest
    with pytest.raises(UnreadableImage, match="larger than 0 MB"):
        read_picture("memory://photos/a.png", limits=Limits(max_bytes=len(data) - 1))
    assert read_picture("memory://photos/a.png", limits=Limits(max_bytes=len(data))).digest == local.digest


def test_never_reads_more_than_the_byte_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size)
            return super().read(size)

    monkeypatch.setattr(Path, "open", lambda self, mode: Counting(b"x" * 50))
    with pytest.raises(UnreadableImage):
        read_picture(str(tmp_path / "a.jpg"), limits=Limits(max_bytes=10))
    assert asked == [11]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/nowhere/a.jpg", "no such file"),
        ("memory://nowhere/a.jpg", "no such file"),
        ("a\0b.jpg", "not a usable address"),
        ("x" * 5000 + ".jpg", "not a usable address"),
        ("nosuch://a.jpg", "nosuch"),
    ],
)
def test_bad_addresses_are_item_errors(address: str, says: str) -> None:
    with pytest.raises(UnreadableImage, match=says):
        read_picture(address)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="folder"):
        read_picture(str(tmp_path))


def test_a_failing_disk_is_not_the_items_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, mode: str) -> io.BytesIO:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(StoreError, match="Input/output error"):
        read_picture("a.jpg")

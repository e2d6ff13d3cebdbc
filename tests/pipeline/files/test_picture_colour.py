"""ICC profiles, really built byte by byte, against the arithmetic of their definition."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PilImage

from pipeline.files.encode import srgb_profile
from pipeline.files.picture import decode_picture
from tests.bad_files import png16, saved

# Primaries adapted to D50, as columns of XYZ.
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
GAMMA = 2.19921875
D50 = (0.9642, 1.0, 0.8249)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def icc(space: bytes, kind: bytes, tags: dict[bytes, bytes], pcs: bytes = b"XYZ ") -> bytes:
    """An ICC version 2 profile of the given tags."""
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += padded
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"test", 0x02400000, kind, space, pcs)
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(24) + struct.pack(">I", 0) + fixed(*D50)
    return head.ljust(128, b"\0") + table + body


def described(name: bytes) -> dict[bytes, bytes]:
    text = name + b"\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(4 + 4 + 2 + 1 + 67)
    return {b"desc": desc, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": b"XYZ " + bytes(4) + fixed(*D50)}


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def matrix_profile(primaries: NDArray[np.float64], name: bytes, gamma: float = GAMMA) -> bytes:
    tags = described(name)
    for column, letter in enumerate((b"r", b"g", b"b")):
        tags[letter + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*primaries[:, column])
        tags[letter + b"TRC"] = curve(gamma)
    return icc(b"RGB ", b"mntr", tags)


def srgb_of(levels: NDArray[np.uint8], primaries: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.linalg.inv(SRGB) @ primaries @ ((levels.reshape(-1, 3) / 255) ** GAMMA).T
    linear = np.clip(linear.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255).reshape(levels.shape))


@pytest.mark.parametrize(("primaries", "name"), [(DISPLAY_P3, b"Display P3 test"), (ADOBE_RGB, b"Adobe RGB test")])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_wide_gamut_becomes_srgb(primaries: NDArray[np.float64], name: bytes, file_format: str) -> None:
    levels = np.random.default_rng(0).integers(30, 230, (48, 48, 3)).astype(np.uint8)
    picture = decode_picture(saved(levels, file_format, icc_profile=matrix_profile(primaries, name)), "wide")
    error = np.abs(picture.image - srgb_of(levels, primaries))
    assert error.max() <= 3
    assert np.abs(levels - srgb_of(levels, primaries)).max() > 20, "the profile matters"
    assert f"{name.decode()} to sRGB" in picture.notes


def test_profiles_apply_to_jpeg_alpha_palette_and_16_bit() -> None:
    profile = matrix_profile(ADOBE_RGB, b"Adobe RGB test")
    flat = np.full((40, 40, 3), (60, 180, 90), np.uint8)
    wanted = srgb_of(flat, ADOBE_RGB)[0, 0]
    files = {
        "jpeg": saved(flat, "JPEG", icc_profile=profile, quality=100, subsampling=0),
        "alpha": saved(np.dstack([flat, np.full((40, 40), 99, np.uint8)]), "PNG", icc_profile=profile),
        "palette": saved(PilImage.fromarray(flat).quantize(4), "PNG", icc_profile=profile),
    }
    for name, data in files.items():
        assert np.abs(decode_picture(data, name).image[9, 9] - wanted).max() <= 4, name


def test_srgb_by_any_name_leaves_pixels_untouched() -> None:
    levels = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    picture = decode_picture(saved(levels, "PNG", icc_profile=srgb_profile()), "same")
    np.testing.assert_array_equal(picture.image, levels)
    assert picture.notes == ()


def test_grey_profile() -> None:
    linear = icc(b"GRAY", b"mntr", described(b"Linear grey") | {b"kTRC": curve(1.0)})
    grey = PilImage.new("L", (40, 40), 128)
    picture = decode_picture(saved(grey, "PNG", icc_profile=linear), "grey")
    assert abs(int(picture.image[0, 0, 0]) - 188) <= 1
    assert "Linear grey to sRGB" in picture.notes


def test_a_profile_for_another_space_is_left_out_and_noted() -> None:
    grey_profile = icc(b"GRAY", b"mntr", described(b"Linear grey") | {b"kTRC": curve(1.0)})
    levels = np.full((40, 40, 3), (10, 200, 100), np.uint8)
    picture = decode_picture(saved(levels, "PNG", icc_profile=grey_profile), "odd")
    np.testing.assert_array_equal(picture.image, levels)
    assert any("left out" in note for note in picture.notes)


def cmyk_profile(black_lightness: float = 0) -> bytes:
    """A press whose magenta prints as Lab (50, 60, 0), and the other inks as greys: nothing like the plain formula."""
    corners = b""
    for number in range(16):
        cyan, magenta, yellow, black = (number >> bit & 1 for bit in (3, 2, 1, 0))
        lightness = black_lightness if black else 50 if magenta else 100 - 20 * cyan - 10 * yellow
        corners += bytes([round(lightness * 2.55), 128 + (60 if magenta and not black else 0), 128])
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * 4 + corners + ramp * 3
    return icc(b"CMYK", b"prtr", described(b"Test press") | {b"A2B0": lut}, pcs=b"Lab ")


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_with_a_profile(file_format: str) -> None:
    inks = np.zeros((64, 64, 4), np.uint8)
    inks[:, 32:, 1] = 255
    image = PilImage.frombytes("CMYK", (64, 64), inks.tobytes())
    options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
    picture = decode_picture(saved(image, file_format, icc_profile=cmyk_profile(), **options), "press")
    paper, magenta = picture.image[5, 5].astype(int), picture.image[5, 60].astype(int)
    assert paper.min() >= 252
    # Lab (50, 60, 0) is about sRGB (208, 69, 120); the plain formula would give (255, 0, 255).
    assert np.abs(magenta - (203, 69, 121)).max() <= 12
    assert "Test press to sRGB" in picture.notes


def test_the_black_of_a_weak_press_becomes_black() -> None:
    inks = np.full((40, 40, 4), (0, 0, 0, 255), np.uint8)
    image = PilImage.frombytes("CMYK", (40, 40), inks.tobytes())
    picture = decode_picture(saved(image, "TIFF", icc_profile=cmyk_profile(black_lightness=20)), "press")
    assert picture.image.max() <= 6, "without black point compensation it would be a grey of 48"


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_is_not_inverted(file_format: str) -> None:
    inks = np.zeros((64, 64, 4), np.uint8)
    inks[:, 32:] = (0, 0, 0, 255)
    image = PilImage.frombytes("CMYK", (64, 64), inks.tobytes())
    picture = decode_picture(saved(image, file_format), "press")
    assert picture.image[5, 5].min() > 250
    assert picture.image[5, 60].max() < 5
    assert any("plain formula" in note for note in picture.notes)


def test_lab_tiff() -> None:
    lab = PilImage.frombytes("LAB", (40, 40), bytes([128, 0, 0]) * 1600)
    picture = decode_picture(saved(lab, "TIFF"), "lab")
    assert np.ptp(picture.image[0, 0].astype(int)) <= 2
    assert 112 <= int(picture.image[0, 0, 0]) <= 126


def test_16_bit_with_a_profile() -> None:
    profile = matrix_profile(ADOBE_RGB, b"Adobe RGB test")
    import zlib

    from tests.bad_files import png_chunk

    plain = png16(np.full((40, 40, 3), (60 * 257, 180 * 257, 90 * 257), np.uint16))
    chunk = png_chunk(b"iCCP", b"p\0\0" + zlib.compress(profile))
    picture = decode_picture(plain[:33] + chunk + plain[33:], "deep")
    wanted = srgb_of(np.full((1, 1, 3), (60, 180, 90), np.uint8), ADOBE_RGB)[0, 0]
    assert np.abs(picture.image[0, 0] - wanted).max() <= 3

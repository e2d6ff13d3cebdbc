"""A folder full of bad and odd picture files, as catalogs hold them: for tests of everything that reads photos.

Each kind is written as a camera, a broken download or a careless export would leave it. ``readable`` says whether
a picture can be had from it; the other kinds must each give one clear error, and none may crash or hang the reader.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class BadFile:
    """One file: where it is, what is odd about it, and whether a picture can be read from it."""

    path: Path
    kind: str
    readable: bool


def write_bad_files(folder: Path, count: int = 100, seed: int = 0) -> list[BadFile]:
    """Write ``count`` files into ``folder``, going through `KINDS` again and again with other pixels each time."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    written = []
    for number in range(count):
        kind, (suffix, readable, make) = list(KINDS.items())[number % len(KINDS)]
        path = folder / f"{number:03d}-{kind}{suffix}"
        data = make(product(rng))
        if data is None:
            path.mkdir()
        else:
            path.write_bytes(data)
        written.append(BadFile(path, kind, readable))
    return written


def product(rng: np.random.Generator, height: int = 160, width: int = 120) -> Pixels:
    """A drawn product on studio white: a noisy block of one colour, darker on one side, (H, W, 3) uint8."""
    image = np.full((height, width, 3), rng.integers(225, 250), np.uint8)
    top, left = height // 6, width // 5
    block = image[top:-top, left:-left]
    block[:] = rng.integers(20, 200, 3)
    block[:, : block.shape[1] // 2] //= 2
    return np.clip(image + rng.integers(-3, 4, image.shape), 0, 255).astype(np.uint8)


def saved(image: PilImage.Image | Pixels, file_format: str, **options: object) -> bytes:
    """The bytes of a picture file written by Pillow."""
    file = io.BytesIO()
    pil = image if isinstance(image, PilImage.Image) else PilImage.fromarray(image)
    pil.save(file, file_format, **options)
    return file.getvalue()


def png_chunk(kind: bytes, data: bytes, *, good_checksum: bool = True) -> bytes:
    """One PNG chunk, with a checksum that is right or one off."""
    checksum = zlib.crc32(kind + data) ^ (0 if good_checksum else 1)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(
    width: int, height: int, depth: int, colour_type: int, scanlines: bytes, *, good_checksum: bool = True
) -> bytes:
    """A PNG by hand: raw ``scanlines`` (each with its filter byte) under any header."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(scanlines, 9), good_checksum=good_checksum)
        + png_chunk(b"IEND", b"")
    )


def png16(levels: NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG of ``(H, W, C)`` levels: grey, grey and alpha, RGB or RGBA by C."""
    height, width, channels = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return png(width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], rows)


def exif(orientation: int) -> bytes:
    """An EXIF block with nothing but an orientation."""
    tags = PilImage.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def _bomb_header(pixels: Pixels) -> bytes:
    return png(60_000, 60_000, 8, 2, b"\0")


def _bomb(pixels: Pixels) -> bytes:
    # 400 million black pixels in 50 kB: 20,000 rows of 2,500 zero bytes at one bit a pixel
    return png(20_000, 20_000, 1, 0, bytes(20_000 * 2501))


def _animated(file_format: str) -> Callable[[Pixels], bytes]:
    def make(pixels: Pixels) -> bytes:
        frames = [PilImage.fromarray(np.roll(pixels, 9 * step, axis=1)) for step in range(3)]
        return saved(frames[0], file_format, save_all=True, append_images=frames[1:], duration=80)

    return make


def _cmyk(pixels: Pixels) -> bytes:
    return saved(PilImage.fromarray(pixels).convert("CMYK"), "JPEG", quality=95)


def _palette(pixels: Pixels) -> bytes:
    return saved(PilImage.fromarray(pixels).quantize(32), "PNG", transparency=0)


def _grey_alpha(pixels: Pixels) -> bytes:
    alpha = np.linspace(0, 255, pixels.shape[1]).astype(np.uint8)[None].repeat(len(pixels), 0)
    grey = PilImage.fromarray(pixels).convert("L")
    grey.putalpha(PilImage.fromarray(alpha))
    return saved(grey, "PNG")


def _corrupt_pixels(pixels: Pixels) -> bytes:
    data = bytearray(saved(pixels, "PNG"))
    middle = data.index(b"IDAT") + 40
    data[middle : middle + 8] = b"\xde\xad\xbe\xef\xde\xad\xbe\xef"
    return bytes(data)


def _tiff_pages(pixels: Pixels) -> bytes:
    return saved(pixels, "TIFF", save_all=True, append_images=[PilImage.fromarray(pixels[::-1].copy())])


def _float_tiff(pixels: Pixels) -> bytes:
    return saved(PilImage.fromarray((pixels[..., 0] / 255).astype(np.float32)), "TIFF")


def _nan_tiff(pixels: Pixels) -> bytes:
    values = (pixels[..., 0] / 255).astype(np.float32)
    values[5, 5] = np.nan
    return saved(PilImage.fromarray(values), "TIFF")


def _mpo(pixels: Pixels) -> bytes:
    return saved(pixels, "MPO", save_all=True, append_images=[PilImage.fromarray(pixels)])


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _heic(pixels: Pixels) -> bytes:
    return struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + b"\0" * 200


def _video(pixels: Pixels) -> bytes:
    return struct.pack(">I", 24) + b"ftypisom" + bytes(4) + b"isomiso2" + b"\0" * 400


def _zip(pixels: Pixels) -> bytes:
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("photo.txt"), "not here")
    return file.getvalue()


_HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>"
_SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect/></svg>'
_LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

KINDS: dict[str, tuple[str, bool, Callable[[Pixels], bytes | None]]] = {
    "truncated-jpeg": (".jpg", False, lambda p: _half(saved(p, "JPEG"))),
    "empty": (".jpg", False, lambda p: b""),
    "text": (".jpg", False, lambda p: "photo of a shoe, size 42 – see folder B\n".encode() * 9),
    "bomb-header": (".png", False, _bomb_header),
    "bomb": (".png", False, _bomb),
    "cmyk": (".jpg", True, _cmyk),
    "rgb-16-bit": (".png", True, lambda p: png16(p.astype(np.uint16) * 257)),
    "wrong-exif": (".jpg", True, lambda p: saved(p, "JPEG", exif=exif(42))),
    "animated-gif": (".gif", True, _animated("GIF")),
    "html": (".jpg", False, lambda p: _HTML),
    "palette": (".png", True, _palette),
    "grey-alpha": (".png", True, _grey_alpha),
    "svg": (".png", False, lambda p: _SVG),
    "heic": (".jpg", False, _heic),
    "zero-size": (".png", False, lambda p: png(0, 0, 8, 2, b"")),
    "corrupt-icc": (".jpg", True, lambda p: saved(p, "JPEG", icc_profile=b"not a profile" * 20)),
    "corrupt-exif": (".jpg", True, lambda p: saved(p, "JPEG", exif=b"Exif\0\0" + b"\xff\xee\xdd" * 40)),
    "bad-checksum": (".png", False, lambda p: png(64, 64, 8, 2, (b"\0" + b"\x7f" * 192) * 64, good_checksum=False)),
    "folder": (".jpg", False, lambda p: None),
    "one-pixel": (".png", False, lambda p: saved(p[:1, :1], "PNG")),
    "ribbon": (".png", False, lambda p: saved(np.tile(p[:40], (1, 20, 1)), "PNG")),
    "zip": (".png", False, _zip),
    "video": (".jpg", False, _video),
    "truncated-png": (".png", False, lambda p: _half(saved(p, "PNG"))),
    "truncated-webp": (".webp", False, lambda p: _half(saved(p, "WEBP"))),
    "truncated-tiff": (".tif", False, lambda p: _half(saved(p, "TIFF"))),
    "truncated-gif": (".gif", False, lambda p: _half(saved(p, "GIF"))),
    "truncated-avif": (".avif", False, lambda p: _half(saved(p, "AVIF"))),
    "corrupt-pixels": (".png", False, _corrupt_pixels),
    "grey-16-bit": (".png", True, lambda p: png16(p[..., :1].astype(np.uint16) * 257)),
    "one-bit": (".png", True, lambda p: saved(PilImage.fromarray(p).convert("1"), "PNG")),
    "animated-webp": (".webp", True, _animated("WEBP")),
    "tiff-pages": (".tif", True, _tiff_pages),
    "float-tiff": (".tif", True, _float_tiff),
    "nan-tiff": (".tif", False, _nan_tiff),
    "mpo": (".jpg", True, _mpo),
    "wrong-suffix": (".jpg", True, lambda p: saved(p, "PNG")),
    "transparent": (".png", False, lambda p: saved(np.dstack([p, np.zeros_like(p[..., 0])]), "PNG")),
    "sideways": (".jpg", True, lambda p: saved(p, "JPEG", exif=exif(6))),
    "zeros": (".jpg", False, lambda p: bytes(4096)),
    "noise": (".jpg", False, lambda p: p.tobytes()),
    "lfs-pointer": (".jpg", False, lambda p: _LFS),
    "header-only": (".jpg", False, lambda p: saved(p, "JPEG")[:20]),
    "postscript": (".jpg", False, lambda p: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"),
    "pdf": (".jpg", False, lambda p: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"),
}
"""Kind to (suffix, readable, maker). A maker that gives None asks for a folder of that name."""

"""Arrays to picture files: JPEG, PNG, WebP, TIFF, AVIF, each with an sRGB profile and the picture's provenance."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image as PilImage
from PIL import ImageCms, ImageFile, PngImagePlugin, TiffImagePlugin

from pipeline.errors import ItemError
from pipeline.files.provenance import Provenance, xmp_packet
from pipeline.types import Alpha, Image

FileFormat = Literal["jpeg", "png", "webp", "tiff", "avif"]
FILE_FORMATS: tuple[str, ...] = get_args(FileFormat)
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "tiff": "tif", "avif": "avif", "gif": "gif", "bmp": "bmp"}
LOSSY = frozenset({"jpeg", "webp", "avif"})
"""Formats whose size falls with their quality."""

FULL_CHROMA_QUALITY = 80
"""From this quality on, JPEG and AVIF keep colour at full resolution (4:4:4): red on white bleeds at 4:2:0."""
_LOCK = threading.Lock()
_XMP_TAG = 700
_BYTE = 1


def encode_picture(
    image: Image,
    *,
    alpha: Alpha | None = None,
    file_format: str = "jpeg",
    quality: int = 92,
    provenance: Provenance | None = None,
    dpi: int = 300,
) -> bytes:
    """Encode a picture. The same arguments give the same bytes.

    Args:
        image: ``(H, W, 3)`` uint8 sRGB.
        alpha: ``(H, W)`` float32 in [0, 1], straight (not premultiplied); not for JPEG.
        file_format: one of `FILE_FORMATS`. PNG and TIFF (deflate) are lossless.
        quality: 1 to 100 for JPEG, WebP and AVIF.
        provenance: written as XMP.
        dpi: printed resolution of JPEG, PNG and TIFF.

    Raises:
        ItemError: the format is unknown, cannot hold transparency, or cannot hold a picture of this size.
    """
    if file_format not in FILE_FORMATS:
        raise ItemError(f"{file_format!r} cannot be written; choose one of {', '.join(FILE_FORMATS)}")
    if alpha is not None and file_format == "jpeg":
        raise ItemError("JPEG cannot hold transparency; flatten the picture, or export PNG, WebP, TIFF or AVIF")
    packet = xmp_packet(provenance) if provenance else None
    options = _options(file_format, quality, packet, dpi)
    file = io.BytesIO()
    try:
        with _room_for(4 * image.nbytes // 3):
            _joined(image, alpha).save(file, file_format.upper(), icc_profile=srgb_profile(), **options)
    except (OSError, ValueError) as error:
        height, width = image.shape[:2]
        raise ItemError(
            f"a picture of {width} x {height} px cannot be written as {file_format} ({error}); "
            "lower export.longest_px or choose another format"
        ) from error
    return file.getvalue()


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """Give Pillow's encoder a buffer of ``size`` bytes.

    An optimised or progressive JPEG is written in one piece, and Pillow's guess of one byte a pixel is too small for
    noisy pictures: "broken data stream when writing". The buffer's size is a global of Pillow, so it is put back.
    """
    with _LOCK:
        previous, ImageFile.MAXBLOCK = ImageFile.MAXBLOCK, max(ImageFile.MAXBLOCK, size)
        try:
            yield
        finally:
            ImageFile.MAXBLOCK = previous


@cache
def srgb_profile() -> bytes:
    """The sRGB profile that is embedded in every file (a matrix profile by Little CMS, 588 bytes)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Little CMS stamps the time of day into bytes 24 to 35 of the header; a fixed day keeps files reproducible.
    profile[24:36] = b"".join(part.to_bytes(2, "big") for part in (2020, 1, 1, 0, 0, 0))
    profile[84:100] = bytes(16)  # the profile's id is a digest over the rest; zero means "not computed"
    return bytes(profile)


def _joined(image: Image, alpha: Alpha | None) -> PilImage.Image:
    if alpha is None:
        return PilImage.fromarray(np.ascontiguousarray(image))
    levels = np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)
    return PilImage.fromarray(np.dstack([image, levels]))


def _options(file_format: str, quality: int, packet: bytes | None, dpi: int) -> dict[str, Any]:
    xmp = {"xmp": packet} if packet else {}
    full_chroma = quality >= FULL_CHROMA_QUALITY
    match file_format:
        case "jpeg":
            subsampling = 0 if full_chroma else 2
            return (
                {"quality": quality, "subsampling": subsampling, "optimize": True, "progressive": True}
                | xmp
                | {"dpi": (dpi, dpi)}
            )
        case "png":
            return {"compress_level": 6, "dpi": (dpi, dpi), "pnginfo": _png_info(packet)}
        case "webp":
            # `exact` keeps the colours under transparent pixels, which a later edit may uncover.
            return {"quality": quality, "method": 4, "exact": True} | xmp
        case "avif":
            # One thread: the encoder's tiles, and so its bytes, must not depend on the machine.
            return {
                "quality": quality,
                "subsampling": "4:4:4" if full_chroma else "4:2:0",
                "speed": 6,
                "max_threads": 1,
            } | xmp
        case _:
            return {"compression": "tiff_adobe_deflate", "dpi": (dpi, dpi), "tiffinfo": _tiff_tags(packet)}


def _png_info(packet: bytes | None) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    if packet:
        info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=False)
    return info


def _tiff_tags(packet: bytes | None) -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    if packet:
        tags.tagtype[_XMP_TAG] = _BYTE
        tags[_XMP_TAG] = packet
    return tags

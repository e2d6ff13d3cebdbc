"""Picture files to arrays: upright, sRGB, 8 bit, within limits; everything else is an error that says what to do.

Nothing is repaired in silence: each conversion stands in ``Picture.notes``, and a damaged file is refused.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image as PilImage
from PIL import UnidentifiedImageError

from pipeline.errors import StoreError, UnreadableImage
from pipeline.files.colour import to_srgb
from pipeline.files.depth import deep_pixels, is_premultiplied, reduce_depth
from pipeline.files.encode import encode_picture
from pipeline.files.opening import DECODER_ERRORS, hearing, open_header
from pipeline.files.sniff import describe, png_damage
from pipeline.types import Alpha, Picture

__all__ = ["Limits", "decode_picture", "encode_picture", "read_bytes", "read_picture"]

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: PilImage.Transpose.FLIP_LEFT_RIGHT,
    3: PilImage.Transpose.ROTATE_180,
    4: PilImage.Transpose.FLIP_TOP_BOTTOM,
    5: PilImage.Transpose.TRANSPOSE,
    6: PilImage.Transpose.ROTATE_270,
    7: PilImage.Transpose.TRANSVERSE,
    8: PilImage.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a file may be. Larger ones are refused before their pixels are decoded.

    ``max_bytes`` of the file; ``max_pixels`` of the picture (150 million: a medium-format back);
    ``min_side_px`` of its shorter side; ``max_aspect`` of its longer side to the shorter.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 160_000_000
    min_side_px: int = 32
    max_aspect: float = 16.0


DEFAULT_LIMITS = Limits()


def read_picture(address: str, *, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Read the picture at a local path or any fsspec address (``s3://``, ``https://``, ``memory://``).

    Raises UnreadableImage for anything about the file itself, and StoreError when the place cannot be reached.
    """
    return decode_picture(read_bytes(address, max_bytes=limits.max_bytes), address, limits=limits)


def read_bytes(address: str, *, max_bytes: int = DEFAULT_LIMITS.max_bytes) -> bytes:
    """The bytes at ``address``, reading no more than ``max_bytes``. Raises UnreadableImage and StoreError."""
    try:
        if "://" in address:
            with _remote_file(address) as file:
                data: bytes = file.read(max_bytes + 1)
        else:
            with Path(address).open("rb") as file:
                data = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise UnreadableImage(f"{address}: there is no such file; correct the catalog's photo address") from error
    except IsADirectoryError as error:
        raise UnreadableImage(f"{address}: is a folder, not a picture file; name a file in it") from error
    except PermissionError as error:
        raise UnreadableImage(f"{address}: may not be read; check its rights or your credentials") from error
    except ValueError as error:  # a NUL in a path, a malformed URL
        raise UnreadableImage(f"{address!r}: is not a usable address ({error}); correct the catalog") from error
    except _unreachable() as error:
        if not _is_about_the_name(error):
            raise StoreError(f"{address}: could not be read ({error}); check the network and try again") from error
        raise UnreadableImage(f"{address}: is not a usable address ({error}); correct the catalog") from error
    if len(data) > max_bytes:
        raise UnreadableImage(
            f"{address}: is larger than {max_bytes / 1e6:.0f} MB; save it with compression or at a smaller size"
        )
    return data


def decode_picture(data: bytes, name: str, *, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Decode the bytes of a picture file; ``name`` is what errors call it.

    EXIF orientation is applied and embedded ICC profiles are converted to sRGB (perceptual, black point
    compensation). 16 bit becomes 8 by rounding v / 257. Of several frames, pages or pictures the first is taken.
    Alpha is straight; the colours under it are kept. Raises UnreadableImage.
    """
    if not data:
        raise UnreadableImage(f"{name}: is empty (0 bytes); copy the photo again")
    try:
        with hearing() as warned, open_header(data) as opened:
            _check_size(opened.size, name, limits)
            if opened.format == "PNG" and (damage := png_damage(data)):
                raise ValueError(damage)  # Pillow does not look at the checksums of pixel chunks
            picture = _decode(opened, data, name)
        return replace(picture, notes=(*picture.notes, *warned)) if warned else picture
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"{name}: {describe(data)}") from error
    except MemoryError as error:
        raise UnreadableImage(f"{name}: does not fit into memory; save it at a smaller size") from error
    except DECODER_ERRORS as error:
        raise UnreadableImage(
            f"{name}: is damaged or cut short ({_short(error)}); copy it again, or save it anew from the original"
        ) from error


def _decode(opened: PilImage.Image, data: bytes, name: str) -> Picture:
    notes: list[str] = []
    file_format = {"MPO": "jpeg", "JPEG2000": "jp2"}.get(opened.format or "", (opened.format or "").lower())
    notes += _several(opened)
    profile = opened.info.get("icc_profile")
    deep = deep_pixels(opened, data, name, notes)
    opened.load()
    if deep is None and is_premultiplied(opened):
        notes.append("premultiplied alpha divided out")  # by Pillow, while loading
    pixels = opened if deep is None else deep
    pixels = reduce_depth(pixels, name, notes)
    upright = _upright(opened, pixels, notes)
    colours, alpha = _split(upright, notes)
    image = np.array(to_srgb(colours, profile, notes), dtype=np.uint8)
    if alpha is not None and not alpha.any():
        raise UnreadableImage(f"{name}: is transparent everywhere; export the photo with its pixels visible")
    if opened.format == "JPEG" and b"\xff\xd9" not in data[-65536:]:
        notes.append("JPEG without its end marker")
    return Picture(
        image=image,
        alpha=alpha,
        digest=hashlib.sha256(data).hexdigest(),
        file_format=file_format,
        notes=tuple(notes),
    )


def _check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise UnreadableImage(
            f"{name}: has {width} x {height} px ({width * height / 1e6:.0f} million), more than the "
            f"{limits.max_pixels / 1e6:.0f} million that are read; save it at a smaller size"
        )
    if min(width, height) < limits.min_side_px:
        raise UnreadableImage(
            f"{name}: has only {width} x {height} px, under {limits.min_side_px} px a side; use the full-size photo"
        )
    if max(width, height) > limits.max_aspect * min(width, height):
        raise UnreadableImage(
            f"{name}: {width} x {height} px is longer than {limits.max_aspect:g} to 1; "
            "this is no product photo, crop it"
        )


def _several(opened: PilImage.Image) -> list[str]:
    frames = getattr(opened, "n_frames", 1)
    if frames <= 1:
        return []
    opened.seek(0)
    kind = {"TIFF": "pages", "MPO": "pictures"}.get(opened.format or "", "frames")
    return [f"first of {frames} {kind}"]


def _upright(opened: PilImage.Image, pixels: PilImage.Image, notes: list[str]) -> PilImage.Image:
    """Apply EXIF orientation. Pillow has already turned a TIFF while loading it, and dropped the tag."""
    try:
        orientation = opened.getexif().get(_ORIENTATION, 1)
    except DECODER_ERRORS:
        notes.append("EXIF unreadable: taken as upright")
        return pixels
    if opened.info.get("exif") and not opened.getexif():
        notes.append("EXIF empty or unreadable: taken as upright")
    if orientation in _UPRIGHT:
        notes.append(f"EXIF orientation {orientation} applied")
        return pixels.transpose(_UPRIGHT[orientation])
    if orientation not in (1, None):
        notes.append(f"EXIF orientation {orientation!r} is no orientation: taken as upright")
    return pixels


def _split(pixels: PilImage.Image, notes: list[str]) -> tuple[PilImage.Image, Alpha | None]:
    """Colours without alpha, and the straight alpha (None where opaque everywhere)."""
    if pixels.mode == "P":
        notes.append("palette to RGB")
    elif pixels.mode == "1":
        notes.append("1-bit to RGB")
    if not pixels.has_transparency_data:
        return (pixels.convert("RGB") if pixels.mode in ("P", "1") else pixels), None
    straight = pixels.convert("RGBA")
    levels = np.asarray(straight.getchannel("A"))
    grey = pixels.mode in ("L", "LA", "La")
    colours = straight.getchannel("R") if grey else straight.convert("RGB")
    return colours, None if (levels == 255).all() else (levels / np.float32(255)).astype(np.float32)


def _remote_file(address: str) -> IO[bytes]:
    from pipeline.files.address import locate

    try:
        fs, path = locate(address)
    except StoreError as error:  # an unknown protocol, or one whose library is missing
        raise UnreadableImage(str(error)) from error
    file: IO[bytes] = fs.open(path, "rb")
    return file


def _is_about_the_name(error: BaseException) -> bool:
    import errno

    return getattr(error, "errno", None) in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EINVAL, errno.ELOOP, errno.ENXIO)


def _unreachable() -> tuple[type[Exception], ...]:
    """What disks, object stores and web servers raise when they cannot be reached."""
    from pipeline.files.address import remote_errors

    aiohttp = sys.modules.get("aiohttp")  # loaded by fsspec only for http addresses
    http: tuple[type[Exception], ...] = (aiohttp.ClientError,) if aiohttp else ()
    return (OSError, *remote_errors(), *http)


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:160]

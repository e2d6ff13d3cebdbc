"""Masks in the formats that other programs read: grey PNG, RGBA cut-out, COCO run lengths. Pure, bytes in and out."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StoreError
from pipeline.types import Alpha, Image, Json, Mask, Size

Levels = NDArray[np.uint8]
"""``(H, W)`` uint8; 255 on the subject, 0 outside, soft between."""

_GREY = ("1", "L", "I;16", "I;16B", "I")


def read_levels(data: bytes, *, size: Size | None = None) -> Levels:
    """The 256 levels of a mask's PNG of one grey channel (1, 8 or 16 bit), as they are: (H, W) uint8.

    ``size`` is the (height, width) that it must have, compared before its pixels are decoded. Raises StoreError.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(data), formats=["PNG"]) as opened:
            if opened.mode not in _GREY:
                raise StoreError(f"a mask is a PNG of one grey channel, this one is {opened.mode}")
            _check_size((opened.height, opened.width), size)
            opened.load()
            if opened.mode in ("1", "L"):
                return np.asarray(opened.convert("L"), np.uint8).copy()
            deep = np.asarray(opened).astype(np.uint32)
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise StoreError(f"these bytes are not a mask's PNG ({error})") from error
    return ((deep * 255 + 32767) // 65535).astype(np.uint8)


def write_levels(levels: Levels) -> bytes:
    """PNG of one 8-bit grey channel, level for level. Raises StoreError for another array."""
    import cv2

    if levels.dtype != np.uint8 or levels.ndim != 2 or levels.size == 0:
        raise StoreError(f"a mask's levels are uint8 of (H, W), these are {levels.dtype} of {levels.shape}")
    done, data = cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise StoreError(f"a mask of {levels.shape} could not be written as PNG")
    return data.tobytes()


def from_alpha(alpha: Alpha) -> Levels:
    """The levels of an alpha, (H, W) float32 in [0, 1], rounded."""
    return np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)


def write_rgba(image: Image, levels: Levels) -> bytes:
    """PNG of the photo with the mask as its transparency; colours under it are kept. Raises StoreError."""
    from PIL import Image as Pillow

    if image.shape[:2] != levels.shape:
        raise StoreError(f"the mask's {levels.shape} is not the photo's {image.shape[:2]}")
    buffer = io.BytesIO()
    Pillow.fromarray(np.dstack([image, levels])).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def read_any(data: bytes, *, size: Size) -> Levels:
    """The levels of a mask file of another program: grey PNG, or the transparency of a PNG that has one.

    Raises StoreError for another size, or a coloured picture without transparency.
    """
    from PIL import Image as Pillow

    try:
        with Pillow.open(io.BytesIO(data), formats=["PNG"]) as opened:
            if opened.mode in _GREY and "transparency" not in opened.info:
                return read_levels(data, size=size)
            _check_size((opened.height, opened.width), size)
            if opened.mode not in ("LA", "RGBA", "PA") and "transparency" not in opened.info:
                raise StoreError("the mask file is coloured and has no transparency; save it as a grey or RGBA PNG")
            return np.asarray(opened.convert("RGBA").getchannel("A"), np.uint8).copy()
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise StoreError(f"these bytes are not a PNG that can be read ({error})") from error


def _check_size(size: Size, wanted: Size | None) -> None:
    if wanted is not None and size != wanted:
        raise StoreError(
            f"the mask is {size[1]} x {size[0]} px and its photo {wanted[1]} x {wanted[0]} px; "
            "save it at the photo's own size"
        )


def to_coco(levels: Levels) -> Json:
    """COCO run lengths of a mask cut at one half: ``{"size": [H, W], "counts": text}``. Soft edges are lost."""
    from pycocotools import mask as coco

    found = coco.encode(np.asfortranarray(levels >= 128, np.uint8))
    return {"size": [int(side) for side in found["size"]], "counts": found["counts"].decode("ascii")}


def from_coco(value: Json, *, size: Size) -> Levels:
    """The levels, 0 and 255, of COCO run lengths: compressed text or a plain list of counts. Raises StoreError."""
    try:
        height, width = (int(side) for side in value["size"])
        _check_size((height, width), size)
        counts = value["counts"]
        # Not pycocotools: its C code trusts what it is given.
        return from_mask(_unroll(counts if isinstance(counts, list) else _counts(str(counts)), height, width))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise StoreError(f"these are not COCO run lengths ({error})") from error


def from_mask(mask: Mask) -> Levels:
    """255 where the mask is True, else 0."""
    return cast(Levels, mask.astype(np.uint8) * np.uint8(255))


def _counts(text: str) -> list[int]:
    """Counts of COCO's compressed text: little-endian groups of 5 bits, differences to the count before the last."""
    counts: list[int] = []
    number = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"{letter!r} is no part of a number")
        number |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                number -= 1 << shift
            counts.append(number + counts[-2] if len(counts) > 2 else number)
            number = shift = 0
    return counts


def _unroll(counts: list[Any], height: int, width: int) -> Mask:
    runs = np.asarray(counts, np.int64)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"the runs cover {runs.sum()} px, not {height * width}")
    values = np.arange(len(runs)) % 2 == 1
    flat: Mask = np.repeat(values, runs)
    return flat.reshape((height, width), order="F")

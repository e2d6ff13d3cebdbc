"""More than 8 bit a channel to 8: 16-bit integers by v / 257 rounded, floats by their range."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from pipeline.errors import UnreadableImage

_BITS_PER_SAMPLE = 258
_EXTRA_SAMPLES = 338
_ASSOCIATED_ALPHA = 1
_PNG_DEPTH_AT = 24
"""Where a PNG's IHDR chunk keeps the bit depth."""


def deep_pixels(opened: PilImage.Image, data: bytes, name: str, notes: list[str]) -> PilImage.Image | None:
    """8-bit pixels of a 16-bit colour PNG or TIFF, None for every other file.

    Pillow reads such files by dropping the low byte, which darkens by up to one level (65280 becomes 255, not 254);
    OpenCV keeps all 16 bits. The picture is not turned upright.
    """
    if not _is_deep_colour(opened, data):
        return None
    try:
        levels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        levels = None
    if levels is None or levels.dtype != np.uint16 or levels.ndim != 3:
        notes.append("16 bit read by its high bytes")
        return None
    if levels.shape[:2] != (opened.height, opened.width):
        raise UnreadableImage(f"{name}: its size is not the same to two decoders; save it anew as 8-bit PNG")
    rgb = levels[..., [2, 1, 0, 3][: levels.shape[2]]].astype(np.uint16)
    if is_premultiplied(opened) and rgb.shape[2] == 4:
        notes.append("premultiplied alpha divided out")
        rgb = _straight(rgb)
    notes.append("16 bit to 8")
    return PilImage.fromarray(_scaled(rgb))


def reduce_depth(pixels: PilImage.Image, name: str, notes: list[str]) -> PilImage.Image:
    """Bring a grey picture of 16 bit or floats to 8 bit; others are returned as they are. Raises UnreadableImage."""
    if pixels.mode.startswith("I;16"):
        notes.append("16 bit to 8")
        return PilImage.fromarray(_scaled(np.asarray(pixels).astype(np.uint16)))
    if pixels.mode == "I":
        raise UnreadableImage(f"{name}: has 32-bit integer pixels, whose white is not defined; save it as 16 or 8 bit")
    if pixels.mode == "F":
        return _from_float(np.asarray(pixels), name, notes)
    return pixels


def _from_float(values: NDArray[np.float32], name: str, notes: list[str]) -> PilImage.Image:
    if not np.isfinite(values).all():
        raise UnreadableImage(f"{name}: has pixels that are no numbers (NaN or infinite); save it as 16 or 8 bit")
    low, high = float(values.min()), float(values.max())
    scale = next((white for white in (1.0, 255.0, 65535.0) if high <= white * 1.001), None)
    if low < -0.001 or scale is None:
        raise UnreadableImage(f"{name}: float pixels from {low:g} to {high:g} have no known white; save it as 16 bit")
    notes.append(f"float pixels to 8 bit, white taken as {scale:g}")
    return PilImage.fromarray(np.rint(np.clip(values / scale, 0, 1) * 255).astype(np.uint8))


def _scaled(levels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    # 65535 / 255 = 257; adding half of it first rounds to nearest without floats.
    return np.asarray((levels.astype(np.uint32) + 128) // 257, dtype=np.uint8)


def _straight(rgba: NDArray[np.uint16]) -> NDArray[np.uint16]:
    alpha = rgba[..., 3:].astype(np.float32)
    colours = np.divide(
        rgba[..., :3] * np.float32(65535), alpha, out=np.zeros_like(rgba[..., :3], np.float32), where=alpha > 0
    )
    return np.dstack([np.rint(np.clip(colours, 0, 65535)).astype(np.uint16), rgba[..., 3]])


def _is_deep_colour(opened: PilImage.Image, data: bytes) -> bool:
    if opened.mode not in ("RGB", "RGBA", "RGBX", "RGBa", "LA", "La"):
        return False
    if opened.format == "PNG":
        return data[_PNG_DEPTH_AT] == 16
    if opened.format == "TIFF":
        return max(_tag(opened, _BITS_PER_SAMPLE, (8,))) == 16
    return False


def is_premultiplied(opened: PilImage.Image) -> bool:
    """Whether a TIFF says that its colours are already multiplied by its alpha."""
    return opened.format == "TIFF" and _ASSOCIATED_ALPHA in _tag(opened, _EXTRA_SAMPLES, ())


def _tag(opened: PilImage.Image, number: int, default: tuple[int, ...]) -> tuple[int, ...]:
    value = getattr(opened, "tag_v2", {}).get(number, default)
    return value if isinstance(value, tuple) else (value,)

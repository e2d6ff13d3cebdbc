"""Finished pictures to a marketplace's files: its format, its size limit, its names, its keywords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.errors import ItemError, RecipeError
from pipeline.files.encode import EXTENSIONS, LOSSY, encode_picture
from pipeline.files.marketplace import Marketplace, canvas_size, file_name, marketplace, marketplaces
from pipeline.files.provenance import Provenance
from pipeline.types import Alpha, Image

__all__ = ["Exported", "Marketplace", "canvas_size", "export_picture", "file_name", "marketplace", "marketplaces"]

LOWEST_QUALITY = 50
"""Quality below which JPEG blocks show on skin and fabric; a file that needs less is an error instead."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One finished file. ``quality`` is None for lossless formats; ``notes`` says what differs from what was asked."""

    data: bytes
    file_format: str
    quality: int | None
    notes: tuple[str, ...] = ()

    @property
    def extension(self) -> str:
        """Extension of the file's name, without a dot."""
        return EXTENSIONS[self.file_format]


def export_picture(
    image: Image,
    row: Marketplace,
    *,
    alpha: Alpha | None = None,
    file_format: str | None = None,
    quality: int = 92,
    provenance: Provenance | None = None,
) -> Exported:
    """Encode a finished picture for a marketplace. Deterministic.

    Args:
        image: ``(H, W, 3)`` uint8 sRGB, already on its canvas.
        row: the marketplace.
        alpha: ``(H, W)`` float32 in [0, 1], where the marketplace accepts transparency.
        file_format: the recipe's format; the marketplace's first by default.
        quality: of JPEG, WebP and AVIF; lowered, by bisection, only as far as ``row.max_bytes`` asks.
        provenance: written into the file, with the keyword that the marketplace asks for on generated people.

    Raises:
        RecipeError: the marketplace does not accept the format, or transparency.
        ItemError: the file is over ``row.max_bytes`` even at quality 50, or cannot be encoded.
    """
    chosen = file_format or row.formats[0]
    if chosen not in row.formats:
        raise RecipeError(
            f"export.format: {row.title} does not accept {chosen}; write one of {', '.join(row.writable_formats)}"
        )
    if alpha is not None and not row.transparent:
        raise RecipeError(f"background: {row.title} does not accept transparency; give the picture a background")
    marked = _marked(provenance, row)

    def encode(level: int) -> bytes:
        return encode_picture(image, alpha=alpha, file_format=chosen, quality=level, provenance=marked)

    notes = _size_notes(image, row)
    data = encode(quality)
    if row.max_bytes is None or len(data) <= row.max_bytes:
        return Exported(data=data, file_format=chosen, quality=quality if chosen in LOSSY else None, notes=notes)
    if chosen not in LOSSY:
        raise ItemError(
            f"the {chosen} has {_mb(len(data))}, and {row.title} takes {_mb(row.max_bytes)}; "
            f"export {row.formats[0] if row.formats[0] in LOSSY else 'jpeg'}, or lower export.longest_px"
        )
    lowered, data = _highest_quality(encode, quality - 1, row)
    notes = (*notes, f"quality lowered from {quality} to {lowered} for {_mb(row.max_bytes)}")
    return Exported(data=data, file_format=chosen, quality=lowered, notes=notes)


def _highest_quality(encode: Callable[[int], bytes], highest: int, row: Marketplace) -> tuple[int, bytes]:
    """The best quality whose file is small enough, by bisection; every candidate is really encoded."""
    limit = row.max_bytes or 0
    low, best = min(LOWEST_QUALITY, highest), None
    while low <= highest:
        middle = (low + highest + 1) // 2 if best else low
        data = encode(middle)
        if len(data) <= limit:
            best, low = (middle, data), middle + 1
        elif best is None:
            raise ItemError(
                f"the picture has {_mb(len(data))} even at quality {middle}, and {row.title} takes {_mb(limit)}; "
                "lower export.longest_px"
            )
        else:
            highest = middle - 1
    if best is None:
        raise ItemError(f"the picture is larger than the {_mb(limit)} of {row.title}; lower export.longest_px")
    return best


def _marked(provenance: Provenance | None, row: Marketplace) -> Provenance | None:
    keyword = row.ai_person_keyword
    if provenance is None or keyword is None or not provenance.generated_person or keyword in provenance.keywords:
        return provenance
    return replace(provenance, keywords=(*provenance.keywords, keyword))


def _size_notes(image: Image, row: Marketplace) -> tuple[str, ...]:
    height, width = image.shape[:2]
    if max(height, width) < row.min_px or min(height, width) < row.min_short_px:
        return (f"{width} x {height} px is smaller than {row.title} asks for (longest side {row.min_px} px)",)
    return ()


def _mb(size: int) -> str:
    return f"{size / 1e6:.2f} MB"

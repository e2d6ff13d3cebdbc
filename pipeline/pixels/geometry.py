"""Where things are: boxes, crops with context, tiles, and resizing that names its filter."""

from __future__ import annotations

import math
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pixels.color import SOLID, bleed
from pipeline.types import Alpha, Box, Image, Mask, Size

Pixel = TypeVar("Pixel", bound=np.generic)
Filter = Literal["area", "lanczos", "cubic", "linear", "nearest"]
FILTERS: dict[Filter, int] = {
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
    "cubic": cv2.INTER_CUBIC,
    "linear": cv2.INTER_LINEAR,
    "nearest": cv2.INTER_NEAREST,
}


# ---- boxes and crops


def box_of(mask: Mask) -> Box | None:
    """Return the smallest box that holds every True pixel, None if there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def box_size(box: Box) -> Size:
    """Return (height, width) of a box."""
    return box[3] - box[1], box[2] - box[0]


def grow_box(box: Box, px: int, size: Size) -> Box:
    """Return ``box`` grown by ``px`` on each side, kept inside a picture of ``size``."""
    return max(0, box[0] - px), max(0, box[1] - px), min(size[1], box[2] + px), min(size[0], box[3] + px)


def depth_of(mask: Mask) -> NDArray[np.float32]:
    """Return for each True pixel the Euclidean distance in px to the nearest False one, 0 for False pixels."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def grow_mask(mask: Mask, px: float) -> Mask:
    """Return ``mask`` and all that lies at most ``px`` from it: a dilation whose time does not grow with ``px``."""
    return np.asarray(depth_of(~mask) <= px) if mask.any() else mask.copy()


def crop(array: NDArray[Pixel], box: Box) -> NDArray[Pixel]:
    """Return a view of ``array`` (H, W, ...) inside ``box``."""
    return array[box[1] : box[3], box[0] : box[2]]


def context_box(box: Box, size: Size, *, factor: float = 1.2, floor_px: int = 32, aspect: float | None = None) -> Box:
    """Return ``box`` with context around it, wholly inside a picture of ``size``.

    Each side becomes at least ``factor`` times as long and at least ``floor_px`` longer on each end; then the shorter
    one grows until width / height = ``aspect``. A side that would exceed the picture is cut to it (the aspect then
    gives way); a box at the picture's edge is moved inwards rather than cut.
    """
    height, width = box_size(box)
    want_h = max(height * factor, height + 2 * floor_px)
    want_w = max(width * factor, width + 2 * floor_px)
    if aspect is not None:
        want_h, want_w = max(want_h, want_w / aspect), max(want_w, want_h * aspect)
    x0, x1 = _interval(box[0], box[2], want_w, size[1])
    y0, y1 = _interval(box[1], box[3], want_h, size[0])
    return x0, y0, x1, y1


def _interval(low: int, high: int, want: float, limit: int) -> tuple[int, int]:
    """Return an interval of about ``want`` around [low, high), moved into [0, limit)."""
    length = min(limit, math.ceil(want - 1e-6))
    start = round((low + high - length) / 2)
    start = min(max(start, 0), limit - length)
    return start, start + length


def paste(image: Image, patch: Image, box: Box, mask: Mask | None = None) -> Image:
    """Return ``image`` with ``patch`` in ``box``; with ``mask`` (the box's size) only where it is True.

    Every other pixel is bit for bit that of ``image``. Raises ValueError if patch and box differ in size.
    """
    if patch.shape[:2] != box_size(box):
        raise ValueError(f"a patch of {patch.shape[:2]} does not fit a box of {box_size(box)}")
    result = image.copy()
    target = result[box[1] : box[3], box[0] : box[2]]
    target[...] = patch if mask is None else np.where(mask[..., None], patch, target)
    return result


# ---- resizing


def resize(
    array: NDArray[np.uint8] | NDArray[np.float32], size: Size, kind: Filter
) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Resize (H, W[, C]) to ``size`` = (height, width) with the named filter; dtype is kept."""
    if array.shape[:2] == size:
        return array
    resized: NDArray[np.uint8] | NDArray[np.float32]
    resized = cv2.resize(array, size[::-1], interpolation=FILTERS[kind])  # type: ignore[assignment]
    return resized


def filter_for(old: Size, new: Size) -> Filter:
    """Return `area` where a picture shrinks on either side, `lanczos` where it grows."""
    return "area" if new[0] < old[0] or new[1] < old[1] else "lanczos"


def resize_image(image: Image, size: Size) -> Image:
    """Resize a picture: area averaging down, Lanczos up."""
    return np.asarray(resize(image, size, filter_for(image.shape[:2], size)), dtype=np.uint8)


def resize_alpha(alpha: Alpha, size: Size) -> Alpha:
    """Resize a matte: area averaging down, cubic up, clamped; what rounding left a hair off 0 or 1 is made exact."""
    kind: Filter = "area" if filter_for((alpha.shape[0], alpha.shape[1]), size) == "area" else "cubic"
    resized = np.asarray(resize(alpha, size, kind), dtype=np.float32)
    return np.where(resized < 1e-5, 0, np.where(resized > 1 - 1e-5, 1, resized)).astype(np.float32)


def resize_mask(mask: Mask, size: Size) -> Mask:
    """Resize a mask: nearest neighbour, as all label maps."""
    return np.asarray(resize(mask.astype(np.uint8), size, "nearest"), dtype=np.bool_)


def resize_cutout(image: Image, alpha: Alpha, size: Size) -> tuple[Image, Alpha]:
    """Resize a picture together with its matte so that no dark or light rim of what lay behind appears.

    Down: colours are averaged with the matte as their weight (premultiplied). Up: the subject's colour is spread
    outwards first, since a filter with negative lobes has no use for weights. Where the matte is 1 all around, this is
    `resize_image`. Returns (image, alpha) at ``size``.
    """
    if image.shape[:2] == size:
        return image, alpha
    small_alpha = resize_alpha(alpha, size)
    if filter_for((alpha.shape[0], alpha.shape[1]), size) == "lanczos":
        return resize_image(bleed(image, alpha), size), small_alpha
    weighted = np.asarray(resize(image * alpha[..., None].astype(np.float32), size, "area"), dtype=np.float32)
    plain = np.asarray(resize(image.astype(np.float32), size, "area"), dtype=np.float32)
    mixed = np.where((small_alpha > 0.004)[..., None], weighted / np.maximum(small_alpha, 0.004)[..., None], plain)
    colors = np.where((small_alpha >= SOLID)[..., None], plain, mixed)
    return np.rint(np.clip(colors, 0, 255)).astype(np.uint8), small_alpha


# ---- tiles


def tile_spans(length: int, tile_px: int, overlap_px: int) -> list[tuple[int, int]]:
    """Return equal intervals that cover ``range(length)``, none longer than ``tile_px``.

    Neighbours share at least ``overlap_px``; three never meet. Equal, so that all tiles of a picture have one shape.
    Raises ValueError unless ``overlap_px`` is at most a third of ``tile_px``.
    """
    if overlap_px * 3 > tile_px:
        raise ValueError(f"an overlap of {overlap_px} px is more than a third of a tile of {tile_px} px")
    if length <= tile_px:
        return [(0, length)]
    count = math.ceil((length - overlap_px) / (tile_px - overlap_px))
    tile = math.ceil((length + (count - 1) * overlap_px) / count)
    starts = [round(i * (length - tile) / (count - 1)) for i in range(count)]
    return [(start, start + tile) for start in starts]


def tiles(size: Size, tile_px: int, overlap_px: int) -> list[Box]:
    """Return boxes of one shape, row by row, that cover a picture of ``size`` with overlap (see `tile_spans`)."""
    rows, columns = tile_spans(size[0], tile_px, overlap_px), tile_spans(size[1], tile_px, overlap_px)
    return [(x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in columns]


def span_weights(spans: list[tuple[int, int]], margin_px: int = 0) -> list[NDArray[np.float32]]:
    """Return one weight vector a span; over all spans the weights of each position add up to 1.

    In an overlap one weight falls and the other rises linearly. The ``margin_px`` positions nearest to an inner end of
    a span weigh exactly 0: a convolution's result there depends on what lies beyond the tile.
    """
    weights = [np.ones(end - start, np.float32) for start, end in spans]
    for left, right in zip(range(len(spans) - 1), range(1, len(spans)), strict=True):
        start, end = spans[right][0], spans[left][1]
        if end <= start:
            continue
        margin = min(margin_px, (end - start - 1) // 2)
        inner = end - start - 2 * margin
        rise = np.concatenate(
            [np.zeros(margin), (np.arange(inner) + 0.5) / inner, np.ones(margin)], dtype=np.float32, casting="same_kind"
        )
        weights[left][start - spans[left][0] :] *= 1 - rise
        weights[right][: end - start] *= rise
    return weights


def tile_weights(
    size: Size, tile_px: int, overlap_px: int, margin_px: int = 0, *, scale: int = 1
) -> list[NDArray[np.float32]]:
    """Return one (h, w) weight array a box of `tiles`, in its order: a partition of unity over the picture.

    ``scale`` gives the weights of the same tiles after each was enlarged that many times.
    """

    def grown(length: int) -> list[NDArray[np.float32]]:
        spans = [(start * scale, end * scale) for start, end in tile_spans(length, tile_px, overlap_px)]
        return span_weights(spans, margin_px * scale)

    rows, columns = grown(size[0]), grown(size[1])
    return [np.outer(row, column) for row in rows for column in columns]

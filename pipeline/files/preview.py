"""Small pictures of one item for reports: what came in, what was found, what went out.

Made once per item, when its arrays are in memory anyway, so that a report over thousands of items only copies files.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.files.picture import encode_picture
from pipeline.types import Alpha, Image, Mask

PREVIEW_PX = 420
"""Longest side of a preview in pixels."""

_DIMMED = 0.25
_VEIL = np.array([236, 72, 153], dtype=np.float32)
"""Pink: rare in catalogs, and readable over light and dark products alike."""
_OUTLINE = np.array([14, 165, 233], dtype=np.uint8)


def shrink(image: Image, longest_px: int = PREVIEW_PX) -> Image:
    """Scale ``(H, W, 3)`` down to a longest side of ``longest_px`` by area averaging; never up."""
    height, width = image.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def mask_overlay(image: Image, alpha: Alpha, longest_px: int = PREVIEW_PX) -> Image:
    """Show a matte over its photo: what is left out is dimmed under a pink veil, and the edge is outlined.

    Args:
        image: ``(H, W, 3)`` uint8 sRGB.
        alpha: ``(H, W)`` float32 in [0, 1]; 1 on the subject.
        longest_px: longest side of the preview.

    Returns:
        ``(h, w, 3)`` uint8 sRGB.
    """
    small = shrink(image, longest_px)
    matte = cv2.resize(alpha, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)[..., None]
    gray = small.mean(axis=2, keepdims=True)
    veiled = gray * _DIMMED + _VEIL * (1 - _DIMMED) * 0.75 + 255 * (1 - _DIMMED) * 0.25
    shown = (small * matte + veiled * (1 - matte)).round().astype(np.uint8)
    shown[_edge(matte[..., 0] > 0.5)] = _OUTLINE
    return np.asarray(shown, dtype=np.uint8)


def encode_preview(image: Image) -> bytes:
    """JPEG of one picture at preview size."""
    return encode_picture(shrink(image), file_format="jpeg", quality=85)


def previews(image: Image, alpha: Alpha | None, finished: Image | None) -> dict[str, bytes]:
    """JPEG previews of one item: ``source.jpg``, and ``mask.jpg`` and ``result.jpg`` where there is one."""
    shown = {"source.jpg": shrink(image)}
    if alpha is not None:
        shown["mask.jpg"] = mask_overlay(image, alpha)
    if finished is not None:
        shown["result.jpg"] = shrink(finished)
    return {name: encode_picture(small, file_format="jpeg", quality=85) for name, small in shown.items()}


STRIP_PX = 300
"""Height of the pictures of a strip."""
ZOOM_PX = 96
"""Side of the pieces that show joins, in px of the photo; shown three times as large."""


def garment_strips(
    photo: Image,
    alpha: Alpha,
    result: Image,
    *,
    controls: Sequence[Image],
    candidates: Sequence[tuple[float, bool, Image]],
    box: tuple[int, ...],
    placed: Image | None = None,
) -> dict[str, bytes]:
    """JPEG strips of one restaged garment: ``controls.jpg``, ``candidates.jpg``, ``taken.jpg`` and ``joins.jpg``, and
    ``placed.jpg`` of a garment that was laid on a pose.

    ``candidates`` are (merit, taken, picture of the crop ``box``); each is shown under the photo's own garment. Joins
    are pieces of ``result`` along the garment's border, enlarged three times without smoothing.
    """
    x0, y0, x1, y1 = box
    shown = {"taken": shrink(result)}
    if placed is not None:
        shown["placed"] = shrink(placed)
    if controls:
        shown["controls"] = _strip([_tall(one) for one in controls])
    if candidates:
        own, matte = _tall(photo[y0:y1, x0:x1]), alpha[y0:y1, x0:x1]
        shown["candidates"] = _strip([_numbered(image, own, matte, merit, taken) for merit, taken, image in candidates])
    joins = _joins(result, alpha)
    if joins:
        shown["joins"] = _strip(joins)
    return {f"{name}.jpg": encode_picture(image, file_format="jpeg", quality=85) for name, image in shown.items()}


def masked_strip(shown: Sequence[tuple[Image, Alpha]]) -> bytes:
    """JPEG of several photos (H, W, 3) under their mattes (H, W), side by side at one height."""
    strip = _strip([_tall(mask_overlay(image, alpha)) for image, alpha in shown])
    return encode_picture(strip, file_format="jpeg", quality=85)


def _tall(image: Image) -> Image:
    width = max(1, round(image.shape[1] * STRIP_PX / image.shape[0]))
    shrinks = image.shape[0] > STRIP_PX
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, STRIP_PX), interpolation=how), dtype=np.uint8)


def _strip(images: Sequence[Image]) -> Image:
    gap = np.full((images[0].shape[0], 6, 3), 255, np.uint8)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _numbered(image: Image, own: Image, matte: Alpha, merit: float, taken: bool) -> Image:
    """A candidate under the garment's own pixels, with its merit written on it and a frame if it was taken."""
    size = (own.shape[1], own.shape[0])
    made = cv2.resize(image, size, interpolation=cv2.INTER_AREA if image.shape[0] > own.shape[0] else cv2.INTER_CUBIC)
    weight = cv2.resize(matte, size, interpolation=cv2.INTER_AREA)[..., None]
    shown = np.ascontiguousarray((own * weight + made * (1 - weight)).round().astype(np.uint8))
    color = (22, 122, 74) if taken else (109, 106, 102)
    cv2.rectangle(shown, (0, 0), (58, 20), color, -1)
    cv2.putText(shown, f"{merit:.2f}", (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    if taken:
        cv2.rectangle(shown, (0, 0), (size[0] - 1, size[1] - 1), color, 4)
    return shown


def _joins(result: Image, alpha: Alpha) -> list[Image]:
    """Four pieces of the border: its highest, lowest, leftmost and rightmost points, clear of the picture's frame."""
    size, half = result.shape[:2], ZOOM_PX // 2
    if min(size) <= ZOOM_PX:
        return []
    ys, xs = np.nonzero(_edge(alpha > 0.5))
    free = (ys >= half) & (ys < size[0] - half) & (xs >= half) & (xs < size[1] - half)
    ys, xs = ys[free], xs[free]
    if not ys.size:
        return []
    pieces = []
    for at in (ys.argmin(), ys.argmax(), xs.argmin(), xs.argmax()):
        y, x = int(ys[at]), int(xs[at])
        piece = result[y - half : y + half, x - half : x + half]
        pieces.append(_enlarged_thrice(piece))
    return pieces


def _enlarged_thrice(piece: Image) -> Image:
    return np.asarray(np.repeat(np.repeat(piece, 3, 0), 3, 1))


def _edge(mask: Mask) -> Mask:
    """One pixel inside the outline of a mask."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mask & (inner == 0), dtype=np.bool_)

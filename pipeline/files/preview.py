"""Small pictures of one item for reports: what came in, what was found, what went out.

Made once per item, when its arrays are in memory anyway, so that a report over thousands of items only copies files.
"""

from __future__ import annotations

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


def previews(image: Image, alpha: Alpha | None, finished: Image | None) -> dict[str, bytes]:
    """JPEG previews of one item: ``source.jpg``, and ``mask.jpg`` and ``result.jpg`` where there is one."""
    shown = {"source.jpg": shrink(image)}
    if alpha is not None:
        shown["mask.jpg"] = mask_overlay(image, alpha)
    if finished is not None:
        shown["result.jpg"] = shrink(finished)
    return {name: encode_picture(small, file_format="jpeg", quality=85) for name, small in shown.items()}


def _edge(mask: Mask) -> Mask:
    """One pixel inside the outline of a mask."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mask & (inner == 0), dtype=np.bool_)

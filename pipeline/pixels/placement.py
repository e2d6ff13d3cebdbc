"""Where a subject goes on a canvas: which edges of its photo cut it, its scale and its box."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.pixels.geometry import box_of, box_size
from pipeline.types import Box, Mask, Size


@dataclass(frozen=True, kw_only=True)
class Edges:
    """Which edges of its picture cut the subject off."""

    left: bool = False
    top: bool = False
    right: bool = False
    bottom: bool = False

    def __bool__(self) -> bool:
        """Return whether any edge cuts the subject."""
        return self.left or self.top or self.right or self.bottom

    def names(self) -> list[str]:
        """Return the names of the cutting edges."""
        return [name for name in ("left", "top", "right", "bottom") if getattr(self, name)]


def cut_edges(mask: Mask, *, within_px: int = 2, share: float = 0.04) -> Edges:
    """Return the picture edges that cut the subject: it touches them along more than ``share`` of its own side.

    ``within_px``: how near to the edge counts as touching (mattes often end a pixel early).
    """
    box = box_of(mask)
    if box is None:
        return Edges()
    height, width = box_size(box)

    def cuts(strip: Mask, axis: int, length: int) -> bool:
        return int(strip.any(axis=axis).sum()) > max(2, share * length)

    return Edges(
        left=cuts(mask[:, :within_px], 1, height),
        top=cuts(mask[:within_px], 0, width),
        right=cuts(mask[:, -within_px:], 1, height),
        bottom=cuts(mask[-within_px:], 0, width),
    )


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a subject goes: canvas = (source - origin) * scale + offset, both (x, y).

    ``canvas`` is the canvas that fits (smaller than asked where growth was limited), ``box`` the subject's box on it.
    """

    canvas: Size
    scale: float
    box: Box


def place(
    box: Box,
    canvas: Size,
    *,
    fill: float,
    cut: Edges | None = None,
    max_growth: float = math.inf,
    snap: float = 0.015,
) -> Placement:
    """Return the scale and box that make a subject's ``box`` fill ``fill`` of the canvas, centred.

    Longest-side rule: the side of the box that is longest in relation to the canvas takes ``fill`` of it.
    A side where the picture's edge cuts the subject stays on that edge of the canvas, so that no cut body floats; the
    opposite side keeps the usual margin. Cut on both opposite edges, the subject spans the canvas (and is cropped
    in the other direction if need be). If the scale would exceed ``max_growth``, the canvas becomes smaller instead.
    A scale within ``snap`` of 1 becomes exactly 1: then the subject's pixels are carried unchanged.
    """
    cut = cut or Edges()
    height, width = box_size(box)
    room_w, must_w = _room(canvas[1], fill, cut.left, cut.right)
    room_h, must_h = _room(canvas[0], fill, cut.top, cut.bottom)
    scale = min(room_w / width, room_h / height)
    scale = max(scale, must_w / width, must_h / height)
    if scale > max_growth:
        shrink = max_growth / scale
        canvas = max(1, round(canvas[0] * shrink)), max(1, round(canvas[1] * shrink))
        scale = max_growth
    spans = (cut.left and cut.right) or (cut.top and cut.bottom)
    if abs(scale - 1) <= snap and not spans:
        scale = 1.0
    new_h, new_w = max(1, round(height * scale)), max(1, round(width * scale))
    x0 = _start(canvas[1], new_w, cut.left, cut.right)
    y0 = _start(canvas[0], new_h, cut.top, cut.bottom)
    return Placement(canvas=canvas, scale=scale, box=(x0, y0, x0 + new_w, y0 + new_h))


def _room(length: int, fill: float, low_cut: bool, high_cut: bool) -> tuple[float, float]:
    """Return the most and the least that a subject may take of a canvas side."""
    if low_cut and high_cut:
        return length, length
    if low_cut or high_cut:
        return length * (1 + fill) / 2, 0
    return length * fill, 0


def _start(length: int, taken: int, low_cut: bool, high_cut: bool) -> int:
    """Return where a subject of ``taken`` px starts on a side of ``length`` px."""
    if low_cut and not high_cut:
        return 0
    if high_cut and not low_cut:
        return length - taken
    return (length - taken) // 2

"""Round parts of a drawing: tapered tubes and inflated sheets that say, per pixel, what they cover and how they face.

Everything is float32; x points right, y down and z at the viewer; lengths are px.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.embedded.palette import Floats, floats

Point = Floats
"""(2,) float32: x, y in px."""

LEAST_TABLE = 400
"""Stations of a part's tables at least; long parts have two a px, else a steep shoulder comes out in steps."""


def point(x: float, y: float) -> Point:
    """A (2,) float32 point or direction."""
    return np.array([x, y], np.float32)


STATIONS: Floats = np.linspace(0, 1, 49, dtype=np.float32)
KERNEL = np.array([1, 3, 5, 6, 5, 3, 1]) / 24


def smooth_profile(ts: Sequence[float], widths: Sequence[float]) -> Floats:
    """A polyline profile rounded off: its values at STATIONS, (49,) float32."""
    w = np.interp(STATIONS, ts, widths)
    padded = np.concatenate([2 * w[0] - w[3:0:-1], w, 2 * w[-1] - w[-2:-5:-1]])
    return np.convolve(padded, KERNEL, "valid").astype(np.float32)


def bound(x: Floats, low: float = 0.0, high: float = 1.0) -> Floats:
    """``np.clip`` without its overhead, which dominates on small arrays."""
    return np.minimum(np.maximum(x, np.float32(low)), np.float32(high))


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of the canvas: rows ``y0:y1``, columns ``x0:x1``."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def empty(self) -> bool:
        """True if the window holds no pixel."""
        return self.x1 <= self.x0 or self.y1 <= self.y0

    def union(self, other: Window) -> Window:
        """The smallest window that holds both."""
        return Window(
            x0=min(self.x0, other.x0), y0=min(self.y0, other.y0), x1=max(self.x1, other.x1), y1=max(self.y1, other.y1)
        )

    def inside(self, outer: Window) -> tuple[slice, slice]:
        """Slices of this window in an array that covers ``outer``."""
        return slice(self.y0 - outer.y0, self.y1 - outer.y0), slice(self.x0 - outer.x0, self.x1 - outer.x0)

    def grid(self) -> tuple[Floats, Floats]:
        """Pixel centres: (h, 1) rows and (1, w) columns."""
        ys = np.arange(self.y0, self.y1, dtype=np.float32)[:, None] + np.float32(0.5)
        xs = np.arange(self.x0, self.x1, dtype=np.float32)[None, :] + np.float32(0.5)
        return ys, xs


def window_of(points: Floats, margin: float, height: int, width: int) -> Window:
    """Window around ``points`` (N, 2), grown by ``margin`` px and cut at the canvas."""
    (left, upper), (right, lower) = points.min(0).tolist(), points.max(0).tolist()
    return Window(
        x0=min(max(math.floor(left - margin), 0), width),
        y0=min(max(math.floor(upper - margin), 0), height),
        x1=min(max(math.ceil(right + margin), 0), width),
        y1=min(max(math.ceil(lower + margin), 0), height),
    )


@dataclass(frozen=True, kw_only=True)
class Field:
    """What one part says of each pixel of its window, all (h, w) float32."""

    window: Window
    alpha: Floats
    height: Floats
    nx: Floats
    ny: Floats
    nz: Floats
    along: Floats
    across: Floats


@dataclass(frozen=True, kw_only=True)
class Tube:
    """A straight round limb from ``start`` to ``end`` with half widths ``widths`` at the stations ``ts``.

    ``depth`` flattens the relief (1 round, 0.3 nearly flat). ``lift`` raises the part in px, so that it wins over
    its neighbours. ``hem`` bows the far edge outwards, as a round hem seen from above does. ``phase`` shifts the
    pattern along the axis. ``pleats`` folds the cloth around the axis, growing towards the end.
    ``slope`` is how much a taper tilts the surface, ``bend`` how much a round end does: little where a limb goes on.
    """

    start: Point
    end: Point
    ts: tuple[float, ...] = (0.0, 1.0)
    widths: tuple[float, ...] = (1.0, 1.0)
    round_start: bool = False
    round_end: bool = False
    depth: float = 1.0
    lift: float = 0.0
    hem: float = 0.0
    phase: float = 0.0
    pleats: float = 0.0
    pleat_count: float = 7.0
    pleat_phase: float = 0.0
    slope: float = 0.9
    bend: float = 1.0

    def field(self, height: int, width: int) -> Field:
        """Coverage, height, normal and cloth coordinates on this part's window."""
        axis = self.end - self.start
        length = max(float(np.hypot(axis[0], axis[1])), 1e-3)
        axis = axis / np.float32(length)
        side = point(float(-axis[1]), float(axis[0]))
        reach = max(self.widths)
        window = window_of(np.stack([self.start, self.end]), reach * 1.05 + 2, height, width)
        ys, xs = window.grid()
        dx, dy = xs - self.start[0], ys - self.start[1]
        a = dx * axis[0] + dy * axis[1]
        p = dx * side[0] + dy * side[1]
        t = bound(a * np.float32(1 / length))
        half, grade, steep = self._tables(length)
        station = (t * np.float32(len(half) - 1)).astype(np.intp)
        w = half.take(station)
        if self.pleats:
            w *= 1 + np.float32(0.035 * self.pleats) * t * t
        u = bound(p / w, -1, 1)
        square = u * u
        alpha, bow, over = self._coverage(a, p, w, square, steep.take(station), length, float(half[-1]))
        nz = np.sqrt(np.maximum(1 - square - bow * bow, 0) if self._rounded else np.maximum(1 - square, 0))
        lean = grade.take(station)
        if self._rounded:
            lean = lean + np.where(a < 0, -bow, bow)
        push = u
        if self.pleats:
            theta = np.arcsin(u * np.float32(0.985)) * np.float32(self.pleat_count) + np.float32(self.pleat_phase)
            push = u + np.float32(self.pleats) * np.sin(theta) * (t * np.float32(0.9) + np.float32(0.1))
        depth = np.float32(self.depth)
        raised = w * nz * depth + np.float32(self.lift)
        unrolled = square * (np.float32(0.17) + np.float32(0.28) * square * square) * depth  # arcsine, nearly
        return Field(
            window=window,
            alpha=alpha,
            # a round end yields to the part that goes on from there: joints stay smooth
            height=raised - over * np.float32(1.1) if self._rounded else raised,
            nx=push * (side[0] * depth) + lean * (axis[0] * depth),
            ny=push * (side[1] * depth) + lean * (axis[1] * depth),
            nz=nz * depth + (1 - depth),
            along=a + np.float32(self.phase),
            across=p * (1 + unrolled),
        )

    @property
    def _rounded(self) -> bool:
        return self.round_start or self.round_end

    def _tables(self, length: float) -> tuple[Floats, Floats, Floats]:
        """At even stations: half width, lean of the normal, and px across the outline for each px across the axis."""
        half = smooth_profile(self.ts, self.widths)
        grade = np.empty_like(half)
        grade[1:-1] = (half[2:] - half[:-2]) * np.float32(0.5)
        grade[0], grade[-1] = half[1] - half[0], half[-1] - half[-2]
        lean = bound(grade * np.float32(-self.slope * (len(half) - 1) / length), -1.2, 1.2)
        fine = np.linspace(0, 1, max(LEAST_TABLE, math.ceil(2 * length)), dtype=np.float32)
        wide = np.maximum(np.interp(fine, STATIONS, half), 0.3)
        steep = 1 / np.hypot(1, np.interp(fine, STATIONS, grade * np.float32((len(half) - 1) / length)))
        return floats(wide), floats(np.interp(fine, STATIONS, lean)), floats(steep)

    def _coverage(
        self, a: Floats, p: Floats, w: Floats, square: Floats, steep: Floats, length: float, last: float
    ) -> tuple[Floats, Floats, Floats]:
        """Coverage, how far a round end has bent away (0 to 1), and px beyond the ends."""
        zero = np.zeros((1, 1), np.float32)
        over, bow, distance = zero, zero, np.abs(p)
        if self._rounded:
            before = np.maximum(-a, 0) if self.round_start else zero
            after = np.maximum(a - np.float32(length), 0) if self.round_end else zero
            over = before + after
            distance = np.sqrt(p * p + over * over)
            bow = np.minimum(over / w, 1) * np.float32(self.bend)
        alpha = bound((w - distance) * steep + np.float32(0.5))
        if not self.round_start:
            alpha *= bound(a + np.float32(0.5))
        if not self.round_end:
            hem = np.float32(self.hem * last) * (1 - square) if self.hem else zero
            alpha *= bound(hem + np.float32(length + 0.5) - a)
        return alpha, bow, over


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A closed outline (N, 2) px, inflated: its rim of ``rim`` px rounds off, its middle is flat."""

    outline: Floats
    rim: float
    depth: float = 1.0
    lift: float = 0.0

    def field(self, height: int, width: int) -> Field:
        """Coverage, height, normal and plane coordinates on this part's window."""
        window = window_of(self.outline, 2, height, width)
        h, w = max(window.y1 - window.y0, 1), max(window.x1 - window.x0, 1)
        mask = np.zeros((h, w), np.uint8)
        shifted = np.round((self.outline - np.array([window.x0, window.y0])) * 16 - 8).astype(np.int32)
        cv2.fillPoly(mask, [shifted], 255, cv2.LINE_AA, 4)
        alpha = mask.astype(np.float32) / np.float32(255)
        soft = cv2.GaussianBlur(alpha, (0, 0), max(self.rim * 0.5, 0.6), borderType=cv2.BORDER_CONSTANT)
        gain = np.float32(self.rim * 1.1 * self.depth)
        nx = -cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3, scale=0.125) * gain
        ny = -cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3, scale=0.125) * gain
        ys, xs = window.grid()
        center = self.outline.mean(0)
        zeros = np.zeros_like(alpha)
        return Field(
            window=window,
            alpha=alpha[: window.y1 - window.y0, : window.x1 - window.x0],
            height=(soft * np.float32(self.rim) + np.float32(self.lift)),
            nx=nx,
            ny=ny,
            nz=np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0.02)),
            along=ys - np.float32(center[1]) + zeros,
            across=xs - np.float32(center[0]) + zeros,
        )


Part = Tube | Sheet

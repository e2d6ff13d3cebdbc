"""The shadow that grounds a product: made from its silhouette alone, as a large softbox above and to the left would.

First the floor is read from the silhouette's lower contour: for each column, where the floor is and how high above it
the product begins. Then the silhouette is cut into slabs by that height. Each slab is laid on the floor as a row of
ellipses (a round footprint seen from slightly above) and blurred by an amount that grows with its height. Low slabs so
give the thin dark line where the product truly touches, high ones the wide penumbra; what hangs in the air (the arch of
a shoe) darkens the floor under it only softly. Nothing is random.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from pipeline.pixels.geometry import box_of
from pipeline.types import Alpha, Image, Mask

Plane = NDArray[np.float32]

FORESHORTENING = 0.22
"""Height over width of a circle on the floor: a camera about 13 degrees above the horizon."""
STEEPEST_FLOOR = 0.5
"""Slope in the picture up to which a lower edge is taken as an edge on the floor that recedes (the side of a box);
steeper, it is a body that curves away from the floor."""
BACK_FEET = 0.2
"""Lift, in units of the subject's size, up to which a foot above the others' line is taken as one farther back."""

SLABS = (
    # height, blur, shift to the right (all in units of the subject's size), depth of the footprint, darkness
    (0.008, 0.0030, 0.000, 0.30, 0.62),
    (0.025, 0.0120, 0.003, 0.70, 0.46),
    (0.100, 0.0380, 0.010, 1.00, 0.44),
    (0.350, 0.1000, 0.030, 1.15, 0.40),
)
WALL = (
    # shift to the right, blur (in units of the subject's size), darkness: cloth near the wall, and the whole of it
    (0.006, 0.006, 0.42),
    (0.026, 0.028, 0.50),
)
EMPTY_BELOW = 0.006
"""Shadow under this is cut to exactly 0, so that a white backdrop stays exactly white (a level is 0.004)."""


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The floor under a silhouette, column by column.

    ``filled`` (W,) bool: columns with a silhouette. ``lowest`` (W,) its lowest row there. ``ground`` (W,) the row where
    the floor is under it. ``unit`` is the subject's size in px: the geometric mean of its sides, with the height held
    to twice the width.
    """

    filled: NDArray[np.bool_]
    lowest: Plane
    ground: Plane
    unit: float

    @property
    def lift(self) -> Plane:
        """Return (W,) how many px above the floor the silhouette begins; infinite where there is none."""
        return np.where(self.filled, np.maximum(0, self.ground - self.lowest), np.inf).astype(np.float32)


def read_floor(mask: Mask) -> Floor | None:
    """Read the floor from a silhouette's lower contour; None if the mask is empty.

    The floor is the contour's convex hull from below, bent to at most `STEEPEST_FLOOR`; feet that end a little above it
    stand on the floor too, farther back.
    """
    box = box_of(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    filled = np.asarray(mask.any(axis=0))
    lowest = (mask.shape[0] - 1 - np.argmax(mask[::-1], axis=0)).astype(np.float32)
    unit = float(np.sqrt((x1 - x0) * min(y1 - y0, 2 * (x1 - x0))))
    ground = np.full(mask.shape[1], lowest[filled].max(), np.float32)
    ground[x0:x1] = _hull_from_below(lowest[x0:x1], filled[x0:x1])
    contour = np.where(filled, lowest, y0).astype(np.float32)
    peaks, _ = find_peaks(contour, prominence=0.04 * unit, plateau_size=1)
    for peak in peaks.tolist():
        if 0 < ground[peak] - contour[peak] <= BACK_FEET * unit:
            foot = _foot(contour, peak, 0.03 * unit)
            ground[foot] = contour[peak]
    return Floor(filled=filled, lowest=lowest, ground=ground, unit=unit)


def contact_shadow(mask: Mask, *, strength: float = 0.55, softness: float = 1.0) -> Alpha:
    """Return (H, W) shadow in [0, 1] on the floor under the silhouette ``mask``, 0 far from it and at the border.

    ``strength`` is the darkness where it is deepest, ``softness`` scales every blur (1: a large softbox).
    Lay it under the subject: it is computed behind it too.
    """
    floor = read_floor(mask)
    if floor is None or strength <= 0:
        return np.zeros(mask.shape, np.float32)
    light = np.ones(mask.shape, np.float32)
    for height, blur, shift, depth, darkness in SLABS:
        slab = _footprint(floor, mask.shape[0], max(1.5, height * floor.unit), depth)
        sigma = max(0.7, blur * floor.unit * softness)
        light *= 1 - darkness * _blurred(_shifted(slab, shift * floor.unit * softness), sigma, sigma * 0.45)
    return _finish((1 - light) / np.float32(1 - np.prod([1 - slab[4] for slab in SLABS])), mask, strength)


def cast_shadow(mask: Mask, *, strength: float = 0.55, softness: float = 1.0, lean: float = 0.6) -> Alpha:
    """Return (H, W) shadow in [0, 1] of a lamp at the upper left: contact, and the silhouette thrown to the right.

    The silhouette is sheared by ``lean`` (floor px to the right a px of height) and flattened onto the floor behind the
    subject; it grows softer and paler with the distance from the contact, as under a lamp of some size.
    """
    contact = contact_shadow(mask, strength=strength, softness=softness)
    floor = read_floor(mask)
    if floor is None or strength <= 0:
        return contact
    thrown = _finish(_thrown(mask, floor, lean, 0.26, softness) * np.float32(0.7), mask, strength)
    return (1 - (1 - contact) * (1 - thrown)).astype(np.float32)


def wall_shadow(mask: Mask, *, strength: float = 0.55, softness: float = 1.0) -> Alpha:
    """Return (H, W) shadow in [0, 1] on a wall close behind a silhouette that hangs before it.

    A large lamp at the upper left: a narrow dark line where cloth nearly touches the wall, and a wide pale shadow of
    the whole silhouette to the right and below. Lay it under the subject.
    """
    box = box_of(mask)
    if box is None or strength <= 0:
        return np.zeros(mask.shape, np.float32)
    unit = float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))
    light = np.ones(mask.shape, np.float32)
    for shift, blur, darkness in WALL:
        away = shift * unit * softness
        matrix = np.array([[1, 0, away], [0, 1, 0.8 * away]], np.float32)
        thrown = cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1], flags=cv2.INTER_LINEAR)
        sigma = max(0.8, blur * unit * softness)
        light *= 1 - darkness * _blurred(np.asarray(thrown, np.float32), sigma, sigma)
    return _finish(1 - light, mask, strength)


def reflection(image: Image, alpha: Alpha, *, strength: float = 0.15) -> tuple[Image, Alpha]:
    """Return (image, alpha) of the subject mirrored in a satin floor, ``strength`` strong at the contact.

    Each column is mirrored at its own floor, blurred and faded out within a third of the subject's size.
    Made for what stands on the floor along its whole lower edge: a bottle, a box.
    """
    floor = read_floor(alpha >= 0.5)
    if floor is None or strength <= 0:
        return image, np.zeros_like(alpha)
    rows = np.arange(alpha.shape[0], dtype=np.float32)[:, None]
    columns = np.broadcast_to(np.arange(alpha.shape[1], dtype=np.float32), alpha.shape).copy()
    depth = (rows - floor.ground[None, :]).astype(np.float32)
    source = (floor.ground[None, :] - depth).astype(np.float32)
    mirrored = np.asarray(cv2.remap(image, columns, source, cv2.INTER_LINEAR), dtype=np.uint8)
    matte = np.asarray(cv2.remap(alpha, columns, source, cv2.INTER_LINEAR, borderValue=0.0), dtype=np.float32)
    fade = np.clip(1 - depth / (0.35 * floor.unit), 0, 1) ** 2 * (depth > -2)
    sigma = max(0.7, 0.004 * floor.unit)
    faint = np.asarray(cv2.GaussianBlur(matte * fade * np.float32(strength), (0, 0), sigma), dtype=np.float32)
    soft = np.asarray(cv2.GaussianBlur(mirrored, (0, 0), sigma), dtype=np.uint8)
    return soft, (faint * border_window(alpha >= 0.5)).astype(np.float32)


def border_window(mask: Mask, clear: float = 0.012, ramp: float = 0.05) -> Plane:
    """Return (H, W) weights that are 0 within ``clear`` of the border and rise to 1 towards the silhouette's box.

    They take the whole room beside the silhouette to rise, so that a wide shadow fades out and does not end at a line;
    at least ``ramp``, where the silhouette is near the border or touches it. Both are shares of the shorter side.
    """
    short = min(mask.shape)
    box = box_of(mask) or (0, 0, 0, 0)

    def side(length: int, low: int, high: int) -> Plane:
        def rise(room: int) -> Plane:
            t = np.clip((np.arange(length) - clear * short) / max(1.0, ramp * short, room - clear * short), 0, 1)
            return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)

        return np.minimum(rise(low), rise(length - high)[::-1])

    rows, columns = side(mask.shape[0], box[1], box[3]), side(mask.shape[1], box[0], box[2])
    return np.outer(rows, columns).astype(np.float32)


# ---- the floor


def _hull_from_below(lowest: Plane, filled: NDArray[np.bool_]) -> Plane:
    """Return the convex hull of a contour seen from below, its slope held to `STEEPEST_FLOOR` from the lowest point."""
    columns = np.flatnonzero(filled)
    hull: list[int] = []
    for x in columns.tolist():  # Andrew's monotone chain; rows count downwards, so the hull keeps the largest
        while len(hull) >= 2 and _is_above(hull[-2], hull[-1], x, lowest):
            hull.pop()
        hull.append(x)
    line = np.interp(np.arange(lowest.size), hull, lowest[hull])
    foot = int(np.argmax(line))
    steps = np.clip(np.diff(line), -STEEPEST_FLOOR, STEEPEST_FLOOR)
    right = line[foot] + np.concatenate([[0], np.cumsum(steps[foot:])])
    left = line[foot] - np.concatenate([np.cumsum(steps[:foot][::-1])[::-1], [0]])
    return np.concatenate([left[:-1], right]).astype(np.float32)


def _is_above(first: int, middle: int, last: int, rows: Plane) -> bool:
    """Return whether the middle point lies on or above the line from first to last (smaller row: above)."""
    return bool((rows[middle] - rows[first]) * (last - first) <= (rows[last] - rows[first]) * (middle - first))


def _foot(contour: Plane, peak: int, reach: float) -> slice:
    """Return the run of columns around ``peak`` whose contour is within ``reach`` of it."""
    low = np.flatnonzero(contour < contour[peak] - reach)
    before, after = low[low < peak], low[low > peak]
    return slice(int(before[-1]) + 1 if before.size else 0, int(after[0]) if after.size else contour.size)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the [start, end) runs of True in a vector."""
    steps = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


# ---- the light


def _footprint(floor: Floor, rows: int, height_px: float, depth: float) -> Plane:
    """Lay what begins within about ``height_px`` of the floor on it: an ellipse under each run of such columns.

    Columns fade out from half to one and a half of that height, so that no slab ends in a step.
    """
    plane = np.zeros((rows, floor.filled.size), np.float32)
    row = np.arange(rows, dtype=np.float32)[:, None]
    weight = np.clip(1.5 - floor.lift / height_px, 0, 1)
    for start, end in _runs(weight > 0):
        half = (end - start) / 2
        across = (np.arange(start, end) + 0.5 - (start + half)) / half
        reach = min(half, 0.5 * floor.unit) * FORESHORTENING * depth * np.sqrt(np.maximum(0, 1 - across**2))
        front = floor.ground[start:end] + 1.0
        back = front - 2 * reach - 1
        inside = np.clip(row - back + 0.5, 0, 1) * np.clip(front - row + 0.5, 0, 1) * weight[start:end]
        plane[:, start:end] = np.maximum(plane[:, start:end], inside)
    return plane


def _shifted(plane: Plane, right_px: float) -> Plane:
    """Move a plane to the right (sub-pixel), and down a little: the lamp is slightly behind the subject."""
    matrix = np.array([[1, 0, right_px], [0, 1, right_px * FORESHORTENING]], np.float32)
    return np.asarray(cv2.warpAffine(plane, matrix, plane.shape[::-1], flags=cv2.INTER_LINEAR), dtype=np.float32)


def _blurred(plane: Plane, sigma_x: float, sigma_y: float) -> Plane:
    """Gaussian blur; wide ones on a smaller copy, where they look the same and cost little. Nothing lies outside."""
    factor = max(1, int(min(sigma_x, sigma_y) / 3))
    height, width = plane.shape
    if factor > 1:
        plane = np.asarray(cv2.resize(plane, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA))
    sigmas = sigma_x / factor, sigma_y / factor
    plane = np.asarray(cv2.GaussianBlur(plane, (0, 0), sigmas[0], sigmaY=sigmas[1], borderType=cv2.BORDER_CONSTANT))
    if factor > 1:
        plane = np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC))
    return np.asarray(np.clip(plane, 0, 1), dtype=np.float32)


def _thrown(mask: Mask, floor: Floor, lean: float, flatten: float, softness: float) -> Plane:
    """Throw a silhouette onto the floor behind it, softer and paler the higher the part that throws it."""
    ys, xs = np.nonzero(mask)
    height = np.maximum(0, floor.ground[xs] - ys)
    column = np.rint(xs + lean * height).astype(np.int64)
    row = np.rint(floor.ground[xs] - flatten * height).astype(np.int64)
    seen = (column >= 0) & (column < mask.shape[1]) & (row >= 0) & (row < mask.shape[0])
    column, row, height = column[seen], row[seen], height[seen] / floor.unit
    stops = np.array([0.0, 0.15, 0.45, 1.1])
    level = np.interp(height, stops, np.arange(stops.size))
    result = np.zeros(mask.shape, np.float32)
    for index, stop in enumerate(stops.tolist()):
        layer = np.zeros(mask.shape, np.float32)
        near = np.abs(level - index) < 1
        layer[row[near], column[near]] = 1 - np.abs(level[near] - index)
        sigma = max(0.8, (0.006 + 0.07 * stop) * floor.unit * softness)
        result += _blurred(_closed(layer), sigma, sigma * 0.45) * np.float32(np.exp(-0.9 * stop))
    return np.clip(result, 0, 1)


def _closed(layer: Plane) -> Plane:
    """Close the one-pixel holes that rounding leaves in a thrown silhouette."""
    return np.asarray(cv2.morphologyEx(layer, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), dtype=np.float32)


def _finish(shadow: Plane, mask: Mask, strength: float) -> Alpha:
    """Scale to ``strength``, fade towards the border, and cut the faintest part to exactly 0 without a step."""
    shadow = np.clip(shadow, 0, 1) * np.float32(strength) * border_window(mask)
    return np.asarray(np.clip(shadow - EMPTY_BELOW, 0, 1) / (1 - EMPTY_BELOW), dtype=np.float32)

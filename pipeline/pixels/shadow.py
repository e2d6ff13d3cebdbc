"""The shadow that grounds a product: made from its silhouette alone, as a large softbox above and to the left would.

A silhouette standing on a floor is cut into slabs by height. Each slab is laid on the floor as a row of ellipses (a
round footprint seen from slightly above) and blurred by an amount that grows with its height. Low slabs so give the
thin dark line where the product truly touches, high ones the wide penumbra; what hangs in the air (the arch of a shoe)
darkens the floor under it only softly. Nothing is random.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pixels.geometry import box_of
from pipeline.types import Alpha, Mask

Plane = NDArray[np.float32]

FORESHORTENING = 0.2
"""Height over width of a circle on the floor: a camera about 12 degrees above the horizon."""

SLABS = (
    # height, blur, sideways shift (all in units of the subject's size), depth of the footprint, darkness
    (0.006, 0.0022, 0.0000, 0.25, 0.80),
    (0.020, 0.0090, 0.0020, 0.60, 0.55),
    (0.090, 0.0260, 0.0080, 0.90, 0.42),
    (0.300, 0.0700, 0.0200, 1.00, 0.34),
)
EMPTY_BELOW = 0.006
"""Shadow under this is cut to exactly 0, so that a white backdrop stays exactly white (a level is 0.004)."""


def contact_profile(mask: Mask) -> Plane:
    """Return (W,) float32: how surely each column of a silhouette touches the floor, 1 at its lowest point.

    The floor is seen from slightly above, so feet farther back stand a little higher in the picture: a column counts
    less the farther its lowest pixel is above the lowest of all.
    """
    box = box_of(mask)
    if box is None:
        return np.zeros(mask.shape[1], np.float32)
    lowest, filled = _lower_contour(mask)
    reach = max(2.0, 0.035 * max(box[3] - box[1], box[2] - box[0]))
    lift = np.where(filled, (box[3] - 1) - lowest, np.inf)
    return np.exp(-((lift / reach) ** 2)).astype(np.float32)


def contact_shadow(mask: Mask, *, strength: float = 0.55, softness: float = 1.0) -> Alpha:
    """Return (H, W) shadow in [0, 1] on the floor under the silhouette ``mask``, 0 far from it and at the border.

    ``strength`` is the darkness where it is deepest, ``softness`` scales every blur (1: a large softbox).
    Lay it under the subject: it is computed behind it too.
    """
    box = box_of(mask)
    if box is None or strength <= 0:
        return np.zeros(mask.shape, np.float32)
    unit = _unit(mask)
    light = np.ones(mask.shape, np.float32)
    for height, blur, shift, depth, darkness in SLABS:
        slab = _footprint(mask, max(1.5, height * unit), depth, unit)
        sigma = max(0.7, blur * unit * softness)
        shadow = _blurred(_shifted(slab, shift * unit * softness), sigma, sigma * 0.5)
        light *= 1 - darkness * shadow
    return _finish((1 - light) / np.float32(1 - np.prod([1 - s[4] for s in SLABS])), strength)


def cast_shadow(mask: Mask, *, strength: float = 0.55, softness: float = 1.0, lean: float = 0.55) -> Alpha:
    """Return (H, W) shadow in [0, 1] of a lamp at the upper left: contact, and the silhouette thrown to the right.

    The silhouette is sheared by ``lean`` (floor px to the right a px of height) and flattened onto the floor behind the
    subject; it grows softer and paler with the distance from the contact, as under a lamp of some size.
    """
    contact = contact_shadow(mask, strength=strength, softness=softness)
    box = box_of(mask)
    if box is None or strength <= 0:
        return contact
    thrown = _thrown(mask, float(box[3] - 1), lean, 0.24, softness * _unit(mask))
    return np.maximum(contact, _finish(thrown * np.float32(0.62), strength)).astype(np.float32)


def border_window(size: tuple[int, int], clear: float = 0.012, ramp: float = 0.05) -> Plane:
    """Return (H, W) weights that are 0 within ``clear`` of the border and 1 farther in (shares of the shorter side)."""
    short = min(size)

    def side(length: int) -> Plane:
        distance = np.minimum(np.arange(length), np.arange(length)[::-1]).astype(np.float32)
        t = np.clip((distance - clear * short) / max(1.0, ramp * short), 0, 1)
        return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)

    return np.outer(side(size[0]), side(size[1])).astype(np.float32)


# ---- parts


def _unit(mask: Mask) -> float:
    """Return the subject's size in px: the geometric mean of its sides, held near its width for tall subjects."""
    x0, y0, x1, y1 = box_of(mask) or (0, 0, 1, 1)
    width, height = x1 - x0, y1 - y0
    return float(np.sqrt(width * min(height, 2 * width)))


def _lower_contour(mask: Mask) -> tuple[NDArray[np.int64], Mask]:
    """Return the row of the lowest mask pixel of each column, and which columns have one."""
    filled = np.asarray(mask.any(axis=0))
    return np.asarray(mask.shape[0] - 1 - np.argmax(mask[::-1], axis=0), dtype=np.int64), filled


def _runs(flags: Mask) -> list[tuple[int, int]]:
    """Return the [start, end) runs of True in a vector."""
    padded = np.concatenate([[0], flags.astype(np.int8), [0]])
    steps = np.diff(padded)
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def _footprint(mask: Mask, height_px: float, depth: float, unit: float) -> Plane:
    """Lay the lowest ``height_px`` of a silhouette on the floor: an ellipse under each run of columns in that slab."""
    lowest, filled = _lower_contour(mask)
    ground = int(lowest[filled].max())
    slab = filled & (lowest >= ground - height_px)
    plane = np.zeros(mask.shape, np.float32)
    rows = np.arange(mask.shape[0], dtype=np.float32)[:, None]
    for start, end in _runs(slab):
        half = (end - start) / 2
        across = (np.arange(start, end) + 0.5 - (start + half)) / half
        reach = min(half, 0.5 * unit) * FORESHORTENING * depth * np.sqrt(np.maximum(0, 1 - across**2))
        front = lowest[start:end] + 1.0
        back = front - 2 * reach - 1
        inside = np.clip(rows - back + 0.5, 0, 1) * np.clip(front - rows + 0.5, 0, 1)
        plane[:, start:end] = np.maximum(plane[:, start:end], inside)
    return plane


def _shifted(plane: Plane, right_px: float) -> Plane:
    """Move a plane to the right (sub-pixel), and down by a fifth of that: the lamp is a little behind the subject."""
    matrix = np.array([[1, 0, right_px], [0, 1, right_px * FORESHORTENING]], np.float32)
    return np.asarray(cv2.warpAffine(plane, matrix, plane.shape[::-1], flags=cv2.INTER_LINEAR), dtype=np.float32)


def _blurred(plane: Plane, sigma_x: float, sigma_y: float) -> Plane:
    """Gaussian blur; wide ones on a smaller copy, where they look the same and cost little. Nothing lies outside."""
    factor = max(1, int(min(sigma_x, sigma_y) / 4))
    if factor == 1:
        blurred = cv2.GaussianBlur(plane, (0, 0), sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(blurred, dtype=np.float32)
    height, width = plane.shape
    small = cv2.resize(plane, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_x / factor, sigmaY=sigma_y / factor, borderType=cv2.BORDER_CONSTANT)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32)


def _thrown(mask: Mask, ground: float, lean: float, flatten: float, unit: float) -> Plane:
    """Shear and flatten a silhouette onto the floor behind it, softer and paler with height."""
    # a source point at height h above the ground goes to x + lean * h, ground - flatten * h
    matrix = np.array([[1, -lean, lean * ground], [0, flatten, ground * (1 - flatten)]], np.float32)
    flat = np.asarray(cv2.warpAffine(mask.astype(np.float32), matrix, mask.shape[::-1]), dtype=np.float32)
    height = np.clip((ground - np.arange(mask.shape[0])) / flatten, 0, None).astype(np.float32)
    sigmas = np.array([0.006, 0.02, 0.045, 0.09], np.float32) * unit
    stack = [_blurred(flat, max(0.7, float(s)), max(0.7, float(s) * 0.4)) for s in sigmas]
    level = np.interp(0.004 * unit + 0.085 * height, sigmas, np.arange(len(sigmas)))
    result = np.zeros(mask.shape, np.float32)
    for index, plane in enumerate(stack):
        result += plane * np.clip(1 - np.abs(level - index), 0, 1)[:, None].astype(np.float32)
    fade = np.exp(-height / (1.1 * unit)).astype(np.float32)
    return np.asarray(result * fade[:, None], dtype=np.float32)


def _finish(shadow: Plane, strength: float) -> Alpha:
    """Scale to ``strength``, take the border out, and cut the faintest part to exactly 0 without a step."""
    shadow = np.clip(shadow, 0, 1) * np.float32(strength) * border_window(shadow.shape[:2])
    return np.asarray(np.clip(shadow - EMPTY_BELOW, 0, 1) / (1 - EMPTY_BELOW), dtype=np.float32)

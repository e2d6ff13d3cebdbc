"""The sleeves of a garment that lies upright with its axis on the left: their edges, and the arms that fill them."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Mask

STATIONS: Final = 7
"""Points along a sleeve at which its edges are taken."""
JOINT: Final = (0.91, 0.35)
"""Where the shoulder's joint lies: out from the axis, and under the shoulder's seam, in halves of the trunk's width."""
LONG_TO_TRUNK: Final = 0.329
"""Half the distance between an ordinary garment's armpits over the length of its long sleeves."""
SHORT_WIDENS, LONG_NARROWS = 4.5, -2.5
"""Degrees by which a short sleeve's upper edge stands off the arm, and a long one's leans towards it."""


def sleeve_of(half: Mask, seam: int, high: float, out: float, pit_row: int) -> NDArray[np.float64] | None:
    """Upper and lower edge (n, 2, 2) of what lies outside the line from armpit to shoulder, and as the last row
    the arm's two ends; None if it is too little."""
    ys, xs = np.nonzero(half)
    # outside of the line from the seam's top (seam, high) to the pit (out, pit_row)
    edge = seam + (ys - high) * (out - seam) / max(pit_row - high, 1.0)
    below = ys > pit_row
    keep = (xs > edge) & ((~below) | (xs > out + 1))
    label = np.zeros(half.shape, np.uint8)
    label[ys[keep], xs[keep]] = 1
    count, parts, stats, _ = cv2.connectedComponentsWithStats(label)
    if count < 2:
        return None
    inner = np.array([(seam + out) / 2, (high + pit_row) / 2])
    # of what hangs together with the seam; a flared hem beside it does not
    start = _nearest_part(np.asarray(parts, np.int32), inner)
    if stats[start, cv2.CC_STAT_AREA] < 0.008 * half.sum():
        return None
    ys, xs = np.nonzero(parts == start)
    points = np.stack([xs, ys], axis=1).astype(np.float64)
    way = points.mean(axis=0) - inner
    way /= max(float(np.hypot(*way)), 1e-6)
    square = np.array([way[1], -way[0]])
    along, beside = (points - inner) @ way, (points - inner) @ square
    end = float(np.percentile(along, 99.5))
    pairs = []
    for station in np.linspace(0.04 * end, end, STATIONS):
        near = np.abs(along - min(station, end - 1.0)) <= max(1.0, 0.03 * end)
        if not near.any():
            return None
        low, upper = float(beside[near].min()), float(beside[near].max())
        pairs.append([inner + way * station + square * upper, inner + way * station + square * low])
    return np.array([*pairs, _arm(points, out, high)])


def _arm(points: NDArray[np.float64], out: float, high: float) -> NDArray[np.float64]:
    """The line (2, 2) from the shoulder's joint to the cuff, along the sleeve's upper edge.

    The lower edge of a short sleeve may lie behind the trunk, and its cuff be cut aslant: the upper one is always seen.
    A long sleeve says better than the trunk's half width ``out``, which is more in a loose garment, how far out the
    joint lies: where both agree.
    """
    joint = np.array([JOINT[0] * out, high + JOINT[1] * out])
    far = points[int(np.hypot(*(points - joint).T).argmax())] - joint
    angle, end, long = float(np.arctan2(far[0], far[1])), 1.0, False
    for _ in range(4):
        if long:
            joint = np.array([JOINT[0], JOINT[1]]) * LONG_TO_TRUNK * end + np.array([0.0, high])
        along = (points - joint) @ np.array([np.sin(angle), np.cos(angle)])
        off = (points - joint) @ np.array([np.cos(angle), -np.sin(angle)])
        end = max(float(np.percentile(along, 99)), 1.0)
        long = end >= 2 * JOINT[0] * out
        steps = np.linspace(0.35, 0.8, 11) * end
        near = [np.abs(along - step) <= 0.03 * end + 0.7 for step in steps]
        edge = [float(off[one].max()) for one in near if one.any()]
        if len(edge) < 4:
            break
        seen = [step for step, one in zip(steps, near, strict=True) if one.any()]
        angle += float(np.arctan(np.polyfit(seen, edge, 1)[0]))
    angle -= np.deg2rad(LONG_NARROWS if long else SHORT_WIDENS)
    return np.stack([joint, joint + end * np.array([np.sin(angle), np.cos(angle)])])


def _nearest_part(parts: NDArray[np.int32], at: NDArray[np.float64]) -> int:
    ys, xs = np.nonzero(parts)
    nearest = int(((xs - at[0]) ** 2 + (ys - at[1]) ** 2).argmin())
    return int(parts[ys[nearest], xs[nearest]])

"""Landmarks of a garment without a body: collar, shoulders, armpits, cuffs, sides and hem from its outline alone.

A flat-lay or ghost garment is nearly its own mirror image. Its axis is the one about which it is most symmetric;
armpits are where the outline, walked up from the hem, jumps out to a sleeve. Everything else is measured from these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pixels.geometry import box_of
from pipeline.pixels.sleeves import STATIONS, sleeve_of
from pipeline.types import Mask

Points = NDArray[np.float32]
"""(..., 2) of x, y in px."""

WORK_PX: Final = 360
TILT: Final = 18
"""Degrees to either side within which a garment may lie turned."""
JUMP: Final = 0.16
"""By how much of the trunk's half width the outline must step out to be a sleeve."""
SHOULDER_AT: Final = 0.80
"""Where the shoulder's seam lies on the way from the axis to the armpit's column."""
HOOD: Final = 0.5
"""What stands higher than this share of the trunk's half width above the shoulders is no collar."""
TOP_ONLY: Final = 0.66
"""Share of the garment's height from the top within which armpits are looked for."""


@dataclass(frozen=True, kw_only=True)
class Sleeve:
    """A sleeve: ``axis`` (n, 2) its middle line from the shoulder to the cuff, ``edges`` (n, 2, 2) its upper and lower
    edge at each of these, ``arm`` (2, 2) from the shoulder's joint along the arm to the cuff."""

    axis: Points
    edges: Points
    arm: Points

    @property
    def length(self) -> float:
        """From the shoulder to the cuff, in px."""
        return float(np.hypot(*np.diff(self.axis, axis=0).T).sum())


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """Points of a garment in px of its picture; pairs are (left, right) as seen.

    ``down`` and ``across`` are unit vectors along and square to its axis, ``shoulders`` (2, 2) the middle of each
    shoulder's seam, ``tops`` (2, 2) the seam's upper ends, ``pits`` (2, 2) the armpits, ``sides`` (n, 2, 2) the trunk's
    edges from armpits to hem, ``collar`` (2, 2) where the neckline leaves the shoulders. Where the neckline was told
    (`neckline.Neckline`), ``nape`` (2,) is the middle of its upper edge and ``neck`` half its width in px.
    """

    down: Points
    across: Points
    collar: Points
    tops: Points
    shoulders: Points
    pits: Points
    sides: Points
    sleeves: tuple[Sleeve | None, Sleeve | None]
    nape: Points | None = None
    neck: float | None = None

    @property
    def origin(self) -> Points:
        """The middle between the shoulders."""
        return np.asarray(self.shoulders.mean(axis=0), np.float32)

    @property
    def half(self) -> float:
        """Half the distance between the shoulders, in px."""
        return float(np.hypot(*(self.shoulders[1] - self.shoulders[0]))) / 2

    @property
    def hem(self) -> Points:
        """The hem's corners, (2, 2)."""
        return np.asarray(self.sides[-1], np.float32)


@dataclass(frozen=True, kw_only=True)
class Upright:
    """A garment stood up: ``mask`` (h, w) small and with its axis as the middle column, ``home`` takes points (..., 2)
    of it to the photo's px, ``down`` and ``across`` are unit vectors of its axis in the photo."""

    mask: Mask
    home: Callable[[NDArray[np.float64]], Points]
    down: Points
    across: Points


def stood_up(garment: Mask) -> Upright:
    """A garment's mask (H, W) turned so that it is most its own mirror image. Raises ValueError if it is too small."""
    box = box_of(garment)
    if box is None or min(box[2] - box[0], box[3] - box[1]) < 24:
        raise ValueError("the garment's mask is too small to measure landmarks on")
    scale = min(1.0, WORK_PX / max(box[2] - box[0], box[3] - box[1]))
    pad = 24
    piece = garment[box[1] : box[3], box[0] : box[2]].astype(np.uint8)
    small = np.pad(np.asarray(cv2.resize(piece, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8), pad)
    angle, center = _axis(small)
    turn = cv2.getRotationMatrix2D((small.shape[1] / 2, small.shape[0] / 2), angle, 1.0)
    turn[0, 2] += small.shape[1] / 2 - center
    upright = cv2.warpAffine(small * np.uint8(255), turn, small.shape[::-1], flags=cv2.INTER_LINEAR) > 127
    back = cv2.invertAffineTransform(turn)

    def home(points: NDArray[np.float64]) -> Points:
        flat = np.asarray(points, np.float64).reshape(-1, 2)
        there = (flat @ back[:, :2].T + back[:, 2] - pad) / scale + np.array(box[:2])
        return np.asarray(there.reshape(np.shape(points)), np.float32)

    down = back[:, :2] @ np.array([0.0, 1.0])
    return Upright(
        mask=upright,
        home=home,
        down=(down / np.hypot(*down)).astype(np.float32),
        across=np.array([down[1], -down[0]], np.float32) / np.float32(np.hypot(*down)),
    )


def find_landmarks(garment: Mask) -> Landmarks:
    """The landmarks of a top, coat or dress that lies flat or hangs hollow, upright within 18 degrees.

    Raises:
        ValueError: it has no outline to measure, has a hood, or lies on its side.
    """
    stood = stood_up(garment)
    found, home = _measure(stood.mask), stood.home
    return Landmarks(
        down=stood.down, across=stood.across,
        collar=home(found.collar), tops=home(found.tops), shoulders=home(found.shoulders), pits=home(found.pits),
        sides=home(found.sides),
        sleeves=(_home_sleeve(found.sleeves[0], home), _home_sleeve(found.sleeves[1], home)),
    )  # fmt: skip


def _home_sleeve(pairs: NDArray[np.float64] | None, home: Callable[[NDArray[np.float64]], Points]) -> Sleeve | None:
    if pairs is None:
        return None
    points = home(pairs)
    return Sleeve(axis=points[:-1].mean(axis=1), edges=points[:-1], arm=points[-1])


def _axis(small: NDArray[np.uint8]) -> tuple[float, float]:
    """Turn (degrees) and column about which the outline is most its own mirror image."""
    best = (-1.0, 0.0, small.shape[1] / 2)
    for step, reach in ((3.0, TILT), (0.5, 3.0)):
        around = best[1]
        for angle in np.arange(around - reach, around + reach + 1e-6, step):
            if abs(angle) > TILT:
                continue
            score, column = _mirrored(small, float(angle))
            if score > best[0] + 1e-6:
                best = (score, float(angle), column)
    return best[1], best[2]


def _mirrored(small: NDArray[np.uint8], angle: float) -> tuple[float, float]:
    """Overlap with its mirror image about the best column after a turn by ``angle`` degrees, and that column."""
    middle = (small.shape[1] / 2, small.shape[0] / 2)
    turned = np.asarray(cv2.warpAffine(small, cv2.getRotationMatrix2D(middle, angle, 1.0), small.shape[::-1]), np.uint8)
    columns = turned.sum(axis=0).astype(np.float64)
    at = float((columns * np.arange(columns.size)).sum() / max(columns.sum(), 1))
    tried = []
    for column in np.arange(at - 4, at + 4.1, 1.0):
        flipped = np.asarray(
            cv2.warpAffine(turned, np.array([[-1.0, 0, 2 * column], [0, 1, 0]]), turned.shape[::-1]), np.uint8
        )
        tried.append((float((turned & flipped).sum() / max(1, (turned | flipped).sum())), float(column)))
    score, column = max(tried)
    return score, column


@dataclass(frozen=True, kw_only=True)
class _Marks:
    collar: NDArray[np.float64]
    tops: NDArray[np.float64]
    shoulders: NDArray[np.float64]
    pits: NDArray[np.float64]
    sides: NDArray[np.float64]
    sleeves: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]


def _measure(upright: Mask) -> _Marks:
    """The points in a picture whose middle column is the axis."""
    rows = np.flatnonzero(upright.any(1))
    top, bottom = int(rows[0]), int(rows[-1])
    center = upright.shape[1] // 2
    halves = (upright[:, center::-1], upright[:, center:])
    reach = [_first_exit(half) for half in halves]
    height = bottom - top
    trunk = float(np.median(np.mean(reach, axis=0)[top + round(0.55 * height) : top + round(0.9 * height)]))
    if trunk < 0.06 * height:
        raise ValueError("no trunk can be told in the garment's outline: lay it upright with its sleeves aside")
    pits = [_pit(half, top, height, trunk) for half in reach]
    row = round(float(np.mean([one for one, _ in pits if one])) if any(one for one, _ in pits) else top + 0.24 * height)
    has = [one > 0 for one, _ in pits]
    points: dict[str, list[list[float]]] = {"tops": [], "pits": [], "shoulders": [], "collar": []}
    sleeves: list[NDArray[np.float64] | None] = []
    for side, sign in ((0, -1), (1, 1)):
        pit_row = pits[side][0] or row
        out = float(reach[side][min(pit_row + 2, bottom)])
        seam = round(SHOULDER_AT * out)
        column = halves[side][:, min(seam, halves[side].shape[1] - 1)]
        high = float(np.flatnonzero(column)[0]) if column.any() else float(top)
        points["tops"].append([center + sign * seam, high])
        points["pits"].append([center + sign * out, pit_row])
        points["shoulders"].append([center + sign * seam, high + 0.40 * max(pit_row - high, 1.0)])
        points["collar"].append([center + sign * 0.42 * out, _upper(halves[side], round(0.42 * out))])
        sleeve = sleeve_of(halves[side], seam, high, out, pit_row) if has[side] else None
        if sleeve is not None:
            sleeve = np.stack([center + sign * sleeve[..., 0], sleeve[..., 1]], axis=-1)
        sleeves.append(sleeve)
    if min(p[1] for p in points["tops"]) - top > HOOD * trunk:
        raise ValueError(
            "what stands above the shoulders looks like a hood, which cannot be put on a head; "
            "if it has none, its mask has lost a shoulder: touch it up"
        )
    start = max(p[1] for p in points["pits"]) + 1
    sides = [
        [[center - _at(reach[0], r), r], [center + _at(reach[1], r), r]]
        for r in np.linspace(start, bottom - 0.01 * height, STATIONS)
    ]
    return _Marks(
        **{name: np.array(value, np.float64) for name, value in points.items()},
        sides=np.array(sides, np.float64),
        sleeves=(sleeves[0], sleeves[1]),
    )


def _at(reach: NDArray[np.float64], row: float) -> float:
    return float(np.median(reach[max(0, round(row) - 2) : round(row) + 3]))


def _first_exit(half: Mask) -> NDArray[np.float64]:
    """In each row, how far out from the axis the garment reaches without a gap wider than a fold; 0 if it is not there.

    A neckline opens on the axis: where the row starts outside, the first run counts.
    """
    result = np.zeros(half.shape[0], np.float64)
    for at, line in enumerate(half):
        inside = np.flatnonzero(line)
        if inside.size:
            gap = np.flatnonzero(np.diff(inside) > 2)
            result[at] = float(inside[gap[0]] if gap.size else inside[-1]) + 1
    return result


def _pit(reach: NDArray[np.float64], top: int, height: int, trunk: float) -> tuple[int, float]:
    """Row of the armpit and by how much the outline steps out there; row 0 if nothing steps out."""
    near = max(2, round(0.025 * height))
    rows = np.arange(top + near + 2, top + round(TOP_ONLY * height))
    steps = np.array([reach[r - near] - reach[r + near] for r in rows])
    if not steps.size or steps.max() < JUMP * trunk:
        return 0, 0.0
    # the lowest strong step: a cuff's lower corner is further out, but higher than the armpit it belongs to
    strong = np.flatnonzero(steps >= max(JUMP * trunk, 0.5 * steps.max()))
    row = int(rows[strong[-1]])
    fine = [reach[r - 1] - reach[r + 1] for r in range(row - near, row + near + 1)]
    return row - near + int(np.argmax(fine)), float(steps.max())


def _upper(half: Mask, column: int) -> float:
    line = half[:, min(column, half.shape[1] - 1)]
    return float(np.flatnonzero(line)[0]) if line.any() else 0.0

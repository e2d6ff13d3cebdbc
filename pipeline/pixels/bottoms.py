"""Landmarks of trousers, shorts and skirts without a body, and the legs that fill them.

The axis is that of `landmarks.stood_up`. Legs are told where they part; what does not part, a skirt or trousers whose
legs lie on each other, hangs from the waist and says nothing of them. The crotch itself is not looked for: in flat
trousers the legs touch far below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.pixels import pose
from pipeline.pixels.landmarks import Points, stood_up
from pipeline.pixels.pose import Joints
from pipeline.types import Mask

WAIST: Final = 0.089
"""Half a waistband's width over the body's height, lying flat."""
WAIST_ROW: Final = 0.025
"""Where the waistband is measured, in heights of the garment from its upper edge."""
WAIST_DOWN: Final = 0.408
"""Where the waistband begins that ends on no ankle, in heights of the body from its crown."""
HEM_DOWN: Final = 0.96
"""Where long legs end, in heights of the body from its crown."""
LONG: Final = 0.46
"""From waistband to hem, in heights of the body: what is longer ends at the ankle, and so says how long a leg is."""
LARGER: Final = (0.90, 1.12)
"""How far the body that long legs ask for may differ in size from the one that the waistband does."""
PARTED: Final = 0.10
"""What parts for less, in heights of the body, says nothing of how the legs are held."""
LEAST_LEG, MOST_LEG = -1.0, 9.0
"""Degrees off straight down at which somebody who stands holds a leg."""
HIP_HALF: Final = (0.038, 0.056)
"""Half the distance of the hips' joints, in heights of the body, at which legs may be put."""


@dataclass(frozen=True, kw_only=True)
class Bottom:
    """Points of a bottom in px of its picture; pairs are (left, right) as seen.

    ``down`` and ``across`` are unit vectors along and square to its axis, ``waist`` (2, 2) the waistband's ends,
    ``top`` and ``hem`` (2,) where the axis enters and leaves it, and ``legs`` (2, 2, 2) the middle of each leg where
    they part and at its hem; None where no legs can be told.
    """

    down: Points
    across: Points
    waist: Points
    top: Points
    hem: Points
    legs: Points | None

    @property
    def by_waist(self) -> float:
        """Height in px of the body that its waistband is cut for."""
        return float(np.hypot(*(self.waist[1] - self.waist[0]))) / 2 / WAIST

    @property
    def length(self) -> float:
        """From the waistband's upper edge to the lowest hem, in px."""
        return float((self.hem - self.top) @ self.down)

    @property
    def is_long(self) -> bool:
        """Whether it has legs that end at the ankles."""
        return self.legs is not None and self.length > LONG * self.by_waist

    @property
    def unit(self) -> float:
        """Height in px of the body that it is cut for: long legs say it best, for they end at the ankles."""
        own = self.by_waist
        if not self.is_long:
            return own
        return float(np.clip(self.length / (HEM_DOWN - WAIST_DOWN), LARGER[0] * own, LARGER[1] * own))


def find_bottom(garment: Mask) -> Bottom:
    """The landmarks of trousers, shorts or a skirt that lie flat or hang hollow, upright within 18 degrees.

    Raises:
        ValueError: it has no outline to measure, or no waistband above the rest.
    """
    stood = stood_up(garment)
    mask, center = stood.mask, stood.mask.shape[1] // 2
    rows = np.flatnonzero(mask.any(1))
    top, bottom = int(rows[0]), int(rows[-1])
    band = np.flatnonzero(mask[top + max(1, round(WAIST_ROW * (bottom - top)))])
    if band[0] >= center or band[-1] <= center:
        raise ValueError("no waistband can be told in the garment's outline: lay it upright, the waist above")
    waist_row = float(top + WAIST_ROW * (bottom - top))
    waist = stood.home(np.array([[band[0], waist_row], [band[-1], waist_row]], np.float64))
    legs = _legs(mask, center, bottom, PARTED * float(band[-1] - band[0]) / 2 / WAIST)
    return Bottom(
        down=stood.down,
        across=stood.across,
        waist=waist,
        top=stood.home(np.array([center, top], np.float64)),
        hem=stood.home(np.array([center, bottom], np.float64)),
        legs=None if legs is None else stood.home(legs),
    )


def _legs(mask: Mask, center: int, bottom: int, least: float) -> NDArray[np.float64] | None:
    """Middle of each leg (2, 2, 2) where they part and a little above the hem; None if they hardly part."""
    on_axis = np.asarray(mask[:, center - 1 : center + 2].any(axis=1))
    parted = float(np.flatnonzero(on_axis)[-1]) + 1 if on_axis.any() else float(bottom)
    if bottom - parted < least:
        return None
    found = []
    for sign in (-1, 1):
        ends = []
        for share in (0.05, 0.93):
            row = round(parted + share * (bottom - parted))
            inside = np.flatnonzero(mask[row])
            side = inside[inside < center] if sign < 0 else inside[inside > center]
            if not side.size:
                return None
            ends.append([float(side[0] + side[-1]) / 2, float(row)])
        found.append(ends)
    return np.array(found, np.float64)


def bottom_matrix(bottom: Bottom, unit: float, center: float, crown: float) -> NDArray[np.float64]:
    """From the garment's px to the picture of a body ``unit`` px high whose crown is at row ``crown``, (2, 3)."""
    scale = unit / bottom.unit
    turn = scale * np.stack([bottom.across.astype(np.float64), bottom.down.astype(np.float64)])
    from_, deep = (bottom.hem, HEM_DOWN) if bottom.is_long else (bottom.top, WAIST_DOWN)
    to = np.array([center, crown + deep * unit])
    return np.concatenate([turn, (to - turn @ from_.astype(np.float64))[:, None]], axis=1)


def leg_turn(bottom: Bottom) -> float:
    """By how many degrees a leg lies off the angles at which somebody who stands holds one; 0 without legs."""
    if bottom.legs is None:
        return 0.0
    angles = [_leg_angle(bottom, side) for side in (0, 1)]
    return max(abs(angle - float(np.clip(angle, LEAST_LEG, MOST_LEG))) for angle in angles)


def _leg_angle(bottom: Bottom, side: int) -> float:
    """Degrees off straight down, outwards."""
    if bottom.legs is None:
        return 0.0
    line = bottom.legs[side, 1] - bottom.legs[side, 0]
    return float(np.rad2deg(np.arctan2((-1.0, 1.0)[side] * (line @ bottom.across), line @ bottom.down)))


def with_legs(joints: Joints, bottom: Bottom, matrix: NDArray[np.float64], unit: float) -> Joints:
    """The joints (18, 3) of a standing figure with hips, knees and ankles in the legs of what is laid on it."""
    if bottom.legs is None:
        return joints
    result = joints.copy()
    starts = bottom.legs[:, 0] @ matrix[:, :2].T + matrix[:, 2]
    center = float(joints[[8, 11], 0].mean())
    for side, sign in ((0, -1.0), (1, 1.0)):
        hip, knee, ankle = pose.LEGS[side]
        deep = float(joints[hip, 1])
        turn = np.deg2rad(float(np.clip(_leg_angle(bottom, side), LEAST_LEG, MOST_LEG)))
        aside = sign * (starts[side, 0] - center) - (starts[side, 1] - deep) * np.tan(turn)
        way = np.array([sign * np.sin(turn), np.cos(turn)])
        result[hip, :2] = center + sign * float(np.clip(aside / unit, *HIP_HALF)) * unit, deep
        result[knee, :2] = result[hip, :2] + way * pose.THIGH * unit
        result[ankle, :2] = result[knee, :2] + way * pose.CALF * unit
    return result

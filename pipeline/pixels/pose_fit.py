"""Poses brought onto what is bare beside a kept garment: hands, forearms and the hips under a hem.

A pose from an outline or an estimator errs by some hundredths of the figure. Where the garment is kept, that shows: a
new hand hangs inside an old cuff, a new arm beside an old one's place. What is seen of the figure beside the garment
says where they are. Points are those of `pipeline.pixels.pose`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pixels.pose import (
    ARMS,
    CROWN_TO_HIPS,
    CROWN_TO_NECK_BASE,
    FOREARM,
    HIP_HALF,
    LEGS,
    NECK_BASE_TO_SHOULDERS,
    UPPER_ARM,
    Joints,
    depth_within,
    torso_length,
    within,
)
from pipeline.types import Image, Mask, Size

TRUNK: Final = CROWN_TO_HIPS - CROWN_TO_NECK_BASE - NECK_BASE_TO_SHOULDERS
"""From shoulders to hips, in heights of the figure."""
SHORTEST: Final = 0.5
"""Share of its length under which an arm is bent, or what was seen is no hand of it."""
REACH: Final = 0.13
"""How far from where it was read a wrist may be set, in heights of the figure."""
DRAWN_IN: Final = 0.045
"""How far elbows and wrists are moved at most for an arm that runs beside its sleeve, by axis."""
ROOM: Final = 0.018
"""Depth in the figure from which an arm has room enough: half a slim arm."""
LONGEST_HAND: Final = 0.105
"""What is longer than this is no hand alone but a bare forearm too."""
LIMB_HALF: Final = (0.006, 0.040)
"""Half widths between which what stands across a limb is taken for it."""
CLOTHED_THIGH: Final = 0.0625
"""How far trousers or a skirt reach out beyond the hip joints."""
_LEAST_COLOURS: Final = 40

Points = NDArray[np.float32]
"""(..., 2) x and y in px."""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What is bare: ``flesh`` (H, W) of the figure's own colour, ``cloth`` (H, W) the rest; its height ``unit`` px."""

    flesh: Mask
    cloth: Mask
    unit: float


def fitted(joints: Joints, image: Image, figure: Mask, garment: Mask) -> Joints:
    """``joints`` (18, 3) with wrists, elbows and hips where hands, arms and hips are seen beside ``garment`` (H, W).

    ``figure`` (H, W) is the figure with all its clothes. Skin or shell is known by the colour of neck and head. What
    is not seen stays where it was read.
    """
    unit = torso_length(joints) / TRUNK
    if unit < 40:
        return joints
    bare = figure & ~garment
    flesh = _flesh(image, bare, joints, unit)
    joints = joints.copy() if flesh is None else _by_hands(joints, flesh, unit)
    unit = torso_length(joints) / TRUNK
    for side in (0, 1):
        _draw_in(joints, depth_within(figure), side, unit)
    if flesh is None:
        return joints
    seen = _Seen(flesh=flesh, cloth=bare & ~flesh, unit=unit)
    for side in (0, 1):
        _fit_arm(joints, seen, side)
    _fit_hips(joints, seen, garment)
    return joints


def _by_hands(joints: Joints, flesh: Mask, unit: float) -> Joints:
    """The joints made shorter where a hand is seen inside the picture whose wrist was set below it.

    A broad figure that the picture cuts off was taken for a tall one. Its longer arm says how tall it is; how broad it
    is stays. Points that the picture cut off may come into it.
    """
    size: Size = (flesh.shape[0], flesh.shape[1])
    outside = within(np.column_stack([joints[:, :2], np.ones(len(joints), np.float32)]), size)[:, 2] == 0
    if (joints[~outside, 2] == 0).any():  # an estimator's pose: what it did not see may be anywhere
        return joints
    seen, tops = _Seen(flesh=flesh, cloth=~flesh, unit=unit), dict[int, Points]()
    for side, (_, _, wrist) in enumerate(ARMS):
        part = _hand(joints, seen, side) if outside[wrist] else None
        if part is not None:
            points = np.argwhere(part)[:, ::-1].astype(np.float32)
            tops[side] = points[points[:, 1] <= points[:, 1].min() + 0.012 * unit].mean(axis=0)
    lengths = [float(np.hypot(*(top - joints[ARMS[side][0], :2]))) for side, top in tops.items()]
    share = max(lengths, default=0.0) / ((UPPER_ARM + FOREARM) * unit)
    if not SHORTEST <= share < 1:
        return joints
    result = joints.copy()
    base = float(joints[1, 1]) - NECK_BASE_TO_SHOULDERS * unit
    result[:, 1] = base + (result[:, 1] - base) * share
    result[14:, 0] = result[0, 0] + (result[14:, 0] - result[0, 0]) * share
    result[:, 2] = 1
    for side, top in tops.items():
        shoulder, elbow, wrist = ARMS[side]
        result[wrist, :2] = top
        result[elbow, :2] = result[shoulder, :2] + (top - result[shoulder, :2]) * UPPER_ARM / (UPPER_ARM + FOREARM)
    return within(result, size)


def _draw_in(joints: Joints, depth: NDArray[np.float32], side: int, unit: float) -> None:
    """Move elbow and wrist a little where the lines between an arm's joints run along the outline or outside it.

    What is looked for is room: the mean ``depth`` (H, W) in the figure along both lines, up to ROOM.
    """
    arm = ARMS[side]
    if not joints[list(arm), 2].all():
        return
    shoulder, elbow, wrist = (joints[joint, :2] for joint in arm)
    step = np.linspace(-DRAWN_IN * unit, DRAWN_IN * unit, 7, dtype=np.float32)
    shifts = np.stack(np.meshgrid(step, step), axis=-1).reshape(-1, 2)
    cost = np.hypot(*shifts.T) * np.float32(0.15)
    upper = _room(depth, shoulder[None, None], (elbow + shifts)[:, None], unit)
    lower = _room(depth, (elbow + shifts)[:, None], (wrist + shifts)[None], unit)
    best = np.unravel_index(int((upper + lower - cost[:, None] - cost[None]).argmax()), lower.shape)
    joints[arm[1], :2] = elbow + shifts[best[0]]
    joints[arm[2], :2] = wrist + shifts[best[1]]


def _room(depth: NDArray[np.float32], start: Points, end: Points, unit: float) -> NDArray[np.float32]:
    """Mean depth along the lines from ``start`` to ``end`` (…, 2), each at most ROOM."""
    total = np.float32(0)
    shares = np.linspace(0.15, 0.95, 13, dtype=np.float32)
    for share in shares:
        spots = np.rint(start * (1 - share) + end * share).astype(int)
        x, y = (np.clip(spots[..., axis], 0, depth.shape[1 - axis] - 1) for axis in (0, 1))
        total = total + np.minimum(depth[y, x], np.float32(ROOM * unit))
    return np.asarray(total / np.float32(len(shares)), np.float32)


def _flesh(image: Image, bare: Mask, joints: Joints, unit: float) -> Mask | None:
    """What is bare and of the colours of neck and lower face; None where neither is seen."""
    nose, neck = joints[0, :2], joints[1, :2]
    rows, columns = np.mgrid[: bare.shape[0], : bare.shape[1]]
    column = (nose[0] + neck[0]) / 2
    known = bare & (np.abs(columns - column) < 0.03 * unit) & (rows > nose[1]) & (rows < neck[1] + 0.02 * unit)
    if known.sum() < _LEAST_COLOURS:
        return None
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    low, high = np.percentile(lab[known], (3, 97), axis=0)
    room = np.array([14, 7, 7], np.float32)
    like = ((lab >= low - room) & (lab <= high + room)).all(axis=2) & bare
    return np.asarray(cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0)


def _fit_arm(joints: Joints, seen: _Seen, side: int) -> None:
    """Set the wrist to the hand that is seen near it; a bare forearm also draws the elbow to its middle."""
    _, elbow, wrist = ARMS[side]
    if not joints[[elbow, wrist], 2].all():
        return
    part = _hand(joints, seen, side)
    if part is None:
        return
    start, end = joints[elbow, :2], joints[wrist, :2]
    along = (end - start) / max(float(np.hypot(*(end - start))), 1.0)
    points = np.argwhere(part)[:, ::-1].astype(np.float32)
    stations = (points - start) @ along
    first, last = (float(v) for v in np.percentile(stations, (2, 98)))
    if last - first <= LONGEST_HAND * seen.unit:
        top = points[stations <= first + 0.012 * seen.unit]
        if first > 0:
            joints[wrist, :2] = top.mean(axis=0)
        return
    for joint in (elbow, wrist):
        middle = _across(part, joints[joint, :2], along, seen.unit)
        if middle is not None:
            joints[joint, :2] = middle


def _hand(joints: Joints, seen: _Seen, side: int) -> Mask | None:
    """The piece of skin or shell at a wrist, (H, W); None where none is within reach of it."""
    shoulder, _, wrist = ARMS[side]
    count, labels, stats, centres = cv2.connectedComponentsWithStats(seen.flesh.astype(np.uint8))
    unit, (x, y) = seen.unit, joints[wrist, :2]
    best, nearest = None, REACH * unit
    for number in range(1, count):
        center_x, center_y = centres[number]
        aside = (-1, 1)[side] * (center_x - joints[1, 0])
        if stats[number, cv2.CC_STAT_AREA] < 3e-4 * unit**2 or aside < 0.02 * unit or center_y < joints[shoulder, 1]:
            continue
        left, top, width, height = stats[number, :4]
        gap = np.hypot(max(left - x, 0, x - left - width), max(top - y, 0, y - top - height))
        if gap < nearest:
            best, nearest = number, float(gap)
    return None if best is None else np.asarray(labels == best)


def _across(part: Mask, at: Points, along: Points, unit: float) -> Points | None:
    """The middle of what stands across a limb at a point of it; None where nothing as thick as a limb does."""
    side = np.array([-along[1], along[0]], np.float32)
    steps = np.arange(-round(0.09 * unit), round(0.09 * unit) + 1)
    spots = np.rint(at + steps[:, None] * side).astype(int)
    inside = (spots >= 0).all(1) & (spots[:, 0] < part.shape[1]) & (spots[:, 1] < part.shape[0])
    held = np.zeros(len(steps), np.bool_)
    held[inside] = part[spots[inside, 1], spots[inside, 0]]
    if not held.any():
        return None
    low, high = (float(v) for v in (steps[held][0], steps[held][-1]))
    half = (high - low) / 2
    if not LIMB_HALF[0] * unit <= half <= LIMB_HALF[1] * unit or held.mean() * len(steps) < 1.6 * half:
        return None
    return np.asarray(at + side * np.float32((low + high) / 2), np.float32)


def _fit_hips(joints: Joints, seen: _Seen, garment: Mask) -> None:
    """Set the hips, and what hangs under them unseen, as broad as the cloth that is seen under the garment's hem."""
    hips = [leg[0] for leg in LEGS]
    if not joints[hips, 2].all():
        return
    center = float(joints[hips, 0].mean())
    column = garment[:, int(np.clip(round(center), 0, garment.shape[1] - 1))]
    if not column.any():
        return
    row = int(np.flatnonzero(column)[-1]) + max(2, round(0.02 * seen.unit))
    if row >= garment.shape[0] or abs(row - float(joints[hips, 1].mean())) > 0.15 * seen.unit:
        return
    line = np.flatnonzero(seen.cloth[row] & (np.abs(np.arange(garment.shape[1]) - center) < 0.16 * seen.unit))
    if line.size == 0:
        return
    half = (float(line[-1]) - float(line[0])) / 2
    usual = (HIP_HALF + CLOTHED_THIGH) * seen.unit
    if not 0.7 * usual < half < 1.25 * usual or line.size < 1.6 * half:
        return
    middle = (float(line[-1]) + float(line[0])) / 2
    wanted = max(half - CLOTHED_THIGH * seen.unit, 0.5 * HIP_HALF * seen.unit)
    for sign, (hip, knee, ankle) in zip((-1, 1), LEGS, strict=True):
        shift = middle + sign * wanted - float(joints[hip, 0])
        joints[hip, 0] += shift
        for joint in (knee, ankle):
            if not joints[joint, 2]:
                joints[joint, 0] += shift

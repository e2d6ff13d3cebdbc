"""Poses completed from the outline of a standing figure: mannequins with and without a head, and worn garments.

Points are those of `pipeline.pixels.pose`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.graph import MCP_Geometric

from pipeline.pixels.geometry import box_of
from pipeline.pixels.pose import (
    ARM_HALF,
    ARMS,
    CALF,
    CROWN_TO_HIPS,
    CROWN_TO_NECK_BASE,
    FOREARM,
    HAND,
    HIP_HALF,
    LEGS,
    NECK_BASE_TO_SHOULDERS,
    SHOULDER_HALF,
    THIGH,
    UPPER_ARM,
    Joints,
    deepest_near,
    depth_within,
    moved,
    within,
)
from pipeline.types import Box, Mask

WORK_PX: Final = 320
CHEST_HALF: Final = 0.110
"""Half width of a clothed chest: what the largest disc inside the outline measures under the shoulders."""
SHOULDER_OUTLINE: Final = 0.120
"""Half width of the outline in the shoulders' row, sleeves and all."""
NECK: Final = (0.01, 0.05)
"""How far above the shoulders' beginning the neck is looked at, in heights of the figure."""
NECK_ASIDE: Final = 0.1
"""How far beside the chest's middle."""
FOLDED: Final = 0.6
"""An arm beside the trunk that is shorter by more than the rest of a forearm has its forearm before the trunk."""
BELLY: Final = 0.05
"""How far above the hips hands lie that are held before the body."""


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """A standing figure's middle line as its outline shows it, all in px of the mask.

    ``unit`` is the figure's height (also where the picture cuts it), ``center`` the body's column,
    ``neck_base`` the row where shoulders begin, ``head`` the middle of a head if there is one.
    """

    unit: float
    center: float
    neck_base: float
    head: tuple[float, float] | None


def from_outline(figure: Mask, garment: Mask | None = None) -> Joints | None:
    """Complete a pose from a standing figure's outline: mannequins with and without a head, and worn garments.

    Args:
        figure: (H, W) True on everything of the figure that is seen, its clothes too.
        garment: the kept garment; where the figure beside it is not seen, it is the figure.

    Shoulders come from where the outline widens, hips and legs from proportions and the feet, arms from the path from
    each shoulder to the farthest point of the outline beside the trunk. Unseen arms hang. Returns None if there is no
    trunk to see. The head's points are set on the neck, whatever the mannequin has there.
    """
    whole = figure if garment is None else figure | garment
    if not whole.any():
        return None
    scale = min(1.0, WORK_PX / max(whole.shape))
    small_size = (max(8, round(whole.shape[0] * scale)), max(8, round(whole.shape[1] * scale)))
    small = cv2.resize(whole.astype(np.uint8), small_size[::-1], interpolation=cv2.INTER_AREA) > 0
    trunk = find_trunk(small)
    if trunk is None:
        return None
    joints = _standing(trunk, _outline_half(small, trunk))
    _legs(joints, small, trunk)
    for side in (0, 1):
        _arm(joints, small, trunk, side)
    back = (whole.shape[1] / small.shape[1], whole.shape[0] / small.shape[0])
    return within(moved(joints, scale=back), (whole.shape[0], whole.shape[1]))


def find_trunk(figure: Mask) -> Trunk | None:
    """Where a figure's chest, neck and head are, from the widths of its outline around the body's column."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(figure.astype(np.uint8))
    if count < 2:
        return None
    body = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    box = box_of(body)
    if box is None or box[3] - box[1] < 16:
        return None
    top, bottom = box[1], box[3]
    depth = depth_within(body)
    upper = depth.copy()
    upper[top + round(0.6 * (bottom - top)) :] = 0
    row, column = (int(v) for v in np.unravel_index(int(upper.argmax()), upper.shape))
    radius = float(upper[row, column])
    widths = _run_widths(body, column, top, row)
    neck_base = _neck_base(widths, radius) + top
    head = _head(widths, radius, top, neck_base)
    cut_below = bottom >= figure.shape[0] - 2
    visible = (bottom - neck_base) / (1 - CROWN_TO_NECK_BASE)
    breadth = _unit_by_breadth(body, depth, column, neck_base, radius)
    # where the picture or a skirt hides the feet, height says nothing
    sure = 0.6 if not cut_below and _stands(body, column, box) else 0.75
    unit = breadth if cut_below or not sure < visible / breadth < 1.35 else visible
    return Trunk(
        unit=unit,
        center=_neck_column(body, float(column), float(neck_base), unit),
        neck_base=float(neck_base),
        head=None if head is None else (float(column), head),
    )


def _stands(body: Mask, column: int, box: Box) -> bool:
    """Whether two legs can be told apart at the lower end of a body: what ends there is a foot and no hem."""
    height = box[3] - box[1]
    rows = [box[3] - 1 - round(share * height) for share in (0.03, 0.06, 0.09)]
    return all(len(_runs(body[row], column, reach=0.3 * height)) == 2 for row in rows)


def _neck_column(body: Mask, column: float, neck_base: float, unit: float) -> float:
    """The middle of the neck; ``column``, that of the chest's largest disc, where none is seen.

    A sleeve that touches the trunk draws the disc to its side, by up to three hundredths of the figure.
    """
    rows = body[max(0, round(neck_base - NECK[1] * unit)) : max(0, round(neck_base - NECK[0] * unit))]
    columns = np.nonzero(rows)[1]
    near = columns[np.abs(columns - column) < NECK_ASIDE * unit]
    return float(near.mean()) if near.size else column


def _unit_by_breadth(
    body: Mask, depth: NDArray[np.float32], column: int, neck_base: float, radius: float
) -> float:  # fmt: skip
    """The figure's height by its chest and its shoulders: arms that touch the trunk make either too broad alone."""
    unit = radius / CHEST_HALF
    for _ in range(3):
        top, low = int(neck_base), int(neck_base + 0.18 * unit)
        near = max(1, round(0.05 * unit))
        chest = float(depth[top:low, max(0, column - near) : column + near + 1].max(initial=1.0))
        row = min(int(neck_base + NECK_BASE_TO_SHOULDERS * unit), body.shape[0] - 2)
        half = float(_run_widths(body, column, row, row + 1)[0]) / 2
        unit = float(np.sqrt(max(chest, 1.0) / CHEST_HALF * max(half, 1.0) / SHOULDER_OUTLINE))
    return unit


def _run_widths(body: Mask, column: int, top: int, bottom: int) -> NDArray[np.float32]:
    """Width of the run of body pixels around ``column`` in each row from ``top`` to ``bottom``."""
    widths = np.zeros(max(1, bottom - top), np.float32)
    for at, line in enumerate(body[top:bottom]):
        if not line[column]:
            near = np.flatnonzero(line)
            if near.size == 0:
                continue
            start = int(near[np.abs(near - column).argmin()])
        else:
            start = column
        left = start - int((~line[start::-1]).argmax()) if not line[start::-1].all() else -1
        right = start + int((~line[start:]).argmax()) if not line[start:].all() else line.size
        widths[at] = right - left - 1
    return widths


def _neck_base(widths: NDArray[np.float32], radius: float) -> int:
    """Row from which the outline stays wider than a neck."""
    narrow = np.flatnonzero(widths < 1.05 * radius)
    return int(narrow[-1]) + 1 if narrow.size else 0


def _head(widths: NDArray[np.float32], radius: float, top: int, neck_base: float) -> float | None:
    """The middle row of a head: what swells above the neck's narrowest row."""
    above = widths[: max(0, round(neck_base) - top)]
    if above.size < 0.9 * radius:
        return None
    return top + 0.45 * float(above.size)


def _outline_half(figure: Mask, trunk: Trunk) -> float:
    """Half width of the outline in the row of the shoulders."""
    row = min(max(0, round(trunk.neck_base + NECK_BASE_TO_SHOULDERS * trunk.unit)), figure.shape[0] - 2)
    return float(_run_widths(figure, round(trunk.center), row, row + 1)[0]) / 2


def _standing(trunk: Trunk, outline_half: float) -> Joints:
    """Head, shoulders, hips, hanging arms and straight legs at the trunk's place and size.

    Shoulders stay so far inside the outline that an arm has room: a new body must not be broader than the old one.
    """
    half = max(0.5 * SHOULDER_HALF * trunk.unit, min(SHOULDER_HALF * trunk.unit, outline_half - ARM_HALF * trunk.unit))
    u, x = trunk.unit, trunk.center
    joints = np.ones((18, 3), np.float32)
    shoulder_y = trunk.neck_base + NECK_BASE_TO_SHOULDERS * u
    hip_y = trunk.neck_base + (CROWN_TO_HIPS - CROWN_TO_NECK_BASE) * u
    joints[1, :2] = x, shoulder_y
    nose_x, nose_y = x, trunk.neck_base - 0.080 * u
    joints[0, :2] = nose_x, nose_y
    for side, sign in ((0, -1), (1, 1)):
        shoulder, elbow, wrist = ARMS[side]
        hip, knee, ankle = LEGS[side]
        joints[shoulder, :2] = x + sign * half, shoulder_y
        joints[elbow, :2] = joints[shoulder, :2] + (sign * 0.16 * UPPER_ARM * u, 0.98 * UPPER_ARM * u)
        joints[wrist, :2] = joints[elbow, :2] + (sign * 0.08 * FOREARM * u, 0.99 * FOREARM * u)
        joints[hip, :2] = x + sign * HIP_HALF * u, hip_y
        joints[knee, :2] = joints[hip, :2] + (0, THIGH * u)
        joints[ankle, :2] = joints[knee, :2] + (0, CALF * u)
        joints[14 + side, :2] = nose_x + sign * 0.0175 * u, nose_y - 0.016 * u
        joints[16 + side, :2] = nose_x + sign * 0.042 * u, nose_y - 0.008 * u
    return joints


def _legs(joints: Joints, figure: Mask, trunk: Trunk) -> None:
    """Set each ankle and knee to the middle of the outline's leg there, where two legs can be told apart."""
    foot = box_of(figure)
    if foot is None or foot[3] >= figure.shape[0] - 2:
        return
    for side, (_, knee, ankle) in enumerate(LEGS):
        for joint in (knee, ankle):
            row = int(min(joints[joint, 1], foot[3] - 1))
            runs = _runs(figure[row], trunk.center, reach=0.3 * trunk.unit)
            if len(runs) == 2:
                joints[joint, 0] = sum(runs[side]) / 2


def _runs(line: Mask, center: float, *, reach: float) -> list[tuple[int, int]]:
    """(first, past last) of the runs of True within ``reach`` of ``center``."""
    edges = np.flatnonzero(np.diff(np.pad(line.astype(np.int8), 1)))
    pairs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    return [(a, b) for a, b in pairs if abs((a + b) / 2 - center) <= reach and b - a >= 2]


def _arm(joints: Joints, figure: Mask, trunk: Trunk, side: int) -> None:
    """Set elbow and wrist along the outline's arm, or let it hang where no arm stands off the trunk."""
    shoulder, elbow, wrist = ARMS[side]
    sign, u = (-1, 1)[side], trunk.unit
    start = (int(joints[shoulder, 1]), int(joints[shoulder, 0]))
    if not (0 <= start[0] < figure.shape[0] and 0 <= start[1] < figure.shape[1]):
        return
    region, clear = _beside(figure, trunk, joints, side)
    if clear.sum() < 0.003 * u * u:
        for joint in (elbow, wrist):
            _hang(joints, joint, figure, trunk, sign)
        return
    region[max(0, start[0] - 2) : start[0] + 3, max(0, start[1] - 2) : start[1] + 3] = True
    way = MCP_Geometric(np.where(region, 1.0, -1.0))
    cost, _ = way.find_costs([start])
    reached = np.where(np.isfinite(cost) & clear, cost, -1)
    far = np.unravel_index(int(reached.argmax()), reached.shape)
    length = float(reached[far])
    if length < 0.6 * UPPER_ARM * u:
        return
    if length < (UPPER_ARM + FOLDED * FOREARM) * u and not _at_frame(far, figure.shape):
        _fold(joints, (float(far[1]), float(far[0])), depth_within(region), trunk, side)
        return
    path = np.array(way.traceback(far), np.float32)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    whole = UPPER_ARM + FOREARM + HAND
    # a longer way than an arm has corners in it; a shorter one ends before the finger tips
    share = length / whole if length > whole * u else u
    middle = depth_within(region)
    for joint, station in ((elbow, UPPER_ARM * share), (wrist, (UPPER_ARM + FOREARM) * share)):
        y, x = path[int(np.abs(along - min(station, along[-1])).argmin())]
        joints[joint, :2] = deepest_near(middle, (float(x), float(y)), 0.03 * u)


def _at_frame(at: Sequence[np.intp], shape: tuple[int, ...]) -> bool:
    """Whether a point (row, column) lies where the picture's frame cuts what is seen."""
    return not all(3 <= value < limit - 3 for value, limit in zip(at, shape, strict=True))


def _fold(joints: Joints, tip: tuple[float, float], middle: NDArray[np.float32], trunk: Trunk, side: int) -> None:
    """Set the elbow into its ``tip`` (x, y) and the wrist before the belly: an arm whose forearm nobody sees."""
    _, elbow, wrist = ARMS[side]
    joints[elbow, :2] = deepest_near(middle, tip, 1.5 * ARM_HALF * trunk.unit)
    belly = np.array([trunk.center, float(joints[LEGS[side][0], 1]) - BELLY * trunk.unit], np.float32)
    way = belly - joints[elbow, :2]
    joints[wrist, :2] = joints[elbow, :2] + way * (FOREARM * trunk.unit / max(float(np.hypot(*way)), 1.0))


def _beside(figure: Mask, trunk: Trunk, joints: Joints, side: int) -> tuple[Mask, Mask]:
    """Where an arm may run, and the part of it that is surely arm: beyond a gap, or further out than any trunk."""
    sign, u = (-1, 1)[side], trunk.unit
    shoulder_y, hip_y = float(joints[ARMS[side][0], 1]), float(joints[LEGS[side][0], 1])
    rows, columns = np.mgrid[: figure.shape[0], : figure.shape[1]]
    out = sign * (columns - trunk.center)
    inner = np.where(rows < shoulder_y + 0.06 * u, 0.055 * u, 0.105 * u)
    band = (rows > trunk.neck_base - 0.16 * u) & (rows < hip_y + 0.14 * u)
    region = figure & (out > inner) & band
    half = figure if sign > 0 else figure[:, ::-1]
    center = round(trunk.center) if sign > 0 else figure.shape[1] - 1 - round(trunk.center)
    gap = np.zeros_like(figure)
    gap[:, center:] = np.logical_or.accumulate(~half[:, center:], axis=1)
    beyond = gap if sign > 0 else gap[:, ::-1]
    clear = region & ((beyond & (out > 0.07 * u) & (rows > shoulder_y)) | (out > 0.175 * u))
    below = rows > hip_y  # wide skirts and trouser legs
    clear &= ~below | (beyond & (out > 0.12 * u))
    return region | clear, clear


def _hang(joints: Joints, joint: int, figure: Mask, trunk: Trunk, sign: int) -> None:
    """Move a hanging arm's joint to the arm, hand or cuff that a gap shows there; else inwards until an arm has room.

    Hands of the backdrop's own colour are not seen: then the sleeve above says where they are.
    """
    row, u = int(joints[joint, 1]), trunk.unit
    if not 0 <= row < figure.shape[0] - 1:
        return
    for below in (0.0, HAND / 2, HAND, -HAND / 3, -2 * HAND / 3):
        beside = _beyond_gap(figure, min(round(row + below * u), figure.shape[0] - 1), trunk, sign)
        if beside is not None:
            joints[joint, 0] = beside
            return
    half = float(_run_widths(figure, round(trunk.center), row, row + 1)[0]) / 2 - ARM_HALF * u
    out = sign * (float(joints[joint, 0]) - trunk.center)
    if 0.04 * u < half < out:
        joints[joint, 0] = trunk.center + sign * half


def _beyond_gap(figure: Mask, row: int, trunk: Trunk, sign: int) -> float | None:
    """The middle column of what stands beside the trunk in a row, where an arm may hang; None without a gap."""
    u = trunk.unit
    runs = [(a, b) for a, b in _runs(figure[row], trunk.center, reach=0.2 * u) if not a <= trunk.center < b]
    arms = [(a + b) / 2 for a, b in runs if b - a >= 0.02 * u and sign * ((a + b) / 2 - trunk.center) > 0.08 * u]
    return max(arms, key=lambda column: sign * column, default=None)

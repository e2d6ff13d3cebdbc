"""Stand-in models: a drawn person in a given pose and place, for checkpoints that cannot draw people.

The renderer's own figure is laid on the joints of a photograph and drawn at the picture's size. Nothing is learned.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.backdrops import backdrop
from pipeline.embedded.canvas import Canvas
from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.figure import draw_body
from pipeline.embedded.footwear import draw_shoes
from pipeline.embedded.garments import draw_arm_in_front, draw_garment
from pipeline.embedded.heads import draw_hair_behind, draw_head
from pipeline.embedded.palette import DYES, Floats, floats, rgb
from pipeline.embedded.pose import ARMS, EARS, EYES, LEGS, NECK, NOSE, Build, Skeleton
from pipeline.embedded.render import ground_shadow
from pipeline.embedded.wording import Reading, read_prompt
from pipeline.errors import CheckFailed
from pipeline.types import Image, Mask, Size

TRUNK: Final = 0.285
"""Shoulder line to hip line, in heights of the figure; see `pose.stand`, which all these proportions follow."""
SHOULDER: Final = 0.080
HIP: Final = 0.047
WAISTBAND: Final = 0.86
"""A waistband begins at 0.74 of the trunk; a top whose hem ends above this, plus room to tuck in, needs it higher."""
NAMED: Final = 0.9
"""Share of the thighs up to which a bottom that the prompt names is drawn under what is kept: a top whose hem lies just
above the picture's edge is no dress."""
SHORTEST: Final = {"shorts": 0.45, "skirt": 0.45}
"""How far down the thighs the shortest of these reach: kept pixels that dress them so far are one, and a longer one
drawn under it would show."""
SHINS: Final = 0.5
"""Share of the shins on kept pixels from which these are trousers or a long skirt, though a hand lies on a thigh."""
BARE: Final = 0.35
"""Share of the shins on kept pixels up to which nothing that is kept is long trousers."""
LONG: Final = ("trousers", "jeans")
SLEEVED: Final = 0.85
"""Share of a limb's line on kept pixels from which a sleeve hides it."""
SMOOTH_UP_TO_PX: Final = 1_300
"""Pictures up to this side are drawn at twice the size and averaged; larger ones have pixels enough."""


def skeleton_of(joints: NDArray[np.float32]) -> Skeleton:
    """The figure's skeleton on joints (18, 3) of x px, y px and seen > 0; what was not seen is completed.

    Raises:
        CheckFailed: not even both shoulders were seen, so nobody can be laid on them.
    """
    seen = joints[:, 2] > 0
    if not (seen[2] and seen[5]):
        raise CheckFailed("the pose shows no two shoulders, so no model can be drawn on it; give another pose")
    at = joints[:, :2].astype(np.float32).copy()
    half = float(np.hypot(*(at[5] - at[2]))) / 2
    middle = (at[2] + at[5]) / 2
    if seen[8] and seen[11]:
        hips = (at[8] + at[11]) / 2
        unit = float(np.hypot(*(middle - hips))) / TRUNK
        unit = min(max(unit, half / (SHOULDER * 1.35)), half / (SHOULDER * 0.75))
    else:
        unit, across = half / SHOULDER, at[5] - at[2]
        down = floats([-across[1], across[0]]) / np.float32(np.hypot(*across))
        hips = middle + (down if down[1] > 0 else -down) * np.float32(TRUNK * unit)
        for joint, sign in ((8, -1), (11, 1)):
            at[joint] = hips + across / np.float32(2 * half) * np.float32(sign * HIP * unit)
    up = (middle - hips) / np.float32(max(float(np.hypot(*(middle - hips))), 1e-3))
    at[NECK] = middle + up * np.float32(0.050 * unit)
    _complete(at, seen, up, unit)
    hip_half = float(np.hypot(*(at[11] - at[8]))) / 2
    build = Build(
        shoulders=float(np.clip(half / (SHOULDER * unit), 0.8, 1.25)),
        hips=float(np.clip(hip_half / (HIP * unit), 0.6, 1.15)),
        waist=0.95,
        limbs=0.95,
        bust=0.3,
    )
    return Skeleton(joints=at, unit=unit, build=build)


def _complete(at: Floats, seen: NDArray[np.bool_], up: Floats, unit: float) -> None:
    """Put joints that were not seen where a calm figure has them."""
    side, down = floats([-up[1], up[0]]), -up
    for chain, lengths, lean in ((ARMS, (0.160, 0.138), 0.16), (LEGS, (0.232, 0.218), 0.03)):
        for sign, (root, middle, end) in zip((-1, 1), chain, strict=True):
            reach = floats(down * np.float32(math.cos(lean)) + side * np.float32(sign * math.sin(lean)))
            for start, stop, length in ((root, middle, lengths[0]), (middle, end, lengths[1])):
                if not seen[stop]:
                    at[stop] = at[start] + reach * np.float32(length * unit)
    head = at[NOSE] - at[NECK]
    if not seen[NOSE] or float(np.hypot(*head)) < 0.04 * unit:
        at[NOSE] = at[NECK] + up * np.float32(0.080 * unit)
        head = at[NOSE] - at[NECK]
    head = head / np.float32(np.hypot(*head))
    at[NOSE] = at[NECK] + head * np.float32(0.080 * unit)
    across = floats([-head[1], head[0]])
    for sign, eye, ear in ((-1, EYES[0], EARS[0]), (1, EYES[1], EARS[1])):
        at[eye] = at[NOSE] + head * np.float32(0.016 * unit) + across * np.float32(sign * 0.0175 * unit)
        at[ear] = at[NOSE] + head * np.float32(0.008 * unit) + across * np.float32(sign * 0.042 * unit)


def covered(
    kept: Mask, skeleton: Skeleton, pairs: tuple[tuple[int, int], ...], *, to: float = 0.9, unseen: float = 1.0
) -> float:
    """Share of the lines between joints ``pairs`` that lies on ``kept`` (H, W), inside the picture; else ``unseen``.

    The lines are looked at from a tenth of their length on, down ``to`` this share of it.
    """
    share = np.linspace(0.1, to, 17, dtype=np.float32)[:, None]
    points = np.concatenate([skeleton.joints[a] * (1 - share) + skeleton.joints[b] * share for a, b in pairs])
    columns, rows = np.rint(points).astype(int).T
    inside = (rows >= 0) & (rows < kept.shape[0]) & (columns >= 0) & (columns < kept.shape[1])
    return float(kept[rows[inside], columns[inside]].mean()) if inside.any() else unseen


def hem_of(kept: Mask, skeleton: Skeleton) -> float:
    """How far down the trunk's axis (0 the neck, 1 the hips) the kept garment reaches; 1 where it dresses no trunk."""
    stations = np.arange(0.2, 1.0, 0.01, dtype=np.float32)
    at = np.rint(np.stack([skeleton.torso(float(t)) for t in stations])).astype(int)
    inside = (at >= 0).all(1) & (at[:, 1] < kept.shape[0]) & (at[:, 0] < kept.shape[1])
    dressed = np.zeros(len(stations), np.bool_)
    dressed[inside] = kept[at[inside, 1], at[inside, 0]]
    return float(stations[np.flatnonzero(dressed)[-1]]) if dressed.any() else 1.0


def outfit(reading: Reading, kept: Mask, skeleton: Skeleton) -> tuple[GarmentSpec, ...]:
    """What has to be drawn on the body because the kept pixels do not dress it: bottom, then top."""
    pieces = []
    # thighs under the frame are dressed too: a waistband may show above it
    to, least = (0.9, 0.35) if reading.bottom is None else (SHORTEST.get(reading.bottom.kind, 0.9), NAMED)
    dressed = covered(kept, skeleton, ((9, 10), (12, 13)), unseen=0.0) >= SHINS
    if under_coat(reading, kept, skeleton) or (
        not dressed and covered(kept, skeleton, ((8, 9), (11, 12)), to=to, unseen=0.0) < least
    ):
        bottom = reading.bottom or GarmentSpec(kind="trousers", color_name="navy", color=rgb(DYES["navy"]))
        pieces.append(replace(bottom, rise=max(bottom.rise, WAISTBAND - hem_of(kept, skeleton))))
    if covered(kept, skeleton, ((1, 8), (1, 11))) < 0.35:
        pieces.append(reading.top or GarmentSpec(kind="t-shirt", color_name="white", color=rgb(DYES["white"])))
    return tuple(pieces)


def under_coat(reading: Reading, kept: Mask, skeleton: Skeleton) -> bool:
    """Whether the prompt names trousers and what is kept hides their thighs alone: both shins are seen and bare."""
    if reading.bottom is None or reading.bottom.kind not in LONG:
        return False
    thighs = covered(kept, skeleton, ((8, 9), (11, 12)), unseen=0.0)
    return thighs >= SLEEVED and covered(kept, skeleton, ((9, 10), (12, 13)), unseen=1.0) < BARE


def sleeves(kept: Mask, skeleton: Skeleton) -> tuple[int, int]:
    """How many limbs of each arm, from the shoulder on, kept sleeves hide: 0, 1 or 2.

    What they hide is not drawn. It could only show beside them, as an arm that is thicker than its sleeve.
    """
    counts = []
    for shoulder, elbow, wrist in ARMS:
        upper, lower = (covered(kept, skeleton, (limb,), unseen=0.0) for limb in ((shoulder, elbow), (elbow, wrist)))
        counts.append(0 if upper < SLEEVED else 1 if lower < SLEEVED else 2)
    return counts[0], counts[1]


def trousered(kept: Mask, skeleton: Skeleton) -> int:
    """How many parts of both legs kept pixels hide: 0, 1 for the thighs, 3 for calves and feet too.

    What they hide could only show beside them. Thighs are hidden by what reaches the knees, calves and feet by what the
    picture's lower edge cuts off; by no hem above it, for a foot that stands lower than the photo's would come off its
    leg.
    """
    if covered(kept, skeleton, ((8, 9), (11, 12)), unseen=0.0) < SLEEVED:
        return 0
    hem = min(_hem_around(kept, skeleton, leg) for leg in LEGS)
    if hem >= kept.shape[0] - 2:
        return 3
    # of a coat that ends above the knees the thigh's end shows, without which the calf would float
    return 1 if hem >= max(float(skeleton.joints[leg[1]][1]) for leg in LEGS) else 0


def _hem_around(kept: Mask, skeleton: Skeleton, leg: tuple[int, int, int]) -> int:
    """The lowest row of ``kept`` in the columns of a leg's hip and knee; -1 where nothing of it is."""
    columns = skeleton.joints[list(leg[:2]), 0]
    room = 0.03 * skeleton.unit
    left, right = round(float(columns.min() - room)), round(float(columns.max() + room))
    rows = np.flatnonzero(kept[:, max(0, left) : max(0, right + 1)].any(axis=1))
    return int(rows[-1]) if rows.size else -1


def draw_stand_in(joints: NDArray[np.float32], kept: Mask, prompt: str, seed: int) -> Image:
    """A person and a place as ``prompt`` says, (H, W, 3) of ``kept``'s size, in the pose of ``joints`` (18, 3).

    ``kept`` is True on pixels that stay, a garment for the most part: what they dress is not dressed again. The same
    arguments give the same bytes.

    Raises:
        CheckFailed: the pose shows no shoulders.
    """
    reading, skeleton = read_prompt(prompt, seed), skeleton_of(joints)
    pieces, size = outfit(reading, kept, skeleton), (kept.shape[0], kept.shape[1])
    # trousers under a coat show below its hem, and nowhere beside it
    hem = min(_hem_around(kept, skeleton, leg) for leg in LEGS) if under_coat(reading, kept, skeleton) else 0
    hidden = trousered(kept, skeleton)
    return _smooth(skeleton, reading, pieces, size, seed, sleeves(kept, skeleton), hidden, hem)


def draw_wearing(
    joints: NDArray[np.float32], size: Size, prompt: str, seed: int, top: GarmentSpec
) -> tuple[Image, Mask]:
    """The person and place of `draw_stand_in` in the very garment ``top``, and where it is seen: a bench's truth."""
    reading, skeleton = read_prompt(prompt, seed), skeleton_of(joints)
    bottom = reading.bottom or outfit(reading, np.zeros(size, np.bool_), skeleton)[0]
    pieces = (top,) if top.kind == "dress" else (bottom, top)
    picture = _smooth(skeleton, reading, pieces, size, seed)
    canvas = _drawn(skeleton, reading, pieces, size[0], size[1], seed)
    return picture, np.asarray(canvas.labels == canvas.names.index(top.kind) + 1)


def _smooth(
    skeleton: Skeleton, reading: Reading, pieces: tuple[GarmentSpec, ...], size: Size, seed: int,
    sleeved: tuple[int, int] = (0, 0), covered_legs: int = 0, hem: int = 0,
) -> Image:  # fmt: skip
    factor = 2 if max(size) <= SMOOTH_UP_TO_PX else 1
    height, width = size[0] * factor, size[1] * factor
    large = replace(
        skeleton,
        joints=floats((skeleton.joints + np.float32(0.5)) * factor - np.float32(0.5)),
        unit=skeleton.unit * factor,
    )
    canvas = _drawn(large, reading, pieces, height, width, seed, sleeved, covered_legs, hem * factor)
    colors = canvas.rgb
    if factor > 1:
        colors = floats(cv2.resize(colors, size[::-1], interpolation=cv2.INTER_AREA))
    return (np.clip(colors, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _drawn(
    skeleton: Skeleton, reading: Reading, pieces: tuple[GarmentSpec, ...], height: int, width: int, seed: int,
    sleeved: tuple[int, int] = (0, 0), covered_legs: int = 0, hem: int = 0,
) -> Canvas:  # fmt: skip
    feet = max(float(skeleton.joints[leg[2]][1]) for leg in LEGS) + 0.04 * skeleton.unit
    floor = (feet - 0.055 * skeleton.unit) / height
    picture = backdrop(reading.backdrop, seed, height, width, min(floor, 2.0)).copy()
    if feet < height:
        ground_shadow(picture, skeleton)
    canvas = Canvas.over(picture)
    draw_hair_behind(canvas, skeleton, reading.looks)
    dressed = any(piece.kind in ("trousers", "jeans") for piece in pieces)
    draw_body(canvas, skeleton, reading.looks, covered_legs=max(covered_legs, int(dressed)), sleeved=sleeved)
    if covered_legs < 3:
        draw_shoes(canvas, skeleton, reading.shoes)
    above = canvas.rgb[:hem].copy()
    for piece in pieces:
        draw_garment(canvas, skeleton, piece)
    if hem:
        canvas.rgb[:hem] = above
    draw_arm_in_front(canvas, skeleton, None, reading.looks.material, "skin", sleeved=sleeved)
    draw_head(canvas, skeleton, reading.looks)
    return canvas


def draw_place(kept: Mask, prompt: str, seed: int) -> Image:
    """The place that ``prompt`` names, (H, W, 3) of ``kept``'s size, its floor under what is kept."""
    height, width = kept.shape
    rows = np.flatnonzero(kept.any(1))
    foot = (int(rows[-1]) + 1) / height if rows.size else 0.9
    floor = float(np.clip(foot - 0.10, 0.55, 0.92))
    colors = backdrop(read_prompt(prompt, seed).backdrop, seed, height, width, floor)
    return (np.clip(colors, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)

"""A garment drawn by rule on a person who stays: the renderer's part in `garment.mode: restyle`.

The person in the picture keeps head, hands and place. What was under the old garment is completed from the picture's
own colours, and the garment that the prompt names is drawn over it on the same joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.canvas import Canvas
from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.figure import Looks, draw_body
from pipeline.embedded.garments import draw_arm_in_front, draw_garment
from pipeline.embedded.palette import DYES, Floats, floats, rgb
from pipeline.embedded.pose import ARMS, NECK, NOSE, Skeleton
from pipeline.embedded.stand_in import SMOOTH_UP_TO_PX, covered, skeleton_of
from pipeline.embedded.tops import ending_at, top_end
from pipeline.embedded.wording import Reading, read_prompt
from pipeline.errors import CheckFailed
from pipeline.pixels.color import bleed
from pipeline.types import Image, Mask

TRUNK: Final = ((NECK, 8), (NECK, 11))
THIGHS: Final = ((8, 9), (11, 12))
HEM: Final = 0.03
"""How much further than `_depth` a new top hangs: of the trousers drawn under it little shall show, for they meet those
that stay with a step."""
LOWEST: Final = 1.14
"""The lowest hem of a top, along the trunk (1 is the hips)."""
LIT: Final = (0.85, 1.08)
"""The quantile of a surface's brightness at which it is in full light, and what the renderer's light takes from it
(measured on its own faces)."""


def person_stays(joints: NDArray[np.float32], kept: Mask) -> bool:
    """Whether the picture's own person is redressed: trunk or thighs are repainted, a head that is seen is kept."""
    if not (joints[[2, 5], 2] > 0).all():
        return False
    skeleton = skeleton_of(joints)
    trunk, thighs = covered(kept, skeleton, TRUNK), covered(kept, skeleton, THIGHS)
    x, y = (round(float(value)) for value in skeleton.joints[NOSE])
    if 0 <= y < kept.shape[0] and 0 <= x < kept.shape[1]:
        return bool(kept[y, x]) and min(trunk, thighs) < 0.5
    return trunk < 0.35


def draw_redressed(image: Image, joints: NDArray[np.float32], kept: Mask, prompt: str, seed: int) -> Image:
    """``image`` (H, W, 3) with the garment of ``prompt`` on its person, drawn where ``kept`` (H, W) is False.

    ``joints`` are (18, 3). Kept pixels are bit for bit the image's. The same arguments give the same bytes.

    Raises:
        CheckFailed: the pose shows no shoulders, or the prompt names no garment that the renderer can draw.
    """
    reading = read_prompt(prompt, seed)
    skeleton = skeleton_of(joints)
    pieces = _pieces(reading, image, kept, skeleton)
    factor = 2 if max(kept.shape) <= SMOOTH_UP_TO_PX else 1
    large = replace(
        skeleton,
        joints=floats((skeleton.joints + np.float32(0.5)) * factor - np.float32(0.5)),
        unit=skeleton.unit * factor,
    )
    size = (kept.shape[0] * factor, kept.shape[1] * factor)
    place = floats(cv2.resize(_place(image, kept, skeleton), size[::-1], interpolation=cv2.INTER_CUBIC)) / 255
    canvas = Canvas.over(floats(place))
    face = skeleton.joints[NOSE] + (skeleton.joints[NECK] - skeleton.joints[NOSE]) * np.float32(0.15)
    skin = _lit_color(image, kept, [face], 0.028 * skeleton.unit)
    looks = replace(reading.looks, skin=reading.looks.skin if skin is None else skin)
    hands = (not _has_hand(kept, skeleton, 0), not _has_hand(kept, skeleton, 1))
    _dress(canvas, large, looks, pieces, hands)
    colors = canvas.rgb
    if factor > 1:
        colors = floats(cv2.resize(colors, kept.shape[::-1], interpolation=cv2.INTER_AREA))
    made = (np.clip(colors, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return np.where(kept[..., None], image, made)


def _has_hand(kept: Mask, skeleton: Skeleton, side: int) -> bool:
    """Whether the picture's own hand is kept where the arm's would be drawn."""
    _, elbow, wrist = (skeleton.joints[joint] for joint in ARMS[side])
    along = (wrist - elbow) / np.float32(max(float(np.hypot(*(wrist - elbow))), 1e-3))
    reach = [wrist + along * np.float32(step * skeleton.unit) for step in (0.015, 0.025, 0.035)]
    spots = [(round(float(x)), round(float(y))) for x, y in reach]
    inside = [(x, y) for x, y in spots if 0 <= y < kept.shape[0] and 0 <= x < kept.shape[1]]
    return not inside or sum(bool(kept[y, x]) for x, y in inside) > len(inside) / 2


def _dress(
    canvas: Canvas, skeleton: Skeleton, looks: Looks, pieces: list[GarmentSpec], hands: tuple[bool, bool]
) -> None:
    dressed = any(piece.kind in ("trousers", "jeans") for piece in pieces)
    draw_body(canvas, skeleton, looks, covered_legs=int(dressed), hands=hands)
    for piece in pieces:
        draw_garment(canvas, skeleton, piece)
    draw_arm_in_front(canvas, skeleton, pieces[-1] if pieces else None, looks.material, "skin", hands, lowest=0.2)


def _pieces(reading: Reading, image: Image, kept: Mask, skeleton: Skeleton) -> list[GarmentSpec]:
    """What is drawn, bottom first: the garments that the prompt names and, under a top, what the legs wear already."""
    trunk, legs = covered(kept, skeleton, TRUNK), covered(kept, skeleton, THIGHS)
    top = reading.top if trunk < 0.5 else None
    bottom = reading.bottom if legs < 0.35 else None
    if top is None and bottom is None:
        raise CheckFailed("the prompt names no garment for what is repainted: say it, such as wearing: a coral t-shirt")
    if bottom is None and top is not None and top.kind != "dress":
        bottom = _worn_below(image, kept, skeleton)
        top = ending_at(top, float(np.clip(_depth(kept, skeleton) + HEM, top_end(top), max(LOWEST, top_end(top)))))
    return [_within(piece, kept, skeleton) for piece in (bottom, top) if piece is not None]


def _worn_below(image: Image, kept: Mask, skeleton: Skeleton) -> GarmentSpec | None:
    """Trousers in the colour of what shows below the repainted trunk; plain ones where nothing does."""
    spots = [skeleton.joints[hip] + (skeleton.joints[knee] - skeleton.joints[hip]) * np.float32(share)
             for hip, knee in THIGHS for share in (0.15, 0.3, 0.45)]  # fmt: skip
    color = _lit_color(image, kept, spots, 0.03 * skeleton.unit)
    if color is not None:
        return GarmentSpec(kind="trousers", color_name="", color=color, fit=0.008)
    if any(0 <= y < kept.shape[0] for _, y in spots):
        return GarmentSpec(kind="trousers", color_name="navy", color=rgb(DYES["navy"]))
    return None


def _within(piece: GarmentSpec, kept: Mask, skeleton: Skeleton) -> GarmentSpec:
    """The piece no longer than the room that is repainted: a sleeve that is cut off in mid arm is no sleeve."""
    upper = 1 - covered(kept, skeleton, tuple(arm[:2] for arm in ARMS))
    lower = 1 - covered(kept, skeleton, tuple(arm[1:] for arm in ARMS))
    if piece.sleeve > 0.75 and lower < 0.7:
        piece = replace(piece, sleeve=0.48 if upper > 0.85 else 0.30)
    if piece.sleeve <= 0.75 and piece.sleeve > 0:
        piece = replace(piece, sleeve=min(piece.sleeve, 0.5 * max(upper - 0.1, 0.0)))
    if piece.kind in ("dress", "coat"):
        deep = _depth(kept, skeleton)
        longest = (deep - 1.0) / (1.05 if piece.kind == "dress" else 0.85)
        piece = replace(piece, length=float(np.clip(min(piece.length, longest), 0.05, 2.0)))
    return piece


def _depth(kept: Mask, skeleton: Skeleton) -> float:
    """How far down the trunk's axis the repainted room reaches (1 is the hips)."""
    steps = np.arange(0.2, 2.6, 0.02)
    for t in steps:
        x, y = (round(float(value)) for value in skeleton.torso(float(t)))
        if not (0 <= y < kept.shape[0] and 0 <= x < kept.shape[1]) or kept[y, x]:
            return float(t) - 0.06
    return float(steps[-1])


def _lit_color(image: Image, kept: Mask, spots: Sequence[Floats], radius: float) -> Floats | None:
    """The own colour in [0, 1] of what is kept around ``spots``, as in full light; None where too little is."""
    rows, columns = np.ogrid[: kept.shape[0], : kept.shape[1]]
    near = np.zeros(kept.shape, np.bool_)
    for x, y in spots:
        near |= np.hypot(columns - x, rows - y) < max(2.0, radius)
    pixels = image[near & kept].astype(np.float32) / np.float32(255)
    if len(pixels) < 9:
        return None
    order = np.argsort(pixels.sum(axis=1), kind="stable")
    at, reach = round(LIT[0] * (len(order) - 1)), max(1, len(order) // 20)
    lit = np.median(pixels[order[max(0, at - reach) : at + reach + 1]], axis=0)
    return floats(np.clip(lit * LIT[1], 0, 1))


def _place(image: Image, kept: Mask, skeleton: Skeleton) -> Image:
    """The picture with its backdrop carried on into what is repainted, from where no body stands."""
    blank = Canvas.over(np.zeros((*kept.shape, 3), np.float32))
    draw_body(blank, skeleton, Looks(skin=floats([1, 1, 1]), hair_color=floats([1, 1, 1])))
    px = max(2, round(0.022 * skeleton.unit))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * px + 1, 2 * px + 1))
    body = cv2.dilate((blank.alpha > 0).astype(np.uint8), kernel) > 0
    head = np.zeros(kept.shape, np.uint8)
    x, y = (round(float(value)) for value in skeleton.joints[NOSE])
    cv2.circle(head, (x, y), max(1, round(0.11 * skeleton.unit)), 1, -1)
    empty = kept & ~body & (head == 0)
    return bleed(image, empty.astype(np.float32)) if empty.any() else image

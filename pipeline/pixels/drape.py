"""A flat or hollow garment laid on the pose that was made for it (see `stances`): moved, turned, scaled.

The pixels are the photograph's own, resampled once. Its trunk is not bent, its sleeves are moved onto the arms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pixels.bottoms import Bottom, leg_turn
from pipeline.pixels.geometry import box_of
from pipeline.pixels.landmarks import Landmarks
from pipeline.pixels.sleeve_motion import Shift, sleeve_shift
from pipeline.pixels.stances import ORDINARY, Cut, Stance, legs_matrix, sleeve_angle, top_matrix
from pipeline.types import Alpha, Image, Mask, Size

Transform = NDArray[np.float64]
"""(2, 3), from px of the garment to px of the body's picture."""
Map = NDArray[np.float32]
"""(H, W, 2): for each pixel of the body's picture, x and y in the garment's."""

MOST_TURN: Final = 6.0
"""Degrees by which a sleeve may lie further out or in than an arm is held."""
MOST_RAGGED: Final = 0.09
"""Share of an outline that may be frayed: a mask that lost stripes to a backdrop of their colour."""
OUTLINE_PX: Final = 720
SLEEVE_RIM: Final = 0.02
"""What is left out around a hidden sleeve, in distances of the armpits."""
SHADE: Final = 0.16
"""How much darker the cloth is where the body turns away from the light."""


@dataclass(frozen=True, kw_only=True)
class Draped:
    """The garment on the body: ``image`` its colours and ``alpha`` its matte, both of the stance's size.

    ``turned`` is how far, in degrees, a sleeve or leg (``limb``) lies off the angles at which an arm or leg is held,
    ``ragged`` the share of its outline that is not smooth, and ``opened`` whether the neckline's inside was told and
    left out.
    """

    image: Image
    alpha: Alpha
    turned: float
    ragged: float
    opened: bool
    limb: Literal["sleeve", "leg"] = "sleeve"


def drape(
    image: Image, alpha: Alpha, opening: Mask | None, marks: Landmarks, stance: Stance, *, cut: Cut = ORDINARY,
    sleeves_seen: bool = True,
) -> Draped:  # fmt: skip
    """Lay a top (H, W, 3) of such a ``cut`` with its matte on the joints of ``stance``, without its neck's ``opening``.

    Sleeves that are not to be seen, under those of another garment, are left out.
    """
    matte = alpha if opening is None else _without(alpha, opening)
    turned = [
        abs(angle - stance.arms[side]) for side in (0, 1) if (angle := sleeve_angle(marks, side)) is not None
    ]  # fmt: skip
    if not sleeves_seen:
        matte, turned = without_sleeves(matte, marks), []
    shift = sleeve_shift(marks, stance, cut) if sleeves_seen else None
    color, cover = laid(image, matte, top_matrix(stance, marks, cut), stance.size, shift)
    return Draped(
        image=color, alpha=cover, turned=max(turned, default=0.0), ragged=ragged_share(np.asarray(alpha > 0.5)),
        opened=opening is not None,
    )  # fmt: skip


def drape_bottom(image: Image, alpha: Alpha, bottom: Bottom, stance: Stance) -> Draped:
    """Lay trousers, shorts or a skirt (H, W, 3) with its matte on the joints of ``stance``."""
    color, cover = laid(image, alpha, legs_matrix(stance, bottom), stance.size)
    return Draped(
        image=color, alpha=cover, turned=leg_turn(bottom), ragged=ragged_share(np.asarray(alpha > 0.5)), opened=True,
        limb="leg",
    )  # fmt: skip


def laid(
    image: Image, matte: Alpha, matrix: Transform, size: Size, shift: Shift | None = None
) -> tuple[Image, Alpha]:  # fmt: skip
    """Colours and matte of a garment under one similarity (2, 3) in a picture of ``size``, resampled once.

    ``shift`` moves parts of it, in px of that picture (see `sleeve_motion`).
    """
    scale = float(np.hypot(*matrix[:, 0]))
    image, matte, matrix = _shrunk(image, matte, matrix, scale)
    field = _map(matrix, size, shift)
    kernel = cv2.INTER_CUBIC if scale < 2 else cv2.INTER_LANCZOS4
    xs, ys = field[..., 0], field[..., 1]
    color = cv2.remap(image, xs, ys, kernel, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.remap(matte, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(color, np.uint8), np.clip(cover, 0, 1).astype(np.float32)


def without_sleeves(alpha: Alpha, marks: Landmarks) -> Alpha:
    """A top's matte (H, W) without what lies outside the lines from its shoulders to its armpits."""
    gone = np.zeros(alpha.shape, np.uint8)
    for side, sleeve in enumerate(marks.sleeves):
        if sleeve is not None:
            ends = [marks.tops[side][None], sleeve.edges[:, 0], sleeve.edges[::-1, 1], marks.pits[side][None]]
            cv2.fillPoly(gone, [np.rint(np.concatenate(ends)).astype(np.int32)], 1)
    px = 2 * max(1, round(SLEEVE_RIM * float(np.hypot(*(marks.pits[1] - marks.pits[0]))))) + 1
    return np.asarray(alpha * (cv2.dilate(gone, np.ones((px, px), np.uint8)) == 0), np.float32)


def drape_problems(draped: Draped) -> tuple[str, ...]:
    """What a buyer would reject of the warp, in words."""
    said = []
    if draped.turned > MOST_TURN:
        holds = {"sleeve": "an arm", "leg": "a leg"}[draped.limb]
        said.append(f"a {draped.limb} lies {draped.turned:.0f} degrees off any angle at which {holds} is held")
    if draped.ragged > MOST_RAGGED:
        said.append(
            f"{draped.ragged:.0%} of the garment's outline is ragged (limit {MOST_RAGGED:.0%}): touch up its mask"
        )
    if not draped.opened:
        said.append("the inside of the neckline cannot be told from the cloth, and would lie before the neck")
    return tuple(said)


def ragged_share(garment: Mask) -> float:
    """Share of a garment's outline that lies off its smoothed outline, at 720 px: corners are few, fraying is much."""
    box = box_of(garment)
    if box is None:
        return 0.0
    piece = garment[box[1] : box[3], box[0] : box[2]].astype(np.uint8) * np.uint8(255)
    scale = OUTLINE_PX / max(piece.shape)
    small = cv2.resize(piece, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    mask = np.pad(small, 24) > 127
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 3.0) > 0.5
    edge, line = (one & (cv2.erode(one.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0) for one in (mask, smooth))
    away = cv2.distanceTransform((~line).astype(np.uint8), cv2.DIST_L2, 5)
    return float((away[edge] > 1.6).mean()) if edge.any() else 0.0


def _without(alpha: Alpha, opening: Mask) -> Alpha:
    soft = cv2.GaussianBlur(opening.astype(np.float32), (0, 0), max(0.8, max(alpha.shape) / 1600))
    return np.asarray(alpha * (1 - np.clip(2 * soft - 0.3, 0, 1)), np.float32)


def _shrunk(image: Image, matte: Alpha, matrix: Transform, scale: float) -> tuple[Image, Alpha, Transform]:
    """The garment brought down first where the body's picture is smaller: sampling it there would alias its texture."""
    if scale > 0.95:
        return image, matte, matrix
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    ratio = np.array([size[0] / image.shape[1], size[1] / image.shape[0]])
    moved = matrix.copy()
    moved[:, :2] /= ratio
    moved[:, 2] += moved[:, :2] @ (0.5 - ratio / 2)  # a pixel's middle stays its middle
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), np.asarray(cv2.resize(matte, size, interpolation=cv2.INTER_AREA)), moved


def _map(matrix: Transform, size: Size, shift: Shift | None) -> Map:
    back = cv2.invertAffineTransform(matrix)
    ys, xs = np.mgrid[: size[0], : size[1]].astype(np.float32)
    at = np.stack([xs, ys], axis=-1) if shift is None else np.stack([xs, ys], axis=-1) + shift
    return np.asarray(at @ back[:, :2].T.astype(np.float32) + back[:, 2].astype(np.float32), np.float32)


def shaded(draped: Draped, light: Alpha) -> Image:
    """The garment's colours under ``light`` (H, W), 1 where nothing changes."""
    return np.asarray(np.clip(np.rint(draped.image * light[..., None]), 0, 255), np.uint8)


def body_light(stance: Stance, alpha: Alpha, size: Size) -> Alpha:
    """Light from the upper left on the round body under the garment, (H, W) about 1: low-frequency, no detail."""
    height = np.zeros(size, np.float32)
    solid = (alpha > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(solid, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    reach = 0.075 * stance.unit
    height = np.sqrt(np.clip(1 - (1 - np.clip(depth / reach, 0, 1)) ** 2, 0, 1)).astype(np.float32)
    soft = cv2.GaussianBlur(height, (0, 0), max(2.0, 0.012 * stance.unit))
    slope_x = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3) / 8 * np.float32(reach)
    slope_y = cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3) / 8 * np.float32(reach)
    lit = 1 + SHADE * (0.46 * slope_x + 0.55 * slope_y) - SHADE * 0.5 * (1 - soft)
    return np.asarray(np.clip(lit, 0.6, 1.2), np.float32)

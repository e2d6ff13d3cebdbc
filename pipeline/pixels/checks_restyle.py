"""What is measured where a worn garment was exchanged: is it another one, and is anything left of the old?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.pixels.checks import delta_e, outside_difference, seam_step
from pipeline.pixels.checks_garment import Limits, Seen, is_empty
from pipeline.types import Image, Mask

COLORS: Final = 6
"""Colours that a garment's or a neighbourhood's pixels are summed up in."""
OWN: Final = 12.0
"""Lab distance by which an old colour must differ from those of its neighbours and of the new garment to tell it."""
NEAR: Final = 8.0
"""Lab distance up to which a pixel has a colour."""
SAME: Final = 3.0
"""Lab distance up to which a pixel has not changed."""
SAMPLE: Final = 6000


@dataclass(frozen=True, kw_only=True)
class Restyled:
    """Measures of one restyled picture.

    ``outside`` is the largest channel difference (0..255) to the photo outside what may be repainted, ``changed`` the
    mean CIEDE2000 between photo and result where the old garment was, ``leak`` the old garment that is
    still seen (see `leaked_share`), ``seam`` the step at the repainted area's edge (levels, see
    `checks.seam_step`).
    """

    outside: int
    changed: float
    leak: float
    seam: float
    empty: bool
    face_asked: bool
    seen: Seen | None

    def flat(self) -> dict[str, float | int | bool]:
        """The measures by name, those that were made, rounded for records."""
        data: dict[str, float | int | bool] = {
            "outside": self.outside, "changed": round(self.changed, 3), "leak": round(self.leak, 4),
            "seam": round(self.seam, 3), "empty": self.empty,
        }  # fmt: skip
        if self.seen is not None:
            data |= {
                "people": self.seen.people,
                "has_face": self.seen.has_face,
                "followed": round(self.seen.followed, 4),
            }
        return data


@dataclass(frozen=True, kw_only=True)
class RestyleLimits:
    """Beyond these a picture is not published."""

    changed: float = 5.0
    leak: float = 0.04
    seam: float = 12.0
    followed: float = Limits().followed


def leaked_share(photo: Image, result: Image, garment: Mask, *, reach_px: int) -> float:
    """Share of the old garment's area that is still seen: pixels of its own that did not change, and pixels within
    ``reach_px`` of it in colours that only it had.

    Colours that its surroundings have too, or that the new garment has in its middle, tell nothing and are left out.
    """
    area = int(garment.sum())
    if not area:
        return 0.0
    distance = ndimage.distance_transform_edt(~garment)
    depth = ndimage.distance_transform_edt(garment)
    around = (distance > 2 * reach_px) & (distance <= 8 * reach_px)
    middle = depth > min(2.0 * reach_px, 0.5 * float(depth.max()))
    old = _palette(photo, garment & (depth > 2))
    others = np.concatenate([_palette(photo, around), _palette(result, middle)])
    if others.size:
        gap = np.linalg.norm(old[:, None] - others[None], axis=2).min(axis=1)
        old = old[gap > OWN]
    shown = np.zeros(garment.shape, np.bool_)
    shown[garment] = np.linalg.norm(_lab(photo[garment][None]) - _lab(result[garment][None]), axis=2)[0] < SAME
    zone = distance <= 2 * reach_px
    pixels = _lab(result[zone][None])[0]
    left = np.zeros(len(pixels), np.bool_)
    for color in old:
        left |= np.linalg.norm(pixels - color, axis=1) < NEAR
    shown[zone] |= left
    return float(ndimage.binary_opening(shown).sum() / area)  # single pixels are noise of an edge


def _lab(image: Image) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)


def _palette(image: Image, where: Mask) -> NDArray[np.float32]:
    """The main colours of the pixels, (n, 3) Lab; those of fewer than 2 % of them are left out. Deterministic."""
    pixels = image[where]
    if len(pixels) < COLORS * 4:
        return np.zeros((0, 3), np.float32)
    some = pixels[:: max(1, len(pixels) // SAMPLE)]
    lab = _lab(some[None])[0]
    cv2.setRNGSeed(1)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, labels, centers = cv2.kmeans(lab, COLORS, np.zeros((0,), np.int32), stop, 2, cv2.KMEANS_PP_CENTERS)
    shares = np.bincount(labels.ravel(), minlength=COLORS) / len(lab)
    return np.asarray(centers[shares >= 0.02], np.float32)


def measure_restyled(
    photo: Image, result: Image, garment: Mask, repaint: Mask, *, reach_px: int, face_asked: bool, seen: Seen | None
) -> Restyled:
    """Measure ``result`` (H, W, 3) against ``photo``; ``garment`` is the old one, ``repaint`` what may have changed."""
    where = garment & repaint
    rows, columns = np.nonzero(where)
    step = max(1, len(rows) // 200_000)
    rows, columns = rows[::step], columns[::step]
    changed = float(delta_e(photo[rows, columns][None], result[rows, columns][None]).mean()) if len(rows) else 0.0
    return Restyled(
        outside=outside_difference(photo, result, repaint),
        changed=changed,
        leak=leaked_share(photo, result, garment, reach_px=reach_px),
        seam=seam_step(result, repaint) - seam_step(photo, repaint),
        empty=is_empty(result, repaint),
        face_asked=face_asked,
        seen=seen,
    )


def problems(measures: Restyled, limits: RestyleLimits = RestyleLimits()) -> tuple[str, ...]:
    """What a buyer would reject, in words; empty if the picture can be published."""
    said = []
    if measures.outside > 0:
        said.append(f"pixels outside the repainted area differ from the photo by {measures.outside} levels")
    if measures.empty:
        said.append("what was generated is black or of one colour")
    if measures.changed < limits.changed:
        said.append(f"the garment looks as it did (ΔE {measures.changed:.1f}, at least {limits.changed:g} is asked)")
    if measures.leak > limits.leak:
        said.append(f"the old garment still shows on {measures.leak:.1%} of its area (limit {limits.leak:.0%})")
    if measures.seam > limits.seam:
        said.append(f"a step of {measures.seam:.1f} levels shows around what was repainted (limit {limits.seam:g})")
    seen = measures.seen
    if seen is None:
        return (*said, "no person can be seen any more")
    if seen.people > 1:
        said.append(f"{seen.people} people are seen instead of one")
    if measures.face_asked and not seen.has_face:
        said.append("no face can be seen on the person any more")
    if seen.followed < limits.followed:
        said.append(f"the pose is followed by {seen.followed:.0%} of the joints (limit {limits.followed:.0%})")
    return tuple(said)


def merit(measures: Restyled) -> float:
    """One number to rank candidates by: nothing left of the old garment, then a quiet edge."""
    seen = measures.seen
    body = 0.0 if seen is None else 1.0 + 2.0 * seen.has_face + 2.0 * seen.followed - 1.0 * (seen.people > 1)
    same = 2.0 * (measures.changed < RestyleLimits().changed) + 5.0 * measures.empty + 10.0 * (measures.outside > 0)
    return round(body - same - 10.0 * min(measures.leak, 0.3) - 0.05 * max(0.0, measures.seam), 4)

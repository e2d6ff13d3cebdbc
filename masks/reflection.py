"""The mirror image under a subject on a glossy table: found by folding the picture at the subject's foot."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.surface import Lab
from pipeline.types import Mask

_LOOK_PX = 320


@dataclass(frozen=True, kw_only=True)
class Fold:
    """A fold of the picture at row ``foot``: below it lies a mirror image of what stands above.

    ``strength`` is how much of the subject's contrast the mirror keeps, ``likeness`` the correlation of both sides,
    ``detail`` the same of their fine structure and ``fade`` the strength far from the foot over that near it.
    """

    foot: int
    strength: float
    likeness: float
    detail: float
    fade: float

    @property
    def is_reflection(self) -> bool:
        """A mirror dims everything alike, keeps fine structure, and fades away from the foot."""
        dimmed = 0.06 < self.strength < 0.65
        return dimmed and self.likeness > 0.92 and self.detail > 0.6 and (self.fade < 0.8 or self.detail > 0.75)


def find_reflection(difference: Lab, subject: Mask) -> Mask:
    """What of ``subject`` is only its reflection: (H, W) bool, empty when nothing mirrors.

    ``difference`` is the picture minus its backdrop in Lab. Everything under the foot goes, column by column, because
    a turned body's foot is an arc.
    """
    nothing = np.zeros_like(subject)
    box = ops.bounding_box(subject)
    if box is None:
        return nothing
    scale = min(1.0, _LOOK_PX / max(subject.shape))
    size = (max(8, round(subject.shape[1] * scale)), max(8, round(subject.shape[0] * scale)))
    small = np.asarray(cv2.resize(difference, size, interpolation=cv2.INTER_AREA), np.float32)
    columns = slice(max(0, int(box[0] * scale) - 2), int(box[2] * scale) + 3)
    fold = best_fold(small[:, columns])
    if fold is None or not fold.is_reflection:
        return nothing
    foot = _foot_line(difference, subject, round((fold.foot + 0.5) / scale))
    rows = np.arange(subject.shape[0])[:, None]
    below: Mask = subject & (rows > foot[None, :])
    return below


def best_fold(difference: Lab) -> Fold | None:
    """The fold whose lower side is most like a dimmed mirror image of its upper side."""
    height = difference.shape[0]
    contrast = np.linalg.norm(difference, axis=2)
    rows = np.flatnonzero((contrast > 4).mean(axis=1) > 0.02)
    if len(rows) < 12:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    fine = np.asarray(difference - cv2.GaussianBlur(difference, (0, 0), 3), np.float32)
    best: Fold | None = None
    for foot in range(top + int(0.35 * (bottom - top)), bottom - max(4, int(0.06 * (bottom - top)))):
        reach = min(foot - top, height - foot, int(1.05 * (bottom - foot)) + 2)
        if reach < 6:
            continue
        fold = _measure(difference, fine, foot, reach)
        if fold.is_reflection and (best is None or _merit(fold) > _merit(best)):
            best = fold
    return best


def _merit(fold: Fold) -> float:
    # a reflection folds onto itself too: the true foot is where most contrast is lost
    return fold.likeness + fold.detail - 0.5 * fold.strength


def _measure(difference: Lab, fine: Lab, foot: int, reach: int) -> Fold:
    """Compare the rows below ``foot`` with the mirrored rows above it."""
    gap = 1  # the contact line belongs to neither side
    above, below = difference[foot - reach : foot - gap][::-1], difference[foot + gap : foot + reach]
    fine_above, fine_below = fine[foot - reach : foot - gap][::-1], fine[foot + gap : foot + reach]
    weight = np.linspace(1, 0.3, len(above), dtype=np.float32)[:, None, None]
    half = max(1, len(above) // 2)
    near, far = _gain(above[:half], below[:half]), _gain(above[half:], below[half:])
    return Fold(
        foot=foot,
        strength=near,
        likeness=_correlation(above * weight, below),
        detail=_correlation(fine_above * weight, fine_below),
        fade=far / max(near, 1e-3),
    )


def _gain(above: NDArray[np.float32], below: NDArray[np.float32]) -> float:
    return float((above * below).sum() / max(float((above * above).sum()), 1e-6))


def _correlation(above: NDArray[np.float32], below: NDArray[np.float32]) -> float:
    norm = float(np.sqrt((above * above).sum() * (below * below).sum()))
    return float((above * below).sum()) / norm if norm > 1e-6 else 0.0


def _foot_line(difference: Lab, subject: Mask, foot: int) -> NDArray[np.float64]:
    """The foot of every column: where contrast falls most near the fold, smoothed over neighbouring columns."""
    height, width = subject.shape
    reach = max(3, round(0.02 * height))
    low, high = max(1, foot - reach), min(height - 1, foot + reach)
    contrast = cv2.GaussianBlur(np.linalg.norm(difference, axis=2).astype(np.float32), (0, 0), 1)
    fall = contrast[low - 1 : high - 1] - contrast[low + 1 : high + 1]
    lines = low + np.argmax(fall, axis=0).astype(np.float64)
    used = subject[low:high].any(axis=0) & (fall.max(axis=0) > 3)
    if np.count_nonzero(used) < 3:
        return np.full(width, float(foot))
    x = np.arange(width)
    # an arc: the foot of a round body, seen from a little above; robust against columns beside the body
    keep = used.copy()
    arc = np.array([0.0, 0.0, float(foot)])
    for _ in range(3):
        degree = 2 if np.count_nonzero(keep) > 12 else 0
        arc = np.polyfit(x[keep] - width / 2, lines[keep], degree)
        away = np.abs(np.polyval(arc, x - width / 2) - lines)
        keep = used & (away <= max(1.5, 2 * float(np.median(away[used]))))
    return np.asarray(np.clip(np.polyval(arc, x - width / 2), foot - reach, foot + reach), np.float64)

"""The backdrop's own colour at every pixel, from the border of the picture inwards."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import ops
from pipeline.types import Image, Mask

Lab = NDArray[np.float32]
"""``(H, W, 3)`` float32 CIE L*a*b*: L in [0, 100]."""

_FIT_PX = 400
_NOISE_FLOOR = np.array([0.7, 0.5, 0.5], np.float32)
"""JPEG alone scatters a flat backdrop by about this much in L, a and b."""


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """What the picture would be without its subject.

    ``lab`` is the backdrop's colour at every pixel. ``noise`` is the scatter of backdrop pixels around it per Lab
    channel. ``plain_share`` is the share of the picture's border that fits, ``side_shares`` the same for the left,
    top, right and bottom; ``error`` the 90th percentile of the colour difference of what fits, in Delta E units.
    """

    lab: Lab
    noise: NDArray[np.float32]
    plain_share: float
    side_shares: tuple[float, float, float, float]
    error: float


def to_lab(image: Image) -> Lab:
    """``(H, W, 3)`` uint8 sRGB to float32 Lab."""
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def fit_backdrop(lab: Lab) -> Backdrop | None:
    """The backdrop's surface, or None when the border is not one plain or gradient backdrop.

    A plane through the border's majority (random sample consensus, Fischler and Bolles, 1981, seeded) is grown inwards
    over what it explains, refitted as a cubic surface, and corrected by what is left at large scale. All of it at a
    small size: a backdrop is smooth.
    """
    height, width = lab.shape[:2]
    scale = min(1.0, _FIT_PX / max(height, width))
    size = (max(24, round(width * scale)), max(24, round(height * scale)))
    fitted = _fit_small(np.asarray(cv2.resize(lab, size, interpolation=cv2.INTER_AREA), np.float32))
    if fitted is None:
        return None
    surface, seen_small = fitted
    surface = np.asarray(cv2.resize(surface, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    seen = ops.shrink(ops.resized(seen_small, (height, width)), 2)
    away = length(lab - surface)
    noise = _scatter(lab - surface, seen)
    fits = away < max(3.0, 3.5 * float(np.linalg.norm(noise)))
    return Backdrop(
        lab=surface,
        noise=noise,
        plain_share=float(fits[_border(height, width)].mean()),
        side_shares=_side_shares(fits),
        error=float(np.percentile(away[seen], 90)) if seen.any() else 99.0,
    )


def _fit_small(lab: Lab) -> tuple[Lab, Mask] | None:
    """The surface and where the backdrop is seen, at the size given."""
    border = _border(lab.shape[0], lab.shape[1])
    surface = _evaluate(lab.shape[:2], _consensus_plane(lab, border), 1)
    seen = border & (length(lab - surface) < 6)
    if np.count_nonzero(seen) < 0.3 * np.count_nonzero(border):
        return None
    for order in (1, 2, 3):
        surface = _evaluate(lab.shape[:2], _fit(lab, seen, order), order)
        reach = max(2.5, 3.0 * float(np.linalg.norm(_scatter(lab - surface, seen))))
        like = length(lab - surface) < reach
        seen = ops.parts_touching(like, border & like)
        deep = ops.shrink(seen, 1)
        seen = deep if np.count_nonzero(deep) > 100 else seen
        if not seen.any():
            return None
    return surface + _large_scale(lab - surface, seen), seen


def length(vectors: Lab) -> NDArray[np.float32]:
    """Length of the vector (H, W, 3) at every pixel: for Lab differences, Delta E of 1976."""
    return np.asarray(np.sqrt(np.einsum("hwc,hwc->hw", vectors, vectors)), np.float32)


def _border(height: int, width: int) -> Mask:
    band = max(2, round(0.02 * min(height, width)))
    border = np.ones((height, width), np.bool_)
    border[band:-band, band:-band] = False
    return border


def _side_shares(fits: Mask) -> tuple[float, float, float, float]:
    band = max(2, round(0.02 * min(fits.shape)))
    sides = (fits[:, :band], fits[:band], fits[:, -band:], fits[-band:])
    left, top, right, bottom = (float(side.mean()) for side in sides)
    return left, top, right, bottom


def _terms(x: NDArray[np.float64], y: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    return np.stack([x**i * y**j for i in range(order + 1) for j in range(order + 1 - i)], axis=-1)


def _grid(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates in [-1, 1], so that powers stay small."""
    return np.linspace(-1, 1, width), np.linspace(-1, 1, height)


def _evaluate(size: tuple[int, ...], coefficients: NDArray[np.float64], order: int) -> Lab:
    x, y = _grid(size[0], size[1])
    surface = np.zeros((size[0], size[1], 3), np.float32)
    powers = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    for row, (i, j) in zip(coefficients, powers, strict=True):
        surface += (np.outer(y**j, x**i)[:, :, None] * row).astype(np.float32)
    return surface


def _samples(lab: Lab, where: Mask, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """At most ``count`` evenly spread pixels of ``where``: x, y in [-1, 1] and their colours."""
    rows, columns = np.nonzero(where)
    step = max(1, len(rows) // count)
    rows, columns = rows[::step], columns[::step]
    x, y = _grid(lab.shape[0], lab.shape[1])
    return x[columns], y[rows], lab[rows, columns].astype(np.float64)


def _consensus_plane(lab: Lab, border: Mask) -> NDArray[np.float64]:
    """The plane (3 coefficients a channel) that the most border pixels agree with."""
    x, y, colour = _samples(lab, border, 4000)
    terms = _terms(x, y, 1)
    rng = np.random.default_rng(0)
    best, best_score = np.zeros((3, 3)), -1.0
    for _ in range(160):
        pick = rng.choice(len(x), 8, replace=False)
        plane, *_ = np.linalg.lstsq(terms[pick], colour[pick], rcond=None)
        # a plane that leaves the gamut between its samples explains nothing
        away = np.linalg.norm(colour - terms @ plane, axis=1)
        score = float(np.maximum(0, 1 - (away / 6) ** 2).sum()) - 20 * float(np.abs(plane[1:]).max() > 40)
        if score > best_score:
            best, best_score = np.asarray(plane, np.float64), score
    return best


def _fit(lab: Lab, where: Mask, order: int) -> NDArray[np.float64]:
    """Least squares surface with Tukey weights (iteratively reweighted)."""
    x, y, colour = _samples(lab, where, 20_000)
    terms = _terms(x, y, order)
    weight: NDArray[np.float64] = np.ones(len(x))
    coefficients = np.zeros((terms.shape[1], 3))
    ridge: NDArray[np.float64] = np.diag(np.r_[0.0, np.full(terms.shape[1] - 1, 1e-4 * len(x))])
    for _ in range(5):
        weighted = terms * weight[:, None]
        coefficients = np.asarray(np.linalg.solve(terms.T @ weighted + ridge, weighted.T @ colour), np.float64)
        away = np.linalg.norm(colour - terms @ coefficients, axis=1)
        limit = 4.7 * max(0.5, 1.4826 * float(np.median(away)))
        weight = np.where(away < limit, (1 - (away / limit) ** 2) ** 2, 0) + 1e-6
    return coefficients


def _scatter(difference: Lab, seen: Mask) -> NDArray[np.float32]:
    """Noise per channel: the median absolute deviation as a standard deviation, at least what JPEG adds."""
    values = difference[seen][:: max(1, int(seen.sum()) // 50_000)]
    if not len(values):
        return _NOISE_FLOOR * 9
    return np.maximum(1.4826 * np.median(np.abs(values), axis=0), _NOISE_FLOOR).astype(np.float32)


def _large_scale(difference: Lab, seen: Mask) -> Lab:
    """What the surface leaves of the seen backdrop, smoothed over 4 % of the picture and fading where none is seen."""
    height, width = seen.shape
    step = max(1, min(height, width) // 128)
    size = (max(8, width // step), max(8, height // step))
    weight = cv2.resize(seen.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(difference * seen[:, :, None], size, interpolation=cv2.INTER_AREA)
    sigma = 0.04 * max(size)
    weight = cv2.GaussianBlur(weight, (0, 0), sigma)
    total = cv2.GaussianBlur(total, (0, 0), sigma)
    return np.asarray(
        cv2.resize(total / (weight[:, :, None] + 0.02), (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )

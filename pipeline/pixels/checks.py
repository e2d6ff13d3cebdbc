"""Measures of a finished picture: each answers one question with one number, and none of them decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.pixels.color import to_float
from pipeline.pixels.geometry import box_of, box_size, depth_of
from pipeline.types import Alpha, Image, Mask


def outside_difference(before: Image, after: Image, mask: Mask) -> int:
    """Return the largest channel difference (0..255) outside ``mask``: 0 if nothing there was touched."""
    outside = ~mask
    if not outside.any():
        return 0
    return int(np.abs(before[outside].astype(np.int16) - after[outside].astype(np.int16)).max())


def delta_e(first: Image, second: Image) -> NDArray[np.float32]:
    """Return (H, W) CIEDE2000 differences: under 1 cannot be seen, under 2 is good, over 3 is another colour."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    difference = deltaE_ciede2000(rgb2lab(first), rgb2lab(second))  # type: ignore[no-untyped-call]
    return np.asarray(difference, dtype=np.float32)


def mean_delta_e(first: Image, second: Image, where: Mask) -> float:
    """Return the mean CIEDE2000 difference over ``where``; 0 if it is empty."""
    return float(delta_e(first, second)[where].mean()) if where.any() else 0.0


def seam_step(image: Image, mask: Mask, *, ring_px: int = 8) -> float:
    """Return how much stronger the step across the mask's edge is than the picture's own steps 8 px outside it.

    Both are mean gradients (levels a pixel, 0..255); the ring's is the measure of what is usual there. About 0: no
    seam can be seen; 10 and more: a visible line. 0 if there is no edge or no ring.
    """
    if not mask.any() or mask.all():
        return 0.0
    padded = np.pad(mask, 1, mode="edge")
    inside = ndimage.binary_erosion(padded, border_value=1)[1:-1, 1:-1]
    edge = (mask & ~inside) | (ndimage.binary_dilation(mask) & ~mask)
    distance = depth_of(~mask)
    around = (distance >= ring_px - 1) & (distance <= ring_px + 1)
    if not around.any():
        return 0.0
    red, green, blue = np.moveaxis(image.astype(np.float32), 2, 0)  # quicker than a mean over an axis of three
    gray = (red + green + blue) / np.float32(3)
    step = np.maximum(_step(gray, 0), _step(gray, 1))
    return float(step[edge].mean() - step[around].mean())


def _step(gray: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return for each pixel the larger of its differences to its two neighbours along ``axis``."""
    difference = np.abs(np.diff(gray, axis=axis))
    before, after = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
    before[axis], after[axis] = (1, 0), (0, 1)
    return np.asarray(np.maximum(np.pad(difference, before), np.pad(difference, after)), dtype=np.float32)


def expansion(source: Mask, result: Mask) -> float:
    """Return area(result minus source) / area(source): how much a product grew past its mask (gate: 0.03)."""
    area = int(source.sum())
    return float((result & ~source).sum() / area) if area else 0.0


def is_near_uniform(image: Image, *, tolerance: float = 2.0) -> bool:
    """Return whether the picture is practically one colour (every channel deviates under ``tolerance`` levels)."""
    return bool((image.reshape(-1, 3).std(axis=0) < tolerance).all())


def is_near_black(image: Image, *, level: int = 12) -> bool:
    """Return whether 99 % of the picture is under ``level``: what a safety checker leaves behind."""
    return bool(np.percentile(image.max(axis=2), 99) < level)


def backdrop_error(image: Image, product: Mask, color: tuple[int, int, int], *, margin: float = 0.02) -> int:
    """Return the largest difference (0..255) from ``color`` in the picture's border band outside the product.

    ``margin`` is the band's width as a share of the shorter side (at least 1 px). 0: the backdrop is exact there.
    """
    width = max(1, round(margin * min(product.shape)))
    band = np.ones(product.shape, np.bool_)
    band[width:-width, width:-width] = False
    band &= ~product
    if not band.any():
        return 0
    return int(np.abs(image[band].astype(np.int16) - np.asarray(color, np.int16)).max())


def fill_share(mask: Mask) -> float:
    """Return the longest-side fill: the larger of box height / picture height and box width / picture width."""
    box = box_of(mask)
    if box is None:
        return 0.0
    height, width = box_size(box)
    return float(max(height / mask.shape[0], width / mask.shape[1]))


def rim_residue(foreground: Image, alpha: Alpha, picture: Image, *, reach_px: int = 12) -> float:
    """Return how much of the old backdrop's colour the soft edge still carries, 0 (none) to 1 (all of it).

    For each soft pixel the colour lies between the nearest solid subject's and the nearest clear backdrop's; the share
    of the backdrop's is averaged over those whose two ends differ enough to tell. ``picture`` is the source photo.
    0 where there is no such pixel.
    """
    soft, solid, clear = (alpha > 0.1) & (alpha < 0.9), alpha >= 0.99, alpha <= 0.01
    if not (soft.any() and solid.any() and clear.any()):
        return 0.0
    own, own_distance = _nearest(to_float(foreground), solid, soft)
    old, old_distance = _nearest(to_float(picture), clear, soft)
    axis = old - own
    length = (axis**2).sum(axis=1)
    usable = (length > 0.15**2) & (own_distance <= reach_px) & (old_distance <= reach_px)
    if not usable.any():
        return 0.0
    share = ((to_float(foreground)[soft] - own) * axis).sum(axis=1)[usable] / length[usable]
    return float(np.clip(share, 0, 1).mean())


def _nearest(image: NDArray[np.float32], source: Mask, at: Mask) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return for each pixel of ``at`` the colour of the nearest pixel of ``source`` and its distance in px."""
    distance, index = ndimage.distance_transform_edt(~source, return_indices=True)
    return image[index[0][at], index[1][at]], distance[at].astype(np.float32)

"""Pure mask operations. Pixels here are true Euclidean pixels: grow by 6 grows 6.

The picture's frame is not an edge of the subject: what lies outside continues what lies inside, so
``shrink`` does not eat a subject from the side on which the frame cuts it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import Alpha, Box, Mask, Size

_SLACK_PX = 1e-3


def distance_to(mask: Mask) -> NDArray[np.float32]:
    """Distance of every pixel to the nearest True pixel of ``mask``: (H, W) float32, infinite when there is none.

    Exact Euclidean transform (Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions", 2012).
    """
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away, np.float32)


def grow(mask: Mask, px: float) -> Mask:
    """Add every pixel whose centre lies within ``px`` pixels of the mask. ``px`` below 0 shrinks."""
    if px < 0:
        return shrink(mask, -px)
    near: Mask = distance_to(mask) <= px + _SLACK_PX
    return near


def shrink(mask: Mask, px: float) -> Mask:
    """Take away every pixel whose centre lies within ``px`` pixels of the outside. ``px`` below 0 grows."""
    if px < 0:
        return grow(mask, -px)
    deep: Mask = distance_to(~mask) > px + _SLACK_PX
    return deep & mask


def opened(mask: Mask, px: float) -> Mask:
    """Shrink, then grow: what is thinner than ``2 * px`` goes."""
    return grow(shrink(mask, px), px) & mask


def closed(mask: Mask, px: float) -> Mask:
    """Grow, then shrink: gaps thinner than ``2 * px`` are bridged."""
    return shrink(grow(mask, px), px) | mask


RIM = 0.002
"""Share of the longer side by which an unwanted thing is eroded before it is cut out."""


def minus(mask: Mask, unwanted: Mask, shrink_px: float | None = None) -> Mask:
    """The mask without another one that is shrunk first, by ``RIM`` of the longer side unless pixels are given.

    Hair and hands are cut out of a garment eroded, so that no rim of the garment is lost to a generous mask.
    """
    rest: Mask = mask & ~shrink(unwanted, RIM * max(mask.shape) if shrink_px is None else shrink_px)
    return rest


def relaxed(mask: Mask, px: float) -> Mask:
    """The mask grown and rounded, so that its outline no longer tells its shape: it holds the mask, and reaches ``px``
    pixels beyond its edges, in bays up to twice that.

    For masks of a garment that is replaced: what is repainted must not have the old garment's silhouette (Xu et al.,
    "OOTDiffusion", issue 201). Bays and gaps narrower than ``4 * px`` are bridged, corners are rounded by ``px``.
    """
    if px < 0:
        raise ValueError(f"a silhouette is relaxed by 0 px or more, not {px}")
    return shrink(grow(mask, 2 * px), px) | mask if px else mask.copy()


def parts(mask: Mask, *, diagonal: bool = True) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Connected parts: labels (H, W) int32 with 0 outside, and each label's area in pixels (index 0 is outside)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8 if diagonal else 4)
    areas = stats[:count, cv2.CC_STAT_AREA].astype(np.int64)
    return np.asarray(labels, np.int32), areas


def fill_holes(mask: Mask, max_area_px: float | None = None) -> Mask:
    """Fill what the mask encloses, up to ``max_area_px`` a hole (None: any size). The frame closes nothing."""
    labels, areas = parts(~mask, diagonal=False)
    small = areas <= (np.inf if max_area_px is None else max_area_px)
    small[0] = False
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    small[np.unique(rim)] = False
    filled: Mask = mask | small[labels]
    return filled


def drop_islands(mask: Mask, min_area_px: float) -> Mask:
    """Drop connected parts smaller than ``min_area_px``."""
    labels, areas = parts(mask)
    large = areas >= min_area_px
    large[0] = False
    kept: Mask = large[labels]
    return kept


def largest_part(mask: Mask) -> Mask:
    """The connected part with the most pixels; an empty mask stays empty. Ties: the first in reading order."""
    labels, areas = parts(mask)
    if len(areas) < 2:
        return np.zeros_like(mask)
    part: Mask = labels == 1 + int(np.argmax(areas[1:]))
    return part


def parts_touching(mask: Mask, seed: Mask) -> Mask:
    """The connected parts of ``mask`` that hold at least one pixel of ``seed`` (hysteresis)."""
    labels, areas = parts(mask)
    hit = np.zeros(len(areas), np.bool_)
    hit[np.unique(labels[seed & mask])] = True
    hit[0] = False
    kept: Mask = hit[labels]
    return kept


def smooth_edge(mask: Mask, sigma_px: float) -> Mask:
    """Round the edge's jags: a Gaussian of ``sigma_px``, cut at one half. Parts thinner than about sigma go."""
    if sigma_px <= 0 or not mask.any():
        return mask.copy()
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE)
    rounded: Mask = soft > 0.5
    return rounded


def band_px(size: Size, share: float = 1 / 250) -> float:
    """Half the width of an edge band for a picture of ``size``: ``share`` of its longest side, at least 2 px."""
    return max(2.0, max(size) * share)


def trimap(subject: Mask | Alpha, inner_px: float, outer_px: float) -> Alpha:
    """Three-valued map (H, W) float32: 1 surely subject, 0 surely not, 0.5 unknown.

    A mask gets an unknown band from ``inner_px`` inside to ``outer_px`` outside its edge. An alpha gets the same band
    around its soft pixels, which are all unknown. ``band_px`` scales the widths with the picture.
    """
    if subject.dtype == np.bool_:
        solid = subject.astype(np.bool_)
        touched = solid
    else:
        solid = subject >= 1 - 1 / 255
        touched = subject > 1 / 255
    known = np.full(subject.shape, 0.5, np.float32)
    known[shrink(solid, inner_px)] = 1
    known[~grow(touched, outer_px)] = 0
    return known


def boundary(mask: Mask) -> Mask:
    """The mask's own pixels that have a 4-neighbour outside it. The frame is no edge."""
    padded = np.pad(mask, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: Mask = mask & ~inside
    return edge


def iou(one: Mask, other: Mask) -> float:
    """Intersection over union in [0, 1]; 1 when both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def boundary_f(one: Mask, other: Mask, tolerance: float = 0.008) -> float:
    """How well two outlines meet, in [0, 1]: the F-measure of Perazzi et al., "A benchmark dataset ... for video
    object segmentation" (DAVIS, 2016). ``tolerance`` is a share of the picture's diagonal."""
    edge, truth = boundary(one), boundary(other)
    if not edge.any() or not truth.any():
        return float(edge.any() == truth.any())
    reach = max(1.0, tolerance * float(np.hypot(*one.shape)))
    precision = float(np.mean(distance_to(truth)[edge] <= reach))
    recall = float(np.mean(distance_to(edge)[truth] <= reach))
    total = precision + recall
    return 2 * precision * recall / total if total else 0.0


def bounding_box(mask: Mask) -> Box | None:
    """Smallest box that holds the mask, None when it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def grown_box(box: Box, px: float, size: Size) -> Box:
    """The box with ``px`` more on every side, cut at the picture's frame."""
    x0, y0, x1, y1 = box
    more = round(px)
    return max(0, x0 - more), max(0, y0 - more), min(size[1], x1 + more), min(size[0], y1 + more)


def touches_edges(mask: Mask, margin_px: int = 1) -> frozenset[str]:
    """The sides of the frame (``left``, ``top``, ``right``, ``bottom``) that the mask comes within ``margin_px`` of."""
    box = bounding_box(mask)
    if box is None:
        return frozenset()
    height, width = mask.shape
    near = {
        "left": box[0] < margin_px,
        "top": box[1] < margin_px,
        "right": box[2] > width - margin_px,
        "bottom": box[3] > height - margin_px,
    }
    return frozenset(side for side, hit in near.items() if hit)


def resized(mask: Mask, size: Size) -> Mask:
    """The mask at another size, nearest neighbour (``size`` is height, width)."""
    if mask.shape == size:
        return mask
    scaled = cv2.resize(mask.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    truth: Mask = scaled.astype(np.bool_)
    return truth

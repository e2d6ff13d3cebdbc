"""From a mask's uncertain band to a soft matte, and to the subject's own colours under it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import scipy.sparse

from masks import ops
from pipeline.types import Alpha, Image, Mask

MAX_UNKNOWN = 90_000
"""Unknown pixels that are solved at once; a larger band is solved at a reduced size and guided up."""
MAX_PIXELS = 1_500_000
"""Pixels of the box around the band: the Laplacian takes 400 bytes a pixel."""
_TILE_PX = 1536
_TILE_MARGIN_PX = 48


def closed_form_alpha(image: Image, trimap: Alpha, *, max_unknown: int = MAX_UNKNOWN) -> Alpha:
    """Alpha (H, W) float32 in [0, 1] of a trimap's unknown pixels; known pixels keep their 0 or 1.

    Levin, Lischinski and Weiss, "A closed-form solution to natural image matting" (2008), solved over the unknown
    pixels alone, with the known ones as boundary values: the cost follows the band and not the photo. A band of more
    than ``max_unknown`` pixels is solved at a smaller size and brought up by a guided filter.
    """
    unknown = (trimap > 0) & (trimap < 1)
    count = int(np.count_nonzero(unknown))
    if count == 0 or not (trimap == 1).any() or not (trimap == 0).any():
        return np.where(unknown, np.float32(0.5), trimap).astype(np.float32) if count else trimap.astype(np.float32)
    x0, y0, x1, y1 = ops.grown_box(ops.bounding_box(unknown) or (0, 0, 0, 0), 2, (trimap.shape[0], trimap.shape[1]))
    if count <= max_unknown and (x1 - x0) * (y1 - y0) <= MAX_PIXELS:
        alpha = trimap.astype(np.float32).copy()
        alpha[y0:y1, x0:x1] = _solve(image[y0:y1, x0:x1], alpha[y0:y1, x0:x1])
        return alpha
    # the band's area shrinks with the square of the scale
    scale = float(np.sqrt(min(max_unknown / count, MAX_PIXELS / trimap.size, 1.0)))
    height, width = trimap.shape
    small_size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small_image = cv2.resize(image, small_size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize((trimap == 1).astype(np.float32), small_size, interpolation=cv2.INTER_AREA) > 0.999
    outside = cv2.resize((trimap == 0).astype(np.float32), small_size, interpolation=cv2.INTER_AREA) > 0.999
    small_trimap = np.where(inside, 1.0, np.where(outside, 0.0, 0.5)).astype(np.float32)
    small_alpha = _solve(np.asarray(small_image, np.uint8), small_trimap)
    alpha = guided_upsample(small_alpha, np.asarray(small_image, np.uint8), image)
    return np.where(unknown, alpha, trimap).astype(np.float32)


def soft_edge(image: Image, mask: Mask) -> Alpha:
    """A mask's soft edge (H, W) float32: closed-form alpha in a band that scales with the picture."""
    size = (mask.shape[0], mask.shape[1])
    reach = ops.band_px(size)
    return closed_form_alpha(image, ops.trimap(mask, reach, reach))


def _solve(image: Image, trimap: Alpha) -> Alpha:
    """Solve the matting Laplacian's unknown block."""
    from pymatting import cf_laplacian, cg, ichol

    unknown = ((trimap > 0) & (trimap < 1)).ravel()
    # regularised as weakly as the paper: a stronger term blurs fur away
    laplacian = cf_laplacian(image.astype(np.float64) / 255, 1e-7, is_known=~unknown)
    rows = laplacian[unknown]
    right = -(rows[:, ~unknown] @ trimap.ravel()[~unknown].astype(np.float64))
    # a pixel that no window ties to its neighbours would make the matrix singular
    square = (rows[:, unknown] + 1e-9 * scipy.sparse.identity(int(unknown.sum()))).tocsc()
    solution = cg(square, right, M=ichol(square), rtol=1e-5, maxiter=500)
    alpha = trimap.astype(np.float32).ravel().copy()
    alpha[unknown] = np.clip(solution, 0, 1)
    return alpha.reshape(trimap.shape)


def guided_upsample(
    small: Alpha, small_image: Image, image: Image, *, radius_px: int = 3, epsilon: float = 1e-4
) -> Alpha:
    """A small map brought to the size of ``image`` along its edges: (H, W) float32 in [0, 1].

    He and Sun, "Fast guided filter" (2015), with the picture's grey as the guide.
    """
    guide = cv2.cvtColor(small_image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    kernel = (2 * radius_px + 1, 2 * radius_px + 1)
    mean_guide, mean_map = cv2.blur(guide, kernel), cv2.blur(small, kernel)
    variance = cv2.blur(guide * guide, kernel) - mean_guide * mean_guide
    slope = (cv2.blur(guide * small, kernel) - mean_guide * mean_map) / (variance + epsilon)
    offset = mean_map - slope * mean_guide
    size = (image.shape[1], image.shape[0])
    full_slope = cv2.resize(cv2.blur(slope, kernel), size, interpolation=cv2.INTER_LINEAR)
    full_offset = cv2.resize(cv2.blur(offset, kernel), size, interpolation=cv2.INTER_LINEAR)
    full = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    return np.clip(full_slope * full + full_offset, 0, 1).astype(np.float32)


def own_colours(image: Image, alpha: Alpha) -> Image:
    """The picture with the backdrop's colour taken out of its soft edge: (H, W, 3) uint8.

    Germer et al., "Fast multi-level foreground estimation" (2020), in tiles, only where there are soft pixels. Equal
    to ``image`` where alpha is 1; around the subject its edge colours go on, so that a later resize mixes in no
    backdrop.
    """
    soft = (alpha > 0) & (alpha < 1)
    box = ops.bounding_box(soft)
    if box is None:
        return image.copy()
    result = image.copy()
    size = (alpha.shape[0], alpha.shape[1])
    x0, y0, x1, y1 = ops.grown_box(box, _TILE_MARGIN_PX, size)
    for top in range(y0, y1, _TILE_PX):
        for left in range(x0, x1, _TILE_PX):
            inner = (left, top, min(left + _TILE_PX, x1), min(top + _TILE_PX, y1))
            if soft[inner[1] : inner[3], inner[0] : inner[2]].any():
                _estimate_tile(image, alpha, result, inner)
    result[alpha >= 1] = image[alpha >= 1]
    return result


def _estimate_tile(image: Image, alpha: Alpha, result: Image, inner: tuple[int, int, int, int]) -> None:
    """Write the foreground colours of one tile into ``result``."""
    from pymatting import estimate_foreground_ml

    x0, y0, x1, y1 = ops.grown_box(inner, _TILE_MARGIN_PX, (alpha.shape[0], alpha.shape[1]))
    colours: Any = estimate_foreground_ml(
        image[y0:y1, x0:x1].astype(np.float64) / 255, alpha[y0:y1, x0:x1].astype(np.float64)
    )
    tile = np.clip(np.rint(colours * 255), 0, 255).astype(np.uint8)
    left, top, right, bottom = inner
    result[top:bottom, left:right] = tile[top - y0 : bottom - y0, left - x0 : right - x0]

"""From a mask's uncertain band to a soft matte, and to the subject's own colours under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from masks import ops
from pipeline.types import Alpha, Image, Mask

MAX_UNKNOWN = 90_000
"""Unknown pixels that are solved at once; a larger band is solved at a reduced size and guided up."""
MAX_PIXELS = 1_500_000
"""Pixels of the box around the band: the Laplacian takes 400 bytes a pixel."""
_GREY = 10.0
"""What is no further from the backdrop's ray to black, in 8-bit units, has its chromaticity; twice as far tells all."""
_BLEED = 0.06
"""Share of the subject's colour that JPEG's coarser chroma alone carries over an outline."""
_EVEN = 0.5
"""Twice the spread of a backdrop's colours over the contrast to the subject up to which it counts as even."""
_CRUMB = 0.1
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


@dataclass(frozen=True, kw_only=True)
class ColourLine:
    """Alpha read off the line between two local colours: ``alpha``, their ``contrast`` and the ``residual`` off the
    line, the last two (H, W) float32 in 8-bit units, 0 where the trimap is known, as is the ``spread`` of the
    backdrop's colours around. ``dimmed`` is alpha if a shadow lies on the backdrop: read off what no dimming of it
    explains; 1 where that tells nothing."""

    alpha: Alpha
    dimmed: Alpha
    contrast: NDArray[np.float32]
    residual: NDArray[np.float32]
    spread: NDArray[np.float32]


def soft_edge(image: Image, mask: Mask) -> Alpha:
    """A mask's soft edge (H, W) float32, in a band that scales with the picture and widens for fur.

    Where the two sides differ clearly, alpha is read off the line between their local colours, which no noise or JPEG
    grain upsets; elsewhere the closed form decides.
    """
    reach = ops.band_px((mask.shape[0], mask.shape[1]))
    known = ops.trimap(mask, reach, reach)
    furry = is_furry(mask)
    if furry:
        known = hair_band(mask, known, ragged_parts(mask))
    line = colour_line_alpha(image, known)
    unknown = (known > 0) & (known < 1)
    # a pixel far off the line is a third colour: the line says nothing of it
    trust = np.clip((line.contrast - 20) / 25, 0, 1) * np.clip(1.6 - 2.2 * line.residual / (line.contrast + 1), 0, 1)
    trust *= np.clip(1.5 - line.residual / 30, 0, 1)  # beside a dark stripe a light one lies behind the backdrop
    # outside the mask a darker pixel may be the dark core of a shadow as well, which no colour line knows
    most = np.where(unknown & ~mask, line.dimmed, np.float32(1)) if not furry else np.ones_like(known)
    if not unknown.any() or float(trust[unknown].min()) >= 1:
        return _calmed(np.minimum(line.alpha, most), mask, unknown, line)
    doubtful = np.where(unknown & (trust >= 1), np.clip(np.rint(line.alpha), 0, 1), known).astype(np.float32)
    closed = closed_form_alpha(image, np.where(unknown & (trust < 1), np.float32(0.5), doubtful).astype(np.float32))
    alpha = np.minimum(np.where(unknown, trust * line.alpha + (1 - trust) * closed, known), most).astype(np.float32)
    return alpha if furry else _calmed(alpha, mask, unknown, line)


def _calmed(alpha: Alpha, mask: Mask, unknown: Mask, line: ColourLine) -> Alpha:
    """The soft edge, but before a busy backdrop the mask's own: leaves and stones behind it are no part of it.

    Where the backdrop's colours differ among themselves as much as from the subject, its mean colour says nothing of
    the pixel behind an edge, and alpha would be its grain. Crumbs that are joined to nothing solid go as well.
    """
    busy = np.clip(2 * line.spread / (line.contrast + 1) - _EVEN, 0, 1) * unknown
    if not (busy > 0).any():
        return alpha
    plain = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.8, max(mask.shape) / 1100))
    calm = ((1 - busy) * alpha + busy * plain).astype(np.float32)
    crumbs = (calm > 0) & ~ops.parts_touching(calm > _CRUMB, mask & (calm >= 0.5)) & (busy > 0)
    return np.asarray(np.where(crumbs, np.minimum(calm, plain), calm), np.float32)


def ragged_parts(mask: Mask) -> Mask:
    """Where the outline is as ragged as fur and hair are: over twice as long as a straight one."""
    window = 2 * round(max(mask.shape) / 90) + 1
    outline = ops.boundary(mask).astype(np.float32)
    # a straight outline crosses a window once: 1 / window of its pixels
    dense = cv2.boxFilter(outline, -1, (window, window)) * window > 2.2
    return ops.drop_islands(np.asarray(dense), window**2)


def is_furry(mask: Mask) -> bool:
    """Whether most of the outline is ragged. Shading, print and chains look so in places."""
    outline = ops.boundary(mask)
    if not outline.any():
        return False
    near = ops.grow(ragged_parts(mask), max(mask.shape) / 30)
    return float(near[outline].mean()) > 0.6


def hair_band(mask: Mask, known: Alpha, ragged: Mask) -> Alpha:
    """A trimap around ``mask`` with a wider unknown band where it is ``ragged``."""
    if not ragged.any():
        return known
    longest = max(known.shape)
    wide = ops.trimap(mask, longest / 25, longest / 250)
    near = ops.grow(ragged, longest / 30)
    return np.where(near & (wide == 0.5), np.float32(0.5), known).astype(np.float32)


def colour_line_alpha(image: Image, known: Alpha) -> ColourLine:
    """Project each unknown pixel on the line from the local backdrop colour to the local subject colour.

    The local colours are Gaussian means of the known pixels on each side, as near as there are any: the projection of
    Chuang et al., "A Bayesian approach to digital matting" (2001), with fixed colours.
    """
    unknown = (known > 0) & (known < 1)
    rows, columns = np.nonzero(unknown)
    contrast, residual, spread = (np.zeros(known.shape, np.float32) for _ in range(3))
    alpha, dimmed = known.astype(np.float32).copy(), np.ones(known.shape, np.float32)
    if len(rows):
        colour = image[rows, columns].astype(np.float32)
        subject, _ = _local_colour(image, known == 1, rows, columns)
        ground, spread[rows, columns] = _local_colour(image, known == 0, rows, columns)
        line = subject - ground
        length = (line * line).sum(axis=1)
        share = np.clip(((colour - ground) * line).sum(axis=1) / (length + 20), 0, 1)
        alpha[rows, columns] = share
        contrast[rows, columns] = np.sqrt(length)
        residual[rows, columns] = np.linalg.norm(colour - ground - share[:, None] * line, axis=1)
        dimmed[rows, columns] = _share_beside_dimmed(colour, subject, ground)
    return ColourLine(alpha=alpha, dimmed=dimmed, contrast=contrast, residual=residual, spread=spread)


def _share_beside_dimmed(
    colour: NDArray[np.float32], subject: NDArray[np.float32], ground: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Share (N,) of the subject in colours (N, 3) that mix it with a dimmed ground; 1 where it cannot be told.

    Dimming moves the ground along the ray to black, so what is perpendicular to the ray is the subject's. Nothing is
    told of subjects in the ground's own chromaticity, and of colours that are as light as the ground.
    """
    ray = ground / (np.linalg.norm(ground, axis=1, keepdims=True) + 1e-6)
    own = subject - (subject * ray).sum(axis=1, keepdims=True) * ray
    along = (colour * ray).sum(axis=1)
    off = colour - along[:, None] * ray
    length = (own * own).sum(axis=1)
    share = (off * own).sum(axis=1) / (length + 1e-6)
    share = np.clip((share - _BLEED) / (1 - _BLEED), 0, 1)
    told = np.clip((np.sqrt(length) - _GREY) / _GREY, 0, 1) * (along < np.linalg.norm(ground, axis=1) - 4)
    return np.asarray(1 - told * (1 - share), np.float32)


def _local_colour(
    image: Image, where: Mask, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean colour (N, 3) of the nearest pixels of ``where``, at the given places; from wider around where none is.

    With it the spread (N,) of these colours about their mean, in 8-bit units.
    """
    height, width = where.shape
    unit = max(height, width) / 1100
    result = np.zeros((len(rows), 4), np.float32)
    square = (image.astype(np.float32) ** 2).sum(axis=2)
    filled = np.zeros((len(rows), 1), np.float32)
    for sigma in (2.5 * unit, 6 * unit, 15 * unit, 40 * unit, 110 * unit):
        step = max(1, int(sigma / 2.5))
        size = (max(1, width // step), max(1, height // step))
        weight = where.astype(np.float32)
        total = cv2.resize(image * where[:, :, None], size, interpolation=cv2.INTER_AREA).astype(np.float32)
        weight = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), np.float32)
        squares = np.asarray(cv2.resize(square * where, size, interpolation=cv2.INTER_AREA), np.float32)
        packed = np.dstack([total, squares, weight])
        packed = np.asarray(cv2.GaussianBlur(packed, (0, 0), max(0.6, sigma / step)), np.float32)
        x = ((columns + 0.5) * size[0] / width - 0.5).astype(np.float32)
        y = ((rows + 0.5) * size[1] / height - 0.5).astype(np.float32)
        values = _sampled(packed, x, y)
        mean = values[:, :4] / np.maximum(values[:, 4:], 1e-5)
        share = np.clip((values[:, 4:] - 0.002) / 0.03, 0, 1) * (1 - filled)
        result += share * mean
        filled += share
    result /= np.maximum(filled, 1e-4)
    colour = result[:, :3]
    variance = np.maximum(result[:, 3] - (colour * colour).sum(axis=1), 0)
    return np.asarray(colour, np.float32), np.asarray(np.sqrt(variance), np.float32)


def _sampled(plane: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bilinear samples (N, channels) of a plane; in rows of 30,000, the most that OpenCV takes."""
    parts = [
        cv2.remap(
            plane, x[i : i + 30_000, None], y[i : i + 30_000, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        for i in range(0, len(x), 30_000)
    ]
    return np.concatenate([np.asarray(part, np.float32).reshape(-1, plane.shape[2]) for part in parts])


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

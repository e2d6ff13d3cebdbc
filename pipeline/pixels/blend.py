"""How two pictures become one: compositing, feathering, colour matching and seamless blends."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from pipeline.pixels.color import FloatImage, linear_to_srgb, srgb_to_linear, to_float, to_uint8
from pipeline.pixels.geometry import depth_of
from pipeline.types import Alpha, Image, Mask

POISSON_UNKNOWNS = 40_000
"""Pixels up to which the Poisson system is solved at full size; larger ones are solved on a coarser grid first."""


def over(foreground: FloatImage, alpha: Alpha, background: FloatImage, *, linear_light: bool = False) -> FloatImage:
    """Composite ``foreground`` over ``background`` (Porter and Duff 1984); all sRGB-coded float in [0, 1].

    Mixes sRGB-coded values by default: mattes are solved on coded values, so only this puts a cut-out back on its own
    backdrop as the photo was. Mixing in linear light with such a matte thins dark hair on white and fattens white
    fluff on black. ``linear_light=True`` is right for light itself: shadows, reflections, rendered mattes.
    """
    weight = alpha[..., None]
    if not linear_light:
        return np.asarray(background + (foreground - background) * weight, dtype=np.float32)
    light, behind = srgb_to_linear(foreground), srgb_to_linear(background)
    return linear_to_srgb(behind + (light - behind) * weight)


def shade(image: FloatImage, shadow: Alpha) -> FloatImage:
    """Darken a sRGB-coded picture: ``shadow`` 0 leaves a pixel, 1 makes it black, 0.5 halves its coded value.

    Coded values are multiplied, which takes (1 - shadow)^2.2 of the light: so ``shadow`` is how dark it *looks*.
    """
    return (image * (1 - shadow)[..., None]).astype(np.float32)


def feather(mask: Mask, width_px: float) -> Alpha:
    """Return a matte that rises from 0 at the mask's edge to 1 at ``width_px`` inside it; 0 everywhere outside.

    Smoothstep over the Euclidean distance. The picture's own border is no edge: a mask that reaches it stays solid.
    """
    if width_px < 0.5 or mask.all():
        return mask.astype(np.float32)
    distance = depth_of(mask)
    ramp = np.clip((distance - 0.5) / width_px, 0, 1)
    return np.where(mask, ramp * ramp * (3 - 2 * ramp), 0).astype(np.float32)


# ---- colour


def ring(mask: Mask, inner_px: int, outer_px: int) -> Mask:
    """Return the pixels outside ``mask`` that are more than ``inner_px`` and at most ``outer_px`` away from it."""
    if not mask.any():
        return np.zeros_like(mask)
    distance = depth_of(~mask)
    return np.asarray((distance > inner_px) & (distance <= outer_px))


def ring_color_fit(reference: Image, generated: Image, mask: Mask, *, ring_px: int = 24) -> Image:
    """Return ``generated`` with its brightness and saturation fitted to ``reference`` on a ring outside ``mask``.

    Two lines are fitted, V and chroma (S*V = max - min), each generated to reference; hue is left alone. A full RGB
    fit explodes on a uniform backdrop, where a slope cannot be known: here each slope is drawn towards 1 unless the
    ring varies enough to tell, and pixels that a first fit leaves far off are left out of the second.
    Returns ``generated`` unchanged if the ring is empty.
    """
    around = ring(mask, 0, ring_px)
    if int(around.sum()) < 16:
        return generated
    value, chroma = _value_chroma(to_float(generated))
    want_value, want_chroma = _value_chroma(to_float(reference))
    new_value = np.clip(_fitted_line(value, want_value, around), 0, 1)
    new_chroma = np.clip(_fitted_line(chroma, want_chroma, around), 0, new_value)
    ratio = np.where(chroma > 1e-4, new_chroma / np.maximum(chroma, 1e-4), 1)
    image = to_float(generated)
    return to_uint8((new_value[..., None] - (value[..., None] - image) * ratio[..., None]).astype(np.float32))


def _value_chroma(image: FloatImage) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return HSV's V and S*V of a float picture."""
    red, green, blue = cv2.split(image)  # numpy's own maximum over an axis of three takes ten times as long
    value = np.maximum(np.maximum(red, green), blue)
    return value, value - np.minimum(np.minimum(red, green), blue)


def _fitted_line(
    values: NDArray[np.float32], wanted: NDArray[np.float32], where: Mask, *, prior: float = 0.02**2
) -> NDArray[np.float32]:
    """Return ``values`` sent through the line that best takes them to ``wanted`` on ``where``; slope in [0.6, 1.6]."""
    x, y = values[where].astype(np.float64), wanted[where].astype(np.float64)
    gain, offset = 1.0, float(np.median(y - x))
    for _ in range(2):
        error = np.abs(x * gain + offset - y)
        keep = error <= max(0.02, 2.5 * float(np.median(error)))
        mean_x, mean_y = x[keep].mean(), y[keep].mean()
        covariance = ((x[keep] - mean_x) * (y[keep] - mean_y)).mean()
        gain = float(np.clip((covariance + prior) / (x[keep].var() + prior), 0.6, 1.6))
        offset = float(mean_y - gain * mean_x)
    return (values * gain + offset).astype(np.float32)


# ---- seamless


def multiband(base: Image, patch: Image, mask: Mask, *, levels: int = 5, band_px: float = 12) -> Image:
    """Blend ``patch`` into ``base`` inside ``mask``, each band of detail over its own width (Burt and Adelson 1983).

    The weight rises inside the mask only, and the result is clamped to it: outside, bit for bit ``base``.
    """
    levels = max(1, min(levels, int(np.log2(max(2, min(mask.shape)))) - 1))
    weight = feather(mask, band_px)
    weights = _gaussian_pyramid(weight, levels)
    first, second = _laplacian_pyramid(to_float(base), levels), _laplacian_pyramid(to_float(patch), levels)
    blended = [a + (b - a) * w[..., None] for a, b, w in zip(first, second, weights, strict=True)]
    image = blended[-1]
    for detail in reversed(blended[:-1]):
        image = cv2.pyrUp(image, dstsize=detail.shape[1::-1]) + detail
    hold = feather(mask, max(1.0, band_px / 3))[..., None]
    return _only_inside(
        base, to_uint8((to_float(base) * (1 - hold) + np.clip(image, 0, 1) * hold).astype(np.float32)), mask
    )


def _gaussian_pyramid(array: NDArray[np.float32], levels: int) -> list[NDArray[np.float32]]:
    """Return ``levels`` + 1 arrays, each half the size of the one before."""
    pyramid = [array]
    for _ in range(levels):
        pyramid.append(np.asarray(cv2.pyrDown(pyramid[-1]), dtype=np.float32))
    return pyramid


def _laplacian_pyramid(image: FloatImage, levels: int) -> list[FloatImage]:
    """Return the bands of detail of ``image``, finest first, and what is left of it last."""
    gaussian = _gaussian_pyramid(image, levels)
    bands = [a - cv2.pyrUp(b, dstsize=a.shape[1::-1]) for a, b in pairwise(gaussian)]
    return [*bands, gaussian[-1]]


def poisson(base: Image, patch: Image, mask: Mask) -> Image:
    """Blend ``patch`` into ``base`` inside ``mask`` so that gradients are the patch's and the border is the base's.

    Poisson image editing (Perez et al. 2003) in its membrane form: ``patch`` plus a harmonic correction that takes the
    base - patch difference on the mask's edge smoothly inwards. Clamped: outside, bit for bit ``base``. A mask that
    covers the whole picture has no border to match and gives the patch.
    """
    if not mask.any() or mask.all():
        return patch.copy() if mask.all() else base.copy()
    difference = to_float(base) - to_float(patch)
    correction = _membrane(difference, mask)
    return _only_inside(base, to_uint8(to_float(patch) + correction), mask)


def _only_inside(base: Image, result: Image, mask: Mask) -> Image:
    """Return ``result`` where ``mask`` is True, else ``base`` bit for bit."""
    return np.where(mask[..., None], result, base)


def _membrane(difference: FloatImage, mask: Mask) -> FloatImage:
    """Return the harmonic function inside ``mask`` that equals ``difference`` outside it."""
    if int(mask.sum()) <= POISSON_UNKNOWNS or min(mask.shape) < 8:
        return _solve_membrane(difference, mask)
    half = ((mask.shape[1] + 1) // 2, (mask.shape[0] + 1) // 2)
    outside = (~mask).astype(np.float32)
    weight = cv2.resize(outside, half, interpolation=cv2.INTER_AREA)
    known = cv2.resize(difference * outside[..., None], half, interpolation=cv2.INTER_AREA)
    coarse = _membrane((known / np.maximum(weight, 1e-6)[..., None]).astype(np.float32), np.asarray(weight <= 1e-6))
    guess = cv2.resize(coarse, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    field, known_where = np.where(mask[..., None], guess, difference), (~mask).astype(np.uint8)
    for _ in range(24):  # relaxes what the coarse grid could not see: the last few pixels at the edge
        smooth = cv2.blur(field, (3, 3), borderType=cv2.BORDER_REPLICATE)
        field = cv2.copyTo(difference, known_where, smooth)
    return np.asarray(field, dtype=np.float32)


def _solve_membrane(difference: FloatImage, mask: Mask) -> FloatImage:
    """Solve Laplace's equation inside ``mask`` directly; the picture's own border lets nothing through (Neumann)."""
    index = np.full(mask.shape, -1, np.int64)
    ys, xs = np.nonzero(mask)
    index[ys, xs] = np.arange(ys.size)
    diagonal = np.zeros(ys.size)
    right = np.zeros((ys.size, 3))
    rows, columns = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        ny, nx = ys + dy, xs + dx
        inside = (ny >= 0) & (ny < mask.shape[0]) & (nx >= 0) & (nx < mask.shape[1])
        diagonal += inside
        here = np.flatnonzero(inside)
        neighbour = index[ny[here], nx[here]]
        unknown = neighbour >= 0
        rows.append(here[unknown])
        columns.append(neighbour[unknown])
        known = here[~unknown]
        right[known] += difference[ny[known], nx[known]]
    row, column = np.concatenate(rows), np.concatenate(columns)
    laplacian = sparse.coo_matrix((-np.ones(row.size), (row, column)), (ys.size, ys.size)) + sparse.diags(diagonal)
    solution = np.asarray(spsolve(laplacian.tocsc(), right)).reshape(ys.size, 3)
    field = difference.copy()
    field[ys, xs] = solution
    return field

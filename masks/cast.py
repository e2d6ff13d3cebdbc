"""What a subject casts on its backdrop: shadows and reflections, told apart from the subject itself."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.surface import Backdrop, Lab, length
from pipeline.types import Mask

_EVEN = 1.4
"""Backdrops that fit their surface better than this, in Delta E, are studio paper."""
_MIXED_PX = 1.0
"""What is no wider than twice this may be the mixture of the subject and what lies behind its edge."""
_TINTED, _DIMMED = 8.0, 0.95
"""Chroma that tells cloth from its shadow, and the light, against the backdrop's, under which there is one."""

Field = NDArray[np.float32]
"""``(H, W)`` float32 measurements."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Measurements per pixel against the backdrop.

    ``away`` is the colour difference in Delta E; ``light`` the linear luminance as a multiple of the backdrop's.
    ``clear`` is surely backdrop, ``weak`` cannot be told from it; ``shading`` is a darker multiple of the backdrop at
    the same chromaticity, as light and shadow make it; ``edge`` is a steep place and ``edge_near`` the same two pixels
    wider; ``step`` is what is steep at the fine scale alone, as outlines are and the rims of soft shadows are not;
    ``slope`` is the colour gradient in Delta E per pixel.
    """

    away: Field
    light: Field
    difference: Lab
    broad: Lab
    clear: Mask
    weak: Mask
    shading: Mask
    edge: Mask
    edge_near: Mask
    step: Mask
    slope: Field


def read_evidence(lab: Lab, backdrop: Backdrop) -> Evidence:
    """Measure a picture, given in Lab, against its backdrop."""
    difference = cv2.GaussianBlur(lab - backdrop.lab, (0, 0), 0.8)
    broad = cv2.GaussianBlur(lab - backdrop.lab, (0, 0), 2.5)
    noise = float(np.linalg.norm(backdrop.noise))
    away = length(np.asarray(difference, np.float32))
    away_broad = length(np.asarray(broad, np.float32))
    low = max(2.2, 2.2 * noise)
    weak = away < max(3.2, 3.0 * noise)
    clear = (away < low) & (away_broad < max(1.4, 1.5 * noise))
    light, tint = _shading(np.asarray(difference, np.float32), backdrop)
    shading = (light < 1.02) & (light > 0.12) & (tint < max(3.5, 3.0 * noise))
    slope = _slope(lab)
    broad_slope = _slope(lab, 3.0)
    # a step looks 2.4 times steeper at the fine scale, the soft rim of a shadow the same at both
    grain = float(np.median(slope[clear])) if clear.any() else 0.1
    step = (slope > max(0.7, 7 * grain)) & (slope > 1.7 * broad_slope)
    edge = (slope > max(2.0, 2.0 * noise)) | ops.drop_islands(step, 12)
    return Evidence(
        away=away,
        light=light,
        difference=np.asarray(difference, np.float32),
        broad=np.asarray(broad, np.float32),
        clear=clear,
        weak=weak,
        shading=shading,
        edge=edge,
        edge_near=ops.grow(edge, 2),
        step=ops.drop_islands(step, 12),
        slope=slope,
    )


def _shading(difference: Lab, backdrop: Backdrop) -> tuple[Field, Field]:
    """Luminance relative to the backdrop, and how far the chromaticity is from a mere change of light (Delta E).

    L* + 16, a* and b* all go with the cube root of the light (CIE 1976), so that dimmed backdrop is a multiple of it.
    """
    ratio = 1 + difference[:, :, 0] / (backdrop.lab[:, :, 0] + 16)
    tint = difference[:, :, 1:] + backdrop.lab[:, :, 1:] * (1 - ratio)[:, :, None]
    return (ratio**3).astype(np.float32), np.hypot(tint[:, :, 0], tint[:, :, 1]).astype(np.float32)


def _slope(lab: Lab, sigma_px: float = 1.0) -> Field:
    """Colour gradient: the norm over Lab of Gaussian derivatives, in Delta E per pixel."""
    soft = cv2.GaussianBlur(lab, (0, 0), sigma_px)
    across = cv2.Scharr(soft, cv2.CV_32F, 1, 0, scale=1 / 32)
    down = cv2.Scharr(soft, cv2.CV_32F, 0, 1, scale=1 / 32)
    return np.hypot(length(np.asarray(across, np.float32)), length(np.asarray(down, np.float32))).astype(np.float32)


def find_shadow(evidence: Evidence, subject: Mask) -> Mask:
    """Hard cast shadows inside ``subject``: even, neutral, darker patches that lie against the backdrop.

    A patch counts as shadow when something else remains that is the subject; a grey product alone is never one. What
    lies as evenly at the same light inside the subject, in a handle or between legs, is the same shadow.
    """
    nothing = np.zeros_like(subject)
    calm = subject & evidence.shading & (evidence.light > 0.2) & (evidence.light < 0.9) & ~evidence.edge
    labels, areas = ops.parts(ops.opened(calm, 1.5), diagonal=False)
    total = float(np.count_nonzero(subject))
    middle = float(np.percentile(np.nonzero(subject)[0], 35)) if total else 0.0
    outside = ops.grow(~subject, 4)
    shadow = nothing.copy()
    for label in np.flatnonzero(areas > max(60.0, 0.002 * total)):
        patch = labels == label
        if label and _is_shadow(evidence, patch, middle, outside):
            shadow |= patch
    if not shadow.any():
        return nothing
    shadow |= _same_light(evidence, subject, shadow)
    rest = subject & ~ops.grow(shadow, 3)
    if np.count_nonzero(rest & ~(evidence.shading & (evidence.light > 0.2))) < 0.12 * total:
        return nothing
    # the rim between a shadow and the backdrop belongs to the shadow
    return shadow | (subject & evidence.shading & (evidence.light > 0.2) & ops.grow(shadow, 4))


def find_contact_shadow(evidence: Evidence, subject: Mask) -> Mask:
    """The dark core of a soft shadow, where a coloured subject stands: too steep to be flooded, yet without a step.

    Entered from below the outline through dimmed backdrop up to the next step, a fortieth of the picture deep at most.
    A subject that is itself a dimmed backdrop in colour (grey on white) is left alone: the two look alike there.
    """
    nothing = np.zeros_like(subject)
    dimmed = subject & evidence.shading & (evidence.light > 0.1)
    total = np.count_nonzero(subject)
    if not total or np.count_nonzero(dimmed) > 0.2 * total:
        return nothing
    rows = np.nonzero(subject)[0]
    lane = dimmed & ~evidence.step
    lane[: int(np.percentile(rows, 60))] = False
    shallow = ops.grow(~subject, max(subject.shape) / 40)
    inside = ops.parts_touching(lane & shallow, ops.grow(~subject, 2))
    # the blur of the subject's own outline, some pixels wide, is no longer its colour nor the shadow's
    return subject & ops.grow(ops.opened(inside, 1.5), 2) & (dimmed | evidence.weak)


def _is_shadow(evidence: Evidence, patch: Mask, middle: float, outside: Mask) -> bool:
    """Even, in the lower part, and with much of its rim on the open backdrop."""
    light = np.log(np.maximum(evidence.light[patch], 1e-3))
    ring = ops.grow(patch, 3) & ~patch
    open_share = float(outside[ring].mean()) if ring.any() else 0.0
    return float(np.std(light)) < 0.06 and float(np.nonzero(patch)[0].mean()) > middle and open_share > 0.25


def find_uneven_light(lab: Lab, backdrop: Backdrop, subject: Mask) -> Mask:
    """Patches along the outline that have the backdrop's chromaticity and not the subject's, in any light.

    Of a coloured backdrop also enclosed ones, as large as the gap between a sleeve and the body. For backdrops of
    cloth, walls and floors, whose folds, shadows and hot spots stand out from any smooth surface. Says nothing where
    subject and backdrop have one chromaticity. On an even studio backdrop there is nothing to do, and a white sole on
    white would be lost.
    """
    if backdrop.error < _EVEN:
        return np.zeros_like(subject)
    ground, own, apart = _chroma_apart(lab, backdrop, subject)
    alike = subject & (apart > 10) & (ground < 0.45 * own) & (lab[..., 0] > 6)
    alike = ops.opened(np.asarray(alike), 1.5)
    open_to = ops.parts_touching(alike, ops.grow(~subject, 3))
    close = ops.opened(np.asarray(subject & ~open_to & _coloured(backdrop) & (apart > 20) & (ground < 0.3 * own)), 2)
    open_to |= ops.drop_islands(close, 0.008 * np.count_nonzero(subject))
    return np.asarray(subject & ops.grow(open_to, 3) & (open_to | (ground < own)))


def find_shadow_rim(lab: Lab, backdrop: Backdrop, evidence: Evidence, subject: Mask) -> Mask:
    """The thin dark foot of a soft shadow along the outline of a coloured subject that lies on its backdrop.

    The outline is found where the colour changes most, and that is where beige cloth and its shadow end together. A
    rim is the shadow's if it has the backdrop's chromaticity and not the subject's, and is no lighter than the shadow
    outside it. Says nothing of a subject that is grey before grey.
    """
    longest = max(subject.shape)
    beside = ops.grow(subject, 0.006 * longest) & ~ops.grow(subject, 1)
    dimmed = _spread(evidence.light, beside, 0.006 * longest)
    ground, own, apart = _chroma_apart(lab, backdrop, subject)
    shade = (dimmed < _DIMMED) & (evidence.light < dimmed) & (evidence.light > 0.2)
    alike = subject & (apart > _TINTED) & (ground < own) & shade
    thin = np.asarray(alike & ~ops.opened(np.asarray(alike), 0.004 * longest))
    rim = ops.opened(thin, _MIXED_PX)
    return ops.parts_touching(thin & ops.grow(rim, 1), ops.grow(~subject, 1.5)) & subject


def backdrop_left(lab: Lab, backdrop: Backdrop, subject: Mask) -> float:
    """Share of the subject in patches of a coloured backdrop's chromaticity rather than its own.

    Backdrop that was left in, or a print in the backdrop's colour: a doubt, whichever of the two it was taken for.
    """
    ground, own, apart = _chroma_apart(lab, backdrop, subject)
    alike = ops.opened(np.asarray(subject & _coloured(backdrop) & (apart > 14) & (ground < 0.6 * own)), 2)
    area = float(np.count_nonzero(subject))
    return float(np.count_nonzero(ops.drop_islands(alike, 0.0005 * area))) / area if area else 0.0


def _coloured(backdrop: Backdrop) -> Mask:
    """Where the backdrop has a colour of its own: grey is also that of zips, sheen and print."""
    return np.asarray(np.hypot(backdrop.lab[..., 1], backdrop.lab[..., 2]) > 14)


def _chroma_apart(lab: Lab, backdrop: Backdrop, subject: Mask) -> tuple[Field, Field, Field]:
    """Distances in (a*, b*): pixel to backdrop in its best light, pixel to subject nearby, subject to backdrop."""
    longest = max(subject.shape)
    deep = ops.shrink(subject, 0.025 * longest)
    if not deep.any():  # nothing is known of the subject's own colour
        nothing = np.zeros(subject.shape, np.float32)
        return nothing, nothing, nothing
    core = np.dstack([_spread(lab[..., channel], deep, 0.06 * longest) for channel in range(3)])
    # shadow scales a* and b* with the cube root of the light, as in _shading
    dimmed = np.clip((lab[..., :1] + 16) / (backdrop.lab[..., :1] + 16), 0, 1) * backdrop.lab[..., 1:]
    off, off_dimmed = lab - backdrop.lab, lab[..., 1:] - dimmed
    ground = np.minimum(np.hypot(off[..., 1], off[..., 2]), np.hypot(off_dimmed[..., 0], off_dimmed[..., 1]))
    own = np.hypot(lab[..., 1] - core[..., 1], lab[..., 2] - core[..., 2])
    apart = np.hypot(core[..., 1] - backdrop.lab[..., 1], core[..., 2] - backdrop.lab[..., 2])
    return ground, own, apart


def _spread(values: Field, where: Mask, sigma_px: float) -> Field:
    """Mean of the values of ``where`` around every pixel, from as far as 2 sigma."""
    step = max(1, int(sigma_px / 4))
    size = (max(2, where.shape[1] // step), max(2, where.shape[0] // step))
    weight = cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(np.where(where, values, 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    near = np.asarray(cv2.GaussianBlur(np.dstack([total, weight]), (0, 0), sigma_px / step), np.float32)
    far = total.sum() / max(float(weight.sum()), 1e-6)
    mean = (near[..., 0] + 1e-3 * far) / (near[..., 1] + 1e-3)
    return np.asarray(
        cv2.resize(mean.astype(np.float32), (where.shape[1], where.shape[0]), interpolation=cv2.INTER_LINEAR),
        np.float32,
    )


def _same_light(evidence: Evidence, subject: Mask, shadow: Mask) -> Mask:
    """Patches of the subject as dark as the shadow found, as even, and ended by edges and not by more shading."""
    level = float(np.median(evidence.light[shadow]))
    alike = ops.opened(subject & ~shadow & evidence.shading & (np.abs(evidence.light - level) < 0.07), 1)
    labels, areas = ops.parts(alike, diagonal=False)
    same = np.zeros_like(subject)
    beside = np.zeros(len(areas), np.bool_)
    beside[np.unique(labels[ops.grow(shadow, 6)])] = True
    # print on a label may be as dark and even: what does not adjoin the shadow must be large
    large = areas > np.where(beside, 25, 0.004 * np.count_nonzero(subject))
    for label in np.flatnonzero(large):
        patch = labels == label
        light = evidence.light[patch]
        if not label or abs(float(np.median(light)) - level) > 0.03 or float(np.std(light)) > 0.04:
            continue
        ring = ops.grow(patch, 2) & ~patch
        ended = evidence.edge | ~subject | shadow
        if beside[label] or float(ended[ring].mean()) > 0.8:
            same |= patch
    return same

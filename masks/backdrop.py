"""The subject on a plain or gradient studio backdrop, without its shadow and without its reflection."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import cast, matting, ops
from masks.outline import faint_share, hollow_foot, sliver_share
from masks.reflection import find_reflection
from masks.surface import Backdrop, Lab, fit_backdrop, to_lab
from pipeline.types import Image, Mask, Size

_WORK_PIXELS = 1_100_000
_PALE = 25
"""Delta E to the backdrop under which a thin part is a shaded rim rather than a wire or a strap."""


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """A subject cut from its backdrop, masks at the picture's own size.

    ``plain_share`` and ``error`` describe the backdrop (see ``surface.Backdrop``). ``separation`` is the share of the
    outline with a clear colour step, ``agreement`` the IoU with GrabCut, ``shadow_share`` and ``reflection_share``
    what was taken away relative to the subject, and ``outline_only`` says that little more than an outline was seen
    and filled. ``missed`` is the length of the edges outside the mask that no shadow or reflection explains, relative
    to the outline; ``shadow_gap`` the space between subject and shadow, as a share of the picture.
    ``faint`` is the share of the outline where both sides look alike, ``hollow_foot`` the share of the subject's width
    under which only a dim rim is seen below a gap, as of a white sole on white; ``backdrop_left`` the share of the
    subject in patches of a coloured backdrop's own colour; ``slivers`` is the area of pale rims that are all that is
    seen of some part (see ``outline.sliver_share``). ``notes`` says in words what was done.
    """

    mask: Mask
    plain_share: float
    error: float
    separation: float
    agreement: float
    shadow_share: float
    reflection_share: float
    outline_only: bool
    missed: float
    shadow_gap: float
    faint: float = 0.0
    hollow_foot: float = 0.0
    backdrop_left: float = 0.0
    slivers: float = 0.0
    notes: tuple[str, ...]


def key_subject(image: Image) -> Keyed | None:
    """The subject in front of a plain backdrop; None when the border is no backdrop or nothing stands out.

    ``image`` is (H, W, 3) uint8 sRGB. Worked at 1.1 megapixels at most and brought to full size.
    """
    small = _reduced(image)
    lab = to_lab(small)
    backdrop = fit_backdrop(lab)
    if backdrop is None:
        return None
    evidence = cast.read_evidence(lab, backdrop)
    whole = _stands_out(evidence)
    if np.count_nonzero(whole) < 0.001 * whole.size:
        return None
    shadow = cast.find_shadow(evidence, whole)
    uneven = cast.find_uneven_light(lab, backdrop, whole & ~shadow)
    shadow |= uneven
    shadow |= cast.find_contact_shadow(evidence, whole & ~shadow)
    kept = _tidy(whole & ~shadow, evidence, shadow)
    reflection = find_reflection(evidence.difference, kept)
    mask = _tidy(kept & ~reflection, evidence, shadow)
    mask, outline_only = _filled_if_pale(mask, evidence)
    mask = _settled(small, mask, evidence)
    mask &= ~cast.find_shadow_rim(lab, backdrop, evidence, mask)
    if np.count_nonzero(mask) < 0.001 * mask.size:
        return None
    area, furry = float(np.count_nonzero(mask)), matting.is_furry(mask)
    size: Size = (image.shape[0], image.shape[1])
    return Keyed(
        mask=_enlarged(mask, size),
        plain_share=backdrop.plain_share,
        error=backdrop.error,
        separation=_separation(evidence, mask),
        agreement=_agreement(small, backdrop, mask),
        shadow_share=float(np.count_nonzero(shadow)) / area,
        reflection_share=float(np.count_nonzero(reflection)) / area,
        outline_only=outline_only,
        missed=_missed(evidence, mask, shadow, reflection),
        shadow_gap=0.0 if reflection.any() else _shadow_gap(mask, shadow),
        # between hairs both sides of an outline look alike, and hairs are rims with gaps: nothing is wrong
        faint=0.0 if furry else faint_share(small, mask),
        hollow_foot=0.0 if furry else hollow_foot(mask, evidence.shading),
        slivers=0.0 if furry else sliver_share(mask, evidence.away < _PALE),
        backdrop_left=cast.backdrop_left(lab, backdrop, mask | (uneven & ops.fill_holes(mask))),
        notes=_notes(shadow, reflection, area),
    )


def _notes(shadow: Mask, reflection: Mask, area: float) -> tuple[str, ...]:
    notes = []
    if np.count_nonzero(shadow) > 0.02 * area:
        notes.append("a shadow was taken away")
    if reflection.any():
        notes.append("a reflection under the subject was taken away")
    return tuple(notes)


def _reduced(image: Image) -> Image:
    scale = float(np.sqrt(_WORK_PIXELS / (image.shape[0] * image.shape[1])))
    if scale >= 1:
        return image
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _enlarged(mask: Mask, size: Size) -> Mask:
    if mask.shape == size:
        return mask
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)
    return np.asarray(cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_CUBIC) > 0.5)


def _stands_out(evidence: cast.Evidence) -> Mask:
    """Everything that no light on the backdrop explains: what the backdrop's colour cannot be flooded into.

    The flood starts wherever the backdrop is seen, also inside handles, and runs over smooth shading; sharp edges stop
    it. Gaps of six pixels in an outline are closed to it.
    """
    passable = (evidence.weak | evidence.shading) & ~evidence.edge
    passable |= evidence.clear
    lane = ops.shrink(passable, 3)
    seeds = ops.opened(evidence.clear, 2)
    border = np.zeros_like(seeds)
    border[[0, -1], :] = True
    border[:, [0, -1]] = True
    outside = ops.parts_touching(lane, border & evidence.clear)
    inside = ops.parts_touching(lane & ~outside, seeds)
    open_air = outside | _true_holes(inside, evidence)
    open_air = ops.grow(open_air, 4) & (passable | evidence.weak)
    return ~open_air & ~(evidence.clear & ops.grow(open_air, 4))


def _true_holes(inside: Mask, evidence: cast.Evidence) -> Mask:
    """Enclosed patches that show the backdrop itself: most of a pale part of the subject is shaded otherwise."""
    labels, areas = ops.parts(inside, diagonal=False)
    holes = np.zeros_like(inside)
    for label in np.flatnonzero(areas > 20):
        patch = labels == label
        if label and float(evidence.clear[patch].mean()) > 0.45:
            holes |= patch
    return holes


def _filled_if_pale(mask: Mask, evidence: cast.Evidence) -> tuple[Mask, bool]:
    """White on white and glass show little but their outline: fill it, as a start for a touch-up."""
    if not mask.any() or float(np.median(evidence.away[mask])) > 14:
        return mask, False
    filled = ops.fill_holes(ops.closed(mask, 4))
    pale = np.count_nonzero(filled) > 1.4 * np.count_nonzero(mask)
    return (filled, True) if pale else (mask, False)


def _tidy(mask: Mask, evidence: cast.Evidence, shadow: Mask) -> Mask:
    """One subject: no specks, no pinholes; true holes stay."""
    largest = float(np.count_nonzero(ops.largest_part(mask)))
    mask = ops.drop_islands(mask, max(0.01 * largest, 12.0))
    filled = ops.fill_holes(mask)
    holes = filled & ~mask
    labels, areas = ops.parts(holes, diagonal=False)
    count = len(areas)
    if count < 2:
        return mask
    sharp = np.bincount(labels.ravel(), (evidence.edge_near & holes).ravel(), minlength=count)
    rim = np.bincount(labels.ravel(), (holes & ~ops.shrink(holes, 1.5)).ravel(), minlength=count)
    clear = np.bincount(labels.ravel(), ((evidence.clear | shadow) & holes).ravel(), minlength=count)
    least = max(9.0, 1e-5 * mask.size)
    real = (areas >= least) & (clear > 0.3 * areas) & (sharp > 0.45 * np.maximum(rim, 1))
    real[0] = False
    return filled & ~real[labels]


def _settled(image: Image, mask: Mask, evidence: cast.Evidence) -> Mask:
    """The outline moved to where half of each pixel is the subject's colour: edges as found lie some pixels outside."""
    outline = ops.boundary(mask)
    if not outline.any():  # nothing, or all of the picture
        return mask
    known = ops.trimap(mask, 6, 2)
    strong = mask & (evidence.away > max(8.0, 0.35 * float(np.median(evidence.away[mask]))))
    ragged = matting.ragged_parts(ops.fill_holes(strong))
    window = 2 * round(max(mask.shape) / 45) + 1
    sparse = np.asarray(cv2.boxFilter(mask.astype(np.float32), -1, (window, window)) < 0.6)
    # shading and print can look ragged in places; fur does so along most of the outline
    furry = float(ops.grow(ragged, max(mask.shape) / 30)[ops.boundary(mask)].mean()) > 0.6
    if furry:
        known = matting.hair_band(mask, known, ragged)
        sparse |= ops.grow(ragged, max(mask.shape) / 30)
    # between hairs and inside the links of a chain the backdrop itself is seen
    known[mask & sparse & ~strong] = 0.5
    # and at the end of a gap too narrow for the flood, as between a sleeve and the body
    gaps = mask & evidence.weak & ops.grow(~mask, max(mask.shape) / 40)
    known[ops.parts_touching(gaps, ops.grow(~mask, 1.5))] = 0.5
    line = matting.colour_line_alpha(image, known)
    # far off the line is a third colour, as on stripes: it is not the backdrop, and the line says nothing of it
    told = (line.contrast > 12) & (furry | (line.residual < 0.15 * line.contrast + 8))
    return np.where(told, line.alpha >= 0.5, mask)


def _separation(evidence: cast.Evidence, mask: Mask) -> float:
    """Share of the outline on which the picture has an edge or a clear colour step."""
    outline = ops.boundary(mask)
    if not outline.any():
        return 0.0
    return float(evidence.edge_near[outline].mean())


def _missed(evidence: cast.Evidence, mask: Mask, shadow: Mask, reflection: Mask) -> float:
    """Edges left outside the mask, relative to its outline: a pale part of the subject that was taken for backdrop."""
    near = max(6.0, 0.007 * max(mask.shape))
    left = evidence.edge & ~ops.grow(mask, near) & ~ops.grow(shadow, near)
    if reflection.any():
        left[np.nonzero(reflection)[0].min() :] = False
    length = float(np.count_nonzero(ops.drop_islands(left, 60))) / 4  # an edge as measured is about four pixels wide
    outline = float(np.count_nonzero(ops.boundary(mask)))
    return float(length / outline) if outline else 0.0


def _shadow_gap(mask: Mask, shadow: Mask) -> float:
    """A shadow that does not reach the subject hints at a pale foot or sole between them."""
    if np.count_nonzero(shadow) < 0.005 * np.count_nonzero(mask):
        return 0.0
    gap = float(np.percentile(ops.distance_to(mask)[shadow], 5))
    return gap / float(max(mask.shape))


def _agreement(image: Image, backdrop: Backdrop, mask: Mask) -> float:
    """IoU with GrabCut (Rother et al., 2004) on the picture with the backdrop's gradient taken out."""
    scale = min(1.0, 512 / max(mask.shape))
    size = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
    flat = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    ground = cv2.resize(_to_rgb(backdrop.lab), size, interpolation=cv2.INTER_AREA)
    level = np.clip(flat - ground + 160, 0, 255).astype(np.uint8)
    small = ops.resized(mask, (size[1], size[0]))
    labels = np.where(small, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[~ops.grow(small, 0.06 * max(size))] = cv2.GC_BGD
    if not small.any() or small.all():
        return 0.0
    cv2.setRNGSeed(1)
    cv2.grabCut(level, labels, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    return ops.iou((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), small)


def _to_rgb(lab: Lab) -> NDArray[np.float32]:
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * 255, np.float32)

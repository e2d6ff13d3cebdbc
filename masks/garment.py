"""The garment in a photo by the words of its phrases, with an edge that follows the photo and not the segmenter's grid.

A segmenter answers at a quarter of 256 or 1024 pixels. What it surely saw teaches GrabCut two colour models, and these
decide the band in between; on a plain backdrop the colour key says where nothing of the garment can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from masks import matting, ops
from masks.backdrop import key_subject
from masks.find import Detected, Detector
from masks.networks import face_boxes
from masks.outline import faint_share
from masks.person import Person, find_person
from masks.remembered import remembered
from masks.shell import neck_of_cloth, shell_in
from pipeline.errors import ItemError, NothingFound
from pipeline.types import Image, Mask, Picture, Size, Subject

WORK_PX: Final = 640
"""Longest side at which the edge is decided; it is brought to full size by a guided matte afterwards."""
INNER: Final = 0.03
"""Share of the picture's longest side inside a found mask that is doubted."""
OUTER: Final = 0.02
"""The same outside it: a segmenter that misses a cuff misses about that much."""
ISLAND: Final = 0.03
"""Parts smaller than this share of the whole are no garment: a light in the background, a speck of the same dye."""
AGAIN: Final = 0.006
"""How far two cuts of one thing lie apart at most, as a share of the picture's longest side."""
ROUNDS: Final = 4
_SAME: Final = 0.6
"""IoU under which a sharpened mask is another thing than the one that was detected."""
LEGGED: Final = ("trouser", "jean", "short", "legging", "pant", "tight", "suit", "dungaree", "overall", "outfit")
"""Words of what covers legs, and could be taken for bare ones where it has a mannequin's grey."""
FAINT: Final = 0.1
"""Share of an outline without a seam from which the mask has lost or won cloth: right ones reach 0.06."""
EATEN: Final = 0.0015
"""Share of a garment that a colour key may deny though photo and segmenter show it: a backdrop that has the garment's
colours too eats more, whole stripes and dots."""
CRISP: Final = 0.01
"""By how much more of an outline without a seam a cut may have that is taken for one which has hardly any."""
THIN: Final = 0.004
"""What is thinner, as a share of the picture's longest side, is the edge's doubt and nothing eaten."""
WEARERS: Final = ("mannequin", "person")
"""Who may wear a garment, as a detector is asked for them."""
_ARMS: Final = 0.08
_NO_BOX: Final = (0, 0, 0, 0)


def find_garment(picture: Picture, phrases: Sequence[str], detector: Detector, *, worn: bool = True) -> Subject:
    """The things that ``phrases`` name, all together: the best answer to each phrase.

    What is ``worn`` is kept without neck, hands and arms; of what lies, cloth of the backdrop's colours that a colour
    key denies is kept if the segmenter and the rest of the photo show it. Confidence is that of the weakest phrase, and
    half of it where the outline follows no seam, or where the mask may hold a neck of the cloth's colour. Raises
    ``NothingFound`` if a phrase has no answer, ``ItemError`` if there are no phrases.
    """
    if not phrases:
        raise ItemError("a garment needs phrases; say under subject.phrases what is kept, such as [t-shirt]")
    found = detector(picture.image, phrases)
    best = [_best(found, phrase) for phrase in phrases]
    missing = [phrase for phrase, one in zip(phrases, best, strict=True) if one is None]
    if missing:
        raise NothingFound(
            f"nothing in the picture answers {', '.join(missing)!r}; lower subject.box_threshold or name it otherwise"
        )
    kept = [one for one in best if one is not None]
    things = np.logical_or.reduce([one.mask for one in kept])
    figure = plain_figure(picture.image)
    faces = faces_of(picture.image)
    mask = sharpened(picture.image, things, figure, faces)
    if not worn and figure is not None and (whole := _uneaten(picture.image, things, mask, faces)) is not None:
        mask, figure = whole, None
    faint = faint_share(picture.image, mask)
    reasons = [f"{one.phrase!r} was detected with score {one.score:.2f}" for one in kept]
    if figure is not None:
        reasons.append("the plain backdrop gives the outer edge")
    wearer = _wearer(picture.image, mask, figure, detector) if worn else mask
    if worn and (bare := _bare(picture.image, mask, wearer, phrases)).any():
        bare = ops.grow(bare, ops.RIM * max(bare.shape))
        # whole arms in the mask had taught it the backdrop between them; a hand alone did not
        much = (bare & mask).sum() > _ARMS * mask.sum()
        mask = mask & ~bare
        mask = sharpened(picture.image, mask, figure, faces | bare) & ~bare if much else mask
        reasons.append("skin or shell of whoever wears it is left out")
    if not mask.any():
        raise NothingFound(
            "nothing is left of the garment after its edge was sharpened; give a mask file for this item"
        )
    faint = max(faint, faint_share(picture.image, mask))
    confidence = min(one.score for one in kept)
    if faint > FAINT:
        confidence, reasons = confidence / 2, [*reasons, f"{faint:.0%} of its outline follows no seam of the photo"]
    if worn and neck_of_cloth(picture.image, mask, wearer):
        confidence, reasons = confidence / 2, [*reasons, "what stands above the collar may be a neck of its colour"]
    alpha = matting.soft_edge(picture.image, mask)
    return Subject(
        mask=alpha >= 0.5,
        alpha=alpha,
        foreground=matting.own_colours(picture.image, alpha),
        confidence=float(np.clip(confidence, 0, 1)),
        finder="grounding_dino",
        reasons=tuple(reasons),
    )


def _uneaten(image: Image, things: Mask, keyed: Mask, faces: Mask) -> Mask | None:
    """A lying garment (H, W) cut without the colour key, where the key took cloth for backdrop of the same colours.

    None where the cut ``keyed`` lost nothing of what the segmenter saw (``things``), or where the other's outline
    follows less of the photo: then it is the segmenter that took backdrop for cloth. A key whose own outline is doubted
    gives way sooner. What is worn is not asked, for segmenters take the crook of an arm with it.
    """
    cut = sharpened(image, things, None, faces)
    eaten = ops.opened(cut & things & ~keyed, THIN * max(cut.shape)).sum()
    if eaten <= EATEN * cut.sum():
        return None
    seams = faint_share(image, keyed)
    return cut if faint_share(image, cut) <= seams + (FAINT if seams > FAINT else CRISP) else None


def _wearer(image: Image, garment: Mask, plain: Mask | None, detector: Detector) -> Mask:
    """Who wears the garment, (H, W): the figure before a plain backdrop, the person seen, or what the detector says."""
    person = None if plain is not None else person_in(image)
    figure = plain if plain is not None else None if person is None else person.mask
    if figure is not None and (figure & garment).sum() >= 0.5 * garment.sum():
        return figure
    found = max(detector(image, WEARERS), key=lambda one: one.score, default=None)
    return garment if found is None else found.mask


def _bare(image: Image, garment: Mask, wearer: Mask, phrases: Sequence[str]) -> Mask:
    """Skin or shell within the garment's mask, (H, W). The wearer's neck says what colour it has."""
    legs = not any(word in phrase.lower() for phrase in phrases for word in LEGGED)
    return shell_in(image, garment, wearer, legs=legs)


def with_own_edge(picture: Picture, subject: Subject) -> Subject:
    """A detected garment with the photo's edge in place of the segmenter's grid; as it is where nothing would be left.

    Confidence and reasons stay those of ``subject``.
    """
    figure = plain_figure(picture.image)
    mask = sharpened(picture.image, subject.mask, figure, faces_of(picture.image))
    if ops.iou(mask, subject.mask) < _SAME:
        return subject
    alpha = matting.soft_edge(picture.image, mask)
    foreground = matting.own_colours(picture.image, alpha)
    return replace(subject, mask=alpha >= 0.5, alpha=alpha, foreground=foreground)


def _best(found: Sequence[Detected], phrase: str) -> Detected | None:
    answers = [one for one in found if one.phrase == phrase]
    return max(answers, key=lambda one: one.score, default=None)


@remembered
def person_in(image: Image) -> Person | None:
    """The largest person of a photo; None when no body is seen."""
    return find_person(image)


@remembered
def plain_figure(image: Image) -> Mask | None:
    """What stands before a plain backdrop, (H, W); None where the backdrop is not plain enough to be believed."""
    keyed = key_subject(image)
    if keyed is None or keyed.plain_share < 0.6 or keyed.separation < 0.7:
        return None
    return keyed.mask


def faces_of(image: Image) -> Mask:
    """Where faces are, (H, W): surely no garment, and the colour of the hands that lie on one."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for x0, y0, x1, y1 in face_boxes(image):
        middle, half = ((x0 + x1) // 2, (y0 + y1) // 2), (max(1, (x1 - x0) // 2), max(1, round(0.6 * (y1 - y0))))
        cv2.ellipse(mask, middle, half, 0, 0, 360, 1, -1)
    return np.asarray(mask > 0)


def sharpened(image: Image, mask: Mask, figure: Mask | None = None, never: Mask | None = None) -> Mask:
    """A mask whose edge is where the picture's colours change (GrabCut, Rother et al. 2004, within a band).

    ``figure`` limits the mask and shows the old backdrop to be none of it; ``never`` is surely no garment.
    Deterministic.
    """
    size: Size = (mask.shape[0], mask.shape[1])
    scale = min(1.0, WORK_PX / max(size))
    small_size: Size = (max(16, round(size[0] * scale)), max(16, round(size[1] * scale)))
    small = np.asarray(cv2.resize(image, small_size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    seed = ops.resized(mask, small_size)
    inside = None if figure is None else ops.resized(figure, small_size)
    if inside is not None and (inside & seed).sum() > 0.5 * seed.sum():
        seed = seed & inside
    else:
        inside = None
    no = np.zeros(small_size, np.bool_) if never is None else ops.resized(never, small_size)
    seed = seed & ~no
    longest = max(small_size)
    seed = ops.drop_islands(seed, ISLAND * float(seed.sum()))
    box = ops.bounding_box(seed)
    if box is None:
        return mask
    labels = np.full(small_size, cv2.GC_BGD, np.uint8)
    if inside is None:
        labels[ops.grow(seed, OUTER * longest)] = cv2.GC_PR_BGD
    else:  # a segmenter that lost half a sleeve: anything of the figure near the box may be garment
        x0, y0, x1, y1 = ops.grown_box(box, OUTER * longest, small_size)
        labels[y0:y1, x0:x1] = cv2.GC_PR_BGD
        labels[~inside] = cv2.GC_BGD
    labels[seed] = cv2.GC_PR_FGD
    labels[ops.shrink(seed, INNER * longest)] = cv2.GC_FGD
    labels[no] = cv2.GC_BGD
    if not (labels == cv2.GC_FGD).any() or not (labels == cv2.GC_BGD).any():
        return mask
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(small, labels, _NO_BOX, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    result = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    speck = ISLAND * float(result.sum())
    result = ops.drop_islands(ops.fill_holes(ops.smooth_edge(result, 1.0), speck), speck)
    if inside is not None:  # the crook of an arm is a hole, but not in the garment
        result &= inside
    return _enlarged(result, size)


def segmented_again(photo: Image, result: Image, garment: Mask) -> Mask:
    """The garment (H, W) as it is cut out of a finished picture, without what the same cut adds to it in its photo.

    A colour model takes a hand or the gap between two planks for garment, in the photo as in the result: that is no
    growth. ``garment`` (H, W) is its mask in both.
    """
    return sharpened(result, garment) & ~_astray(photo, garment)


@remembered
def _astray(photo: Image, garment: Mask) -> Mask:
    """What a cut adds to the garment in its photo, and near it: asked for once, not for each candidate."""
    return ops.grow(sharpened(photo, garment) & ~garment, AGAIN * max(garment.shape))


def _enlarged(mask: Mask, size: Size) -> Mask:
    """A mask brought up without steps: its soft edge is enlarged and cut at one half."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    return np.asarray(cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_CUBIC) > 0.5)

"""The inpaint pass: crop with context, generate at the family's native size, paste back, blend.

    repaint mask -> clusters -> per cluster: crop -> native size -> generate -> back -> fit and blend -> paste

Cost follows the repainted area and not the photo, and pixels outside the repaint mask are bit for bit the photo's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from pipeline.models.families import ControlMap, Generator, Inpaint
from pipeline.models.generators import generate, native_size, sampling_of
from pipeline.pixels import blend, checks, geometry
from pipeline.types import Alpha, Box, Image, Mask

CONTEXT: Final = 1.2
"""A crop is this much larger than what it repaints, and at least CONTEXT_PX on each side."""
CONTEXT_PX: Final = 32
SEAM_GAIN: Final = 0.05
"""How much smaller a seam step must be before a less simple blender is taken."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to generate where: see `families.Inpaint`; None takes the checkpoint's own number.

    ``soft_edge`` is the width of the edge within which repainting sets in later, as a share of the picture's longer
    side; 0 is a hard edge.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    strength: float = 1.0
    reference: Image | None = None
    reference_scale: float = 0.6
    soft_edge: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Painted:
    """The finished picture; per crop its box, the blender that was chosen and the seam step that it left."""

    image: Image
    crops: tuple[Box, ...]
    blenders: tuple[str, ...]
    seams: tuple[float, ...]


def clusters(repaint: Mask, *, reach: float = 0.08) -> list[Mask]:
    """The parts of a mask that lie further apart than ``reach`` of the picture's diagonal, largest first.

    Two far-apart spots in one crop would make the crop the whole photo, and both spots coarse.
    """
    gap = max(1, round(reach * float(np.hypot(*repaint.shape)) / 2))
    count, labels = cv2.connectedComponents(geometry.grow_mask(repaint, gap).astype(np.uint8))
    parts = [repaint & (labels == number) for number in range(1, count)]
    return sorted((part for part in parts if part.any()), key=lambda part: -int(part.sum()))


def denoise_mask(repaint: Mask, *, strength: float) -> Mask:
    """What the model repaints: the mask grown by 4 px and half the feather, so that the join lies in its own pixels.

    Feather is the larger of 32 px and 10 % of the mask's diagonal, scaled by strength, at most an eighth of the crop;
    the growth is in the crop's pixels.
    """
    box = geometry.box_of(repaint)
    if box is None:
        return repaint
    diagonal = float(np.hypot(*geometry.box_size(box)))
    feather = min(max(32.0, 0.1 * diagonal) * strength, min(repaint.shape) / 8)
    return geometry.grow_mask(repaint, round(4 + feather / 2))


def _feathered(base: Image, patch: Image, mask: Mask) -> Image:
    weight = blend.feather(mask, max(2.0, min(mask.shape) / 64))[..., None]
    mixed = np.rint(base * (1 - weight) + patch * weight).astype(np.uint8)
    return np.where(mask[..., None], mixed, base)


BLENDERS: Final[Mapping[str, Callable[[Image, Image, Mask], Image]]] = {
    "feather": _feathered,
    "multiband": blend.multiband,
    "poisson": blend.poisson,
}
"""The ladder: each takes (photo, generated, repaint mask) and leaves everything outside the mask bit for bit alone."""


def blended(base: Image, patch: Image, repaint: Mask) -> tuple[Image, str, float]:
    """The join with the smallest seam step among all blenders, its name and that step; colours are fitted first."""
    fitted = blend.ring_color_fit(base, patch, repaint)
    tried = [(method(base, fitted, repaint), name) for name, method in BLENDERS.items()]
    steps = [checks.seam_step(image, repaint) for image, _ in tried]
    best = 0
    for index in range(1, len(tried)):
        if steps[index] < steps[best] - SEAM_GAIN:
            best = index
    return *tried[best], steps[best]


def inpaint(
    generator: Generator, image: Image, repaint: Mask, wish: Wish, *, controls: tuple[ControlMap, ...] = ()
) -> Painted:
    """Repaint ``image`` (H, W, 3) where ``repaint`` is True; everything else stays bit for bit.

    ``controls`` are maps of the whole picture; each crop takes its part of them. An empty mask gives the picture back.

    Raises:
        CheckFailed: the model gave a black or empty picture.
        OutOfMemory: the crop does not fit on the device.
    """
    result, boxes, names, steps = image, [], [], []
    for part in clusters(repaint):
        found = geometry.box_of(part)
        if found is None:
            continue
        height, width = sampling_of(generator.row).native_px
        box = geometry.context_box(
            found, part.shape[:2], factor=CONTEXT, floor_px=CONTEXT_PX, aspect=_aspect(found, width / height)
        )
        piece, hole = geometry.crop(result, box), geometry.crop(part, box)
        soft = soft_strengths(~hole, width_px=wish.soft_edge * max(image.shape[:2]))
        patch = paint_crop(
            generator, piece, hole, wish, controls=_cropped(controls, box), grow=soft is None, strengths=soft
        )
        joined, name, step = blended(piece, patch, hole)
        result = geometry.paste(result, joined, box, hole)
        boxes.append(box)
        names.append(name)
        steps.append(round(step, 3))
    return Painted(image=result, crops=tuple(boxes), blenders=tuple(names), seams=tuple(steps))


def _aspect(box: Box, native: float) -> float:
    """The crop's aspect: the box's own within what families draw well, half to twice the native one."""
    height, width = geometry.box_size(box)
    return float(np.clip(width / height, native / 2, native * 2))


def soft_strengths(kept: Mask, *, width_px: float) -> Alpha | None:
    """Shares of the steps in which each place is repainted, (H, W) in [0, 1]: from 0 at what is ``kept`` up to 1.

    They rise over ``width_px``. None for a hard edge: a width under half a px, or nothing that is kept.
    """
    return blend.feather(~kept, width_px) if width_px >= 0.5 and kept.any() else None


def _cropped(controls: tuple[ControlMap, ...], box: Box) -> tuple[ControlMap, ...]:
    return tuple(
        ControlMap(kind=one.kind, image=geometry.crop(one.image, box), scale=one.scale, start=one.start, end=one.end)
        for one in controls
    )


def paint_crop(
    generator: Generator, piece: Image, hole: Mask, wish: Wish, *, controls: tuple[ControlMap, ...] = (),
    grow: bool = True, strengths: Alpha | None = None,
) -> Image:  # fmt: skip
    """Generate one crop at the native size and bring it back to the crop's; nothing is blended yet.

    ``grow`` lets the model repaint a little beyond the hole, for a join in its own pixels (see `denoise_mask`).
    """
    made = paint_native(generator, piece, hole, wish, controls=controls, grow=grow, strengths=strengths)
    return geometry.resize_image(made, (piece.shape[0], piece.shape[1]))


def paint_native(
    generator: Generator, piece: Image, hole: Mask, wish: Wish, *, controls: tuple[ControlMap, ...] = (),
    grow: bool = True, strengths: Alpha | None = None,
) -> Image:  # fmt: skip
    """Generate one crop and leave it at the checkpoint's native size, for whoever enlarges it better than Lanczos.

    See `native_request`.
    """
    request = native_request(generator, piece, hole, wish, controls=controls, grow=grow, strengths=strengths)
    return generate(generator, [request])[0]


def native_request(
    generator: Generator, piece: Image, hole: Mask, wish: Wish, *, controls: tuple[ControlMap, ...] = (),
    grow: bool = True, strengths: Alpha | None = None,
) -> Inpaint:  # fmt: skip
    """What the checkpoint is asked for a crop, at its native size.

    ``controls`` may be of the crop's size or of the native one (`native_size` of the crop's aspect); ``strengths`` are
    of the crop's size (see `soft_strengths`), and count inside the hole.
    """
    sampling = sampling_of(generator.row)
    size = native_size(generator.row, piece.shape[1] / piece.shape[0])
    repaint = _covering(denoise_mask(hole, strength=wish.strength) if grow else hole, size)
    return Inpaint(
        image=geometry.resize_image(piece, size),
        repaint=repaint,
        prompt=wish.prompt,
        negative_prompt=wish.negative_prompt,
        seed=wish.seed,
        steps=wish.steps or sampling.steps,
        guidance=sampling.guidance if wish.guidance is None else wish.guidance,
        strength=wish.strength,
        strengths=None if strengths is None else geometry.resize_alpha(strengths, size) * repaint,
        reference=wish.reference,
        reference_scale=wish.reference_scale,
        controls=tuple(
            ControlMap(
                kind=one.kind, image=geometry.resize_image(one.image, size), scale=one.scale, start=one.start,
                end=one.end,
            )
            for one in controls
        ),
    )  # fmt: skip


def _covering(mask: Mask, size: tuple[int, int]) -> Mask:
    """The mask at ``size``, True wherever any of its pixels fall: thin straps must not vanish between samples."""
    share = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(share > 1e-6)

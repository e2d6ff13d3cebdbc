"""The refine pass: an enlarged picture's detail drawn anew at a low strength, where a model made it.

    tiles: repainted area -> tiles of the model's native size, each seen with context -> generate -> hold tone -> mix
    parts: a face or a hand -> crop with context -> native size -> generate -> back -> fit and blend -> paste

Both change pixels inside the repainted area alone; everything else stays bit for bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import CheckFailed
from pipeline.models.families import Generator
from pipeline.models.generators import native_size
from pipeline.models.refining import detail_maps
from pipeline.passes.inpaint import Wish, blended, paint_crop
from pipeline.pixels import blend, geometry
from pipeline.types import Box, Image, Mask, Size

OVERLAP: Final = 3 / 16
"""Share of a tile that neighbours mix over: 96 px of 512. Half of that shows in flat gradients."""
TILE_CONTEXT: Final = 1 / 16
"""Share of a tile at each side that the model sees and whose pixels are not taken."""
TONE: Final = 1 / 16
"""Deviation of the blur, as a share of a tile, whose result is held to the picture: colour and light stay its own."""
FADE: Final = 1 / 64
"""Width of the fade inside the repainted area's edge, as a share of a tile."""
PART_CONTEXT: Final = 1.6
"""A face's crop is this much larger than the face: the model sees whose it is."""


@dataclass(frozen=True, kw_only=True)
class Refined:
    """A refined picture, how many crops were drawn anew, and how many stayed because the model gave nothing there."""

    image: Image
    done: int
    left: int = 0


def refine_tiles(
    generator: Generator, image: Image, repaint: Mask, wish: Wish, *, control: str | None = None,
    figure: Mask | None = None, place: str = "",
) -> Refined:  # fmt: skip
    """Draw the detail of ``image`` (H, W, 3) anew where ``repaint`` is True, tile by tile; the rest stays bit for bit.

    ``wish.strength`` is how much may change. ``control`` is the kind of the generator's ControlNet, if it has one. A
    tile that touches no ``figure`` is asked for ``place``: the words of a person would put a small one into it.

    Raises OutOfMemory if a tile does not fit on the device.
    """
    area = geometry.box_of(repaint)
    if area is None:
        return Refined(image=image, done=0)
    tile_px = native_size(generator.row, 1.0)[0]
    inner, size = tile_px - 2 * round(tile_px * TILE_CONTEXT), geometry.box_size(area)
    overlap = round(tile_px * OVERLAP)
    total = np.zeros((*size, 3), np.float32)
    done = left = 0
    tiles = geometry.tiles(size, inner, overlap)
    for box, weight in zip(tiles, geometry.tile_weights(size, inner, overlap), strict=True):
        own = _moved(box, area)
        if not geometry.crop(repaint, own).any():
            continue
        seen = _around(own, tile_px, (image.shape[0], image.shape[1]))
        asked = wish if figure is None or geometry.crop(figure, seen).any() else _without_person(wish, place)
        made = _drawn_anew(generator, image, repaint, seen, asked, control)
        left, done = left + (made is None), done + (made is not None)
        piece = geometry.crop(image, seen).astype(np.float32) if made is None else made
        x0, y0, x1, y1 = box
        total[y0:y1, x0:x1] += geometry.crop(piece, _moved(own, (-seen[0], -seen[1], 0, 0))) * weight[..., None]
    fade = geometry.crop(blend.feather(repaint, max(2.0, tile_px * FADE)), area)[..., None]
    before = geometry.crop(image, area)
    mixed = np.rint(np.clip(before * (1 - fade) + total * fade, 0, 255)).astype(np.uint8)
    return Refined(image=geometry.paste(image, mixed, area, geometry.crop(repaint, area)), done=done, left=left)


def _moved(box: Box, by: Box) -> Box:
    return box[0] + by[0], box[1] + by[1], box[2] + by[0], box[3] + by[1]


def _around(box: Box, tile_px: int, size: Size) -> Box:
    """The tile of ``tile_px`` about a box, moved into the picture; all of a side that is shorter."""
    spans = []
    for low, high, limit in ((box[0], box[2], size[1]), (box[1], box[3], size[0])):
        length = min(tile_px, limit)
        start = min(max((low + high - length) // 2, 0), limit - length)
        spans.append((start, start + length))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def _without_person(wish: Wish, place: str) -> Wish:
    return replace(wish, prompt=place, reference_scale=0.0)


def _drawn_anew(
    generator: Generator, image: Image, repaint: Mask, seen: Box, wish: Wish, control: str | None
) -> NDArray[np.float32] | None:
    """A tile's new pixels (h, w, 3) in [0, 255] with the picture's own tone; None if the model gave nothing."""
    piece, hole = geometry.crop(image, seen), geometry.crop(repaint, seen)
    patch = _generated(generator, piece, hole, replace(wish, seed=_seed_of(wish.seed, seen)), control)
    if patch is None:
        return None
    return held_tone(piece, patch, sigma=max(seen[2] - seen[0], seen[3] - seen[1]) * TONE)


def held_tone(piece: Image, patch: Image, *, sigma: float) -> NDArray[np.float32]:
    """``patch`` with what is coarser than ``sigma`` px taken from ``piece``; float32 (h, w, 3), about [0, 255].

    Autoencoders shift colours, and every tile differently: this leaves nothing of it to show as a seam.
    """
    off = piece.astype(np.float32) - patch
    return np.asarray(patch + cv2.GaussianBlur(off, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)


def refine_part(
    generator: Generator, image: Image, part: Mask, wish: Wish, *, control: str | None = None
) -> Refined:  # fmt: skip
    """Draw one ``part`` of ``image`` anew at the model's native size: a face, a hand. Outside it all stays bit for bit.

    Its colours are fitted to the picture around it, and the join is the one that leaves the smallest step.
    """
    found = geometry.box_of(part)
    if found is None:
        return Refined(image=image, done=0)
    box = geometry.context_box(found, (image.shape[0], image.shape[1]), factor=PART_CONTEXT, aspect=1.0)
    piece, hole = geometry.crop(image, box), geometry.crop(part, box)
    patch = _generated(generator, piece, hole, replace(wish, seed=_seed_of(wish.seed, box)), control)
    if patch is None:
        return Refined(image=image, done=0, left=1)
    joined, _, _ = blended(piece, patch, hole)
    return Refined(image=geometry.paste(image, joined, box, hole), done=1)


def refine_parts(
    generator: Generator, image: Image, parts: Sequence[Mask], repaint: Mask, wish: Wish, *, control: str | None = None
) -> Refined:  # fmt: skip
    """`refine_part` for each of ``parts`` that lies at least half inside ``repaint``; never outside that."""
    done = left = 0
    for part in parts:
        allowed = part & repaint
        if allowed.sum() < 0.5 * part.sum() or not allowed.any():
            continue
        refined = refine_part(generator, image, allowed, wish, control=control)
        image, done, left = refined.image, done + refined.done, left + refined.left
    return Refined(image=image, done=done, left=left)


def _generated(generator: Generator, piece: Image, hole: Mask, wish: Wish, control: str | None) -> Image | None:
    """The crop drawn anew, at its own size; None where the model gives one colour, as of a wall it may."""
    size = native_size(generator.row, piece.shape[1] / piece.shape[0])
    maps = detail_maps(control, geometry.resize_image(piece, size))
    try:
        return paint_crop(generator, piece, hole, wish, controls=maps)
    except CheckFailed:
        return None


def _seed_of(seed: int, box: Box) -> int:
    """A seed of its own for every crop: one for all would draw the same grain into each."""
    digest = hashlib.sha256(f"{seed}\0{box}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1

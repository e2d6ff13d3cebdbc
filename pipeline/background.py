"""The kind `background`: what happens to an item after its mask.

    frame         where the subject goes: scale, place, canvas
    cut out       its pixels at that scale, with a soft edge in its own colour
    backdrop      what stands behind it (colour, gradient, picture, studio)
    set           shadow on the backdrop, then the subject over it

`make_backdrop` and `set_subject` know nothing of each other: any picture of the canvas's size may stand between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.pixels import backdrops, blend, geometry, placement, shadow
from pipeline.pixels.color import SOLID, bleed, dithered, parse_color, to_float
from pipeline.types import Alpha, Box, Image, Mask, Picture, Size, Subject

WALLS = frozenset({"gradient", "picture", "studio"})
"""Kinds of backdrop that are a wall to what hangs; a plain colour is no place, and a generated one has its own."""
BELOW_THE_PICTURE = 2.0
FADE_PX = 3

PaintPlace = Callable[[Image, Alpha], Image]
"""Takes the product on an empty canvas (image, alpha), returns the place that stands behind it, of the same size."""
Enlarge = Callable[[Image, float], Image]
"""Takes a picture and a growth > 1, returns it about that much larger; the exact size is made afterwards."""


@dataclass(frozen=True, kw_only=True)
class BackgroundSpec:
    """What stands behind the product; mirrors the recipe's `background`, with the picture already read.

    ``color`` is the solid colour, a gradient's top or the studio's wall; ``color_to`` a gradient's bottom or the
    studio's floor (both #rrggbb). ``defocus`` blurs a picture (share of the longer side), ``reflection`` is the
    strength in [0, 1] of the product's reflection in the floor.
    """

    kind: Literal["solid", "gradient", "picture", "studio", "generated"] = "solid"
    color: str = "#ffffff"
    color_to: str = "#d9d9d9"
    picture: Image | None = None
    defocus: float = 0.0
    reflection: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ShadowSpec:
    """The shadow that grounds the product; mirrors the recipe's `shadow`.

    What ``hangs`` stands on no floor: before a wall it throws a soft shadow on that, on a plain colour none.
    """

    kind: Literal["none", "contact", "cast"] = "contact"
    strength: float = 0.55
    softness: float = 1.0
    hangs: bool = False


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where the subject of a picture goes.

    ``source_box`` is what is cut from the photo, ``target_box`` where that lands on the canvas (it may reach beyond),
    ``placed_box`` the subject's own box there, ``growth`` the scale, ``cut`` the photo's edges that cut the subject,
    ``grounded`` whether it stands on something.
    """

    canvas: Size
    source_box: Box
    target_box: Box
    placed_box: Box
    growth: float
    cut: placement.Edges
    grounded: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A finished picture at the canvas's size, and where the product is in it.

    ``product_alpha`` is the soft matte, ``product_mask`` where it is at least one half. ``growth`` is the scale from
    the photo to the picture; at exactly 1 the product's solid pixels are the photo's, bit for bit.
    """

    image: Image
    product_mask: Mask
    product_alpha: Alpha
    placed_box: Box
    growth: float
    notes: tuple[str, ...] = ()


def compose(
    picture: Picture,
    subject: Subject,
    *,
    canvas: Size,
    fill: float,
    background: BackgroundSpec,
    shadow: ShadowSpec,
    seed: int,
    enlarge: Enlarge | None = None,
    max_growth: float = 4.0,
    grounded: bool | None = None,
    paint_place: PaintPlace | None = None,
) -> Composed:
    """Set the subject of ``picture`` on a new background of ``canvas`` = (height, width).

    ``fill`` is the share of the canvas that the subject's longest side takes. ``enlarge`` grows the product where it is
    too small (Lanczos if None); beyond ``max_growth`` the canvas becomes smaller instead, with a note. ``grounded``
    says whether the product stands on the floor and so throws a shadow on it (a flat lay or a hanging garment does
    not); None: it does, unless the photo's lower edge cuts it. ``paint_place`` makes a generated backdrop. Same
    arguments, same picture.
    Raises ValueError if the subject's mask is empty or the arrays do not fit together.
    """
    stands = False if shadow.hangs else grounded
    frame = frame_subject(subject, canvas=canvas, fill=fill, max_growth=max_growth, grounded=stands)
    image, alpha = cut_out(picture, subject, frame, enlarge)
    if background.kind == "generated":
        if paint_place is None:
            raise ValueError("background.kind is generated, but nothing is given that paints it")
        backdrop = paint_place(image, alpha)
    else:
        backdrop = make_backdrop(frame, background, seed)
    on_wall = shadow.hangs and background.kind in WALLS
    composed = set_subject(
        backdrop, image, alpha, frame, shadow, seed, reflection=background.reflection, on_wall=on_wall
    )
    return Composed(
        image=composed,
        product_mask=alpha >= 0.5,
        product_alpha=alpha,
        placed_box=frame.placed_box,
        growth=frame.growth,
        notes=frame.notes,
    )


def frame_subject(
    subject: Subject, *, canvas: Size, fill: float, max_growth: float = 4.0, grounded: bool | None = None
) -> Frame:
    """Decide where the subject goes (see `placement.place`), and say in notes what a person should know."""
    box = geometry.box_of(subject.mask)
    if box is None:
        raise ValueError("the subject's mask is empty: there is nothing to set on a background")
    cut = placement.cut_edges(subject.mask)
    matte = geometry.box_of((subject.alpha > 1 / 255) | subject.mask) or box
    box = _to_the_edge(box, cut, subject.mask.shape)
    spot = placement.place(box, canvas, fill=fill, cut=cut, max_growth=max_growth)
    source = _to_the_edge(geometry.grow_box(matte, 2, subject.mask.shape), cut, subject.mask.shape)
    notes = []
    if cut:
        notes.append(f"the photo cuts the subject at its {' and '.join(cut.names())} edge: kept at that edge")
    if spot.canvas != canvas:
        notes.append(
            f"the subject would have to grow more than {max_growth:g} times: "
            f"canvas {spot.canvas[1]}x{spot.canvas[0]} instead of {canvas[1]}x{canvas[0]} px"
        )
    return Frame(
        canvas=spot.canvas,
        source_box=source,
        target_box=_carried_over(source, box, spot, cut),
        placed_box=_inside(spot.box, spot.canvas),
        growth=spot.scale,
        cut=cut,
        grounded=(not cut.bottom) if grounded is None else grounded,
        notes=tuple(notes),
    )


def cut_out(picture: Picture, subject: Subject, frame: Frame, enlarge: Enlarge | None = None) -> tuple[Image, Alpha]:
    """Return (image, alpha) of the canvas's size: the subject at its place, at its scale.

    Solid pixels come from the photo itself, soft ones from the subject's foreground (no colour of the old backdrop).
    Scaled down by area averaging, up by ``enlarge`` or Lanczos; at growth 1 solid pixels are the photo's own.
    """
    if picture.image.shape != subject.foreground.shape or picture.image.shape[:2] != subject.alpha.shape:
        raise ValueError("picture, foreground and alpha differ in size: they must come from the same photo")
    x0, y0, x1, y1 = frame.source_box
    alpha = _unfaded(subject.alpha[y0:y1, x0:x1], frame.cut)
    solid = (alpha >= SOLID)[..., None]
    own = np.where(solid, picture.image[y0:y1, x0:x1], subject.foreground[y0:y1, x0:x1])
    size = geometry.box_size(frame.target_box)
    if size == alpha.shape:
        image, matte = own, alpha
    elif frame.growth < 1:
        image, matte = geometry.resize_cutout(own, alpha, size)
    else:
        spread = bleed(own, alpha)
        grown = enlarge(spread, frame.growth) if enlarge else spread
        image, matte = geometry.resize_image(grown, size), geometry.resize_alpha(alpha, size)
    return _on_canvas(image, matte, frame)


def make_backdrop(frame: Frame, spec: BackgroundSpec, seed: int) -> Image:
    """Return the picture that stands behind the subject, at the canvas's size."""
    if spec.kind == "solid":
        return backdrops.solid(frame.canvas, parse_color(spec.color))
    if spec.kind == "gradient":
        return backdrops.gradient(frame.canvas, parse_color(spec.color), parse_color(spec.color_to), seed)
    if spec.kind == "picture":
        if spec.picture is None:
            raise ValueError("background.kind is picture, but no picture is given: set background.picture")
        return backdrops.picture(frame.canvas, spec.picture, defocus=spec.defocus)
    x0, _, x1, y1 = frame.placed_box
    return backdrops.studio(
        frame.canvas,
        parse_color(spec.color),
        parse_color(spec.color_to),
        ground=y1 / frame.canvas[0] if frame.grounded else BELOW_THE_PICTURE,
        center=(x0 + x1) / 2 / frame.canvas[1],
        seed=seed,
    )


def set_subject(
    backdrop: Image,
    image: Image,
    alpha: Alpha,
    frame: Frame,
    spec: ShadowSpec,
    seed: int,
    *,
    reflection: float = 0.0,
    on_wall: bool = False,
) -> Image:
    """Return ``backdrop`` with the shadow on it and the subject over it; all arrays have the canvas's size.

    ``on_wall``: the shadow of a subject without a floor falls on a wall close behind it.

    Where nothing of subject, shadow or reflection falls, the backdrop is carried bit for bit; where the matte is
    solid, the subject is.
    """
    scene = to_float(backdrop)
    mask = alpha >= 0.5
    shade = np.zeros(alpha.shape, np.float32)
    if frame.grounded and mask.any():
        if reflection > 0:
            mirrored, faint = shadow.reflection(image, alpha, strength=reflection)
            scene = blend.over(to_float(mirrored), faint, scene)
        if spec.kind == "contact":
            shade = shadow.contact_shadow(mask, strength=spec.strength, softness=spec.softness)
        elif spec.kind == "cast":
            shade = shadow.cast_shadow(mask, strength=spec.strength, softness=spec.softness)
    elif on_wall and spec.kind != "none":
        shade = shadow.wall_shadow(mask, strength=spec.strength, softness=spec.softness)
    shaded = dithered(blend.shade(scene, shade), seed, where=shade > 0)
    mixed = blend.over(to_float(image), alpha, to_float(shaded))
    result = np.rint(np.clip(mixed, 0, 1) * 255).astype(np.uint8)
    return np.where((alpha >= SOLID)[..., None], image, result)


# ---- parts


def _to_the_edge(box: Box, cut: placement.Edges, size: tuple[int, ...]) -> Box:
    """Move the cut sides of ``box`` to the photo's edge, where the subject goes on."""
    return (
        0 if cut.left else box[0],
        0 if cut.top else box[1],
        size[1] if cut.right else box[2],
        size[0] if cut.bottom else box[3],
    )


def _unfaded(alpha: Alpha, cut: placement.Edges) -> Alpha:
    """Return a matte that does not fade towards the edges that cut the subject: it goes on beyond them.

    Mattes often do within their last pixels, which would show as a pale line at the canvas's edge.
    """
    if not cut or min(alpha.shape) <= 2 * FADE_PX:
        return alpha
    alpha = alpha.copy()
    for turn, cuts in enumerate((cut.top, cut.right, cut.bottom, cut.left)):
        if cuts:
            turned = np.rot90(alpha, turn)  # a view with that edge on top
            turned[:FADE_PX] = np.maximum(turned[:FADE_PX], turned[FADE_PX])
    return alpha


def _carried_over(source: Box, subject_box: Box, spot: placement.Placement, cut: placement.Edges) -> Box:
    """Return where ``source`` lands on the canvas when ``subject_box`` lands on the placement's box.

    Rounding is taken up at the side that is free, never at one that must reach the canvas's edge.
    """
    height, width = geometry.box_size(source)
    new_w, new_h = max(1, round(width * spot.scale)), max(1, round(height * spot.scale))
    x0 = spot.box[0] - round((subject_box[0] - source[0]) * spot.scale)
    y0 = spot.box[1] - round((subject_box[1] - source[1]) * spot.scale)
    if cut.right and not cut.left:
        x0 = spot.box[2] + round((source[2] - subject_box[2]) * spot.scale) - new_w
    if cut.bottom and not cut.top:
        y0 = spot.box[3] + round((source[3] - subject_box[3]) * spot.scale) - new_h
    return x0, y0, x0 + new_w, y0 + new_h


def _inside(box: Box, canvas: Size) -> Box:
    """Return the part of ``box`` on the canvas."""
    return max(0, box[0]), max(0, box[1]), min(canvas[1], box[2]), min(canvas[0], box[3])


def _on_canvas(image: Image, alpha: Alpha, frame: Frame) -> tuple[Image, Alpha]:
    """Lay a cut-out at the frame's target box on an empty canvas; what reaches beyond is lost."""
    x0, y0 = frame.target_box[:2]
    cx0, cy0, cx1, cy1 = _inside(frame.target_box, frame.canvas)
    full = np.zeros((*frame.canvas, 3), np.uint8)
    matte = np.zeros(frame.canvas, np.float32)
    part = slice(cy0 - y0, cy1 - y0), slice(cx0 - x0, cx1 - x0)
    full[cy0:cy1, cx0:cx1] = image[part]
    matte[cy0:cy1, cx0:cx1] = alpha[part]
    return full, matte

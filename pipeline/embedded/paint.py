"""Strokes of the studio: painting merged parts as cloth or skin, with folds, cuts, prints, seams and dots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.embedded.canvas import Canvas, Material, Surface, lit, merge
from pipeline.embedded.palette import Floats, floats
from pipeline.embedded.parts import Part, Point, bound, point, window_of
from pipeline.embedded.patterns import crop, fold_bank


@dataclass(frozen=True, kw_only=True)
class Crease:
    """A pulled fold from ``start`` to ``end``: ``width`` px wide, ``strength`` of slope."""

    start: Point
    end: Point
    width: float
    strength: float


@dataclass(frozen=True, kw_only=True)
class Opening:
    """An elliptical hole (a neckline): centre, half axes and downward axis; ``band`` px of ``trim`` around it."""

    center: Point
    half_width: float
    half_height: float
    down: Point
    vee: float = 0.0
    band: float = 0.0
    trim: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class Decal:
    """A print: coverage raster, centre, width in px, the cloth's downward axis, colour."""

    raster: Floats
    center: Point
    width: float
    down: Point
    color: Floats


def _ellipse_px(opening: Opening, ys: Floats, xs: Floats) -> Floats:
    """Signed distance in px to the opening's rim, positive outside (first order)."""
    dx, dy = xs - opening.center[0], ys - opening.center[1]
    down = opening.down
    v = (dx * down[0] + dy * down[1]) / np.float32(opening.half_height)
    u = (dx * down[1] - dy * down[0]) / np.float32(opening.half_width)
    round_rim = np.sqrt(u * u + v * v + np.float32(1e-9))
    if opening.vee > 0:
        sharp = np.maximum(np.abs(u) + np.maximum(v, 0), np.sqrt(u * u + np.minimum(v, 0) ** 2))
        round_rim = round_rim * np.float32(1 - opening.vee) + sharp * np.float32(opening.vee)
    return floats((round_rim - 1) * np.float32(min(opening.half_width, opening.half_height)))


def fold(surface: Surface, strength: float, unit: float, offset: tuple[float, float]) -> None:
    """Tilt normals by the bank of hanging folds; ``unit`` is the figure's height in px."""
    h, w = surface.alpha.shape
    slopes = crop(fold_bank(), h, w, max(unit / 1000, 0.05), offset) * np.float32(strength)
    surface.nx += slopes[..., 0]
    surface.ny += slopes[..., 1]


def crease(surface: Surface, line: Crease) -> None:
    """Tilt normals across one pulled fold, tapering to its ends."""
    axis = line.end - line.start
    length = max(float(np.hypot(axis[0], axis[1])), 1e-3)
    axis = axis / np.float32(length)
    full = surface.window
    window = window_of(np.stack([line.start, line.end]), line.width * 2.5, full.y1, full.x1)
    y0, x0 = max(window.y0, full.y0), max(window.x0, full.x0)
    if window.y1 <= y0 or window.x1 <= x0:
        return
    ys = np.arange(y0, window.y1, dtype=np.float32)[:, None]
    xs = np.arange(x0, window.x1, dtype=np.float32)[None]
    dx, dy = xs - line.start[0], ys - line.start[1]
    t = np.clip((dx * axis[0] + dy * axis[1]) / np.float32(length), 0, 1)
    d = (dx * -axis[1] + dy * axis[0]) / np.float32(line.width)
    tilt = d * np.exp(-d * d) * np.sin(t * np.float32(np.pi)) ** 1 * np.float32(line.strength * 2.3)
    at = (slice(y0 - full.y0, window.y1 - full.y0), slice(x0 - full.x0, window.x1 - full.x0))
    surface.nx[at] += tilt * -axis[1]
    surface.ny[at] += tilt * axis[0]


def _renormalise(surface: Surface) -> None:
    norm = 1 / np.sqrt(surface.nx**2 + surface.ny**2 + surface.nz**2 + np.float32(1e-9))
    surface.nx *= norm
    surface.ny *= norm
    surface.nz *= norm


def print_on(albedo: Floats, surface: Surface, decal: Decal) -> None:
    """Blend a print into the colours of a surface."""
    rh, rw = decal.raster.shape
    scale = np.float32(decal.width / rw)
    down, right = decal.down, point(float(decal.down[1]), float(-decal.down[0]))
    origin = decal.center - right * (rw * scale / 2) - down * (rh * scale / 2)
    origin = origin - np.array([surface.window.x0, surface.window.y0], np.float32)
    matrix = np.array(
        [[right[0] * scale, down[0] * scale, origin[0]], [right[1] * scale, down[1] * scale, origin[1]]], np.float32
    )
    raster = decal.raster
    if scale < 0.7:
        raster = floats(cv2.GaussianBlur(raster, (0, 0), float(0.35 / scale)))
    h, w = surface.alpha.shape
    cover = np.asarray(cv2.warpAffine(raster, matrix, (w, h), flags=cv2.INTER_LINEAR), np.float32)
    albedo += (decal.color - albedo) * cover[..., None]


@dataclass(frozen=True, kw_only=True)
class Dressing:
    """What is done to a surface before it is painted."""

    openings: tuple[Opening, ...] = ()
    creases: tuple[Crease, ...] = ()
    decals: tuple[Decal, ...] = ()
    fold_offset: tuple[float, float] = (0.0, 0.0)
    shadow: float = 0.4


def paint(
    canvas: Canvas,
    parts: Sequence[Part],
    material: Material,
    name: str | None,
    unit: float,
    dressing: Dressing | None = None,
    blend: float = 0.012,
) -> Surface | None:
    """Merge ``parts``, dress, light and paint them as ``name``. ``unit`` is the figure's height in px."""
    dressing = dressing or Dressing()
    surface = merge(parts, *canvas.size, blend_px=max(blend * unit, 0.4))
    if surface is None:
        return None
    if material.folds:
        fold(surface, material.folds, unit, dressing.fold_offset)
    for line in dressing.creases:
        crease(surface, line)
    if material.folds or dressing.creases:
        _renormalise(surface)
    albedo = material.color
    if material.texture is not None:
        albedo = np.ascontiguousarray(material.texture(surface.along, surface.across), np.float32)
    elif dressing.openings or dressing.decals:
        albedo = np.ascontiguousarray(np.broadcast_to(material.color, (*surface.alpha.shape, 3)), np.float32)
    ys, xs = surface.window.grid()
    for opening in dressing.openings:
        distance = _ellipse_px(opening, ys, xs)
        if opening.trim is not None and opening.band > 0:
            on_band = bound(np.float32(opening.band) - distance + np.float32(0.5))
            albedo += (opening.trim - albedo) * on_band[..., None]
        surface.alpha *= bound(distance + np.float32(0.5))
    for decal in dressing.decals:
        print_on(albedo, surface, decal)
    if dressing.shadow:
        canvas.darken(surface.window, surface.alpha, dressing.shadow, 0.009 * unit, point(0.004 * unit, 0.010 * unit))
    canvas.blend(surface.window, lit(surface, albedo, material), surface.alpha, name)
    return surface


def dot(
    canvas: Canvas,
    center: Point,
    radii: tuple[float, float],
    color: Floats,
    alpha: float = 1.0,
    axis: Point | None = None,
    softness: float = 1.0,
    name: str | None = None,
) -> None:
    """An ellipse with half axes ``radii`` along ``axis`` and across it; ``softness`` px of edge."""
    ax = axis if axis is not None else point(1.0, 0.0)
    window = window_of(center[None], max(radii) + softness + 1, *canvas.size)
    if window.empty:
        return
    ys, xs = window.grid()
    dx, dy = xs - center[0], ys - center[1]
    u = (dx * ax[0] + dy * ax[1]) / np.float32(max(radii[0], 0.3))
    v = (-dx * ax[1] + dy * ax[0]) / np.float32(max(radii[1], 0.3))
    distance = (1 - np.sqrt(u * u + v * v)) * np.float32(min(radii))
    cover = bound(distance / np.float32(softness) + np.float32(0.5)) * np.float32(alpha * min(1.0, min(radii) / 0.5))
    canvas.blend(window, color, cover, name)


def stroke(
    canvas: Canvas,
    points: Floats,
    width: float,
    color: Floats,
    alpha: float = 1.0,
    name: str | None = None,
    closed: bool = False,
    inside: Surface | None = None,
) -> None:
    """A line through ``points`` (N, 2), ``width`` px wide; kept to the surface ``inside`` if given."""
    window = window_of(np.asarray(points, np.float32), width + 1, *canvas.size)
    if window.empty:
        return
    mask = np.zeros((window.y1 - window.y0, window.x1 - window.x0), np.uint8)
    shifted = np.round((points - np.array([window.x0, window.y0])) * 16 - 8).astype(np.int32)
    cv2.polylines(mask, [shifted], closed, 255, max(round(width), 1), cv2.LINE_AA, 4)
    cover = mask.astype(np.float32) * np.float32(alpha * min(1.0, width) / 255)
    if inside is not None:
        bounds = np.zeros(canvas.size, np.float32)
        full = inside.window
        bounds[full.y0 : full.y1, full.x0 : full.x1] = inside.alpha
        cover *= bounds[window.y0 : window.y1, window.x0 : window.x1]
    canvas.blend(window, color, cover, name)

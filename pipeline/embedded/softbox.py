"""Light on packshots, after the camera has looked: a key light, the sky, reflections of a room with softboxes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.embedded.palette import Floats, floats
from pipeline.embedded.solids import Finish, Patch
from pipeline.embedded.splat import Buffers
from pipeline.types import Mask


def _step(x: Floats, edge: float, soft: float) -> Floats:
    t = np.clip((x - np.float32(edge)) / np.float32(soft) * np.float32(0.5) + np.float32(0.5), 0, 1)
    return floats(t * t * (3 - 2 * t))


def room(rx: Floats, ry: Floats, rough: float) -> Floats:
    """Brightness of the studio in a direction: grey room, large softbox left, strip right, light from above."""
    soft = 0.06 + 0.75 * rough
    level = np.float32(0.30) + np.float32(0.22) * ry
    left = _step(rx, -0.93, soft * 0.3) * _step(-rx, 0.42, soft) * _step(ry, -0.55, soft) * _step(-ry, -0.85, soft)
    strip = _step(rx, 0.70, soft) * _step(-rx, -0.93, soft * 0.4) * _step(ry, -0.7, soft)
    above = _step(ry, 0.72, soft)
    boxes = np.float32(1.7) * left + np.float32(0.75) * strip + np.float32(0.9) * above
    return floats(level + boxes * np.float32(1 - 0.35 * rough))


def shade(buffers: Buffers, patches: Sequence[Patch], unit_px: float) -> Floats:
    """Colours (H, W, 3) of what the camera saw; black where it saw nothing."""
    out = np.zeros((*buffers.depth.shape, 3), np.float32)
    rows, columns = np.flatnonzero((buffers.index >= 0).any(1)), np.flatnonzero((buffers.index >= 0).any(0))
    if len(rows):
        at = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        piece = Buffers(
            depth=buffers.depth[at],
            normal=buffers.normal[at],
            uv=buffers.uv[at],
            height=buffers.height[at],
            index=buffers.index[at],
        )
        out[at] = _shade_all(piece, patches, unit_px)
    return out


def _shade_all(buffers: Buffers, patches: Sequence[Patch], unit_px: float) -> Floats:
    n = floats(buffers.normal / (np.linalg.norm(buffers.normal, axis=-1, keepdims=True) + np.float32(1e-6)))
    nx, ny, nz = n[..., 0], n[..., 1], n[..., 2]
    facing = nx * np.float32(-0.48) + ny * np.float32(0.56) + nz * np.float32(0.68)
    direct = np.float32(0.60) * np.maximum(facing * np.float32(0.75) + np.float32(0.25), 0)
    light = (direct + np.float32(0.34) + np.float32(0.14) * ny) * _occlusion(buffers, unit_px)
    out = np.zeros(n.shape, np.float32)
    for number, patch in enumerate(patches):
        at = buffers.index == number
        if at.any():
            color = _color_of(patch.finish, buffers, at)
            out[at] = _finished(patch.finish, color, light[at], n[at])
    return out


def _color_of(finish: Finish, buffers: Buffers, at: Mask) -> Floats:
    """Colours (N, 3) of a patch's pixels, with print and grain."""
    color = np.broadcast_to(finish.color, (int(at.sum()), 3)).astype(np.float32)
    if finish.decal is not None and finish.ink is not None:
        color = _printed(color, buffers.uv[at][:, 0], buffers.height[at], finish)
    if finish.grain:
        color = color * (1 + np.float32(finish.grain) * _grain(buffers.uv[at]))[:, None]
    return color


def _finished(finish: Finish, color: Floats, light: Floats, normal: Floats) -> Floats:
    """Diffuse light, reflections of the room (Schlick's Fresnel term, 1994) and glow: (N, 3)."""
    nx, ny, nz = normal[:, 0], normal[:, 1], normal[:, 2]
    grazing = (1 - np.clip(nz, 0, 1)) ** 2
    fresnel = np.float32(0.06) + np.float32(0.94) * grazing * grazing
    mirror = room(2 * nz * nx, 2 * nz * ny, finish.rough)
    if finish.metal:
        lit = color * (np.float32(0.25) * light + np.float32(0.85) * mirror)[:, None]
    else:
        shine = np.float32(finish.gloss) * (fresnel * np.float32(1.5) + np.float32(0.05))
        glare = np.float32(0.16 * finish.gloss) * np.maximum(mirror - np.float32(0.75), 0)
        lit = color * light[:, None] + (shine * mirror + glare)[:, None]
    if finish.glow:
        warm = np.array([1.0, 0.93, 0.80], np.float32)
        lit = lit * np.float32(1 - finish.glow) + warm * color * np.float32(1.25 * finish.glow)
    return floats(lit)


def _grain(uv: Floats) -> Floats:
    u, v = uv[:, 0], uv[:, 1]
    rings = np.sin(v * 140 + np.sin(u * 23) * np.float32(2.2) + np.sin(v * 31) * np.float32(1.5))
    return floats(rings * np.float32(0.6) + np.sin(v * 300 + u * 9) * np.float32(0.4))


def _printed(color: Floats, u: Floats, level: Floats, finish: Finish) -> Floats:
    if finish.decal is None or finish.ink is None:
        return color
    u0, y0, u1, y1 = finish.decal_at
    h, w = finish.decal.shape
    x = ((u - np.float32(u0)) / np.float32(u1 - u0) * (w - 1)).reshape(-1, 1).astype(np.float32)
    y = ((level - np.float32(y0)) / np.float32(y1 - y0) * (h - 1)).reshape(-1, 1).astype(np.float32)
    cover = np.empty(len(u), np.float32)
    for i in range(0, len(u), 30_000):  # remap takes at most 32,767 rows
        piece = cv2.remap(
            finish.decal,
            x[i : i + 30_000],
            y[i : i + 30_000],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=0,
        )
        cover[i : i + 30_000] = np.asarray(piece, np.float32).ravel()
    return color + (finish.ink - color) * cover[:, None]


def _occlusion(buffers: Buffers, unit_px: float) -> Floats:
    """Darkening of creases (after screen-space occlusion): how far the neighbourhood stands in front."""
    small = max(round(unit_px / 160), 1)
    height, width = buffers.depth.shape
    size = (max(width // small, 1), max(height // small, 1))
    solid_full = buffers.index >= 0
    floor = float(buffers.depth[solid_full].min()) if solid_full.any() else 0.0
    z_full = np.where(solid_full, buffers.depth - floor, 0).astype(np.float32)
    solid = cv2.resize(solid_full.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    z = cv2.resize(z_full, size, interpolation=cv2.INTER_AREA)
    out = np.ones((height, width), np.float32)
    for radius, strength in ((0.020, 3.2), (0.060, 1.3)):
        sigma = max(radius * unit_px / small, 0.6)
        weight = cv2.GaussianBlur(solid, (0, 0), sigma) + np.float32(1e-4)
        mean = cv2.resize(cv2.GaussianBlur(z, (0, 0), sigma) / weight, (width, height), interpolation=cv2.INTER_LINEAR)
        out *= 1 - np.clip((mean - z_full) * np.float32(strength), 0, 0.35)
    return out

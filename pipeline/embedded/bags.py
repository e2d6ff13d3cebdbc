"""Bags: tote, satchel, shoulder bag."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.embedded.lettering import EMBLEMS, WORDS, print_of
from pipeline.embedded.palette import Floats, contrast, rgb
from pipeline.embedded.scene import pick
from pipeline.embedded.solids import Finish, Patch, box, loft, rod, round_off

BRASS: Final = Finish(color=rgb("#d9b36a"), metal=True, rough=0.3)


def bag(rng: np.random.Generator, color: Floats) -> list[Patch]:
    """A printed tote, a satchel or a shoulder bag."""
    style = int(rng.integers(3))
    return _tote(rng, color) if style == 0 else _flap_bag(rng, color, satchel=style == 1)


def _tote(rng: np.random.Generator, color: Floats) -> list[Patch]:
    word = print_of(pick(rng, [*WORDS, *EMBLEMS]))
    tall = word.shape[0] / word.shape[1]
    w, h = 0.46, float(rng.uniform(0.72, 0.85))
    cloth = Finish(color=color, gloss=0.06, rough=0.95)
    at = (0.25, h * 0.46 + w * tall / 2, 0.75, h * 0.46 - w * tall / 2)
    front = replace(cloth, decal=word, ink=contrast(color), decal_at=at)
    parts = [loft(_side(w, h, 0.13, 1), front), loft(_side(w, h, 0.13, -1), cloth), *_gussets(w, h, 0.13, cloth)]
    for z in (0.052, -0.052):
        half = [(-0.20, h - 0.10, z), (-0.19, h + 0.22, z)]
        path = [*half, (0.0, h + 0.34, z * 0.5), *((-x, y, d) for x, y, d in reversed(half))]
        parts += rod(path, 0.026, cloth, smooth=8, flat=0.4)
    return parts


def _flap_bag(rng: np.random.Generator, color: Floats, *, satchel: bool) -> list[Patch]:
    leather = Finish(color=color, gloss=0.40, rough=0.45)
    dark = Finish(color=color * np.float32(0.62), gloss=0.35, rough=0.5)
    w, h, d = (0.46, 0.58, 0.17) if satchel else (0.40, 0.44, 0.13)
    low = h * float(rng.uniform(0.36, 0.5))
    flap = Finish(color=color * np.float32(0.94), gloss=0.42, rough=0.42)
    parts = [*box((0, h / 2, 0), (w, h / 2, d), 0.075, leather), loft(_flap(w, h, d, low), flap)]
    parts += box((0, low + 0.04, d + 0.026), (0.055, 0.036, 0.014), 0.012, BRASS)
    if satchel:
        handle = [(-0.20, h, 0), (-0.17, h + 0.24, 0), (0.0, h + 0.31, 0), (0.17, h + 0.24, 0), (0.20, h, 0)]
        studs = [p for sx in (-1, 1) for p in box((sx * 0.20, h + 0.01, 0), (0.035, 0.028, 0.03), 0.012, BRASS)]
        return [*parts, *rod(handle, 0.024, dark, smooth=8), *studs]
    half = [(-w + 0.02, h - 0.04, 0.0), (-w * 0.8, h + 0.45, -0.02)]
    strap = [*half, (0.0, h + 0.68, -0.03), *((-x, y, z) for x, y, z in reversed(half))]
    return [*parts, *rod(strap, 0.016, dark, smooth=10, flat=0.6)]


def _flap(w: float, h: float, d: float, low: float) -> Floats:
    """A flap from the top's middle over the front down to ``low``, its corners cut round."""
    s = np.linspace(-1, 1, 25, dtype=np.float32)[None]
    level = [(-d * 0.35, h + 0.010), (0.0, h + 0.016), (d * 0.8, h + 0.012)]
    level += [(d + 0.014, h - 0.06), (d + 0.016, h * 0.7), (d + 0.014, low)]
    z, y = round_off(level, 8)
    bow = np.clip((h - y) / (h - low), 0, 1)[:, None] ** 1.5 * s**2 * np.float32(0.10)
    return np.stack(np.broadcast_arrays(s * (w - 0.06), y[:, None] + bow, z[:, None]), -1).astype(np.float32)


def _side(w: float, h: float, d: float, sign: int) -> Floats:
    """Front (+1) or back (-1) of a tote: bulging below, closed above."""
    t, s = np.linspace(1, 0, 17, dtype=np.float32)[:, None], np.linspace(-1, 1, 17, dtype=np.float32)[None]
    bulge = d * (1 - t**1.6) * (1 - 0.25 * s**4) + 0.045 + 0.012 * np.sin(s * 5 + t * 3)
    x = s * (w - 0.05 * (1 - t))
    return np.stack(np.broadcast_arrays(x, t * h + 0.012 * t * np.cos(s * 4), sign * bulge), -1).astype(np.float32)


def _gussets(w: float, h: float, d: float, cloth: Finish) -> list[Patch]:
    parts = []
    for sx in (-1, 1):
        front, back = _side(w, h, d, 1), _side(w, h, d, -1)
        edge = 0 if sx < 0 else -1
        s = np.linspace(0, 1, 9, dtype=np.float32)[None, :, None]
        grid = front[:, edge][:, None] * (1 - s) + back[:, edge][:, None] * s
        parts.append(loft(grid, cloth))
    return parts

"""Chairs and lamps."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.embedded.palette import Floats, rgb
from pipeline.embedded.solids import Finish, Patch, box, lathe, loft, rod, round_off

BRASS: Final = Finish(color=rgb("#d9b36a"), metal=True, rough=0.3)


OAK: Final = Finish(color=rgb("#c08a55"), gloss=0.18, rough=0.7, grain=0.09)


WALNUT: Final = Finish(color=rgb("#6f4728"), gloss=0.20, rough=0.6, grain=0.10)


_CERAMIC = [
    *((0.0, 0.0), (0.17, 0.0), (0.18, 0.02), (0.12, 0.06), (0.20, 0.20)),
    *((0.235, 0.32), (0.20, 0.46), (0.08, 0.56), (0.045, 0.60), (0.04, 0.64)),
]
_DISC = [(0.0, 0.035), (0.20, 0.03), (0.215, 0.02), (0.215, 0.0), (0.0, 0.0)]
_TURNED = [
    *((0.0, 0.0), (0.16, 0.0), (0.17, 0.03), (0.10, 0.05), (0.15, 0.14), (0.15, 0.22)),
    *((0.06, 0.30), (0.12, 0.38), (0.12, 0.44), (0.05, 0.51), (0.04, 0.53)),
]
_STANDS = (
    (_CERAMIC, (0.022, 0.62, 0.82), 0.74),
    (_DISC, (0.020, 0.02, 0.95), 0.80),
    (_TURNED, (0.020, 0.52, 0.78), 0.66),
)
"""Foot profile, stem (radius, from, to) and height of the shade's lower rim."""


def lamp(rng: np.random.Generator, color: Floats) -> list[Patch]:
    """A table lamp: ceramic, slim metal, or turned wood."""
    paper = rgb("#f6ecd8") if rng.random() < 0.65 else color * np.float32(0.5) + np.float32(0.5)
    style = int(rng.integers(3))
    top, low = float(rng.uniform(0.20, 0.30)), float(rng.uniform(0.34, 0.42))
    profile, (radius, start, stop), base = _STANDS[style]
    body = Finish(color=color, gloss=0.8, rough=0.18) if style == 0 else Finish(color=color, gloss=0.55, rough=0.3)
    if style == 2 and rng.random() < 0.5:
        body = OAK
    high = base + float(rng.uniform(0.36, 0.46))
    cone = lathe([(low, base), (top, high)], Finish(color=paper, gloss=0.02, rough=1.0, glow=0.45), smooth=1)
    bulb = Finish(color=rgb("#fff3d6"), gloss=0.0, glow=0.85)
    inside = lathe([(low * 0.985, base + 0.005), (top * 0.985, high)], bulb, smooth=1)
    hem = Finish(color=paper * np.float32(0.92), gloss=0.02, rough=1.0, glow=0.5)
    rims = [
        lathe([(r * 0.985, y - 0.008), (r * 1.012, y), (r * 0.985, y + 0.008)], hem, smooth=2)
        for r, y in ((low, base), (top, high))
    ]
    return [lathe(profile, body), lathe([(radius, start), (radius, stop)], BRASS, smooth=1), cone, inside, *rims]


def chair(rng: np.random.Generator, color: Floats) -> list[Patch]:
    """A moulded shell, a dining chair with slats, or an armchair."""
    style = int(rng.integers(3))
    wood = OAK if rng.random() < 0.6 else WALNUT
    if style == 0:  # moulded shell on wooden legs
        legs = [
            p
            for sx in (-1, 1)
            for sz in (-1, 1)
            for p in rod([(sx * 0.20, 0.46, sz * 0.17), (sx * 0.30, 0.0, sz * 0.27)], (0.030, 0.017), wood, smooth=1)
        ]
        return [_shell(color), *legs]
    if style == 1:  # dining chair with slats
        legs = [
            p
            for sx in (-1, 1)
            for p in rod([(sx * 0.24, 0.46, 0.23), (sx * 0.25, 0.0, 0.25)], (0.028, 0.020), wood, smooth=1)
        ]
        posts = [
            p
            for sx in (-1, 1)
            for p in rod(
                [(sx * 0.23, 1.02, -0.30), (sx * 0.235, 0.47, -0.22), (sx * 0.25, 0.0, -0.27)],
                (0.022, 0.028, 0.020),
                wood,
            )
        ]
        slats = [
            p
            for y, z in ((0.96, -0.295), (0.82, -0.272), (0.68, -0.25))
            for p in rod([(-0.23, y, z), (0.0, y, z - 0.03), (0.23, y, z)], 0.030, wood, flat=0.45)
        ]
        rails = [
            p
            for sx in (-1, 1)
            for p in rod([(sx * 0.245, 0.22, 0.24), (sx * 0.245, 0.22, -0.24)], 0.013, wood, smooth=1)
        ]
        seat = box((0, 0.485, 0.0), (0.27, 0.040, 0.27), 0.038, Finish(color=color, gloss=0.08, rough=0.9))
        return [*legs, *posts, *slats, *rails, *seat]
    cloth = Finish(color=color, gloss=0.10, rough=0.9)  # armchair
    parts = [
        *box((0, 0.36, 0.03), (0.33, 0.10, 0.32), 0.085, cloth),
        *box((0, 0.66, -0.27), (0.33, 0.32, 0.095), 0.09, cloth),
    ]
    for sx in (-1, 1):
        parts += box((sx * 0.37, 0.43, 0.02), (0.085, 0.21, 0.34), 0.080, cloth)
        for sz in (-1, 1):
            parts += rod([(sx * 0.33, 0.25, sz * 0.27), (sx * 0.36, 0.0, sz * 0.30)], (0.032, 0.018), wood, smooth=1)
    return parts


def _shell(color: Floats) -> Patch:
    """Seat and back in one bent sheet."""
    path = [
        (0.33, 0.455),
        (0.28, 0.475),
        (0.05, 0.455),
        (-0.16, 0.46),
        (-0.25, 0.52),
        (-0.30, 0.72),
        (-0.33, 0.95),
        (-0.34, 0.98),
    ]
    z, y = round_off(path, 8)
    t = np.linspace(0, 1, len(z), dtype=np.float32)
    wide = 0.27 * np.clip(np.sin(np.pi * np.clip(t * 0.88 + 0.10, 0, 1)) ** 0.28, 0.25, 1)
    s = np.linspace(-1, 1, 33, dtype=np.float32)[None]
    curl = (np.abs(s) ** 2.6) * np.float32(0.085)
    back = np.clip((t - 0.45) / 0.2, 0, 1)[:, None]
    x = s * wide[:, None]
    grid = np.stack([np.broadcast_to(x, (len(z), 33)), y[:, None] + curl * (1 - back), z[:, None] + curl * back], -1)
    return loft(grid, Finish(color=color, gloss=0.45, rough=0.35))

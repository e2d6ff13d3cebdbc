"""Bottles and mugs."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.embedded.lettering import EMBLEMS, WORDS, print_of
from pipeline.embedded.palette import Floats, contrast, rgb
from pipeline.embedded.scene import pick
from pipeline.embedded.solids import Finish, Patch, lathe, rod

STEEL: Final = Finish(color=rgb("#cfd2d6"), metal=True, rough=0.25)


def bottle(rng: np.random.Generator, color: Floats) -> list[Patch]:
    """A steel flask, a wine bottle or a lotion bottle with a pump."""
    word = print_of(pick(rng, [*WORDS, *EMBLEMS]))
    return (_flask, _wine, _lotion)[int(rng.integers(3))](rng, color, word)


def _flask(rng: np.random.Generator, color: Floats, word: Floats) -> list[Patch]:
    h, r = float(rng.uniform(0.95, 1.15)), float(rng.uniform(0.19, 0.23))
    tall = word.shape[0] / word.shape[1]
    at = _front(h * 0.46, 0.85 if tall > 0.6 else 1.1, tall, r)
    body = Finish(color=color, gloss=0.5, rough=0.42, decal=word, ink=contrast(color), decal_at=at)
    profile = [(0.0, 0.0), (r * 0.92, 0.0), (r, 0.0), (r, 0.03), (r, h * 0.4), (r, h * 0.78), (r * 0.99, h * 0.83)]
    profile += [(r * 0.62, h * 0.93), (r * 0.58, h * 0.95)]
    cap = [(r * 0.62, h * 0.94), (r * 0.66, h * 0.945), (r * 0.66, h * 1.08), (r * 0.60, h * 1.12), (0.0, h * 1.12)]
    ring = [(r * 0.60, h * 0.925), (r * 0.645, h * 0.93), (r * 0.645, h * 0.95), (r * 0.60, h * 0.95)]
    half = [(-r * 0.4, h * 1.08, 0.0), (-r * 0.38, h * 1.22, 0.0)]
    loop = rod([*half, *((-x, y, z) for x, y, z in reversed(half))], 0.022, Finish(color=rgb("#2a2b2e"), gloss=0.3))
    black = Finish(color=rgb("#2c2d31"), gloss=0.35, rough=0.4)
    return [lathe(profile[::-1], body), lathe(cap, black), lathe(ring, STEEL), *loop]


def _wine(rng: np.random.Generator, color: Floats, word: Floats) -> list[Patch]:
    glass = Finish(color=rgb(pick(rng, ["#16281c", "#2b1a10", "#1a1c22", "#24361a"])), gloss=1.3, rough=0.10)
    at = _front(0.38, 0.75, word.shape[0] / word.shape[1], 0.189)
    label = Finish(color=rgb("#f3ecdd"), gloss=0.05, rough=0.9, decal=word, ink=color * np.float32(0.7), decal_at=at)
    profile = [(0.0, 0.0), (0.17, 0.0), (0.186, 0.01), (0.186, 0.03), (0.186, 0.4), (0.186, 0.66), (0.18, 0.74)]
    profile += [(0.07, 0.90), (0.062, 0.97), (0.062, 1.16), (0.07, 1.165), (0.07, 1.20), (0.05, 1.20)]
    foil = [(0.066, 0.98), (0.068, 1.0), (0.068, 1.15), (0.076, 1.16), (0.076, 1.205), (0.0, 1.208)]
    paper = lathe([(0.189, 0.56), (0.189, 0.20)], label, smooth=1)
    return [lathe(profile, glass), paper, lathe(foil, Finish(color=color, gloss=0.6, rough=0.35))]


def _lotion(rng: np.random.Generator, color: Floats, word: Floats) -> list[Patch]:
    r = float(rng.uniform(0.20, 0.26))
    at = _front(0.35, 1.0, word.shape[0] / word.shape[1], r)
    body = Finish(color=color, gloss=0.7, rough=0.22, decal=word, ink=contrast(color), decal_at=at)
    profile = [(0.0, 0.72), (0.09, 0.72), (r * 0.8, 0.71), (r, 0.66), (r, 0.6), (r, 0.1), (r, 0.03), (r * 0.9, 0.0)]
    collar = [(0.095, 0.70), (0.10, 0.71), (0.10, 0.80), (0.085, 0.82), (0.03, 0.82), (0.028, 0.83), (0.028, 0.92)]
    collar += [(0.06, 0.93), (0.062, 0.985), (0.05, 1.0), (0.0, 1.0)]
    light = contrast(color)[0] > 0.5
    pump = Finish(color=rgb("#f2f2f0" if light else "#34363b"), gloss=0.5, rough=0.3)
    path = [(0.0, 0.965, 0.0), (0.10, 0.965, 0.0), (0.19, 0.958, 0.0), (0.205, 0.925, 0.0)]
    spout = rod(path, (0.030, 0.026, 0.022, 0.020), pump)
    return [lathe([*profile, (0.0, 0.0)], body), lathe(collar, pump), *spout]


def _front(y: float, width: float, tall: float, radius: float) -> tuple[float, float, float, float]:
    """Where a print ``width`` diameters wide, centred at height ``y``, lies on the back (-z) of a lathe."""
    wide = width / np.pi
    high = width * radius * tall
    return 0.5 - wide / 2, y + high, 0.5 + wide / 2, y - high


def mug(rng: np.random.Generator, color: Floats) -> list[Patch]:
    """A glazed mug with a print, sometimes full."""
    r, h = float(rng.uniform(0.33, 0.40)), float(rng.uniform(0.68, 0.86))
    foot, lip = float(rng.uniform(0.80, 1.0)), float(rng.uniform(0.98, 1.08))
    word = print_of(pick(rng, [*EMBLEMS, *WORDS]))
    ink = contrast(color)
    outer = Finish(
        color=color,
        gloss=0.75,
        rough=0.16,
        decal=word,
        ink=ink,
        decal_at=_front(h * 0.5, 0.72 if word.shape[0] > 100 else 0.85, word.shape[0] / word.shape[1], r),
    )
    inner = Finish(color=rgb("#f4f2ee") if rng.random() < 0.6 else color, gloss=0.6, rough=0.2)
    wall = [
        (r * foot * 0.9, 0.0),
        (r * foot, 0.012),
        (r * (foot * 0.6 + 0.4), h * 0.25),
        (r, h * 0.6),
        (r * lip, h * 0.97),
        (r * lip, h),
        (r * lip - 0.012, h + 0.012),
    ]
    hollow = [
        (r * lip - 0.012, h + 0.012),
        (r * lip - 0.032, h),
        (r - 0.04, h * 0.5),
        (r * foot - 0.05, 0.10),
        (0.0, 0.09),
    ]
    top, low, out = h * 0.80, h * 0.24, 0.25
    handle = rod(
        [
            (r * 0.95, top, 0),
            (r + out * 0.6, top + 0.02, 0),
            (r + out, (top * 0.62 + low * 0.38), 0),
            (r + out * 0.75, low + 0.06, 0),
            (r * 0.93, low, 0),
        ],
        0.045,
        Finish(color=color, gloss=0.75, rough=0.16),
        smooth=8,
        flat=1.25,
    )
    coffee = lathe(
        [(r - 0.035, h * 0.80), (0.0, h * 0.80)], Finish(color=rgb("#4a2a17"), gloss=0.5, rough=0.15), smooth=1
    )
    return [lathe(wall[::-1], outer), lathe(hollow, inner), *handle, *([coffee] if rng.random() < 0.5 else [])]

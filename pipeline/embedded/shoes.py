"""A sneaker, lofted from heel to toe: upper, sole, tongue, laces, stripe."""

from __future__ import annotations

import numpy as np

from pipeline.embedded.palette import Floats, contrast, rgb
from pipeline.embedded.solids import Finish, Patch, loft, rod

LENGTH = 1.1


def _stations(values: list[tuple[float, float]], s: Floats) -> Floats:
    t, v = zip(*values, strict=True)
    fine = np.linspace(0, 1, 101)
    line = np.interp(fine, t, v)
    padded = np.concatenate([np.repeat(line[:1], 4), line, np.repeat(line[-1:], 4)])
    soft = np.convolve(padded, np.ones(9) / 9, "valid")
    return np.interp(s, fine, soft).astype(np.float32)


def _half_width(s: Floats) -> Floats:
    """Half the width of the foot from heel (0) to toe (1)."""
    body = _stations([(0, 0.125), (0.15, 0.148), (0.42, 0.132), (0.70, 0.182), (0.86, 0.168), (1, 0.125)], s)
    ends = np.clip(s / 0.075, 0, 1) * np.clip((1 - s) / 0.13, 0, 1)
    return np.asarray(body * np.sqrt(1 - (1 - np.clip(ends, 0, 1)) ** 2 + 1e-4), np.float32)


def _sole(finish: Finish, low: float, high: float, grow: float) -> list[Patch]:
    s = np.linspace(0, 1, 61, dtype=np.float32)
    half = _half_width(s) + np.float32(grow)
    lift = _stations([(0, 0.02), (0.2, 0.0), (0.78, 0.0), (1, 0.035)], s)
    z = (s - 0.5) * (LENGTH + 2 * grow)
    rows = []
    for y, inset in ((low, 0.020), (low + 0.012, 0.004), ((low + high) / 2, 0.0), (high - 0.012, 0.004), (high, 0.020)):
        h = np.maximum(half - inset, 0.003)
        right = np.stack([h, lift + y, z], -1)
        left = np.stack([-h, lift + y, z], -1)[::-1]
        rows.append(np.concatenate([right, left, right[:1]]))
    wall = loft(np.stack(rows), finish)
    across = np.linspace(-1, 1, 9, dtype=np.float32)[None]
    lid = np.stack(
        np.broadcast_arrays(np.maximum(half - 0.02, 0.003)[:, None] * across, (lift + high)[:, None], z[:, None]), -1
    )
    return [wall, loft(lid, finish)]


def _upper(s: Floats, around: Floats, base: float) -> Floats:
    """The upper's surface: ``around`` runs 0 (outer sole edge) to 1 (inner) over the instep."""
    half = _half_width(s)
    lift = _stations([(0, 0.02), (0.2, 0.0), (0.78, 0.0), (1, 0.035)], s)
    top = _stations(
        [
            (0, 0.36),
            (0.06, 0.40),
            (0.16, 0.37),
            (0.30, 0.36),
            (0.40, 0.40),
            (0.55, 0.315),
            (0.72, 0.205),
            (0.90, 0.155),
            (1, 0.05),
        ],
        s,
    )
    angle = np.pi * (around - 0.5)
    round_x, round_y = np.sin(angle), np.cos(angle)
    power = np.float32(0.72)
    x = np.sign(round_x) * np.abs(round_x) ** power * half[:, None]
    narrow = 1 - 0.36 * np.clip(1 - np.abs(s - 0.22) / 0.30, 0, 1)[:, None] * round_y
    y = base + lift[:, None] + np.abs(round_y) ** power * (top - base)[:, None]
    z = (s[:, None] - 0.5) * LENGTH + 0 * x
    return np.stack([x * narrow, y, z], -1).astype(np.float32)


def sneaker(rng: np.random.Generator, color: Floats) -> list[Patch]:
    """One left shoe pointing to the right of the picture, on a white or gum sole."""
    white, gum = rgb("#f3f1ec"), rgb("#b98552")
    sole = Finish(color=white if rng.random() < 0.75 else gum, gloss=0.15, rough=0.6)
    cloth = Finish(color=color, gloss=0.22, rough=0.6)
    accent = contrast(color) if rng.random() < 0.6 else rgb("#e8e4da")
    patches: list[Patch] = [
        *_sole(sole, 0.0, 0.085, 0.012),
        *_sole(Finish(color=color * np.float32(0.45), gloss=0.1), 0.066, 0.074, 0.015),
    ]
    base = 0.08
    # the upper leaves the ankle open: sides only from heel to instep, closed from there to the toe
    toe = np.linspace(0.40, 0.995, 40, dtype=np.float32)
    patches.append(loft(_upper(toe, np.linspace(0, 1, 41, dtype=np.float32)[None], base), cloth))
    heel = np.linspace(0.004, 0.41, 30, dtype=np.float32)
    for low, high in ((0.0, 0.36), (0.64, 1.0)):
        patches.append(loft(_upper(heel, np.linspace(low, high, 21, dtype=np.float32)[None], base), cloth))
    back = np.linspace(0.004, 0.05, 8, dtype=np.float32)
    patches.append(loft(_upper(back, np.linspace(0, 1, 31, dtype=np.float32)[None], base), cloth))
    patches += _trim(color, accent, base)
    return patches


def _turned(points: Floats) -> list[tuple[float, float, float]]:
    return [(float(x), float(y), float(z)) for x, y, z in points]


def _trim(color: Floats, accent: Floats, base: float) -> list[Patch]:
    """Collar, lining, tongue, laces, side stripe, toe cap."""
    lining = Finish(color=color * np.float32(0.35) + np.float32(0.05), gloss=0.05, rough=1.0)
    soft = Finish(color=color * np.float32(0.82), gloss=0.12, rough=0.8)
    patches: list[Patch] = []
    s = np.linspace(0.035, 0.41, 22, dtype=np.float32)
    rims = [_upper(s, np.array([[a]], np.float32), base)[:, 0] for a in (0.36, 0.64)]
    heel = _upper(np.array([0.035], np.float32), np.linspace(0.36, 0.64, 7, dtype=np.float32)[None], base)[0]
    loop = np.concatenate([rims[0][::-1], heel[1:-1], rims[1]])
    for axis in range(3):  # one soft ring, without the corners at the heel
        padded = np.pad(loop[:, axis], 2, mode="edge")
        loop[:, axis] = np.convolve(padded, np.ones(5) / 5, "valid")
    patches += rod(_turned(loop), 0.019, soft, sides=14, smooth=1)
    inner = np.linspace(0.02, 0.45, 24, dtype=np.float32)
    floor = _upper(inner, np.linspace(0.30, 0.70, 9, dtype=np.float32)[None], base)
    floor[..., 1] -= np.float32(0.055)
    patches.append(loft(floor, lining))
    tongue_s = np.linspace(0.33, 0.62, 18, dtype=np.float32)
    tongue = _upper(tongue_s, np.linspace(0.40, 0.60, 9, dtype=np.float32)[None], base)
    rise = np.clip((0.43 - tongue_s) / 0.10, 0, 1)
    tongue[..., 1] += (rise * rise * 0.055)[:, None] + np.float32(0.006)
    for depth in (0.0, 0.016):
        sheet = tongue.copy()
        sheet[..., 1] -= np.float32(depth)
        patches.append(loft(sheet, soft))
    tip = np.concatenate([tongue[:1], tongue[:1] - np.array([0, 0.016, 0], np.float32)])
    patches.append(loft(tip, soft))
    lace = Finish(color=accent, gloss=0.05, rough=1.0)
    for q in (0.43, 0.48, 0.53, 0.58, 0.63):
        across = _upper(
            np.array([q, q + 0.012, q], np.float32), np.linspace(0.33, 0.67, 9, dtype=np.float32)[None], base
        )
        line = np.stack([across[0, 0], across[0, 2], across[1, 4], across[0, 6], across[0, 8]])
        line[:, 1] += 0.014
        patches += rod(_turned(line), 0.015, lace, sides=10, smooth=3)
    stripe = Finish(color=accent, gloss=0.25, rough=0.5)
    for side in (0.12, 0.88):
        band_s = np.linspace(0.34, 0.62, 20, dtype=np.float32)
        path = [
            _upper(band_s[i : i + 1], np.array([[side + np.sign(0.5 - side) * (0.22 - 0.30 * t)]], np.float32), base)[
                0, 0
            ]
            for i, t in enumerate(np.linspace(0, 0.62, 20))
        ]
        pushed = np.stack(path)
        pushed[:, 0] *= np.float32(1.015)
        patches += rod(_turned(pushed), (0.008, 0.026, 0.018), stripe, sides=12, smooth=1, flat=0.9)
    return patches

"""Backdrops: seamless studio paper, walls with floors, wood, marble, foliage and streets out of focus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from pipeline.embedded.palette import WALLS, Floats, floats, rgb
from pipeline.embedded.patterns import crop, noise

BACKDROPS: Final = ("white", "grey sweep", "wall", "wood", "marble", "foliage", "street", "paper")
Painter = Callable[[np.random.Generator, int, int, float], Floats]


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    ys = (np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)) / np.float32(height)
    xs = (np.arange(width, dtype=np.float32)[None] + np.float32(0.5)) / np.float32(height)
    return ys, xs


def _white(rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    level = np.float32(rng.uniform(0.975, 0.995))
    ys, _ = _grid(height, width)
    fade = np.clip((ys - np.float32(floor)) / np.float32(0.2), 0, 1) * np.float32(0.018)
    return np.repeat(np.repeat((level - fade)[..., None], width, 1), 3, 2).astype(np.float32)


def _sweep(color: Floats, rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    ys, xs = _grid(height, width)
    cx, cy = np.float32(rng.uniform(0.35, 0.65) * width / height), np.float32(rng.uniform(0.3, 0.5))
    glow = np.exp(-(((xs - cx) ** 2 + (ys - cy) ** 2) / np.float32(0.42)))
    lift = np.clip((ys - np.float32(floor)) / np.float32(0.22), 0, 1) * np.float32(0.06)
    level = np.float32(0.80) + np.float32(0.26) * glow + lift
    return floats(np.clip(level[..., None] * color, 0, 1))


def _grey(rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    tone = np.array([0.99, 1.0, 1.01], np.float32) * np.float32(rng.uniform(0.60, 0.86))
    return _sweep(tone, rng, height, width, floor)


def _paper(rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    names = list(WALLS)
    return _sweep(rgb(WALLS[names[int(rng.integers(len(names)))]]) * np.float32(0.98), rng, height, width, floor)


def _wall(rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    names = list(WALLS)
    color = rgb(WALLS[names[int(rng.integers(len(names)))]])
    ys, xs = _grid(height, width)
    light = np.float32(1.05) - np.float32(0.20) * xs * np.float32(height / width) - np.float32(0.05) * ys
    picture = light[..., None] * color
    row = round(floor * height)
    plank = floor_boards(rng, height - row, width, wooden=bool(rng.random() < 0.6))
    picture[row:] = plank
    edge = max(round(height * 0.016), 1)
    picture[row - edge : row] = np.array([0.95, 0.94, 0.92], np.float32)
    picture[row : row + max(edge // 3, 1)] *= np.float32(0.72)
    return np.clip(picture, 0, 1).astype(np.float32)


def floor_boards(rng: np.random.Generator, height: int, width: int, *, wooden: bool) -> Floats:
    """A floor that runs to the viewer: boards in perspective, or smooth concrete."""
    if height < 1:
        return np.zeros((0, width, 3), np.float32)
    ys = (np.arange(height, dtype=np.float32)[:, None] + 1) / np.float32(height)
    light = np.float32(0.86) + np.float32(0.16) * ys
    if not wooden:
        tone = np.array([0.72, 0.70, 0.68], np.float32) * np.float32(rng.uniform(0.85, 1.12))
        return light[..., None] * np.broadcast_to(tone, (height, width, 3))
    xs = (np.arange(width, dtype=np.float32)[None] / np.float32(width) - np.float32(0.5)) / (
        np.float32(0.55) + np.float32(0.45) * ys
    )
    lane = xs * np.float32(9) + np.float32(rng.uniform(0, 1))
    board = np.floor(lane).astype(np.int32)
    tone = np.random.default_rng(int(rng.integers(1 << 30))).uniform(0.88, 1.08, 64).astype(np.float32)[board % 64]
    gap = np.clip(np.abs(lane - board - np.float32(0.5)) * 60 - np.float32(28.6), 0, 1)
    color = rgb(("#c49a6c", "#a77748", "#d8b98f")[int(rng.integers(3))])
    return floats((light * tone * (1 - np.float32(0.35) * gap))[..., None] * color)


def wood(rng: np.random.Generator, height: int, width: int, planks: float = 7.0) -> Floats:
    """Upright planks with grain."""
    ys, xs = _grid(height, width)
    lane = xs * np.float32(planks) + np.float32(rng.uniform(0, 1))
    board = np.floor(lane).astype(np.int32)
    local = np.random.default_rng(int(rng.integers(1 << 30)))
    tone = local.uniform(0.86, 1.10, 64).astype(np.float32)[board % 64]
    shift = local.uniform(0, 40, 64).astype(np.float32)[board % 64]
    zoom = height / 700
    cloud = crop(noise("clouds"), height, width, zoom, (float(rng.integers(1024)), float(rng.integers(1024))))
    strands = crop(noise("strands"), height, width, zoom, (float(rng.integers(1024)), float(rng.integers(1024))))
    rings = np.sin(xs * np.float32(130) + shift * 9 + cloud * np.float32(1.6) + ys * 3) * np.float32(0.035)
    gap = np.clip(np.abs(lane - board - np.float32(0.5)) * np.float32(60) - np.float32(28.8), 0, 1)
    color = rgb(("#b8895a", "#8f6038", "#d3b083", "#a9a29a")[int(rng.integers(4))])
    shade = (
        tone
        * (1 + rings + strands * np.float32(0.035))
        * (1 - np.float32(0.5) * gap)
        * (np.float32(1.06) - np.float32(0.14) * ys)
    )
    return floats(np.clip(shade[..., None] * color, 0, 1))


def marble(rng: np.random.Generator, height: int, width: int) -> Floats:
    """White marble with grey veins."""
    zoom = height / 640
    at = [(float(rng.integers(1024)), float(rng.integers(1024))) for _ in range(3)]
    cloud, ripple = (
        crop(noise("clouds"), height, width, zoom, at[0]),
        crop(noise("ripples"), height, width, zoom, at[1]),
    )
    ys, xs = _grid(height, width)
    angle = np.float32(rng.uniform(0.4, 1.1))
    wave = (
        (xs * np.cos(angle) + ys * np.sin(angle)) * np.float32(9) + cloud * np.float32(1.5) + ripple * np.float32(0.30)
    )
    vein = np.exp(-np.abs(np.sin(wave)) * 13) * np.clip(np.float32(0.55) + ripple * np.float32(0.4), 0, 1)
    fine = np.exp(-np.abs(np.sin(wave * np.float32(1.7) + ripple)) * 26) * np.clip(cloud * np.float32(0.5), 0, 0.5)
    base = np.array([0.945, 0.94, 0.935], np.float32) + (cloud * np.float32(0.012))[..., None]
    picture: Floats = base - (vein + fine)[..., None] * np.array([0.30, 0.29, 0.26], np.float32)
    return np.clip(picture, 0, 1).astype(np.float32)


def _wood_wall(rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    picture = wood(rng, height, width)
    row = round(floor * height)
    picture[row:] = floor_boards(rng, height - row, width, wooden=False) * np.float32(0.85)
    return picture


def _marble_wall(rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    picture = marble(rng, height, width)
    row = round(floor * height)
    picture[row:] = floor_boards(rng, height - row, width, wooden=False) * np.float32(1.12)
    return np.clip(picture, 0, 1)


def _lights(
    canvas: Floats,
    rng: np.random.Generator,
    count: int,
    colors: list[Floats],
    low: float,
    high: float,
    rows: tuple[float, float],
) -> None:
    """Discs of light out of focus, on a small canvas."""
    height, width = canvas.shape[:2]
    for _ in range(count):
        center = (int(rng.integers(0, width * 8)), int(rng.uniform(*rows) * height * 8))
        radius, color = rng.uniform(low, high) * height, colors[int(rng.integers(len(colors)))]
        disc = canvas.copy()
        tone = [float(v) for v in np.clip(color * np.float32(rng.uniform(0.8, 1.15)), 0, 1)]
        cv2.circle(disc, center, max(int(radius * 8), 8), tone, -1, cv2.LINE_8, 3)
        canvas += (disc - canvas) * np.float32(rng.uniform(0.25, 0.6))


def _foliage(rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    small_h, small_w = 96, max(round(96 * width / height), 8)
    ys, _ = _grid(small_h, small_w)
    top, bottom = rgb("#c7d9a4"), rgb("#48683a")
    small = np.repeat(top + (bottom - top) * ys[..., None], small_w, 1).astype(np.float32)
    greens = [rgb(c) for c in ("#7fa650", "#a9c66b", "#4f7a3a", "#dfe8a6", "#2f5530", "#f3f0c2")]
    _lights(small, rng, 34, greens, 0.03, 0.09, (0.0, 0.85))
    row = round(floor * small_h)
    small[row:] = (
        rgb("#7d9455") * np.linspace(0.9, 1.1, max(small_h - row, 1), dtype=np.float32)[: small_h - row, None, None]
    )
    soft = cv2.GaussianBlur(small, (0, 0), 1.7)
    return np.clip(cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32)


def _street(rng: np.random.Generator, height: int, width: int, floor: float) -> Floats:
    small_h, small_w = 128, max(round(128 * width / height), 8)
    small = np.empty((small_h, small_w, 3), np.float32)
    ys, _ = _grid(small_h, small_w)
    small[:] = rgb("#cfdcea") + (rgb("#eef0ee") - rgb("#cfdcea")) * ys[..., None]
    row, x = round(floor * small_h * 0.94), 0
    tones = [rgb(c) for c in ("#b9876b", "#9aa3ad", "#d3c3a6", "#8c6f63", "#c9ccd0", "#a9b7a3")]
    while x < small_w:
        wide, roof = int(rng.integers(14, 30)), int(rng.uniform(0.02, 0.40) * small_h)
        tone = tones[int(rng.integers(len(tones)))] * np.float32(rng.uniform(0.85, 1.1))
        small[roof:row, x : x + wide] = tone
        for wy in range(roof + 5, row - 12, 11):
            for wx in range(x + 3, min(x + wide - 4, small_w), 8):
                small[wy : wy + 6, wx : wx + 4] = tone * np.float32(0.55) if rng.random() < 0.75 else rgb("#f6e3b0")
        small[row - 9 : row, x + 2 : x + wide - 2] = rgb("#4a4f57") * np.float32(rng.uniform(0.8, 1.5))
        x += wide
    small[row:] = rgb("#a7a5a2")
    small[row : row + 2] = rgb("#86847f")
    _lights(small, rng, 7, [rgb("#ffe6b0"), rgb("#ffd0a0"), rgb("#f4f4ff")], 0.012, 0.03, (0.3, 0.8))
    soft = cv2.GaussianBlur(np.clip(small, 0, 1), (0, 0), 1.5)
    return np.clip(cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32)


_PAINTERS: Final[dict[str, Painter]] = {
    "white": _white,
    "grey sweep": _grey,
    "paper": _paper,
    "wall": _wall,
    "wood": _wood_wall,
    "marble": _marble_wall,
    "foliage": _foliage,
    "street": _street,
}


def backdrop(name: str, seed: int, height: int, width: int, floor: float = 0.84) -> Floats:
    """The backdrop ``name`` of BACKDROPS: (height, width, 3); its floor begins at ``floor`` of the height."""
    return np.ascontiguousarray(_PAINTERS[name](np.random.default_rng(seed), height, width, floor))


def tabletop(name: str, seed: int, height: int, width: int) -> Floats:
    """A surface seen from above, for flat lays: ``white``, ``wood``, ``marble``, ``paper`` or ``grey sweep``."""
    rng = np.random.default_rng(seed)
    if name == "wood":
        return wood(rng, height, width, planks=5.0)
    if name == "marble":
        return marble(rng, height, width)
    return np.ascontiguousarray(_PAINTERS[name](rng, height, width, 2.0))

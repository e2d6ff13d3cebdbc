"""Woven and printed patterns as functions of cloth coordinates, and the noise they share."""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np

from pipeline.embedded.canvas import Texture
from pipeline.embedded.palette import Floats
from pipeline.embedded.parts import bound

PATTERNS: Final = ("plain", "striped", "pinstriped", "checked", "tartan", "dotted", "floral", "zigzag", "heathered")
BANK: Final = 1024


def _noise(rng: np.random.Generator, sigma_x: float, sigma_y: float, size: int = BANK) -> Floats:
    """Smooth periodic noise of unit deviation: (size, size) float32."""
    white = rng.standard_normal((size, size)).astype(np.float32)
    pad = int(3 * max(sigma_x, sigma_y)) + 1
    tiled = np.pad(white, pad, mode="wrap")
    soft = cv2.GaussianBlur(tiled, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y)[pad:-pad, pad:-pad]
    return np.ascontiguousarray(soft / soft.std(), np.float32)


@cache
def noise(kind: str) -> Floats:
    """A fixed bank of periodic noise: ``clouds``, ``ripples``, ``grain`` or ``strands`` (BANK, BANK) float32."""
    rng = np.random.default_rng(20)
    sigmas = {"clouds": (60, 60), "ripples": (18, 18), "grain": (1.1, 1.1), "strands": (2.2, 70)}
    seeds = {name: rng.integers(1 << 30) for name in sigmas}
    return _noise(np.random.default_rng(seeds[kind]), *sigmas[kind])


@cache
def fold_bank() -> Floats:
    """Slopes (x, y) of hanging cloth drawn for a figure 1,000 px high: (BANK, BANK, 2) float32 of unit deviation."""
    rng = np.random.default_rng(31)
    height = _noise(rng, 13, 42) + 0.55 * _noise(rng, 26, 15) + 0.22 * _noise(rng, 7, 18)
    gx, gy = cv2.Sobel(height, cv2.CV_32F, 1, 0), cv2.Sobel(height, cv2.CV_32F, 0, 1)
    return np.ascontiguousarray(np.stack([gx, gy], -1) / gx.std(), np.float32)


def crop(bank: Floats, height: int, width: int, zoom: float, offset: tuple[float, float]) -> Floats:
    """A (height, width) piece of a periodic bank, ``zoom`` px per bank px, from ``offset`` (x, y) of the bank."""
    matrix = np.array([[1 / zoom, 0, offset[0] % BANK], [0, 1 / zoom, offset[1] % BANK]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(bank, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP), np.float32
    )


def _wave(x: Floats, period: float, duty: float = 0.5) -> Floats:
    """Soft-edged stripes of one px of blur: 1 inside ``duty`` of each period."""
    distance = np.abs((x / np.float32(period)) % 1 - np.float32(0.5))
    return bound((np.float32(duty / 2) - distance) * np.float32(period) + np.float32(0.5))


def _dots(along: Floats, across: Floats, period: float, radius: float) -> Floats:
    row = np.floor(along / np.float32(period))
    q = (across + (row % 2) * np.float32(period / 2)) % np.float32(period) - np.float32(period / 2)
    a = along % np.float32(period) - np.float32(period / 2)
    return bound(np.float32(radius * period) - np.sqrt(q * q + a * a) + np.float32(0.5))


def _flowers(along: Floats, across: Floats, period: float) -> tuple[Floats, Floats, Floats]:
    """Coverage of petals, hearts and leaves of a half-drop floral print."""
    row = np.floor(along / np.float32(period))
    shifted = across + (row % 2) * np.float32(period / 2)
    column = np.floor(shifted / np.float32(period))
    turn = (row * np.float32(2.4) + column * np.float32(1.7)) % np.float32(6.283)
    q = shifted - (column + np.float32(0.5)) * np.float32(period)
    a = along - (row + np.float32(0.5)) * np.float32(period)
    radius = np.sqrt(q * q + a * a)
    angle = np.arctan2(a, q) + turn
    edge = np.float32(period) * (np.float32(0.25) + np.float32(0.10) * np.cos(5 * angle))
    petals = bound(edge - radius + np.float32(0.5))
    hearts = bound(np.float32(0.09 * period) - radius + np.float32(0.5))
    lq = (q * np.cos(turn) + a * np.sin(turn)) - np.float32(0.30 * period)
    la = -q * np.sin(turn) + a * np.cos(turn) - np.float32(0.26 * period)
    leaf = np.sqrt((lq / np.float32(0.17)) ** 2 + (la / np.float32(0.075)) ** 2)
    leaves = bound((np.float32(period) - leaf) * np.float32(0.1) + np.float32(0.5))
    return petals, hearts, leaves


def texture(pattern: str, base: Floats, second: Floats, period: float) -> Texture | None:
    """The colour function of ``pattern`` on ``base`` with ``second``; ``period`` is its repeat in px. None if plain."""

    def mix(cover: Floats, under: Floats, over: Floats) -> Floats:
        return under + (over - under) * cover[..., None]

    def striped(a: Floats, _: Floats) -> Floats:
        return mix(_wave(a, period), base, second)

    def pinstriped(_: Floats, p: Floats) -> Floats:
        return mix(_wave(p, period * 0.62, 0.16), base, second)

    def checked(a: Floats, p: Floats) -> Floats:
        return mix((_wave(a, period) + _wave(p, period)) * np.float32(0.5), base, second)

    def tartan(a: Floats, p: Floats) -> Floats:
        wide = (_wave(a, period * 1.8, 0.42) + _wave(p, period * 1.8, 0.42)) * np.float32(0.5)
        thin = np.maximum(_wave(a + period * 0.9, period * 1.8, 0.07), _wave(p + period * 0.9, period * 1.8, 0.07))
        return mix(thin * np.float32(0.8), mix(wide, base, base * np.float32(0.35)), second)

    def dotted(a: Floats, p: Floats) -> Floats:
        return mix(_dots(a, p, period * 0.9, 0.27), base, second)

    def zigzag(a: Floats, p: Floats) -> Floats:
        fold = np.abs((p / np.float32(period)) % 1 - np.float32(0.5)) * np.float32(period * 1.1)
        return mix(_wave(a + fold, period), base, second)

    def floral(a: Floats, p: Floats) -> Floats:
        petals, hearts, leaves = _flowers(a, p, period * 1.35)
        green = np.array([0.34, 0.52, 0.32], np.float32)
        warm = np.array([0.93, 0.72, 0.25], np.float32)
        return mix(hearts, mix(petals, mix(leaves * np.float32(0.85), base, green), second), warm)

    def heathered(a: Floats, p: Floats) -> Floats:
        zoom = np.float32(16.0 / period)
        grain = cv2.remap(noise("grain"), (p * zoom * 1.6) % BANK, (a * zoom * 1.6) % BANK, cv2.INTER_LINEAR)
        return base * (1 + np.float32(0.09) * np.asarray(grain, np.float32))[..., None]

    table: dict[str, Texture] = {
        "striped": striped,
        "pinstriped": pinstriped,
        "checked": checked,
        "tartan": tartan,
        "dotted": dotted,
        "zigzag": zigzag,
        "floral": floral,
        "heathered": heathered,
    }
    return table.get(pattern)

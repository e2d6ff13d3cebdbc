"""Named colours of the studio: dyes, skins, hair, walls. Every colour is RGB, float32 in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]


def floats(values: ArrayLike) -> Floats:
    """``values`` as float32; no copy if they are."""
    return np.asarray(values, np.float32)


def rgb(code: str) -> Floats:
    """Colour of a ``#rrggbb`` code: (3,) float32 in [0, 1]."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / np.float32(255)


DYES: Final[Mapping[str, str]] = {
    "red": "#c3262e",
    "burgundy": "#6d1f31",
    "coral": "#ee6f57",
    "orange": "#e77f24",
    "mustard": "#d9a21f",
    "yellow": "#f0cf3e",
    "olive": "#6b6f35",
    "green": "#2f8a4c",
    "mint": "#a5d9bd",
    "teal": "#16807f",
    "sky blue": "#8fc1e8",
    "blue": "#2a5cc0",
    "navy": "#1e2a4f",
    "purple": "#6a3d96",
    "lilac": "#c3aee0",
    "pink": "#ef9db8",
    "brown": "#74492c",
    "camel": "#c3985f",
    "beige": "#e0cfb1",
    "cream": "#f4ecda",
    "white": "#f6f6f4",
    "grey": "#8e9196",
    "charcoal": "#45484e",
    "black": "#222227",
}
DENIM: Final[Mapping[str, str]] = {
    "light blue": "#8fabc9",
    "blue": "#47658f",
    "dark blue": "#263453",
    "black": "#2a2b30",
}
SKINS: Final[Mapping[str, str]] = {
    "fair": "#f3d3bf",
    "light": "#e8bd9c",
    "tan": "#cf9a72",
    "brown": "#a06a45",
    "dark brown": "#6f452c",
    "deep": "#4a2d20",
}
HAIR: Final[Mapping[str, str]] = {
    "black": "#1f1a19",
    "dark brown": "#3d281c",
    "brown": "#6a4427",
    "auburn": "#7f3b1f",
    "blond": "#cfa767",
    "grey": "#a5a5a6",
}
WALLS: Final[Mapping[str, str]] = {
    "blue": "#9dbcd8",
    "pink": "#eebfc0",
    "green": "#a9c6ab",
    "beige": "#e2d3b8",
    "yellow": "#f0d98e",
    "lilac": "#cdc0e2",
    "terracotta": "#cf8a6b",
    "teal": "#5f9c9a",
}


def contrast(color: Floats) -> Floats:
    """A second colour that is read on ``color``: off-white on dark dyes, deep navy on light ones."""
    luma = float(color @ np.array([0.299, 0.587, 0.114], np.float32))
    return rgb("#f5f2ea") if luma < 0.62 else rgb("#2b3350")

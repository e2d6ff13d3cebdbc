"""What a hand on the canvas should leave in the mask, in NumPy, and the hand itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Levels = NDArray[np.uint8]


def coverage(distance: NDArray[np.float64], radius: float, hardness: float) -> NDArray[np.float64]:
    t = np.clip((radius + 0.5 - distance) / max(1, radius * (1 - hardness)), 0, 1)
    return t * t * (3 - 2 * t)


def segment(levels: Levels, start: Point, end: Point, radius: float, hardness: float, erase: bool = False) -> Levels:
    """One piece of a stroke over the whole picture."""
    y, x = np.mgrid[: levels.shape[0], : levels.shape[1]]
    px, py = x + 0.5 - start[0], y + 0.5 - start[1]
    dx, dy = end[0] - start[0], end[1] - start[1]
    length2 = dx * dx + dy * dy
    along = np.clip((px * dx + py * dy) / length2, 0, 1) if length2 else np.zeros(levels.shape)
    ox, oy = px - along * dx, py - along * dy
    painted = np.floor(255 * coverage(np.sqrt(ox * ox + oy * oy), radius, hardness) + 0.5).astype(np.uint8)
    return np.minimum(levels, 255 - painted) if erase else np.maximum(levels, painted)


def stroke(levels: Levels, points: Sequence[Point], **brush: Any) -> Levels:
    """A whole stroke."""
    for start, end in zip([points[0], *points], points, strict=False):
        levels = segment(levels, start, end, **brush)
    return levels


def draw(page: Any, places: Sequence[Point]) -> list[Point]:
    """Press, move and release the mouse at places in CSS pixels of the canvas; returns them in picture pixels."""
    box = page.locator("#hand").bounding_box()
    view = page.locator("#view").evaluate(
        "c => ({scale: +c.dataset.scale, x: +c.dataset.x, y: +c.dataset.y, "
        "density: c.width / c.getBoundingClientRect().width})"
    )
    page.mouse.move(box["x"] + places[0][0], box["y"] + places[0][1])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(box["x"] + place[0], box["y"] + place[1])
    page.mouse.up()
    return [
        ((x * view["density"] - view["x"]) / view["scale"], (y * view["density"] - view["y"]) / view["scale"])
        for x, y in places
    ]

"""Prompts of the segmenter's training: boxes, one click, several clicks, and corrections of an earlier mask.

As in Segment Anything (arXiv 2304.02643, appendix A): clicks lie at random on a thing or beside it; one click is
answered by three masks, of which the best is taught; a correction is a click where the box's mask went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["box", "click", "clicks", "correction"]
KINDS: Final[tuple[Kind, ...]] = ("box", "click", "clicks", "correction")
SHARES: Final = (0.6, 0.12, 0.14, 0.14)
"""How often a picture is prompted by each kind. Masks are made from boxes; clicks are for touching up."""
MOST_CLICKS: Final = 4
BESIDE: Final = 0.15
"""Clicks beside a thing lie in its box grown by this share of its sides."""


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """``points`` (K, M, 2) float32 as x, y in pixels of the frame and ``labels`` (K, M) int64: 1 on it, 0 beside it."""

    points: NDArray[np.float32]
    labels: NDArray[np.int64]


def kind_of(rng: np.random.Generator) -> Kind:
    """What the next picture is prompted by."""
    return KINDS[int(rng.choice(len(KINDS), p=SHARES))]


def click_in(where: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32] | None:
    """A random place of an (h, w) mask as x, y in its cells, at their centres; None if it is empty."""
    rows, columns = np.nonzero(where)
    if not len(rows):
        return None
    at = int(rng.integers(len(rows)))
    return np.array([columns[at] + 0.5, rows[at] + 0.5], np.float32)


def beside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The places around a thing that are not it: its box, grown, without its own pixels."""
    rows, columns = np.nonzero(mask)
    grow = [int(BESIDE * (np.ptp(axis) + 1)) + 1 for axis in (rows, columns)]
    around = np.zeros_like(mask)
    around[
        max(rows.min() - grow[0], 0) : rows.max() + 1 + grow[0],
        max(columns.min() - grow[1], 0) : columns.max() + 1 + grow[1],
    ] = True
    return around & ~mask


def clicks_on(masks: NDArray[np.float32], count: int, scale: float, rng: np.random.Generator) -> Clicks:
    """``count`` clicks for each of (K, h, w) soft masks, the first on the thing, the others on it or beside it.

    Args:
        scale: pixels of the frame in a cell of the masks.
    """
    points = np.zeros((len(masks), count, 2), np.float32)
    labels = np.ones((len(masks), count), np.int64)
    for row, soft in enumerate(masks):
        on = soft > 0.5
        if not on.any():
            on = soft >= soft.max()
        for at in range(count):
            place = click_in(beside(on), rng) if at and rng.random() < 0.5 else None
            labels[row, at] = int(place is None)
            chosen = click_in(on, rng) if place is None else place
            if chosen is not None:  # always: a thing has at least one place
                points[row, at] = chosen * scale
    return Clicks(points=points, labels=labels)


def corrections(found: NDArray[np.bool_], masks: NDArray[np.float32], scale: float, rng: np.random.Generator) -> Clicks:
    """A click for each mask where it is wrong: on what it lacks, or on what it has too much; else anywhere on it."""
    points = np.zeros((len(masks), 1, 2), np.float32)
    labels = np.ones((len(masks), 1), np.int64)
    for row, (mine, soft) in enumerate(zip(found, masks, strict=True)):
        truth = soft > 0.5
        place = click_in(mine ^ truth, rng)
        if place is None:
            given = clicks_on(soft[None], 1, scale, rng)
            points[row], labels[row] = given.points[0], given.labels[0]
            continue
        points[row, 0] = place * scale
        labels[row, 0] = int(truth[int(place[1]), int(place[0])])
    return Clicks(points=points, labels=labels)


def as_prompt(clicks: Clicks) -> tuple[Any, Any]:
    """Clicks as the prompt encoder takes them."""
    import torch

    return torch.from_numpy(clicks.points), torch.from_numpy(clicks.labels)

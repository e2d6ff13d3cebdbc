"""Refining with a generator: in how many steps, by which ControlNet, and what cannot do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import cv2
import numpy as np

from pipeline.errors import RecipeError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.controls import CANNY_HIGH, CANNY_LOW
from pipeline.models.families import ControlMap
from pipeline.models.generators import family_of, readable_controls, refuse_unfit, sampling_of
from pipeline.types import Image


def _edges(image: Image) -> Image:
    lines = cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), CANNY_LOW, CANNY_HIGH)
    return np.repeat(lines[..., None], 3, axis=2)


DETAIL_MAPS: Final[Mapping[str, tuple[Callable[[Image], Image], float]]] = {
    "tile": (lambda image: image, 1.0),
    "canny": (_edges, 0.6),
}
"""Controls that hold a picture's content while its detail is drawn anew, best first: the map, and its scale."""


def detail_control(row: Checkpoint, *, reference: bool = False) -> str | None:
    """The control by which the row refines, beside a ``reference`` if there is one.

    None where it has none and the strength alone holds the content.
    """
    readable = readable_controls(row, reference=reference)
    return next((kind for kind in DETAIL_MAPS if kind in readable and kind in row.controlnets), None)


def detail_maps(kind: str | None, image: Image) -> tuple[ControlMap, ...]:
    """The map of a crop, (H, W, 3) at the model's size. Where nothing is to be seen, edges say so: it may be black."""
    if kind is None:
        return ()
    draw, scale = DETAIL_MAPS[kind]
    return (ControlMap(kind=kind, image=draw(image), scale=scale),)


def refining_steps(row: Checkpoint, strength: float, steps: int | None = None) -> int:
    """Steps of which ``strength`` leaves as many as the checkpoint needs at least; ``steps`` or its own if those do."""
    sampling = sampling_of(row)
    wanted = steps or sampling.steps
    while int(wanted * strength) < max(1, sampling.min_steps):
        wanted += 1
    return wanted


def refuse_refining(row: Checkpoint, field: str, strength: float, *, steps: int | None, guidance: float | None) -> None:
    """Refuse to refine with a checkpoint that cannot, before anything is loaded; ``field`` is the recipe's.

    Raises:
        RecipeError: its family begins with noise, or it is distilled for too few steps for that strength.
    """
    sampling = sampling_of(row)
    if not family_of(row).starts_from_picture:
        raise RecipeError(f"{row.id}: it draws every picture from nothing, so leave {field} out")
    needed = refining_steps(row, strength, steps)
    if sampling.max_steps is not None and needed > sampling.max_steps:
        raise RecipeError(
            f"{row.id}: {field} {strength:g} of at most {sampling.max_steps} steps is under the {sampling.min_steps} "
            f"that it needs: leave {field} out, raise it, or choose a checkpoint of more steps"
        )
    refuse_unfit(
        row, steps=needed, guidance=sampling.guidance if guidance is None else guidance, strength=strength
    )  # fmt: skip

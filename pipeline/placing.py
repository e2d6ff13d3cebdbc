"""`garment.mode: place`: a garment that lies flat or hangs hollow is laid on a pose, as if it had been shot on a body.

What comes out is a photo of a garment on nobody, with its matte and the pose. From there on it goes the way of `keep`:
a person and a place are generated around it, and its pixels are carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.errors import ItemError
from pipeline.pixels.color import to_float, to_uint8
from pipeline.pixels.drape import body_light, drape, drape_problems, shaded
from pipeline.pixels.landmarks import Landmarks, find_landmarks
from pipeline.pixels.pose import Joints
from pipeline.pixels.stances import PITS, stance_of
from pipeline.types import Alpha, Image, Subject

NO_TOPS: Final = ("trousers", "jeans", "shorts", "leggings", "skirt", "pants", "hat", "shoe", "boot", "bag", "hood")
"""Words of what does not hang from the shoulders, or, like a hood, cannot be put on a head."""
SLEEVED: Final = ("sweater", "jumper", "jacket", "coat", "shirt", "blouse", "blazer", "cardigan", "tee")
"""Words of what has sleeves, unless it is said to be sleeveless."""
CUTS: Final = (("dress", 0.0885), ("gown", 0.0885), ("tank", 0.1015), ("sleeveless", 0.1015))
"""Words of garments that are cut closer or wider than others (see `stances.PITS`); the first that is said counts."""
GREY: Final = 0.72


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A garment on a pose, all in the same px: colours on grey, matte, joints (18, 3), and what is wrong in words."""

    image: Image
    alpha: Alpha
    foreground: Image
    joints: Joints
    turned: float
    problems: tuple[str, ...]


def place(subject: Subject, phrases: Sequence[str]) -> Placed:
    """Put a flat or hollow garment on a standing pose that suits its cut, in a picture made for both.

    Raises:
        ItemError: the garment has no shoulders, a hood, sleeves that cannot be told from its body, or an outline that
            no landmarks can be found in.
    """
    for phrase in phrases:
        if any(word in phrase.lower() for word in NO_TOPS):
            raise ItemError(f"mode place puts on what hangs from the shoulders, and {phrase!r} does not: use mode keep")
    try:
        marks = find_landmarks(subject.alpha > 0.5)
    except ValueError as error:
        raise ItemError(str(error)) from error
    _check_sleeves(marks, phrases)
    said = " ".join(phrases).lower()
    stance = stance_of(marks, pits=next((width for word, width in CUTS if word in said), PITS))
    draped = drape(subject.foreground, subject.alpha, marks, stance)
    lit = shaded(draped, body_light(stance, draped.alpha, stance.size))
    over = draped.alpha[..., None]
    image = to_uint8((GREY * (1 - over) + to_float(lit) * over).astype(np.float32))
    return Placed(
        image=np.where(over >= 1, lit, image),
        alpha=draped.alpha,
        foreground=lit,
        joints=stance.joints,
        turned=draped.turned,
        problems=drape_problems(draped),
    )


def _check_sleeves(marks: Landmarks, phrases: Sequence[str]) -> None:
    found = [sleeve is not None for sleeve in marks.sleeves]
    text = " ".join(phrases).lower()
    asked = any(word in text for word in SLEEVED) and "sleeveless" not in text
    if not any(found) and asked:
        raise ItemError("no sleeves can be told from the garment's body: lay them aside, or call it sleeveless")
    if any(found) and not all(found):
        raise ItemError("only one sleeve can be told from the garment's body: lay both aside")

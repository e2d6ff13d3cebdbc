"""What a garment is before it is drawn, and what every drawing step of it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pipeline.embedded.canvas import Canvas, Material
from pipeline.embedded.palette import Floats, contrast
from pipeline.embedded.patterns import texture
from pipeline.embedded.pose import Skeleton

TOPS: Final = ("t-shirt", "tank top", "shirt", "sweater", "hoodie", "jacket", "coat", "dress")


BOTTOMS: Final = ("trousers", "jeans", "shorts", "skirt")


Way = Literal["worn", "flat", "ghost"]


@dataclass(frozen=True, kw_only=True)
class GarmentSpec:
    """One piece of clothing: what it is, its cloth and its cut.

    ``length`` scales hem lengths, ``fit`` is the room in figure heights, ``sleeve`` is how much of the arm is
    covered (0 none, 0.3 short, 1 long), ``flare`` widens skirts, ``rise`` lifts a waistband, in lengths of the trunk,
    ``neck`` is round or vee, ``print_name`` a word or an emblem.
    """

    kind: str
    color_name: str
    color: Floats
    pattern: str = "plain"
    second: Floats | None = None
    period: float = 0.045
    length: float = 1.0
    fit: float = 0.012
    sleeve: float = 0.3
    flare: float = 1.4
    rise: float = 0.0
    neck: str = "round"
    print_name: str | None = None
    seed: int = 0

    @property
    def phrase(self) -> str:
        """What a shopper calls it: colour, pattern, kind."""
        pattern = "" if self.pattern == "plain" else f"{self.pattern} "
        return f"{self.color_name} {pattern}{self.kind}"


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What every drawing step needs: where, on whom, what, and its numbers."""

    canvas: Canvas
    skeleton: Skeleton
    spec: GarmentSpec
    way: Way
    material: Material
    dark: Floats
    offset: tuple[float, float]

    @property
    def unit(self) -> float:
        """The figure's height in px."""
        return self.skeleton.unit

    @property
    def depth(self) -> float:
        """Relief: full on a body, shallow on a table."""
        return 0.34 if self.way == "flat" else 1.0


def material_of(spec: GarmentSpec, unit: float) -> Material:
    """The cloth of a garment at a figure height of ``unit`` px."""
    second = spec.second if spec.second is not None else contrast(spec.color)
    folds = {"sweater": 0.10, "coat": 0.10, "jacket": 0.09, "jeans": 0.10, "hoodie": 0.12}.get(spec.kind, 0.14)
    return Material(
        color=spec.color, texture=texture(spec.pattern, spec.color, second, spec.period * unit), folds=folds
    )

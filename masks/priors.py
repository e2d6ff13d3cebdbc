"""What is known of a class before its photo is seen: how large, how wide, how much of a figure, where on it.

Defaults are wide and hold for catalog photos of any studio. The approved siblings of a catalog make them narrow: a
studio frames its dresses alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from masks import ops
from pipeline.types import Mask

DEFAULT_WEIGHT = 4.0
"""How many siblings the default counts for when both are joined."""
LEAST_SPREAD = 0.12
"""Natural logarithm: siblings are never taken to be more alike than 12 %."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What one mask measures: its share of the picture, width over height of its box, and its share of the figure that
    wears it (None without a figure)."""

    area: float
    aspect: float
    of_figure: float | None = None


@dataclass(frozen=True, kw_only=True)
class Normal:
    """A normal distribution of a natural logarithm; ``count`` is how many measures it stands on."""

    mean: float
    spread: float
    count: float = DEFAULT_WEIGHT

    def deviation(self, value: float) -> float:
        """How many spreads a positive value lies off the mean, in [0, 4]."""
        return float(min(abs(np.log(max(value, 1e-6)) - self.mean) / self.spread, 4.0))


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is expected of a class.

    Attributes:
        area: share of the picture.
        aspect: width over height.
        of_figure: share of the figure that wears it.
        zone: where on a whole figure, as shares of its height from the top; None for what is not worn.
        worn: people wear it, so that the figure is the classic wrong answer.
        is_figure: the class is the figure itself.
    """

    area: Normal
    aspect: Normal
    of_figure: Normal
    zone: tuple[float, float] | None = None
    worn: bool = False
    is_figure: bool = False


def _between(low: float, high: float) -> Normal:
    """A default that holds 95 % of its values between two bounds."""
    return Normal(mean=float(np.log(low * high) / 2), spread=float(np.log(high / low) / 4))


def _range(normal: Normal) -> tuple[float, float]:
    """The bounds between which a distribution has 95 % of its values; the inverse of ``_between``."""
    low, high = np.exp(normal.mean - 2 * normal.spread), np.exp(normal.mean + 2 * normal.spread)
    return float(f"{low:.3g}"), float(f"{high:.3g}")


def _worn(area: tuple[float, float], aspect: tuple[float, float], zone: tuple[float, float]) -> Prior:
    return Prior(
        area=_between(area[0] * 0.12, min(area[1] * 0.6, 0.9)),
        aspect=_between(*aspect),
        of_figure=_between(*area),
        zone=zone,
        worn=True,
    )


_TOP = _worn((0.15, 0.6), (0.45, 1.9), (0.12, 0.58))
_DRESS = _worn((0.2, 0.8), (0.25, 1.3), (0.12, 0.95))
_COAT = _worn((0.3, 0.85), (0.3, 1.3), (0.1, 0.85))
_LEGS = _worn((0.1, 0.5), (0.2, 1.0), (0.4, 1.0))
_SHORTS = _worn((0.05, 0.3), (0.5, 2.2), (0.4, 0.75))
_SKIRT = _worn((0.06, 0.45), (0.35, 1.9), (0.38, 0.95))
_SHOES = _worn((0.005, 0.12), (0.5, 5.0), (0.85, 1.0))
_HEAD = _worn((0.01, 0.15), (0.4, 2.5), (0.0, 0.3))
_CARRIED = _worn((0.01, 0.35), (0.3, 2.5), (0.1, 0.8))
_FIGURE = Prior(area=_between(0.05, 0.8), aspect=_between(0.15, 1.2), of_figure=_between(0.7, 1.3), is_figure=True)
THING = Prior(area=_between(0.01, 0.7), aspect=_between(0.2, 5.0), of_figure=_between(0.005, 1.5))
"""What is expected of a class that is not in the table."""

_WORDS: Sequence[tuple[str, Prior]] = (
    ("shirt t-shirt tee top tops blouse sweater jumper pullover hoodie sweatshirt jacket blazer cardigan vest "
     "waistcoat polo jersey gilet bra tunic", _TOP),
    ("dress gown jumpsuit romper overalls dungarees kaftan robe swimsuit bodysuit sari kimono", _DRESS),
    ("coat parka cape poncho suit costume outfit uniform trenchcoat", _COAT),
    ("trousers pants jeans leggings tights chinos joggers", _LEGS),
    ("shorts underwear briefs", _SHORTS),
    ("skirt kilt", _SKIRT),
    ("shoe shoes sneaker sneakers boot boots sandal sandals heels loafers sock socks", _SHOES),
    ("hat cap beanie glasses sunglasses hair scarf necklace earrings", _HEAD),
    ("bag handbag backpack belt purse", _CARRIED),
    ("person people model man woman boy girl child human mannequin figure", _FIGURE),
)  # fmt: skip
DEFAULTS: Mapping[str, Prior] = {word: prior for words, prior in _WORDS for word in words.split()}
"""The default of every class word that is known."""


def class_of(phrase: str) -> str:
    """The class word of a phrase: its last known word (`red dress`: `dress`), else its last word."""
    words = phrase.lower().rstrip(" .").split()
    known = [word for word in words if word in DEFAULTS]
    return known[-1] if known else (words[-1] if words else "")


def default_prior(phrase: str) -> Prior:
    """The default of a phrase's class; a wide one for a class that is not known."""
    return DEFAULTS.get(class_of(phrase), THING)


def shape_of(mask: Mask, figure: Mask | None = None) -> Shape | None:
    """Measure a mask; None for an empty one."""
    box = ops.bounding_box(mask)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    inside = None if figure is None or not figure.any() else float(mask.sum() / figure.sum())
    return Shape(area=float(mask.mean()), aspect=(x1 - x0) / (y1 - y0), of_figure=inside)


def learn_prior(phrase: str, siblings: Sequence[Shape]) -> Prior:
    """The prior of a class after some approved masks of the same catalog.

    The default counts for ``DEFAULT_WEIGHT`` siblings: three siblings narrow it a little, thirty decide alone.

    Args:
        phrase: what the masks show.
        siblings: their measures.
    """
    default = default_prior(phrase)
    figures = [shape.of_figure for shape in siblings if shape.of_figure]
    return Prior(
        area=_joined(default.area, [shape.area for shape in siblings]),
        aspect=_joined(default.aspect, [shape.aspect for shape in siblings]),
        of_figure=_joined(default.of_figure, figures),
        zone=default.zone,
        worn=default.worn,
        is_figure=default.is_figure,
    )


def usual(prior: Prior) -> tuple[tuple[float, float], tuple[float, float]]:
    """A prior in a recipe's words: between what shares of the picture, and what proportions, 95 in 100 lie."""
    return _range(prior.area), _range(prior.aspect)


def priors_of(areas: Mapping[str, Sequence[float]], aspects: Mapping[str, Sequence[float]]) -> dict[str, Prior]:
    """The priors that a recipe gives, by class word (``class_of``); what it leaves out is the class's default."""
    given = {class_of(phrase): default_prior(phrase) for phrase in (*areas, *aspects)}
    for phrase, bounds in areas.items():
        given[class_of(phrase)] = replace(given[class_of(phrase)], area=_between(bounds[0], bounds[1]))
    for phrase, bounds in aspects.items():
        given[class_of(phrase)] = replace(given[class_of(phrase)], aspect=_between(bounds[0], bounds[1]))
    return given


def _joined(default: Normal, values: Sequence[float]) -> Normal:
    """Weighted mean and spread of a default and of measured values."""
    if not values:
        return default
    logs = np.log(np.maximum(np.asarray(values, np.float64), 1e-6))
    total = default.count + len(logs)
    mean = (default.count * default.mean + logs.sum()) / total
    squares = default.count * (default.spread**2 + (default.mean - mean) ** 2) + ((logs - mean) ** 2).sum()
    return Normal(mean=float(mean), spread=float(max(np.sqrt(squares / total), LEAST_SPREAD)), count=float(total))

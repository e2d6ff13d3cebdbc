"""How sure a finder may be of its mask: measurable signals turned into one number in [0, 1].

Each signal becomes a factor in [0, 1] by a straight ramp between a value at which masks are bad and one at which they
are good; the factors are multiplied, so that one bad sign is enough to park an item. The ramps were set on photos with
ground truth and on rendered packshots; ``make bench-masks`` shows what they do (docs/masks.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from masks import ops
from masks.backdrop import Keyed
from masks.person import Person
from masks.product import Glance, Product
from pipeline.types import Mask

FACELESS = "a whole body without a face: a mannequin, a hanger, or someone from behind; phrases say what is sold"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A confidence and, in words, what lowered it."""

    confidence: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Sign:
    """One signal: its value, the values for a bad and a good mask, the factor at the bad end, and the words."""

    value: float
    bad: float
    good: float
    floor: float
    words: str

    @property
    def factor(self) -> float:
        share = float(np.clip((self.value - self.bad) / (self.good - self.bad), 0, 1))
        return self.floor + (1 - self.floor) * share


def _judge(start: float, signs: list[_Sign]) -> Verdict:
    confidence = start
    reasons = []
    for sign in signs:
        confidence *= sign.factor
        if sign.factor < 0.9:
            reasons.append(f"{sign.words} ({abs(sign.value):.2f})")
    return Verdict(confidence=round(float(np.clip(confidence, 0, 1)), 3), reasons=tuple(reasons))


def _parts(mask: Mask) -> float:
    """Share of the mask that its largest part holds."""
    total = np.count_nonzero(mask)
    return np.count_nonzero(ops.largest_part(mask)) / total if total else 0.0


def of_keyed(keyed: Keyed) -> Verdict:
    """Confidence in a subject cut from a plain backdrop."""
    area = float(keyed.mask.mean())
    return _judge(
        0.97,
        [
            _Sign(value=keyed.plain_share, bad=0.5, good=0.85, floor=0.2, words="little of the border is one backdrop"),
            _Sign(value=-keyed.error, bad=-7.0, good=-4.0, floor=0.3, words="the backdrop is uneven"),
            _Sign(value=keyed.separation, bad=0.4, good=0.85, floor=0.2, words="much of the outline has no edge"),
            _Sign(value=keyed.agreement, bad=0.6, good=0.9, floor=0.3, words="colour key and GrabCut disagree"),
            _Sign(value=float(not keyed.outline_only), bad=0, good=1, floor=0.4, words="little but an outline is seen"),
            _Sign(value=-keyed.missed, bad=-0.35, good=-0.08, floor=0.3, words="edges lie outside the mask"),
            _Sign(value=-keyed.shadow_gap, bad=-0.025, good=-0.01, floor=0.5, words="the shadow stands off"),
            _Sign(value=-keyed.faint, bad=-0.3, good=-0.12, floor=0.4, words="the edge hardly shows"),
            _Sign(value=-keyed.hollow_foot, bad=-0.4, good=-0.15, floor=0.4, words="a pale foot is taken for backdrop"),
            _Sign(value=-keyed.backdrop_left, bad=-0.004, good=-0.001, floor=0.5, words="backdrop colour in the mask"),
            _Sign(value=-keyed.slivers, bad=-0.1, good=-0.05, floor=0.4, words="of some part only pale rims are seen"),
            _Sign(value=area, bad=0.002, good=0.02, floor=0.3, words="the subject is very small"),
            _Sign(value=-area, bad=-0.95, good=-0.85, floor=0.3, words="the subject fills the frame"),
            _Sign(value=_parts(keyed.mask), bad=0.4, good=0.7, floor=0.6, words="the subject is in many parts"),
            _Sign(value=-keyed.shadow_share, bad=-1.0, good=-0.5, floor=0.6, words="much was taken away as shadow"),
        ],
    )  # fmt: skip


def of_person(person: Person) -> Verdict:
    """Confidence in a person's mask."""
    area = float(person.mask.mean())
    return _judge(
        0.97,
        [
            _Sign(value=person.agreement, bad=0.7, good=0.9, floor=0.3, words="two networks disagree on the person"),
            _Sign(value=person.change, bad=0.75, good=0.92, floor=0.4, words="edges do not bear the mask out"),
            _Sign(value=person.joints_inside, bad=0.6, good=0.9, floor=0.3, words="joints lie outside the mask"),
            _Sign(value=person.joints_seen, bad=0.25, good=0.55, floor=0.4, words="the legs are not clearly seen"),
            _Sign(value=area, bad=0.01, good=0.05, floor=0.3, words="the person is very small"),
            _Sign(value=-person.faint, bad=-0.3, good=-0.12, floor=0.4, words="the edge hardly shows"),
            _Sign(value=-person.guessed, bad=-10.5, good=-9.0, floor=0.5, words="the edge is a guess in places"),
            _Sign(value=-person.below_feet, bad=-0.03, good=-0.012, floor=0.5, words="it goes on below the soles"),
            _Sign(value=float(not person.is_faceless), bad=0, good=1, floor=0.5, words=FACELESS),
            _Sign(value=-float(person.others), bad=-3.0, good=-0.5, floor=0.6, words="other people are in the picture"),
        ],
    )  # fmt: skip


def of_glance(glance: Glance) -> float:
    """How sure the foreground network is of what it saw, before any edge is looked for: a factor in [0, 1]."""
    return _judge(1.0, _seen(glance)).confidence


def _seen(glance: Glance) -> list[_Sign]:
    return [
        _Sign(value=glance.agreement, bad=0.7, good=0.93, floor=0.2, words="far and near looks disagree on it"),
        _Sign(value=glance.clear, bad=0.6, good=0.9, floor=0.2, words="the network is not clear about it"),
        _Sign(value=glance.whole, bad=0.6, good=0.95, floor=0.4, words="the subject is in many parts"),
    ]


def of_product(product: Product) -> Verdict:
    """Confidence in a product's mask by the foreground network."""
    area = float(product.mask.mean())
    return _judge(
        0.95,
        [
            *_seen(product.glance),
            _Sign(value=product.change, bad=0.8, good=0.93, floor=0.4, words="edges do not bear the mask out"),
            _Sign(value=-product.faint, bad=-0.35, good=-0.15, floor=0.4, words="the edge hardly shows"),
            _Sign(value=-product.guessed, bad=-12.0, good=-6.0, floor=0.4, words="the edge is a guess in places"),
            _Sign(value=-product.seen_through, bad=-0.2, good=-0.13, floor=0.3, words="it looks like what lies behind"),
            _Sign(value=-product.gaps, bad=-0.005, good=-0.002, floor=0.5, words="the backdrop's colour is left in it"),
            _Sign(value=area, bad=0.01, good=0.04, floor=0.3, words="the subject is very small"),
            _Sign(value=-area, bad=-0.9, good=-0.75, floor=0.3, words="the subject fills the frame"),
            _Sign(value=-product.cut_off, bad=-0.2, good=-0.06, floor=0.4, words="the frame cuts the subject off"),
        ],
    )

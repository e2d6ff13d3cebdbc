"""One finder's answer before matting, and the policy between two that answered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from masks import confidence, ops
from masks.backdrop import Keyed
from masks.person import Person
from masks.product import Glance, Product, cut_product, glance_at
from pipeline.types import Image, Mask, Pose

SURE = 0.6
"""A choice from this confidence on is one to publish."""
CREDIBLE = 0.35
"""A person below this confidence is a thing that the pose network takes for one; a key below it found nothing."""
_ELSEWHERE, _NOTHING = 0.75, 0.1
"""How sure the network must be of another thing for it to count, and the probability under which it sees nothing."""
_MORE, _NO_SHADOW = 0.2, 0.02
"""Share of a mask that is another thing, and the shadow beside a subject that may pass unnoticed."""
_STUDIO, _SAME = 1.0, 0.95
"""Unevenness of a backdrop up to which it is a studio's, and no wall or cloth, and the IoU that says the same."""
_RIMS = 0.07
"""Pale rims beside a plain backdrop (``Keyed.slivers``) from which on a thing is as pale as what lies behind it."""
_LOST = 0.008
"""Share of a person that a colour key may lose of what every look at the person was sure of."""
_LEFT_OUT, _ELSE = 0.015, 0.5
"""Share of a person that, standing out from a backdrop beside the mask, may be a part of it that was missed."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A finder's mask before matting."""

    mask: Mask
    finder: str
    confidence: float
    reasons: tuple[str, ...]
    pose: Pose | None = None
    is_person: bool = False


def doubted(choice: Choice, *words: str) -> Choice:
    """The choice at half its confidence, and why."""
    return replace(choice, confidence=choice.confidence * 0.5, reasons=(*choice.reasons, *words))


def keyed_choice(keyed: Keyed) -> Choice:
    """What stands out from a plain backdrop."""
    verdict = confidence.of_keyed(keyed)
    words = f"{keyed.plain_share:.0%} of the border is one backdrop"
    return Choice(
        mask=keyed.mask,
        finder="backdrop",
        confidence=verdict.confidence,
        reasons=(words, *keyed.notes, *verdict.reasons),
    )


def person_choice(person: Person) -> Choice:
    """A person, whole."""
    verdict = confidence.of_person(person)
    return Choice(
        mask=person.mask,
        finder="person",
        confidence=verdict.confidence,
        reasons=("a person is seen", *verdict.reasons),
        pose=person.pose,
        is_person=True,
    )


def product_choice(product: Product) -> Choice:
    """What the foreground network saw, with the photo's edges."""
    verdict = confidence.of_product(product)
    words = "the foreground network sees one thing"
    return Choice(mask=product.mask, finder="product", confidence=verdict.confidence, reasons=(words, *verdict.reasons))


def key_or_network(image: Image, key: Choice | None, keyed: Keyed | None) -> Choice | None:
    """The colour key in a studio, where nothing speaks against it, else the surer of key and network.

    ``key`` is the key's answer, if it had one, and ``keyed`` what it was made of; None where neither sees a thing. In a
    studio a sure key is sharper than the network and tells shadows from things, but it does not know what a thing is:
    where the network clearly sees something else, the key is doubted. Walls and cloth are backdrops with stains to a
    key: before them the network goes first.
    """
    glance = glance_at(image)
    if glance is None:
        return key
    sure = key if key is not None and key.confidence >= SURE else None
    if sure is not None and keyed is not None and keyed.error <= _STUDIO:
        return _unless_elsewhere(sure, keyed, glance)
    product = cut_product(glance, (image.shape[0], image.shape[1]))
    if product is None:
        return key
    other = product_choice(product)
    if keyed is not None and keyed.slivers > _RIMS:
        other = doubted(other, "pale before a pale backdrop: no edge can be trusted")
    if key is None or other.confidence >= min(key.confidence, SURE):
        return other
    return key if sure is None else _if_agreed(sure, other)


def _if_agreed(key: Choice, other: Choice) -> Choice:
    """A sure key before a wall or a cloth, doubted where an unsure network does not see the very same."""
    same = ops.iou(key.mask, other.mask)
    if same >= _SAME:
        return key
    words = f"the backdrop is no studio's, and the foreground network does not see quite the same ({same:.2f})"
    return doubted(key, words)


def _unless_elsewhere(key: Choice, keyed: Keyed, glance: Glance) -> Choice:
    """A sure key, doubted where the network surely sees less of it or, with no shadow there, a good deal more."""
    if confidence.of_glance(glance) < _ELSEWHERE:
        return key
    mask = ops.resized(keyed.mask, (glance.mask.shape[0], glance.mask.shape[1]))
    beyond = _share(mask & (glance.probability < _NOTHING), mask)
    more = _share(glance.mask & ~ops.fill_holes(mask), glance.mask)
    if keyed.shadow_share > _NO_SHADOW or keyed.reflection_share > 0:
        more = 0.0  # the network takes a hard shadow or a reflection for a part of the thing
    if beyond < _MORE and more < _MORE:
        return key
    words = f"the foreground network sees another thing there ({beyond:.0%} less, {more:.0%} more)"
    return doubted(key, words)


def _share(part: Mask, whole: Mask) -> float:
    return int(np.count_nonzero(part)) / max(int(np.count_nonzero(whole)), 1)


def person_on_backdrop(found: Person, person: Choice, key: Choice, keyed: Keyed) -> Choice:
    """A person in a studio: the colour key is sharper than the networks, if both saw the same."""
    same = ops.iou(person.mask, keyed.mask)
    lost = np.count_nonzero(found.sure & ~ops.grow(keyed.mask, max(keyed.mask.shape) / 100))
    if lost > _LOST * np.count_nonzero(found.mask) and person.confidence >= CREDIBLE:
        words = "the colour key loses a part of the person that has the backdrop's colour"
        return _less_left_out(replace(person, reasons=(*person.reasons, words)), key, keyed)
    if same >= 0.85 and key.confidence >= SURE and person.confidence >= CREDIBLE:
        both = (key.confidence, person.confidence)
        better = min(both) if found.is_faceless else max(both)
        reasons = (*key.reasons, f"a person is seen and covers the same ({same:.2f})")
        if found.is_faceless:
            reasons += (confidence.FACELESS,)
        return Choice(
            mask=keyed.mask, finder="backdrop", confidence=better, reasons=reasons, pose=person.pose, is_person=True
        )
    if key.confidence > person.confidence:
        # what stands out from a clear backdrop is surer than a person that two networks doubt
        return key
    return _less_left_out(person, key, keyed)


def _less_left_out(person: Choice, key: Choice, keyed: Keyed) -> Choice:
    """A person, doubted where a clear backdrop shows more of it than the networks see: skis, sticks, a train."""
    if key.confidence < SURE or keyed.plain_share < 0.9:
        return person
    near = max(person.mask.shape) / 100
    joined = ops.parts_touching(keyed.mask | person.mask, person.mask) & ~ops.grow(person.mask, near)
    left_out = np.count_nonzero(joined) / max(int(np.count_nonzero(person.mask)), 1)
    if not _LEFT_OUT < left_out < _ELSE:  # more than that is no part of a person: trees, walls
        return person
    words = f"something joined to the person stands out from the backdrop and is left out ({left_out:.0%})"
    return doubted(person, words)

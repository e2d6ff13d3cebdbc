"""From a picture to one subject: which way of finding it is taken, how sure it is, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from masks import matting, ops
from masks.backdrop import key_subject
from masks.choice import (
    CREDIBLE,
    SURE,
    Choice,
    doubted,
    key_or_network,
    keyed_choice,
    person_choice,
    person_on_backdrop,
    product_choice,
)
from masks.mask_file import is_cut_out, read_mask
from masks.outline import pole_share
from masks.person import Person, find_person
from masks.product import find_product
from pipeline.errors import ItemError, NothingFound, WeightsMissing
from pipeline.types import Alpha, Image, Mask, Picture, Subject

FINDERS = ("auto", "backdrop", "person", "product", "grounding_dino", "file")
PERSON_WORDS = frozenset("person people man woman men women boy girl child model human".split())

WORN_WORDS = frozenset(
    "apparel bag blazer blouse bodysuit bra cap cape cardigan clothes clothing coat costume dress dungarees garment "
    "gilet gown hat hoodie jacket jeans jersey jumper jumpsuit kaftan kilt kimono knit leggings lingerie outfit "
    "overalls pants parka polo poncho pullover pyjamas robe romper sari scarf shawl shirt shoe shoes shorts skirt "
    "sleeve suit sweater sweatshirt swimsuit tee tights top trousers tunic underwear uniform vest waistcoat".split()
)
"""What people wear or carry in a fashion photo: of these, a body without a face may well be a cropped person."""
GARMENT_WORDS = WORN_WORDS - frozenset("bag cap hat scarf shawl shoe shoes".split())
"""What is sold off the body that wears it: on its photo neither stand, hanger nor mannequin belongs to it."""

_OUTSIDE = 0.15
"""Share of a worn thing that may lie outside its wearer before it is doubted: bags, trains, wide hems."""
_POLE = 0.04
"""Share of a garment's height that may be one thin bar."""
_REST = 0.2
"""Share of what stands before a backdrop that may be something else than the garment that a detector saw there."""


class Detected(NamedTuple):
    """One object that a detector found: its mask at the picture's size, a score in [0, 1], the phrase it answers.

    The score is the detector's, or, with ``reasons``, the calibrated confidence of a tuned choice.
    """

    mask: Mask
    score: float
    phrase: str
    reasons: tuple[str, ...] = ()


Detector = Callable[[Image, Sequence[str]], Sequence[Detected]]


def names_garment(phrases: Sequence[str]) -> bool:
    """Whether phrases name a garment: what hangs, or is worn, and stands on no floor by itself."""
    return bool({word for phrase in phrases for word in phrase.lower().split()} & GARMENT_WORDS)


def find_subject(
    picture: Picture,
    *,
    finder: str = "auto",
    phrases: Sequence[str] = (),
    mask_file: bytes | None = None,
    detector: Detector | None = None,
) -> Subject:
    """Find the subject of a picture, its soft edge and its own colours.

    ``finder`` is one of ``FINDERS``. ``auto`` takes a mask file if one is given, then the file's own transparency, then
    what the picture shows: a plain backdrop, a person, or, with low confidence, what stands out. ``phrases`` name the
    subject for ``detector``, which ``grounding_dino`` needs. Without phrases a person is the whole person.

    Raises ``NothingFound`` when there is no subject, ``ItemError`` for a mask file that does not fit, and
    ``WeightsMissing`` when ``grounding_dino`` is asked for and no detector is at hand.
    """
    if finder not in FINDERS:
        raise ItemError(f"finder {finder!r} is unknown; use one of {', '.join(FINDERS)}")
    if finder == "file":
        if mask_file is None:
            raise ItemError("finder is 'file' but the item has no mask file; give its address in the mask column")
        return _from_alpha(picture, read_mask(mask_file, picture.image), "file", "the mask was given as a file")
    if finder == "auto" and mask_file is not None:
        return _from_alpha(picture, read_mask(mask_file, picture.image), "file", "the mask was given as a file")
    if finder == "auto" and picture.alpha is not None and is_cut_out(picture.alpha):
        return _from_alpha(picture, picture.alpha, "file", "the file is a cut-out with its own transparency")
    if finder == "grounding_dino":
        choice = _by_phrases(picture.image, phrases, detector)
    elif finder == "backdrop":
        choice = _by_backdrop(picture.image)
    elif finder == "person":
        choice = _by_person(picture.image)
    elif finder == "product":
        choice = _by_network(picture.image)
    else:
        choice = _by_looking(picture.image, phrases, detector)
    return _matted(picture, choice)


def _from_alpha(picture: Picture, alpha: Alpha, finder: str, reason: str) -> Subject:
    mask = alpha >= 0.5
    if not mask.any():
        raise NothingFound("the given mask is empty; paint the subject white (or opaque) and leave the rest black")
    return Subject(
        mask=mask,
        alpha=alpha,
        foreground=matting.own_colours(picture.image, alpha),
        confidence=1.0,
        finder=finder,
        reasons=(reason,),
    )


def _matted(picture: Picture, choice: Choice) -> Subject:
    """Give a mask its soft edge and take the backdrop's colour out of it."""
    alpha = matting.soft_edge(picture.image, choice.mask)
    mask = alpha >= 0.5
    if not mask.any():
        raise NothingFound("nothing is left of the subject after matting; give a mask file for this item")
    return Subject(
        mask=mask,
        alpha=alpha,
        foreground=matting.own_colours(picture.image, alpha),
        confidence=choice.confidence,
        finder=choice.finder,
        is_person=choice.is_person,
        reasons=choice.reasons,
        pose=choice.pose,
    )


def _by_phrases(image: Image, phrases: Sequence[str], detector: Detector | None) -> Choice:
    if detector is None:
        raise WeightsMissing(
            "finder grounding_dino needs the weights of a detector and a segmenter; name checkpoints under "
            "subject.detector and subject.segmenter, or use finder auto, backdrop or person, which need none"
        )
    if not phrases:
        raise ItemError("finder grounding_dino needs phrases; say under subject.phrases what the product is")
    found = sorted(detector(image, phrases), key=lambda one: -one.score)
    if not found:
        raise NothingFound(
            f"nothing in the picture answers {', '.join(phrases)!r}; lower the box threshold or rename it"
        )
    best = found[0]
    return Choice(
        mask=best.mask,
        finder="grounding_dino",
        confidence=float(np.clip(best.score, 0, 1)),
        reasons=best.reasons or (f"{best.phrase!r} was detected with score {best.score:.2f}",),
        is_person=_names_person([best.phrase]),
    )


def _by_backdrop(image: Image) -> Choice:
    keyed = key_subject(image)
    if keyed is None:
        raise NothingFound(
            "nothing stands out from a plain backdrop; use finder person or grounding_dino, or a mask file"
        )
    return keyed_choice(keyed)


def _by_person(image: Image) -> Choice:
    person = find_person(image)
    if person is None:
        raise NothingFound("no person is seen in the picture; use finder backdrop or grounding_dino, or a mask file")
    return person_choice(person)


def _by_network(image: Image) -> Choice:
    product = find_product(image)
    if product is None:
        raise NothingFound("nothing stands out from the picture; use finder grounding_dino, or a mask file")
    return product_choice(product)


def _by_looking(image: Image, phrases: Sequence[str], detector: Detector | None) -> Choice:
    """The policy of ``auto`` for a picture without a mask of its own."""
    keyed, person = key_subject(image), find_person(image)
    key = None if keyed is None else keyed_choice(keyed)
    if phrases and not _names_person(phrases) and person is not None:
        if key is not None and key.confidence >= SURE and _is_thing(phrases, person):
            words = f"no face is seen and {', '.join(phrases)!r} is nothing to wear: a thing, not a person"
            return replace(key, reasons=(*key.reasons, words))
        return _part_of_person(image, phrases, detector, person)
    if person is not None:
        choice = person_choice(person)
        if keyed is not None and key is not None:
            choice = person_on_backdrop(person, choice, key, keyed)
        if person.has_face or choice.confidence >= CREDIBLE or _names_person(phrases):
            return choice
        return key_or_network(image, key, keyed) or choice
    if key is not None and key.confidence >= CREDIBLE:
        return _alone(image, key_or_network(image, key, keyed) or key, phrases, detector)
    if phrases and detector is not None:
        return _by_phrases(image, phrases, detector)
    seen = key_or_network(image, key, keyed)
    if seen is None:
        raise NothingFound("no plain backdrop, no person and nothing that stands out; give phrases or a mask file")
    return seen


def _alone(image: Image, choice: Choice, phrases: Sequence[str], detector: Detector | None) -> Choice:
    """A garment before a plain backdrop: doubted where it seems to be on a stand, a hanger or a mannequin."""
    if not names_garment(phrases):
        return choice
    doubts = []
    pole = pole_share(choice.mask)
    if pole > _POLE:
        doubts.append(f"{pole:.0%} of its height is a single thin bar: a stand or a hanger is in the mask")
    found = _seen(image, phrases, detector)
    if found is not None and found.score >= 0.6:
        own = int(np.count_nonzero(found.mask & choice.mask))
        rest = 1 - own / max(int(np.count_nonzero(choice.mask)), 1)
        if own > 0.9 * np.count_nonzero(found.mask) and rest > _REST:
            doubts.append(f"{rest:.0%} of it is not {found.phrase!r}: something else stands with it")
    return doubted(choice, *doubts) if doubts else choice


def _seen(image: Image, phrases: Sequence[str], detector: Detector | None) -> Detected | None:
    """The detector's best answer; None without a detector or an answer."""
    try:
        return max(detector(image, phrases), key=lambda one: one.score, default=None) if detector else None
    except NothingFound:
        return None


def _is_thing(phrases: Sequence[str], person: Person) -> bool:
    """Whether what the pose network takes for a person is a thing: lamps and bottles have shoulders too."""
    words = {word for phrase in phrases for word in phrase.lower().split()}
    return not person.has_face and not words & WORN_WORDS


def _part_of_person(image: Image, phrases: Sequence[str], detector: Detector | None, person: Person) -> Choice:
    """The phrases name something that a person wears: only a detector can tell it from the rest."""
    whole = person_choice(person)
    words = f"only a detector can find {', '.join(phrases)!r} on a person and none is set: the mask is the whole person"
    if detector is not None:
        try:
            return _worn(_by_phrases(image, phrases, detector), person)
        except NothingFound as problem:
            words = f"{problem}: the mask is the whole person"
    return Choice(
        mask=whole.mask,
        finder="person",
        confidence=min(whole.confidence, 0.4),
        reasons=(words, *whole.reasons),
        pose=whole.pose,
        is_person=True,
    )


def _worn(choice: Choice, person: Person) -> Choice:
    """A worn thing lies on the person that two other networks saw; a mask that does not is doubted."""
    pixels = max(int(np.count_nonzero(choice.mask)), 1)
    outside = np.count_nonzero(choice.mask & ~ops.grow(person.mask, max(person.mask.shape) / 50)) / pixels
    if outside < _OUTSIDE:
        return replace(choice, pose=person.pose)
    words = f"{outside:.0%} of it lies outside the person who wears it"
    return replace(
        choice, confidence=choice.confidence * (1 - outside), reasons=(*choice.reasons, words), pose=person.pose
    )


def _names_person(phrases: Sequence[str]) -> bool:
    return any(word in PERSON_WORDS for phrase in phrases for word in phrase.lower().split())

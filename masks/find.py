"""From a picture to one subject: which way of finding it is taken, how sure it is, and why."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from masks import confidence, matting, ops
from masks.backdrop import Keyed, key_subject
from masks.outline import pole_share
from masks.person import Person, find_person
from masks.salient import Salient, find_salient
from pipeline.errors import ItemError, NothingFound, WeightsMissing
from pipeline.types import Alpha, Image, Mask, Picture, Pose, Subject

FINDERS = ("auto", "backdrop", "person", "grounding_dino", "file")
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
_LOST = 0.008
"""Share of a person that a colour key may lose of what every look at the person was sure of."""
_LEFT_OUT, _ELSE = 0.015, 0.5
"""Share of a person that, standing out from a backdrop beside the mask, may be a part of it that was missed."""
_CREDIBLE = 0.35
"""A person below this confidence is a thing that the pose network takes for one."""


class Detected(NamedTuple):
    """One object that a detector found: its mask at the picture's size, a score in [0, 1], the phrase it answers.

    The score is the detector's, or, with ``reasons``, the calibrated confidence of a tuned choice.
    """

    mask: Mask
    score: float
    phrase: str
    reasons: tuple[str, ...] = ()


Detector = Callable[[Image, Sequence[str]], Sequence[Detected]]


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """A finder's mask before matting. ``alpha`` is set where the mask is soft already."""

    mask: Mask
    finder: str
    confidence: float
    reasons: tuple[str, ...]
    alpha: Alpha | None = None
    pose: Pose | None = None
    is_person: bool = False


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
    if finder == "auto" and picture.alpha is not None and _is_cut_out(picture.alpha):
        return _from_alpha(picture, picture.alpha, "file", "the file is a cut-out with its own transparency")
    if finder == "grounding_dino":
        choice = _by_phrases(picture.image, phrases, detector)
    elif finder == "backdrop":
        choice = _by_backdrop(picture.image)
    elif finder == "person":
        choice = _by_person(picture.image)
    else:
        choice = _by_looking(picture.image, phrases, detector)
    return _matted(picture, choice)


def read_mask(data: bytes, image: Image) -> Alpha:
    """A mask file's alpha (H, W) float32: the alpha channel if it has one, else its grey. Soft edges are kept.

    PNG in 1 bit, grey, grey and alpha, or RGBA. Raises ``ItemError`` when it is no picture, has another size than
    ``image``, or is coloured without an alpha channel.
    """
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(data)) as opened:
            opened.load()
            source = opened.copy()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as problem:
        raise ItemError("the mask file is not a picture that can be read; save it as PNG") from problem
    if (source.height, source.width) != image.shape[:2]:
        raise ItemError(
            f"the mask file is {source.width}x{source.height} but the photo is {image.shape[1]}x{image.shape[0]}; "
            "save the mask at the photo's own size"
        )
    if source.mode in ("RGBA", "LA", "PA") or "transparency" in source.info:
        levels = np.asarray(source.convert("RGBA").getchannel("A"), np.float32) / 255
    elif source.mode in ("1", "L"):
        levels = np.asarray(source.convert("L"), np.float32) / 255
    elif source.mode.startswith("I"):
        levels = np.asarray(source, np.float32) / 65535
    else:
        colours = np.asarray(source.convert("RGB"))
        if (np.ptp(colours.astype(np.int16), axis=2) > 2).any():
            raise ItemError("the mask file is coloured and has no alpha channel; save it as a grey or RGBA PNG")
        levels = colours[:, :, 0].astype(np.float32) / 255
    return np.clip(levels, 0, 1).astype(np.float32)


def _is_cut_out(alpha: Alpha) -> bool:
    """Some of the picture is clearly there and some clearly not."""
    return float((alpha < 0.1).mean()) > 0.01 and float((alpha > 0.9).mean()) > 0.002


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


def _matted(picture: Picture, choice: _Choice) -> Subject:
    """Give a mask its soft edge and take the backdrop's colour out of it."""
    alpha = choice.alpha
    if alpha is None:
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


def _by_phrases(image: Image, phrases: Sequence[str], detector: Detector | None) -> _Choice:
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
    return _Choice(
        mask=best.mask,
        finder="grounding_dino",
        confidence=float(np.clip(best.score, 0, 1)),
        reasons=best.reasons or (f"{best.phrase!r} was detected with score {best.score:.2f}",),
        is_person=_names_person([best.phrase]),
    )


def _by_backdrop(image: Image) -> _Choice:
    keyed = key_subject(image)
    if keyed is None:
        raise NothingFound(
            "nothing stands out from a plain backdrop; use finder person or grounding_dino, or a mask file"
        )
    return _keyed_choice(keyed)


def _keyed_choice(keyed: Keyed) -> _Choice:
    verdict = confidence.of_keyed(keyed)
    words = f"{keyed.plain_share:.0%} of the border is one backdrop"
    return _Choice(
        mask=keyed.mask,
        finder="backdrop",
        confidence=verdict.confidence,
        reasons=(words, *keyed.notes, *verdict.reasons),
    )


def _by_person(image: Image) -> _Choice:
    person = find_person(image)
    if person is None:
        raise NothingFound("no person is seen in the picture; use finder backdrop or grounding_dino, or a mask file")
    return _person_choice(person)


def _person_choice(person: Person) -> _Choice:
    verdict = confidence.of_person(person)
    return _Choice(
        mask=person.mask,
        finder="person",
        confidence=verdict.confidence,
        reasons=("a person is seen", *verdict.reasons),
        pose=person.pose,
        is_person=True,
    )


def _by_looking(image: Image, phrases: Sequence[str], detector: Detector | None) -> _Choice:
    """The policy of ``auto`` for a picture without a mask of its own."""
    keyed, person = key_subject(image), find_person(image)
    keyed_choice = None if keyed is None else _keyed_choice(keyed)
    if phrases and not _names_person(phrases) and person is not None:
        if keyed_choice is not None and keyed_choice.confidence >= 0.6 and _is_thing(phrases, person):
            words = f"no face is seen and {', '.join(phrases)!r} is nothing to wear: a thing, not a person"
            return replace(keyed_choice, reasons=(*keyed_choice.reasons, words))
        return _part_of_person(image, phrases, detector, person)
    if person is not None:
        choice = _person_choice(person)
        if keyed is not None and keyed_choice is not None:
            return _person_on_backdrop(person, choice, keyed_choice, keyed)
        return choice
    if keyed_choice is not None and keyed_choice.confidence >= 0.35:
        return _alone(image, keyed_choice, phrases, detector)
    if phrases and detector is not None:
        return _by_phrases(image, phrases, detector)
    salient = find_salient(image)
    return _best_effort(keyed_choice, salient)


def _alone(image: Image, choice: _Choice, phrases: Sequence[str], detector: Detector | None) -> _Choice:
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
    if not doubts:
        return choice
    return replace(choice, confidence=choice.confidence * 0.5, reasons=(*choice.reasons, *doubts))


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


def _part_of_person(image: Image, phrases: Sequence[str], detector: Detector | None, person: Person) -> _Choice:
    """The phrases name something that a person wears: only a detector can tell it from the rest."""
    whole = _person_choice(person)
    words = f"only a detector can find {', '.join(phrases)!r} on a person and none is set: the mask is the whole person"
    if detector is not None:
        try:
            return _worn(_by_phrases(image, phrases, detector), person)
        except NothingFound as problem:
            words = f"{problem}: the mask is the whole person"
    return _Choice(
        mask=whole.mask,
        finder="person",
        confidence=min(whole.confidence, 0.4),
        reasons=(words, *whole.reasons),
        pose=whole.pose,
        is_person=True,
    )


def _worn(choice: _Choice, person: Person) -> _Choice:
    """A worn thing lies on the person that two other networks saw; a mask that does not is doubted."""
    pixels = max(int(np.count_nonzero(choice.mask)), 1)
    outside = np.count_nonzero(choice.mask & ~ops.grow(person.mask, max(person.mask.shape) / 50)) / pixels
    if outside < _OUTSIDE:
        return replace(choice, pose=person.pose)
    words = f"{outside:.0%} of it lies outside the person who wears it"
    return replace(
        choice, confidence=choice.confidence * (1 - outside), reasons=(*choice.reasons, words), pose=person.pose
    )


def _person_on_backdrop(found: Person, person: _Choice, keyed_choice: _Choice, keyed: Keyed) -> _Choice:
    """A person in a studio: the colour key is sharper than the networks, if both saw the same."""
    same = ops.iou(person.mask, keyed.mask)
    lost = np.count_nonzero(found.sure & ~ops.grow(keyed.mask, max(keyed.mask.shape) / 100))
    if lost > _LOST * np.count_nonzero(found.mask) and person.confidence >= _CREDIBLE:
        words = "the colour key loses a part of the person that has the backdrop's colour"
        return _less_left_out(replace(person, reasons=(*person.reasons, words)), keyed_choice, keyed)
    if same >= 0.85 and keyed_choice.confidence >= 0.6 and person.confidence >= _CREDIBLE:
        both = (keyed_choice.confidence, person.confidence)
        better = min(both) if found.is_faceless else max(both)
        reasons = (*keyed_choice.reasons, f"a person is seen and covers the same ({same:.2f})")
        if found.is_faceless:
            reasons += (confidence.FACELESS,)
        return _Choice(
            mask=keyed.mask, finder="backdrop", confidence=better, reasons=reasons, pose=person.pose, is_person=True
        )
    if keyed_choice.confidence > person.confidence:
        # what stands out from a clear backdrop is surer than a person that two networks doubt
        return keyed_choice
    return _less_left_out(person, keyed_choice, keyed)


def _less_left_out(person: _Choice, keyed_choice: _Choice, keyed: Keyed) -> _Choice:
    """A person, doubted where a clear backdrop shows more of it than the networks see: skis, sticks, a train."""
    if keyed_choice.confidence < 0.6 or keyed.plain_share < 0.9:
        return person
    near = max(person.mask.shape) / 100
    joined = ops.parts_touching(keyed.mask | person.mask, person.mask) & ~ops.grow(person.mask, near)
    left_out = np.count_nonzero(joined) / max(int(np.count_nonzero(person.mask)), 1)
    if not _LEFT_OUT < left_out < _ELSE:  # more than that is no part of a person: trees, walls
        return person
    words = f"something joined to the person stands out from the backdrop and is left out ({left_out:.0%})"
    return replace(person, confidence=person.confidence * 0.5, reasons=(*person.reasons, words))


def _best_effort(keyed: _Choice | None, salient: Salient | None) -> _Choice:
    """Neither a plain backdrop nor a person: something to start a touch-up from, never something to publish."""
    if salient is None and keyed is None:
        raise NothingFound("no plain backdrop, no person and nothing that stands out; give phrases or a mask file")
    if salient is None and keyed is not None:
        return keyed
    if salient is not None and keyed is not None and ops.iou(salient.mask, keyed.mask) > 0.9:
        return keyed
    if salient is None:
        raise NothingFound("nothing stands out from the picture; give phrases or a mask file")
    reasons = ("neither a plain backdrop nor a person: a guess at what stands out", *(keyed.reasons if keyed else ()))
    return _Choice(mask=salient.mask, finder="salient", confidence=salient.confidence, reasons=reasons)


def _names_person(phrases: Sequence[str]) -> bool:
    return any(word in PERSON_WORDS for phrase in phrases for word in phrase.lower().split())

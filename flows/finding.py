"""What finds an item's subject by phrases: at a fixed threshold, or at one of the photo's own, from stored scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flows.keys import asks_detector
from flows.way import ItemWay, evidence_of
from pipeline.errors import NothingFound
from pipeline.types import Image

if TYPE_CHECKING:
    from masks.find import Detected, Detector


def detector_of(way: ItemWay) -> Detector | None:
    """What finds by phrases; raw scores and embeddings come from the store if this photo was ever looked at."""
    wanted = way.recipe.subject
    if not asks_detector(wanted.finder, wanted.phrases):
        return None
    return _tuned(way) if wanted.box_threshold == "auto" else _fixed(way)


def _fixed(way: ItemWay) -> Detector:
    from masks.find import Detected

    wanted = way.recipe.subject
    options = {
        "exclude": wanted.exclude,
        "box_threshold": wanted.box_threshold,
        "text_threshold": wanted.text_threshold,
        "floors": wanted.floors,
        "parts": wanted.parts,
        "every_word": wanted.every_word,
    }

    def find(image: Image, phrases: Sequence[str]) -> list[Detected]:
        things = evidence_of(way).things(way.digest, image, phrases, **options)
        return [Detected(one.mask, one.score, one.phrase) for one in things]

    return find


def _tuned(way: ItemWay) -> Detector:
    """Phrases are names of one thing, but for a garment: there each names a thing of the outfit."""
    from masks.find import Detected
    from masks.priors import priors_of

    wanted = way.recipe.subject
    options: dict[str, Any] = {
        "priors": priors_of(wanted.usual_area, wanted.usual_aspect),
        "exclude": wanted.exclude,
        "floors": wanted.floors,
        "parts": wanted.parts,
        "least_word": wanted.text_threshold if wanted.every_word else 0.0,
    }

    def find(image: Image, phrases: Sequence[str]) -> list[Detected]:
        evidence = evidence_of(way)
        groups = [[phrase] for phrase in phrases] if way.recipe.kind == "garment" else [list(phrases)]
        answers = [(names[0], evidence.tuned(way.digest, image, names, **options)) for names in groups]
        if not any(tuned.present for _, tuned in answers):
            said = "; ".join(words for _, tuned in answers for words in tuned.reasons)
            raise NothingFound(f"{way.item.sku}: {said}; name it otherwise or give a mask file")
        return [Detected(one.mask, one.confidence, name, one.reasons) for name, one in answers if one.present]

    return find


def wearers_of(way: ItemWay) -> Detector | None:
    """What finds the figures who wear a garment, each by a threshold of its own; None where no detector is asked."""
    from masks.find import Detected
    from masks.tuned import phrases_to_ask

    if not asks_detector(way.recipe.subject.finder, way.recipe.subject.phrases):
        return None

    def find(image: Image, phrases: Sequence[str]) -> list[Detected]:
        evidence = evidence_of(way)
        evidence.scores(way.digest, image, phrases_to_ask(phrases, ()))  # in one run, not one a phrase
        answers = [(phrase, evidence.tuned(way.digest, image, [phrase])) for phrase in phrases]
        return [Detected(one.mask, one.confidence, phrase, one.reasons) for phrase, one in answers if one.present]

    return find


def evidence_keys(way: ItemWay) -> dict[str, str]:
    """Scores and embedding of a parked item stay in the store: the touch-up page works with them."""
    from masks.tuned import phrases_to_ask

    wanted = way.recipe.subject
    if not asks_detector(wanted.finder, wanted.phrases):
        return {}
    keys = evidence_of(way).keys(way.digest, phrases_to_ask(wanted.phrases, wanted.exclude))
    return {f"evidence {number}": key for number, key in enumerate((k for k in keys if way.work.store.has(k)), 1)}

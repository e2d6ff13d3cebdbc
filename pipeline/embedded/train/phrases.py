"""Captions of the detector's training: phrases of things that are there, and of things that are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from pipeline.embedded.captions import SYNONYMS
from pipeline.embedded.palette import DYES
from pipeline.embedded.train.data import Thing
from pipeline.embedded.train.mix import PLAIN, Mix

GARMENTS: Final = frozenset(
    "t-shirt, tank top, shirt, sweater, hoodie, jacket, coat, dress, trousers, jeans, shorts, skirt".split(", ")
)
PRODUCTS: Final = frozenset(("shoe", "bottle", "mug", "chair", "lamp"))
GENERAL: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(GARMENTS, ("garment", "clothing")),
    **dict.fromkeys(PRODUCTS, ("product",)),
    "hair": ("hair",),
}
"""What kinds of things are called in general, besides their own names."""
_UPPER: Final = ("t-shirt", "tank top", "shirt", "sweater", "hoodie", "jacket", "coat", "dress")
_LOWER: Final = ("trousers", "jeans", "shorts", "skirt", "dress")
_FEET: Final = ("sneakers", "boots", "shoes", "shoe")
ALIKE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(_UPPER, _UPPER),
    **dict.fromkeys(_LOWER, _LOWER),
    "dress": ("skirt", "coat", "tank top", "jacket", "shirt"),
    **dict.fromkeys(_FEET, _FEET),
    "person": ("mannequin",),
    "mannequin": ("person",),
    "bag": ("mug", "bottle", "shoe"),
    "bottle": ("mug", "lamp", "bag"),
    "mug": ("bottle", "bag", "lamp"),
    "chair": ("lamp", "bag"),
    "lamp": ("chair", "bottle", "mug"),
}
"""Kinds that are taken for each other."""
_WORN, _SOLD = frozenset(("sneakers", "boots", "shoes")), frozenset(("shoe",))
SAME: Final[Mapping[str, frozenset[str]]] = {**dict.fromkeys(_WORN, _SOLD), **dict.fromkeys(_SOLD, _WORN)}
"""Kinds of one thing that have other words, which are neither right nor wrong."""


def called(thing: Thing) -> tuple[str, ...]:
    """Every phrase that names the thing."""
    return (*thing.phrases, *GENERAL.get(thing.name, ()))


def absent_phrases(things: tuple[Thing, ...], rng: np.random.Generator, count: int, near: float = 0.0) -> list[str]:
    """Phrases of kinds that none of the things is called by, two in five of them with a colour.

    A share ``near`` of them is taken from what looks like one of the things.
    """
    taken = {phrase for thing in things for phrase in called(thing)} | {thing.name for thing in things}
    taken |= {name for thing in things for kind in SAME.get(thing.name, ()) for name in SYNONYMS[kind]}
    names = [n for kind in SYNONYMS for n in SYNONYMS[kind] if n not in taken and not taken & set(SYNONYMS[kind])]
    names += [n for n in ("garment", "clothing", "product", "hair") if n not in taken]
    colors = list(DYES)
    alike = [[n for kind in ALIKE.get(t.name, ()) for n in SYNONYMS[kind] if n in names] for t in things]
    alike = [own for own in alike if own]
    found = []
    for _ in range(count):
        pool = alike[int(rng.integers(len(alike)))] if alike and rng.random() < near else names
        name = pool[int(rng.integers(len(pool)))]
        found.append(name if rng.random() < 0.6 else f"{colors[int(rng.integers(len(colors)))]} {name}")
    return found


def choose_phrases(
    things: tuple[Thing, ...],
    rng: np.random.Generator,
    scene: tuple[Thing, ...] | None = None,
    mix: Mix = PLAIN,
) -> list[str]:
    """Different phrases of one caption, present ones of ``things`` and ones absent from all of ``scene`` mixed.

    ``mix`` has the shares of them.
    """
    count = 1 if rng.random() < mix.single else int(rng.integers(2, mix.most + 1))
    present = [names[int(rng.integers(len(names)))] for names in map(called, things) if names]
    rng.shuffle(present)
    seen = min(int(rng.binomial(count, mix.here)), len(present))
    chosen = [*present[:seen], *absent_phrases(scene or things, rng, count - seen, mix.near)]
    rng.shuffle(chosen)
    return list(dict.fromkeys(chosen))


def encode(phrases: list[str], tokenizer: Any) -> tuple[list[int], list[tuple[int, ...]]]:
    """A caption's token ids, and the positions of each phrase's words in it."""
    ids, spans = [101], []
    for phrase in phrases:
        own = tokenizer(phrase, add_special_tokens=False)["input_ids"]
        spans.append(tuple(range(len(ids), len(ids) + len(own))))
        ids += [*own, 1012]
    return [*ids, 102], spans


def padded(captions: list[list[int]]) -> tuple[Any, Any]:
    """Token ids and their mask, as long as the longest caption."""
    import torch

    ids = torch.zeros(len(captions), max(map(len, captions)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, caption in enumerate(captions):
        ids[row, : len(caption)] = torch.tensor(caption)
        mask[row, : len(caption)] = 1
    return ids, mask

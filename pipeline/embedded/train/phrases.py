"""Captions of the detector's training: phrases of things that are there, and of things that are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from pipeline.embedded.captions import SYNONYMS
from pipeline.embedded.palette import DYES
from pipeline.embedded.train.data import Thing

MOST_PHRASES = 4
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


def called(thing: Thing) -> tuple[str, ...]:
    """Every phrase that names the thing."""
    return (*thing.phrases, *GENERAL.get(thing.name, ()))


def absent_phrases(things: tuple[Thing, ...], rng: np.random.Generator, count: int) -> list[str]:
    """Phrases of kinds that none of the things is called by, half of them with a colour."""
    taken = {phrase for thing in things for phrase in called(thing)} | {thing.name for thing in things}
    names = [n for kind in SYNONYMS for n in SYNONYMS[kind] if n not in taken and not taken & set(SYNONYMS[kind])]
    names += [n for n in ("garment", "clothing", "product", "hair") if n not in taken]
    colors = list(DYES)
    found = []
    for _ in range(count):
        name = names[int(rng.integers(len(names)))]
        found.append(name if rng.random() < 0.6 else f"{colors[int(rng.integers(len(colors)))]} {name}")
    return found


def choose_phrases(
    things: tuple[Thing, ...], rng: np.random.Generator, scene: tuple[Thing, ...] | None = None
) -> list[str]:
    """Different phrases of one caption, present ones of ``things`` and ones absent from all of ``scene`` mixed."""
    count = 1 if rng.random() < 0.5 else int(rng.integers(2, MOST_PHRASES + 1))
    present = [names[int(rng.integers(len(names)))] for names in map(called, things) if names]
    rng.shuffle(present)
    here = int(rng.binomial(count, 0.6))
    chosen = [*present[:here], *absent_phrases(scene or things, rng, max(count - here, 1 if not present else 0))]
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

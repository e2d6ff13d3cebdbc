"""The embedded text encoder's tokenizer: CLIP's byte-level BPE with merges for the words that captions use.

Every word of the studio is one token; any other text falls apart into bytes, so that no prompt is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from pipeline.embedded.captions import _BACKDROP_WORDS, SYNONYMS
from pipeline.embedded.cloth import BOTTOMS, TOPS
from pipeline.embedded.figure import HAIR_STYLES
from pipeline.embedded.footwear import SHOES
from pipeline.embedded.palette import DENIM, DYES, HAIR, SKINS
from pipeline.embedded.patterns import PATTERNS
from pipeline.embedded.scene import PRODUCTS

MAX_TOKENS: Final = 40
"""Longest caption in tokens, its two marks included."""
_PLAIN: Final = (
    "a an the of in on and with wearing , . model person man woman skin hair no product photo flat lay ghost "
    "mannequin headless grey background studio wall floor city street garden outdoors printed logo text"
)


def words() -> list[str]:
    """Every word that a caption can hold, in a fixed order."""
    names: set[str] = set(_PLAIN.split())
    lists: tuple[Iterable[str], ...] = (
        DYES, DENIM, SKINS, HAIR, HAIR_STYLES, TOPS, BOTTOMS, SHOES, PATTERNS, PRODUCTS, SYNONYMS,
        _BACKDROP_WORDS.values(), *SYNONYMS.values(),
    )  # fmt: skip
    for listed in lists:
        for name in listed:
            names.update(re.findall(r"[a-z]+|[^\sa-z]+", name.lower()))
    return sorted(names)


def build_tokenizer() -> Any:
    """A `CLIPTokenizer` of the studio's words."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())  # type: ignore[no-untyped-call]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    known = set(vocabulary)
    merges: list[tuple[str, str]] = []
    for word in words():
        parts = _merged([*word[:-1], f"{word[-1]}</w>"], merges)
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            joined = parts[0] + parts[1]
            if joined not in known:
                vocabulary.append(joined)
                known.add(joined)
            parts[:2] = [joined]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    numbers = {token: number for number, token in enumerate(vocabulary)}
    made: Any = CLIPTokenizer
    return made(vocab=numbers, merges=merges, model_max_length=MAX_TOKENS)


def _merged(parts: list[str], merges: list[tuple[str, str]]) -> list[str]:
    """``parts`` after the merges so far, in their order, as the tokenizer itself will apply them."""
    for merge in merges:
        at = 0
        while at < len(parts) - 1:
            if (parts[at], parts[at + 1]) == merge:
                parts[at : at + 2] = [parts[at] + parts[at + 1]]
            else:
                at += 1
    return parts

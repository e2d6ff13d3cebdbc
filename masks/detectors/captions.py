"""Phrases to captions, and captions to the tokens of each word.

Grounding DINO was trained on captions in lower case whose sentences end in a full stop. One caption a phrase: nine
garment words in one caption give merged labels such as `shirt blouse jacket`. Tokens are mapped to words by their
place in the caption, never by comparing strings: [CLS], [SEP] and the full stop belong to no word, and a word
that the vocabulary cuts into pieces is scored by the best of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.errors import RecipeError

SEPARATORS = (".", "?")
"""Tokens that end a sentence for the model: words before and after one do not see each other."""


def clean_phrase(phrase: str) -> str:
    """The phrase in lower case, with single spaces and without its final full stop.

    Raises:
        RecipeError: an empty phrase, or one that holds several sentences.
    """
    cleaned = " ".join(phrase.lower().split()).rstrip(" .")
    if not cleaned:
        raise RecipeError("A phrase of subject.phrases is empty; name a thing, for example 'shoe'")
    if any(separator in cleaned for separator in SEPARATORS):
        raise RecipeError(
            f"The phrase {phrase!r} holds a full stop or question mark; write one phrase a thing: "
            f"{[part.strip() for part in cleaned.replace('?', '.').split('.') if part.strip()]}"
        )
    return cleaned


def caption_of(phrase: str) -> str:
    """The caption of one cleaned phrase."""
    return f"{phrase} ."


def word_tokens(caption: str, words: Sequence[str], tokenizer: Any, max_tokens: int) -> list[list[int]]:
    """For each word of the phrase, the positions of its tokens in the tokenised caption.

    Args:
        caption: what ``caption_of`` gave.
        words: the phrase's words, in order.
        tokenizer: a fast tokenizer.
        max_tokens: tokens that the model reads.

    Returns:
        One list of token positions a word; never empty.

    Raises:
        RecipeError: the caption is longer than the model reads, or the vocabulary has no piece of a word.
    """
    encoded = tokenizer(caption, return_offsets_mapping=True)
    if len(encoded["input_ids"]) > max_tokens:
        raise RecipeError(f"The phrase {caption[:60]!r}… has more than {max_tokens} tokens; use a shorter one")
    spans, start = [], 0
    for word in words:
        start = caption.index(word, start)
        spans.append((start, start + len(word)))
        start += len(word)
    tokens = [
        [at for at, (first, last) in enumerate(encoded["offset_mapping"]) if first < stop and last > begin]
        for begin, stop in spans
    ]
    lacking = [word for word, found in zip(words, tokens, strict=True) if not found]
    if lacking:
        raise RecipeError(f"The detector's vocabulary cannot spell {', '.join(lacking)}; use another word")
    return tokens

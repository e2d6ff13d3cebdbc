"""What text encoders made of prompts, kept: a catalog asks for few prompts many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Embedding = Mapping["str", "torch.Tensor"]
"""A prompt's tensors by the argument that the pipeline takes them as, each with a leading axis of 1."""


@dataclass
class PromptCache:
    """The embeddings of the ``limit`` prompts asked for last (an SDXL embedding takes 0.3 MB).

    Attributes:
        hits: how often a prompt was there.
        misses: how often it had to be encoded.
    """

    limit: int = 256
    hits: int = 0
    misses: int = 0
    _kept: OrderedDict[Hashable, Embedding] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, encode: Callable[[], Embedding]) -> Embedding:
        """What is kept under ``key``, made by ``encode()`` the first time."""
        if key in self._kept:
            self.hits += 1
        else:
            self.misses += 1
            self._kept[key] = encode()
            if len(self._kept) > self.limit:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

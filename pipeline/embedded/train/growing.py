"""A deeper network that begins where a shallower one stands (Chen et al., Net2Net, arXiv 1511.05641)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

ADDING: Final = (".attn.proj.", ".mlp.lin2.")
"""What a transformer's block adds to what passes it; zeros there let a new block pass on what it gets."""
_BLOCK: Final = re.compile(r"^(.*\.blocks\.)(\d+)(\..*)$")


def grown(state: Mapping[str, Any], wanted: Mapping[str, Any], adding: Sequence[str] = ADDING) -> dict[str, Any]:
    """``state``'s weights under the names of ``wanted``, those of the same network with more blocks.

    A new block is the last one of its kind, silenced: the deeper network computes what the shallower one did, and its
    new block learns from the first step.

    Raises:
        ValueError: a weight of ``wanted`` has none to begin from.
    """
    import torch

    stacked: dict[tuple[str, str], list[str]] = {}
    for name in state:
        if found := _BLOCK.match(name):
            stacked.setdefault((found[1], found[3]), []).append(name)
    out = {}
    for name, like in wanted.items():
        value = state.get(name)
        if value is None and (found := _BLOCK.match(name)):
            alike = [
                state[other] for other in stacked.get((found[1], found[3]), []) if state[other].shape == like.shape
            ]
            value = (torch.zeros_like(like) if any(part in name for part in adding) else alike[-1]) if alike else None
        if value is None or value.shape != like.shape:
            raise ValueError(f"{name} {tuple(like.shape)} has no weights to begin from")
        out[name] = value.clone()
    return out

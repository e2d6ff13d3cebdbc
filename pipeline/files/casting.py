"""Casting: which named model wears what, so that a catalog's shares are met. Pure, streamed, in the catalog's order.

A group (an SKU, or what a row's `group` says) gets one model for all its views and colours: the one that is furthest
behind its share. So each model is at most one group away from its share at any point of the catalog, and rows that are
added at the end change no earlier one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pipeline.types import Item

MODEL, GROUP = "garment.model", "garment.group"


def group_of(item: Item) -> str:
    """What an item shares model, light and place with."""
    return str(item.overrides.get(GROUP) or item.sku)


def cast_models(items: Iterable[Item], mix: Mapping[str, float]) -> Iterator[Item]:
    """The items, each with its model; those whose row names one keep it, and it counts.

    ``mix`` are shares by model, of any sum. Memory is some 100 bytes for each group.
    """
    if not mix:
        yield from items
        return
    total = sum(mix.values())
    shares = {name: share / total for name, share in mix.items()}
    counts = dict.fromkeys(shares, 0)
    cast: dict[bytes, str] = {}
    for item in items:
        key = hashlib.blake2b(group_of(item).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        named = item.overrides.get(MODEL)
        if key not in cast:
            behind = {name: share * (len(cast) + 1) - counts[name] for name, share in shares.items()}
            chosen = str(named) if named else max(behind, key=lambda name: behind[name])
            cast[key] = chosen
            if chosen in counts:
                counts[chosen] += 1
        yield item if named else replace(item, overrides={**item.overrides, MODEL: cast[key]})


def cast_report(items: Iterable[tuple[str, Mapping[str, object]]], mix: Mapping[str, float]) -> list[str]:
    """One line a model of ``mix``: the share that was asked for and the one that groups got.

    ``items`` are (SKU, overrides) of a batch's records.
    """
    groups = {str(overrides.get(GROUP) or sku): str(overrides.get(MODEL)) for sku, overrides in items}
    total, asked = len(groups), sum(mix.values())
    lines = []
    for name, share in mix.items():
        met = sum(model == name for model in groups.values())
        part = met / total if total else 0.0
        lines.append(f"model {name}: {met} of {total} groups, {part:.0%} (asked {share / asked:.0%})")
    return lines

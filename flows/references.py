"""The reference picture of an item: what the model is shown beside the words, and what of it enters the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.sources import source_digest
from pipeline.errors import ItemError, RecipeError
from pipeline.files.picture import read_picture
from pipeline.types import Image, Json

if TYPE_CHECKING:
    from flows.way import ItemWay


def reference_checkpoint(way: ItemWay) -> str | None:
    """The row of the IP-Adapter that reads the item's reference; None without one.

    Raises ItemError where a row gives a reference that the recipe's checkpoint cannot read.
    """
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.generators import ip_adapter_of

    wanted = way.recipe.generate
    if wanted.reference is None:
        return None
    try:
        return ip_adapter_of(checkpoint(wanted.checkpoint, role="generator")).id
    except RecipeError as error:
        raise ItemError(f"{way.item.sku}/{way.item.view}: {error}") from error


def reference_digest(way: ItemWay) -> list[str]:
    """SHA-256 of the reference's bytes, as an input of a key; empty without one. Raises UnreadableImage."""
    address = way.recipe.generate.reference
    return [] if address is None else [source_digest(address, way.work.store)[0]]


def reference_told(way: ItemWay) -> dict[str, Json]:
    """What a record says of the reference: the digest of its bytes and the scale; nothing without one."""
    return {
        name: value
        for digest in reference_digest(way)
        for name, value in {"reference": digest, "reference_scale": way.recipe.generate.reference_scale}.items()
    }


def reference_picture(way: ItemWay) -> Image | None:
    """The reference, decoded, (H, W, 3); None without one. Raises UnreadableImage."""
    address = way.recipe.generate.reference
    return None if address is None else read_picture(address).image

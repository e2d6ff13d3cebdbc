"""One item on its way: what it reads, the keys of its stages, what was executed and how long it took."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from flows.casting import with_model
from flows.keys import StageKeys, make_keys
from flows.sources import source_digest
from flows.workplace import Workplace
from masks.shelf import Place, Revision, Shelf, place_of, shelf_of
from pipeline.files.ledger import Record
from pipeline.files.marketplace import Marketplace, marketplace
from pipeline.files.models_library import named_model
from pipeline.files.picture import decode_picture, read_bytes
from pipeline.files.recipe import Recipe
from pipeline.files.store import Result
from pipeline.types import Json, Picture

if TYPE_CHECKING:
    from masks.evidence import Evidence

log = logging.getLogger(__name__)

Made = tuple[dict[str, bytes], Json]
"""Files and meta of a result, as `Store.put` takes them."""


class ItemWay:
    """One item on its way: what it reads, opened when needed; which stages were executed, and their seconds."""

    def __init__(self, work: Workplace, record: Record) -> None:
        """Reads nothing yet."""
        self.work = work
        self.record = record
        self.item = record.item
        self.executed: Counter[str] = Counter()
        self.timings: dict[str, float] = {}
        self._bytes: bytes | None = None
        self.found: str | None = None  # key of a found mask that is taken as it is, whatever the recipe would find now
        self.for_show = False  # brought to its picture whatever mask and checks are worth: to be looked at or compared

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe with the row's own values and its named model. Raises ItemError for a value that is none."""
        return with_model(self.work.recipe.for_item(self.item))

    @cached_property
    def companions(self) -> tuple[ItemWay, ...]:
        """A way for each further garment of the item's look, which ends with its mask; see `flows.companions`."""
        ways = []
        for phrase, address in self.recipe.garment.companions:
            own = {**self.record.overrides, "subject.phrases": [phrase], "garment.worn_with": []}
            name = PurePosixPath(address).stem or address
            way = ItemWay(self.work, replace(self.record, sku=name, address=address, overrides=own))
            way.executed, way.timings, way.for_show = self.executed, self.timings, self.for_show
            ways.append(way)
        return tuple(ways)

    @cached_property
    def marketplace(self) -> Marketplace:
        """The row of rules that the picture follows."""
        return marketplace(self.recipe.export.marketplace)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the photo's bytes. Raises UnreadableImage if there is no such file."""
        digest, self._bytes = source_digest(self.item.address, self.work.store)
        return digest

    @cached_property
    def picture(self) -> Picture:
        """The decoded photo. Raises UnreadableImage."""
        _ = self.digest
        data, self._bytes = self._bytes or read_bytes(self.item.address), None
        return decode_picture(data, self.item.address)

    @cached_property
    def shelf(self) -> Shelf:
        """Masks that people made."""
        return shelf_of(self.work.address.runs)

    @cached_property
    def place(self) -> Place:
        """Where on the shelf this item's mask lies."""
        return place_of(self.digest, self.recipe.subject.phrases)

    @cached_property
    def word(self) -> Revision | None:
        """What a person last said of this photo's mask, in whatever batch; None if nobody has."""
        return self.shelf.word(self.place)

    @property
    def edited(self) -> Revision | None:
        """The revision whose mask is used in place of a found one."""
        return self.word if self.word is not None and self.word.in_force else None

    @cached_property
    def seed(self) -> int:
        """The seed of the item's first attempt."""
        return self.seed_of(0)

    def seed_of(self, attempt: int) -> int:
        """The seed of an attempt, whatever the item's place in the catalog: one for all views of its group.

        A named model's own seed takes the group's place, so that the same person appears everywhere.
        """
        recipe = self.recipe
        if recipe.kind == "garment" and recipe.garment.model is not None:
            model = named_model(recipe.garment.model)
            return item_seed(recipe.batch.seed, f"model {model.id}", str(model.seed), attempt)
        return item_seed(recipe.batch.seed, recipe.garment.group or self.item.sku, "", attempt)

    @cached_property
    def keys(self) -> StageKeys:
        """The keys of all stages; opens no photo whose digest is known."""
        return make_keys(self)

    def stage(self, name: str, key: str, make: Callable[[], Made]) -> Result:
        """The result of a stage: out of the store, or made and put there."""
        found = self.work.store.get(key, verify=False)
        if found is not None:
            return found
        began = time.perf_counter()
        files, meta = make()
        self.executed[name] += 1
        result = self.work.store.put(key, files, meta)
        # A stage may have several results: one a phrase.
        seconds = time.perf_counter() - began
        self.timings[name] = round(self.timings.get(name, 0.0) + seconds, 4)
        # The batch's log so tells every execution: a second one of the same key would be work done twice.
        log.info("executed %s of %s/%s in %.2f s: %s", name, self.item.sku, self.item.view, seconds, key)
        return result


def item_seed(batch_seed: int, sku: str, view: str, attempt: int = 0) -> int:
    """63-bit seed of one attempt at one item, independent of its place in the catalog and of its neighbours."""
    text = f"{batch_seed}\0{sku}\0{view}\0{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def evidence_of(way: ItemWay) -> Evidence:
    """What the recipe's detector and segmenter saw in the item's photo, in the batch's store."""
    from masks.evidence import Evidence

    wanted, licences = way.recipe.subject, way.recipe.accept_licence
    return Evidence(way.work.store, wanted.detector, wanted.segmenter, accept_licence=licences, stage=way.stage)

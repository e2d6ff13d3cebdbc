"""`seamline tune`: what every threshold would give over a recipe's catalog, from stored scores, as one HTML page."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from flows.siblings import approved_shapes, learned
from flows.sources import source_digest
from flows.workplace import locate_runs, open_files
from masks import ops
from masks.evidence import Evidence, Made
from masks.priors import priors_of
from masks.shelf import shelf_of
from masks.shelf_formats import read_any
from masks.tuned import phrases_to_ask
from masks.tuning import sweep
from masks.tuning_sheet import SheetHead, TunedPhoto, render_sheet
from pipeline.errors import ItemError, RecipeError, SeamlineError, StoreError
from pipeline.files.address import exists, join, read_file, write_file
from pipeline.files.catalog import read_catalog
from pipeline.files.picture import decode_picture, encode_picture, read_bytes
from pipeline.files.preview import shrink
from pipeline.files.recipe import Recipe
from pipeline.files.store import Result, Store, stage_key
from pipeline.types import Image, Item, Mask, Size

if TYPE_CHECKING:
    from masks.detectors.types import RawDetections

SAMPLE = 24
"""Photos that are looked at unless all are asked for."""


@dataclass
class _Bench:
    """What one run of the command holds: the store, what was skipped, how often networks ran."""

    recipe: Recipe
    store: Store
    truth: str | None
    ran: Counter[str] = field(default_factory=Counter)
    detected: int = 0
    skipped: list[str] = field(default_factory=list)

    def stage(self, name: str, key: str, make: Callable[[], Made]) -> Result:
        """A stored result, or a new one, counted."""
        found = self.store.get(key, verify=False)
        if found is None:
            found = self.store.put(key, *make())
            self.ran[name] += 1
        return found


def tune(
    recipe: Recipe,
    file: str,
    *,
    sample: int | None = SAMPLE,
    truth: str | None = None,
    output: str | None = None,
    say: Callable[[str], None] = print,
) -> str:
    """Write the tuning sheet of a recipe and return its address.

    Args:
        recipe: names catalog, phrases, detector and segmenter.
        file: how the recipe was named, for the sheet's foot.
        sample: so many photos, spread evenly over the catalog; None for all.
        truth: folder of true masks, ``SKU.VIEW.png`` or ``SKU.png``.
        output: where the sheet goes; ``tuning-sheet.html`` in the recipe's folder below ``runs`` by default.
        say: prints a line.

    Raises RecipeError for a recipe and a catalog without phrases, SeamlineError if no photo could be looked at.
    """
    began = time.perf_counter()
    runs, url = locate_runs(recipe)
    ledger, store = open_files(runs, url)
    bench = _Bench(recipe, store, truth)
    items = list(read_catalog(recipe.catalog, runs=runs))
    photos = list(_photos(bench, spread(items, sample)))
    if not photos:
        raise SeamlineError(f"no photo could be looked at: {'; '.join(bench.skipped[:3])}")
    head = SheetHead(
        recipe=recipe.name,
        file=file,
        detector=recipe.subject.detector,
        segmenter=recipe.subject.segmenter,
        finder=recipe.subject.finder,
        total=len(items),
        skipped=tuple(bench.skipped),
        seconds=time.perf_counter() - began,
        networks=bench.detected,
        habits=learned(approved_shapes(ledger, shelf_of(runs), recipe.name)),
    )
    address = output or join(runs, recipe.name, "tuning-sheet.html")
    write_file(address, render_sheet(head, photos).encode())
    say(f"{len(photos)} of {len(items)} photos in {head.seconds:.1f} s, {bench.detected} detector runs")
    return address


def spread(items: list[Item], number: int | None) -> list[Item]:
    """So many items, evenly over the catalog: its shelves are often sorted by class."""
    if number is None or number >= len(items):
        return items
    return [items[at * len(items) // number] for at in range(number)]


def _photos(bench: _Bench, items: list[Item]) -> Iterator[TunedPhoto]:
    for item in items:
        try:
            yield _photo(bench, item)
        except ItemError as error:
            bench.skipped.append(str(error))
    if bench.skipped and len(bench.skipped) == len(items) and all("no phrases" in words for words in bench.skipped):
        raise RecipeError("there is nothing to tune: say under subject.phrases what the product is")


def _photo(bench: _Bench, item: Item) -> TunedPhoto:
    recipe = bench.recipe.for_item(item)
    wanted = recipe.subject
    if not wanted.phrases:
        raise ItemError(f"{item.sku}: it has no phrases; give subject.phrases or a catalog column phrases")
    digest, data = source_digest(item.address, bench.store)
    opened = partial(_open, item.address, data)
    evidence = Evidence(
        bench.store, wanted.detector, wanted.segmenter, accept_licence=recipe.accept_licence, stage=bench.stage
    )
    before = bench.ran["scores"]
    raw = evidence.scores(digest, opened, phrases_to_ask(wanted.phrases, wanted.exclude))
    bench.detected += bench.ran["scores"] > before
    embedding = evidence.embedding(digest, opened)
    tuned = evidence.tuned(
        digest,
        opened,
        wanted.phrases,
        exclude=wanted.exclude,
        floors=wanted.floors,
        parts=wanted.parts,
        priors=priors_of(wanted.usual_area, wanted.usual_aspect),
    )
    truth = _truth(bench, item, raw)
    merged = wanted.parts == "merged"
    plateaus = sweep(
        raw, evidence.segmenter, embedding, wanted.phrases, exclude=wanted.exclude, merged=merged, truth=truth
    )
    return TunedPhoto(
        sku=item.sku,
        view=item.view,
        phrases=tuple(wanted.phrases),
        thumb=_thumb(bench, digest, opened),
        plateaus=plateaus,
        fixed=None if wanted.box_threshold == "auto" else wanted.box_threshold,
        auto=tuned.threshold if tuned.present else None,
        confidence=tuned.confidence if tuned.present else None,
        reasons=tuned.reasons,
        auto_iou=None if truth is None else ops.iou(tuned.mask, ops.resized(truth, raw.size)),
    )


def _open(address: str, data: bytes | None) -> Image:
    return decode_picture(data if data is not None else read_bytes(address), address).image


def _thumb(bench: _Bench, digest: str, opened: Callable[[], Image]) -> bytes:
    """A small picture of the photo, stored: the sheet opens no photo twice."""

    def make() -> Made:
        return {"thumb.jpg": encode_picture(shrink(opened()), file_format="jpeg", quality=85)}, None

    return bench.stage("thumb", stage_key("thumb", 1, None, [digest]), make).read("thumb.jpg")


def _truth(bench: _Bench, item: Item, raw: RawDetections) -> Mask | None:
    if bench.truth is None:
        return None
    names = [f"{item.sku}.{item.view}.png", f"{item.sku}.png"]
    found = next((join(bench.truth, name) for name in names if exists(join(bench.truth, name))), None)
    return None if found is None else _read_truth(found, raw.size)


def _read_truth(address: str, size: Size) -> Mask:
    try:
        mask: Mask = read_any(read_file(address), size=size) >= 128
    except StoreError as error:
        raise SeamlineError(f"{address}: {error}") from error
    return mask

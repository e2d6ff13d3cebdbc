"""The way of one item, stage by stage. Thin: load by key, call one function, save. Numbers are decided elsewhere.

    photo -> subject -> (parked, if unsure) -> compose -> export -> checks -> preview

The result of each stage is stored under a key of all that decides it. Keys are made of keys, never of pixels, so what
is left to do is known without opening a photo.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version

from flows.sources import source_digest
from flows.workplace import Workplace
from pipeline.errors import NothingFound
from pipeline.files.address import exists, join
from pipeline.files.ledger import Record
from pipeline.files.marketplace import Marketplace, file_name, marketplace
from pipeline.files.picture import decode_picture, read_bytes, read_picture
from pipeline.files.recipe import Recipe
from pipeline.files.store import Result, stage_key
from pipeline.types import Image, ItemState, Json, Picture, Subject

VERSIONS = {"subject": 1, "compose": 1, "export": 1, "checks": 1, "preview": 1}
"""Raise a stage's number when its code makes other results of the same inputs: they are then made anew."""

Made = tuple[dict[str, bytes], Json]
"""Files and meta of a result, as `Store.put` takes them."""


@dataclass(frozen=True, kw_only=True)
class StageKeys:
    """Keys of an item's results by stage."""

    subject: str
    compose: str
    export: str
    checks: str


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an item's way ended: finished with a picture (``data``, ``name``), or parked with a ``reason``."""

    keys: Mapping[str, str]
    scores: Mapping[str, Json]
    confidence: float
    reason: str | None = None
    name: str = ""
    data: bytes = field(default=b"", repr=False)


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

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe with the row's own values. Raises ItemError for a value that is none."""
        return self.work.recipe.for_item(self.item)

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
    def seed(self) -> int:
        """The item's own seed: of the batch's seed, SKU and view, whatever its place in the catalog."""
        return item_seed(self.recipe.batch.seed, self.item.sku, self.item.view)

    @cached_property
    def keys(self) -> StageKeys:
        """The keys of all stages; opens no photo whose digest is known."""
        return _stage_keys(self)

    def stage(self, name: str, key: str, make: Callable[[], Made]) -> Result:
        """The result of a stage: out of the store, or made and put there."""
        found = self.work.store.get(key, verify=False)
        if found is not None:
            return found
        began = time.perf_counter()
        files, meta = make()
        self.executed[name] += 1
        result = self.work.store.put(key, files, meta)
        self.timings[name] = round(time.perf_counter() - began, 4)
        return result


def item_seed(batch_seed: int, sku: str, view: str, attempt: int = 0) -> int:
    """63-bit seed of one attempt at one item, independent of its place in the catalog and of its neighbours."""
    text = f"{batch_seed}\0{sku}\0{view}\0{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def walk(way: ItemWay) -> Ending:
    """Take an item to its end. Raises ItemError, ModelError or StoreError."""
    found = way.stage("subject", way.keys.subject, lambda: _find(way))
    confidence = float(found.meta["confidence"])
    scores = {"finder": found.meta["finder"], "reasons": found.meta["reasons"]}
    approved = way.record.state is ItemState.APPROVED
    if confidence < way.recipe.subject.park_below and not approved:
        reason = f"mask confidence {confidence:.2f} is under park_below {way.recipe.subject.park_below:g}"
        return _parked(way, found, reason, scores)
    composed = way.stage("compose", way.keys.compose, lambda: _compose(way, found))
    exported = way.stage("export", way.keys.export, lambda: _export(way, composed))
    checked = way.stage("checks", way.keys.checks, lambda: _check(way, exported))
    scores |= {"notes": [*composed.meta["notes"], *exported.meta["notes"], *checked.meta["notes"]]}
    scores |= composed.meta["measures"]
    if checked.meta["errors"] and not approved:
        return _parked(way, found, "the finished picture: " + "; ".join(checked.meta["errors"]), scores)
    preview = _preview(way, found, exported)
    name = file_name(way.marketplace, way.item.sku, way.item.view, file_format=exported.meta["file_format"])
    return Ending(
        keys={**asdict(way.keys), "preview": preview.key},
        scores=scores,
        confidence=confidence,
        name=name,
        data=exported.read("picture"),
    )


def _parked(way: ItemWay, found: Result, reason: str, scores: Mapping[str, Json]) -> Ending:
    preview = _preview(way, found, None)
    keys = {"subject": found.key, "preview": preview.key}
    return Ending(keys=keys, scores=scores, confidence=float(found.meta["confidence"]), reason=reason)


def _stage_keys(way: ItemWay) -> StageKeys:
    recipe = way.recipe
    what = recipe.subject.model_dump(mode="json", exclude={"park_below", "masks"})
    subject = _key("subject", what, [way.digest, *_mask_digest(way)])
    look = {
        "background": recipe.background.model_dump(mode="json", exclude={"picture", "prompt"}),
        "shadow": recipe.shadow.model_dump(mode="json"),
        "upscale": recipe.upscale.model_dump(mode="json"),
        "marketplace": way.marketplace.model_dump(mode="json", include=_FRAMING),
        "longest_px": recipe.export.longest_px,
        "seed": way.seed,
    }
    compose = _key("compose", look, [subject, *_backdrop_digest(way)])
    file = {
        "recipe": recipe.name,
        "seed": way.seed,
        "sku": way.item.sku,
        "view": way.item.view,
        "marketplace": way.marketplace.model_dump(mode="json", exclude=_PROSE),
        "format": recipe.export.format,
        "quality": recipe.export.quality,
    }
    export = _key("export", file, [compose, way.digest])
    checks = _key("checks", {"marketplace": way.marketplace.model_dump(mode="json", exclude=_PROSE)}, [export])
    return StageKeys(subject=subject, compose=compose, export=export, checks=checks)


_FRAMING = {
    "aspect",
    "advised_px",
    "max_px",
    "min_px",
    "min_short_px",
    "fill_low",
    "fill_high",
    "fill_target",
    "background",
}
_PROSE = {"title", "people", "page", "url", "read_on", "verified"}


def _key(stage: str, recipe_slice: Json, inputs: list[str], fingerprint: str = "") -> str:
    return stage_key(stage, VERSIONS[stage], recipe_slice, inputs, fingerprint)


def _mask_address(way: ItemWay) -> str | None:
    """The item's mask file: ``SKU.VIEW.png``, else ``SKU.png``. `finder: file` needs one, `auto` takes it if there."""
    folder, finder = way.recipe.subject.masks, way.recipe.subject.finder
    if finder not in ("file", "auto") or folder is None:
        return None
    names = [f"{way.item.sku}.{way.item.view}.png", f"{way.item.sku}.png"]
    found = next((join(folder, name) for name in names if exists(join(folder, name))), None)
    if found is None and finder == "file":
        raise NothingFound(f"{way.item.sku}/{way.item.view}: {folder} has neither {names[0]} nor {names[1]}")
    return found


def _mask_digest(way: ItemWay) -> list[str]:
    address = _mask_address(way)
    return [source_digest(address, way.work.store)[0]] if address else []


def _backdrop_digest(way: ItemWay) -> list[str]:
    picture = way.recipe.background.picture
    return [source_digest(picture, way.work.store)[0]] if _has_picture(way.recipe) and picture else []


def _has_picture(recipe: Recipe) -> bool:
    return recipe.background.kind == "picture"


def _find(way: ItemWay) -> Made:
    from masks.find import find_subject
    from pipeline.files.codec import pack_subject

    address = _mask_address(way)
    subject = find_subject(
        way.picture,
        finder=way.recipe.subject.finder,
        phrases=way.recipe.subject.phrases,
        mask_file=read_bytes(address) if address else None,
    )
    files, meta = pack_subject(subject)
    return files, {**meta, "picture_notes": list(way.picture.notes)}


def _subject(found: Result) -> Subject:
    from pipeline.files.codec import unpack_subject

    return unpack_subject(found)


def _compose(way: ItemWay, found: Result) -> Made:
    from pipeline.background import BackgroundSpec, ShadowSpec, compose
    from pipeline.files.codec import encode_image
    from pipeline.files.export import canvas_size

    recipe, row, background = way.recipe, way.marketplace, way.recipe.background
    backdrop = read_picture(background.picture).image if _has_picture(recipe) and background.picture else None
    composed = compose(
        way.picture,
        _subject(found),
        canvas=canvas_size(row, recipe.export.longest_px, source=way.picture.image.shape[:2]),
        fill=row.fill_target,
        background=BackgroundSpec(
            kind=background.kind, color=background.color, color_to=background.color_to, picture=backdrop
        ),
        shadow=ShadowSpec(kind=recipe.shadow.kind, strength=recipe.shadow.strength, softness=recipe.shadow.softness),
        seed=way.seed,
        enlarge=_enlarger(recipe),
        max_growth=recipe.upscale.max_growth,
    )
    meta = {
        "notes": [*way.picture.notes, *composed.notes],
        "measures": {"growth": round(composed.growth, 4)},
        "digital_source": "compositeCapture" if backdrop is not None else "algorithmicallyEnhanced",
    }
    return {"image.png": encode_image(composed.image)}, meta


def _enlarger(recipe: Recipe) -> Callable[[Image, float], Image]:
    """Enlarging as the recipe's `upscale` says; its model is loaded when a picture first needs it."""
    from pipeline.passes.upscale import upscale

    how = recipe.upscale
    return lambda image, growth: upscale(image, growth, model=how.model)


def _export(way: ItemWay, composed: Result) -> Made:
    from pipeline.files.codec import decode_image
    from pipeline.files.export import export_picture
    from pipeline.files.provenance import Provenance, combined_source, read_provenance

    before = read_provenance(read_bytes(way.item.address))
    provenance = Provenance(
        digital_source=combined_source(before.digital_source if before else None, composed.meta["digital_source"]),
        generated_person=before.generated_person if before else False,
        sku=way.item.sku,
        view=way.item.view,
        recipe=way.recipe.name,
        seed=way.seed,
        mask_revision="0",
        seamline_version=version("seamline"),
        source_digest=way.digest,
    )
    exported = export_picture(
        decode_image(composed.read("image.png")),
        way.marketplace,
        file_format=way.recipe.export.format,
        quality=way.recipe.export.quality,
        provenance=provenance,
    )
    meta = {"file_format": exported.file_format, "quality": exported.quality, "notes": list(exported.notes)}
    return {"picture": exported.data}, meta


def _check(way: ItemWay, exported: Result) -> Made:
    from pipeline.files.lint import lint_picture

    findings = lint_picture(exported.read("picture"), f"{way.item.sku}/{way.item.view}", way.marketplace)
    errors = [str(finding) for finding in findings if finding.severity == "error"]
    return {}, {"errors": errors, "notes": [str(finding) for finding in findings if finding.severity != "error"]}


def _preview(way: ItemWay, found: Result, exported: Result | None) -> Result:
    from pipeline.files.preview import previews

    def make() -> Made:
        finished = decode_picture(exported.read("picture"), "the finished picture").image if exported else None
        return previews(way.picture.image, _subject(found).alpha, finished), None

    inputs = [found.key, exported.key] if exported else [found.key]
    return way.stage("preview", _key("preview", None, inputs), make)

"""One item on its way: what it reads, the keys of its stages, what was executed and how long it took.

Keys are made of keys and of the recipe's fields, never of pixels, so what is left to do is known without opening a
photo.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from flows.casting import with_model
from flows.references import reference_checkpoint, reference_digest
from flows.sources import source_digest
from flows.workplace import Workplace
from masks.shelf import Place, Revision, Shelf, place_of, shelf_of
from pipeline.errors import NothingFound
from pipeline.files.address import exists, join
from pipeline.files.ledger import Record
from pipeline.files.marketplace import Marketplace, marketplace
from pipeline.files.models_library import named_model
from pipeline.files.picture import decode_picture, read_bytes
from pipeline.files.recipe import Recipe
from pipeline.files.recipe_controls import control_uses
from pipeline.files.store import Result, stage_key
from pipeline.types import Json, Picture

if TYPE_CHECKING:
    from masks.evidence import Evidence

log = logging.getLogger(__name__)

VERSIONS = {"subject": 7, "figure": 4, "paint": 6, "place": 3, "compose": 3, "export": 1, "checks": 1, "preview": 2}
"""Raise a stage's number when its code makes other results of the same inputs: they are then made anew."""

Made = tuple[dict[str, bytes], Json]
"""Files and meta of a result, as `Store.put` takes them."""


@dataclass(frozen=True, kw_only=True)
class StageKeys:
    """Keys of an item's results by stage; empty for the stages that its kind of recipe does not have."""

    subject: str
    place: str
    compose: str
    export: str
    checks: str
    figure: str = ""
    paint: str = ""

    def named(self) -> dict[str, str]:
        """The keys of the stages that this item has, by stage."""
        return {stage: key for stage, key in asdict(self).items() if key}


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


def make_keys(way: ItemWay) -> StageKeys:
    """The keys of all stages of an item. Raises ItemError for a row, a photo or a mask file that is not there."""
    recipe, subject = way.recipe, _subject_key(way)
    if recipe.kind == "garment":
        return _garment_keys(way, subject)
    framing = {
        "marketplace": way.marketplace.model_dump(mode="json", include=_FRAMING),
        "longest_px": recipe.export.longest_px,
        "max_growth": recipe.upscale.max_growth,
    }
    place = _place_key(way, subject, framing) if is_generated(recipe) else ""
    look = {
        "background": recipe.background.model_dump(mode="json", exclude={"picture", "prompt"}),
        "shadow": recipe.shadow.model_dump(mode="json"),
        "upscale": recipe.upscale.model_dump(mode="json"),
        "marketplace": way.marketplace.model_dump(mode="json", include=_FRAMING),
        "longest_px": recipe.export.longest_px,
        "seed": way.seed,
    }
    compose = key_of("compose", look, [subject, *_backdrop_digest(way), *([place] if place else [])])
    export, checks = _file_keys(way, compose)
    return StageKeys(subject=subject, place=place, compose=compose, export=export, checks=checks)


def _file_keys(way: ItemWay, compose: str) -> tuple[str, str]:
    """The keys of `export` and `checks`, which all kinds of recipes have."""
    recipe = way.recipe
    file = {
        "recipe": recipe.name,
        "seed": way.seed,
        "sku": way.item.sku,
        "view": way.item.view,
        "marketplace": way.marketplace.model_dump(mode="json", exclude=_PROSE),
        "format": recipe.export.format,
        "quality": recipe.export.quality,
    }
    export = key_of("export", file, [compose, way.digest])
    checks = key_of("checks", {"marketplace": way.marketplace.model_dump(mode="json", exclude=_PROSE)}, [export])
    return export, checks


def _garment_keys(way: ItemWay, subject: str) -> StageKeys:
    """A garment's stages: other words or seeds paint anew, another enlarger only joins anew."""
    from pipeline.models.annotators import ANNOTATORS
    from pipeline.models.checkpoints import checkpoint

    recipe, wanted = way.recipe, way.recipe.generate
    mode = recipe.garment.mode
    room = None if mode == "keep" else {"mode": mode, "relax": recipe.subject.relax}
    figure = key_of("figure", room, [subject, way.digest])
    nets = checkpoint(wanted.checkpoint, role="generator").controlnets
    garment = recipe.garment.model_dump(mode="json", exclude={"mix", "group"})  # they decide model and seed alone
    what = {
        "garment": _unless_off(garment, "soft_edge"),
        "wearing": recipe.garment.wearing or recipe.subject.phrases,
        "place": recipe.background.prompt,
        "generate": wanted.model_dump(mode="json", exclude=_BY_DIGEST),
        "seed": way.seed,
    }
    kinds = [use.kind for use in control_uses(recipe.garment.controls) if use.kind in nets]
    names = [wanted.checkpoint, *(nets[kind] for kind in kinds)]
    names += [ANNOTATORS[kind].checkpoint for kind in kinds if kind in ANNOTATORS]
    names += [adapter] if (adapter := reference_checkpoint(way)) else []
    paint = key_of("paint", what, [figure, *reference_digest(way)], "+".join(map(_weights, names)))
    compose = key_of("compose", recipe.upscale.model_dump(mode="json"), [paint])
    export, checks = _file_keys(way, compose)
    return StageKeys(
        subject=subject, place="", figure=figure, paint=paint, compose=compose, export=export, checks=checks
    )


def _unless_off(fields: dict[str, Json], *names: str) -> dict[str, Json]:
    """The fields without those of ``names`` that are 0 or empty: what is switched off decides nothing."""
    return {name: value for name, value in fields.items() if value or name not in names}


def asks_detector(finder: str, phrases: Sequence[str]) -> bool:
    """Whether phrases may be looked for: `grounding_dino` always does, `auto` where they name something worn."""
    from masks.priors import default_prior

    return finder == "grounding_dino" or (finder == "auto" and any(default_prior(one).worn for one in phrases))


def _subject_key(way: ItemWay) -> str:
    if way.edited is not None:  # whatever the recipe would find
        return key_of("subject", None, [way.digest, way.edited.id])
    if way.found is not None:
        return way.found
    wanted = way.recipe.subject
    named = asks_detector(wanted.finder, wanted.phrases)
    what = wanted.model_dump(mode="json", include={"finder", "phrases"} | (_DETECTOR_FIELDS if named else set()))
    if named and wanted.box_threshold == "auto":
        from masks.judge import weights_digest

        what["judge"] = weights_digest()
    weights = "".join(_weights(name) for name in (wanted.detector, wanted.segmenter) if named)
    return key_of("subject", what, [way.digest, *_mask_digest(way)], weights)


def _place_key(way: ItemWay, subject: str, framing: Json) -> str:
    """The place depends on what stands where, the words, how they are sampled and the weights; not on the shadow."""
    wanted = way.recipe.generate
    what = {
        **framing,
        "prompt": way.recipe.background.prompt,
        "generate": wanted.model_dump(mode="json", exclude=_BY_DIGEST),
        "seed": way.seed,
    }
    names = [wanted.checkpoint, *([adapter] if (adapter := reference_checkpoint(way)) else [])]
    return key_of("place", what, [subject, *reference_digest(way)], "+".join(map(_weights, names)))


_BY_DIGEST = {"checkpoint", "reference"}
"""Fields of `generate` whose files count by what is in them, wherever they lie."""
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


def key_of(stage: str, recipe_slice: Json, inputs: list[str], fingerprint: str = "") -> str:
    """`stage_key` with the stage's version."""
    return stage_key(stage, VERSIONS[stage], recipe_slice, inputs, fingerprint)


_DETECTOR_FIELDS = {
    "exclude",
    "detector",
    "segmenter",
    "box_threshold",
    "text_threshold",
    "floors",
    "parts",
    "every_word",
    "usual_area",
    "usual_aspect",
}


@lru_cache(maxsize=8)
def _weights(name: str) -> str:
    """Digest of a checkpoint's files. Raises WeightsMissing."""
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.weights import fingerprint

    return fingerprint(checkpoint(name))


def evidence_of(way: ItemWay) -> Evidence:
    """What the recipe's detector and segmenter saw in the item's photo, in the batch's store."""
    from masks.evidence import Evidence

    wanted, licences = way.recipe.subject, way.recipe.accept_licence
    return Evidence(way.work.store, wanted.detector, wanted.segmenter, accept_licence=licences, stage=way.stage)


def mask_address(way: ItemWay) -> str | None:
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
    address = mask_address(way)
    return [source_digest(address, way.work.store)[0]] if address else []


def _backdrop_digest(way: ItemWay) -> list[str]:
    picture = way.recipe.background.picture
    return [source_digest(picture, way.work.store)[0]] if has_picture(way.recipe) and picture else []


def has_picture(recipe: Recipe) -> bool:
    """Whether the backdrop is a picture."""
    return recipe.background.kind == "picture"


def is_generated(recipe: Recipe) -> bool:
    """Whether a model draws the backdrop."""
    return recipe.background.kind == "generated"


def uses_generator(recipe: Recipe) -> bool:
    """Whether a model generates pixels of the picture."""
    return recipe.kind == "garment" or is_generated(recipe)

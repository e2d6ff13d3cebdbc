"""The keys of an item's stages: what decides each of them, made of other keys and of the recipe's fields.

No key is made of pixels, so what is left to do is known without opening a photo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from flows.references import reference_checkpoint, reference_digest
from flows.sources import source_digest
from pipeline.errors import NothingFound
from pipeline.files.address import exists, join
from pipeline.files.recipe import Recipe
from pipeline.files.recipe_checks import REFINEMENTS
from pipeline.files.recipe_controls import ControlUse, control_uses, drawn_by
from pipeline.files.recipe_generation import GenerateSection
from pipeline.files.store import stage_key
from pipeline.types import Json

if TYPE_CHECKING:
    from flows.way import ItemWay

VERSIONS = {
    "subject": 16,
    "figure": 12,
    "paint": 18,
    "place": 3,
    "refine": 1,
    "compose": 7,
    "export": 1,
    "checks": 1,
    "preview": 2,
}
"""Raise a stage's number when its code makes other results of the same inputs: they are then made anew."""


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
    refine: str = ""

    def named(self) -> dict[str, str]:
        """The keys of the stages that this item has, by stage."""
        return {stage: key for stage, key in asdict(self).items() if key}


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
        "background": recipe.background.model_dump(mode="json", exclude={"picture", "prompt", "controls"}),
        "shadow": recipe.shadow.model_dump(mode="json"),
        "upscale": recipe.upscale.model_dump(mode="json", exclude=set(REFINEMENTS)),
        "marketplace": way.marketplace.model_dump(mode="json", include=_FRAMING),
        "longest_px": recipe.export.longest_px,
        "seed": way.seed,
    }
    refine = ""
    if place and recipe.upscale.refine:
        refine = key_of("refine", {"refine": recipe.upscale.refine}, [place], _refining_weights(way))
    compose = key_of("compose", look, [subject, *_backdrop_digest(way), *filter(None, (place, refine))])
    export, checks = _file_keys(way, compose)
    return StageKeys(subject=subject, place=place, refine=refine, compose=compose, export=export, checks=checks)


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
    from pipeline.models.checkpoints import checkpoint

    recipe, wanted = way.recipe, way.recipe.generate
    mode = recipe.garment.mode
    room: dict[str, Json] | None = None if mode == "keep" else {"mode": mode, "relax": recipe.subject.relax}
    reader = drawn_by(recipe.garment.controls).get("pose")
    room = {**(room or {}), "pose": reader} if reader else room
    words = [*recipe.subject.phrases, *(phrase for phrase, _ in recipe.garment.companions)]
    if room is not None and mode == "place":
        room["phrases"] = words  # they say how a garment is cut, and in which order several lie
    further = [part for one in way.companions for part in (one.keys.subject, one.digest)]
    figure = key_of("figure", room, [subject, way.digest, *further], _weights(reader) if reader else "")
    nets = checkpoint(wanted.checkpoint, role="generator").controlnets
    garment = recipe.garment.model_dump(mode="json", exclude={"mix", "group", "worn_with"})  # these decide other keys
    what = {
        "garment": _unless_off(garment, "soft_edge"),
        "wearing": recipe.garment.wearing or words,
        "place": recipe.background.prompt,
        "generate": _sampling(wanted),
        "seed": way.seed,
    }
    names = [wanted.checkpoint, *_control_parts(nets, control_uses(recipe.garment.controls))]
    names += [adapter] if (adapter := reference_checkpoint(way)) else []
    paint = key_of("paint", what, [figure, *reference_digest(way)], "+".join(map(_weights, names)))
    enlarging = _unless_off(recipe.upscale.model_dump(mode="json"), *REFINEMENTS)
    compose = key_of("compose", enlarging, [paint], _refining_weights(way) if REFINEMENTS & enlarging.keys() else "")
    export, checks = _file_keys(way, compose)
    return StageKeys(
        subject=subject, place="", figure=figure, paint=paint, compose=compose, export=export, checks=checks
    )


def _control_parts(nets: Mapping[str, str], uses: Sequence[ControlUse]) -> list[str]:
    """Rows of what reads and draws the maps of ``uses``, those that a checkpoint has ``nets`` for."""
    from pipeline.models.annotators import ANNOTATORS, annotator_of

    known = [use for use in uses if use.kind in nets]
    drawn = [annotator_of(use.kind, use.by).checkpoint for use in known if use.kind in ANNOTATORS]
    return [*(nets[use.kind] for use in known), *drawn]


def _refining_weights(way: ItemWay) -> str:
    """Digests of what refines: the checkpoint, and the ControlNet by which it does. Raises WeightsMissing."""
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.refining import detail_control

    wanted = way.recipe.generate
    row = checkpoint(wanted.checkpoint, role="generator")
    kind = detail_control(row, reference=wanted.reference is not None)
    return "+".join(map(_weights, [row.id, *([row.controlnets[kind]] if kind else [])]))


def _sampling(wanted: GenerateSection) -> dict[str, Json]:
    """What decides generated pixels beside the files that count by their digests.

    A compiled network fuses layers and rounds in other places, and in bfloat16 on a processor its layers and attention
    are not those of `on_cpu`: its pictures are others, and another candidate may win. `compile` counts where it is on.
    """
    return _unless_off(wanted.model_dump(mode="json", exclude=_BY_DIGEST | _HOW), "compile")


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
    if way.recipe.kind == "garment" and way.recipe.garment.mode == "place":
        what["worn"] = False  # nobody's skin is looked for
    weights = "".join(_weights(name) for name in (wanted.detector, wanted.segmenter) if named)
    return key_of("subject", what, [way.digest, *_mask_digest(way)], weights)


def _place_key(way: ItemWay, subject: str, framing: Json) -> str:
    """The place depends on what stands where, the words, how they are sampled and the weights; not on the shadow."""
    from pipeline.models.checkpoints import checkpoint

    wanted, uses = way.recipe.generate, control_uses(way.recipe.background.controls)
    what = {
        **framing,
        "prompt": way.recipe.background.prompt,
        "generate": _sampling(wanted),
        "seed": way.seed,
    }
    what |= {"controls": [use.model_dump(mode="json") for use in uses]} if uses else {}
    nets = checkpoint(wanted.checkpoint, role="generator").controlnets
    names = [wanted.checkpoint, *_control_parts(nets, uses)]
    names += [adapter] if (adapter := reference_checkpoint(way)) else []
    return key_of("place", what, [subject, *reference_digest(way)], "+".join(map(_weights, names)))


_BY_DIGEST = {"checkpoint", "reference"}
"""Fields of `generate` whose files count by what is in them, wherever they lie."""
_HOW = {"batch"}
"""Fields of `generate` that change how fast pictures are made, and nothing but rounding in them."""
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

"""The stages of an item. Thin: load by key, call one function, save. Numbers are decided elsewhere.

photo -> subject -> (parked, if unsure) -> compose -> export -> checks -> preview
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from flows.companions import claimed, companion_preview, find_companions
from flows.finding import detector_of, evidence_keys
from flows.garments import garment_previews, garment_subject, restage
from flows.keys import has_picture, is_generated, key_of, mask_address, uses_generator
from flows.modes import MODES
from flows.places import place_painter
from flows.references import reference_told
from flows.way import ItemWay, Made
from masks.shelf_use import has_passed, stale_words, subject_from, trusts
from pipeline.errors import SeamlineError
from pipeline.files.marketplace import file_name
from pipeline.files.picture import decode_picture, read_bytes, read_picture
from pipeline.files.recipe import Recipe
from pipeline.files.store import Result
from pipeline.types import Image, ItemState, Json, Subject

if TYPE_CHECKING:
    from pipeline.background import Composed


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an item's way ended: finished with a picture (``data``, ``name``), or parked with a ``reason``."""

    keys: Mapping[str, str]
    scores: Mapping[str, Json]
    confidence: float
    reason: str | None = None
    name: str = ""
    data: bytes = field(default=b"", repr=False)


def walk(way: ItemWay) -> Ending:
    """Take an item to its end. Raises ItemError, ModelError or StoreError."""
    found = way.stage("subject", way.keys.subject, lambda: _find(way))
    confidence = float(found.meta["confidence"])
    stale = stale_words(way.shelf, way.item.sku, way.item.view, way.place)
    scores = {"finder": found.meta["finder"], "reasons": [*found.meta["reasons"], *stale]}
    trusted = way.for_show or way.record.state is ItemState.APPROVED or trusts(way.word, found.key)
    if confidence < way.recipe.subject.park_below and not trusted:
        reason = f"mask confidence {confidence:.2f} is under park_below {way.recipe.subject.park_below:g}"
        return _parked(way, found, reason, scores)
    if doubt := find_companions(way, _find):
        return _parked(way, found, doubt, scores)
    if way.recipe.kind == "garment":
        composed = restage(way, found, enlarger)
    else:
        composed = way.stage("compose", way.keys.compose, lambda: _compose(way, found))
    problems = composed.meta.get("problems", [])
    notes: list[Json] = [*composed.meta["notes"]]
    scores |= {"notes": notes, **composed.meta["measures"]}
    passed = has_passed(way.word, composed.digest("image.png"))
    if problems and not passed and not way.for_show:
        return _parked(way, found, "; ".join(problems), scores, composed)
    exported = way.stage("export", way.keys.export, lambda: _export(way, composed))
    checked = way.stage("checks", way.keys.checks, lambda: _check(way, composed, exported))
    notes += [*exported.meta["notes"], *checked.meta["notes"]]
    errors = [*problems, *checked.meta["errors"]]
    if errors and not passed and not way.for_show:
        return _parked(way, found, "the finished picture: " + "; ".join(errors), scores, composed)
    notes += _overruled(way, errors, passed=passed)
    preview = _preview(way, found, exported, composed)
    name = file_name(way.marketplace, way.item.sku, way.item.view, file_format=exported.meta["file_format"])
    return Ending(
        keys={**way.keys.named(), "preview": preview.key},
        scores=scores,
        confidence=confidence,
        name=name,
        data=exported.read("picture"),
    )


def _overruled(way: ItemWay, errors: list[str], *, passed: bool) -> list[str]:
    """What the checks say of a picture that is finished all the same."""
    if not errors:
        return []
    said = f"approved by {way.word.note.by} as it is" if passed and way.word is not None else "would be parked"
    return [f"{said}: {error}" for error in errors]


def _parked(
    way: ItemWay,
    found: Result,
    reason: str,
    scores: Mapping[str, Json],
    composed: Result | None = None,
) -> Ending:
    preview = _preview(way, found, None, composed)
    made = {"compose": composed.key} if composed is not None else {}
    keys = {"subject": found.key, **made, "preview": preview.key, **evidence_keys(way)}
    return Ending(keys=keys, scores=scores, confidence=float(found.meta["confidence"]), reason=reason)


def _find(way: ItemWay) -> Made:
    from masks.find import find_subject
    from pipeline.files.codec import pack_subject

    if way.edited is not None:
        files, meta = pack_subject(subject_from(way.shelf, way.edited, way.picture))
        return files, {**meta, "picture_notes": list(way.picture.notes)}
    if way.recipe.kind == "garment" and way.recipe.subject.finder == "grounding_dino":
        files, meta = pack_subject(garment_subject(way, detector_of(way)))
        return files, {**meta, "picture_notes": list(way.picture.notes)}
    address = mask_address(way)
    subject = find_subject(
        way.picture,
        finder=way.recipe.subject.finder,
        phrases=way.recipe.subject.phrases,
        mask_file=read_bytes(address) if address else None,
        detector=detector_of(way),
    )
    if _off_its_wearer(way, subject.finder):
        from masks.garment import with_own_edge

        subject = with_own_edge(way.picture, subject)
    files, meta = pack_subject(subject)
    return files, {**meta, "picture_notes": list(way.picture.notes)}


def _off_its_wearer(way: ItemWay, finder: str) -> bool:
    """Whether the subject is a garment that the detector saw on somebody or on a stand: without a floor under it."""
    from masks.find import names_garment

    return finder == "grounding_dino" and names_garment(way.recipe.subject.phrases)


def _subject(found: Result) -> Subject:
    from pipeline.files.codec import unpack_subject

    return unpack_subject(found)


def _compose(way: ItemWay, found: Result) -> Made:
    from pipeline.background import BackgroundSpec, ShadowSpec, compose
    from pipeline.files.codec import encode_image
    from pipeline.files.export import canvas_size

    recipe, row, background = way.recipe, way.marketplace, way.recipe.background
    shadow = ShadowSpec(**recipe.shadow.model_dump())
    backdrop = read_picture(background.picture).image if has_picture(recipe) and background.picture else None
    photo = way.picture.image
    enlarged_by: list[str] = []
    composed = compose(
        way.picture,
        _subject(found),
        canvas=canvas_size(row, recipe.export.longest_px, source=(photo.shape[0], photo.shape[1])),
        fill=row.fill_target,
        background=BackgroundSpec(
            kind=background.kind,
            color=background.color,
            color_to=background.color_to,
            picture=backdrop,
            defocus=background.defocus,
        ),
        shadow=replace(shadow, hangs=shadow.hangs or _off_its_wearer(way, found.meta["finder"])),
        seed=way.seed,
        enlarge=enlarger(recipe, enlarged_by),
        max_growth=recipe.upscale.max_growth,
        paint_place=place_painter(way) if is_generated(recipe) else None,
    )
    meta = {
        "notes": [*way.picture.notes, *composed.notes, *(f"enlarged by {name}" for name in enlarged_by)],
        "measures": {"growth": round(composed.growth, 4), **_measures(composed, recipe), **_told(way)},
        "digital_source": _digital_source(recipe),
    }
    return {"image.png": encode_image(composed.image)}, meta


def _digital_source(recipe: Recipe) -> str:
    if is_generated(recipe):
        return "compositeWithTrainedAlgorithmicMedia"
    return "compositeCapture" if has_picture(recipe) else "algorithmicallyEnhanced"


def _told(way: ItemWay) -> dict[str, Json]:
    """What a record says of a generated backdrop: its reference, and how many tiles of it were refined."""
    if not is_generated(way.recipe):
        return {}
    refined = way.work.store.get(way.keys.refine) if way.keys.refine else None
    return reference_told(way) | ({"refined_tiles": refined.meta["refined_tiles"]} if refined is not None else {})


def _measures(composed: Composed, recipe: Recipe) -> dict[str, float]:
    from pipeline.pixels.checks import backdrop_error, fill_share
    from pipeline.pixels.color import parse_color

    measures: dict[str, float] = {"fill": round(fill_share(composed.product_mask), 4)}
    if recipe.background.kind == "solid":
        color = parse_color(recipe.background.color)
        # The whole soft edge is product: a subject that the photo cuts reaches the border with it.
        measures["backdrop_error"] = backdrop_error(composed.image, composed.product_alpha > 0, color)
    return measures


def enlarger(recipe: Recipe, used: list[str]) -> Callable[[Image, float], Image]:
    """Enlarging as the recipe's `upscale` says. The model is loaded when first needed, and named in ``used``."""

    def enlarge(image: Image, growth: float) -> Image:
        from pipeline.models.devices import choose_device
        from pipeline.passes.upscale import choose_model, upscale

        how = recipe.upscale
        device = "cpu" if how.model == "lanczos" else choose_device()
        source_px = image.shape[0] * image.shape[1]
        model = choose_model(growth, how.model, lanczos_until=how.lanczos_until, device=device, source_px=source_px)
        used.append(model)
        return upscale(image, growth, model=model, tile_px=how.tile_px, device=device)

    return enlarge


def _export(way: ItemWay, composed: Result) -> Made:
    from pipeline.files.codec import decode_image
    from pipeline.files.export import export_picture
    from pipeline.files.provenance import Provenance

    source, had_person = claimed(way, composed.meta["digital_source"])
    provenance = Provenance(
        digital_source=source,
        generated_person=_person_is_made(way.recipe) or had_person,
        sku=way.item.sku,
        view=way.item.view,
        recipe=way.recipe.name,
        checkpoint=way.recipe.generate.checkpoint if uses_generator(way.recipe) else "",
        seed=way.seed,
        mask_revision=str(way.edited.number if way.edited else 0),
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


def _person_is_made(recipe: Recipe) -> bool:
    return recipe.kind == "garment" and MODES[recipe.garment.mode].generates_person


def _check(way: ItemWay, composed: Result, exported: Result) -> Made:
    from pipeline.files.lint import lint_picture

    findings = lint_picture(exported.read("picture"), f"{way.item.sku}/{way.item.view}", way.marketplace)
    # We drew the backdrop to the last level. A linter that knows only the file takes the shadow's tail for a tint, and
    # a subject that the photo cuts for a border that is off the colour.
    ours = {"background", "shadow"} if composed.meta["measures"].get("backdrop_error") == 0 else set()
    findings = [finding for finding in findings if finding.rule not in ours]
    errors = [finding for finding in findings if finding.severity == "error"]
    notes = [finding for finding in findings if finding not in errors]
    return {}, {"errors": [str(finding) for finding in errors], "notes": [str(finding) for finding in notes]}


def source_preview(way: ItemWay) -> dict[str, str]:
    """The key of a preview of the photo alone, for an item that failed; empty if the photo itself cannot be read."""

    def make() -> Made:
        from pipeline.files.preview import previews

        return previews(way.picture.image, None, None), None

    try:
        return {"preview": way.stage("preview", key_of("preview", None, [way.digest]), make).key}
    except SeamlineError:
        return {}


def _preview(way: ItemWay, found: Result, exported: Result | None, composed: Result | None = None) -> Result:
    from pipeline.files.codec import decode_image
    from pipeline.files.preview import encode_preview, previews

    def make() -> Made:
        finished = decode_picture(exported.read("picture"), "the finished picture").image if exported else None
        files = previews(way.picture.image, _subject(found).alpha, finished)
        if composed is not None and exported is None:
            files["taken.jpg"] = encode_preview(decode_image(composed.read("image.png")))
        if composed is not None and way.recipe.kind == "garment":
            files |= garment_previews(composed, way.picture.image, _subject(found).alpha)
        return files | companion_preview(way), None

    inputs = [result.key for result in (found, composed, exported) if result is not None]
    inputs += [one.keys.subject for one in way.companions]
    return way.stage("preview", key_of("preview", None, inputs), make)

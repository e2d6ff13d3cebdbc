"""The stages of an item. Thin: load by key, call one function, save. Numbers are decided elsewhere.

photo -> subject -> (parked, if unsure) -> compose -> export -> checks -> preview

The last three are in `flows.endings`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from flows.companions import find_companions
from flows.endings import Ending, Painted, end
from flows.finding import detector_of
from flows.garments import garment_subject, restage
from flows.keys import has_picture, is_generated, mask_address
from flows.places import place_painter
from flows.references import reference_told
from flows.way import ItemWay, Made
from masks.shelf_use import stale_words, subject_from, trusts
from pipeline.files.picture import read_bytes, read_picture
from pipeline.files.recipe import Recipe
from pipeline.files.store import Result
from pipeline.types import Image, ItemState, Json, Subject

if TYPE_CHECKING:
    from pipeline.background import Composed


def walk(way: ItemWay) -> Ending:
    """Take an item to its end. Raises ItemError, ModelError or StoreError."""
    return end(way, paint(way))


def paint(way: ItemWay) -> Painted:
    """Take an item up to its composed picture: all that needs a model. Raises ItemError, ModelError or StoreError."""
    found = way.stage("subject", way.keys.subject, lambda: _find(way))
    confidence = float(found.meta["confidence"])
    stale = stale_words(way.shelf, way.item.sku, way.item.view, way.place)
    scores: dict[str, Json] = {"finder": found.meta["finder"], "reasons": [*found.meta["reasons"], *stale]}
    trusted = way.for_show or way.record.state is ItemState.APPROVED or trusts(way.word, found.key)
    if confidence < way.recipe.subject.park_below and not trusted:
        reason = f"mask confidence {confidence:.2f} is under park_below {way.recipe.subject.park_below:g}"
        return Painted(found=found, scores=scores, reason=reason)
    if doubt := find_companions(way, _find):
        return Painted(found=found, scores=scores, reason=doubt)
    if way.recipe.kind == "garment":
        composed = restage(way, found, enlarger)
    else:
        composed = way.stage("compose", way.keys.compose, lambda: _compose(way, found))
    return Painted(found=found, scores=scores, composed=composed)


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

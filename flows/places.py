"""The stages `place` and `refine`: a generated backdrop, stored by its own keys so that a new shadow does not draw it
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flows.garments import drawing_of, with_reach
from flows.references import reference_picture, reference_told
from flows.refining import refine_place
from flows.way import ItemWay, Made
from pipeline.errors import ItemError
from pipeline.files.recipe_controls import ControlUse, control_uses
from pipeline.types import Alpha, Image

if TYPE_CHECKING:
    from pipeline.background import PaintPlace


def place_painter(way: ItemWay) -> PaintPlace:
    """What `compose` calls with the product on its canvas: the place behind it, generated or out of the store."""

    def paint(image: Image, alpha: Alpha) -> Image:
        from pipeline.files.codec import decode_image
        from pipeline.plate import enlarge_plate

        made = way.stage("place", way.keys.place, lambda: _generate(way, image, alpha))
        canvas = (image.shape[0], image.shape[1])
        plate = decode_image(made.read("plate.png"))
        if way.keys.refine:
            large = enlarge_plate(plate, canvas, defocus=0.0)
            refined = way.stage("refine", way.keys.refine, lambda: refine_place(way, large, alpha))
            plate = decode_image(refined.read("place.png"))
        return enlarge_plate(plate, canvas, defocus=way.recipe.background.defocus)

    return paint


def _generate(way: ItemWay, image: Image, alpha: Alpha) -> Made:
    from pipeline.files.codec import encode_image
    from pipeline.models.controls import PRODUCT_MAPS, control_maps
    from pipeline.models.generators import load_generator, sampling_of
    from pipeline.models.ladder import take_notes
    from pipeline.passes.inpaint import Wish
    from pipeline.plate import generate_plate, seen_product

    wanted, uses = way.recipe.generate, control_uses(way.recipe.background.controls)
    reference = reference_picture(way)
    generator = load_generator(
        wanted.checkpoint, controls=_readable(way, uses), accept_licence=way.recipe.accept_licence,
        scheduler=wanted.scheduler, reference=reference is not None, compiled=wanted.compile,
    )  # fmt: skip
    known = replace(seen_product(generator, image, alpha), annotate=drawing_of(way, way.recipe.background.controls))
    maps = with_reach(control_maps(known, [use.kind for use in uses], PRODUCT_MAPS), uses)
    wish = Wish(
        prompt=way.recipe.background.prompt or "",
        negative_prompt=wanted.negative_prompt,
        seed=way.seed,
        steps=wanted.steps,
        guidance=wanted.guidance,
        reference=reference,
        reference_scale=wanted.reference_scale,
    )
    plate = generate_plate(generator, image, alpha, wish, controls=maps)
    told: dict[str, Any] = {"checkpoint": wanted.checkpoint, "weights": generator.fingerprint}
    told |= reference_told(way)
    told |= {"licence": generator.row.licence, "commercial": generator.row.commercial}
    told["scheduler"] = sampling_of(generator.row).scheduler or "the one in its folder"
    if notes := take_notes(generator):
        told["memory"] = notes
    files = {f"control-{one.kind}.png": encode_image(one.image) for one in maps}
    return {"plate.png": encode_image(plate), **files}, told


def _readable(way: ItemWay, uses: Sequence[ControlUse]) -> list[str]:
    """The kinds of ``uses``. Raises ItemError where a row asks for a place whose checkpoint reads no such control."""
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.generators import readable_controls

    wanted, kinds = way.recipe.generate, [use.kind for use in uses]
    name, told = wanted.checkpoint, wanted.reference is not None
    missing = set(kinds) - readable_controls(checkpoint(name, role="generator"), reference=told)
    if missing:
        raise ItemError(
            f"{way.item.sku}/{way.item.view}: {name} has no control {', '.join(sorted(missing))}: leave it out of "
            "background.controls"
        )
    return list(kinds)

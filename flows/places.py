"""The stages `place` and `refine`: a generated backdrop, stored by its own keys so that a new shadow does not draw it
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flows.references import reference_picture, reference_told
from flows.refining import refine_place
from flows.way import ItemWay, Made
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
    from pipeline.models.generators import load_generator, sampling_of
    from pipeline.models.ladder import take_notes
    from pipeline.passes.inpaint import Wish
    from pipeline.plate import generate_plate

    wanted = way.recipe.generate
    reference = reference_picture(way)
    generator = load_generator(
        wanted.checkpoint, accept_licence=way.recipe.accept_licence, scheduler=wanted.scheduler,
        reference=reference is not None,
    )  # fmt: skip
    wish = Wish(
        prompt=way.recipe.background.prompt or "",
        negative_prompt=wanted.negative_prompt,
        seed=way.seed,
        steps=wanted.steps,
        guidance=wanted.guidance,
        reference=reference,
        reference_scale=wanted.reference_scale,
    )
    plate = generate_plate(generator, image, alpha, wish)
    told: dict[str, Any] = {"checkpoint": wanted.checkpoint, "weights": generator.fingerprint}
    told |= reference_told(way)
    told |= {"licence": generator.row.licence, "commercial": generator.row.commercial}
    told["scheduler"] = sampling_of(generator.row).scheduler or "the one in its folder"
    if notes := take_notes(generator):
        told["memory"] = notes
    return {"plate.png": encode_image(plate)}, told

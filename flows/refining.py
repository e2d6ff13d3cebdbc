"""Refining in a batch: what was generated and enlarged is drawn anew at a low strength, by the recipe's checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from flows.modes import MODES, Judged, prompt_for
from flows.references import reference_picture
from flows.way import ItemWay, Made
from pipeline.types import Alpha, Image, Json, Mask

if TYPE_CHECKING:
    from pipeline.garment import Plan
    from pipeline.models.families import Generator
    from pipeline.passes.inpaint import Wish


@dataclass(kw_only=True)
class Told:
    """What a record says of refining: notes in words, and how many tiles, faces and hands were drawn anew."""

    notes: list[str] = field(default_factory=list)
    measures: dict[str, Json] = field(default_factory=dict)


def refined_garment(
    way: ItemWay, plan: Plan, image: Image, judged: Judged, *, grown: bool
) -> tuple[Image, Judged, Told]:
    """The joined picture with its generated detail drawn anew, how it is judged now, and what to tell.

    ``grown`` is whether it was enlarged: tiles add what enlarging could not. A refined picture that fails a check which
    the other passes is not taken.
    """
    wanted, told = way.recipe.upscale, Told()
    if not (wanted.refine or wanted.refine_faces or wanted.refine_hands):
        return image, judged, told
    generator, control = refining_generator(way)
    area = plan.repaint & (plan.alpha < 0.02) if MODES[way.recipe.garment.mode].carries else plan.repaint
    made = image
    if wanted.refine and grown:
        made = _tiles(way, generator, control, plan, made, area, told)
    elif wanted.refine:
        told.notes.append("nothing was enlarged: not refined in tiles")
    made = _faces_and_hands(way, generator, control, plan, made, area, told)
    told.notes += _memory_notes(generator)
    after = MODES[way.recipe.garment.mode].judge(plan, made)
    if after.problems and not judged.problems:
        told.notes.append(f"the refined picture was not taken: {'; '.join(after.problems)}")
        return image, judged, told
    return made, after, told


def _tiles(
    way: ItemWay, generator: Generator, control: str | None, plan: Plan, image: Image, area: Mask, told: Told
) -> Image:
    from pipeline.garment import body_room
    from pipeline.passes.refine import refine_tiles

    recipe = way.recipe
    figure = None
    if plan.joints is not None:
        figure = body_room(plan.joints, (area.shape[0], area.shape[1])) | (plan.alpha >= 0.5)
    refined = refine_tiles(
        generator, image, area, _wish(way, recipe.upscale.refine, prompt_for(way)), control=control, figure=figure,
        place=recipe.background.prompt or "",
    )  # fmt: skip
    told.measures["refined_tiles"] = refined.done
    told.notes += [f"{refined.left} tiles came out empty and stayed as they were"] if refined.left else []
    return refined.image


def _faces_and_hands(
    way: ItemWay, generator: Generator, control: str | None, plan: Plan, image: Image, area: Mask, told: Told
) -> Image:
    from masks.parts import face_areas, hand_areas
    from pipeline.passes.refine import refine_parts

    person, wanted, faces = way.recipe.garment.person, way.recipe.upscale, partial(face_areas, asked=plan.joints)
    asked = (
        ("face", "refined_faces", wanted.refine_faces, faces, f"the face of {person}"),
        ("hand", "refined_hands", wanted.refine_hands, hand_areas, f"a hand of {person}"),
    )
    for what, name, strength, find, prompt in asked:
        if not strength:
            continue
        refined = refine_parts(generator, image, find(image), area, _wish(way, strength, prompt), control=control)
        told.measures[name] = refined.done
        told.notes += [] if refined.done else [f"no {what} is seen where pixels are generated: none refined"]
        image = refined.image
    return image


def refine_place(way: ItemWay, plate: Image, alpha: Alpha) -> Made:
    """The stage `refine` of a generated backdrop: the enlarged ``plate``, of the canvas's size, wherever it is seen.

    ``alpha`` is the product's matte on that canvas; what lies wholly behind it is not drawn anew.
    """
    from pipeline.files.codec import encode_image
    from pipeline.passes.refine import refine_tiles
    from pipeline.pixels.color import SOLID

    generator, control = refining_generator(way)
    wish = _wish(way, way.recipe.upscale.refine, way.recipe.background.prompt or "")
    refined = refine_tiles(generator, plate, alpha < SOLID, wish, control=control)
    told: dict[str, Json] = {"refined_tiles": refined.done, "left": refined.left, "weights": generator.fingerprint}
    if notes := _memory_notes(generator):
        told["memory"] = notes
    return {"place.png": encode_image(refined.image)}, told


def refining_generator(way: ItemWay) -> tuple[Generator, str | None]:
    """The recipe's checkpoint with the control by which it refines, and that control's kind."""
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.generators import load_generator
    from pipeline.models.refining import detail_control

    wanted = way.recipe.generate
    told = wanted.reference is not None
    control = detail_control(checkpoint(wanted.checkpoint, role="generator"), reference=told)
    generator = load_generator(
        wanted.checkpoint, controls=() if control is None else (control,), accept_licence=way.recipe.accept_licence,
        scheduler=wanted.scheduler, reference=told, compiled=wanted.compile,
    )  # fmt: skip
    return generator, control


def _wish(way: ItemWay, strength: float, prompt: str) -> Wish:
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.refining import refining_steps
    from pipeline.passes.inpaint import Wish

    wanted = way.recipe.generate
    row = checkpoint(wanted.checkpoint, role="generator")
    return Wish(
        prompt=prompt, negative_prompt=wanted.negative_prompt, seed=way.seed, guidance=wanted.guidance,
        steps=refining_steps(row, strength, wanted.steps), strength=strength, reference=reference_picture(way),
        reference_scale=wanted.reference_scale,
    )  # fmt: skip


def _memory_notes(generator: Generator) -> list[str]:
    from pipeline.models.ladder import take_notes

    return take_notes(generator)

"""What differs between the modes of the kind `garment`: how a figure is read, what is repainted, joined and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from flows.companions import companions_told, pieces_of
from flows.finding import wearers_of
from flows.way import ItemWay, Made
from pipeline.errors import ItemError
from pipeline.files.recipe_controls import drawn_by
from pipeline.files.store import Result
from pipeline.types import Image, Json, Picture, Subject

if TYPE_CHECKING:
    from masks.figure import Bodies
    from pipeline.garment import Plan


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A picture's measures by name, what a buyer would reject in words, and one number to rank candidates by."""

    measures: Mapping[str, Json]
    problems: tuple[str, ...]
    merit: float


@dataclass(frozen=True, kw_only=True)
class Mode:
    """A mode's own steps: `figure` makes the stage of that name, `controls` are the maps that can be drawn in it.

    ``carries`` is whether the garment's own pixels are in the result, ``generates_person`` whether its person is made.
    """

    figure: Callable[[ItemWay, Result], Made]
    plan: Callable[[ItemWay, Result, Result], Plan]
    join: Callable[[Plan, Image], Image]
    judge: Callable[[Plan, Image], Judged]
    controls: frozenset[str]
    carries: bool = True
    generates_person: bool = True


def prompt_for(way: ItemWay) -> str:
    """The words that the model is given. Raises ItemError where a restyled item does not say its new garment."""
    from pipeline.garment import prompt_of

    recipe, wearing = way.recipe, way.recipe.garment.wearing
    if recipe.garment.mode == "restyle" and not wearing.strip() and recipe.generate.reference is None:
        raise ItemError(
            f"{way.item.sku}/{way.item.view}: mode restyle needs the new garment in words: "
            "fill the column wearing, or write garment.wearing: a coral t-shirt; or show it by generate.reference"
        )
    words = [*recipe.subject.phrases, *(phrase for phrase, _ in recipe.garment.companions)]
    wearing = wearing or " and ".join(words)
    return prompt_of(person=recipe.garment.person, wearing=wearing, place=recipe.background.prompt or "")


def subject_of(found: Result) -> Subject:
    """The garment's mask and matte."""
    from pipeline.files.codec import unpack_subject

    return unpack_subject(found)


def _bodies_of(way: ItemWay) -> Bodies | None:
    """What reads bodies where the recipe names it; None where the figure's own pose is taken."""
    if "pose" not in drawn_by(way.recipe.garment.controls):
        return None
    from pipeline.models.bodies import read_bodies

    return partial(read_bodies, accept_licence=way.recipe.accept_licence)


def _figure(way: ItemWay, found: Result) -> Made:
    from masks.figure import find_figure
    from pipeline.files.codec import encode_arrays, encode_mask

    figure = find_figure(way.picture.image, subject_of(found).mask, wearers_of(way), _bodies_of(way))
    files = {"figure.png": encode_mask(figure.mask)}
    if figure.joints is not None:
        files["joints.npz"] = encode_arrays({"joints": figure.joints})
    return files, {"pose": figure.source, "whole": figure.whole, "problems": list(figure.problems)}


def _keep_plan(way: ItemWay, found: Result, figure: Result) -> Plan:
    from pipeline.files.codec import decode_arrays, decode_mask
    from pipeline.garment import make_plan

    joints = decode_arrays(figure.read("joints.npz"))["joints"] if "joints.npz" in figure.names else None
    mask = decode_mask(figure.read("figure.png"))
    repaint = way.recipe.garment.repaint
    try:
        return make_plan(
            way.picture, subject_of(found), joints=joints, figure=mask, repaint=repaint, whole=figure.meta["whole"]
        )
    except ValueError as error:
        raise ItemError(f"{way.item.sku}/{way.item.view}: {error}") from error


def _keep_join(plan: Plan, patch: Image) -> Image:
    from pipeline.garment import join

    return join(plan, patch)


def _keep_judge(plan: Plan, result: Image) -> Judged:
    from masks.figure import look_at
    from masks.garment import segmented_again
    from pipeline.garment import measure
    from pipeline.pixels.checks_garment import merit, problems

    regarmented = segmented_again(plan.photo, result, plan.alpha >= 0.5)
    measures = measure(plan, result, seen=look_at(result, plan.joints, plan.old), regarmented=regarmented)
    return Judged(measures=measures.flat(), problems=problems(measures), merit=merit(measures))


def _place_figure(way: ItemWay, found: Result) -> Made:
    from pipeline.files.codec import encode_alpha, encode_arrays, encode_image
    from pipeline.placing import place

    try:
        placed = place(subject_of(found), way.recipe.subject.phrases, pieces_of(way))
    except ItemError as error:
        raise ItemError(f"{way.item.sku}/{way.item.view}: {error}") from error
    files = {
        "placed.png": encode_image(placed.image),
        "foreground.png": encode_image(placed.foreground),
        "alpha.png": encode_alpha(placed.alpha),
        "joints.npz": encode_arrays({"joints": placed.joints}),
    }
    meta: dict[str, Json] = {
        "pose": "a pose that suits the garment's cut",
        "problems": list(placed.problems),
        "measures": {"turned": round(placed.turned, 2), **companions_told(way)},
    }
    if len(placed.layers) > 1:
        meta["pose"] += f"; from below: {', '.join(placed.layers)}"
        meta["measures"]["least_shown"] = round(min(placed.shown), 3)
    return files, meta


def _place_plan(way: ItemWay, found: Result, figure: Result) -> Plan:
    from pipeline.files.codec import decode_alpha, decode_arrays, decode_image
    from pipeline.garment import make_plan

    alpha, mask = decode_alpha(figure.read("alpha.png")), decode_alpha(figure.read("alpha.png")) >= 0.5
    laid = replace(
        subject_of(found), mask=mask, alpha=alpha, foreground=decode_image(figure.read("foreground.png"))
    )  # fmt: skip
    picture = Picture(image=decode_image(figure.read("placed.png")))
    joints = decode_arrays(figure.read("joints.npz"))["joints"]
    try:
        return make_plan(picture, laid, joints=joints, figure=mask, repaint="everything", whole=False)
    except ValueError as error:
        raise ItemError(f"{way.item.sku}/{way.item.view}: {error}") from error


def _restyle_figure(way: ItemWay, found: Result) -> Made:
    from masks.figure import find_figure
    from masks.networks import face_boxes
    from masks.restyle import meeting_hands, restyle_room
    from pipeline.files.codec import encode_arrays, encode_mask

    prompt_for(way)  # refused before anything is measured
    image, garment = way.picture.image, subject_of(found).mask
    figure = find_figure(image, garment, wearers_of(way), _bodies_of(way))
    faces = face_boxes(image)
    relaxed, protected = restyle_room(
        image, garment, figure.mask, figure.joints, faces, relax=way.recipe.subject.relax
    )  # fmt: skip
    files = {"figure.png": encode_mask(figure.mask), "relaxed.png": encode_mask(relaxed)}
    files["protected.png"] = encode_mask(protected)
    if figure.joints is not None:
        files["joints.npz"] = encode_arrays({"joints": meeting_hands(figure.joints, protected)})
    return files, {"pose": figure.source, "whole": figure.whole}


def _restyle_plan(way: ItemWay, found: Result, figure: Result) -> Plan:
    from pipeline.files.codec import decode_arrays, decode_mask
    from pipeline.restyle import restyle_plan

    joints = decode_arrays(figure.read("joints.npz"))["joints"] if "joints.npz" in figure.names else None
    masks = {name: decode_mask(figure.read(f"{name}.png")) for name in ("figure", "relaxed", "protected")}
    try:
        return restyle_plan(way.picture, subject_of(found), joints=joints, **masks)
    except ValueError as error:
        raise ItemError(f"{way.item.sku}/{way.item.view}: {error}") from error


def _restyle_join(plan: Plan, patch: Image) -> Image:
    from pipeline.restyle import join_restyled

    return join_restyled(plan, patch)


def _restyle_judge(plan: Plan, result: Image) -> Judged:
    from masks.figure import look_at
    from pipeline.pixels.checks_restyle import merit, problems
    from pipeline.restyle import measure_restyle

    measures = measure_restyle(plan, result, seen=look_at(result, plan.joints))
    return Judged(measures=measures.flat(), problems=problems(measures), merit=merit(measures))


MODES: Final[Mapping[str, Mode]] = {
    "keep": Mode(
        figure=_figure,
        plan=_keep_plan,
        join=_keep_join,
        judge=_keep_judge,
        controls=frozenset({"pose", "canny", "softedge", "lineart"}),
    ),
    "place": Mode(
        figure=_place_figure,
        plan=_place_plan,
        join=_keep_join,
        judge=_keep_judge,
        controls=frozenset({"pose", "canny", "softedge", "lineart"}),
    ),
    "restyle": Mode(
        figure=_restyle_figure,
        plan=_restyle_plan,
        join=_restyle_join,
        judge=_restyle_judge,
        controls=frozenset({"pose", "depth"}),
        carries=False,
        generates_person=False,
    ),
}
"""The modes by the word that `garment.mode` names them with."""

"""The stages of the kind `garment`: figure, paint, compose. Thin, as all stages are.

subject -> figure -> paint (candidates, measured, the best one) -> compose -> ...

What differs between the modes (keep, restyle) is in `flows.modes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.modes import MODES, prompt_for
from flows.references import reference_picture, reference_told
from flows.refining import refined_garment
from flows.way import ItemWay, Made
from pipeline.errors import CheckFailed, ItemError, WeightsMissing
from pipeline.files.recipe import Recipe
from pipeline.files.recipe_controls import ControlKind, ControlUse, control_uses, drawn_by
from pipeline.files.store import Result
from pipeline.types import Alpha, Image, Json, Subject

if TYPE_CHECKING:
    from masks.find import Detector
    from pipeline.garment import Plan
    from pipeline.models.families import ControlMap, Generator
    from pipeline.passes.inpaint import Wish

Enlarger = Callable[[Recipe, list[str]], Callable[[Image, float], Image]]


def garment_subject(way: ItemWay, detector: Detector | None) -> Subject:
    """The garment that the phrases name. Raises NothingFound, ItemError, WeightsMissing."""
    from masks.garment import find_garment

    if detector is None:
        raise WeightsMissing("a garment is found by its phrases: write finder: grounding_dino under subject")
    worn = way.recipe.garment.mode != "place"
    return find_garment(way.picture, way.recipe.subject.phrases, detector, worn=worn)


def restage(way: ItemWay, found: Result, enlarger: Enlarger) -> Result:
    """The composed picture of a garment on a generated person; ``problems`` in its meta say why it is not published."""
    mode = MODES[way.recipe.garment.mode]
    figure = way.stage("figure", way.keys.figure, lambda: mode.figure(way, found))
    painted = way.stage("paint", way.keys.paint, lambda: _paint(way, found, figure))
    return way.stage("compose", way.keys.compose, lambda: _compose(way, found, figure, painted, enlarger))


def _paint(way: ItemWay, found: Result, figure: Result) -> Made:
    """Candidates, round by round, until one passes; all are kept with their seeds and measures."""
    from pipeline.files.codec import encode_image
    from pipeline.garment import draw_controls, native_size_of, paint_all
    from pipeline.models.ladder import take_notes

    mode, wanted = MODES[way.recipe.garment.mode], way.recipe.garment
    plan = mode.plan(way, found, figure)
    generator, left_out = _generator(way)
    drawing = drawing_of(way, wanted.controls)
    drawn = draw_controls(plan, generator_controls(way), native_size_of(generator, plan), drawing)
    controls = with_reach(drawn, _wanted(way))
    files = {f"control-{one.kind}.png": encode_image(one.image) for one in controls}
    tried: list[dict[str, Json]] = []
    for first in range(0, wanted.candidates * wanted.rounds, wanted.candidates):
        if any(not one["problems"] for one in tried):
            break
        seeds = [way.seed_of(number) for number in range(first, first + wanted.candidates)]
        painted = paint_all(generator, plan, _wish(way), controls, seeds)
        for number, (seed, made) in enumerate(zip(seeds, painted, strict=True), first):
            tried.append({"seed": str(seed), **_told(way, plan, made)})
            if not isinstance(made, CheckFailed):
                files[f"candidate-{number}.png"] = encode_image(made)
    best = max(range(len(tried)), key=lambda at: (not tried[at]["problems"], tried[at]["merit"]))
    notes = [figure.meta["pose"], *left_out, *take_notes(generator)]
    return files, {"candidates": tried, "best": best, "notes": notes, "weights": generator.fingerprint}


def drawing_of(way: ItemWay, controls: Sequence[ControlKind | ControlUse]) -> Callable[[str, Image], Image]:
    """What draws the maps of networks: those that the ``controls`` name."""
    from pipeline.models.annotators import annotate

    return partial(annotate, by=drawn_by(controls), accept_licence=way.recipe.accept_licence)


def generator_controls(way: ItemWay) -> tuple[str, ...]:
    """The recipe's controls that its checkpoint can read and its mode has maps for."""
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.generators import readable_controls

    generate = way.recipe.generate
    row = checkpoint(generate.checkpoint, role="generator")
    can = readable_controls(row, reference=generate.reference is not None)
    return tuple(use.kind for use in _wanted(way) if use.kind in can)


def _wanted(way: ItemWay) -> list[ControlUse]:
    drawn = MODES[way.recipe.garment.mode].controls
    return [use for use in control_uses(way.recipe.garment.controls) if use.kind in drawn]


def with_reach(maps: Sequence[ControlMap], uses: Sequence[ControlUse]) -> tuple[ControlMap, ...]:
    """The maps with the reach that the recipe's ``uses`` give them."""
    reach: dict[str, ControlUse] = {use.kind: use for use in uses}
    return tuple(
        replace(one, scale=reach[one.kind].scale, start=reach[one.kind].start, end=reach[one.kind].end) for one in maps
    )


def _generator(way: ItemWay) -> tuple[Generator, list[str]]:
    from pipeline.models.generators import load_generator

    generate, kinds, accepted = way.recipe.generate, generator_controls(way), way.recipe.accept_licence
    wanted = generate.checkpoint
    missing = [use.kind for use in _wanted(way) if use.kind not in kinds]
    notes = [f"{wanted} has no ControlNet for {' and '.join(missing)}: left out"] if missing else []
    generator = load_generator(
        wanted, controls=kinds, accept_licence=accepted, scheduler=generate.scheduler,
        reference=generate.reference is not None, compiled=generate.compile,
    )  # fmt: skip
    return generator, notes


def _wish(way: ItemWay) -> Wish:
    from pipeline.passes.inpaint import Wish

    recipe = way.recipe
    return Wish(
        prompt=prompt_for(way), negative_prompt=recipe.generate.negative_prompt, steps=recipe.generate.steps,
        guidance=recipe.generate.guidance, reference=reference_picture(way),
        reference_scale=recipe.generate.reference_scale, soft_edge=recipe.garment.soft_edge,
    )  # fmt: skip


def _told(way: ItemWay, plan: Plan, made: Image | CheckFailed) -> dict[str, Any]:
    """The measures of one candidate, at the native size; the reason alone if the model gave nothing."""
    from pipeline.pixels.geometry import box_size, resize_image

    if isinstance(made, CheckFailed):
        return {"problems": [str(made)], "merit": -100.0}
    mode = MODES[way.recipe.garment.mode]
    judged = mode.judge(plan, mode.join(plan, resize_image(made, box_size(plan.box))))
    return {"problems": list(judged.problems), "merit": judged.merit, **judged.measures}


def _compose(way: ItemWay, found: Result, figure: Result, painted: Result, enlarger: Enlarger) -> Made:
    from pipeline.files.codec import decode_image, encode_image, encode_mask
    from pipeline.pixels.geometry import box_size, resize_image

    tried, best = painted.meta["candidates"], painted.meta["best"]
    name, used = f"candidate-{best}.png", list[str]()
    if name not in painted.names:
        raise ItemError(f"{way.item.sku}/{way.item.view}: {'; '.join(tried[best]['problems'])}")
    mode, made = MODES[way.recipe.garment.mode], decode_image(painted.read(name))
    plan = mode.plan(way, found, figure)
    size = box_size(plan.box)
    growth = max(size[0] / made.shape[0], size[1] / made.shape[1])
    grown = enlarger(way.recipe, used)(made, growth) if growth > 1 else made
    result = mode.join(plan, resize_image(grown, size))
    result, judged, refined = refined_garment(way, plan, result, mode.judge(plan, result), grown=growth > 1)
    notes = [*way.picture.notes, *painted.meta["notes"], *(f"enlarged by {one}" for one in used), *refined.notes]
    passed = sum(not one["problems"] for one in tried)
    notes.append(f"candidate {best + 1} of {len(tried)} was taken, {passed} passed")
    files = {"image.png": encode_image(result)}
    files |= {one: painted.read(one) for one in painted.names}
    files |= {one: figure.read(one) for one in ("placed.png", "alpha.png") if one in figure.names}
    if not mode.carries:
        files["kept.png"] = encode_mask(plan.core)
    meta = {
        "notes": notes,
        "measures": {
            **figure.meta.get("measures", {}),
            **judged.measures,
            **refined.measures,
            "candidates": len(tried),
            "candidates_passed": passed,
            **reference_told(way),
        },
        "problems": [*figure.meta.get("problems", ()), *judged.problems],
        "candidates": tried,
        "best": best,
        "box": list(plan.box),
        "digital_source": "compositeWithTrainedAlgorithmicMedia",
    }
    return files, meta


def garment_previews(composed: Result, photo: Image, alpha: Alpha) -> dict[str, bytes]:
    """The contact sheet's further pictures: control maps, candidates with their scores, the taken one, zoomed joins."""
    from pipeline.files.codec import decode_alpha, decode_image, decode_mask
    from pipeline.files.preview import garment_strips

    if "kept.png" in composed.names:  # a garment that is exchanged must not be laid over its successors
        alpha = decode_mask(composed.read("kept.png")).astype(np.float32)
    placed = None
    if "placed.png" in composed.names:  # the garment is not where its photo has it
        placed = photo = decode_image(composed.read("placed.png"))
        alpha = decode_alpha(composed.read("alpha.png"))

    def pictures(prefix: str) -> list[tuple[str, Image]]:
        names = [name for name in composed.names if name.startswith(prefix)]
        return [(name, decode_image(composed.read(name))) for name in sorted(names, key=_number)]

    tried = composed.meta["candidates"]
    candidates = [
        (tried[_number(name)]["merit"], _number(name) == composed.meta["best"], image)
        for name, image in pictures("candidate-")
    ]
    return garment_strips(
        photo, alpha, decode_image(composed.read("image.png")), controls=[image for _, image in pictures("control-")],
        candidates=candidates, box=tuple(composed.meta["box"]), placed=placed,
    )  # fmt: skip


def _number(name: str) -> int:
    digits = "".join(filter(str.isdigit, name))
    return int(digits) if digits else -1

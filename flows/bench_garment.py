"""`python -m flows.bench_garment`: keep mode on held-out scenes whose truth is known, beside the plain practice.

`--mode place` measures flat garments on bodies instead (see `flows.bench_place`).

Each scene is one outfit on a mannequin (the photo) and on a person in the same pose (the truth). The plain practice is
diffusers' inpainting of the same mask with the garment described in the prompt, its output taken as it comes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from masks import ops
from masks.figure import Figure, find_figure, look_at
from masks.find import Detected, Detector
from masks.garment import find_garment, segmented_again
from pipeline.embedded.render import worn_pair
from pipeline.embedded.scene import Scene
from pipeline.embedded.train.restage import caption_parts
from pipeline.errors import CheckFailed, ItemError
from pipeline.files.recipe import load_recipe
from pipeline.garment import Plan, draw_controls, join, make_plan, measure, native_size_of, paint
from pipeline.models.families import Generator, Inpaint
from pipeline.models.generators import generate, load_generator, native_size, readable_controls, sampling_of
from pipeline.passes.inpaint import Wish
from pipeline.pixels import geometry, pose, pose_outline
from pipeline.pixels.checks import delta_e
from pipeline.pixels.checks_garment import problems
from pipeline.pixels.pose import Joints
from pipeline.types import Image, Mask, Picture, Subject

FIRST_SEED: Final = 7_100_000
"""No training and no other score draws scenes from here."""
SIZE: Final = (512, 384)
BAND_PX: Final = 4
INVISIBLE: Final = 2.0
"""CIEDE2000 below which a pixel of the garment counts as the photo's own."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One scene by one way: what of the garment survives and how its border compares with the truth.

    ``wrong`` says of an accepted picture that the truth rejects it: mannequin kept, garment lost, or a coarse join.
    """

    core_difference: int
    join_delta_e: float
    survived: float
    accepted: bool
    wrong: bool
    reasons: tuple[str, ...] = ()


def text_detector() -> Detector:
    """The embedded detector and segmenter, at the threshold of configs/garment.yaml."""
    from masks.text import text_finder

    threshold = load_recipe("garment").subject.box_threshold
    find = text_finder("grounding-dino-embedded", "sam-embedded", box_threshold=threshold)
    return lambda image, phrases: [Detected(one.mask, one.score, one.phrase) for one in find(image, phrases)]


def garments_of(scene: Scene) -> Mask:
    """Where the scene's garments are seen."""
    seen = [scene.masks[garment.kind] for garment in scene.spec.garments if garment.kind in scene.masks]
    return np.asarray(np.logical_or.reduce([np.zeros(scene.size, np.bool_), *seen]), np.bool_)


def judge(photo: Scene, truth: Scene, result: Image, kept: Mask, core: Mask, reasons: tuple[str, ...]) -> Outcome:
    """Compare ``result`` with the truth: ``kept`` is the garment's mask that was used, ``core`` what must be exact."""
    garment = garments_of(photo) & garments_of(truth)
    border = garment & ops.grow(~garments_of(photo), BAND_PX)
    to_photo, to_truth = delta_e(result, photo.image), delta_e(result, truth.image)
    difference = np.abs(result.astype(np.int16) - photo.image.astype(np.int16)).max(axis=2)
    survived = float((to_photo[garment] < INVISIBLE).mean())
    joined = float(np.median(to_truth[border]))
    shell = photo.masks.get("mannequin", np.zeros_like(kept))
    leftover = float((kept & ops.shrink(shell, 2)).sum() / max(1, kept.sum()))
    wrong = leftover > 0.02 or survived < 0.9 or joined > 5
    return Outcome(
        core_difference=int(difference[core].max(initial=0)),
        join_delta_e=joined,
        survived=survived,
        accepted=not reasons,
        wrong=not reasons and wrong,
        reasons=reasons,
    )


@cache
def _park_below() -> float:
    """Of the shipped recipe: a mask less sure than this waits for a person, and the scene counts as not accepted."""
    return load_recipe("garment").subject.park_below


def prepare(photo: Scene, detector: Detector) -> tuple[Subject, Figure, Plan]:
    """Mask, figure and plan of a photo, as the stages make them. Raises ItemError."""
    picture = Picture(image=photo.image)
    phrases = [garment.kind for garment in photo.spec.garments if garment.kind in photo.masks]
    subject = find_garment(picture, phrases, detector)
    if subject.confidence < _park_below():
        raise ItemError(f"mask confidence {subject.confidence:.2f}: {'; '.join(subject.reasons)}")
    figure = find_figure(photo.image, subject.mask, detector)
    plan = make_plan(
        picture, subject, joints=figure.joints, figure=figure.mask, repaint="everything", whole=figure.whole
    )
    return subject, figure, plan


def ours(generator: Generator, plan: Plan, prompt: str, seed: int) -> tuple[Image, tuple[str, ...]]:
    """Keep mode with one candidate: the picture, and why it would be parked."""
    controls = draw_controls(plan, sorted(readable_controls(generator.row)), native_size_of(generator, plan))
    made = paint(generator, plan, Wish(prompt=prompt, seed=seed), controls)
    result = join(plan, geometry.resize_image(made, geometry.box_size(plan.box)))
    seen = look_at(result, plan.joints, plan.old)
    again = segmented_again(plan.photo, result, plan.alpha >= 0.5)
    return result, problems(measure(plan, result, seen=seen, regarmented=again))


def plain(generator: Generator, plan: Plan, prompt: str, seed: int) -> Image:
    """The plainest correct use of the same checkpoint: resize, inpaint, resize back."""
    size = native_size(generator.row, plan.photo.shape[1] / plan.photo.shape[0])
    sampling = sampling_of(generator.row)
    request = Inpaint(
        image=geometry.resize_image(plan.photo, size),
        repaint=geometry.resize_mask(plan.repaint, size),
        prompt=prompt, seed=seed, steps=sampling.steps, guidance=sampling.guidance,
    )  # fmt: skip
    return geometry.resize_image(generate(generator, [request])[0], (plan.photo.shape[0], plan.photo.shape[1]))


def run(
    count: int, names: Sequence[str], pictures: Path | None = None, *, first: int = FIRST_SEED
) -> dict[str, list[Outcome]]:
    """Every way on ``count`` scenes from seed ``first`` on; those whose garment is not found count as not accepted."""
    detector, outcomes = text_detector(), dict[str, list[Outcome]]()
    for seed in range(first, first + count):
        photo, truth = worn_pair(seed, size=SIZE)
        prompt = ", ".join(caption_parts(truth.spec))
        try:
            subject, figure, plan = prepare(photo, detector)
        except (ItemError, ValueError) as error:
            lost = Outcome(
                core_difference=0, join_delta_e=float("nan"), survived=1.0, accepted=False, wrong=False,
                reasons=(str(error),),
            )  # fmt: skip
            for name in names:
                outcomes.setdefault(name, []).append(lost)
            continue
        for name, way in _ways(names).items():
            made = _one(photo, truth, subject, plan, way, prompt, seed, pictures, name)
            outcomes.setdefault(name, []).append(made if name.startswith("plain") else parked(made, figure.problems))
    return outcomes


def parked(outcome: Outcome, problems: Sequence[str]) -> Outcome:
    """The outcome of a scene whose figure has ``problems``: a person looks at it first."""
    if not problems:
        return outcome
    return replace(outcome, accepted=False, wrong=False, reasons=(*problems, *outcome.reasons))


Way = Callable[[Plan, str, int], tuple[Image, tuple[str, ...]]]


def _ways(names: Sequence[str]) -> dict[str, Way]:
    ways: dict[str, Way] = {}
    for name in names:
        ways[name] = _kept(name)
        if name.startswith("inpaint"):
            ways[f"plain {name}"] = _plain(name)
    return ways


def _kept(name: str) -> Way:
    from pipeline.models.checkpoints import checkpoint

    kinds = sorted(readable_controls(checkpoint(name)))
    return lambda plan, prompt, seed: ours(load_generator(name, controls=kinds), plan, prompt, seed)


def _plain(name: str) -> Way:
    return lambda plan, prompt, seed: (plain(load_generator(name), plan, prompt, seed), ())


def _one(
    photo: Scene, truth: Scene, subject: Subject, plan: Plan, way: Way, prompt: str, seed: int, pictures: Path | None,
    name: str,
) -> Outcome:  # fmt: skip
    from pipeline.files.encode import encode_picture

    try:
        result, reasons = way(plan, prompt, seed)
    except CheckFailed as error:
        return judge(photo, truth, photo.image, subject.mask, plan.core, (str(error),))
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        row = np.concatenate([photo.image, result, truth.image], axis=1)
        data = encode_picture(row, file_format="jpeg", quality=90)
        (pictures / f"{seed}-{name.replace(' ', '-')}.jpg").write_bytes(data)
    return judge(photo, truth, result, subject.mask, plan.core, reasons)


def show(outcomes: dict[str, list[Outcome]]) -> None:
    """Print the table of docs/garment.md."""
    table = Table("way", "core difference", "join ΔE2000, median", "garment that survives", "accepted", "wrong")
    for name, rows in outcomes.items():
        accepted = [row for row in rows if row.accepted]
        judged = [row for row in rows if not np.isnan(row.join_delta_e)]
        is_plain = name.startswith("plain")
        table.add_row(
            name,
            str(max((row.core_difference for row in judged), default=0)),
            f"{np.median([row.join_delta_e for row in judged]):.2f}" if judged else "-",
            f"{np.mean([row.survived for row in judged]):.1%}" if judged else "-",
            "not checked" if is_plain else f"{len(accepted)} of {len(rows)}",
            "-" if is_plain else f"{sum(row.wrong for row in accepted)} of {len(accepted)}",
        )
    Console(width=120).print(table)


JOINTS: Final = {"shoulders": (2, 5), "elbows": (3, 6), "wrists": (4, 7), "hips": (8, 11), "knees": (9, 12)}


def poses(count: int, read: Callable[[Scene], Joints | None]) -> dict[str, float]:
    """Share of the joints that ``read`` finds within a quarter of the torso, on ``count`` mannequins."""
    hits: dict[str, list[bool]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        scene, _ = worn_pair(seed, size=SIZE)
        truth, found = scene.keypoints, read(scene)
        reach = 0.25 * pose.torso_length(truth)
        for name, pair in {**JOINTS, "ankles": (10, 13)}.items():
            for joint in pair:
                if truth[joint, 2] and reach:
                    near = found is not None and float(np.hypot(*(found - truth)[joint, :2])) <= reach
                    hits.setdefault(name, []).append(near)
    every = [hit for some in hits.values() for hit in some]
    return {**{name: float(np.mean(some)) for name, some in hits.items()}, "all": float(np.mean(every))}


def show_poses(count: int) -> None:
    """Print the joints' table: from the true outline, and from the photo as the stage `figure` reads it."""
    detector = text_detector()

    def photographed(scene: Scene) -> Joints | None:
        worn = [scene.masks[one.kind] for one in scene.spec.garments if one.kind in scene.masks]
        return find_figure(scene.image, np.logical_or.reduce(worn), detector).joints if worn else None

    outline, photo = (
        poses(count, lambda scene: pose_outline.from_outline(scene.alpha > 0.5)),
        poses(count, photographed),
    )
    table = Table("joints within a quarter torso", "from the true outline", "from the photo")
    for name, share in outline.items():
        table.add_row(name, f"{share:.0%}", f"{photo[name]:.0%}")
    Console(width=100).print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=24, help="held-out scenes")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first of them")
    parser.add_argument("--checkpoints", nargs="*", default=["studio-renderer", "inpaint-embedded"])
    parser.add_argument("--pictures", type=Path, help="folder for photo, result and truth of every scene")
    parser.add_argument("--poses", type=int, default=0, help="mannequins to measure poses on, only that")
    parser.add_argument("--mode", choices=["keep", "place"], default="keep", help="which mode is measured")
    chosen = parser.parse_args(arguments)
    if chosen.mode == "place":
        from flows.bench_place import run_place

        run_place(chosen.scenes, text_detector(), chosen.pictures)
        return
    if chosen.poses:
        show_poses(chosen.poses)
        return
    outcomes = run(chosen.scenes, chosen.checkpoints, chosen.pictures, first=chosen.first)
    show(outcomes)
    if chosen.pictures:
        from flows.bench_garment_sheet import overview

        overview(chosen.pictures, ("studio-renderer", "plain-inpaint-embedded"))
    for name, rows in outcomes.items():
        for number, row in enumerate(rows):
            if row.reasons or row.wrong:
                print(f"{name}, scene {chosen.first + number}: {'WRONG ' if row.wrong else ''}{'; '.join(row.reasons)}")


if __name__ == "__main__":
    main()

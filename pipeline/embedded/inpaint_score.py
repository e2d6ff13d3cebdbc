"""Scores of the inpainting model on held-out scenes: are place, colour, pattern and pose those that were asked for?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from pipeline.embedded import judges, restaging
from pipeline.embedded.judge_joints import JointJudge, drawn_joints, right_joints
from pipeline.embedded.palette import DYES
from pipeline.embedded.restaging import Painter, Shot
from pipeline.embedded.train.restage import BACKDROP, BOTTOM, TOP
from pipeline.errors import WeightsMissing
from pipeline.types import Mask

JUDGE_SCENES: Final = 400
EXACT_SCENES: Final = 4
"""How many scenes go through the whole inpaint pass to see that pixels outside the mask stay."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The loaded model and its judges."""

    painter: Painter
    place: judges.PlaceJudge
    pattern: judges.PatternJudge
    figure: judges.FigureJudge
    joints: JointJudge


def score_inpaint(
    folder: Path | None = None, *, scenes: int = 48, seed: int = 0, judge_scenes: int = JUDGE_SCENES
) -> dict[str, float]:
    """Obedience in [0, 1] on ``scenes`` held-out scenes, each beside what its judge says of true renders (``judge_``).

    ``place_keep`` and ``place_product``: the backdrop asked for was drawn, around worn garments and around products.
    ``color``, ``pattern``: a repainted garment has the colour and the pattern asked for. ``pck``: the share of drawn
    joints that stand where the skeleton has them (see `judge_joints.REACH`); ``blank_pck`` is what the judge says of
    the garment alone on grey, and only what lies above it is the model's doing. ``limbs``: IoU of the repainted figure
    with the true one outside the garment. ``outside_exact``: share of pictures whose pixels outside the mask are
    unchanged after the inpaint pass. ``vae_psnr``: dB of a VAE round trip.

    Raises:
        WeightsMissing: the folder holds no inpainting model.
    """
    from pipeline.embedded.score import WEIGHTS

    place = folder or WEIGHTS / "inpaint-tiny"
    if not (place / "model_index.json").exists():
        raise WeightsMissing(f"{place} holds no inpainting model; train it: seamline studio train inpaint")
    taught = restaging.shots(judges.JUDGE_SEED, judge_scenes)
    bench = Bench(
        painter=Painter(place),
        place=judges.PlaceJudge(taught),
        pattern=judges.PatternJudge(taught),
        figure=judges.FigureJudge(taught),
        joints=JointJudge(taught),
    )
    held = restaging.shots(seed, scenes)
    people = [shot for shot in held if restaging.shows_person(shot)]
    products = [shot for shot in held if shot.spec.kind == "product"]
    return {
        "vae_psnr": _vae_psnr(bench, held),
        "outside_exact": _share([_outside_stays(bench, shot) for shot in held[:EXACT_SCENES]]),
        **_keep_mode(bench, people),
        "place_product": _share([_place_obeyed(bench, s, i) for i, s in enumerate(products)]),
        "judge_place": _share([bench.place(s.image, s.labels == BACKDROP) == s.spec.backdrop for s in held]),
        **_garments(bench, [s for s in people if (s.labels == TOP).sum() > 500]),
    }


def _share(values: Sequence[bool | float]) -> float:
    return round(float(np.mean([float(value) for value in values])), 3) if values else float("nan")


def _vae_psnr(bench: Bench, scenes: Sequence[Shot]) -> float:
    import torch

    vae = bench.painter.plain.vae
    pixels = torch.from_numpy(np.stack([s.image for s in scenes]).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.inference_mode():
        again = vae.decode(vae.encode(pixels).latents).sample.clamp(-1, 1)
    error = ((again - pixels) / 2).square().mean((1, 2, 3))
    return round(float((-10 * torch.log10(error)).mean()), 2)


def _outside_stays(bench: Bench, shot: Shot) -> bool:
    """The scene at four times its size through the recipes' own pass: are all pixels outside the mask the same?"""
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.families import Generator
    from pipeline.models.generators import family_of
    from pipeline.passes.inpaint import Wish, inpaint
    from pipeline.pixels.geometry import resize_image, resize_mask

    row = checkpoint("inpaint-embedded", role="generator")
    generator = Generator(row=row, family=family_of(row), pipe=bench.painter.plain, device="cpu", fingerprint="")
    size = (shot.image.shape[0] * 4, shot.image.shape[1] * 4)
    photo, repaint = resize_image(shot.image, size), resize_mask(shot.labels == BACKDROP, size)
    made = inpaint(generator, photo, repaint, Wish(prompt="marble background", seed=shot.seed)).image
    return bool((made[~repaint] == photo[~repaint]).all() and (made[repaint] != photo[repaint]).any())


def _place_obeyed(bench: Bench, shot: Shot, index: int) -> bool:
    place = restaging.another_place(shot, index)
    edit = restaging.place_edit(shot, index, place)
    return bench.place(bench.painter.paint(shot, edit), edit.repaint) == place


def _keep_mode(bench: Bench, people: Sequence[Shot]) -> dict[str, float]:
    obeyed, limbs, true_limbs = [], [], []
    joints: list[bool] = []
    true_joints: list[bool] = []
    blank_joints: list[bool] = []
    for index, shot in enumerate(people):
        garment = np.isin(shot.labels, (TOP, BOTTOM))
        place = restaging.another_place(shot, index)
        made = bench.painter.paint(shot, restaging.keep_edit(shot, index, place))
        figure = shot.labels != BACKDROP
        around = np.asarray(cv2.dilate(figure.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0)
        obeyed.append(bench.place(made, around) == place)
        limbs.append(_iou(bench.figure(made) & ~garment, figure & ~garment))
        true_limbs.append(_iou(bench.figure(shot.image) & ~garment, figure & ~garment))
        counted = drawn_joints(shot.joints, garment)
        joints += right_joints(bench.joints(made), shot.joints, counted)
        true_joints += right_joints(bench.joints(shot.image), shot.joints, counted)
        blank = np.where(garment[..., None], shot.image, np.uint8(200))
        blank_joints += right_joints(bench.joints(blank), shot.joints, counted)
    return {
        "place_keep": _share(obeyed),
        "pck": _share(joints),
        "judge_pck": _share(true_joints),
        "blank_pck": _share(blank_joints),
        "limbs": _share(limbs),
        "judge_limbs": _share(true_limbs),
    }


def _iou(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / max(int((first | second).sum()), 1))


def _garments(bench: Bench, people: Sequence[Shot]) -> dict[str, float]:
    colors, true_colors, patterns, true_patterns = [], [], [], []
    names = [name for name in judges.COLOR_CLASSES if name in DYES]
    for index, shot in enumerate(people):
        top = shot.labels == TOP
        color = names[index % len(names)]
        made = bench.painter.paint(shot, restaging.garment_edit(shot, index, color))
        colors.append(judges.nearest_color(made, top) == color)
        worn = shot.spec.garments[-1]
        if worn.color_name in names and worn.pattern == "plain":
            true_colors.append(judges.nearest_color(shot.image, top) == worn.color_name)
        pattern = judges.PATTERN_CLASSES[index % len(judges.PATTERN_CLASSES)]
        words = color if pattern == "plain" else f"{color} {pattern}"
        made = bench.painter.paint(shot, restaging.garment_edit(shot, index, words))
        patterns.append(bench.pattern(made, top) == pattern)
        if judges.top_pattern(shot.spec) in judges.PATTERN_CLASSES:
            true_patterns.append(bench.pattern(shot.image, top) == judges.top_pattern(shot.spec))
    return {
        "color": _share(colors),
        "judge_color": _share(true_colors),
        "pattern": _share(patterns),
        "judge_pattern": _share(true_patterns),
    }

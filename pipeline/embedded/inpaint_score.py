"""Scores of the inpainting model on held-out scenes: are place, colour, pattern and pose those that were asked for?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from pipeline.embedded import judges
from pipeline.embedded.backdrops import BACKDROPS
from pipeline.embedded.captions import _BACKDROP_WORDS
from pipeline.embedded.diffusion import load_inpaint
from pipeline.embedded.palette import DYES
from pipeline.embedded.train.restage import BACKDROP, BOTTOM, TOP, caption_parts
from pipeline.errors import WeightsMissing
from pipeline.pixels.skeleton import draw_skeleton
from pipeline.types import Image, Mask

STEPS: Final = 12
JUDGE_SCENES: Final = 900


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The loaded model and its judges."""

    plain: Any
    posed: Any
    place: judges.PlaceJudge
    pattern: judges.PatternJudge
    figure: judges.FigureJudge


def score_inpaint(
    folder: Path | None = None, *, scenes: int = 48, seed: int = 0, judge_scenes: int = JUDGE_SCENES
) -> dict[str, float]:
    """Obedience in [0, 1] on ``scenes`` held-out scenes, each beside what its judge says of true renders (``judge_``).

    ``place_keep`` and ``place_product``: the backdrop asked for was drawn, around worn garments and around products.
    ``color``, ``pattern``: a repainted garment has the colour and the pattern asked for. ``limbs``: IoU of the
    repainted figure with the true one outside the garment. ``vae_psnr``: dB of a VAE round trip.

    Raises:
        WeightsMissing: the folder holds no inpainting model.
    """
    from pipeline.embedded.score import WEIGHTS

    place = folder or WEIGHTS / "inpaint-tiny"
    if not (place / "model_index.json").exists():
        raise WeightsMissing(f"{place} holds no inpainting model; train it: seamline studio train inpaint")
    taught = judges.scenes_from(judges.JUDGE_SEED, judge_scenes)
    bench = Bench(
        plain=load_inpaint(place),
        posed=load_inpaint(place, place / "controlnet_pose"),
        place=judges.PlaceJudge(taught),
        pattern=judges.PatternJudge(taught),
        figure=judges.FigureJudge(taught),
    )
    held = judges.scenes_from(seed, scenes)
    people = [s for s in held if s.joints[:, 2].sum() >= 10]
    products = [s for s in held if s.spec.kind == "product"]
    return {
        "vae_psnr": _vae_psnr(bench, held),
        **_keep_mode(bench, people),
        "place_product": _share([_place_obeyed(bench, s, i) for i, s in enumerate(products)]),
        "judge_place": _share([bench.place(s.image, s.labels == BACKDROP) == s.spec.backdrop for s in held]),
        **_garments(bench, [s for s in people if (s.labels == TOP).sum() > 500]),
    }


def _share(values: Sequence[bool | float]) -> float:
    return round(float(np.mean([float(value) for value in values])), 3) if values else float("nan")


def _vae_psnr(bench: Bench, scenes: Sequence[judges.Judged]) -> float:
    import torch

    pixels = torch.from_numpy(np.stack([s.image for s in scenes]).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.inference_mode():
        again = bench.plain.vae.decode(bench.plain.vae.encode(pixels).latents).sample.clamp(-1, 1)
    error = ((again - pixels) / 2).square().mean((1, 2, 3))
    return round(float((-10 * torch.log10(error)).mean()), 2)


def _paint(pipe: Any, scene: judges.Judged, repaint: Mask, prompt: str, seed: int, *, pose: bool = False) -> Image:
    """One picture: generated inside the mask, the scene's own pixels outside."""
    import torch
    from PIL import Image as Pillow

    extra: dict[str, Any] = {}
    if pose:
        extra["control_image"] = Pillow.fromarray(
            draw_skeleton(scene.joints, (scene.image.shape[0], scene.image.shape[1]))
        )
    made = pipe(
        prompt=prompt, image=Pillow.fromarray(scene.image), mask_image=Pillow.fromarray(repaint.astype(np.uint8) * 255),
        height=scene.image.shape[0], width=scene.image.shape[1], num_inference_steps=STEPS, guidance_scale=1.0,
        strength=1.0, generator=torch.Generator().manual_seed(seed), output_type="np", **extra,
    ).images[0]  # fmt: skip
    return np.where(repaint[..., None], np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8), scene.image)


def _asked_place(scene: judges.Judged, index: int) -> str:
    """A place other than the scene's own, each in turn."""
    others = [name for name in BACKDROPS if name != scene.spec.backdrop]
    return others[index % len(others)]


def _place_obeyed(bench: Bench, scene: judges.Judged, index: int) -> bool:
    place = _asked_place(scene, index)
    repaint = scene.labels == BACKDROP
    prompt = f"{caption_parts(scene.spec)[0]}, {_BACKDROP_WORDS[place]}"
    return bench.place(_paint(bench.plain, scene, repaint, prompt, index), repaint) == place


def _keep_mode(bench: Bench, people: Sequence[judges.Judged]) -> dict[str, float]:
    obeyed, limbs, true_limbs = [], [], []
    for index, scene in enumerate(people):
        garment = np.isin(scene.labels, (TOP, BOTTOM))
        place = _asked_place(scene, index)
        prompt = f"{caption_parts(scene.spec)[0]}, {_BACKDROP_WORDS[place]}"
        made = _paint(bench.posed, scene, ~garment, prompt, index, pose=True)
        figure = scene.labels != BACKDROP
        around = cv2.dilate(figure.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
        obeyed.append(bench.place(made, around) == place)
        limbs.append(_iou(bench.figure(made) & ~garment, figure & ~garment))
        true_limbs.append(_iou(bench.figure(scene.image) & ~garment, figure & ~garment))
    return {"place_keep": _share(obeyed), "limbs": _share(limbs), "judge_limbs": _share(true_limbs)}


def _iou(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / max(int((first | second).sum()), 1))


def _garments(bench: Bench, people: Sequence[judges.Judged]) -> dict[str, float]:
    colors, patterns, true_patterns = [], [], []
    names = [name for name in judges.COLOR_CLASSES if name in DYES]
    for index, scene in enumerate(people):
        top = scene.labels == TOP
        repaint = np.asarray(cv2.dilate(top.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
        kind = scene.spec.garments[-1].kind
        place = _BACKDROP_WORDS[scene.spec.backdrop]
        color = names[index % len(names)]
        made = _paint(bench.plain, scene, repaint, f"a model wearing a {color} {kind}, {place}", index)
        colors.append(judges.nearest_color(made, top) == color)
        pattern = judges.PATTERN_CLASSES[index % len(judges.PATTERN_CLASSES)]
        word = "" if pattern == "plain" else f"{pattern} "
        made = _paint(bench.plain, scene, repaint, f"a model wearing a {color} {word}{kind}, {place}", index)
        patterns.append(bench.pattern(made, top) == pattern)
        if judges.top_pattern(scene.spec) in judges.PATTERN_CLASSES:
            true_patterns.append(bench.pattern(scene.image, top) == judges.top_pattern(scene.spec))
    return {"color": _share(colors), "pattern": _share(patterns), "judge_pattern": _share(true_patterns)}

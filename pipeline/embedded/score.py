"""Scores of the studio's models on held-out scenes: what the model cards say, measured again by anyone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.embedded.detector import open_detector
from pipeline.embedded.foreground import SHIPPED as SHIPPED_FOREGROUND
from pipeline.embedded.foreground import foreground, load_foreground
from pipeline.embedded.inpaint_score import score_inpaint
from pipeline.embedded.render import render
from pipeline.embedded.sam import load_sam
from pipeline.embedded.train.data import TRAIN_SEED, SceneCache, label_map
from pipeline.embedded.train.findings import detection_scores, find_phrases
from pipeline.embedded.train.sam import mean_iou
from pipeline.embedded.train.views import paired
from pipeline.errors import RecipeError

WEIGHTS: Final = Path(__file__).parent / "weights"
"""Where shipped weights lie, a folder a model."""
DETECTOR: Final = WEIGHTS / "grounding-dino-tiny-embedded"


def held_out(scenes: int, *, seed: int = 0, size_px: int = 256) -> SceneCache:
    """Scenes that no training has seen, rendered into memory.

    Raises:
        RecipeError: seeds that reach into the training's.
    """
    _below_training(seed + scenes, seed)
    images, labels, things = [], [], []
    for number in range(seed, seed + scenes):
        scene = render(number, size=(size_px, size_px))
        numbers, named = label_map(scene)
        images.append(scene.image)
        labels.append(numbers)
        things.append(named)
    return SceneCache(images=np.stack(images), labels=np.stack(labels), things=tuple(things))


def _below_training(end: int, seed: int) -> None:
    if end > TRAIN_SEED:
        raise RecipeError(f"seeds {seed} to {end}: those from {TRAIN_SEED} on are the training's; use smaller ones")


def score_sam(
    folder: Path = WEIGHTS / "sam-tiny",
    *,
    scenes: int = 200,
    seed: int = 0,
    jitter: float = 0.0,
    detector: Path | None = None,
    clicks: int = 0,
    pairs: bool = False,
) -> dict[str, float]:
    """Mean IoU of masks from boxes: the true ones, the true ones moved, or those that a detector found; or from clicks.

    Args:
        folder: the segmenter.
        scenes: how many held-out scenes.
        seed: the first one's.
        jitter: the true boxes' edges are moved by a normal share of their sides.
        detector: the folder of a detector, whose best box for a thing's first phrase is then taken instead; only
            things with phrases count.
        clicks: prompts are this many random clicks, the first on the thing, instead of boxes.
        pairs: every scene stands beside the next one, in one picture.

    Returns:
        ``mean_iou``, ``over_0.8`` (share of masks above IoU 0.8), and the mean of each kind of thing.
    """
    sam, cache = load_sam(folder), held_out(scenes, seed=seed)
    cache = paired(cache) if pairs else cache
    boxes = None
    if detector is not None:
        side = cache.images.shape[1]
        findings = find_phrases(*open_detector(detector), cache, scenes=scenes)
        boxes = {(f.scene, f.phrase): tuple((f.boxes[0] * side).tolist()) for f in findings}
    return mean_iou(sam, cache, scenes=scenes, jitter=jitter, boxes=boxes, clicks=clicks)


def score_detector(folder: Path = DETECTOR, *, scenes: int = 200, seed: int = 0) -> dict[str, float]:
    """AP50, recall and precision at thresholds, and where the scores lie: see ``detection_scores``.

    Raises:
        WeightsMissing: the folder holds no detector.
    """
    model, tokenizer = open_detector(folder)
    return detection_scores(find_phrases(model, tokenizer, held_out(scenes, seed=seed), scenes=scenes))


PLAIN_PLACES: Final = ("white", "grey sweep", "paper")


def score_foreground(folder: Path = SHIPPED_FOREGROUND, *, scenes: int = 200, seed: int = 0) -> dict[str, float]:
    """Mean IoU of the foreground network with whole subjects, from plain places and from busy ones.

    Returns:
        ``mean_iou``, ``over_0.9`` (share of masks above IoU 0.9), and the means of ``plain`` and ``busy`` places.

    Raises:
        RecipeError: seeds that reach into the training's.
        WeightsMissing: the folder holds no network.
    """
    model = load_foreground(folder)
    _below_training(seed + scenes, seed)
    found: dict[bool, list[float]] = {True: [], False: []}
    for number in range(seed, seed + scenes):
        scene = render(number, size=(256, 256))
        seen, true = foreground(scene.image, model) > 0.5, scene.alpha > 0.5
        iou = int(np.count_nonzero(seen & true)) / max(int(np.count_nonzero(seen | true)), 1)
        found[scene.attributes["backdrop"] in PLAIN_PLACES].append(iou)
    both = [*found[True], *found[False]]
    scores = {"mean_iou": np.mean(both), "over_0.9": np.mean(np.array(both) > 0.9)}
    scores |= {name: np.mean(values) for name, values in (("plain", found[True]), ("busy", found[False])) if values}
    return {name: round(float(value), 3) for name, value in scores.items()}


SCORES: Final[Mapping[str, Callable[..., dict[str, float]]]] = {
    "sam": score_sam,
    "foreground": score_foreground,
    "detector": score_detector,
    "inpaint": score_inpaint,
}
"""What ``seamline studio score`` can measure."""


def card(title: str, about: str, training: str, scores: Mapping[str, Any], command: str, limits: str) -> str:
    """A model card in Markdown: what the model is, how it was trained, what it scores, what it cannot do."""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in scores.items())
    return (
        f"---\nlicense: apache-2.0\n---\n\n# {title}\n\n{about}\n\n## Data and training\n\n{training}\n\n"
        f"## Scores\n\nOn held-out scenes, by `{command}`:\n\n| measure | value |\n|---|---|\n{rows}\n\n"
        f"## Limits\n\n{limits}\n"
    )

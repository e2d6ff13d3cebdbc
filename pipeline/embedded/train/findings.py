"""What a detector finds in scenes of known content, one caption a phrase as masks are made, and scores of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.detector import SIDE_PX
from pipeline.embedded.train.backbone import normalised
from pipeline.embedded.train.data import SceneCache
from pipeline.embedded.train.matching import answers, box_ops, corners
from pipeline.embedded.train.phrases import absent_phrases, encode, padded

THRESHOLDS: Final = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
RIGHT_IOU: Final = 0.5
NMS_IOU: Final = 0.6
ABSENT_A_SCENE: Final = 2


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One phrase asked of one scene.

    Attributes:
        scene: its index.
        phrase: what was asked.
        boxes: (n, 4) found corners in [0, 1], the best first, after non-maximum suppression.
        scores: (n,) theirs: the best of the phrase's tokens.
        truth: (m, 4) corners of what the phrase names; none if it is absent.
    """

    scene: int
    phrase: str
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    truth: NDArray[np.float32]


def find_phrases(model: Any, tokenizer: Any, cache: SceneCache, *, scenes: int, side: int = SIDE_PX) -> list[Finding]:
    """Ask the first ``scenes`` for the first phrase of each of their things, and for two that are absent.

    Pictures are brought to ``side`` px.
    """
    import torch

    found = []
    for index in range(min(scenes, len(cache))):
        things, native = cache.things[index], cache.images.shape[1]
        named = [t for t in things if t.phrases]
        absent = absent_phrases(things, np.random.default_rng([5, index]), ABSENT_A_SCENE)
        phrases = list(dict.fromkeys([*(t.phrases[0] for t in named), *absent]))
        encoded = [encode([phrase], tokenizer) for phrase in phrases]
        image = cv2.resize(np.asarray(cache.images[index]), (side, side), interpolation=cv2.INTER_AREA)
        pixels = normalised(image[None]).expand(len(phrases), -1, -1, -1)
        with torch.inference_mode():
            _, layers = answers(model, pixels, *padded([ids for ids, _ in encoded]))
        for row, phrase in enumerate(phrases):
            scores = layers[-1][0][row].sigmoid()[:, list(encoded[row][1][0])].amax(1)
            boxes = corners(layers[-1][1][row])
            kept = box_ops().nms(boxes, scores, NMS_IOU)
            truth = np.array([t.box for t in named if phrase in t.phrases], np.float32).reshape(-1, 4) / native
            found.append(
                Finding(scene=index, phrase=phrase, boxes=boxes[kept].numpy(), scores=scores[kept].numpy(), truth=truth)
            )
    return found


def judged(finding: Finding) -> NDArray[np.bool_]:
    """(n,) which found boxes are right: the first to overlap a true one by IoU 0.5 or more."""
    import torch

    right = np.zeros(len(finding.scores), bool)
    if len(finding.truth):
        overlap = box_ops().box_iou(torch.from_numpy(finding.boxes), torch.from_numpy(finding.truth)).numpy()
        used: set[int] = set()
        for query in range(len(right)):
            for at in np.argsort(-overlap[query], kind="stable").tolist():
                if overlap[query, at] >= RIGHT_IOU and at not in used:
                    used.add(at)
                    right[query] = True
                    break
    return right


def average_precision(right: NDArray[np.bool_], scores: NDArray[np.float32], things: int) -> float:
    """Area under the precision of ever more boxes, the best first, over their recall (made monotone, as COCO does)."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float(precision[right[order]].sum() / max(things, 1))


def detection_scores(findings: Sequence[Finding]) -> dict[str, float]:
    """AP50 over all phrases, recall and precision at thresholds, and where the scores of phrases lie.

    ``top1_right``: share of present phrases whose best box is right, whatever its score. ``present_over_0.35`` and
    ``absent_under_0.25``: shares of phrases by their best box's score. ``separation``: chance that a present
    phrase scores above an absent one.
    """
    right = np.concatenate([judged(f) for f in findings])
    scores = np.concatenate([f.scores for f in findings])
    things = sum(len(f.truth) for f in findings)
    result = {"ap50": average_precision(right, scores, things)}
    for threshold in THRESHOLDS:
        over = scores > threshold
        result[f"recall_{threshold}"] = float(right[over].sum() / max(things, 1))
        result[f"precision_{threshold}"] = float(right[over].sum() / max(over.sum(), 1))
    present = np.array([f.scores.max() for f in findings if len(f.truth)], np.float32)
    absent = np.array([f.scores.max() for f in findings if not len(f.truth)], np.float32)
    result["top1_right"] = float(np.mean([judged(f)[0] for f in findings if len(f.truth)]))
    result["present_over_0.35"] = float((present > 0.35).mean())
    result["absent_under_0.25"] = float((absent < 0.25).mean())
    result["separation"] = float((present[:, None] > absent[None]).mean())
    return {name: round(value, 3) for name, value in result.items()}

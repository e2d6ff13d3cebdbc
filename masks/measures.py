"""What can be measured of a candidate mask without knowing the truth. Pure array code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.detectors.boxes import box_iou
from masks.detectors.types import PhraseScores
from masks.priors import Prior, shape_of
from masks.tune_types import Floats
from pipeline.types import Mask

NAMES = (
    "score",
    "relative",
    "peak",
    "plateau",
    "gap",
    "predicted_iou",
    "stability",
    "box_fit",
    "repeat",
    "consensus",
    "agreement",
    "area_off",
    "aspect_off",
    "figure_off",
    "zone_off",
    "whole_body",
    "outside",
    "contrast",
    "claimed",
    "coverage",
    "scattered",
    "fill",
)  # fmt: skip
"""Every measure, in the order of the fitted weights."""

OVERLAP = 0.6
"""Boxes that overlap by more are about the same thing."""


@dataclass(frozen=True, kw_only=True)
class Proposals:
    """Boxes to ask the segmenter about, the best first.

    Attributes:
        boxes: (K, 4).
        scores: (K,) of the box that each came from.
        plateaus: (K, 2) thresholds, low and high, at which that box is the last one kept.
    """

    boxes: Floats
    scores: Floats
    plateaus: Floats


@dataclass(frozen=True, kw_only=True)
class Around:
    """What else is known of the picture.

    Attributes:
        figure: the whole person or mannequin, if one is known.
        figure_scores: what the detector said of the figure's phrase.
        claims: masks of unwanted things (`hair`, `hand`).
        claim_scores: what the detector said of unwanted phrases.
    """

    figure: Mask | None = None
    figure_scores: PhraseScores | None = None
    claims: Sequence[Mask] = ()
    claim_scores: Sequence[PhraseScores] = ()


def mask_ious(masks: NDArray[np.bool_]) -> Floats:
    """IoU of every mask with every other: (K, H, W) to (K, K). Two empty masks are alike."""
    bits = np.packbits(masks.reshape(len(masks), -1), axis=1)
    shared = np.array([[np.bitwise_count(one & other).sum() for other in bits] for one in bits], np.float32)
    shared = shared.reshape(len(masks), len(masks))
    areas = np.diagonal(shared)
    union = areas[:, None] + areas[None] - shared
    result: Floats = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    return result


def score_at(found: PhraseScores, boxes: Floats) -> Floats:
    """The best score that a phrase gives to what lies at each box: (K, 4) to (K,)."""
    near = box_iou(boxes, found.boxes) > OVERLAP
    best: Floats = np.where(near, found.scores[None], 0).max(axis=1, initial=0).astype(np.float32)
    return best


def peak_of(found: PhraseScores) -> float:
    """How far the best query stands out of the ten best, in [0, 1]."""
    top = np.sort(found.scores)[::-1][:10]
    return float(1 - np.median(top) / max(float(top[0]), 1e-6)) if len(top) else 0.0


def measure(
    masks: NDArray[np.bool_], prompts: Proposals, ious: Floats, stabilities: Floats, repeats: Floats,
    phrases: Sequence[PhraseScores], prior: Prior, around: Around,
) -> NDArray[np.float64]:  # fmt: skip
    """Everything that is measured of K candidates: (K, len(NAMES)).

    Args:
        masks: (K, H, W).
        prompts: their boxes, scores and plateaus.
        ious: (K,) predicted by the segmenter.
        stabilities: (K,).
        repeats: (K,) IoU of each mask with the one that its own box gives.
        phrases: what the detector said of the phrase and its synonyms; the phrase first.
        prior: what is expected of the class.
        around: what else is known.
    """
    boxes = prompts.boxes
    top = max(float(prompts.scores.max()), 1e-6)
    alike = mask_ious(masks)
    at = np.stack([score_at(found, boxes) / max(float(found.scores.max(initial=0)), 1e-6) for found in phrases])
    figure_at = score_at(around.figure_scores, boxes) if around.figure_scores is not None else np.zeros(len(boxes))
    claims = [score_at(found, boxes) for found in around.claim_scores]
    claims_at = np.stack(claims).max(0) if claims else np.zeros(len(boxes), np.float32)
    columns = {
        "score": prompts.scores,
        "relative": prompts.scores / top,
        "peak": np.full(len(boxes), peak_of(phrases[0])),
        "plateau": prompts.plateaus[:, 1] - prompts.plateaus[:, 0],
        "gap": _gaps(prompts.scores, alike),
        "predicted_iou": ious,
        "stability": stabilities,
        "repeat": repeats,
        "consensus": _consensus(prompts.scores, alike),
        "agreement": at.mean(axis=0),
        "contrast": (prompts.scores - figure_at) * (not prior.is_figure),
        "claimed": np.clip(claims_at - prompts.scores, 0, 1),
    }
    each = [_of_mask(mask, box, prior, around) for mask, box in zip(masks, boxes, strict=True)]
    rows = [columns[name] if name in columns else np.array([one[name] for one in each]) for name in NAMES]
    return np.stack(rows, axis=1).astype(np.float64)


def _gaps(scores: Floats, alike: Floats) -> Floats:
    """How far each candidate's score stands above the best of those that show something else."""
    other = np.where(alike < 0.5, scores[None], 0).max(axis=1)
    return np.asarray(scores - other, np.float32)


def _consensus(scores: Floats, alike: Floats) -> Floats:
    """Mean IoU with all other candidates, the detector's better ones counting more."""
    weights = (scores / max(float(scores.max()), 1e-6)) ** 4
    table = np.tile(weights[None], (len(scores), 1))
    np.fill_diagonal(table, 0)
    total = table.sum(axis=1)
    shared = (table * alike).sum(axis=1)
    mean: Floats = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0).astype(np.float32)
    return mean


def _of_mask(mask: Mask, box: Floats, prior: Prior, around: Around) -> dict[str, float]:
    """Measures of one mask by itself."""
    shape = shape_of(mask, around.figure)
    if shape is None:
        return dict.fromkeys(NAMES, 0.0) | {"area_off": 4.0, "outside": 1.0, "scattered": 1.0}
    tight = np.array([ops.bounding_box(mask)], np.float32)
    area = float(np.count_nonzero(mask))
    sides = np.clip(box[2:] - box[:2], 1, None)
    found = {
        "box_fit": float(box_iou(tight, box[None])[0, 0]),
        "area_off": prior.area.deviation(shape.area),
        "aspect_off": prior.aspect.deviation(shape.aspect),
        "figure_off": 0.0,
        "zone_off": 0.0,
        "whole_body": 0.0,
        "outside": 0.0,
        "coverage": shape.area,
        "scattered": 1 - float(np.count_nonzero(ops.largest_part(mask))) / area,
        "fill": area / float(sides.prod()),
    }
    if around.figure is not None and around.figure.any() and prior.worn and shape.of_figure is not None:
        found["figure_off"] = prior.of_figure.deviation(shape.of_figure)
        found["whole_body"] = ops.iou(mask, around.figure)
        found["outside"] = 1 - float(np.count_nonzero(mask & around.figure)) / area
        found["zone_off"] = zone_off(mask, around.figure, prior)
    return found


def zone_off(mask: Mask, figure: Mask, prior: Prior) -> float:
    """How far a mask reaches out of its class's zone on a whole figure, as a share of the figure's height.

    0 where the frame cuts the figure at the top or bottom: then its height is not known.
    """
    body, part = ops.bounding_box(figure), ops.bounding_box(mask)
    if body is None or part is None or prior.zone is None or ops.touches_edges(figure) & {"top", "bottom"}:
        return 0.0
    height = max(body[3] - body[1], 1)
    top, bottom = (part[1] - body[1]) / height, (part[3] - body[1]) / height
    return float(np.clip(max(prior.zone[0] - top, 0) + max(bottom - prior.zone[1], 0), 0, 1))

"""What the threshold search takes and gives: plain frozen data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.types import Mask

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """Masks of K boxes: ``masks`` (K, H, W) bool, ``ious`` (K,) predicted, ``stabilities`` (K,) in [0, 1]."""

    masks: NDArray[np.bool_]
    ious: Floats
    stabilities: Floats


Segment = Callable[[Floats], Segmented]
"""From (K, 4) boxes in pixels to their masks, at the size that the boxes are meant in."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One possible answer.

    Attributes:
        box: (4,) float32, the prompt that gave the mask.
        mask: (H, W).
        score: the detector's score of the box it came from, in [0, 1].
        thresholds: the plateau: thresholds, low and high, at which that box is the last one kept.
        measures: what is measured of it, by the names of ``masks.measures.NAMES``.
        quality: how good it is by the fitted weights, in [0, 1].
    """

    box: Floats
    mask: Mask
    score: float
    thresholds: tuple[float, float]
    measures: Mapping[str, float]
    quality: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """What one plateau of thresholds gives.

    Attributes:
        threshold: a threshold inside the plateau.
        low: its lower end.
        high: its upper end; every threshold in [low, high) keeps the same boxes.
        boxes: how many boxes are kept.
        score: the quality of the best answer that the plateau adds, in [0, 1].
        chosen: whether the choice lies in it.
    """

    threshold: float
    low: float
    high: float
    boxes: int
    score: float
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The answer for one subject in one photo.

    Attributes:
        threshold: the chosen box threshold, inside the chosen plateau.
        boxes: (P, 4) prompts of the mask: one, or one a part; none if the phrase names nothing in the picture.
        mask: (H, W); empty if there is nothing.
        confidence: chance that the mask's IoU with the truth is 0.8 or more, in [0, 1].
        present: whether the phrase names something in the picture at all.
        reasons: why, in words.
        sweep: one row a plateau, thresholds falling.
        score: the detector's score of the chosen box.
    """

    threshold: float
    boxes: Floats
    mask: Mask
    confidence: float
    present: bool
    reasons: tuple[str, ...]
    sweep: tuple[SweepRow, ...]
    score: float = 0.0

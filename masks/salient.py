"""A best effort for photos with neither a plain backdrop nor a person: what stands out near the middle."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.networks import foreground_probability, reduced
from pipeline.types import Image, Mask, Size


@dataclass(frozen=True, kw_only=True)
class Salient:
    """A guessed subject. ``confidence`` never reaches what a recipe publishes unseen."""

    mask: Mask
    confidence: float


def find_salient(image: Image) -> Salient | None:
    """The selfie network's foreground where it sees one, else the middle of the picture, cut out by GrabCut."""
    small, _ = reduced(image)
    probability = foreground_probability(small)
    seen = float((probability > 0.5).mean())
    unsure = float(((probability > 0.1) & (probability < 0.9)).mean())
    if not 0.02 < seen < 0.95 or unsure > 0.5 * seen:
        # a guess this vague is not worth GrabCut's time at full size
        scale = 384 / max(small.shape)
        half = (max(8, round(small.shape[1] * scale)), max(8, round(small.shape[0] * scale)))
        small = np.asarray(cv2.resize(small, half, interpolation=cv2.INTER_AREA), np.uint8)
        probability = np.asarray(cv2.resize(probability, half, interpolation=cv2.INTER_AREA), np.float32)
        height, width = small.shape[:2]
        x, y = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
        middle = np.clip(1.15 - np.hypot(x / 0.75, y / 0.75) * 0.62, 0.05, 0.75)
        probability = np.maximum(probability * 0.75, middle).astype(np.float32)
        unsure, seen = 1.0, 1.0
    mask = ops.largest_part(_refined(small, probability))
    if not 0.005 < mask.mean() < 0.98:
        return None
    size: Size = (image.shape[0], image.shape[1])
    soft = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return Salient(mask=np.asarray(soft > 0.5), confidence=round(0.15 + 0.3 * max(0.0, 1 - unsure / seen), 3))


def _refined(image: Image, probability: NDArray[np.float32]) -> Mask:
    """GrabCut inside the doubtful band (Rother et al., 2004), in the box around it."""
    guess = probability > 0.5
    box = ops.bounding_box(probability > 0.2)
    if box is None:
        return guess
    size: Size = (guess.shape[0], guess.shape[1])
    x0, y0, x1, y1 = ops.grown_box(box, 0.15 * max(box[2] - box[0], box[3] - box[1]), size)
    inner = probability[y0:y1, x0:x1]
    labels = np.where(inner > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inner < 0.2] = cv2.GC_BGD
    labels[inner > 0.8] = cv2.GC_FGD
    if not (inner > 0.5).any() or not (inner < 0.5).any():
        return guess
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(np.ascontiguousarray(image[y0:y1, x0:x1]), labels, (0, 0, 0, 0), *models, 3, cv2.GC_INIT_WITH_MASK)
    mask = np.zeros_like(guess)
    mask[y0:y1, x0:x1] = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    mask = ops.smooth_edge(mask, max(0.7, max(size) / 1200))
    speck = 0.002 * float(np.count_nonzero(mask))
    return ops.drop_islands(ops.fill_holes(mask, speck / 4), speck)

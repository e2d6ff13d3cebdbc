"""Boxes from phrases with Grounding DINO: detect once, keep every raw score, choose thresholds later.

``detect`` runs the network with one caption a phrase and keeps all queries. ``boxes_at`` turns them into boxes
for any threshold in milliseconds, so tuning never runs the detector again. A family is a row of
``FAMILIES``; which one loads a checkpoint is in the checkpoint's row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from masks.detectors import hub, package
from masks.detectors.boxes import Boxes, best_boxes, box_iou, boxes_at, boxes_cxcywh_to_xyxy
from masks.detectors.captions import caption_of, clean_phrase, word_tokens
from masks.detectors.types import Detector, DetectorFamily, Floats, Network, PhraseScores, PictureFit, RawDetections
from masks.loading import load_parts
from pipeline.errors import ModelError, RecipeError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.devices import inference, out_of_memory_named
from pipeline.types import Box, Image, Mask, Size

FAMILIES: Mapping[str, DetectorFamily] = {family.id: family for family in (package.FAMILY, hub.FAMILY)}


@dataclass(frozen=True, kw_only=True)
class Detected:
    """One found thing.

    Attributes:
        mask: True on it, at the picture's size.
        box: the detector's box, whole pixels.
        score: the detector's score in [0, 1].
        phrase: the phrase that found it.
        predicted_iou: the segmenter's own estimate of its mask's IoU, about [0, 1].
    """

    mask: Mask
    box: Box
    score: float
    phrase: str
    predicted_iou: float


def load_detector(
    name: str | Checkpoint, *, device: str = "auto", dtype: str | None = None, accept_licence: Sequence[str] = (),
    mirror: Path | None = None,
) -> Detector:  # fmt: skip
    """Load a detector's checkpoint; arguments and errors are those of ``masks.loading.load_parts``."""
    parts = load_parts(
        name, "detector", FAMILIES, device=device, dtype=dtype, accept_licence=accept_licence, mirror=mirror
    )
    return Detector(**parts)


def detect(model: Detector, image: Image, phrases: Sequence[str]) -> RawDetections:
    """Run the detector over one picture: one caption a phrase, every query kept.

    The part of the network that sees only the picture runs once, however many phrases there are.

    Args:
        model: a loaded detector.
        image: (H, W, 3) uint8, RGB.
        phrases: what to look for; asked in lower case, duplicates once.

    Raises:
        RecipeError: no phrase, an empty one, or one that is several sentences or too long.
        ModelError: the picture is not RGB 8 bit, or the network gave numbers that are not finite.
        OutOfMemory: the picture does not fit on the device.
    """
    asked = list(dict.fromkeys(clean_phrase(phrase) for phrase in phrases))
    if not asked:
        raise RecipeError("The detector needs at least one phrase; name the product in subject.phrases")
    network, family = model.network, model.family
    tokens = [word_tokens(caption_of(p), p.split(), network.tokenizer, network.max_tokens) for p in asked]
    pixels = to_pixels(image, network.fit).to(model.device)
    # On a processor a batch is no faster, and one caption at a time lets the backbone run once for all of them.
    batch = 1 if model.device == "cpu" else family.max_batch
    found: list[PhraseScores] = []
    with inference(model.device, model.dtype), out_of_memory_named("detecting"), run_once(network.backbone):
        for start in range(0, len(asked), batch):
            part = asked[start : start + batch]
            logits, boxes = family.forward(network, pixels, [caption_of(phrase) for phrase in part])
            probabilities = logits.float().sigmoid().cpu().numpy()
            centred = boxes.float().cpu().numpy()
            found += [
                _phrase_scores(phrase, tokens[start + at], probabilities[at], centred[at], image.shape[:2])
                for at, phrase in enumerate(part)
            ]
    return RawDetections(size=image.shape[:2], phrases=tuple(found), fingerprint=model.fingerprint)


def _phrase_scores(
    phrase: str, tokens: Sequence[Sequence[int]], probabilities: Floats, centred: Floats, size: Size
) -> PhraseScores:
    if not np.isfinite(probabilities).all() or not np.isfinite(centred).all():
        raise ModelError(f"The detector gave numbers that are not finite for {phrase!r}; use dtype float32")
    word_scores = np.stack([probabilities[:, list(spelled)].max(axis=1) for spelled in tokens], axis=1)
    return PhraseScores(
        phrase=phrase,
        words=tuple(phrase.split()),
        boxes=boxes_cxcywh_to_xyxy(centred, size),
        word_scores=word_scores.astype(np.float32),
    )


def fit_size(size: Size, shortest_px: int, longest_px: int) -> Size:
    """The size with the shorter side at ``shortest_px``, or less where the longer one would exceed ``longest_px``."""
    short, long = min(size), max(size)
    target = shortest_px if long / short * shortest_px <= longest_px else round(longest_px * short / long)
    scaled = int(target * long / short)
    return (target, scaled) if size[0] <= size[1] else (scaled, target)


def to_pixels(image: Image, fit: PictureFit) -> Any:
    """The picture as a (1, 3, h, w) float32 tensor, scaled (bilinear, antialiased) and normalised.

    Raises:
        ModelError: not an (H, W, 3) uint8 array.
    """
    import torch
    from PIL import Image as Pictures

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ModelError(f"The detector takes (H, W, 3) uint8 RGB pictures, and got {image.shape} {image.dtype}")
    height, width = fit_size(image.shape[:2], fit.shortest_px, fit.longest_px)
    scaled = Pictures.fromarray(image).resize((width, height), Pictures.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(scaled)).permute(2, 0, 1).float().div(255)
    mean, std = torch.tensor(fit.mean).view(3, 1, 1), torch.tensor(fit.std).view(3, 1, 1)
    return ((values - mean) / std)[None]


@contextlib.contextmanager
def run_once(module: Any) -> Iterator[None]:
    """Within the block, answer a second call of ``module`` with the same input shape by its first answer.

    For networks whose picture part does not depend on the caption. The block must be about one picture.
    """
    answers: dict[tuple[int, ...], Any] = {}
    original = module.forward

    def remembered(first: Any, *args: Any, **kwargs: Any) -> Any:
        pixels = getattr(first, "tensors", first)  # groundingdino-py wraps pixels and their padding mask
        shape = tuple(pixels.shape)
        if shape not in answers:
            answers[shape] = original(first, *args, **kwargs)
        return answers[shape]

    module.forward = remembered
    try:
        yield
    finally:
        del module.forward  # the instance's attribute; the class's own method is visible again


__all__ = [
    "FAMILIES",
    "Boxes",
    "Detected",
    "Detector",
    "Network",
    "PhraseScores",
    "RawDetections",
    "best_boxes",
    "box_iou",
    "boxes_at",
    "detect",
    "fit_size",
    "load_detector",
    "to_pixels",
]

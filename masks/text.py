"""Things named by words: Grounding DINO's boxes, SAM's masks, unwanted things cut out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.detect import Boxes, Detected, Detector, boxes_at, detect, load_detector
from masks.detectors.boxes import box_iou
from masks.detectors.captions import clean_phrase
from masks.detectors.types import RawDetections
from masks.segment import embed, load_segmenter, predict
from masks.segmenters.types import Embedding, Predicted, Segmenter
from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint, checkpoint
from pipeline.models.devices import loaded_models
from pipeline.types import Box, Image, Size


def masks_of_boxes(
    model: Segmenter, embedding: Embedding, found: Boxes, *, exclude: Sequence[str] = (), contest_iou: float = 0.8,
    predicted: Predicted | None = None,
) -> list[Detected]:  # fmt: skip
    """Masks of detected boxes, without what other phrases claim.

    Args:
        model: a loaded segmenter.
        embedding: the picture's embedding.
        found: boxes of wanted and unwanted phrases.
        exclude: which of their phrases are unwanted: their masks, eroded a little, are cut out of the wanted ones, and
            a wanted box that an unwanted one claims with a better score is dropped: its label is not the class.
        contest_iou: overlap from which two boxes are about the same thing.
        predicted: the segmenter's answers to all of these boxes, if they are known.

    Returns:
        The wanted things, the best first; those with nothing left are dropped.
    """
    unwanted_phrases = {clean_phrase(phrase) for phrase in exclude}
    unwanted = np.array([phrase in unwanted_phrases for phrase in found.phrases], bool)
    contested = box_iou(found.boxes, found.boxes) > contest_iou
    better = found.scores[None, :] > found.scores[:, None]
    keep = np.flatnonzero(unwanted | ~(contested & better & unwanted[None, :]).any(axis=1))
    if not len(keep) or unwanted[keep].all():
        return []
    if predicted is None:
        predicted = predict(model, embedding, boxes=found.boxes[keep])
    else:
        predicted = Predicted(masks=predicted.masks[keep], ious=predicted.ious[keep], logits=predicted.logits[keep])
    taken = predicted.masks[unwanted[keep]].any(axis=0)
    things = [
        Detected(
            mask=ops.minus(predicted.masks[at], taken),
            box=_whole_pixels(found.boxes[index], embedding.size),
            score=float(found.scores[index]),
            phrase=found.phrases[index],
            predicted_iou=float(predicted.ious[at]),
        )
        for at, index in enumerate(keep)
        if not unwanted[index]
    ]
    return [thing for thing in things if thing.mask.any()]


def _whole_pixels(box: NDArray[np.float32], size: Size) -> Box:
    x0, y0 = (int(np.floor(value)) for value in box[:2])
    x1, y1 = (int(np.ceil(value)) for value in box[2:])
    return x0, y0, min(x1, size[1]), min(y1, size[0])


def text_masks(
    detector: Detector | None, segmenter: Segmenter, image: Image, phrases: Sequence[str], *,
    exclude: Sequence[str] = (), box_threshold: float | Mapping[str, float] = 0.3, text_threshold: float = 0.25,
    nms_iou: float = 0.7, max_boxes: int | None = None, area_floor: float = 0.0, area_ceiling: float = 1.0,
    raw: RawDetections | None = None, embedding: Embedding | Callable[[], Embedding] | None = None,
    floors: Mapping[str, float] | None = None, parts: str = "best", every_word: bool = False,
) -> list[Detected]:  # fmt: skip
    """The things that phrases name in a picture, with their masks.

    Args:
        detector: a loaded detector; None if ``raw`` is given.
        segmenter: a loaded segmenter.
        image: (H, W, 3) uint8, RGB.
        phrases: what is wanted, one thing a phrase.
        exclude: what is not: hair, hand.
        box_threshold: detector score above which a box is kept; one number, or one a phrase.
        text_threshold: score above which a word belongs to a box's label.
        nms_iou: within a phrase, a box that overlaps a better one by more is dropped.
        max_boxes: keep the best this many boxes a phrase.
        area_floor: smallest share of the picture that a box may cover.
        area_ceiling: largest share.
        raw: stored detections that hold these phrases; the detector does not run.
        embedding: the stored embedding of this picture, or what gets it; the encoder does not run.
        floors: least scores of single phrases, where they are higher than ``box_threshold``.
        parts: ``best``, each thing by itself; ``merged``, all things as one, with the best one's score.
        every_word: drop boxes whose label lacks a word of the phrase (`red dress` found on any dress).

    Returns:
        Wanted things, the best first; empty if there is none. The embedding is computed only if a box passed.
    """
    asked = [*phrases, *exclude]
    if raw is None:
        if detector is None:
            raise ModelError("text_masks needs a detector or stored detections")
        raw = detect(detector, image, asked)
    found = boxes_at(
        raw, _raised(box_threshold, floors, asked), text_threshold=text_threshold, every_word=every_word,
        phrases=asked, nms_iou=nms_iou, max_boxes=max_boxes, area_floor=area_floor, area_ceiling=area_ceiling,
    )  # fmt: skip
    wanted = {clean_phrase(phrase) for phrase in phrases}
    if not wanted.intersection(found.phrases):
        return []
    seen = embed(segmenter, image) if embedding is None else embedding() if callable(embedding) else embedding
    things = masks_of_boxes(segmenter, seen, found, exclude=exclude)
    return [_merged(things)] if parts == "merged" and things else things


def _raised(
    threshold: float | Mapping[str, float], floors: Mapping[str, float] | None, asked: Sequence[str]
) -> float | Mapping[str, float]:
    """One threshold a phrase, where a phrase has a floor of its own."""
    if not floors:
        return threshold
    least = {clean_phrase(phrase): value for phrase, value in floors.items()}
    each = {clean_phrase(phrase): threshold for phrase in asked} if isinstance(threshold, float | int) else threshold
    return {phrase: max(value, least.get(phrase, 0.0)) for phrase, value in each.items()}


def _merged(things: Sequence[Detected]) -> Detected:
    """All things as one: the union of the masks, the box around the boxes, the rest of the best."""
    corners = np.array([thing.box for thing in things])
    x0, y0 = corners[:, :2].min(axis=0).tolist()
    x1, y1 = corners[:, 2:].max(axis=0).tolist()
    return replace(things[0], mask=np.any([thing.mask for thing in things], axis=0), box=(x0, y0, x1, y1))


def text_finder(
    detector: str | Checkpoint,
    segmenter: str | Checkpoint,
    *,
    device: str = "auto",
    accept_licence: Sequence[str] = (),
    **options: Any,
) -> Callable[[Image, Sequence[str]], list[Detected]]:
    """A callable from picture and phrases to found things; the models load at its first call.

    Args:
        detector: a detector's checkpoint.
        segmenter: a segmenter's checkpoint.
        device: where both run.
        accept_licence: ids of checkpoints whose non-commercial licence is accepted.
        options: further arguments of ``text_masks``.
    """

    def find(image: Image, phrases: Sequence[str]) -> list[Detected]:
        models = loaded_models()
        loaded: list[Any] = []
        steps: tuple[tuple[str | Checkpoint, Callable[..., Any]], ...] = (
            (detector, load_detector),
            (segmenter, load_segmenter),
        )
        for name, load in steps:
            row = checkpoint(name) if isinstance(name, str) else name
            loaded.append(
                models.get(
                    f"{row!r} {device}", row.size_gb, partial(load, row, device=device, accept_licence=accept_licence)
                )
            )
        return text_masks(loaded[0], loaded[1], image, phrases, **options)

    return find

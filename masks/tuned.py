"""From stored scores and a stored embedding to one tuned subject at the picture's full size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from masks import ops
from masks.detectors.captions import clean_phrase
from masks.detectors.types import PhraseScores, RawDetections
from masks.judge import Judge
from masks.measures import Around
from masks.priors import Prior, class_of, default_prior
from masks.segment import predict, stability
from masks.segmenters.types import Embedding, Segmenter
from masks.tune import tune_phrase
from masks.tune_types import Floats, Segment, Segmented, Tuned
from pipeline.types import Mask, Size

WORK_PX = 384
"""Longest side at which candidates are compared; only the chosen one is made at the picture's size."""
FIGURE_PHRASES = ("person", "mannequin")
"""What is asked beside garments, so that an answer that is the whole figure, or lies elsewhere on it, is known for one.
A person alone was not enough: on mannequins no figure was known, and small skirts were answered by all of them."""
FIGURE_SURE = 0.5
"""A figure is believed in from this confidence on."""
CLAIM_SURE = 0.5
"""So is an unwanted thing."""


def phrases_to_ask(phrases: Sequence[str], exclude: Sequence[str] = ()) -> list[str]:
    """What the detector must be asked so that a subject can be tuned from its stored scores.

    The figure is asked for beside what is worn. Without duplicates.
    """
    asked = [clean_phrase(phrase) for phrase in (*phrases, *exclude)]
    if any(default_prior(phrase).worn for phrase in phrases):
        asked.extend(FIGURE_PHRASES)
    return list(dict.fromkeys(asked))


def work_size(size: Size, longest_px: int = WORK_PX) -> Size:
    """The size at which candidates are compared: that of the picture, or smaller."""
    scale = min(1.0, longest_px / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def scaled(found: PhraseScores, before: Size, after: Size) -> PhraseScores:
    """The scores with their boxes brought from one picture size to another."""
    factor = np.array([after[1] / before[1], after[0] / before[0]] * 2, np.float32)
    return replace(found, boxes=(found.boxes * factor).astype(np.float32))


def _above(found: PhraseScores, floor: float, least_word: float) -> PhraseScores:
    keep = (found.scores >= floor) & (found.word_scores >= least_word).all(axis=1)
    return replace(found, boxes=found.boxes[keep], word_scores=found.word_scores[keep])


def segment_by(model: Segmenter, embedding: Embedding, size: Size) -> Segment:
    """A function from boxes, in the frame of ``size``, to masks of that size."""
    small = replace(embedding, size=size)

    def segment(boxes: Floats) -> Segmented:
        predicted = predict(model, small, boxes=boxes)
        return Segmented(masks=predicted.masks, ious=predicted.ious, stabilities=stability(predicted.logits))

    return segment


def tune_subject(
    raw: RawDetections, model: Segmenter, embedding: Embedding, phrases: Sequence[str], *,
    exclude: Sequence[str] = (), parts: str = "best", floors: Mapping[str, float] | None = None,
    priors: Mapping[str, Prior] | None = None, figure: Mask | None = None,
    least_word: float = 0.0, judge: Judge | None = None,
) -> Tuned:  # fmt: skip
    """Choose threshold, boxes and mask of what some phrases name, without running the detector.

    Args:
        raw: stored detections that hold ``phrases_to_ask(phrases, exclude)``; without the figure's phrases its guard
            rests on ``figure`` alone.
        model: the segmenter that made the embedding.
        embedding: of this picture.
        phrases: names of one subject, the best first.
        exclude: what the mask leaves out; what is sure of these is cut out.
        parts: ``best`` or ``merged``, as ``tune_phrase`` has it.
        floors: least detector scores of single phrases: a studio's own minimum, below which nothing is looked at.
        least_word: every word of the phrase must score above this at a box (`red dress` found on any dress).
        priors: what is known of a class, by class word (``masks.priors.class_of``).
        figure: (H, W) the person, where another finder saw one.
        judge: fitted weights.

    Returns:
        The choice, boxes and mask in the picture's own pixels.

    Raises:
        KeyError: a phrase was not asked.
    """
    full = raw.size
    size = work_size(full)
    segment = segment_by(model, embedding, size)
    least = {clean_phrase(phrase): floor for phrase, floor in (floors or {}).items()}
    small = {p.phrase: _above(scaled(p, full, size), least.get(p.phrase, 0.0), least_word) for p in raw.phrases}
    asked = [small[raw.of(phrase).phrase] for phrase in phrases]
    unwanted = [small[raw.of(phrase).phrase] for phrase in exclude]
    prior = (priors or {}).get(class_of(phrases[0]), default_prior(phrases[0]))
    seen = figure_scores([small[name] for name in FIGURE_PHRASES if name in small]) if prior.worn else None
    whole = ops.resized(figure, size) if figure is not None else figure_of(seen, segment, size, judge)
    claims = [tune_phrase(found, segment, size, judge=judge) for found in unwanted]
    sure = [claim for claim in claims if claim.present and claim.confidence >= CLAIM_SURE]
    around = Around(
        figure=whole if prior.worn else None, figure_scores=seen, claims=[claim.mask for claim in sure],
        claim_scores=unwanted,
    )  # fmt: skip
    tuned = tune_phrase(asked, segment, size, prior=prior, around=around, parts=parts, judge=judge)
    return _at_full_size(tuned, sure, model, embedding, size)


def figure_scores(found: Sequence[PhraseScores]) -> PhraseScores | None:
    """What the detector said of figures by any of ``FIGURE_PHRASES``, as of one phrase; None if none was asked."""
    if not found:
        return None
    return PhraseScores(
        phrase=FIGURE_PHRASES[0],
        words=("figure",),
        boxes=np.concatenate([one.boxes for one in found]),
        word_scores=np.concatenate([one.scores[:, None] for one in found]),
    )


def figure_of(seen: PhraseScores | None, segment: Segment, size: Size, judge: Judge | None) -> Mask | None:
    """The whole figure's mask, if the detector is sure of one."""
    if seen is None:
        return None
    found = tune_phrase(seen, segment, size, judge=judge)
    return found.mask if found.present and found.confidence >= FIGURE_SURE else None


def _at_full_size(
    tuned: Tuned, claims: Sequence[Tuned], model: Segmenter, embedding: Embedding, size: Size
) -> Tuned:  # fmt: skip
    full = embedding.size
    factor = np.array([full[1] / size[1], full[0] / size[0]] * 2, np.float32)
    if not tuned.present:
        return replace(tuned, mask=np.zeros(full, bool))
    boxes = (tuned.boxes * factor).astype(np.float32)
    mask: Mask = np.asarray(predict(model, embedding, boxes=boxes).masks.any(axis=0))
    reasons = tuned.reasons
    for claim in claims:
        unwanted = np.asarray(predict(model, embedding, boxes=claim.boxes * factor).masks.any(axis=0))
        lost = np.count_nonzero(mask & unwanted) / max(int(np.count_nonzero(mask)), 1)
        if 0 < lost < 0.5:
            mask = ops.minus(mask, unwanted)
            reasons = (*reasons, f"an excluded thing was cut out ({lost:.0%})")
    return replace(tuned, boxes=boxes, mask=mask, reasons=reasons)

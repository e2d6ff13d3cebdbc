"""Fit the judge of the threshold search: ``python -m masks.fit_confidence`` writes ``masks/tune_weights.json``.

Asks the embedded detector and segmenter about rendered scenes with known answers, fits the choice to the candidates'
IoU, and presence and confidence to what the choice then reaches. The confidence is fitted across three folds, so that
it has seen no answer that it is calibrated on. Run it again whenever a detector or segmenter changes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from masks import ops
from masks.detect import detect, load_detector
from masks.detectors.types import Detector, RawDetections
from masks.judge import AFTER, THERE, WEIGHTS, Additive, Doubles, Judge, fit_additive, isotonic
from masks.measures import NAMES, Around
from masks.priors import default_prior
from masks.segment import embed, load_segmenter
from masks.segmenters.types import Embedding, Segmenter
from masks.tune import after_row, judged, measured
from masks.tune_scenes import Asked, draw_questions
from masks.tune_types import Candidate
from masks.tuned import FIGURE_PHRASES, figure_of, figure_scores, segment_by
from pipeline.types import Mask

FIT_SEED, SCENES = 10_000, 600
GOOD_IOU = 0.8
FOLDS = 3
THUMB_PX = 64
"""Side at which masks are kept while fitting: they only tell whether two candidates show the same."""
LOST = 0.01
"""Share of present subjects that may be taken for absent."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One picture as the models see it; what tuning starts from."""

    asked: Asked
    raw: RawDetections
    embedding: Embedding


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The candidates of one question, with thumbnails for masks, and their IoUs with the truth."""

    seed: int
    present: bool
    found: tuple[Candidate, ...]
    ious: Doubles


def see(detector: Detector, segmenter: Segmenter, pictures: Iterable[Asked]) -> Iterator[Seen]:
    """Run both models over pictures, once each."""
    for asked in pictures:
        phrases = [phrase for question in asked.questions for phrase in question.phrases]
        raw = detect(detector, asked.image, [*phrases, *FIGURE_PHRASES])
        yield Seen(asked=asked, raw=raw, embedding=embed(segmenter, asked.image))


def answer(seen: Seen, segmenter: Segmenter, judge: Judge | None) -> list[Answered]:
    """The candidates of every question of a picture; with the figure as ``judge`` sees it, or without."""
    size = seen.raw.size
    segment = segment_by(segmenter, seen.embedding, size)
    whole = figure_scores([seen.raw.of(phrase) for phrase in FIGURE_PHRASES])
    figure = figure_of(whole, segment, size, judge) if judge is not None else None
    answers = []
    for question in seen.asked.questions:
        prior = default_prior(question.phrases[0])
        around = Around(figure=figure if prior.worn else None, figure_scores=whole if prior.worn else None)
        phrases = [seen.raw.of(phrase) for phrase in question.phrases]
        found = measured(phrases, segment, size, prior=prior, around=around)
        truth = question.truth
        ious = np.array([_iou(one.mask, truth) for one in found], np.float64)
        small = tuple(replace(one, mask=ops.resized(one.mask, (THUMB_PX, THUMB_PX))) for one in found)
        answers.append(Answered(seed=question.seed, present=truth is not None, found=small, ious=ious))
    return answers


def _iou(mask: Mask, truth: Mask | None) -> float:
    return 0.0 if truth is None else ops.iou(mask, truth)


def rows_of(found: Sequence[Candidate]) -> Doubles:
    """The measures of candidates: (K, len(NAMES))."""
    return np.array([[one.measures[name] for name in NAMES] for one in found], np.float64).reshape(-1, len(NAMES))


def fit_choice(answers: Sequence[Answered]) -> Additive:
    """Fit the quality of a candidate to its IoU with the truth, 0 up to 0.4, 1 from 0.9 on.

    A body for its dress reaches 0.4, and is no half answer.
    """
    rows = np.concatenate([rows_of(one.found) for one in answers])
    targets = np.clip((np.concatenate([one.ious for one in answers]) - 0.4) / 0.5, 0, 1)
    return fit_additive(NAMES, rows, targets, bends=1, ridge=8.0)


def chosen(answers: Sequence[Answered], judge: Judge) -> tuple[Doubles, Doubles, Doubles]:
    """What the choice reaches: rows of ``AFTER``, the IoU of the chosen candidate, and whether there is a truth."""
    rows, ious, present = [], [], []
    for one in answers:
        if not one.found:
            continue
        best = judged(one.found, judge)
        at = next(at for at, other in enumerate(one.found) if other.mask is best[0].mask)
        rows.append(after_row(best))
        ious.append(one.ious[at])
        present.append(one.present)
    return np.array(rows), np.array(ious), np.array(present, np.float64)


def fit_judge(answers: Sequence[Answered], about: str = "") -> Judge:
    """Fit all three models and the curve that makes the confidence honest."""
    blank = Additive(names=(), knots=(), weights=(0.0,))
    start = Judge(
        choice=fit_choice(answers), presence=blank, confidence=blank, curve=((0.0, 0.0), (1.0, 1.0)), absent_below=0.0
    )
    rows, ious, present = _out_of_fold(answers, start)
    good = (ious >= GOOD_IOU).astype(np.float64)
    confidence = fit_additive(AFTER, rows, good, bends=1, ridge=8.0)
    seen = rows[:, [AFTER.index(name) for name in THERE]]
    presence = fit_additive(THERE, seen, present, bends=1, ridge=2.0)
    honest, there = np.zeros(len(rows)), np.zeros(len(rows))
    folds = np.arange(len(rows)) * FOLDS // len(rows)
    for fold in range(FOLDS):
        out = folds == fold
        honest[out] = fit_additive(AFTER, rows[~out], good[~out], bends=1, ridge=8.0)(rows[out])
        there[out] = fit_additive(THERE, seen[~out], present[~out], bends=1, ridge=2.0)(seen[out])
    return Judge(
        choice=start.choice,
        presence=presence,
        confidence=confidence,
        curve=isotonic(honest, good),
        absent_below=round(float(np.quantile(there[present > 0], LOST)), 4),
        about=about,
    )


def _out_of_fold(answers: Sequence[Answered], start: Judge) -> tuple[Doubles, Doubles, Doubles]:
    """``chosen`` by choices that have not seen the question's picture."""
    seeds = np.unique([one.seed for one in answers])
    fold_of = dict(zip(seeds.tolist(), (np.arange(len(seeds)) * FOLDS // len(seeds)).tolist(), strict=True))
    parts = []
    for fold in range(FOLDS):
        others = [one for one in answers if fold_of[one.seed] != fold]
        held = Judge(**{**vars(start), "choice": fit_choice(others)})
        parts.append(chosen([one for one in answers if fold_of[one.seed] == fold], held))
    rows, ious, present = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, ious, present


def fit(seen: Sequence[Seen], segmenter: Segmenter, about: str = "") -> Judge:
    """Fit without figures on a third of the pictures, then on all with the figures that this first judge is sure of."""
    first = fit_judge([one for picture in seen[::3] for one in answer(picture, segmenter, None)])
    return fit_judge([one for picture in seen for one in answer(picture, segmenter, first)], about)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--detector", default="grounding-dino-embedded")
    parser.add_argument("--segmenter", default="sam-embedded")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args(arguments)
    detector, segmenter = load_detector(options.detector), load_segmenter(options.segmenter)
    seen = list(see(detector, segmenter, draw_questions(range(FIT_SEED, FIT_SEED + options.scenes))))
    about = f"{options.scenes} scenes from seed {FIT_SEED}; {options.detector}, {options.segmenter}"
    judge = fit(seen, segmenter, about)
    options.out.write_text(json.dumps(json.loads(judge.to_json()), indent=1) + "\n")
    print(f"wrote {options.out}: {about}; absent below {judge.absent_below}")


if __name__ == "__main__":
    main()

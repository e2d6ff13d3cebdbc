"""Score ``box_threshold: auto`` against fixed thresholds: ``python -m masks.bench_tune`` on held-out rendered scenes.

Scenes are those of ``masks.tune_scenes``: plain, faint, small, paired; two phrases a picture name nothing in it. None
of the seeds was trained on, and none was used to fit the weights of the choice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from masks import ops
from masks.detect import boxes_at, load_detector
from masks.fit_confidence import GOOD_IOU, Seen, see
from masks.priors import default_prior
from masks.segment import load_segmenter, predict
from masks.segmenters.types import Segmenter
from masks.tune import LOWEST
from masks.tune_scenes import Question, draw_questions
from masks.tuned import FIGURE_PHRASES, figure_of, figure_scores, scaled, segment_by, tune_subject, work_size
from pipeline.types import Mask

FIRST_SEED, SCENES = 20_000, 150
FIXED = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
PARK_BELOW = 0.6
FOUND_IOU = 0.5
WHOLE = 0.7
"""A mask that covers so much of the figure is the whole body, if the truth does not."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one way made of one question.

    Attributes:
        way: ``auto`` or a fixed threshold, best or merged.
        kind: how the picture was made hard.
        present: whether the phrase names something in the picture.
        answered: whether a mask was given.
        iou: with the truth; 0 without a mask or truth.
        whole_body: a garment was asked for, and the mask is the figure.
        confidence: in [0, 1]; for a fixed threshold the detector's score.
    """

    way: str
    kind: str
    present: bool
    answered: bool
    iou: float
    whole_body: bool
    confidence: float

    @property
    def missed(self) -> bool:
        """Something is there, and no mask was given or one of something else."""
        return self.present and not self.whole_body and self.iou < FOUND_IOU


def judge_mask(question: Question, way: str, mask: Mask | None, confidence: float) -> Answer:
    """Compare one mask with the truth."""
    truth, figure = question.truth, question.figure
    given = mask is not None and bool(mask.any())
    whole = False
    if mask is not None and given and figure is not None and default_prior(question.phrases[0]).worn:
        covered = np.count_nonzero(mask & figure) / max(int(np.count_nonzero(figure)), 1)
        own = 0.0 if truth is None else np.count_nonzero(truth & figure) / max(int(np.count_nonzero(figure)), 1)
        whole = bool(covered > WHOLE and own < WHOLE - 0.1)
    return Answer(
        way=way,
        kind=question.way,
        present=truth is not None,
        answered=given,
        iou=ops.iou(mask, truth) if given and mask is not None and truth is not None else 0.0,
        whole_body=whole,
        confidence=confidence if given else 0.0,
    )


def answers_of(seen: Seen, segmenter: Segmenter) -> Iterator[Answer]:
    """What every way makes of every question of a picture."""
    size = work_size(seen.raw.size)
    named = [scaled(seen.raw.of(phrase), seen.raw.size, size) for phrase in FIGURE_PHRASES]
    figure = figure_of(figure_scores(named), segment_by(segmenter, seen.embedding, size), size, None)
    whole = np.zeros(size, bool) if figure is None else figure  # found once a picture, not once a question
    for question in seen.asked.questions:
        tuned = tune_subject(seen.raw, segmenter, seen.embedding, question.phrases, figure=whole)
        yield judge_mask(question, "auto", tuned.mask if tuned.present else None, tuned.confidence)
        found = boxes_at(seen.raw, FIXED[0], phrases=question.phrases)
        masks = predict(segmenter, seen.embedding, boxes=found.boxes).masks if len(found) else None
        for threshold in FIXED:
            kept = int((found.scores > threshold).sum())
            best = masks[0] if masks is not None and kept else None
            union = np.asarray(masks[:kept].any(axis=0)) if masks is not None and kept else None
            score = float(found.scores[0]) if kept else 0.0
            yield judge_mask(question, f"{threshold:.2f} best", best, score)
            yield judge_mask(question, f"{threshold:.2f} merged", union, score)
        yield _with_the_truth(seen, segmenter, question)


def _with_the_truth(seen: Seen, segmenter: Segmenter, question: Question) -> Answer:
    """What a choice that knew the truth would make of all that the detector proposes."""
    boxes = boxes_at(seen.raw, LOWEST, phrases=question.phrases).boxes
    truth = question.truth
    masks = predict(segmenter, seen.embedding, boxes=boxes).masks if len(boxes) and truth is not None else ()
    best = max(masks, key=lambda mask: ops.iou(mask, truth), default=None) if truth is not None else None
    return judge_mask(question, "any box, truth in hand", best, 1.0)


def table(answers: Sequence[Answer]) -> str:
    """A Markdown table: one row a way."""
    lines = [
        "| threshold | mean IoU | IoU over 0.8 | missed | whole body | missed + whole body | answers to absent |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in dict.fromkeys(one.way for one in answers):
        rows = [one for one in answers if one.way == way]
        there, absent = [one for one in rows if one.present], [one for one in rows if not one.present]
        missed, whole = _share(there, lambda one: one.missed), _share(there, lambda one: one.whole_body)
        lines.append(
            f"| {way} | {np.mean([one.iou for one in there]):.3f} | {_share(there, lambda o: o.iou >= GOOD_IOU):.0%} | "
            f"{missed:.1%} | {whole:.1%} | {missed + whole:.1%} | {_share(absent, lambda one: one.answered):.0%} |"
        )
    return "\n".join(lines)


def by_kind(answers: Sequence[Answer]) -> str:
    """A Markdown table of mean IoU by kind of picture: auto and the best fixed threshold of each mode."""
    kinds = list(dict.fromkeys(one.kind for one in answers))
    lines = ["| threshold | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for way in ("auto", best_fixed(answers, "best"), best_fixed(answers, "merged")):
        means = [np.mean([o.iou for o in answers if o.way == way and o.present and o.kind == kind]) for kind in kinds]
        lines.append(f"| {way} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    return "\n".join(lines)


def best_fixed(answers: Sequence[Answer], mode: str) -> str:
    """The fixed threshold of the best mean IoU, chosen with the truth in hand."""
    means: Mapping[str, float] = {
        way: float(np.mean([one.iou for one in answers if one.way == way and one.present]))
        for way in {one.way for one in answers if one.way.endswith(mode)}
    }
    return max(means, key=lambda way: (means[way], way))


def _share(rows: Sequence[Answer], true: Callable[[Answer], bool]) -> float:
    return sum(map(true, rows)) / max(len(rows), 1)


def parking(answers: Sequence[Answer], shares: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5)) -> str:
    """A Markdown table: what parking the least sure masks catches of those under ``GOOD_IOU``."""
    lines = [
        "| parked | bad masks caught, auto | bad masks caught, detector's score | at most possible |",
        "|---|---|---|---|",
    ]
    auto = [one for one in answers if one.way == "auto" and one.answered]
    fixed = [one for one in answers if one.way == f"{FIXED[0]:.2f} best" and one.answered]
    for share in shares:
        bad = np.mean([one.iou < GOOD_IOU for one in auto])
        lines.append(
            f"| {share:.0%} | {caught(auto, share):.0%} | {caught(fixed, share):.0%} | {min(1.0, share / bad):.0%} |"
        )
    kept = [one for one in auto if one.confidence >= PARK_BELOW]
    good = _share(kept, lambda one: one.iou >= GOOD_IOU)
    lines.append(
        f"\nOf {len(auto)} masks {1 - len(kept) / max(len(auto), 1):.0%} lie under park_below {PARK_BELOW}; "
        f"of those kept {good:.0%} have an IoU of {GOOD_IOU} or more, mean {np.mean([o.iou for o in kept]):.3f}; "
        f"{sum(not one.present for one in kept)} of them answer an absent phrase."
    )
    return "\n".join(lines)


def as_catalogs_ask(answers: Sequence[Answer]) -> list[Answer]:
    """The answers about plain pictures to phrases that name what is in them: what most of a catalog is."""
    return [one for one in answers if one.kind == "plain" and one.present]


def caught(answers: Sequence[Answer], share: float) -> float:
    """Of the masks under ``GOOD_IOU``, the share that parking the least sure ``share`` of all masks holds back."""
    ordered = sorted(answers, key=lambda one: one.confidence)
    bad = sum(one.iou < GOOD_IOU for one in ordered)
    return sum(one.iou < GOOD_IOU for one in ordered[: round(share * len(ordered))]) / max(bad, 1)


def draw_reliability(answers: Sequence[Answer], path: Path, bins: int = 8) -> None:
    """Draw how often masks of a confidence are good, and what parking catches."""
    from matplotlib.figure import Figure

    auto = sorted((one for one in answers if one.way == "auto" and one.answered), key=lambda one: one.confidence)
    groups = [group for group in np.array_split(np.arange(len(auto)), bins) if len(group)]
    said = [float(np.mean([auto[at].confidence for at in group])) for group in groups]
    true = [float(np.mean([auto[at].iou >= GOOD_IOU for at in group])) for group in groups]
    figure = Figure(figsize=(9, 4), layout="constrained", dpi=110)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color="0.75", linewidth=1)
    left.plot(said, true, "o-", color="#1f6f8b")
    left.set(xlabel="confidence", ylabel=f"share of masks with IoU ≥ {GOOD_IOU}", xlim=(0, 1), ylim=(0, 1.02))
    left.set_title(f"Reliability, {len(auto)} masks in {len(groups)} groups", fontsize=10)
    shares = np.linspace(0, 1, 41)
    bad = float(np.mean([one.iou < GOOD_IOU for one in auto]))
    right.plot(shares, np.minimum(1, shares / bad), color="0.75", linewidth=1, label="at most possible")
    right.plot(shares, [caught(auto, share) for share in shares], color="#1f6f8b", label="auto's confidence")
    fixed = [one for one in answers if one.way == f"{FIXED[0]:.2f} best" and one.answered]
    right.plot(shares, [caught(fixed, share) for share in shares], color="#c8553d", label="detector's score")
    right.set(xlabel="share of masks parked", ylabel=f"caught of those under {GOOD_IOU}", xlim=(0, 1), ylim=(0, 1.02))
    right.set_title("What parking catches", fontsize=10)
    right.legend(frameon=False, fontsize=9)
    for axes in (left, right):
        axes.grid(alpha=0.2)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the bench and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=SCENES)
    parser.add_argument("--detector", default="grounding-dino-embedded")
    parser.add_argument("--segmenter", default="sam-embedded")
    parser.add_argument("--chart", type=Path, help="also draw the reliability curve into this PNG")
    options = parser.parse_args(arguments)
    detector, segmenter = load_detector(options.detector), load_segmenter(options.segmenter)
    pictures = draw_questions(range(FIRST_SEED, FIRST_SEED + options.scenes))
    answers = [one for seen in see(detector, segmenter, pictures) for one in answers_of(seen, segmenter)]
    there = [one for one in answers if one.way == "auto"]
    print(
        f"{options.scenes} scenes, {sum(o.present for o in there)} subjects, {sum(not o.present for o in there)} absent"
    )
    print(f"\n{table(answers)}\n\nMean IoU by kind of picture:\n\n{by_kind(answers)}\n\n{parking(answers)}")
    print(f"\nPlain pictures, asked for what is in them:\n\n{parking(as_catalogs_ask(answers))}")
    if options.chart is not None:
        draw_reliability(answers, options.chart)


if __name__ == "__main__":
    main()

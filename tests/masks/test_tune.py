"""The threshold search on drawn scores: plateaus, proposals, the guards, parts, reasons. No network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from masks import ops
from masks.detectors.types import PhraseScores
from masks.judge import AFTER, THERE, Additive, Judge
from masks.measures import NAMES, Around
from masks.tune import fused, plateaus, propose, tune_phrase
from masks.tune_types import Floats, Segmented
from pipeline.errors import RecipeError
from pipeline.types import Box, Mask

SIZE = (100, 80)
FIGURE: Box = (20, 5, 60, 95)
DRESS: Box = (25, 22, 55, 70)
LAMP: Box = (64, 60, 78, 90)


def scores(phrase: str, *found: tuple[Box, float]) -> PhraseScores:
    return PhraseScores(
        phrase=phrase,
        words=tuple(phrase.split()),
        boxes=np.array([box for box, _ in found], np.float32).reshape(-1, 4),
        word_scores=np.repeat(np.array([[score] for _, score in found], np.float32), len(phrase.split()), axis=1),
    )


def filled(box: Sequence[float]) -> Mask:
    mask = np.zeros(SIZE, bool)
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    mask[y0:y1, x0:x1] = True
    return mask


def segment(boxes: Floats) -> Segmented:
    """A segmenter that gives each box itself."""
    return Segmented(
        masks=np.stack([filled(box) for box in boxes]),
        ious=np.full(len(boxes), 0.9, np.float32),
        stabilities=np.full(len(boxes), 0.95, np.float32),
    )


def linear(names: Sequence[str], **weights: float) -> Additive:
    values = (weights.pop("bias", 0.0), *(weights.get(name, 0.0) for name in names))
    return Additive(names=tuple(names), knots=((),) * len(names), weights=values)


JUDGE = Judge(
    choice=linear(NAMES, bias=-2, score=8, figure_off=-1, whole_body=-4, outside=-4, zone_off=-4),
    presence=linear(THERE, bias=-3, top=12),
    confidence=linear(AFTER, bias=-3, quality=6),
    curve=((0.0, 0.0), (1.0, 1.0)),
    absent_below=0.3,
)


def test_thresholds_that_keep_the_same_boxes_are_one_plateau() -> None:
    found = plateaus(np.array([0.8, 0.5, 0.2], np.float32), lowest=0.05)
    np.testing.assert_allclose(found, [[0.5, 0.8], [0.2, 0.5], [0.05, 0.2]])


def test_the_best_boxes_are_proposed_and_not_the_first() -> None:
    low = [((x, 10, x + 8, 30), 0.1 + x / 1000) for x in range(0, 70, 10)]
    found = propose([scores("dress", *low, (DRESS, 0.9))], SIZE, limit=2)
    assert found.scores.tolist() == pytest.approx([0.9, 0.16])
    np.testing.assert_array_equal(found.boxes[0], DRESS)


def test_neither_specks_nor_the_whole_frame_are_proposed() -> None:
    found = propose([scores("dress", ((0, 0, 80, 100), 0.9), ((5, 5, 6, 6), 0.8), (DRESS, 0.3))], SIZE)
    np.testing.assert_array_equal(found.boxes, [DRESS])


def test_boxes_of_one_thing_are_averaged_by_their_scores() -> None:
    one, other = (20, 20, 60, 60), (22, 20, 60, 62)
    phrases = [scores("dress", (one, 0.6), (other, 0.3), (LAMP, 0.9))]
    found = fused(propose(phrases, SIZE), phrases)
    at = found[np.abs(found - one).sum(axis=1).argmin()]
    np.testing.assert_allclose(at, np.average([one, other], axis=0, weights=[0.36, 0.09]), atol=1e-4)


def test_a_whole_body_that_scores_better_is_not_the_dress() -> None:
    figure = filled(FIGURE)
    found = tune_phrase(
        scores("dress", (FIGURE, 0.6), (DRESS, 0.5)), segment, SIZE, around=Around(figure=figure), judge=JUDGE
    )
    assert ops.iou(found.mask, filled(DRESS)) > 0.95
    assert 0.05 <= found.threshold <= 0.5
    unguarded = tune_phrase(scores("dress", (FIGURE, 0.6), (DRESS, 0.5)), segment, SIZE, judge=JUDGE)
    assert ops.iou(unguarded.mask, figure) > 0.95, "it is the guard that turns the choice"


def test_a_whole_body_that_is_all_there_is_says_so() -> None:
    found = tune_phrase(
        scores("dress", (FIGURE, 0.6)), segment, SIZE, around=Around(figure=filled(FIGURE)), judge=JUDGE
    )
    assert any("whole figure" in words for words in found.reasons)


def test_an_absent_thing_gives_no_mask() -> None:
    found = tune_phrase(scores("dress", (FIGURE, 0.12)), segment, SIZE, judge=JUDGE)
    assert not found.present
    assert not found.mask.any()
    assert found.confidence == 0
    assert len(found.boxes) == 0
    assert "hardly in the picture" in found.reasons[0]


def test_nothing_above_the_lowest_threshold_is_an_absent_thing_too() -> None:
    found = tune_phrase(scores("dress", (DRESS, 0.04)), segment, SIZE, judge=JUDGE)
    assert (found.present, found.sweep, found.mask.any()) == (False, (), False)


def test_a_low_scoring_subject_is_found_where_a_fixed_threshold_misses_it() -> None:
    found = tune_phrase(scores("dress", (DRESS, 0.22)), segment, SIZE, judge=JUDGE)
    assert found.present
    assert found.threshold < 0.22
    assert ops.iou(found.mask, filled(DRESS)) == 1


def test_two_shoes_are_merged_and_one_is_the_best() -> None:
    left, right = (22, 86, 34, 95), (44, 86, 56, 95)
    shoes = scores("shoes", (left, 0.6), (right, 0.58))
    merged = tune_phrase(shoes, segment, SIZE, parts="merged", judge=JUDGE)
    np.testing.assert_array_equal(merged.mask, filled(left) | filled(right))
    assert len(merged.boxes) == 2
    assert merged.threshold < 0.58
    best = tune_phrase(shoes, segment, SIZE, judge=JUDGE)
    np.testing.assert_array_equal(best.mask, filled(left))


def test_the_sweep_has_a_row_a_plateau_and_marks_the_choice() -> None:
    found = tune_phrase(scores("dress", (DRESS, 0.7), (LAMP, 0.4)), segment, SIZE, judge=JUDGE)
    assert [(row.boxes, round(row.low, 2), round(row.high, 2)) for row in found.sweep] == [
        (1, 0.4, 0.7),
        (2, 0.05, 0.4),
    ]
    assert [row.chosen for row in found.sweep] == [True, False]
    assert found.sweep[0].low <= found.threshold < found.sweep[0].high
    assert found.sweep[0].score > found.sweep[1].score


def test_synonyms_add_boxes_and_agree_in_words() -> None:
    names = [scores("dress", (LAMP, 0.3), (DRESS, 0.31)), scores("gown", (DRESS, 0.7))]
    found = tune_phrase(names, segment, SIZE, judge=JUDGE)
    np.testing.assert_array_equal(found.mask, filled(DRESS))
    assert "2 phrases agree" in found.reasons


def test_a_segmenter_that_finds_nothing_is_no_error() -> None:
    def blind(boxes: Floats) -> Segmented:
        return Segmented(
            masks=np.zeros((len(boxes), *SIZE), bool), ious=np.zeros(len(boxes), np.float32),
            stabilities=np.zeros(len(boxes), np.float32),
        )  # fmt: skip

    assert not tune_phrase(scores("dress", (DRESS, 0.7)), blind, SIZE, judge=JUDGE).present


@pytest.mark.parametrize(("phrases", "parts"), [([], "best"), ([scores("dress", (DRESS, 0.7))], "all")])
def test_nothing_to_tune_is_refused(phrases: list[PhraseScores], parts: str) -> None:
    with pytest.raises(RecipeError, match="parts best or merged"):
        tune_phrase(phrases, segment, SIZE, parts=parts, judge=JUDGE)

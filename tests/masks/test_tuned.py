"""Tuning from stored scores with the studio's own models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from masks import ops
from masks.bench_tune import Answer, answers_of, as_catalogs_ask, caught, judge_mask, table
from masks.detect import detect, load_detector
from masks.detectors.types import RawDetections
from masks.fit_confidence import see
from masks.segment import embed, load_segmenter
from masks.segmenters.types import Embedding, Segmenter
from masks.tune_scenes import WAYS, Question, draw_questions
from masks.tuned import figure_of, figure_scores, phrases_to_ask, tune_subject, work_size
from pipeline.embedded.render import render
from tests.masks.test_tune import DRESS, FIGURE, JUDGE, SIZE, filled, scores, segment

Looked = tuple[RawDetections, Segmenter, Embedding]


@pytest.fixture(scope="module")
def looked() -> Looked:
    """A person of 512 x 384 px, as both models see it."""
    image = render(3, size=(512, 384)).image
    segmenter = load_segmenter("sam-embedded", device="cpu")
    raw = detect(load_detector("grounding-dino-embedded", device="cpu"), image, ["person", "coat", "hair"])
    return raw, segmenter, embed(segmenter, image)


def test_the_figure_is_asked_for_beside_what_is_worn() -> None:
    assert phrases_to_ask(["Red dress."], ["hair"]) == ["red dress", "hair", "person", "mannequin"]
    assert phrases_to_ask(["mug", "cup"]) == ["mug", "cup"]
    assert phrases_to_ask(["person"]) == ["person"]


def test_a_person_is_tuned_at_the_pictures_own_size(looked: Looked) -> None:
    tuned = tune_subject(*looked, ["person"])
    truth = render(3, size=(512, 384)).alpha > 0.5
    assert tuned.present
    assert ops.iou(tuned.mask, truth) > 0.5
    _, _, x1, y1 = tuned.boxes[0]
    assert x1 <= 384
    assert 384 < y1 <= 512, "boxes are in the picture's pixels"
    assert 0 < tuned.confidence < 1
    assert work_size((512, 384)) == (384, 288)
    assert work_size((100, 50)) == (100, 50)


def test_a_mannequin_is_a_figure_as_a_person_is() -> None:
    named = [scores("person", (DRESS, 0.1)), scores("mannequin", (FIGURE, 0.9))]
    joined = figure_scores(named)
    assert joined is not None
    assert joined.scores.tolist() == pytest.approx([0.1, 0.9])
    found = figure_of(joined, segment, SIZE, JUDGE)
    assert found is not None
    assert ops.iou(found, filled(FIGURE)) > 0.95
    assert figure_of(figure_scores(named[:1]), segment, SIZE, JUDGE) is None, "the dress is no figure"
    assert figure_scores([]) is None


def test_a_floor_keeps_low_boxes_out(looked: Looked) -> None:
    tuned = tune_subject(*looked, ["person"], floors={"Person": 0.999})
    assert not tuned.present
    assert tuned.mask.shape == (512, 384)
    assert not tuned.mask.any()
    assert not tune_subject(*looked, ["person"], least_word=0.999).present


def test_what_was_not_asked_is_an_error(looked: Looked) -> None:
    with pytest.raises(KeyError, match="umbrella"):
        tune_subject(*looked, ["umbrella"])


def test_questions_are_seeded_and_absent_ones_have_no_answer() -> None:
    drawn = list(draw_questions(range(500, 508)))
    again = next(iter(draw_questions([500])))
    np.testing.assert_array_equal(drawn[0].image, again.image)
    assert [q.phrases for q in drawn[0].questions] == [q.phrases for q in again.questions]
    for asked in drawn:
        assert asked.image.shape == (256, 256, 3)
        present = {phrase for question in asked.questions if question.truth is not None for phrase in question.phrases}
        absent = {phrase for question in asked.questions if question.truth is None for phrase in question.phrases}
        assert absent
        assert not present & absent
        assert all(question.way in WAYS for question in asked.questions)


def question(truth: bool = True) -> Question:
    mask = filled(DRESS) if truth else None
    return Question(seed=0, way="plain", phrases=("dress",), truth=mask, figure=filled(FIGURE))


def test_a_whole_body_and_a_miss_are_told_apart() -> None:
    whole = judge_mask(question(), "auto", filled(FIGURE), 0.5)
    assert (whole.whole_body, whole.missed) == (True, False)
    wrong = judge_mask(question(), "auto", filled((0, 0, 10, 10)), 0.5)
    assert (wrong.whole_body, wrong.missed) == (False, True)
    right = judge_mask(question(), "auto", filled(DRESS), 0.5)
    assert (right.whole_body, right.missed, right.iou) == (False, False, 1.0)
    none = judge_mask(question(), "auto", None, 0.5)
    assert (none.answered, none.missed, none.confidence) == (False, True, 0.0)
    assert "| auto | 0.500 | 50% | 50.0% | 0.0% | 50.0% | 0% |" in table([right, none])


def test_parking_catches_the_bad_ones_that_it_is_least_sure_of() -> None:
    def answer(iou: float, confidence: float) -> Answer:
        return Answer(
            way="auto", kind="plain", present=True, answered=True, iou=iou, whole_body=False, confidence=confidence
        )

    answers = [answer(0.9, 0.9), answer(0.3, 0.1), answer(0.85, 0.8), answer(0.5, 0.95)]
    assert caught(answers, 0.25) == 0.5
    assert caught(answers, 1.0) == 1.0


def test_a_choice_that_knows_the_truth_takes_the_best_of_all_boxes() -> None:
    detector, segmenter = load_detector("grounding-dino-embedded", device="cpu"), load_segmenter("sam-embedded")
    (seen,) = see(detector, segmenter, draw_questions([20_002]))
    answers = list(answers_of(seen, segmenter))
    first = [one.iou for one in answers if one.way == "0.15 best"]
    best = [one for one in answers if one.way == "any box, truth in hand"]
    assert len(best) == len(seen.asked.questions)
    assert all(one.iou >= iou for one, iou in zip(best, first, strict=True))
    assert any(one.iou > iou for one, iou in zip(best, first, strict=True))
    assert not any(one.answered for one in best if not one.present)


def test_a_catalog_asks_plain_pictures_for_what_is_in_them() -> None:
    asked = [judge_mask(question(truth), "auto", filled(DRESS), 0.5) for truth in (True, False)]
    hard = judge_mask(replace(question(), way="pair"), "auto", filled(DRESS), 0.5)
    assert as_catalogs_ask([*asked, hard]) == asked[:1]

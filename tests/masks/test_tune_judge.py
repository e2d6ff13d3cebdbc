"""Priors, measures and fitted weights of the threshold search."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from masks import priors
from masks.judge import AFTER, THERE, Additive, fit_additive, isotonic, read_judge, shipped_judge
from masks.measures import NAMES, mask_ious, score_at, zone_off
from masks.priors import Shape, class_of, default_prior, learn_prior, shape_of
from masks.tune import judged
from masks.tune_types import Candidate
from pipeline.errors import ModelError
from tests.masks.test_tune import DRESS, FIGURE, LAMP, filled, scores


@pytest.mark.parametrize(
    ("phrase", "word"),
    [("red dress", "dress"), ("Dress.", "dress"), ("shirt with bag", "bag"), ("blue teapot", "teapot")],
)
def test_a_phrase_is_of_the_class_of_its_last_known_word(phrase: str, word: str) -> None:
    assert class_of(phrase) == word


def test_siblings_narrow_the_prior_and_many_decide_alone() -> None:
    default = default_prior("dress")
    siblings = [Shape(area=0.1 + 0.001 * at, aspect=0.5, of_figure=0.4) for at in range(60)]
    few, many = learn_prior("dress", siblings[:3]), learn_prior("dress", siblings)
    assert many.area.spread < few.area.spread < default.area.spread * 1.1
    assert np.exp(many.area.mean) == pytest.approx(0.13, rel=0.05)
    assert many.area.deviation(0.13) < 0.3
    assert many.area.deviation(0.5) > default.area.deviation(0.5)
    assert (many.zone, many.worn) == (default.zone, True)


def test_no_siblings_leave_the_default() -> None:
    assert learn_prior("coat", []) == default_prior("coat")
    assert default_prior("astrolabe") is priors.THING


def test_a_mask_is_measured() -> None:
    shape = shape_of(filled(DRESS), filled(FIGURE))
    assert shape is not None
    assert shape.area == pytest.approx(30 * 48 / 8000)
    assert shape.aspect == pytest.approx(30 / 48)
    assert shape.of_figure == pytest.approx(30 * 48 / 3600)
    assert shape_of(np.zeros((5, 5), bool)) is None


def test_every_mask_is_compared_with_every_other() -> None:
    masks = np.stack([filled(DRESS), filled(FIGURE), filled(LAMP), np.zeros((100, 80), bool)])
    found = mask_ious(masks)
    assert found[0, 1] == pytest.approx(1440 / 3600)
    assert found[0, 2] == 0
    np.testing.assert_array_equal(np.diagonal(found), 1)


def test_a_thing_far_from_its_place_on_the_body_is_off_its_zone() -> None:
    figure = filled(FIGURE)
    assert zone_off(filled(DRESS), figure, default_prior("dress")) == 0
    assert zone_off(filled(DRESS), figure, default_prior("shoes")) > 0.5
    cut = filled((20, 0, 60, 100))
    assert zone_off(filled(DRESS), cut, default_prior("shoes")) == 0, "a cut figure's height is not known"


def test_a_phrase_scores_what_lies_at_a_box() -> None:
    found = scores("dress", (DRESS, 0.4), (LAMP, 0.7))
    np.testing.assert_allclose(score_at(found, np.array([DRESS, FIGURE], np.float32)), [0.4, 0])


def test_the_fit_finds_a_bend() -> None:
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, (2000, 2))
    hits = (rng.random(2000) < np.where(np.abs(rows[:, 0]) < 0.5, 0.9, 0.1)).astype(float)
    model = fit_additive(("bent", "noise"), rows, hits)
    chances = model(np.array([[0.0, 0], [0.95, 0], [-0.95, 0], [0.0, 0.9]]))
    assert chances[0] > 0.75
    assert chances[1] < 0.3
    assert chances[2] < 0.3
    assert abs(chances[3] - chances[0]) < 0.1


def test_a_term_that_never_changes_has_no_weight() -> None:
    model = fit_additive(("same",), np.full((50, 1), 0.3), np.ones(50))
    assert model.weights[1:] == (0.0,) * (len(model.weights) - 1)


def test_the_detectors_score_counts_beside_the_judge() -> None:
    def candidate(score: float, quality_says: float) -> Candidate:
        measures = dict.fromkeys(NAMES, 0.0) | {"stability": quality_says}
        box, mask = np.zeros(4, np.float32), np.zeros((2, 2), np.bool_)
        return Candidate(box=box, mask=mask, score=score, thresholds=(0.0, score), measures=measures)

    slopes = tuple(4.0 * (name == "stability") for name in NAMES)
    choice = Additive(names=NAMES, knots=((),) * len(NAMES), weights=(-2.0, *slopes))
    judge = replace(shipped_judge(), choice=choice)
    likelier, better = candidate(0.9, 0.5), candidate(0.3, 0.6)
    assert judged([better, likelier], judge)[0].score == 0.9
    assert judged([candidate(0.9, 0.0), candidate(0.8, 1.0)], judge)[0].score == 0.8


def test_presence_reads_the_best_score_of_all_candidates() -> None:
    judge = shipped_judge()
    row = np.zeros(len(AFTER))
    row[[AFTER.index("peak"), AFTER.index("consensus")]] = 0.5
    low, high = row.copy(), row.copy()
    low[AFTER.index("top")], high[AFTER.index("top")] = 0.1, 0.8
    assert judge.there(low) < judge.there(high)
    other = high.copy()
    other[AFTER.index("stability")] = 1.0
    assert judge.there(other) == judge.there(high)


def test_the_curve_rises_and_is_honest() -> None:
    rng = np.random.default_rng(1)
    given = rng.random(4000)
    curve = isotonic(given, (rng.random(4000) < given**2).astype(float))
    x, y = np.array(curve).T
    assert (np.diff(x) > 0).all()
    assert (np.diff(y) >= -0.02).all()
    np.testing.assert_allclose(np.interp([0.3, 0.6, 0.9], x, y), [0.09, 0.36, 0.81], atol=0.08)
    assert 0 < y[0] < y[-1] < 1, "neither end claims certainty"


def test_weights_survive_their_file_and_others_are_refused() -> None:
    judge = shipped_judge()
    assert read_judge(judge.to_json()) == judge
    assert (judge.choice.names, judge.presence.names, judge.confidence.names) == (NAMES, THERE, AFTER)
    read = json.loads(judge.to_json())
    read["choice"]["names"][0] = "mood"
    with pytest.raises(ModelError, match="of other measures; fit them again"):
        read_judge(json.dumps(read))
    with pytest.raises(ModelError, match="cannot be read"):
        read_judge("{}")
    read = json.loads(judge.to_json())
    read["presence"]["weights"].pop()
    with pytest.raises(ModelError, match="do not fit together"):
        read_judge(json.dumps(read))


def test_confidence_is_a_chance() -> None:
    judge = shipped_judge()
    rows = np.random.default_rng(3).random((200, len(AFTER)))
    sure = [judge.sure(row) for row in rows]
    assert min(sure) >= 0
    assert max(sure) <= 1

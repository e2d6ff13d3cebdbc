"""What a buyer would reject is said in words, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.pixels import checks_garment as checks
from pipeline.pixels.checks_garment import Measures, Seen

GOOD = Measures(
    core_difference=0,
    border_delta_e=0.5,
    border_jump=0.1,
    expansion=0.001,
    empty=False,
    face_asked=True,
    seen=Seen(people=1, has_face=True, followed=0.9, beside=0.0),
)


def test_a_good_picture_has_no_problems() -> None:
    assert checks.problems(GOOD) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"core_difference": 1}, "core differs"),
        ({"border_delta_e": 3.5}, "border is off"),
        ({"border_jump": 20.0}, "a step of 20.0 levels"),
        ({"expansion": 0.05}, "grew by 5.0%"),
        ({"empty": True}, "black or of one colour"),
        ({"seen": None}, "no person"),
        ({"seen": Seen(people=2, has_face=True, followed=0.9)}, "2 people"),
        ({"seen": Seen(people=1, has_face=False, followed=0.9)}, "no face"),
        ({"seen": Seen(people=1, has_face=True, followed=0.9, face_detail=1.4)}, "the face is a smear"),
        ({"seen": Seen(people=1, has_face=True, followed=0.2)}, "20% of the joints"),
        ({"seen": Seen(people=1, has_face=True, followed=0.9, beside=0.2)}, "beside the garment by 20.0%"),
    ],
)
def test_each_fault_is_named_and_costs_merit(change: dict[str, object], said: str) -> None:
    bad = replace(GOOD, **change)  # type: ignore[arg-type]
    (problem,) = checks.problems(bad)
    assert said in problem
    assert checks.merit(bad) < checks.merit(GOOD) or said.startswith("a step")


def test_a_face_that_lies_outside_the_picture_is_not_missed() -> None:
    cut = replace(GOOD, face_asked=False, seen=Seen(people=1, has_face=False, followed=1.0))
    assert checks.problems(cut) == ()
    joints = np.ones((18, 3), np.float32)
    assert checks.face_asked(joints)
    joints[14, 2] = 0
    assert not checks.face_asked(joints)
    assert not checks.face_asked(None)


def test_growth_counts_beyond_the_slack_only() -> None:
    source = np.zeros((60, 60), bool)
    source[20:40, 20:40] = True
    assert checks.grown_share(source, source, slack_px=2) == 0
    edge = source.copy()
    edge[18:42, 18:42] = True
    assert checks.grown_share(source, edge, slack_px=4) == 0
    grown = source.copy()
    grown[20:40, 40:50] = True
    assert checks.grown_share(source, grown, slack_px=0) == pytest.approx(0.5)
    assert 0.3 < checks.grown_share(source, grown, slack_px=2) < 0.5


def test_a_body_beside_the_old_figure_counts_below_the_shoulders_only() -> None:
    figure = np.zeros((100, 100), bool)
    figure[20:80, 40:60] = True
    body = figure.copy()
    body[20:80, 70:80] = True
    share = checks.share_beside(body, figure, below=50)
    assert share == pytest.approx(30 * 10 / figure.sum())
    assert checks.share_beside(body, figure, below=90) == 0
    assert checks.share_beside(figure, figure, below=0) == 0


def test_the_border_is_measured_between_core_and_edge() -> None:
    photo = np.full((40, 40, 3), 120, np.uint8)
    alpha = np.zeros((40, 40), np.float32)
    alpha[10:30, 10:30] = 1
    core = np.zeros((40, 40), bool)
    core[12:28, 12:28] = True
    result = photo.copy()
    result[:10] = 255
    assert checks.border_delta_e(photo, result, alpha, core) == 0
    assert checks.core_difference(photo, result, core) == 0
    assert checks.border_jump(photo, result, alpha, core) == 0, "what lies behind the edge is no step"
    result[10:12, 10:30] = 200
    assert checks.border_delta_e(photo, result, alpha, core) > 3
    assert checks.border_jump(photo, result, alpha, core) > 6
    result[20, 20] = 0
    assert checks.core_difference(photo, result, core) == 120


def test_black_and_uniform_generations_are_empty() -> None:
    repaint = np.zeros((40, 40), bool)
    repaint[:20] = True
    picture = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    assert not checks.is_empty(picture, repaint)
    picture[:20] = 0
    assert checks.is_empty(picture, repaint)
    picture[:20] = 99
    assert checks.is_empty(picture, repaint)


def test_flat_measures_leave_out_what_nothing_could_judge() -> None:
    flat = replace(GOOD, expansion=None, seen=None).flat()
    assert set(flat) == {"core_difference", "border_delta_e", "border_jump", "empty"}
    assert GOOD.flat()["followed"] == 0.9

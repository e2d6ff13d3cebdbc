"""Place mode: landmarks, poses that suit a garment, necklines and the laid garment, on drawn flat-lays."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.palette import DYES, rgb
from pipeline.embedded.render import _hollow_skeleton, render
from pipeline.embedded.scene import Scene, SceneSpec
from pipeline.errors import ItemError
from pipeline.outfits import Piece, as_garment
from pipeline.pixels import pose
from pipeline.pixels.bottoms import Bottom
from pipeline.pixels.drape import MOST_RAGGED, drape, drape_problems, ragged_share
from pipeline.pixels.landmarks import find_landmarks
from pipeline.pixels.neckline import neck_opening
from pipeline.pixels.stances import MOST_ARM, body_height, stance_of
from pipeline.placing import place
from pipeline.types import Subject


def flat(kind: str, sleeve: float, seed: int = 4, way: str = "flat") -> Scene:
    garment = GarmentSpec(kind=kind, color_name="teal", color=rgb(DYES["teal"]), sleeve=sleeve, print_name="NOVA")
    spec = SceneSpec(kind=way, backdrop="white", pose_seed=seed, garments=(garment,))  # type: ignore[arg-type]
    return render(seed, size=(512, 512), spec=spec)


def subject_of(scene: Scene) -> Subject:
    return Subject(
        mask=scene.alpha > 0.5, alpha=scene.alpha, foreground=scene.image, confidence=1.0, finder="file"
    )  # fmt: skip


@pytest.fixture(scope="module")
def sweater() -> Scene:
    return flat("sweater", 1.0)


def test_a_long_sleeve_lies_on_its_arm(sweater: Scene) -> None:
    marks = find_landmarks(sweater.alpha > 0.5)
    stance = stance_of(marks)
    neckline = neck_opening(sweater.image, sweater.alpha, marks)
    assert neckline is not None
    draped = drape(sweater.image, sweater.alpha, neckline.opening, marks, stance)
    assert drape_problems(draped) == ()
    for shoulder, elbow, wrist in pose.ARMS:
        for share in (0.3, 0.6, 0.9):
            x, y = stance.joints[elbow, :2] * (1 - share) + stance.joints[wrist, :2] * share
            assert draped.alpha[round(float(y)), round(float(x))] > 0.5
        assert stance.joints[shoulder, 1] < stance.joints[elbow, 1] < stance.joints[wrist, 1]
        aside = abs(stance.joints[elbow, 0] - stance.joints[shoulder, 0])
        assert np.degrees(np.arctan2(aside, stance.joints[elbow, 1] - stance.joints[shoulder, 1])) < MOST_ARM + 1


def test_the_neck_is_seen_where_the_inside_of_the_back_was(sweater: Scene) -> None:
    marks = find_landmarks(sweater.alpha > 0.5)
    neckline = neck_opening(sweater.image, sweater.alpha, marks)
    assert neckline is not None
    assert 0.005 < neckline.opening.sum() / (sweater.alpha > 0.5).sum() < 0.1
    stance = stance_of(marks)
    draped = drape(sweater.image, sweater.alpha, neckline.opening, marks, stance)
    x, y = (round(float(value)) for value in stance.joints[1, :2] - [0, 0.04 * stance.unit])
    assert draped.alpha[y, x] < 0.1


def test_an_opening_that_cannot_be_told_parks_the_garment(sweater: Scene) -> None:
    painted = sweater.image.copy()
    painted[sweater.alpha > 0.5] = (20, 120, 120)
    marks = find_landmarks(sweater.alpha > 0.5)
    assert neck_opening(painted, sweater.alpha, marks) is None
    draped = drape(painted, sweater.alpha, None, marks, stance_of(marks))
    assert any("neckline" in said for said in drape_problems(draped))


def test_the_photographs_pixels_are_kept(sweater: Scene) -> None:
    placed = place(subject_of(sweater), ["sweater"])
    assert placed.problems == ()
    assert np.ptp(placed.image[placed.alpha > 0.98].astype(int).mean(axis=1)) > 60, "the print is there"
    assert placed.joints.shape == (18, 3)
    own = np.median(sweater.image[sweater.alpha > 0.98], axis=0)
    assert np.abs(np.median(placed.image[placed.alpha > 0.98], axis=0) - own).max() < 25


def test_sleeves_that_lie_too_far_out_are_said(sweater: Scene) -> None:
    marks = find_landmarks(sweater.alpha > 0.5)
    draped = drape(sweater.image, sweater.alpha, None, marks, stance_of(marks))
    assert draped.turned < 1
    assert any("50 degrees off" in said for said in drape_problems(replace(draped, turned=50.0)))


def test_a_frayed_outline_is_told_from_a_whole_one(sweater: Scene) -> None:
    whole = sweater.alpha > 0.5
    frayed = whole.copy()
    ys, _ = np.mgrid[: whole.shape[0], : whole.shape[1]]
    inner = cv2.erode(whole.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    frayed[~inner & ((ys // 8) % 2 == 0)] = False
    assert ragged_share(whole) < MOST_RAGGED < ragged_share(frayed)


def test_what_cannot_be_put_on_is_refused_with_a_reason() -> None:
    with pytest.raises(ItemError, match="hangs from shoulders or waist, and a hat does not"):
        place(subject_of(flat("t-shirt", 0.3)), ["straw hat"])
    with pytest.raises(ItemError, match="sleeves"):
        place(subject_of(flat("tank top", 0.0)), ["shirt"])


@pytest.mark.parametrize("fit", [0.007, 0.018])
def test_a_loose_t_shirt_is_not_given_to_a_larger_body(fit: float) -> None:
    garment = GarmentSpec(kind="t-shirt", color_name="teal", color=rgb(DYES["teal"]), sleeve=0.3, fit=fit)
    spec = SceneSpec(kind="flat", backdrop="white", pose_seed=4, garments=(garment,))
    scene = render(4, size=(768, 768), spec=spec)
    measured = as_garment(Piece(subject=subject_of(scene), phrases=("t-shirt",)))
    assert not isinstance(measured.marks, Bottom)
    cut_for = body_height(measured.marks, measured.cut)
    by_pits = body_height(replace(measured.marks, neck=None), measured.cut)
    tall = body_of(spec)
    assert abs(cut_for / tall - 1) < 0.015
    assert abs(by_pits / tall - 1) > 0.03, "the armpits alone take the cloth's room for the body's"


def test_a_neckline_of_another_cut_says_nothing_of_the_body(sweater: Scene) -> None:
    measured = as_garment(Piece(subject=subject_of(flat("t-shirt", 0.3)), phrases=("t-shirt",)))
    assert not isinstance(measured.marks, Bottom)
    assert measured.marks.neck is not None
    wide = replace(measured.marks, neck=1.3 * measured.marks.neck)
    assert body_height(wide, measured.cut) == body_height(replace(wide, neck=None), measured.cut)


def body_of(spec: SceneSpec) -> float:
    """Height in px of the body that the renderer cut a flat garment for, in a picture of 768 px."""
    return _hollow_skeleton(spec, 768, 768).unit


def test_ends_of_the_back_are_not_left_over_the_straps() -> None:
    scene = flat("tank top", 0.0)
    marks = find_landmarks(scene.alpha > 0.5)
    neckline = neck_opening(scene.image, scene.alpha, marks)
    assert neckline is not None
    inside = np.median(scene.image[neckline.opening].astype(int), axis=0)
    ys, xs = np.nonzero((scene.alpha > 0.98) & ~neckline.opening)
    high = (np.stack([xs, ys], axis=1) - neckline.nape) @ marks.down < 0.04 * neckline.half
    left = scene.image[ys[high], xs[high]].astype(int)
    assert not (np.abs(left - inside).max(axis=1) < 20).any()

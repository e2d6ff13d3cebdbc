"""Stand-in models follow the pose, wear what the photograph does not show, and look as the prompt says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.embedded.palette import DYES, SKINS, rgb
from pipeline.embedded.render import worn_pair
from pipeline.embedded.scene import Scene
from pipeline.embedded.stand_in import draw_place, draw_stand_in, skeleton_of, sleeves, trousered
from pipeline.embedded.wording import read_prompt
from pipeline.errors import CheckFailed
from pipeline.types import Mask

SIZE = (384, 288)


def pair(seed: int) -> tuple[Scene, Scene, Mask]:
    mannequin, person = worn_pair(seed, size=SIZE)
    garments = {garment.kind for garment in person.spec.garments}
    kept = np.any([mask for name, mask in mannequin.masks.items() if name in garments], axis=0)
    return mannequin, person, kept


def test_a_figure_is_laid_on_the_joints_of_a_scene() -> None:
    for seed in (1, 5, 8, 9):
        mannequin, person, _ = pair(seed)
        joints = mannequin.keypoints
        seen = joints[:, 2] > 0
        limbs = [i for i in range(2, 14) if seen[i]]
        skeleton = skeleton_of(joints)
        assert np.abs(skeleton.joints[limbs] - joints[limbs, :2]).max() < 1e-3
        nose = person.keypoints[0]  # a headless mannequin shows none: it is completed
        if nose[2]:
            assert np.hypot(*(skeleton.joints[0] - nose[:2])) < 0.035 * skeleton.unit


def test_what_was_not_seen_is_completed_below_the_shoulders() -> None:
    joints = np.zeros((18, 3), np.float32)
    joints[2], joints[5] = (110, 100, 1), (170, 100, 1)
    skeleton = skeleton_of(joints)
    down = [skeleton.joints[i][1] for i in (0, 2, 8, 9, 10)]
    assert down == sorted(down)
    assert skeleton.joints[4][1] > skeleton.joints[3][1] > 100


def test_no_shoulders_no_model() -> None:
    with pytest.raises(CheckFailed, match="no two shoulders"):
        skeleton_of(np.zeros((18, 3), np.float32))


def test_the_picture_shows_the_skin_and_the_place_that_were_asked_for() -> None:
    mannequin, _, kept = pair(8)  # shorts: bare legs
    nose = skeleton_of(mannequin.keypoints).joints[0]
    for skin in ("fair", "deep"):
        made = draw_stand_in(mannequin.keypoints, kept, f"a woman with {skin} skin and bun black hair, white studio", 3)
        x, y = (int(v) for v in nose)
        face = np.median(made[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3), axis=0)
        others = {name: np.abs(face / 255 - rgb(code)).sum() for name, code in SKINS.items()}
        assert min(others, key=lambda name: others[name]) in (
            (skin, "light") if skin == "fair" else (skin, "dark brown")
        )
        assert made[:6].mean() > 235
    green = draw_stand_in(mannequin.keypoints, kept, "a woman, green foliage background", 3)[:40].reshape(-1, 3)
    assert green[:, 1].mean() > green[:, 0].mean() + 10


def test_the_same_arguments_give_the_same_bytes_and_other_seeds_other_people() -> None:
    mannequin, _, kept = pair(5)
    first = draw_stand_in(mannequin.keypoints, kept, "a model, marble", 1)
    assert np.array_equal(first, draw_stand_in(mannequin.keypoints, kept, "a model, marble", 1))
    assert not np.array_equal(first, draw_stand_in(mannequin.keypoints, kept, "a model, marble", 2))


def test_only_what_the_kept_pixels_leave_bare_is_dressed() -> None:
    mannequin, _, kept = pair(5)  # jacket and jeans
    top = mannequin.masks["jacket"]
    joints = mannequin.keypoints
    hip, knee = joints[8, :2], joints[9, :2]
    x, y = (int(v) for v in (hip + knee) / 2)
    bare = draw_stand_in(joints, top, "a man wearing red trousers, white studio", 4)
    assert np.abs(bare[y, x] / 255 - rgb(DYES["red"])).max() < 0.3, "the jacket alone is kept: trousers are drawn"
    dressed = draw_stand_in(joints, kept, "a man wearing red trousers, white studio", 4)
    assert np.abs(dressed[y, x] / 255 - rgb(DYES["red"])).max() > 0.3, "the jeans are kept: nothing is drawn there"


def standing() -> NDArray[np.float32]:
    """Joints of a body that faces us, arms hanging."""
    joints = np.zeros((18, 3), np.float32)
    joints[:14, 2] = 1
    joints[[1, 2, 5], :2] = (150, 90), (100, 100), (200, 100)
    joints[[3, 4], :2], joints[[6, 7], :2] = ((80, 180), (70, 250)), ((220, 180), (230, 250))
    joints[[8, 9, 10], :2] = (128, 260), (128, 340), (128, 390)
    joints[[11, 12, 13], :2] = (172, 260), (172, 340), (172, 390)
    return joints


def test_kept_shorts_are_not_drawn_again_under_themselves() -> None:
    joints = standing()
    kept = np.zeros((400, 300), np.bool_)
    kept[90:270, 110:190] = True
    words, under = "a man wearing a shirt and red shorts, white studio", (312, 128)
    drawn = draw_stand_in(joints, kept, words, 4)
    assert np.abs(drawn[under] / 255 - rgb(DYES["red"])).max() < 0.3, "a top alone is kept"
    kept[90:305, 110:190] = True
    bare = draw_stand_in(joints, kept, words, 4)
    assert np.abs(bare[under] / 255 - rgb(DYES["red"])).max() > 0.3, "the shorts are kept, and shorter"


def test_trousers_that_are_asked_for_show_below_a_kept_coat() -> None:
    kept = np.zeros((420, 300), np.bool_)
    kept[90:348, 115:185] = True
    for words, red in (("a coat and red trousers", True), ("a coat and black shoes", False)):
        made = draw_stand_in(standing(), kept, f"a woman with fair skin wearing {words}, white studio", 4)
        reddest = np.float32(made[372, 110:150]) @ [1, -0.5, -0.5]
        assert (float(reddest.mean()) > 60) is red, words
        beside = np.float32(made[250:330, 90:114]) @ [1, -0.5, -0.5]
        assert float(beside.max()) < 60, "nothing of them shows beside the coat"


def test_kept_trousers_are_not_drawn_again_where_a_hand_lies_on_them() -> None:
    joints = standing()
    kept = np.zeros((420, 300), np.bool_)
    kept[90:385, 112:188] = True
    kept[265:295, 112:140] = False  # where the old hand lay
    made = draw_stand_in(joints, kept, "a man wearing a shirt and red trousers, white studio", 4)
    assert np.abs(made[280, 128] / 255 - rgb(DYES["red"])).max() > 0.3


def test_of_legs_in_kept_trousers_nothing_is_drawn_beside_them() -> None:
    joints = np.zeros((18, 3), np.float32)
    joints[[1, 2, 5], :2] = (150, 90), (100, 100), (200, 100)
    joints[[3, 4], :2], joints[[6, 7], :2] = ((80, 180), (70, 250)), ((220, 180), (230, 250))
    joints[[8, 9, 10], :2] = (128, 250), (128, 330), (60, 400)  # a calf that a wrong pose sets beside its trousers
    joints[[11, 12, 13], :2] = (172, 250), (172, 330), (172, 400)
    joints[:14, 2] = 1
    kept = np.zeros((420, 300), np.bool_)
    kept[90:, 105:195] = True
    skeleton, prompt = skeleton_of(joints), "a man wearing a shirt and red trousers, white studio"
    assert trousered(kept, skeleton) == 3
    made, place = draw_stand_in(joints, kept, prompt, 4), draw_place(kept, prompt, 4)
    beside = np.s_[340:, 40:100]
    assert np.abs(made[beside].astype(int) - place[beside]).max() < 60, "the studio, lit a little otherwise"
    kept[392:] = False
    assert trousered(kept, skeleton) == 1, "they end above the picture's edge: ankles join them to the feet"
    kept[325:] = False
    assert trousered(kept, skeleton) == 0, "a coat that ends above the knees: calves alone would float under it"
    kept[270:] = False
    assert trousered(kept, skeleton) == 0


def test_a_waistband_reaches_a_hem_that_ends_above_it() -> None:
    joints = np.zeros((18, 3), np.float32)
    joints[:, :2], joints[1:8, 2] = 150, 1
    joints[[1, 2, 5], :2] = (150, 90), (100, 100), (200, 100)
    joints[[3, 4], :2], joints[[6, 7], :2] = ((92, 190), (90, 270)), ((208, 190), (210, 270))
    kept = np.zeros((330, 300), np.bool_)
    kept[80:200, 110:190] = True  # a short top, and the picture ends at the hips
    made = draw_stand_in(joints, kept, "a man wearing a cropped sweater and red trousers, white studio", 4)
    under = made[210:220, 148:153].reshape(-1, 3).mean(axis=0) / 255
    assert np.abs(under - rgb(DYES["red"])).max() < 0.3, "no bare belly where trousers were asked for"


def test_a_limb_in_a_kept_sleeve_is_not_drawn_beside_it() -> None:
    joints = standing()
    skeleton = skeleton_of(joints)
    kept = np.zeros((400, 300), np.bool_)
    kept[90:260, 115:185] = True  # a trunk
    assert sleeves(kept, skeleton) == (0, 0)
    cv2.line(slim := kept.astype(np.uint8), (100, 100), (80, 180), 1, 5)  # a sleeve narrower than the arm
    assert sleeves(slim > 0, skeleton) == (1, 0)
    cv2.line(slim, (80, 180), (70, 250), 1, 5)
    assert sleeves(slim > 0, skeleton) == (2, 0)
    place = "a woman with deep skin wearing navy trousers, white studio"
    bare, sleeved = draw_stand_in(joints, kept, place, 4), draw_stand_in(joints, slim > 0, place, 4)
    beside = (215, 68)  # a few px from the middle of the forearm
    assert bare[beside].max() < 160
    assert sleeved[beside].min() > 200


def test_prompts_are_read_by_whole_words() -> None:
    reading = read_prompt("A bearded man with dark brown skin wearing a sky blue shirt and black boots, city street", 1)
    assert not reading.looks.feminine
    assert reading.looks.beard
    assert np.allclose(reading.looks.skin, rgb(SKINS["dark brown"]))
    assert reading.top is not None
    assert (reading.top.kind, reading.top.color_name) == ("shirt", "sky blue")
    assert (reading.shoes.kind, reading.shoes.color_name) == ("boots", "black")
    assert reading.backdrop == "street"
    assert read_prompt("a woman, in front of a marble wall", 1).looks.feminine


def test_a_place_has_its_floor_under_what_is_kept() -> None:
    kept = np.zeros(SIZE, bool)
    kept[100:330, 100:180] = True
    assert draw_place(kept, "wooden background", 2).shape == (*SIZE, 3)
    assert not np.array_equal(draw_place(kept, "marble background", 2), draw_place(kept, "street", 2))

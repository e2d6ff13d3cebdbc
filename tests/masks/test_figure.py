"""Who wears a garment: mannequins before floors and marble, modelled faces, arms; on scenes with known joints."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from masks.figure import GUESSED, find_figure, look_at
from masks.find import Detected
from masks.garment import WEARERS
from pipeline.embedded.render import worn_pair
from pipeline.embedded.scene import Scene
from pipeline.errors import ItemError
from pipeline.pixels import pose, pose_outline
from pipeline.pixels.checks_garment import Limits
from pipeline.types import Image, Mask

SIZE = (768, 576)
BODY = range(2, 14)


def _garment(scene: Scene) -> Mask:
    worn = [scene.masks[one.kind] for one in scene.spec.garments if one.kind in scene.masks]
    return np.asarray(np.logical_or.reduce(worn), np.bool_)


def _far(scene: Scene, joints: pose.Joints | None) -> list[int]:
    """The joints further than a quarter of the torso from where they are."""
    assert joints is not None
    truth, reach = scene.keypoints, 0.25 * pose.torso_length(scene.keypoints)
    return [at for at in BODY if truth[at, 2] and np.hypot(*(joints - truth)[at, :2]) > reach]


@pytest.mark.parametrize("seed", [7_100_006, 7_100_007])
def test_a_floor_or_veins_of_marble_are_no_part_of_a_mannequin(seed: int) -> None:
    scene, _ = worn_pair(seed, size=SIZE)
    figure = find_figure(scene.image, _garment(scene))
    true = scene.alpha > 0.5
    assert (figure.mask & true).sum() / (figure.mask | true).sum() > 0.85
    assert _far(scene, figure.joints) == []


def test_a_forearm_before_the_trunk_is_folded_there() -> None:
    scene, _ = worn_pair(7_100_011, size=SIZE)
    joints = pose_outline.from_outline(scene.alpha > 0.5)
    assert _far(scene, joints) == []


def test_a_face_that_the_detector_takes_for_a_mannequins_is_not_believed() -> None:
    _, scene = worn_pair(7_100_009, size=SIZE)
    asked: list[Sequence[str]] = []

    def mannequin(image: Image, phrases: Sequence[str]) -> list[Detected]:
        asked.append(phrases)
        return [Detected(scene.alpha > 0.5, score, phrase) for phrase, score in zip(phrases, (0.9, 0.3), strict=True)]

    believed = find_figure(scene.image, _garment(scene))
    doubted = find_figure(scene.image, _garment(scene), mannequin)
    assert believed.source == "the pose of the person in the photo"
    assert doubted.source == "a pose completed from the figure's outline"
    assert asked == [WEARERS]


def test_of_the_bodies_that_are_read_the_one_on_the_garments_figure_is_taken() -> None:
    _, scene = worn_pair(7_100_009, size=SIZE)
    told: list[Image] = []

    def bodies(image: Image) -> list[pose.Joints]:
        told.append(image)
        beside = pose.moved(scene.keypoints, by=(-400.0, 0.0))
        return [beside, scene.keypoints]

    whole = find_figure(scene.image, np.ones(SIZE, np.bool_), bodies=bodies)
    assert told[0].shape == scene.image.shape
    assert whole.source == "the pose that OpenPose reads"
    assert whole.joints is not None
    assert np.array_equal(whole.joints, pose.facing(scene.keypoints)), "as it was read"


def test_joints_read_around_the_figure_are_brought_back_to_the_photo() -> None:
    _, scene = worn_pair(7_100_009, size=SIZE)
    wide = np.full((SIZE[0], 3 * SIZE[1], 3), scene.image[0, 0], np.uint8)
    wide[:, SIZE[1] : 2 * SIZE[1]] = scene.image
    garment = np.zeros(wide.shape[:2], np.bool_)
    garment[:, SIZE[1] : 2 * SIZE[1]] = _garment(scene)
    seen: list[tuple[int, ...]] = []

    def bodies(image: Image) -> list[pose.Joints]:
        seen.append(image.shape)
        middle = image.shape[1] / 2
        return [np.array([[middle, 200 + 20 * n, 1] for n in range(18)], np.float32)]

    figure = find_figure(wide, garment, bodies=bodies)
    assert seen[0][1] < wide.shape[1], "only what is around the figure is read"
    assert figure.joints is not None
    assert figure.mask[figure.joints[:, 1].astype(int), figure.joints[:, 0].astype(int)].mean() > 0.5


@pytest.mark.parametrize("found", ["nobody", "somebody else", "two joints"])
def test_nobody_on_the_garment_is_an_items_error(found: str) -> None:
    _, scene = worn_pair(7_100_009, size=SIZE)
    apart = pose.moved(scene.keypoints, by=(-2000.0, 0.0))
    few = scene.keypoints.copy()
    few[2:, 2] = 0
    answer = {"nobody": [], "somebody else": [apart], "two joints": [few]}[found]
    with pytest.raises(ItemError, match="OpenPose reads nobody who wears the garment: leave by: openpose out"):
        find_figure(scene.image, _garment(scene), bodies=lambda _: answer)


def _standing() -> pose.Joints:
    joints = np.ones((18, 3), np.float32)
    joints[:, :2] = 50
    joints[[2, 5], :2] = (40, 30), (60, 30)
    joints[[8, 11], :2] = (45, 70), (55, 70)
    joints[[3, 4], :2] = (38, 45), (38, 60)
    joints[[6, 7], :2] = (62, 45), (62, 60)
    return joints


def test_an_arm_seen_further_out_within_the_figure_is_taken() -> None:
    seen, figure = _standing(), np.ones((100, 100), np.bool_)
    seen[[3, 4], 0], seen[[6, 7], 0] = 30, 58
    taken = pose.with_outer_arms(_standing(), seen, figure)
    assert taken[[3, 4], 0].tolist() == [30, 30]
    assert taken[[6, 7], 0].tolist() == [62, 62]
    figure[:, :32] = False
    assert pose.with_outer_arms(_standing(), seen, figure)[[3, 4], 0].tolist() == [38, 38]


def test_shoulders_a_quarter_torso_apart_are_not_the_same() -> None:
    other = _standing()
    other[[2, 5], 1] += 9
    assert pose.same_shoulders(_standing(), other)
    other[[2, 5], 1] += 3
    assert not pose.same_shoulders(_standing(), other)
    other[2, 2] = 0
    assert not pose.same_shoulders(other, other)


def test_an_arm_that_touches_the_trunk_hangs_to_the_hand_beyond_the_gap() -> None:
    figure = np.zeros((400, 200), np.bool_)
    figure[10:55, 85:115] = True  # head
    figure[50:70, 92:108] = True  # neck
    figure[70:195, 52:148] = True  # trunk and sleeves, no gap between them
    figure[195:385, 72:128] = True  # legs
    hanging = pose_outline.from_outline(figure)
    figure[195:225, 52:64] = figure[195:225, 136:148] = True  # hands below the cuffs
    handed = pose_outline.from_outline(figure)
    assert hanging is not None
    assert handed is not None
    assert 52 <= handed[4, 0] <= 64 < hanging[4, 0]
    assert hanging[7, 0] < 136 <= handed[7, 0] <= 148


def test_a_hand_that_nobody_sees_is_under_its_cuff() -> None:
    figure = np.zeros((400, 200), np.bool_)
    figure[10:55, 85:115] = True  # head
    figure[50:70, 92:108] = True  # neck
    figure[70:215, 62:138] = True  # trunk
    figure[70:195, 50:150] = True  # sleeves that touch it
    figure[180:195, 62:66] = figure[180:195, 134:138] = False  # down to their cuffs
    figure[215:385, 72:128] = True  # legs
    joints = pose_outline.from_outline(figure)
    assert joints is not None
    assert joints[4, 0] < 62
    assert joints[7, 0] > 138


def test_a_figure_of_which_only_the_garment_is_seen_is_guessed() -> None:
    garment = np.zeros((384, 288), np.bool_)
    garment[70:195, 92:188] = True
    noise = np.random.default_rng(0).integers(0, 256, (*garment.shape, 3), dtype=np.uint8)
    figure = find_figure(noise, garment)
    assert not figure.whole
    assert figure.problems == (GUESSED,)
    scene, _ = worn_pair(7_100_015, size=garment.shape)
    assert find_figure(scene.image, _garment(scene)).problems == ()


def test_before_leaves_the_detector_says_who_wears_the_garment() -> None:
    scene, _ = worn_pair(7_100_021, size=(512, 384))

    def mannequin(image: Image, phrases: Sequence[str]) -> list[Detected]:
        return [Detected(scene.alpha > 0.5, 0.9, phrases[0])]

    alone, found = find_figure(scene.image, _garment(scene)), find_figure(scene.image, _garment(scene), mannequin)
    assert alone.problems == (GUESSED,)
    assert found.problems == ()
    assert found.source == "a pose completed from the figure's outline"
    assert found.joints is not None
    assert _far(scene, found.joints) == []


def test_a_mask_that_has_lost_a_sleeve_is_told_where_no_plain_backdrop_shows_it() -> None:
    scene, _ = worn_pair(7_100_021, size=(512, 384))
    garment = _garment(scene)
    torn = garment & ~(np.arange(384) < np.flatnonzero(garment.any(axis=0))[0] + 25)

    def mannequin(image: Image, phrases: Sequence[str]) -> list[Detected]:
        return [Detected(scene.alpha > 0.5, 0.9, phrases[0])]

    problems = find_figure(scene.image, torn, mannequin).problems
    assert len(problems) == 1
    assert problems[0].startswith("cloth of the garment's colours lies beside its mask")


def test_a_broad_figure_that_stands_on_its_feet_is_as_tall_as_it_is() -> None:
    figure = np.zeros((400, 300), np.bool_)
    figure[40:85, 135:165] = True  # head
    figure[80:102, 140:160] = True  # neck
    figure[100:230, 98:202] = True  # a broad hoodie, its sleeves against it
    figure[230:360, 112:188] = True
    hemmed = pose_outline.from_outline(figure)
    figure[250:360, 145:155] = False  # two legs
    standing = pose_outline.from_outline(figure)
    assert hemmed is not None
    assert standing is not None
    assert standing[[10, 13], 1].max() < 360 < hemmed[[10, 13], 1].min()


def test_shoulders_lie_under_the_neck_and_not_under_a_trunk_with_a_sleeve() -> None:
    figure = np.zeros((400, 300), np.bool_)
    figure[40:85, 135:165] = True  # head
    figure[80:102, 140:160] = True  # neck
    figure[100:230, 110:215] = True  # a trunk, and on one side a sleeve against it
    figure[230:370, 115:185] = True
    joints = pose_outline.from_outline(figure)
    assert joints is not None
    assert abs(float(joints[[2, 5], 0].mean()) - 150) < 2


def test_a_pose_that_no_body_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _ = worn_pair(7_100_015, size=(384, 288))
    joints = scene.keypoints.copy()
    joints[0, :2] = joints[1, :2]
    monkeypatch.setattr("pipeline.pixels.pose_fit.fitted", lambda *read: joints)
    problems = find_figure(scene.image, _garment(scene)).problems
    assert len(problems) == 1
    assert problems[0].startswith("nobody stands like this: the head lies")


def test_a_head_without_features_that_passes_for_a_face_is_a_smear() -> None:
    _, scene = worn_pair(7_100_009, size=SIZE)
    smeared = np.asarray(cv2.GaussianBlur(scene.image, (0, 0), 4), np.uint8)
    seen, blurred = look_at(scene.image, scene.keypoints), look_at(smeared, scene.keypoints)
    assert seen is not None
    assert (seen.face_detail or 0) > 1.5 * Limits().face_detail
    assert blurred is not None
    assert blurred.has_face, "the network takes it for a face"
    assert (blurred.face_detail or 99) < Limits().face_detail

"""What may be repainted when a garment is exchanged: relaxed, and never face, hair or a hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from masks.restyle import meeting_hands, protected, restyle_room
from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.palette import DYES, SKINS, rgb
from pipeline.embedded.render import render
from pipeline.embedded.scene import Scene, SceneSpec, random_looks
from pipeline.types import Box, Mask

SIZE = (480, 360)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A person with long hair in a navy sweater, hands beside and on it."""
    looks = replace(random_looks(np.random.default_rng(3), "person"), hair="long", beard=False, skin=rgb(SKINS["tan"]))
    sweater = GarmentSpec(kind="sweater", color_name="navy", color=rgb(DYES["navy"]), sleeve=1.0)
    trousers = GarmentSpec(kind="trousers", color_name="white", color=rgb(DYES["white"]))
    spec = SceneSpec(
        kind="person", backdrop="grey sweep", pose_seed=17, garments=(trousers, sweater), looks=looks, framing="upper"
    )
    return render(17, size=SIZE, spec=spec)


def face_of(scene: Scene) -> Box:
    x, y = (round(float(value)) for value in scene.keypoints[0, :2])
    half = round(0.3 * float(np.hypot(*(scene.keypoints[2] - scene.keypoints[5])[:2])))
    return x - half, y - half, x + half, y + half


def far_from(mask: Mask, point: np.ndarray, reach: float) -> Mask:
    ys, xs = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return np.asarray(np.hypot(xs - point[0], ys - point[1]) < reach) & mask


def test_face_and_hair_are_protected_and_the_garment_is_not(scene: Scene) -> None:
    garment, figure = scene.masks["sweater"], scene.alpha > 0.5
    kept = protected(scene.image, garment, figure, scene.keypoints, [face_of(scene)])
    head = far_from(scene.masks["skin"] | scene.masks["hair"], scene.keypoints[0, :2], 30)
    assert kept[head].mean() > 0.97
    assert kept[garment].mean() < 0.01
    assert not kept[~figure & ~far_from(~figure, scene.keypoints[0, :2], 60)].any()


def test_a_hand_is_protected_even_where_the_garments_mask_took_it(scene: Scene) -> None:
    figure = scene.alpha > 0.5
    x0, y0, x1, y1 = face_of(scene)
    taken = scene.masks["sweater"].copy()
    skin = scene.masks["skin"]
    hands = skin & ~far_from(skin, scene.keypoints[1, :2], 110)
    hands[: round(float(scene.keypoints[1, 1]))] = False  # a forehead is as far from the neck
    assert hands.sum() > 60
    taken |= hands
    kept = protected(scene.image, taken, figure, scene.keypoints, [(x0, y0, x1, y1)])
    assert kept[hands].mean() > 0.6
    assert kept[scene.masks["sweater"]].mean() < 0.02


def test_the_room_has_no_longer_the_old_outline(scene: Scene) -> None:
    garment, figure = scene.masks["sweater"], scene.alpha > 0.5
    relaxed, kept = restyle_room(scene.image, garment, figure, scene.keypoints, [face_of(scene)], relax=0.03)
    assert (relaxed & garment).sum() == garment.sum()
    assert relaxed.sum() > 1.15 * garment.sum()
    assert not (kept & garment).any()
    same, _ = restyle_room(scene.image, garment, figure, scene.keypoints, [face_of(scene)], relax=0.0)
    assert np.array_equal(same, garment)


def test_wrists_move_to_the_hands_that_are_kept(scene: Scene) -> None:
    kept = np.zeros(SIZE, np.bool_)
    off = scene.keypoints.copy()
    along = off[4, :2] - off[3, :2]
    true = scene.keypoints[4, :2]
    x, y = np.rint(true).astype(int)
    kept[y : y + 24, x - 6 : x + 6] = True  # the hand hangs below its wrist
    off[4, :2] = true - 0.2 * along
    moved = meeting_hands(off, kept)
    assert np.hypot(*(moved[4, :2] - true)) < np.hypot(*(off[4, :2] - true))
    assert np.array_equal(moved[7], off[7]), "a wrist without a hand stays"

"""Poses fitted to what is bare beside a garment, on a drawn figure whose parts are known."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.pixels.pose import within
from pipeline.pixels.pose_fit import fitted
from pipeline.types import Image, Mask

SKIN, CLOTH, SHIRT, WALL = (225, 185, 160), (40, 45, 70), (180, 40, 40), (235, 235, 235)
SIZE = (400, 300)


def _figure(*, sleeve_to: int, hand_x: int = 90) -> tuple[Image, Mask, Mask]:
    """A figure of 400 px with hanging arms: picture, figure and shirt; its left hand (picture) hangs at ``hand_x``."""
    image = np.full((*SIZE, 3), WALL, np.uint8)
    parts = np.zeros(SIZE, np.uint8)
    for color, number, box in (
        (SKIN, 1, (138, 40, 162, 100)),  # head and neck
        (CLOTH, 2, (115, 230, 185, 400)),  # trousers
        (SHIRT, 3, (112, 95, 188, 240)),  # trunk
    ):
        x0, y0, x1, y1 = box
        image[y0:y1, x0:x1], parts[y0:y1, x0:x1] = color, number
    for x in (hand_x, 210):
        cv2.line(image, (x + (118 - x) // 8, 110), (x, 250), SKIN, 16)
        cv2.line(parts, (x + (118 - x) // 8, 110), (x, 250), 1, 16)
        cv2.line(image, (x + (118 - x) // 8, 110), (x, sleeve_to), SHIRT, 20)
        cv2.line(parts, (x + (118 - x) // 8, 110), (x, sleeve_to), 3, 20)
    return image, parts > 0, parts == 3


def _joints() -> np.ndarray:
    joints = np.ones((18, 3), np.float32)
    joints[:, :2] = 150, 60
    for at, point in {1: (150, 110), 2: (120, 110), 3: (110, 170), 4: (104, 224), 5: (180, 110), 6: (208, 170),
                      7: (210, 224), 8: (128, 224), 9: (128, 315), 11: (172, 224), 12: (172, 315)}.items():  # fmt: skip
        joints[at, :2] = point
    joints[[9, 10, 12, 13], 2] = 0
    return joints


def test_a_wrist_is_set_where_the_hand_leaves_its_sleeve() -> None:
    image, figure, shirt = _figure(sleeve_to=225)
    made = fitted(_joints(), image, figure, shirt)
    assert abs(made[4, 0] - 90) <= 4
    assert 225 <= made[4, 1] <= 245
    np.testing.assert_allclose(made[7, :2], (210, 237), atol=6)


def test_a_bare_forearm_draws_elbow_and_wrist_to_its_middle() -> None:
    image, figure, shirt = _figure(sleeve_to=150)
    made = fitted(_joints(), image, figure, shirt)
    for joint in (3, 4):
        row = round(float(made[joint, 1]))
        line = np.flatnonzero(figure[row, :112])
        assert abs(made[joint, 0] - (line[0] + line[-1]) / 2) <= 3


def test_hips_are_as_broad_as_the_cloth_under_the_hem() -> None:
    image, figure, shirt = _figure(sleeve_to=225)
    made = fitted(_joints(), image, figure, shirt)
    assert made[11, 0] - made[8, 0] < 36  # 44 were read; the trousers are 70 px broad
    assert made[9, 0] == made[8, 0]
    figure[240:] = False
    assert fitted(_joints(), image, figure, shirt)[8, 0] == 128


def test_nothing_bare_leaves_the_pose_as_it_was_read() -> None:
    image, figure, _ = _figure(sleeve_to=225)
    joints = _joints()
    joints[[4, 7], 0] = 92, 209
    joints[[3, 6], 0] = 97, 205
    np.testing.assert_allclose(fitted(joints, image, figure, figure), joints, atol=6)


def test_an_arm_beside_its_sleeve_is_drawn_into_it() -> None:
    image = np.full((*SIZE, 3), WALL, np.uint8)
    figure = np.zeros(SIZE, np.uint8)
    cv2.rectangle(figure, (110, 40), (190, 399), 1, -1)
    cv2.line(figure, (185, 115), (250, 170), 1, 24)
    cv2.line(figure, (250, 170), (200, 225), 1, 24)
    joints = _joints()
    joints[[6, 7], :2] = (242, 166), (192, 214)
    made = fitted(joints, image, figure > 0, figure > 0)

    def worst(pose: np.ndarray) -> float:
        depth = cv2.distanceTransform(figure, cv2.DIST_L2, 5)
        shares = np.linspace(0.2, 0.8, 9)[:, None]
        spots = np.rint(pose[6, :2] * (1 - shares) + pose[7, :2] * shares).astype(int)
        return float(depth[spots[:, 1], spots[:, 0]].min())

    assert worst(joints) < 4
    assert worst(made) >= 6


def test_a_broad_figure_that_was_taken_for_a_tall_one_is_as_tall_as_its_arms_are_long() -> None:
    image, figure, shirt = (part[:256] for part in _figure(sleeve_to=225))
    tall = within(_joints() * [1, 1, 0] + [0, 0, 1], (600, 300)).astype(np.float32)
    tall[:, 1] = 95 + (tall[:, 1] - 95) * 1.5
    tall[[2, 5], 0] = 107, 193
    cut = within(tall, (256, 300))
    assert not cut[[4, 7, 8, 11], 2].any()
    made = fitted(cut, image, figure, shirt)
    np.testing.assert_allclose(made[4, :2], (90, 232), atol=10)
    np.testing.assert_allclose(made[7, :2], (210, 232), atol=10)
    assert made[[8, 11], 2].all()
    np.testing.assert_allclose(made[[8, 11], 1], 224, atol=24)
    np.testing.assert_allclose(made[2, 0], cut[2, 0])
    cut[0, 2] = 0  # an estimator's pose: it says what it saw
    np.testing.assert_array_equal(fitted(cut, image, figure, shirt)[[8, 11], 2], 0)

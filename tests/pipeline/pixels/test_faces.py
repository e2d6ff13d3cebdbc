"""A face is told from a smear by its features, whatever its size."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.pixels.checks_garment import Limits
from pipeline.pixels.faces import face_detail
from pipeline.pixels.geometry import resize_image
from pipeline.types import Box, Image

BOX: Box = (60, 60, 140, 156)


def face() -> Image:
    """A head on grey with eyes, brows and a mouth."""
    image = np.full((200, 200, 3), 170, np.uint8)
    cv2.ellipse(image, (100, 100), (44, 62), 0, 0, 360, (205, 150, 120), -1, cv2.LINE_AA)
    for x in (80, 120):
        cv2.ellipse(image, (x, 90), (9, 5), 0, 0, 360, (245, 245, 245), -1, cv2.LINE_AA)
        cv2.circle(image, (x, 90), 4, (40, 25, 20), -1, cv2.LINE_AA)
        cv2.line(image, (x - 11, 76), (x + 11, 76), (60, 40, 30), 3, cv2.LINE_AA)
    cv2.ellipse(image, (100, 134), (17, 6), 0, 0, 360, (150, 50, 60), -1, cv2.LINE_AA)
    return image


def test_a_smear_has_no_detail_and_a_face_has_at_any_size() -> None:
    least = Limits().face_detail
    sharp = face()
    smear = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 8), np.uint8)
    assert (face_detail(sharp, BOX) or 0) > 1.5 * least
    assert (face_detail(smear, BOX) or 99) < least
    small: Box = (15, 15, 35, 39)
    assert (face_detail(resize_image(sharp, (50, 50)), small) or 0) > least
    large: Box = (240, 240, 560, 624)
    assert (face_detail(resize_image(smear, (800, 800)), large) or 99) < least


def test_of_what_is_too_small_or_outside_nothing_is_said() -> None:
    assert face_detail(face(), (60, 60, 75, 78)) is None
    assert face_detail(face(), (-80, 60, -10, 140)) is None
    assert face_detail(face(), (60, -90, 140, 12)) is None

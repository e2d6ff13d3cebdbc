"""Where the networks look, and how their looks are put together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import skimage.data

from masks import looks
from masks.networks import faces_of
from pipeline.types import Image


def astronaut() -> Image:
    return np.asarray(skimage.data.astronaut())


def test_a_held_helmet_belongs_to_its_person() -> None:
    image = astronaut()
    seen = looks.look_at_person(image, faces_of(image))
    assert seen is not None
    assert seen.is_portrait
    assert seen.probability[400:500, 330:460].mean() > 0.8  # the helmet, which the pose network leaves out
    assert seen.probability[:200, 360:].max() < 0.5  # the shuttle behind her


def test_a_picture_without_a_body_has_no_looks() -> None:
    assert looks.look_at_person(np.full((96, 96, 3), 200, np.uint8), []) is None


def test_what_is_held_is_joined_smaller_and_has_no_face() -> None:
    body = np.zeros((200, 200), np.bool_)
    body[40:, 40:110] = True
    person = body.astype(np.float32)
    person[100:140, 110:150] = 0.9  # a bag at the hip
    person[50:90, 160:190] = 0.9  # something apart
    held = looks._held(person, body, [])
    assert held[120, 130]
    assert not held[:, 158:].any()
    assert not (held & body).any()
    assert not looks._held(person, body, [(120, 105, 140, 130)]).any()
    person[40:, 110:190] = 0.9  # as large as the body: another one
    assert not looks._held(person, body, []).any()


def test_a_look_counts_less_at_the_borders_that_are_not_the_pictures() -> None:
    weight = looks._inner_weight((0, 50, 100, 150), (200, 200))
    assert weight.shape == (100, 100)
    assert weight[50, 0] == 1  # the picture's own left edge
    assert weight[50, 99] < 0.1
    assert weight[0, 50] < 0.1
    assert weight[50, 50] == 1


def test_tall_bodies_are_looked_at_in_overlapping_squares() -> None:
    boxes = looks._lengthwise((20, 10, 120, 410))
    assert boxes[0][:2] == (20, 10)
    assert boxes[-1][3] == 410
    assert all(box[3] - box[1] == 100 for box in boxes)
    assert all(one[3] > other[1] for one, other in pairwise(boxes))
    assert looks._lengthwise((0, 0, 100, 110)) == []

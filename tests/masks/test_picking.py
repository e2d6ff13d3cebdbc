"""What lies under a click: the wand by colour, and what is believed of a segmenter."""

from __future__ import annotations

import numpy as np
import pytest

from masks.picking import pick, wand
from masks.segment import embed, load_segmenter
from masks.segmenters.types import Segmenter
from pipeline.embedded.render import render
from pipeline.types import Image, Mask


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return load_segmenter("sam-embedded", device="cpu")


def two_discs() -> tuple[Image, Mask, Mask]:
    """Two discs of one red, with folds and grain, on grey."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:160, :200]
    discs = [np.hypot(y - 80, x - at) < 40 for at in (55, 145)]
    image = np.full((160, 200, 3), 205, np.float64)
    folds = 1 + 0.06 * np.sin(x / 7.0)[..., None]
    for disc in discs:
        image[disc] = (np.array([170, 40, 50]) * folds)[disc]
    noisy = image + rng.normal(0, 2, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), discs[0], discs[1]


def test_the_wand_takes_the_connected_thing_of_one_colour() -> None:
    image, left, right = two_discs()
    found = wand(image, (55.5, 80.5))
    assert (found & left).sum() / (found | left).sum() > 0.93
    assert not (found & right).any()


def test_the_wand_leaves_out_what_other_clicks_name() -> None:
    image, left, _ = two_discs()
    everything = wand(image, (55.5, 80.5), tolerance=500)
    assert everything.all(), "a boundless tolerance takes all"
    bounded = wand(image, (55.5, 80.5), [(100.5, 80.5)], tolerance=500)
    assert (bounded & left).sum() / (bounded | left).sum() > 0.9
    assert not bounded[80, 100]


def test_a_pick_holds_its_point_and_no_other(segmenter: Segmenter) -> None:
    scene = render(5, size=(256, 192))
    dress = scene.masks["dress"]
    rows, columns = np.nonzero(dress)
    at = (float(columns[len(rows) // 2]) + 0.5, float(rows[len(rows) // 2]) + 0.5)
    embedding = embed(segmenter, scene.image)
    found = pick(segmenter, embedding, scene.image, at)
    assert found[int(at[1]), int(at[0])]
    assert (found & dress).sum() / (found | dress).sum() > 0.5
    without = pick(segmenter, embedding, scene.image, at, but=[(2.5, 2.5)])
    assert without[int(at[1]), int(at[0])]
    assert not without[2, 2]

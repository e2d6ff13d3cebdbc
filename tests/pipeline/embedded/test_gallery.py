"""Sheets of what the studio's models see: true drawings of masks, boxes and scores."""

import numpy as np

from pipeline.embedded.gallery import LEGEND_PX, PAINT, TILE_PX, WRONG, found_in, segmented, tiled
from pipeline.embedded.train.findings import Finding

GREY = np.full((64, 64, 3), 128, np.uint8)


def finding(phrase: str, box: tuple[float, ...], score: float, truth: list[tuple[float, ...]]) -> Finding:
    return Finding(
        scene=0,
        phrase=phrase,
        boxes=np.array([box], np.float32),
        scores=np.array([score], np.float32),
        truth=np.array(truth, np.float32).reshape(-1, 4),
    )


def colored(image, color) -> int:
    return int((image == np.array(color)).all(2).sum())


def test_masks_are_tinted_and_the_rest_is_left():
    masks = np.zeros((1, 64, 64), bool)
    masks[0, 16:48, 16:48] = True
    shown = segmented(GREY, masks, np.array([[16, 16, 48, 48]], np.float32))
    assert shown.shape == (TILE_PX, TILE_PX, 3)
    assert shown[160, 160].tolist() != [128, 128, 128]
    assert shown[20, 20].tolist() == [128, 128, 128]


def test_boxes_are_drawn_from_a_score_on_and_wrong_answers_are_red():
    box = (0.25, 0.25, 0.75, 0.75)
    right = found_in(GREY, [finding("mug", box, 0.9, [box])])
    assert right.shape == (TILE_PX + LEGEND_PX, TILE_PX, 3)
    assert colored(right[:TILE_PX], PAINT[0]) > 100
    assert colored(right, WRONG) == 0
    missed = found_in(GREY, [finding("mug", (0, 0, 0.1, 0.1), 0.9, [box])])
    assert colored(missed[TILE_PX:], WRONG) > 0
    quiet = found_in(GREY, [finding("mug", box, 0.1, [])])
    assert colored(quiet[:TILE_PX], PAINT[0]) == colored(quiet, WRONG) == 0


def test_sheets_have_rows_of_four():
    assert tiled([GREY] * 8).shape == (2 * 70, 4 * 70, 3)

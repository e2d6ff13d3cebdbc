"""Thresholds, overlaps and labels: array work on drawn detections."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torchvision.ops import nms

from masks.detectors.boxes import best_boxes, box_iou, boxes_at, boxes_cxcywh_to_xyxy
from masks.detectors.types import PhraseScores, RawDetections
from pipeline.errors import RecipeError


def detections(boxes: list[list[float]], scores: list[list[float]], phrase: str = "red dress") -> RawDetections:
    entry = PhraseScores(
        phrase=phrase,
        words=tuple(phrase.split()),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        word_scores=np.array(scores, np.float32).reshape(len(boxes), -1),
    )
    return RawDetections(size=(100, 200), phrases=(entry,))


THREE = detections(
    [[0, 0, 50, 50], [100, 0, 200, 100], [2, 0, 50, 50]], [[0.2, 0.4], [0.9, 0.1], [0.5, 0.6]]
)  # the third lies on the first


def test_a_box_is_kept_where_its_best_word_exceeds_the_threshold() -> None:
    assert boxes_at(THREE, 0.3, nms_iou=1.0).scores.tolist() == pytest.approx([0.9, 0.6, 0.4])
    assert boxes_at(THREE, 0.55).scores.tolist() == pytest.approx([0.9, 0.6])
    assert len(boxes_at(THREE, 0.9)) == 0


def test_overlapping_boxes_leave_the_better_one() -> None:
    assert boxes_at(THREE, 0.3).boxes.tolist() == [[100, 0, 200, 100], [2, 0, 50, 50]]


def test_trap_text_threshold_picks_words_and_drops_no_box() -> None:
    assert boxes_at(THREE, 0.3, text_threshold=0.3).labels == ("red", "red dress")
    assert boxes_at(THREE, 0.3, text_threshold=0.95).labels == ("", "")
    assert len(boxes_at(THREE, 0.3, text_threshold=0.95)) == 2


def test_a_real_label_filter_wants_every_word() -> None:
    assert boxes_at(THREE, 0.3, text_threshold=0.3, every_word=True).labels == ("red dress",)


def test_trap_the_best_are_kept_and_not_the_first() -> None:
    assert boxes_at(THREE, 0.0, nms_iou=1.0, max_boxes=2).scores.tolist() == pytest.approx([0.9, 0.6])


def test_trap_an_absent_thing_is_answered_by_the_biggest_box() -> None:
    raw = detections([[0, 0, 200, 100], [10, 10, 60, 60], [5, 5, 6, 6]], [[0.4], [0.35], [0.34]], "bag")
    assert boxes_at(raw, 0.3, area_ceiling=0.95, area_floor=0.01).boxes.tolist() == [[10, 10, 60, 60]]


def test_an_empty_box_is_never_kept() -> None:
    assert len(boxes_at(detections([[5, 5, 5, 50]], [[0.9]], "bag"), 0.3)) == 0


def test_no_detection_gives_arrays_of_the_right_shape() -> None:
    none = boxes_at(THREE, 0.99)
    assert none.boxes.shape == (0, 4)
    assert none.scores.shape == (0,)
    assert none.phrases == ()


def test_thresholds_may_differ_by_phrase() -> None:
    bag = detections([[0, 0, 50, 50]], [[0.5]], "bag").phrases
    raw = RawDetections(size=THREE.size, phrases=THREE.phrases + bag)
    assert boxes_at(raw, {"red dress": 0.8, "bag": 0.4}).phrases == ("red dress", "bag")
    assert boxes_at(raw, {"red dress": 0.8, "bag": 0.6}).phrases == ("red dress",)
    assert boxes_at(raw, 0.4, phrases=["Bag."]).phrases == ("bag",)
    with pytest.raises(RecipeError, match="No box_threshold for the phrase 'bag'"):
        boxes_at(raw, {"red dress": 0.8})


def test_boxes_of_different_phrases_do_not_suppress_each_other() -> None:
    raw = RawDetections(size=THREE.size, phrases=THREE.phrases + detections([[2, 0, 50, 50]], [[0.5]], "bag").phrases)
    assert boxes_at(raw, 0.45).phrases == ("red dress", "red dress", "bag")


def test_relative_boxes_become_corners_inside_the_picture() -> None:
    corners = boxes_cxcywh_to_xyxy(np.array([[0.5, 0.5, 0.5, 0.2], [0.0, 1.0, 0.4, 0.4]], np.float32), (100, 200))
    np.testing.assert_allclose(corners, [[50, 40, 150, 60], [0, 80, 40, 100]], atol=1e-4)
    assert corners.dtype == np.float32


def corners(count: int) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(np.float32, (count, 4), elements=st.integers(0, 40).map(float)).map(
        lambda b: np.concatenate([np.minimum(b[:, :2], b[:, 2:]), np.maximum(b[:, :2], b[:, 2:]) + 1], axis=1)
    )


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(corners(n), st.permutations(range(n)), st.floats(0.05, 0.95))))
def test_suppression_is_that_of_torchvision(drawn: tuple[np.ndarray, list[int], float]) -> None:
    boxes, ranks, iou = drawn
    scores = (np.array(ranks, np.float32) + 1) / 20
    expected = nms(torch.from_numpy(boxes), torch.from_numpy(scores), iou).tolist()
    overlaps = box_iou(boxes, boxes)
    if not np.isclose(overlaps, iou, atol=1e-5).any():  # equal to the limit: rounding decides
        assert best_boxes(boxes, scores, iou).tolist() == expected


@given(corners(5), corners(3))
def test_overlap_is_symmetric_and_one_on_itself(first: np.ndarray, second: np.ndarray) -> None:
    np.testing.assert_allclose(box_iou(first, second), box_iou(second, first).T)
    np.testing.assert_allclose(np.diag(box_iou(first, first)), 1, rtol=1e-6)
    assert box_iou(first, second).min() >= 0
    assert box_iou(first, second).max() <= 1

"""Things named by words: detector and segmenter together, unwanted phrases, stored results."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from masks import text
from masks.detect import Boxes, Detector, detect, load_detector
from masks.segment import embed, load_segmenter
from masks.segmenters.types import Segmenter
from masks.text import masks_of_boxes, text_finder, text_masks
from pipeline.models.devices import loaded_models
from pipeline.types import Image
from tests.tiny_models import save_hub_detector, save_sam, tiny_grounding_dino


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
    loaded_models().clear()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Detector, Segmenter]:
    folder = tmp_path_factory.mktemp("weights")
    detector = load_detector(save_hub_detector(tiny_grounding_dino(), folder / "hub"), device="cpu")
    return detector, load_segmenter(save_sam(folder / "sam"), device="cpu")


@pytest.fixture(scope="module")
def photo() -> Image:
    return np.random.default_rng(7).integers(0, 256, (90, 140, 3), dtype=np.uint8)


def drawn(*entries: tuple[list[float], float, str]) -> Boxes:
    return Boxes(
        boxes=np.array([box for box, _, _ in entries], np.float32),
        scores=np.array([score for _, score, _ in entries], np.float32),
        phrases=tuple(phrase for _, _, phrase in entries),
        labels=tuple(phrase for _, _, phrase in entries),
    )


def test_words_give_masks_the_best_first(models: tuple[Detector, Segmenter], photo: Image) -> None:
    found = text_masks(*models, photo, ["shirt", "red dress"], box_threshold=0.01, max_boxes=3)
    assert found
    assert [thing.score for thing in found] == sorted((thing.score for thing in found), reverse=True)
    for thing in found:
        assert thing.mask.shape == (90, 140)
        assert thing.mask.any()
        assert thing.phrase in {"shirt", "red dress"}
        x0, y0, x1, y1 = thing.box
        assert 0 <= x0 < x1 <= 140
        assert 0 <= y0 < y1 <= 90
        assert all(isinstance(side, int) for side in thing.box)
        assert isinstance(thing.predicted_iou, float)


def test_nothing_above_the_threshold_is_an_empty_list_and_runs_no_encoder(
    models: tuple[Detector, Segmenter], photo: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "embed", lambda *_: pytest.fail("the encoder ran"))
    assert text_masks(*models, photo, ["shirt"], exclude=["hair"], box_threshold=0.999) == []


def test_stored_detections_and_embedding_give_the_same_without_running(
    models: tuple[Detector, Segmenter], photo: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = text_masks(*models, photo, ["shirt"], exclude=["hair"], box_threshold=0.01)
    raw, embedding = detect(models[0], photo, ["shirt", "hair"]), embed(models[1], photo)
    monkeypatch.setattr(text, "detect", lambda *_: pytest.fail("the detector ran"))
    monkeypatch.setattr(text, "embed", lambda *_: pytest.fail("the encoder ran"))
    stored = text_masks(*models, photo, ["shirt"], exclude=["hair"], box_threshold=0.01, raw=raw, embedding=embedding)
    assert len(stored) == len(fresh)
    for one, other in zip(fresh, stored, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
        assert one.box == other.box


def test_unwanted_things_are_cut_out(models: tuple[Detector, Segmenter], photo: Image) -> None:
    embedding = embed(models[1], photo)
    boxes = drawn(([10, 10, 100, 80], 0.9, "dress"), ([30, 20, 90, 70], 0.8, "hair"))
    dress, hair = (thing.mask for thing in masks_of_boxes(models[1], embedding, boxes))
    (cut,) = masks_of_boxes(models[1], embedding, boxes, exclude=["Hair."])
    assert (dress & hair).any()
    np.testing.assert_array_equal(cut.mask, dress & ~hair)
    assert cut.phrase == "dress"


def test_a_wanted_box_that_an_unwanted_phrase_claims_with_a_better_score_is_dropped(
    models: tuple[Detector, Segmenter], photo: Image
) -> None:
    embedding = embed(models[1], photo)
    same, other = [10.0, 10, 60, 60], [70.0, 10, 130, 80]
    worse = drawn((other, 0.7, "dress"), (same, 0.6, "hair"), (same, 0.5, "dress"))
    kept = masks_of_boxes(models[1], embedding, worse, exclude=["hair"])
    assert [thing.box for thing in kept] in ([(70, 10, 130, 80)], [])
    assert all(thing.box != (10, 10, 60, 60) for thing in kept)
    better = drawn((same, 0.8, "dress"), (same, 0.6, "hair"))
    assert len(masks_of_boxes(models[1], embedding, better)) == 2
    # The hair's mask is the same box's mask: nothing of the dress is left, so it is no find.
    assert masks_of_boxes(models[1], embedding, better, exclude=["hair"]) == []


def test_only_unwanted_things_is_nothing(models: tuple[Detector, Segmenter], photo: Image) -> None:
    boxes = drawn(([10, 10, 60, 60], 0.9, "hair"))
    assert masks_of_boxes(models[1], embed(models[1], photo), boxes, exclude=["hair"]) == []


def test_the_finder_loads_its_models_once(models: tuple[Detector, Segmenter], photo: Image) -> None:
    find = text_finder(models[0].row, models[1].row, device="cpu", box_threshold=0.01, max_boxes=1)
    first, second = find(photo, ["shirt"]), find(photo, ["shirt"])
    assert len(first) == 1
    np.testing.assert_array_equal(first[0].mask, second[0].mask)
    before = list(loaded_models()._models.values())
    text_finder(models[0].row, models[1].row, device="cpu")(photo, ["shirt"])
    assert all(model is old for (model, _), (old, _) in zip(loaded_models()._models.values(), before, strict=True))

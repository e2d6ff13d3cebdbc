"""The studio's own detector and segmenter, by the checkpoints that recipes name by default."""

from __future__ import annotations

import numpy as np
import pytest

from masks.detect import detect, load_detector
from masks.detectors.types import Detector
from masks.segment import load_segmenter
from masks.text import text_masks
from pipeline.embedded.render import render
from pipeline.errors import ModelError
from pipeline.files.recipe_models import SubjectSection
from pipeline.models.checkpoints import Checkpoint, checkpoint


def by_transformers() -> Checkpoint:
    return checkpoint("grounding-dino-embedded").model_copy(update={"family": "grounding-dino-transformers"})


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector("grounding-dino-embedded", device="cpu")


def test_recipes_name_the_studios_models_by_default() -> None:
    subject = SubjectSection()
    assert checkpoint(subject.detector, role="detector").address.startswith("package:pipeline.embedded/")
    assert checkpoint(subject.segmenter, role="segmenter").address.startswith("package:pipeline.embedded/")


@pytest.mark.parametrize("size", [(256, 256), (512, 384), (300, 420)], ids=["square", "portrait", "landscape"])
def test_the_trained_weights_are_the_same_network_in_both_packages(size: tuple[int, int], detector: Detector) -> None:
    assert detector.row.family == "groundingdino-py"
    other = load_detector(by_transformers(), device="cpu")
    phrases = ["person", "red dress", "mug", "umbrella"]
    image = render(7, size=size).image
    ours, theirs = detect(detector, image, phrases), detect(other, image, phrases)
    for a, b in zip(ours.phrases, theirs.phrases, strict=True):
        assert np.abs(a.word_scores - b.word_scores).max() < 1e-3
        assert np.abs(a.boxes - b.boxes).max() < 1e-3 * max(size)


def test_a_folder_of_another_model_is_no_detector() -> None:
    row = checkpoint("grounding-dino-embedded")
    wrong = row.model_copy(update={"address": row.address.replace("grounding-dino-tiny-embedded", "sam-tiny")})
    with pytest.raises(ModelError, match="do not fit its architecture"):
        load_detector(wrong, device="cpu")


def test_a_persons_mask_comes_from_a_phrase(detector: Detector) -> None:
    segmenter = load_segmenter(SubjectSection().segmenter, device="cpu")
    overlaps = []
    for seed in (0, 1, 3, 4):
        scene = render(seed, size=(512, 384))
        truth = np.any(list(scene.masks.values()), axis=0)
        found = text_masks(detector, segmenter, scene.image, ["person"], box_threshold=0.05)
        best = max(found, key=lambda one: one.score)
        overlaps.append((best.mask & truth).sum() / (best.mask | truth).sum())
    assert np.mean(overlaps) > 0.6

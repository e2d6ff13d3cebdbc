"""Stored scores and embeddings: each network sees a picture once, whatever the thresholds."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from masks import evidence as module
from masks.evidence import Evidence
from masks.text import text_masks
from pipeline.embedded.render import render
from pipeline.files.store import Store
from pipeline.models.weights import fingerprint
from pipeline.types import Image

PICTURE: Image = render(3, size=(320, 256)).image
DIGEST = hashlib.sha256(PICTURE.tobytes()).hexdigest()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each network ran."""
    counted: Counter[str] = Counter()
    for name in ("detect", "embed"):

        def counting(*args: object, of: object = getattr(module, name), name: str = name) -> object:
            counted[name] += 1
            return of(*args)  # type: ignore[operator]

        monkeypatch.setattr(module, name, counting)
    return counted


def opened(folder: Path, detector: str = "grounding-dino-embedded") -> Evidence:
    return Evidence(Store(folder / "store"), detector, "sam-embedded", device="cpu")


def test_every_threshold_after_the_first_runs_no_network(tmp_path: Path, calls: Counter[str]) -> None:
    first = opened(tmp_path).things(DIGEST, PICTURE, ["person"], exclude=["bag"], box_threshold=0.05)
    assert first
    assert calls == {"detect": 1, "embed": 1}
    for threshold in (0.01, 0.1, 0.4, 0.9):
        # another object, as another process would have it
        opened(tmp_path).things(DIGEST, PICTURE, ["person"], exclude=["bag"], box_threshold=threshold)
    assert calls == {"detect": 1, "embed": 1}


def test_stored_scores_give_the_masks_that_a_detector_run_gives(tmp_path: Path) -> None:
    evidence = opened(tmp_path)
    for _ in range(2):
        stored = evidence.things(DIGEST, PICTURE, ["person"], box_threshold=0.05)
        anew = text_masks(evidence.detector, evidence.segmenter, PICTURE, ["person"], box_threshold=0.05)
        assert [one.score for one in stored] == [one.score for one in anew]
        assert all(np.array_equal(a.mask, b.mask) for a, b in zip(stored, anew, strict=True))


def test_a_new_phrase_asks_for_that_phrase_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    original = module.detect
    monkeypatch.setattr(module, "detect", lambda *args: (asked.append(list(args[2])), original(*args))[1])
    evidence = opened(tmp_path)
    evidence.scores(DIGEST, PICTURE, ["person", "Bag "])
    both = evidence.scores(DIGEST, PICTURE, ["shoe", "bag", "person", "bag"])
    assert asked == [["person", "bag"], ["shoe"]]
    assert [found.phrase for found in both.phrases] == ["shoe", "bag", "person"]


def test_other_weights_or_another_picture_are_seen_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = opened(tmp_path)
    key, other = evidence.scores_key(DIGEST, "bag"), evidence.scores_key("0" * 64, "bag")
    assert key != other
    assert key == opened(tmp_path).scores_key(DIGEST, "BAG.")
    module._fingerprint.cache_clear()
    monkeypatch.setattr(module, "fingerprint", lambda row: "retrained " + fingerprint(row))
    assert evidence.scores_key(DIGEST, "bag") != key
    assert evidence.embedding_key(DIGEST) != ""
    module._fingerprint.cache_clear()


def test_a_stored_word_needs_no_picture(tmp_path: Path) -> None:
    opened(tmp_path).scores(DIGEST, PICTURE, ["bag"])

    def never() -> Image:
        raise AssertionError("the photo was opened")

    assert opened(tmp_path).scores(DIGEST, never, ["bag"]).size == PICTURE.shape[:2]

"""The words' bench: a printed word is read upright from a turned garment, and not where nothing is printed."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from flows.bench_words import PHOTO, chest, read_words, scene_of
from pipeline.embedded.render import render
from pipeline.embedded.scene import SceneSpec
from pipeline.errors import SeamlineError


def test_the_breast_is_shown_upright_at_one_size() -> None:
    _, scene = scene_of(1)
    shown = chest(scene.image, scene.alpha > 0.5)
    assert shown.shape == (240, 304, 3)
    mirrored = np.abs(shown.astype(int) - shown[:, ::-1]).mean()
    aslant = np.abs(np.roll(shown.astype(int), 40, axis=1) - shown[:, ::-1]).mean()
    assert mirrored < aslant


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_a_word_is_read_where_it_is_printed() -> None:
    spec, scene = scene_of(4)
    assert spec.print_name in read_words(chest(scene.image, scene.alpha > 0.5))
    plain = SceneSpec(
        kind="flat", backdrop="white", backdrop_seed=4, pose_seed=4, garments=(replace(spec, print_name=None),)
    )  # fmt: skip
    bare = render(4, size=PHOTO, spec=plain)
    assert not read_words(chest(bare.image, bare.alpha > 0.5))


def test_a_missing_reader_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SeamlineError, match="install the package tesseract-ocr"):
        read_words(np.zeros((20, 20, 3), np.uint8))

"""Shipped weights: small, documented, and as good as their cards say."""

import pytest

from pipeline.embedded.score import DETECTOR, SCORES, WEIGHTS, score_detector, score_sam

FOLDERS = sorted(path for path in WEIGHTS.iterdir() if path.is_dir()) if WEIGHTS.exists() else []


def test_all_weights_together_stay_below_forty_megabytes():
    sizes = [path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()]
    assert sum(sizes) <= 40e6
    assert max(sizes, default=0) < 20e6


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_folder_has_a_card_with_scores_and_a_command(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    # the hub's two layouts: a model, and a pipeline of models
    assert (folder / "config.json").exists() or (folder / "model_index.json").exists()
    assert "## Scores" in card
    assert any(f"studio score {name}" in card for name in SCORES)
    assert "## Limits" in card


@pytest.mark.skipif(not (WEIGHTS / "sam-tiny").exists(), reason="the segmenter is not shipped")
def test_the_shipped_segmenter_finds_held_out_things():
    scores = score_sam(scenes=12, seed=500)
    assert scores["mean_iou"] > 0.84


@pytest.mark.skipif(not DETECTOR.exists(), reason="the detector is not shipped")
def test_the_shipped_detector_finds_held_out_things():
    scores = score_detector(scenes=30, seed=500)
    assert scores["ap50"] > 0.5
    assert scores["top1_right"] > 0.6
    assert scores["separation"] > 0.75

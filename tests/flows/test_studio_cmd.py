"""The studio's command line: scenes on disk with their truth, scores, and clear words for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipeline.errors import RecipeError

runner = CliRunner()


def test_scenes_are_drawn_with_their_truth(tmp_path: Path) -> None:
    done = runner.invoke(app, ["studio", "render", str(tmp_path), "--count", "3", "--seed", "3", "--size", "128x96"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (tmp_path / "scenes.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    for row in rows:
        picture = cv2.imread(str(tmp_path / row["picture"]))
        alpha = cv2.imread(str(tmp_path / row["alpha"]), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        assert alpha is not None
        assert picture.shape == (128, 96, 3)
        parts = [cv2.imread(str(tmp_path / name), cv2.IMREAD_GRAYSCALE) for name in row["masks"].values()]
        covered = np.any([part > 0 for part in parts if part is not None], axis=0)
        assert (alpha[covered] > 0).mean() > 0.95
        assert row["caption"]
        assert np.array(row["keypoints"]).shape == (18, 3)


def test_pairs_are_two_pictures_each(tmp_path: Path) -> None:
    done = runner.invoke(app, ["studio", "render", str(tmp_path), "--count", "1", "--size", "96", "--pairs", "worn"])
    assert done.exit_code == 0, done.output
    assert {row["picture"] for row in map(json.loads, (tmp_path / "scenes.jsonl").read_text().splitlines())} == {
        "000000a.png",
        "000000b.png",
    }


def test_a_size_that_is_none_is_refused(tmp_path: Path) -> None:
    done = runner.invoke(app, ["studio", "render", str(tmp_path), "--size", "big"])
    assert done.exit_code == 2
    assert "is not a size" in done.output


@pytest.mark.parametrize("command", [["train", "no-such"], ["score", "no-such"], ["export", "no-such", "x"]])
def test_an_unknown_model_is_named_with_those_there_are(command: list[str], tmp_path: Path) -> None:
    done = runner.invoke(app, ["studio", *command])
    assert isinstance(done.exception, RecipeError)
    assert "sam" in str(done.exception)


def test_what_only_the_segmenter_takes_is_refused_for_others() -> None:
    refused = runner.invoke(app, ["studio", "score", "detector", "--clicks", "2"])
    assert refused.exit_code != 0
    assert "only `score sam` takes it" in refused.output + str(refused.exception)


def test_the_shipped_segmenter_is_scored_from_clicks() -> None:
    done = runner.invoke(app, ["studio", "score", "sam", "--scenes", "2", "--clicks", "3", "--pairs", "--json"])
    assert done.exit_code == 0, done.output
    assert 0 < json.loads(done.stdout)["mean_iou"] < 1


def test_the_shipped_segmenter_is_scored() -> None:
    done = runner.invoke(app, ["studio", "score", "sam", "--scenes", "4", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert found["model"] == "sam"
    assert found["mean_iou"] > 0.7


def test_the_models_are_listed() -> None:
    done = runner.invoke(app, ["studio", "models"])
    assert done.exit_code == 0
    assert "sam-tiny (" in done.output

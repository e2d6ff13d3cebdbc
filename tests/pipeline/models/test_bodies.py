"""Bodies read by OpenPose, on weights in its file's true layout that see drawn dots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import LicenceRefused, ModelError, WeightsMissing
from pipeline.models.bodies import read_bodies
from pipeline.models.devices import loaded_models
from pipeline.models.weights import MIRROR
from tests.pipeline.models.dot_reader import CELL, dotted, write_reader

ACCEPTED = ("openpose",)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openpose")
    write_reader(folder)
    return folder


@pytest.fixture(autouse=True)
def here(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRROR, str(mirror))
    loaded_models().clear()


def test_every_joint_of_a_body_is_read_where_it_is_and_in_openposes_order() -> None:
    image, joints = dotted()
    found = read_bodies(image, accept_licence=ACCEPTED)
    assert len(found) == 1
    assert found[0].dtype == np.float32
    assert found[0][:, 2].all()
    assert np.abs(found[0][:, :2] - joints[:, :2]).max() < CELL / 2


def test_joints_are_in_the_pictures_own_px_and_hidden_ones_are_not_seen() -> None:
    image, joints = dotted()
    image[round(19.5 * CELL) :] = 0  # both ankles
    found = read_bodies(np.repeat(np.repeat(image, 2, 0), 2, 1), accept_licence=ACCEPTED)
    seen = np.ones(18, np.bool_)
    seen[[10, 13]] = False
    assert np.array_equal(found[0][:, 2] > 0, seen)
    assert np.abs(found[0][seen, :2] - 2 * joints[seen, :2]).max() < CELL
    assert not found[0][~seen].any()


def test_nobody_is_read_in_an_empty_picture() -> None:
    assert read_bodies(np.zeros((96, 64, 3), np.uint8), accept_licence=ACCEPTED) == []


def test_openpose_is_for_research_and_its_file_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((96, 64, 3), np.uint8)
    with pytest.raises(LicenceRefused, match="accept_licence: openpose"):
        read_bodies(image)
    monkeypatch.setenv(MIRROR, str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with pytest.raises(WeightsMissing, match="seamline checkpoints fetch openpose"):
        read_bodies(image, accept_licence=ACCEPTED)
    torch.save({"conv1_1.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "body_pose_model.pth")
    with pytest.raises(ModelError, match=r"openpose.*conv1_1\.bias"):
        read_bodies(image, accept_licence=ACCEPTED)

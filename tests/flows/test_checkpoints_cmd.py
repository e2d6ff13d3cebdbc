"""`seamline checkpoints`: listing, fetching with all parts, checking and timing, on tiny weights in a mirror."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.checkpoints_cmd import app
from pipeline.models.checkpoints import EXTRA_ROWS
from pipeline.models.devices import loaded_models
from pipeline.models.weights import MIRROR
from tests.pipeline.models.diffusion_mirror import write_mirror, write_rows

ROWS = ("sd15-inpainting", "lcm-lora-sd15", "controlnet-sd15-openpose", "ip-adapter-sd15")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mirror(tmp_path_factory.mktemp("mirror"), only=ROWS)


@pytest.fixture(autouse=True)
def here(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror as this machine's weights, and no hub."""
    monkeypatch.setenv(MIRROR, str(mirror))
    changes = {"sd15-lcm": {"controlnets": {"pose": "controlnet-sd15-openpose"}}}
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path / "rows.yaml", **changes)))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    loaded_models().clear()


def run(*arguments: str) -> tuple[str, object]:
    result = CliRunner().invoke(app, list(arguments))
    return result.output, result.exception


def test_the_list_can_be_narrowed() -> None:
    said, _ = run("list", "--role", "lora", "--family", "sd15")
    assert "lcm-lora-sd15" in said
    assert "lcm-lora-sdxl" not in said
    assert "sd15-inpainting" not in said
    assert "(not commercial)" in said, "PCM states no licence"


def test_fetching_a_row_fetches_all_that_it_is_made_of(mirror: Path) -> None:
    said, error = run("fetch", "sd15-lcm", "--controls")
    assert error is None, said
    for name in ("sd15-lcm:", "lcm-lora-sd15:", "controlnet-sd15-openpose:", "ip-adapter-sd15:", "clip-vit-h-vision:"):
        assert name in said


def test_fetching_what_is_nowhere_names_the_command() -> None:
    _, error = run("fetch", "tcd-sd15")
    assert "seamline checkpoints fetch tcd-lora-sd15" in str(error)
    assert "hf download h1t/TCD-SD15-LoRA pytorch_lora_weights.safetensors" in str(error)


def test_fetching_research_weights_asks_for_the_licence() -> None:
    _, error = run("fetch", "dmd2-sdxl-4step")
    assert "accept_licence: dmd2-sdxl-4step" in str(error)


def test_checking_loads_a_generator_if_asked() -> None:
    said, error = run("check", "sd15-lcm", "--load")
    assert error is None, said
    assert "loaded on cpu" in said
    said, error = run("check", "sd15-lcm", "tcd-sd15")
    assert isinstance(error, SystemExit)
    assert error.code == 2
    assert "tcd-lora-sd15" in said


def test_the_bench_times_the_first_and_the_second_picture() -> None:
    said, error = run("bench", "sd15-lcm")
    assert error is None, said
    head, line = [text for text in said.splitlines() if text.strip()][-2:]
    assert [name for name in head.split("  ") if "image" in name or "size" in name] == [
        "first image s",
        "second image s",
        "size GB",
    ]
    cells = line.split()
    assert cells[:3] == ["sd15-lcm", "cpu", "4"]
    assert all(float(seconds) > 0 for seconds in cells[3:5])  # which is longer, a busy machine decides
    _, error = run("bench", "sdxl-base")
    assert "sdxl-base" in str(error)

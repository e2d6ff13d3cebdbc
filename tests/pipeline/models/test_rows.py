"""Every row of Stable Diffusion 1, 2 and XL: loads from its true layout and runs a whole inpaint as its row says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint, checkpoints
from pipeline.models.devices import loaded_models
from pipeline.models.generators import load_generator, refuse_unfit
from pipeline.models.on_cpu import unpack
from pipeline.models.weights import MIRROR
from pipeline.passes.inpaint import Wish, inpaint
from tests.pipeline.models.diffusion_mirror import generators, write_mirror, write_rows

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mirror(tmp_path_factory.mktemp("mirror"))


@pytest.fixture
def here(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mirror as this machine's weights, and the rows at a small size."""
    monkeypatch.setenv(MIRROR, str(mirror))
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path / "rows.yaml")))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    loaded_models().clear()
    return mirror


def photo() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    image = np.repeat(np.repeat(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8), 8, 0), 8, 1)
    repaint = np.zeros(image.shape[:2], np.bool_)
    repaint[30:60, 24:70] = True
    return image, repaint


def counted(pipe: Any) -> list[int]:
    """The timesteps at which the UNet is asked, from now on."""
    asked: list[int] = []
    pipe.unet.register_forward_pre_hook(lambda _, inputs, named: asked.append(int(inputs[1])), with_kwargs=True)
    return asked


@pytest.mark.parametrize("name", generators())
def test_a_row_runs_a_whole_inpaint_as_it_says(name: str, here: Path) -> None:
    row = checkpoint(name, role="generator")
    assert row.sampling is not None
    refuse_unfit(row, steps=row.sampling.steps, guidance=row.sampling.guidance)
    generator = load_generator(name, device="cpu", accept_licence=[name])
    asked = counted(generator.pipe)
    image, repaint = photo()
    painted = inpaint(generator, image, repaint, Wish(prompt="marble background", seed=1)).image
    assert np.array_equal(painted[~repaint], image[~repaint])
    assert np.abs(painted[repaint].astype(int) - image[repaint]).mean() > 1
    assert len(asked) == row.sampling.steps
    if row.sampling.timesteps:
        assert asked == list(row.sampling.timesteps)
    if row.sampling.scheduler:
        assert type(generator.pipe.scheduler).__name__ == row.sampling.scheduler
    for setting, value in row.sampling.settings.items():
        assert generator.pipe.scheduler.config[setting] == value
    loaded_models().clear()


@pytest.mark.parametrize("name", ["sd15-lcm", "tcd-sd15", "sdxl-lcm", "tcd-sdxl", "ssd-1b-lcm", "segmind-vegart"])
def test_a_lora_changes_the_weights_that_it_names(name: str, here: Path) -> None:
    row = checkpoint(name)
    base = unpack(
        load_generator(str(checkpoints()[name].base or _built_in_base(name)), device="cpu").pipe.unet
    ).state_dict()
    worn = unpack(load_generator(name, device="cpu").pipe.unet).state_dict()
    assert set(worn) == set(base)
    changed = {layer for layer in base if not np.array_equal(base[layer].float().numpy(), worn[layer].float().numpy())}
    assert any("attn1.to_q" in layer for layer in changed)
    assert any("conv1" in layer for layer in changed)
    assert not any("attn1.to_k" in layer for layer in changed)
    assert row.loras


def _built_in_base(name: str) -> str:
    from importlib import resources

    from pipeline.models.checkpoints import read_rows

    text = resources.files("configs").joinpath("checkpoints.yaml").read_text(encoding="utf-8")
    return str(read_rows(text, "built-in")[name].base)


def test_the_families_table_lists_these_rows_as_they_are() -> None:
    table = (Path(__file__).parents[3] / "docs" / "families.md").read_text(encoding="utf-8")
    lines = {
        line.split("`")[1]: [cell.strip() for cell in line.split("|")] for line in table.splitlines() if "| `" in line
    }
    assert set(lines) <= set(checkpoints())
    for name in generators():
        row, cells = checkpoint(name), lines[name]
        assert cells[3:5] == ["yes", "yes"], name
        assert cells[-3:-1] == [row.licence, "yes" if row.commercial else "**no**"], name

"""Generators on tiny random checkpoints in the true layout: loading, refusing, and the same picture every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.errors import CheckFailed, LicenceRefused, ModelError, RecipeError, WeightsMissing
from pipeline.models.checkpoints import EXTRA_ROWS
from pipeline.models.devices import loaded_models
from pipeline.models.families import ControlMap, Inpaint
from pipeline.models.families.arguments import whole_cells
from pipeline.models.generators import generate, load_generator, native_size, refuse_unfit
from tests.pipeline.models.generator_folders import as_row, generator_row, write_control, write_generator

SIZE = (48, 32)
SEVERAL: dict[str, Any] = {
    "scheduler": "DPMSolverMultistepScheduler", "schedulers": ["EulerDiscreteScheduler"], "steps": 3,
    "settings": {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generator(tmp_path_factory.mktemp("random"))


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_control(tmp_path_factory.mktemp("control"))


@pytest.fixture
def rows(folder: Path, control: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Rows of the random checkpoints, as a user's own file."""
    pose = generator_row(control, id="random-pose", role="controlnet")
    del pose["sampling"]
    listed = {
        "random": generator_row(folder, controlnets={"pose": "random-pose", "canny": "random-pose"}),
        "random-pose": pose,
        "research": generator_row(folder, id="research", commercial=False, licence="CC-BY-NC-4.0"),
        "nowhere": generator_row(tmp_path / "nowhere", id="nowhere"),
        "euler": generator_row(folder, id="euler", sampling={"scheduler": "EulerDiscreteScheduler"}),
        "several": generator_row(folder, id="several", sampling=SEVERAL),
        "odd": generator_row(folder, id="odd", sampling={"scheduler": "NoSuchScheduler"}),
    }
    path = tmp_path / "rows.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": list(listed.values())}))
    monkeypatch.setenv(EXTRA_ROWS, str(path))
    loaded_models().clear()
    return listed


def request(seed: int = 0, **fields: Any) -> Inpaint:
    rng = np.random.default_rng(seed)
    repaint = np.zeros(SIZE, np.bool_)
    repaint[8:40, 4:28] = True
    values: dict[str, Any] = {"prompt": "marble background", "seed": seed, "steps": 3, "guidance": 1.0}
    image = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    return Inpaint(image=image, repaint=repaint, **{**values, **fields})


def test_the_same_request_gives_the_same_picture_and_a_seed_another(rows: dict[str, Any]) -> None:
    generator = load_generator("random", device="cpu")
    first, again = generate(generator, [request(1)])[0], generate(generator, [request(1)])[0]
    assert first.shape == (*SIZE, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    other = generate(generator, [Inpaint(**{**vars(request(1)), "seed": 2})])[0]
    assert np.abs(first.astype(int) - other).mean() > 1


def test_a_batch_gives_what_single_calls_give(rows: dict[str, Any]) -> None:
    generator = load_generator("random", device="cpu")
    wanted = [request(seed, prompt=f"{word} background") for seed, word in enumerate(("marble", "wooden", "grey"))]
    together = generate(generator, wanted)
    for one, picture in zip(wanted, together, strict=True):
        assert np.abs(generate(generator, [one])[0].astype(int) - picture).max() <= 2


def test_the_prompt_and_the_control_are_read(rows: dict[str, Any]) -> None:
    generator = load_generator("random", controls=("pose",), device="cpu")
    map_ = np.zeros((*SIZE, 3), np.uint8)
    map_[10:30, 10:20] = 255
    plain = generate(generator, [request(1, controls=(ControlMap(kind="pose", image=map_ * 0),))])[0]
    posed = generate(generator, [request(1, controls=(ControlMap(kind="pose", image=map_),))])[0]
    unheard = generate(generator, [request(1, controls=(ControlMap(kind="pose", image=map_, scale=0.0),))])[0]
    told = generate(generator, [request(1, prompt="a red coat", controls=(ControlMap(kind="pose", image=map_ * 0),))])[
        0
    ]
    assert np.abs(plain.astype(int) - posed).max() > 0
    assert np.abs(plain.astype(int) - told).max() > 0
    assert np.abs(posed.astype(int) - unheard).max() > 0


def test_several_controls_act_together(rows: dict[str, Any]) -> None:
    generator = load_generator("random", controls=("pose", "canny"), device="cpu")
    map_ = np.zeros((*SIZE, 3), np.uint8)
    map_[10:30, 10:20] = 255
    pose, canny = (ControlMap(kind=kind, image=map_) for kind in ("pose", "canny"))
    blind = ControlMap(kind="canny", image=map_ * 0)
    pictures = generate(generator, [request(1, controls=(pose, canny)), request(1, controls=(pose, blind))])
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() > 0


def test_a_four_channel_checkpoint_inpaints_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.yaml"
    row = generator_row(write_generator(tmp_path / "plain", channels=4), id="plain")
    path.write_text(yaml.safe_dump({"checkpoints": [row]}))
    monkeypatch.setenv(EXTRA_ROWS, str(path))
    assert generate(load_generator("plain", device="cpu"), [request(3)])[0].shape == (*SIZE, 3)


def test_the_rows_scheduler_takes_the_place_of_the_folders(rows: dict[str, Any]) -> None:
    assert type(load_generator("euler", device="cpu").pipe.scheduler).__name__ == "EulerDiscreteScheduler"
    assert type(load_generator("random", device="cpu").pipe.scheduler).__name__ == "DDIMScheduler"
    with pytest.raises(ModelError, match="NoSuchScheduler"):
        load_generator("odd", device="cpu")


def test_a_recipes_scheduler_takes_the_place_of_the_rows_if_the_row_lists_it(rows: dict[str, Any]) -> None:
    own = load_generator("several", device="cpu")
    other = load_generator("several", device="cpu", scheduler="EulerDiscreteScheduler")
    assert type(own.pipe.scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert type(other.pipe.scheduler).__name__ == "EulerDiscreteScheduler"
    assert other.pipe.scheduler.config.use_karras_sigmas, "the settings of the row that it has, too"
    assert load_generator("several", device="cpu", scheduler="DPMSolverMultistepScheduler").fingerprint == (
        own.fingerprint
    )
    assert other.fingerprint != own.fingerprint
    assert np.abs(generate(own, [request(1)])[0].astype(int) - generate(other, [request(1)])[0]).mean() > 1
    with pytest.raises(RecipeError, match=r"UniPCMultistepScheduler does not fit.*DPMSolver.*and EulerDiscrete"):
        load_generator("several", device="cpu", scheduler="UniPCMultistepScheduler")
    with pytest.raises(RecipeError, match="the one in its folder, and no other"):
        load_generator("random", device="cpu", scheduler="EulerDiscreteScheduler")


def test_a_model_is_loaded_once(rows: dict[str, Any]) -> None:
    assert load_generator("random", device="cpu") is load_generator("random", device="cpu")
    assert load_generator("random", device="cpu") is not load_generator("random", controls=("pose",), device="cpu")


def test_what_is_not_there_or_not_allowed_is_refused(rows: dict[str, Any], folder: Path) -> None:
    with pytest.raises(LicenceRefused, match="accept_licence: research"):
        load_generator("research", device="cpu")
    assert load_generator("research", device="cpu", accept_licence=["research"]).row.id == "research"
    with pytest.raises(WeightsMissing, match="nowhere"):
        load_generator("nowhere", device="cpu")
    with pytest.raises(RecipeError, match="is a controlnet"):
        load_generator("random-pose", device="cpu")


def test_a_damaged_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = write_generator(tmp_path / "broken")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"half")
    path = tmp_path / "rows.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": [generator_row(broken, id="broken")]}))
    monkeypatch.setenv(EXTRA_ROWS, str(path))
    with pytest.raises(ModelError, match=r"'broken'.*cannot be loaded"):
        load_generator("broken", device="cpu")


def test_refusals_before_any_work(rows: dict[str, Any]) -> None:
    row = as_row(
        rows["random"]
        | {"sampling": {**rows["random"]["sampling"], "guidance_range": [0, 2], "min_steps": 4, "steps": 4}}
    )
    refuse_unfit(row, steps=4, guidance=1.0, controls=["pose"])
    with pytest.raises(RecipeError, match=r"2 executed steps.*steps: 8"):
        refuse_unfit(row, steps=4, guidance=1.0, strength=0.5)
    with pytest.raises(RecipeError, match="guidance 7"):
        refuse_unfit(row, steps=4, guidance=7)
    with pytest.raises(RecipeError, match="no control depth"):
        refuse_unfit(row, steps=4, guidance=1, controls=["depth"])
    with pytest.raises(RecipeError, match="negative prompt is not read"):
        refuse_unfit(row, steps=4, guidance=1, negative_prompt="ugly")


def test_native_sizes_keep_the_number_of_pixels() -> None:
    row = as_row(generator_row(Path("x"), sampling={"native_px": [512, 512], "multiple_of": 64}))
    assert native_size(row, 1.0) == (512, 512)
    height, width = native_size(row, 0.7)
    assert height > width
    assert height % 64 == width % 64 == 0
    assert abs(height * width / 512**2 - 1) < 0.2


def test_a_black_picture_is_no_success(rows: dict[str, Any]) -> None:
    generator = load_generator("random", device="cpu")

    class Censored:
        vae_scale_factor = 4

        def encode_prompt(self, *_: Any) -> Any:
            return generator.pipe.encode_prompt(*_)

        def __call__(self, **arguments: Any) -> Any:
            return type("Output", (), {"images": np.zeros((1, *SIZE, 3))})()

    censored = type(generator)(**{**vars(generator), "pipe": Censored()})
    with pytest.raises(CheckFailed, match="black or empty"):
        generate(censored, [request()])


def test_a_cell_with_one_repainted_pixel_is_repainted() -> None:
    strap = np.zeros((16, 16), np.bool_)
    strap[:, 5] = True
    cells = whole_cells(strap, 4)
    assert cells[:, 4:8].all()
    assert not cells[:, :4].any()
    assert not cells[:, 8:].any()

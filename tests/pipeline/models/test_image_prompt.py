"""Reference pictures by IP-Adapters, on tiny ones in their true layout: followed as strongly as asked, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError, RecipeError, WeightsMissing
from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint
from pipeline.models.devices import loaded_models
from pipeline.models.families import ControlMap, Inpaint
from pipeline.models.families.image_prompt import squared
from pipeline.models.generators import generate, ip_adapter_of, load_generator, refuse_unfit
from pipeline.models.weights import MIRROR
from tests import tiny_diffusion as tiny
from tests.pipeline.models.diffusion_mirror import write_mirror, write_rows

ROWS = (
    "sd15-inpainting", "sdxl-inpainting", "lcm-lora-sd15", "controlnet-sd15-openpose", "ip-adapter-sd15", "sdxl-base",
    "ip-adapter-sdxl", "sdxl-lightning-4step-lora",
)  # fmt: skip


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mirror(tmp_path_factory.mktemp("mirror"), only=ROWS)


@pytest.fixture(autouse=True)
def here(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror as this machine's weights."""
    monkeypatch.setenv(MIRROR, str(mirror))
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path / "rows.yaml")))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    loaded_models().clear()


def reference(seed: int, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def request(seed: int = 1, **fields: Any) -> Inpaint:
    image = np.repeat(np.repeat(np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8), 8, 0), 8, 1)
    repaint = np.zeros((64, 64), np.bool_)
    repaint[16:56, 8:48] = True
    common: dict[str, Any] = {"prompt": "a red coat", "seed": seed, "steps": 4, "guidance": 1.0}
    return Inpaint(image=image, repaint=repaint, **{**common, **fields})


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "guidance", "steps"),
    [("sd15-inpainting", 5.0, 8), ("sd15-lcm", 1.0, 4), ("sdxl-base", 5.0, 8), ("sdxl-lightning-4step", 0.0, 4)],
)
def test_a_reference_is_followed_as_strongly_as_asked(name: str, guidance: float, steps: int) -> None:
    asked = request(guidance=guidance, steps=steps, reference_scale=1.0)
    plain = generate(load_generator(name, device="cpu"), [asked])[0]
    generator = load_generator(name, device="cpu", reference=True)
    one, other = (generate(generator, [replace(asked, reference=reference(seed))])[0] for seed in (1, 2))
    unheard = generate(generator, [replace(asked, reference=reference(1), reference_scale=0.0)])[0]
    assert apart(one, other) > 0.5
    assert apart(one, plain) > 0.5
    assert apart(unheard, plain) < 0.2, "at a scale of 0 only number formats differ"
    again = generate(generator, [replace(asked, reference=reference(1))])[0]
    assert np.array_equal(one, again)
    assert generator.fingerprint != load_generator(name, device="cpu").fingerprint


def test_each_request_of_a_batch_has_its_own_reference_beside_its_control() -> None:
    generator = load_generator("sd15-inpainting", device="cpu", controls=("pose",), reference=True)
    sticks = np.zeros((64, 64, 3), np.uint8)
    sticks[10:50, 30:34] = 255
    pose = (ControlMap(kind="pose", image=sticks),)
    asked = [request(7, guidance=5.0, steps=8, reference=reference(seed), controls=pose) for seed in (1, 2)]
    both = generate(generator, asked)
    alone = [generate(generator, [one])[0] for one in asked]
    assert apart(both[0], both[1]) > 0.5
    assert all(np.abs(many.astype(int) - single).max() <= 3 for many, single in zip(both, alone, strict=True))
    assert generator.prompts.hits >= 2, "a reference is encoded once"


def test_one_reference_serves_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = load_generator("sd15-lcm", device="cpu", reference=True)
    asked = [request(seed, reference=reference(1)) for seed in (1, 2)]
    calls: list[int] = []
    generator.pipe.unet.register_forward_pre_hook(lambda _, given: calls.append(given[0].shape[0]))
    both = generate(generator, asked)
    assert set(calls) == {2}
    alone = [generate(generator, [one])[0] for one in asked]
    assert all(np.abs(many.astype(int) - single).max() <= 3 for many, single in zip(both, alone, strict=True))
    calls.clear()
    generate(generator, [asked[0], replace(asked[1], reference=reference(2))])
    assert set(calls) == {1}


def test_a_long_reference_is_seen_whole() -> None:
    tall = np.full((90, 30, 3), 250, np.uint8)
    tall[:10] = (255, 0, 0)
    square = squared(tall)
    assert square.shape == (90, 90, 3)
    assert (square[:10, 30:60] == (255, 0, 0)).all()
    assert (square[:, :30] == 250).all()
    wide = squared(tall.transpose(1, 0, 2))
    assert wide.shape == (90, 90, 3)


def test_what_reads_no_reference_says_what_does() -> None:
    row = checkpoint("sd15-inpainting")
    refuse_unfit(row, steps=25, guidance=7.5, reference=True)
    assert ip_adapter_of(row).id == "ip-adapter-sd15"
    with pytest.raises(RecipeError, match=r"inpaint-embedded: its row has no IP-Adapter.*choose.*: dmd2"):
        refuse_unfit(checkpoint("inpaint-embedded"), steps=20, guidance=3, reference=True)
    with pytest.raises(ValueError, match="with a reference picture only"):
        generate(load_generator("sd15-lcm", device="cpu", reference=True), [request(reference=None), request()][:1])


def test_a_file_that_is_no_adapter_and_a_missing_encoder_are_named(
    tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MIRROR, str(tmp_path))
    (tmp_path / "sd15-inpainting").symlink_to(mirror / checkpoint("sd15-inpainting").address)
    tiny.save({"unet.lora_A.weight": tiny.torch.zeros(2, 2)}, tmp_path / "ip-adapter_sd15.safetensors")
    with pytest.raises(WeightsMissing, match="clip-vit-h-vision"):
        load_generator("sd15-inpainting", device="cpu", reference=True)
    tiny.write_image_encoder(tmp_path / "clip-vit-h-vision" / "models" / "image_encoder")
    with pytest.raises(ModelError, match=r"ip-adapter-sd15.*is no IP-Adapter"):
        load_generator("sd15-inpainting", device="cpu", reference=True)

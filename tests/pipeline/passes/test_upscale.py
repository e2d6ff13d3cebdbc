"""Enlarging: sizes, tiles that leave no trace, and an answer that is held to the photo."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spandrel import ImageModelDescriptor, ModelLoader

from pipeline.errors import ModelError, WeightsMissing
from pipeline.passes import upscale as passes
from pipeline.passes.upscale import choose_model, grown_size, held_to, run_tiled, upscale, upscale_alpha
from pipeline.pixels.color import FloatImage, to_float
from pipeline.pixels.geometry import resize
from pipeline.types import Image


def tiny_state(convolutions: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of spandrel's compact network: 2x, a reach of exactly ``convolutions`` px."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    for index in range(convolutions):
        inputs, outputs = (3 if index == 0 else 8), (12 if index == convolutions - 1 else 8)
        state[f"body.{2 * index}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) * 0.15
        state[f"body.{2 * index}.bias"] = torch.randn(outputs, generator=generator) * 0.05
        if index < convolutions - 1:
            state[f"body.{2 * index + 1}.weight"] = torch.full((outputs,), 0.2)
    return state


@pytest.fixture(scope="module")
def tiny() -> ImageModelDescriptor[Any]:
    descriptor = ModelLoader().load_from_state_dict(tiny_state())
    assert isinstance(descriptor, ImageModelDescriptor)
    return descriptor.eval()


@pytest.fixture
def tiny_file(tmp_path: Path) -> str:
    torch.save(tiny_state(), tmp_path / "tiny.pth")
    return str(tmp_path / "tiny.pth")


def photo(height: int = 60, width: int = 80, seed: int = 0) -> Image:
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def whole(network: ImageModelDescriptor[Any], image: FloatImage) -> FloatImage:
    with torch.inference_mode():
        answer = network(torch.from_numpy(image.transpose(2, 0, 1))[None].contiguous())
    return np.asarray(answer[0].clamp(0, 1).permute(1, 2, 0).numpy())


@pytest.mark.parametrize("tile_px", [45, 64, 200])
def test_tiles_give_exactly_what_the_whole_picture_gives(tiny: ImageModelDescriptor[Any], tile_px: int) -> None:
    image = to_float(photo(110, 90))
    tiled = run_tiled(tiny, image, tile_px=tile_px)
    assert np.abs(tiled - whole(tiny, image)).max() < 2e-6


def test_tiles_cut_too_close_would_show(tiny: ImageModelDescriptor[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    image = to_float(photo(110, 90))
    monkeypatch.setattr(passes, "MARGIN_PX", 0)
    assert np.abs(run_tiled(tiny, image, tile_px=45) - whole(tiny, image)).max() > 1e-3


def test_tiles_without_detail_do_not_ask_the_network(tiny: ImageModelDescriptor[Any]) -> None:
    ground = np.zeros((130, 130, 3), np.float32)
    ground += np.linspace(0.5, 0.9, 130, dtype=np.float32)[:, None, None]  # 0.8 levels a row
    smooth = run_tiled(tiny, ground, tile_px=64)
    assert np.abs(smooth - resize(ground, (260, 260), "lanczos")).max() < 2 / 255
    assert np.abs(smooth - whole(tiny, ground)).max() > 0.1  # random weights give something else
    ground[100:, 100:] += 4 / 255  # an edge in one corner
    edged = run_tiled(tiny, ground, tile_px=64)
    np.testing.assert_allclose(edged[:100, :100], smooth[:100, :100], atol=1e-6)
    assert np.abs(edged[240:, 240:] - whole(tiny, ground)[240:, 240:]).max() < 1e-5


def test_progress_counts_the_tiles(tiny: ImageModelDescriptor[Any]) -> None:
    seen: list[tuple[int, int]] = []
    run_tiled(tiny, to_float(photo()), tile_px=45, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, 6) for i in range(6)]


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1, 8))
def test_lanczos_gives_the_rounded_size(height: int, width: int, growth: float) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    assert upscale(image, growth, model="lanczos").shape[:2] == grown_size((height, width), growth)
    assert upscale_alpha(np.ones((height, width), np.float32), growth).shape == grown_size((height, width), growth)


@pytest.mark.parametrize("growth", [1.37, 2.0, 3.0])
def test_a_spandrel_file_gives_the_exact_size(tiny_file: str, growth: float) -> None:
    result = upscale(photo(), growth, model=tiny_file, tile_px=64)
    assert result.shape == (round(60 * growth), round(80 * growth), 3)
    assert result.dtype == np.uint8


def test_growth_one_is_the_picture_itself_and_less_is_refused(tiny_file: str) -> None:
    image = photo()
    assert (upscale(image, 1.0, model=tiny_file) == image).all()
    with pytest.raises(ValueError, match="only enlarges"):
        upscale(image, 0.5)


def test_an_enlarged_matte_stays_a_matte() -> None:
    alpha = cv2.circle(np.zeros((40, 40), np.float32), (20, 20), 10, 1.0, -1)
    grown = upscale_alpha(alpha, 4)
    assert (grown.min(), grown.max()) == (0, 1)
    assert grown.dtype == np.float32


# ---- held to the photo


def test_a_network_that_redraws_the_pattern_is_overruled() -> None:
    source = to_float(photo(48, 48))
    invented = np.random.default_rng(1).random((192, 192, 3), dtype=np.float32)
    held = held_to(source, invented)
    plain = np.asarray(resize(source, (192, 192), "lanczos"))
    assert np.abs(held - plain).mean() < 0.03
    assert np.abs(invented - plain).mean() > 0.2


def test_true_detail_is_kept_and_a_color_shift_taken_back() -> None:
    y, x = np.mgrid[:200, :200]
    detailed = np.repeat(0.5 + 0.25 * np.sin(x * 2.2)[..., None] * np.cos(y / 30)[..., None], 3, 2).astype(np.float32)
    source = np.asarray(resize(detailed, (50, 50), "area"))
    assert np.abs(held_to(source, detailed) - detailed).mean() < 0.01
    shifted = np.clip(detailed * 0.95 + 0.01, 0, 1).astype(np.float32)
    held = np.asarray(resize(held_to(source, shifted), (50, 50), "area"))
    assert np.abs(held - source).mean() < 0.25 * np.abs(np.asarray(resize(shifted, (50, 50), "area")) - source).mean()


def test_faithful_comes_back_to_the_photo(tiny_file: str) -> None:
    image = photo()
    back = cv2.resize(upscale(image, 2, model=tiny_file), (80, 60), interpolation=cv2.INTER_AREA)
    free = cv2.resize(upscale(image, 2, model=tiny_file, faithful=False), (80, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - image).mean() < 1.5
    assert np.abs(free.astype(int) - image).mean() > 5


# ---- choice and errors


def test_auto_chooses_by_growth_and_device() -> None:
    assert choose_model(1.2) == "lanczos"
    assert choose_model(2.0) == "realesr-compact"
    assert choose_model(2.0, device="cuda") == "realesrgan-x4plus"
    assert choose_model(2.0, lanczos_until=3) == "lanczos"
    assert choose_model(1.5, source_px=2_000_000) == "lanczos"
    assert choose_model(2.5, source_px=2_000_000) == "realesr-compact"
    assert choose_model(1.5, source_px=2_000_000, device="cuda") == "realesrgan-x4plus"
    assert choose_model(2.0, "mine.pth") == "mine.pth"


def test_auto_without_the_wheel_is_lanczos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes.realesrgan, "PACKAGE", "no_such_package_here")
    assert choose_model(2.0) == "lanczos"


def test_unknown_and_broken_models_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="realesrgan-x4plus"):
        upscale(photo(), 2, model="realesrgan-x4pluss")
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"broken\.pth"):
        upscale(photo(), 2, model=str(broken))

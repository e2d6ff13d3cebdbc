"""Soft repaint masks: what a place's share of the steps does, on tiny random checkpoints in their true layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import RecipeError
from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint
from pipeline.models.devices import loaded_models
from pipeline.models.families import ControlMap, Generator, Inpaint
from pipeline.models.families.soft_edge import HoldBack, soft_arguments, strongest_in_cells
from pipeline.models.generators import generate, load_generator, refuse_unfit
from pipeline.models.weights import MIRROR
from tests.pipeline.models.diffusion_mirror import write_mirror, write_rows

ROWS = ("sd15-inpainting", "sd15", "sdxl-base", "controlnet-sd15-canny")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mirror(tmp_path_factory.mktemp("mirror"), only=ROWS)


@pytest.fixture
def here(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror as this machine's weights."""
    monkeypatch.setenv(MIRROR, str(mirror))
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path / "rows.yaml")))
    loaded_models().clear()


def test_a_place_is_set_back_to_the_photo_until_its_share_of_the_steps_begins() -> None:
    """Ten steps that each add 1 to the latents: what is left of the additions is the share that was repainted."""
    strengths = torch.tensor([0.0, 0.05, 0.1, 0.35, 0.5, 0.95, 1.0]).view(1, 1, 1, 7)
    known = torch.full((1, 4, 1, 7), 100.0)
    noise = torch.ones_like(known)

    def add_noise(known: Any, noise: Any, timesteps: Any) -> Any:
        return known + noise * timesteps / 1000

    scheduler = SimpleNamespace(timesteps=torch.arange(900, -1, -100), add_noise=add_noise)
    pipe = SimpleNamespace(scheduler=scheduler, num_timesteps=10)
    hold = HoldBack(known=known, noise=noise, strengths=strengths)
    latents, held = torch.zeros_like(known), []
    for step, timestep in enumerate(scheduler.timesteps):
        latents = hold(pipe, step, timestep, {"latents": latents + 1})["latents"]
        held.append([bool((latents[..., at] >= 100).all() and (latents[..., at] < 101).all()) for at in range(7)])
    repainted = 10 - np.array(held).sum(axis=0)
    assert repainted.tolist() == [0, 1, 1, 4, 5, 10, 10]
    assert (latents[..., 0] == 100).all(), "after the last step no noise is left on what was never repainted"
    assert held[0][2], "the first steps hold the photo"
    first = hold(pipe, 0, 900, {"latents": torch.zeros_like(known)})["latents"]
    assert first[0, 0, 0, 0] == pytest.approx(100.8), "with the noise at which the second step begins"


def request(strengths: np.ndarray | None = None, **fields: Any) -> Inpaint:
    image = np.repeat(np.repeat(np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8), 8, 0), 8, 1)
    repaint = np.ones((64, 64), np.bool_)
    common: dict[str, Any] = {"prompt": "a red coat", "seed": 1, "steps": 12, "guidance": 5.0}
    return Inpaint(image=image, repaint=repaint, strengths=strengths, **{**common, **fields})


def even(share: float) -> np.ndarray:
    return np.full((64, 64), share, np.float32)


def round_trip(generator: Generator) -> np.ndarray:
    """The photo through the autoencoder alone: what is never repainted."""
    pipe = generator.pipe
    with torch.inference_mode():
        known = soft_arguments(pipe, [request(even(0))])["callback_on_step_end"].known
        back = pipe.vae.decode(known.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor).sample[0].float()
    return np.asarray(((back.clamp(-1, 1) + 1) * 127.5).permute(1, 2, 0).numpy())


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "scheduler", "controls"),
    [
        ("sd15-inpainting", None, ()),
        ("sd15", None, ()),
        ("sd15", "EulerAncestralDiscreteScheduler", ()),
        ("sdxl-base", "EulerDiscreteScheduler", ()),
        ("sdxl-base", "DDIMScheduler", ()),
        ("sd15-inpainting", None, ("canny",)),
    ],
)
def test_the_smaller_its_share_the_nearer_a_place_stays_to_the_photo(
    name: str, scheduler: str | None, controls: tuple[str, ...], here: None
) -> None:
    generator = load_generator(name, controls=controls, scheduler=scheduler, device="cpu")
    rng = np.random.default_rng(5)
    maps = tuple(ControlMap(kind=kind, image=rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for kind in controls)
    pictures = [generate(generator, [request(even(share), controls=maps)])[0] for share in (0.0, 0.2, 1.0)]
    photo = round_trip(generator)
    kept, faint, full = (apart(one, photo) for one in pictures)
    assert kept < 3, "nothing but number formats"
    assert kept < faint < full
    half = even(1.0)
    half[:, 32:] = 0
    with torch.inference_mode():
        arguments = generator.family.call(generator, (request(half, controls=maps),))
        latents = generator.pipe(**{**arguments, "output_type": "latent"}).images
    known = arguments["callback_on_step_end"].known.to(latents)
    assert torch.equal(latents[..., 4:], known[..., 4:]), "what is never repainted is the photo's, cell for cell"
    assert (latents[..., :4] - known[..., :4]).abs().mean() > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sd15-inpainting", "sd15"])
def test_a_batch_of_soft_and_hard_masks_gives_what_single_calls_give(name: str, here: None) -> None:
    generator = load_generator(name, device="cpu")
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    wanted = [request(ramp, seed=4), request(seed=5), request(ramp.T.copy(), seed=6)]
    together = generate(generator, wanted)
    for one, picture in zip(wanted[::2], together[::2], strict=True):
        alone = generate(generator, [one])[0]
        assert np.abs(alone.astype(int) - picture).max() <= 2
        assert np.array_equal(alone, generate(generator, [one])[0]), "the same request, the same picture"
    assert apart(together[0], generate(generator, [replace(wanted[0], strengths=None)])[0]) > 1


def test_a_cell_has_the_strength_of_its_strongest_pixel() -> None:
    strengths = np.zeros((16, 16), np.float32)
    strengths[:, 5] = 0.75
    assert strongest_in_cells(strengths, 8).tolist() == [[0.75, 0.0]] * 2


@pytest.mark.parametrize(
    ("name", "steps", "strength", "said"),
    [
        ("studio-renderer", 1, 1.0, "studio-renderer: it repaints all or nothing, and garment.soft_edge is not read"),
        ("flux1-dev", 28, 1.0, "flux1-dev: it repaints all or nothing"),
        ("sd15-lcm", 8, 1.0, "sd15-lcm: garment.soft_edge needs 10 executed steps, and it works with at most 8"),
        ("hyper-sdxl-1step", 1, 1.0, "works with at most 1"),
        ("sd15-inpainting", 9, 1.0, "9 steps at strength 1 are fewer: write steps: 10 or more"),
        ("sd15-inpainting", 18, 0.5, "18 steps at strength 0.5 are fewer: write steps: 20 or more"),
    ],
)
def test_what_has_too_few_steps_for_a_soft_edge_is_refused(name: str, steps: int, strength: float, said: str) -> None:
    row = checkpoint(name)
    guidance = row.sampling.guidance if row.sampling else 0.0
    refuse_unfit(row, steps=steps, guidance=guidance, strength=strength)
    with pytest.raises(RecipeError, match=said):
        refuse_unfit(row, steps=steps, guidance=guidance, strength=strength, soft_edge=True)


def test_enough_steps_are_not_refused() -> None:
    for name in ("sd15-inpainting", "sdxl-base", "hyper-sd15-12step-cfg", "tcd-sd15"):
        row = checkpoint(name)
        assert row.sampling is not None
        refuse_unfit(row, steps=max(row.sampling.steps, 10), guidance=row.sampling.guidance, soft_edge=True)

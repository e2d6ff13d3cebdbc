"""Training of the embedded VAE: the detail filter and the decoder, on crops of renders and of packages' photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.train.latents import LUMA, LinearMap, build_vae, color_filters, fill_encoder
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.precision import fast_format
from pipeline.embedded.train.restage import open_restage
from pipeline.types import Image

VAE_SCHEDULE: Final = Schedule(steps=3_000, rate=2e-3, warmup=40, anneal=0.9, weight_decay=1e-5)
CROP_PX: Final = 64
BATCH: Final = 16
FROZEN_FROM: Final = 0.35
"""Share of the steps after which the encoder no longer moves; the denoiser may be trained from then on."""
PHOTOGRAPHS: Final = (
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/chelsea.png"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)
"""Free photographs that installed packages carry: a quarter of the crops, so that textures unlike ours survive."""


def photographs() -> list[Image]:
    """The photographs, at several sizes."""
    from importlib.resources import files

    from pipeline.files.picture import decode_picture
    from pipeline.pixels.geometry import resize_image

    found = []
    for package, name in PHOTOGRAPHS:
        image = decode_picture(files(package).joinpath(name).read_bytes(), name).image
        for share in (1.0, 0.6, 0.35):
            found.append(resize_image(image, (int(image.shape[0] * share), int(image.shape[1] * share))))
    return found


def build_model(first: NDArray[np.float32]) -> Any:
    """Decoder and detail filter; the colour filters are brought to unit variance on ``first`` (N, 3, H, W)."""
    import torch

    class TinyVae(torch.nn.Module):
        """What is trained, and the running statistics of the detail latent."""

        colors: torch.Tensor
        shift: torch.Tensor
        detail_mean: torch.Tensor
        detail_std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.decoder = build_vae().decoder.to(memory_format=torch.channels_last)
            self.detail = torch.nn.Parameter(torch.randn(1, 3, 12, 12) * 0.01)
            with torch.no_grad():
                ramp = torch.linspace(-1, 1, 4)
                luma = torch.tensor(LUMA)
                self.detail[0, :, 4:8, 4:8] += 0.3 * luma[:, None, None] * (ramp[:, None] + 0.6 * ramp[None])[None]
            colors = color_filters()
            latents = LinearMap(weight=colors, bias=None)(torch.from_numpy(first))
            mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
            self.register_buffer("colors", colors / deviation[:, None, None, None])
            self.register_buffer("shift", -mean / deviation)
            self.register_buffer("detail_mean", torch.zeros(()))
            self.register_buffer("detail_std", torch.ones(()))

        def linear(self) -> LinearMap:
            """The encoder as it stands."""
            weight = torch.cat([self.colors, self.detail / self.detail_std])
            return LinearMap(weight=weight, bias=torch.cat([self.shift, -(self.detail_mean / self.detail_std)[None]]))

        def observe(self, pixels: Any, share: float) -> None:
            """Follow the detail latent's mean and deviation."""
            with torch.no_grad():
                latents = LinearMap(weight=self.detail, bias=None)(pixels)
                self.detail_mean.lerp_(latents.mean(), share)
                self.detail_std.lerp_(latents.std(), share)

    torch.manual_seed(0)
    return TinyVae()


def reconstruction_loss(made: Any, true: Any) -> Any:
    """L1 of pixels, of gradients and of chroma, and MSE: PSNR alone hides colours that fade to grey."""

    def steps(a: Any) -> tuple[Any, Any]:
        return a[..., 1:] - a[..., :-1], a[..., 1:, :] - a[..., :-1, :]

    def chroma(a: Any) -> Any:
        return a - a.mean(1, keepdim=True)

    edges = sum((a - b).abs().mean() for a, b in zip(steps(made), steps(true), strict=True))
    error = made - true
    return error.abs().mean() + 0.5 * edges + 2 * error.square().mean() + (chroma(made) - chroma(true)).abs().mean()


def train_vae(folder: Path, scenes: Path, *, schedule: Schedule = VAE_SCHEDULE) -> None:
    """Train in ``folder`` on the restaging scenes of ``scenes``; goes on where it stopped."""
    import torch

    cache, photos = open_restage(scenes), photographs()

    def crops(rng: np.random.Generator) -> Any:
        chosen = []
        for _ in range(BATCH):
            image = photos[rng.integers(len(photos))] if rng.random() < 0.25 else cache.images[rng.integers(len(cache))]
            y, x = (int(rng.integers(0, side - CROP_PX + 1)) for side in image.shape[:2])
            crop = image[y : y + CROP_PX, x : x + CROP_PX]
            chosen.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
        return torch.from_numpy(np.stack(chosen).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)

    model = build_model(torch.cat([crops(np.random.default_rng(seed)) for seed in range(40)]).numpy())
    run = Training(folder=folder, model=model, schedule=schedule, save_every=100)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        pixels = crops(rng)
        if step < FROZEN_FROM * schedule.steps:
            model.observe(pixels, 0.3 if step < 50 else 0.02)
        elif model.detail.requires_grad:
            model.detail.requires_grad_(False)
            model.detail.grad = None
        linear = model.linear()
        noise = torch.randn(
            pixels.shape[0], 4, CROP_PX // 4, CROP_PX // 4, generator=torch.Generator().manual_seed(step)
        )
        latents = (linear(pixels) + 0.05 * noise).contiguous(memory_format=torch.channels_last)
        with fast_format():
            made = model.decoder(latents)
        made = made.float()
        return reconstruction_loss(made, pixels), {"l1": round(float((made - pixels).abs().mean().detach()), 4)}

    run.train(loss_of)


def frozen_linear(folder: Path) -> LinearMap:
    """The encoder of a run that is past FROZEN_FROM, exactly as the exported VAE holds it.

    Raises:
        WeightsMissing: the run has no checkpoint that far.
    """
    import torch

    from pipeline.errors import WeightsMissing

    path = folder / "checkpoint.pt"
    if not path.exists():
        raise WeightsMissing(f"{folder} holds no checkpoint; train the VAE first: seamline studio train vae")
    saved = torch.load(path, weights_only=True)
    if saved["step"] < FROZEN_FROM * saved["schedule"]["steps"]:
        raise WeightsMissing(f"{folder}: its encoder still moves at step {saved['step']}; go on with the VAE first")
    state = saved["model"]
    weight = torch.cat([state["colors"], state["detail"] / state["detail_std"]])
    return LinearMap(
        weight=weight, bias=torch.cat([state["shift"], -(state["detail_mean"] / state["detail_std"])[None]])
    )


def trained_vae(folder: Path) -> Any:
    """The run's `AutoencoderTiny`: linear encoder and averaged decoder."""
    import torch

    vae = build_vae()
    fill_encoder(vae, frozen_linear(folder))
    average = torch.load(folder / "checkpoint.pt", weights_only=True)["average"]
    vae.decoder.load_state_dict({k.removeprefix("decoder."): v for k, v in average.items() if k.startswith("decoder.")})
    return vae.eval()

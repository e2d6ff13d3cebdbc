"""Judges of generated pictures: small classifiers trained on renders, whose own error on renders is always told.

A score of the inpainting model is a judge's word, so each comes with what the same judge says of true renders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.backdrops import BACKDROPS
from pipeline.embedded.palette import DYES, rgb
from pipeline.embedded.restaging import Shot
from pipeline.embedded.scene import SceneSpec
from pipeline.embedded.train.restage import BACKDROP, TOP
from pipeline.types import Image, Mask

JUDGE_SEED: Final = 2_000_000
"""Judges learn from scenes from this seed on, which neither trainings nor scores use."""
PATTERN_CLASSES: Final = ("plain", "striped", "checked", "dotted", "floral")
COLOR_CLASSES: Final = ("red", "blue", "green", "yellow", "black", "white", "pink", "brown")
CROP_PX: Final = 32

Floats = NDArray[np.float32]


def place_features(image: Image, where: Mask) -> Floats:
    """Colour, spread and edges of the backdrop's upper and lower part: 26 numbers."""
    picture = image.astype(np.float32) / 255
    luma = picture @ np.array([0.30, 0.59, 0.11], np.float32)
    across, down = np.abs(np.diff(luma, axis=1, append=luma[:, -1:])), np.abs(np.diff(luma, axis=0, append=luma[-1:]))
    coarse = np.abs(luma - cv2.GaussianBlur(luma, (0, 0), 6))
    half = int(image.shape[0] * 0.8)
    rows = []
    for part in (np.s_[:half], np.s_[half:]):
        mask = where[part]
        if not mask.any():
            rows.append(np.zeros(13, np.float32))
            continue
        values = picture[part][mask]
        chroma = values.max(1) - values.min(1)
        measures = [plane[part][mask] for plane in (across, down, coarse)]
        rows.append(
            np.array(
                [
                    *values.mean(0), *values.std(0), chroma.mean(), *(m.mean() for m in measures),
                    *(np.quantile(m, 0.95) for m in measures),
                ],
                np.float32,
            )
        )  # fmt: skip
    return np.concatenate(rows)


def garment_crop(image: Image, mask: Mask) -> Floats | None:
    """The most solid CROP_PX square of a garment, (3, C, C) with its mean taken out; None if it is too small."""
    solid = cv2.boxFilter(mask.astype(np.float32), -1, (CROP_PX, CROP_PX))
    half = CROP_PX // 2
    inner = solid[half:-half, half:-half]
    y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    if inner[y, x] < 0.8:
        return None
    crop = image[y : y + CROP_PX, x : x + CROP_PX].astype(np.float32) / 255
    return np.ascontiguousarray((crop - crop.mean((0, 1))).transpose(2, 0, 1))


def fit(net: Any, batch: Any, steps: int, rate: float) -> None:
    """Minimise ``batch(step)`` over ``net``'s weights in ``steps`` steps of a falling rate."""
    import torch

    optimizer = torch.optim.AdamW(net.parameters(), rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps) + 1e-5
        loss = batch(step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()


class PlaceJudge:
    """Which of BACKDROPS a picture's backdrop is."""

    def __init__(self, scenes: Sequence[Shot]) -> None:
        """Learns from ``scenes``."""
        import torch

        rows = np.stack([place_features(s.image, s.labels == BACKDROP) for s in scenes])
        self._mean, self._spread = rows.mean(0), rows.std(0) + 1e-6
        inputs = torch.from_numpy((rows - self._mean) / self._spread)
        targets = torch.tensor([BACKDROPS.index(s.spec.backdrop) for s in scenes])
        torch.manual_seed(0)
        self._net = torch.nn.Sequential(
            torch.nn.Linear(rows.shape[1], 48), torch.nn.ReLU(), torch.nn.Linear(48, len(BACKDROPS))
        )
        fit(self._net, lambda _: torch.nn.functional.cross_entropy(self._net(inputs), targets), 400, 1e-2)

    def __call__(self, image: Image, where: Mask) -> str:
        """The backdrop that shows at ``where``."""
        import torch

        row = (place_features(image, where) - self._mean) / self._spread
        return BACKDROPS[int(self._net(torch.from_numpy(row)[None]).argmax())]


class PatternJudge:
    """Which of PATTERN_CLASSES a garment has."""

    def __init__(self, scenes: Sequence[Shot]) -> None:
        """Learns from the tops in ``scenes``."""
        import torch

        pairs = [(garment_crop(s.image, s.labels == TOP), top_pattern(s.spec)) for s in scenes]
        known = [(crop, pattern) for crop, pattern in pairs if crop is not None and pattern in PATTERN_CLASSES]
        crops = torch.from_numpy(np.stack([crop for crop, _ in known]))
        targets = torch.tensor([PATTERN_CLASSES.index(pattern) for _, pattern in known])
        share = torch.bincount(targets, minlength=len(PATTERN_CLASSES)).clamp(min=1).float()
        torch.manual_seed(0)
        self._net = _pattern_net()

        def batch(step: int) -> Any:
            picks = torch.multinomial(1 / share[targets], 48, True, generator=torch.Generator().manual_seed(step))
            seen = crops[picks]
            seen = seen.flip(3) if step % 2 else seen
            return torch.nn.functional.cross_entropy(self._net(seen), targets[picks])

        fit(self._net, batch, 300, 3e-3)

    def __call__(self, image: Image, mask: Mask) -> str | None:
        """The pattern of the garment at ``mask``; None if too little of it shows."""
        import torch

        crop = garment_crop(image, mask)
        if crop is None:
            return None
        return PATTERN_CLASSES[int(self._net(torch.from_numpy(crop)[None]).argmax())]


def _pattern_net() -> Any:
    import torch

    def layer(inside: int, outside: int, stride: int) -> list[Any]:
        return [torch.nn.Conv2d(inside, outside, 3, stride, 1), torch.nn.GroupNorm(4, outside), torch.nn.ReLU()]

    return torch.nn.Sequential(
        *layer(3, 24, 1), *layer(24, 32, 2), *layer(32, 48, 2), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(48 * 4, len(PATTERN_CLASSES)),
    )  # fmt: skip


def top_pattern(spec: SceneSpec) -> str:
    """The pattern of the scene's upper garment."""
    return spec.garments[-1].pattern if spec.garments else ""


class FigureJudge:
    """Where a figure is: a small segmentation network at a quarter of the size."""

    def __init__(self, scenes: Sequence[Shot]) -> None:
        """Learns from ``scenes``."""
        import torch

        def layer(inside: int, outside: int, reach: int) -> list[Any]:
            conv = torch.nn.Conv2d(inside, outside, 3, padding=reach, dilation=reach)
            return [conv, torch.nn.GroupNorm(4, outside), torch.nn.ReLU()]

        pixels = torch.from_numpy(np.stack([s.image for s in scenes]).astype(np.float32) / 127.5 - 1).permute(
            0, 3, 1, 2
        )
        figures = torch.from_numpy(np.stack([s.labels != BACKDROP for s in scenes]).astype(np.float32))[:, None]
        targets = torch.nn.functional.avg_pool2d(figures, 4)
        torch.manual_seed(0)
        self._net = torch.nn.Sequential(
            torch.nn.Conv2d(3, 24, 4, 4), torch.nn.ReLU(), *layer(24, 24, 1), *layer(24, 24, 2), *layer(24, 24, 4),
            *layer(24, 24, 8), *layer(24, 24, 2), torch.nn.Conv2d(24, 1, 1),
        )  # fmt: skip

        def batch(step: int) -> Any:
            picks = torch.randint(0, len(scenes), (16,), generator=torch.Generator().manual_seed(step))
            return torch.nn.functional.binary_cross_entropy_with_logits(self._net(pixels[picks]), targets[picks])

        fit(self._net, batch, 300, 3e-3)

    def __call__(self, image: Image) -> Mask:
        """The figure's mask (H, W)."""
        import torch

        pixels = torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        with torch.inference_mode():
            logits = torch.nn.functional.interpolate(self._net(pixels), image.shape[:2], mode="bilinear")
        return np.asarray(logits[0, 0].numpy() > 0)


def nearest_color(image: Image, mask: Mask) -> str:
    """Which of COLOR_CLASSES the mean colour at ``mask`` is nearest to, in CIELAB."""
    mean = np.median(image[mask].reshape(-1, 3), axis=0).astype(np.float32) / 255
    names = [name for name in COLOR_CLASSES if name in DYES]
    colors = np.stack([mean, *(rgb(DYES[name]) for name in names)]).astype(np.float32)
    lab = np.asarray(cv2.cvtColor(colors[None], cv2.COLOR_RGB2LAB))[0]
    distance = np.linalg.norm((lab[1:] - lab[0]) * np.array([0.5, 1, 1], np.float32), axis=1)
    return names[int(distance.argmin())]

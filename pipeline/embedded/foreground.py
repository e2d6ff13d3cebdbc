"""The studio's foreground network: what of a photo is the product, before any backdrop; a small U-Net as a folder.

A folder holds ``config.json`` (the sizes), ``model.safetensors`` (float16) and ``README.md`` (the model card).
Ronneberger et al., U-Net, arXiv 1505.04597, with residual blocks (He et al., arXiv 1512.03385).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import WeightsMissing
from pipeline.types import Image

SIDE_PX: Final = 192
"""Side of the square that the network sees; pictures are squeezed into it."""
WIDTHS: Final = (24, 40, 64, 112)
"""Channels at a half, a quarter, an eighth and a sixteenth of the side."""
SHIPPED: Final = Path(__file__).parent / "weights" / "foreground-tiny"

Probability = NDArray[np.float32]
"""(H, W) in [0, 1]."""


def build_foreground(widths: tuple[int, ...] = WIDTHS) -> Any:
    """The network with random weights: (N, 3, S, S) in [-1, 1] to logits (N, 1, S, S), S a multiple of 16."""
    import torch
    from torch import nn

    def conv(inner: int, outer: int, dilation: int = 1) -> nn.Sequential:
        layer = nn.Conv2d(inner, outer, 3, padding=dilation, dilation=dilation, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(outer), nn.ReLU(inplace=True))

    class Residual(nn.Module):
        """Two convolutions beside a short cut."""

        def __init__(self, inner: int, outer: int, dilation: int = 1) -> None:
            super().__init__()
            self.body = nn.Sequential(conv(inner, outer, dilation), conv(outer, outer, dilation))
            self.cut = nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x) + self.cut(x)  # type: ignore[no-any-return]

    class UNet(nn.Module):
        """Down to a sixteenth, there with dilation to see the whole picture, and up again."""

        def __init__(self) -> None:
            super().__init__()
            steps = list(zip((3, *widths), widths, strict=False))
            self.down = nn.ModuleList(
                nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU(), Residual(b, b))
                for a, b in steps
            )
            deep = widths[-1]
            self.middle = nn.Sequential(Residual(deep, deep, 2), Residual(deep, deep, 4))
            self.up = nn.ModuleList(Residual(b + a, a) for b, a in zip(widths[:0:-1], widths[-2::-1], strict=True))
            self.head = nn.Conv2d(widths[0], 4, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen = []
            for layer in self.down:
                x = layer(x)
                seen.append(x)
            x = self.middle(x)
            for layer, skip in zip(self.up, seen[-2::-1], strict=True):
                x = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
                x = layer(torch.cat([x, skip], dim=1))
            return nn.functional.pixel_shuffle(self.head(x), 2)

    return UNet()


def save_foreground(state: dict[str, Any], folder: Path, *, widths: tuple[int, ...] = WIDTHS) -> None:
    """Write a state dict of `build_foreground` as a folder that `load_foreground` reads."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    half = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"side_px": SIDE_PX, "widths": list(widths)}, indent=2) + "\n")


def load_foreground(folder: Path) -> Any:
    """The network of a folder, float32, ready to look.

    Raises:
        WeightsMissing: a file of the folder is missing.
    """
    from safetensors.torch import load_file

    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise WeightsMissing(f"{folder} has no {name}: it is no folder of the foreground network's weights")
    config = json.loads((folder / "config.json").read_text())
    model = build_foreground(tuple(config["widths"]))
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    return model.eval()


@cache
def shipped_foreground() -> Any:
    """The network that comes with Seamline, loaded once a process."""
    return load_foreground(SHIPPED)


def foreground(image: Image, model: Any = None) -> Probability:
    """How likely each pixel is the product's, (H, W) float32 in [0, 1], at the picture's own size.

    The mean of the picture's answer and its mirror image's, each seen at 192 x 192.

    Args:
        image: (H, W, 3) uint8 RGB.
        model: the network; the shipped one by default.
    """
    import torch

    network = shipped_foreground() if model is None else model
    small = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    both = np.stack([small, small[:, ::-1]]).astype(np.float32) / 127.5 - 1
    with torch.inference_mode():
        seen = torch.sigmoid(network(torch.from_numpy(both).permute(0, 3, 1, 2))).numpy()[:, 0]
    mean = (seen[0] + seen[1][:, ::-1]) / 2
    size = (image.shape[1], image.shape[0])
    return np.asarray(np.clip(cv2.resize(mean, size, interpolation=cv2.INTER_LINEAR), 0, 1), np.float32)

"""A judge of poses: a small key point estimator trained on renders, which says where a picture's joints are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.judges import fit
from pipeline.embedded.restaging import Shot, shows_person
from pipeline.types import Image, Mask

CELL_PX: Final = 8
"""Pixels a cell of the heat maps, each way."""
CERTAIN: Final = 0.2
"""A joint whose heat stays below this is not found."""
REACH: Final = 0.1
"""A joint is right within this share of the larger side of the box around the true joints: PCK of Yang & Ramanan,
"Articulated human detection with flexible mixtures of parts" (2013)."""

Joints = NDArray[np.float32]


def heat_maps(joints: Joints, height: int, width: int, spread: float = 0.8) -> NDArray[np.float32]:
    """A Gaussian of ``spread`` cells at each seen joint: (18, height, width) in [0, 1]."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = joints[:, 0] / CELL_PX - 0.5, joints[:, 1] / CELL_PX - 0.5
    apart = (columns[None] - x[:, None, None]) ** 2 + (rows[None] - y[:, None, None]) ** 2
    seen = (joints[:, 2] > 0)[:, None, None]
    return np.where(seen, np.exp(-apart / (2 * spread**2)), 0).astype(np.float32)


def _net(width: int = 32) -> Any:
    import torch

    def layer(reach: int) -> list[Any]:
        conv = torch.nn.Conv2d(width, width, 3, padding=reach, dilation=reach)
        return [conv, torch.nn.GroupNorm(4, width), torch.nn.ReLU()]

    start = [torch.nn.Conv2d(3, width, 12, CELL_PX, 2), torch.nn.ReLU()]
    middle = [part for reach in (1, 1, 2, 4, 4, 2, 1, 1) for part in layer(reach)]
    end = torch.nn.Conv2d(width, 18, 1)
    if end.bias is not None:
        torch.nn.init.constant_(end.bias, -4)  # hardly any cell holds a joint
    return torch.nn.Sequential(*start, *middle, end)


class JointJudge:
    """Finds the 18 joints of a figure."""

    def __init__(self, scenes: Sequence[Shot], *, steps: int = 500) -> None:
        """Learns from those of ``scenes`` that show a person."""
        import torch

        people = [scene for scene in scenes if shows_person(scene)]
        height, width = people[0].labels.shape
        pixels = torch.from_numpy(np.stack([s.image for s in people]).astype(np.float32) / 127.5 - 1)
        pixels = pixels.permute(0, 3, 1, 2)
        heats = np.stack([heat_maps(s.joints, height // CELL_PX, width // CELL_PX) for s in people])
        targets = torch.from_numpy(heats)
        torch.manual_seed(0)
        self._net = _net()

        def batch(step: int) -> Any:
            picks = torch.randint(
                0, len(people), (min(12, len(people)),), generator=torch.Generator().manual_seed(step)
            )
            wanted = targets[picks]
            made = self._net(pixels[picks])  # float32: dilated layers give NaN gradients in bfloat16 here
            error = torch.nn.functional.binary_cross_entropy_with_logits(made, wanted, reduction="none")
            return (error * (1 + 20 * wanted)).mean()

        fit(self._net, batch, steps, 4e-3)

    def __call__(self, image: Image) -> Joints:
        """The joints (18, 3): x px, y px, and 1 where the judge found it, else 0."""
        import torch

        pixels = torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        with torch.inference_mode():
            heats = torch.sigmoid(self._net(pixels))[0].numpy()
        found = np.zeros((18, 3), np.float32)
        for joint, heat in enumerate(heats):
            y, x = np.unravel_index(int(heat.argmax()), heat.shape)
            near = np.s_[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
            rows, columns = np.mgrid[: heat.shape[0], : heat.shape[1]]
            weight = heat[near] + 1e-9
            weight = weight / weight.sum()
            where = float((columns[near] * weight).sum()), float((rows[near] * weight).sum())
            found[joint] = [(where[0] + 0.5) * CELL_PX, (where[1] + 0.5) * CELL_PX, float(heat[y, x] >= CERTAIN)]
        return found


def right_joints(found: Joints, true: Joints, counted: NDArray[np.bool_]) -> list[bool]:
    """For each joint that is ``counted`` and truly in the picture: was it found where it is?"""
    seen = true[:, 2] > 0
    box = np.ptp(true[seen, :2], axis=0).max()
    apart = np.linalg.norm(found[:, :2] - true[:, :2], axis=1)
    right = (found[:, 2] > 0) & (apart <= REACH * box)
    return [bool(value) for value in right[seen & counted]]


def drawn_joints(joints: Joints, kept: Mask) -> NDArray[np.bool_]:
    """Which joints (18,) lie where pixels were drawn, 3 px or more from what was kept."""
    near = cv2.dilate(kept.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    x = np.clip(joints[:, 0].astype(int), 0, kept.shape[1] - 1)
    y = np.clip(joints[:, 1].astype(int), 0, kept.shape[0] - 1)
    return np.asarray(~near[y, x])

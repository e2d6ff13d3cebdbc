"""OpenPose's network in its file's true layout, with weights set by hand: it sees grey dots as joints.

A joint's dot has a grey level of its own. The levels pass the pools as they are; stage 1 makes a tent of each level,
and the later stages hand it on. The limbs' fields are constant: the directions that the limbs have in one given pose.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import numpy as np
import torch

from pipeline.models.checkpoints import checkpoint
from pipeline.pixels.pose import Joints
from pipeline.types import Image

SIDE: Final = 512
CELL: Final = SIDE / 23
"""One cell of the network's maps in px of a square picture: 184 px in cells of 8."""
LIMBS: Final = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
)  # fmt: skip
FIELDS: Final = (12, 20, 14, 16, 22, 24, 0, 2, 4, 6, 8, 10, 28, 30, 34, 32, 36, 18, 26)
"""Where each limb's field (x, y) stands among the 38."""
IN_CELLS: Final = (
    (11, 3), (11, 6), (8, 6), (7, 9), (6, 12), (14, 6), (15, 9), (16, 12), (9, 12), (9, 16), (9, 20), (13, 12),
    (13, 16), (13, 20), (10, 2), (12, 2), (9, 3), (13, 3),
)  # fmt: skip


def dotted(image: Image | None = None) -> tuple[Image, Joints]:
    """A picture (512, 512, 3), black or the given one, with the dots of a standing body on it, and its joints."""
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8) if image is None else image.copy()
    joints = np.ones((18, 3), np.float32)
    joints[:, :2] = (np.array(IN_CELLS, np.float32) + 0.5) * CELL
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for index, (x, y, _) in enumerate(joints):
        canvas[np.hypot(columns - x, rows - y) < 8] = level(index)
    return canvas, joints


def level(joint: int) -> int:
    """The grey level of a joint's dot."""
    return 30 + 12 * joint


def write_reader(mirror: Path) -> Path:
    """Write the weights as the row `openpose` has them into a folder of weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux.open_pose.model import bodypose_model

    network = bodypose_model()
    for value in network.parameters():
        torch.nn.init.zeros_(value)
    layers = {name.rpartition(".")[2]: layer for name, layer in network.named_modules() if hasattr(layer, "weight")}
    with torch.no_grad():
        _set(layers)
    row = checkpoint("openpose")
    path = mirror / row.address / str(row.file)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name.partition(".")[2]: value.half() for name, value in network.state_dict().items()}, path)
    return path


def _set(layers: dict[str, torch.nn.Module]) -> None:
    for name in ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv4_1",
                 "conv4_2", "conv4_3_CPM", "conv4_4_CPM"):  # fmt: skip
        _pass_on(layers[name], 1)
    layers["conv1_1"].bias[0] = 0.5  # controlnet-aux gives levels from -0.5 on
    first = layers["conv5_1_CPM_L2"]
    for knot in range(20):  # how far a level lies above each knot, and from these a tent around each joint's level
        first.weight[knot, 0, 1, 1], first.bias[knot] = 32.0, -32 * (18 + 12 * knot) / 256
    tents = layers["conv5_2_CPM_L2"]
    for joint in range(18):
        for knot, share in enumerate((1.0, -2.0, 1.0)):
            tents.weight[joint, joint + knot, 1, 1] = share * 256 / 12 / 32
    for name in ("conv5_3_CPM_L2", "conv5_4_CPM_L2", "conv5_5_CPM_L2"):
        _pass_on(layers[name], 18)
    for stage in range(2, 7):
        begin = layers[f"Mconv1_stage{stage}_L2"]
        for joint in range(18):
            begin.weight[joint, 38 + joint, 3, 3] = 1
        for part in range(2, 8):
            _pass_on(layers[f"Mconv{part}_stage{stage}_L2"], 18)
    places = np.array(IN_CELLS, np.float32)
    for (a, b), field in zip(LIMBS, FIELDS, strict=True):
        way = (places[b] - places[a]) / np.hypot(*(places[b] - places[a]))
        layers["Mconv7_stage6_L1"].bias[field : field + 2] = torch.from_numpy(way)


def _pass_on(layer: torch.nn.Module, channels: int) -> None:
    middle = layer.weight.shape[-1] // 2
    for channel in range(channels):
        layer.weight[channel, channel, middle, middle] = 1

"""Bodies in a picture as OpenPose reads them (Cao et al. 2017, "Realtime multi-person 2D pose estimation").

The network and the joining of its limbs are controlnet-aux's; the skeleton is drawn by `pixels.skeleton`, as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from pipeline.hearing import heard
from pipeline.models.annotators import STEP_PX, loaded
from pipeline.models.checkpoints import Checkpoint, checkpoint
from pipeline.models.tensors import load_strictly, read_state
from pipeline.pixels.pose import Joints
from pipeline.types import Image

READ_PX: Final = 512
"""Shorter side at which a picture is read, as controlnet-aux reads it."""


def read_bodies(image: Image, *, accept_licence: Sequence[str] = (), mirror: Path | None = None) -> list[Joints]:
    """The joints (18, 3) of every body in ``image`` (H, W, 3), in its px; an empty list where none is seen.

    Raises:
        LicenceRefused: OpenPose is for research, and was not accepted.
        WeightsMissing: its weights are not on this machine; the message says how to get them.
        ModelError: they do not fit.
    """
    row = checkpoint("openpose", role="annotator")
    reader = loaded(row, _load, accept_licence=accept_licence, mirror=mirror)
    height, width = image.shape[:2]
    scale = READ_PX / min(height, width)
    size = [max(STEP_PX, round(side * scale / STEP_PX) * STEP_PX) for side in (height, width)]
    fitting = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return [_joints(one.body.keypoints, width, height) for one in reader.detect_poses(fitting)]


def _load(row: Checkpoint, place: Path, device: str) -> Any:
    with heard():  # what controlnet-aux imports warns of its own age
        from controlnet_aux.open_pose import OpenposeDetector
        from controlnet_aux.open_pose.body import Body
        from controlnet_aux.open_pose.model import bodypose_model

    network = bodypose_model()
    # The file names layers without the block that they stand in.
    blocks = {name.partition(".")[2]: name for name in network.state_dict()}
    state = read_state(place, pickle=row.pickle)
    load_strictly(network, {blocks.get(name, name): value for name, value in state.items()}, name=row.id)
    body = Body.__new__(Body)  # its constructor reads a file by itself
    body.model = network.eval().to(device)
    return OpenposeDetector(body)


def _joints(points: Sequence[Any], width: int, height: int) -> Joints:
    """controlnet-aux's points, shares of the sides and None where unseen, in px."""
    found = np.zeros((18, 3), np.float32)
    for index, point in enumerate(points):
        if point is not None:
            found[index] = (point.x * width, point.y * height, 1)
    return found

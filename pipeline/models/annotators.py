"""Networks that draw control maps: soft edges and line art by controlnet-aux, depth by transformers. One row a kind.

Their weights are checkpoints with the role `annotator`. Depth goes by transformers because controlnet-aux's estimators
read pickles alone, of networks that cannot be had small enough to be tested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np

from pipeline.errors import ItemError
from pipeline.hearing import heard
from pipeline.models.checkpoints import Checkpoint, check_licence, checkpoint
from pipeline.models.devices import choose_device, loaded_models
from pipeline.models.tensors import load_strictly, read_state
from pipeline.models.weights import locate
from pipeline.types import Image

STEP_PX: Final = 64
"""controlnet-aux rounds sides to multiples of this."""
LEAST: Final = 8
"""A map whose levels all lie within so many of each other shows nothing."""


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """How one kind of map is drawn: the row of its weights, what loads them, what draws a map of an image's size."""

    checkpoint: str
    load: Callable[[Checkpoint, Path, str], Any]
    draw: Callable[[Any, Image], Image]


def annotate(
    kind: str, image: Image, *, by: Mapping[str, str] = MappingProxyType({}), accept_licence: Sequence[str] = (),
    mirror: Path | None = None,
) -> Image:  # fmt: skip
    """The map of ``kind``, (H, W, 3) uint8 of the image's size; ``by`` names other networks than its own, by kind.

    Raises:
        ItemError: the map shows nothing.
        LicenceRefused: the network is non-commercial and not accepted.
        WeightsMissing: the network's weights are not on this machine; the message says how to get them.
        ModelError: they do not fit.
    """
    annotator = annotator_of(kind, by.get(kind))
    row = checkpoint(annotator.checkpoint, role="annotator")
    made = annotator.draw(loaded(row, annotator.load, accept_licence=accept_licence, mirror=mirror), image)
    if int(made.max()) - int(made.min()) < LEAST:
        raise ItemError(f"the {kind} map of this photo shows nothing: leave {kind} out of garment.controls")
    return made


def annotator_of(kind: str, by: str | None = None) -> Annotator:
    """What draws maps of ``kind``: its own network, or the one that is named ``by``."""
    return ANNOTATORS[kind] if by is None or ANNOTATORS[kind].checkpoint == by else OTHERS[kind, by]


def loaded(
    row: Checkpoint, load: Callable[[Checkpoint, Path, str], Any], *, accept_licence: Sequence[str] = (),
    mirror: Path | None = None,
) -> Any:  # fmt: skip
    """The row's network, loaded once in this process. Raises as `annotate` does."""
    check_licence(row, accept_licence)
    where = choose_device()

    def make() -> Any:
        return load(row, locate(row, mirror=mirror), where)

    return loaded_models().get(("annotator", row.id, where, mirror), row.size_gb, make)


def _load_soft_edges(row: Checkpoint, place: Path, device: str) -> Any:
    with heard():  # what controlnet-aux imports warns of its own age
        from controlnet_aux.hed import ControlNetHED_Apache2, HEDdetector

    network = ControlNetHED_Apache2()
    load_strictly(network, read_state(place, pickle=row.pickle), name=row.id)
    return HEDdetector(network.float().eval()).to(device)


def _load_pixel_differences(row: Checkpoint, place: Path, device: str) -> Any:
    with heard():
        from controlnet_aux.pidi import PidiNetDetector
        from controlnet_aux.pidi.model import pidinet

    network = pidinet()
    load_strictly(network, read_state(place, pickle=row.pickle), name=row.id)
    return PidiNetDetector(network.eval()).to(device)


def _load_line_art(row: Checkpoint, place: Path, device: str) -> Any:
    with heard():
        from controlnet_aux.lineart import Generator, LineartDetector

    network = Generator(3, 1, 3)
    load_strictly(network, read_state(place, pickle=row.pickle), name=row.id)
    network.eval()
    return LineartDetector(network, network).to(device)  # the coarse network is not asked


def _by_controlnet_aux(model: Any, image: Image) -> Image:
    """controlnet-aux draws at multiples of STEP_PX; the map is brought back to the image's size."""
    height, width = image.shape[:2]
    size = [max(STEP_PX, round(side / STEP_PX) * STEP_PX) for side in (height, width)]
    fitting = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
    made = model(fitting, detect_resolution=min(size), image_resolution=min(size), output_type="np")
    return np.asarray(cv2.resize(made, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _load_depth(row: Checkpoint, place: Path, device: str) -> Any:
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    model = AutoModelForDepthEstimation.from_pretrained(place, local_files_only=True, use_safetensors=True)
    processor = AutoImageProcessor.from_pretrained(place, local_files_only=True)  # type: ignore[no-untyped-call]
    return processor, model.eval().to(device)


def _by_depth_estimator(model: Any, image: Image) -> Image:
    """Relative nearness, 255 for the nearest pixel and 0 for the farthest, as depth ControlNets were trained on."""
    import torch

    processor, network = model
    with torch.inference_mode():
        inputs = processor(images=image, return_tensors="pt").to(network.device)
        near = network(**inputs).predicted_depth[0].float().cpu().numpy()
    near = (near - near.min()) / max(float(np.ptp(near)), 1e-6)
    large = cv2.resize(near, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.rint(np.clip(large, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


ANNOTATORS: Final[Mapping[str, Annotator]] = {
    "softedge": Annotator(checkpoint="hed", load=_load_soft_edges, draw=_by_controlnet_aux),
    "lineart": Annotator(checkpoint="lineart", load=_load_line_art, draw=_by_controlnet_aux),
    "depth": Annotator(checkpoint="depth-anything-v2-small", load=_load_depth, draw=_by_depth_estimator),
}
"""The kinds of maps that networks draw, and the network that does where a recipe names none."""

OTHERS: Final[Mapping[tuple[str, str], Annotator]] = {
    ("softedge", "pidinet"): Annotator(checkpoint="pidinet", load=_load_pixel_differences, draw=_by_controlnet_aux),
}
"""Those that a recipe may name in their place, by kind and name."""

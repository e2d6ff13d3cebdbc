"""SAM 2.1 and SAM-HQ by transformers, for folders in the hub's layout.

Ravi et al., SAM 2, arXiv 2408.00714; Ke et al., Segment Anything in High Quality, arXiv 2306.01567.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from masks.detectors.hub import load_model
from masks.segmenters.types import Network, Prompts, SegmenterFamily
from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def _colours(folder: Path) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation of pixels in 0 to 255, as the folder's processor says."""
    stored: dict[str, Any] = {}
    for name in ("processor_config.json", "preprocessor_config.json"):
        path = folder / name
        if path.is_file():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise ModelError(f"{path} is not JSON ({error}); fetch it again") from error
            stored = stored.get("image_processor", stored)
            break
    mean, std = stored.get("image_mean", IMAGENET_MEAN), stored.get("image_std", IMAGENET_STD)
    scaled = [tuple(255 * float(value) for value in values) for values in (mean, std)]
    return scaled[0], scaled[1]  # type: ignore[return-value]


def load_sam2(row: Checkpoint, place: Path, device: str) -> Network:
    """Load the image part of a SAM 2.1 folder; the published ones hold the video model around it.

    Raises:
        ModelError: the folder does not fit the architecture.
    """
    from transformers import Sam2Model

    module = load_model(Sam2Model, row, place).to(device)
    mean, std = _colours(place)
    frame_px = int(module.config.prompt_encoder_config.image_size)
    return Network(module=module, frame_px=frame_px, keeps_aspect=False, mean=mean, std=std)


def load_sam_hq(row: Checkpoint, place: Path, device: str) -> Network:
    """Load a SAM-HQ folder.

    Raises:
        ModelError: the folder does not fit the architecture.
    """
    from transformers import SamHQModel

    module = load_model(SamHQModel, row, place).to(device)
    mean, std = _colours(place)
    frame_px = int(module.config.vision_config.image_size)
    return Network(module=module, frame_px=frame_px, keeps_aspect=True, mean=mean, std=std)


def encode_sam2(network: Network, pixels: Any) -> tuple[Any, ...]:
    """Pixels to the feature maps of three resolutions, finest first."""
    return tuple(network.module.get_image_embeddings(pixels))


def encode_sam_hq(network: Network, pixels: Any) -> tuple[Any, ...]:
    """Pixels to the image embedding and the first global block's features, the only ones that the decoder reads."""
    embedding, between = network.module.get_image_embeddings(pixels)
    return embedding, between[0]


def decode_sam2(network: Network, arrays: tuple[Any, ...], prompts: Prompts, several: bool) -> tuple[Any, Any]:
    """Prompts on an embedding to low-resolution logits and predicted IoUs."""
    return _decode(network, prompts, several, {"image_embeddings": list(arrays)})


def decode_sam_hq(network: Network, arrays: tuple[Any, ...], prompts: Prompts, several: bool) -> tuple[Any, Any]:
    """Prompts on an embedding to low-resolution logits and predicted IoUs."""
    features = {"image_embeddings": arrays[0], "intermediate_embeddings": [arrays[1]]}
    return _decode(network, prompts, several, features)


def _decode(network: Network, prompts: Prompts, several: bool, features: dict[str, Any]) -> tuple[Any, Any]:
    import torch

    if prompts.mask_logits is not None and len(prompts.mask_logits) > 1:
        # transformers adds one mask prompt to the whole picture, so each prompt with its own mask runs alone.
        parts = [_decode(network, _only(prompts, at), several, features) for at in range(len(prompts.mask_logits))]
        return torch.cat([logits for logits, _ in parts]), torch.cat([ious for _, ious in parts])
    points, labels = prompts.points, prompts.labels
    if points is None and prompts.boxes is None:
        device = prompts.mask_logits.device
        points, labels = torch.zeros(1, 1, 2, device=device), -torch.ones(1, 1, dtype=torch.int32, device=device)
    out = network.module(
        input_points=None if points is None else points[None],
        input_labels=None if labels is None else labels[None],
        input_boxes=None if prompts.boxes is None else prompts.boxes[None],
        input_masks=prompts.mask_logits,
        multimask_output=several,
        **features,
    )
    return out.pred_masks[0], out.iou_scores[0]


def _only(prompts: Prompts, at: int) -> Prompts:
    def part(values: Any) -> Any:
        return None if values is None else values[at : at + 1]

    return Prompts(
        boxes=part(prompts.boxes),
        points=part(prompts.points),
        labels=part(prompts.labels),
        mask_logits=part(prompts.mask_logits),
    )


SAM2 = SegmenterFamily(id="sam2", load=load_sam2, encode=encode_sam2, decode=decode_sam2)
SAM_HQ = SegmenterFamily(id="sam-hq", load=load_sam_hq, encode=encode_sam_hq, decode=decode_sam_hq)

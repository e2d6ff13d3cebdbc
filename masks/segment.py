"""Masks from boxes and clicks with SAM: embed a picture once, prompt it many times.

The encoder takes seconds and the decoder hundredths of one, so an embedding is kept (and stored for the touch-up
page) and every box, click and correction runs the decoder only. A family is a row of ``FAMILIES``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from masks.loading import load_parts
from masks.segmenters import hub, meta
from masks.segmenters.types import Embedding, Floats, Predicted, Prompts, Segmenter, SegmenterFamily
from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.devices import inference, out_of_memory_named
from pipeline.types import Image, Mask, Size

FAMILIES: Mapping[str, SegmenterFamily] = {family.id: family for family in (meta.FAMILY, hub.SAM2, hub.SAM_HQ)}
PROMPTS_AT_ONCE = 16
"""Prompts of one decoder run: 4 SAM masks at 256 px each."""


def load_segmenter(
    name: str | Checkpoint, *, device: str = "auto", dtype: str | None = None, accept_licence: Sequence[str] = (),
    mirror: Path | None = None,
) -> Segmenter:  # fmt: skip
    """Load a segmenter's checkpoint; arguments and errors are those of ``masks.loading.load_parts``."""
    parts = load_parts(
        name, "segmenter", FAMILIES, device=device, dtype=dtype, accept_licence=accept_licence, mirror=mirror
    )
    return Segmenter(**parts)


def embed(model: Segmenter, image: Image) -> Embedding:
    """Run the image encoder over one picture.

    Args:
        model: a loaded segmenter.
        image: (H, W, 3) uint8, RGB.

    Raises:
        ModelError: the picture is not RGB 8 bit, or the encoder gave numbers that are not finite.
        OutOfMemory: the encoder does not fit on the device.
    """
    pixels, input_size = _to_frame(image, model)
    with inference(model.device, model.dtype), out_of_memory_named("embedding a picture"):
        arrays = model.family.encode(model.network, pixels.to(model.device))
        halves = tuple(array.float().cpu().numpy().astype(np.float16) for array in arrays)
    if not all(np.isfinite(array).all() for array in halves):
        raise ModelError(f"The encoder of {model.row.id!r} gave numbers that are not finite; use dtype float32")
    return Embedding(
        arrays=halves,
        size=image.shape[:2],
        input_size=input_size,
        frame_px=model.network.frame_px,
        fingerprint=model.fingerprint,
    )


def _to_frame(image: Image, model: Segmenter) -> tuple[Any, Size]:
    import torch
    from PIL import Image as Pictures

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ModelError(f"The segmenter takes (H, W, 3) uint8 RGB pictures, and got {image.shape} {image.dtype}")
    network = model.network
    side = network.frame_px
    height, width = (side, side)
    if network.keeps_aspect:
        scale = side / max(image.shape[:2])
        height, width = (max(1, int(length * scale + 0.5)) for length in image.shape[:2])
    scaled = Pictures.fromarray(image).resize((width, height), Pictures.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(scaled)).permute(2, 0, 1).float()
    mean, std = torch.tensor(network.mean).view(3, 1, 1), torch.tensor(network.std).view(3, 1, 1)
    padded = torch.nn.functional.pad((values - mean) / std, (0, side - width, 0, side - height))
    return padded[None], (height, width)


def predict(
    model: Segmenter, embedding: Embedding, *, boxes: ArrayLike | None = None, points: ArrayLike | None = None,
    labels: ArrayLike | None = None, mask_logits: ArrayLike | None = None, several: bool | None = None,
) -> Predicted:  # fmt: skip
    """Masks of K prompts; a prompt may be a box, clicks, an earlier mask, or these together.

    Args:
        model: the segmenter that made the embedding.
        embedding: what ``embed`` gave.
        boxes: (K, 4) corners in pixels of the picture.
        points: (K, M, 2) clicks as x, y in pixels of the picture.
        labels: (K, M): 1 adds, 0 removes; all add by default.
        mask_logits: (K, h, w) logits of an earlier prediction.
        several: let the network propose three masks a prompt and take the one it thinks best. By default only for
            a single click, which does not say whether the button, the shirt or the person is meant.

    Raises:
        ModelError: no prompt, prompts that do not fit together, or an embedding of other weights.
        OutOfMemory: the decoder does not fit on the device.
    """
    if embedding.fingerprint != model.fingerprint:
        raise ModelError(f"The embedding was made with other weights than {model.row.id!r}; embed the picture again")
    prompts, count = _to_prompts(model, embedding, boxes, points, labels, mask_logits)
    if several is None:
        several = prompts.boxes is None and mask_logits is None and prompts.points.shape[1] == 1
    import torch

    masks = np.zeros((count, *embedding.size), bool)
    ious, lows = [], []
    with inference(model.device, model.dtype), out_of_memory_named("predicting masks"):
        arrays = tuple(torch.from_numpy(array).to(model.device).float() for array in embedding.arrays)
        for start in range(0, count, PROMPTS_AT_ONCE):
            part = _slice(prompts, start, start + PROMPTS_AT_ONCE)
            logits, quality = model.family.decode(model.network, arrays, part, several)
            best = quality.float().argmax(dim=1)
            rows = torch.arange(len(best), device=best.device)
            low = logits[rows, best].float()
            for at, one in enumerate(low):
                masks[start + at] = _at_picture_size(one, embedding)
            ious.append(quality[rows, best].float().cpu().numpy())
            lows.append(low.cpu().numpy())
    return Predicted(masks=masks, ious=np.concatenate(ious), logits=np.concatenate(lows))


def _to_prompts(
    model: Segmenter, embedding: Embedding, boxes: ArrayLike | None, points: ArrayLike | None,
    labels: ArrayLike | None, mask_logits: ArrayLike | None,
) -> tuple[Prompts, int]:  # fmt: skip
    import torch

    scale = np.array(
        [embedding.input_size[1] / embedding.size[1], embedding.input_size[0] / embedding.size[0]], np.float32
    )
    given: dict[str, Floats] = {}
    if boxes is not None:
        given["boxes"] = np.asarray(boxes, np.float32).reshape(-1, 4) * np.tile(scale, 2)
    if points is not None:
        clicks = np.asarray(points, np.float32)
        if clicks.ndim != 3 or clicks.shape[2] != 2:
            raise ModelError(f"Clicks must be (prompts, clicks, 2), and are {clicks.shape}")
        given["points"] = clicks * scale
        given["labels"] = np.ones(clicks.shape[:2], np.float32) if labels is None else np.asarray(labels, np.float32)
        if given["labels"].shape != clicks.shape[:2]:
            raise ModelError(f"{clicks.shape[:2]} clicks and {given['labels'].shape} labels; give one label a click")
    if mask_logits is not None:
        earlier = np.asarray(mask_logits, np.float32)
        given["mask_logits"] = earlier.reshape(-1, 1, *earlier.shape[-2:])
    counts = {len(values) for values in given.values()}
    if len(counts) != 1 or counts == {0}:
        raise ModelError(
            f"Prompts must be of one number above 0; got {({n: len(v) for n, v in given.items()}) or 'none'}"
        )
    tensors: dict[str, Any] = {name: torch.from_numpy(values).to(model.device) for name, values in given.items()}
    if "labels" in tensors:
        tensors["labels"] = tensors["labels"].int()
    return Prompts(**tensors), counts.pop()


def _slice(prompts: Prompts, start: int, stop: int) -> Prompts:
    parts = {name: None if values is None else values[start:stop] for name, values in vars(prompts).items()}
    return Prompts(**parts)


def _at_picture_size(logits: Any, embedding: Embedding) -> Mask:
    """Low-resolution logits to a mask: up to the frame, without its padding, to the picture (bilinear), above 0."""
    from torch.nn.functional import interpolate

    frame = (embedding.frame_px, embedding.frame_px)
    full = interpolate(logits[None, None], frame, mode="bilinear", align_corners=False)
    inside = full[..., : embedding.input_size[0], : embedding.input_size[1]]
    mask: Mask = (interpolate(inside, embedding.size, mode="bilinear", align_corners=False)[0, 0] > 0).cpu().numpy()
    return mask


def stability(logits: Floats, offset: float = 1.0) -> Floats:
    """How little a mask depends on its threshold: area above +offset over area above -offset, (K, h, w) to (K,).

    Kirillov et al. 2023, appendix. 1 is a sharp mask; 0 where nothing is above -offset.
    """
    inner = (logits > offset).sum(axis=(-1, -2)).astype(np.float32)
    outer = (logits > -offset).sum(axis=(-1, -2)).astype(np.float32)
    share: Floats = np.divide(inner, outer, out=np.zeros_like(inner), where=outer > 0)
    return share

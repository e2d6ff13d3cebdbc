"""Training of the tiny SAM: boxes and clicks to masks, first on small pictures, then on large ones.

The first stage sees scenes at 128 px, where a step costs a fifth; its weights are then fitted to 256 px (positions
interpolated) and trained on. Loss: cross-entropy over the box's area, dice, and the IoU head's error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.sam import TINY, build_sam, fit_state, load_sam
from pipeline.embedded.train.data import SceneCache, Thing, open_cache
from pipeline.embedded.train.growing import grown
from pipeline.embedded.train.loop import Schedule, Training, fast_arithmetic
from pipeline.embedded.train.prompts import MOST_CLICKS, as_prompt, clicks_on, corrections, kind_of
from pipeline.embedded.train.sam_views import jittered, sample

SMALL_PX, FULL_PX = 128, 256


def _mask_loss(logits: Any, target: Any, boxes: Any, predicted: Any, side: int) -> tuple[Any, Any]:
    """Loss of low-resolution logits (K, s, s) and the IoU that they reach."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    cell = (side / logits.shape[-1]) ** 2
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / cell).clamp(min=40)
    p = logits.sigmoid()
    dice = 1 - (2 * (p * target).sum((1, 2)) + 1) / (p.square().sum((1, 2)) + target.square().sum((1, 2)) + 1)
    with torch.no_grad():
        hit, truth = logits > 0, target > 0.5
        iou = (hit & truth).sum((1, 2)) / (hit | truth).sum((1, 2)).clamp(min=1)
    quality = F.mse_loss(predicted, iou, reduction="none")
    return 1.5 * entropy.sum((1, 2)) / area + dice + 0.2 * quality, iou


def _decode(
    sam: Any, embedding: Any, boxes: Any = None, points: Any = None, masks: Any = None, several: bool = False
) -> tuple[Any, Any]:
    """Logits (K, s, s) and predicted IoU (K,) of K prompts; (K, 3, s, s) and (K, 3) if ``several`` are asked."""
    sparse, dense = sam.prompt_encoder(points=points, boxes=boxes, masks=masks)
    logits, ious = sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=several,
    )
    return (logits, ious) if several else (logits[:, 0], ious[:, 0])


def _prompted_loss(
    sam: Any, embedding: Any, boxes: Any, masks: NDArray[np.float32], side: int, rng: np.random.Generator
) -> tuple[Any, Any]:
    """Loss and IoU (K,) of a picture's things under one kind of prompt. Of one click's three masks the best counts."""
    import torch

    kind, target, scale = kind_of(rng), torch.from_numpy(masks), side / masks.shape[-1]
    if kind == "click":
        logits, predicted = _decode(sam, embedding, points=as_prompt(clicks_on(masks, 1, scale, rng)), several=True)
        each = [_mask_loss(logits[:, n], target, boxes, predicted[:, n], side) for n in range(logits.shape[1])]
        losses, ious = torch.stack([loss for loss, _ in each]), torch.stack([iou for _, iou in each])
        best = losses.detach().argmin(0, keepdim=True)
        rest = 0.05 * losses.mean(0)  # the heads that lose must still learn how good they are
        return (losses.gather(0, best)[0] + rest).mean(), ious.gather(0, best)[0]
    if kind == "clicks":
        clicks = clicks_on(masks, int(rng.integers(2, MOST_CLICKS + 1)), scale, rng)
        logits, predicted = _decode(sam, embedding, points=as_prompt(clicks))
    else:
        logits, predicted = _decode(sam, embedding, boxes)
    if kind == "correction":
        before = logits.detach()
        clicks = corrections((before > 0).numpy(), masks, scale, rng)
        whole = boxes if rng.random() < 0.5 else None
        logits, predicted = _decode(sam, embedding, whole, as_prompt(clicks), before[:, None])
    loss, iou = _mask_loss(logits, target, boxes, predicted, side)
    return loss.mean(), iou


def train_stage(
    folder: Path,
    cache_folder: Path,
    *,
    side: int,
    schedule: Schedule,
    batch: int,
    start: Path | None,
    valid: Path | None,
) -> None:
    """One stage of the training at ``side`` px.

    ``start`` is an earlier stage's checkpoint, or a folder of a segmenter's weights with as many blocks or fewer.
    """
    import torch

    torch.manual_seed(0)
    size = TINY.at(side)
    sam = build_sam(size)
    if start is not None and not (folder / "checkpoint.pt").exists():
        kept = load_sam(start).state_dict() if start.is_dir() else torch.load(start, weights_only=True)["average"]
        sam.load_state_dict(grown(fit_state(kept, sam.state_dict()), sam.state_dict()))
    run = Training(folder=folder, model=sam, schedule=schedule, seed=side)
    cache = open_cache(cache_folder)
    empty = sam.pixel_mean.flatten().numpy()

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        samples = [s for s in (sample(cache, rng, side, empty) for _ in range(batch)) if s is not None]
        pixels = torch.from_numpy(np.stack([s.pixels for s in samples])).permute(0, 3, 1, 2)
        with fast_arithmetic():
            embeddings = model.image_encoder((pixels - model.pixel_mean) / model.pixel_std).float()
        total, ious = [], []
        for embedding, one in zip(embeddings, samples, strict=True):
            loss, iou = _prompted_loss(model, embedding[None], torch.from_numpy(one.boxes), one.masks, side, rng)
            total.append(loss)
            ious.append(iou)
        return torch.stack(total).mean(), {"iou": round(float(torch.cat(ious).mean()), 4)}

    def evaluate(state: dict[str, Any]) -> dict[str, float]:
        other = build_sam(size)
        other.load_state_dict(state)
        return mean_iou(other.eval(), open_cache(valid), scenes=60) if valid is not None else {}

    run.train(loss_of, evaluate)


def masks_from_boxes(sam: Any, image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(K, H, W) masks of an RGB picture's things from their boxes (K, 4), x0, y0, x1, y1 in its pixels.

    The picture must be square; it is brought to the network's side and the masks back.
    """
    return _prompted(sam, image, lambda scale: {"boxes": boxes * np.float32(scale)})


def _prompted(sam: Any, image: NDArray[np.uint8], prompts: Callable[[float], dict[str, Any]]) -> NDArray[np.bool_]:
    """Masks of one picture; ``prompts`` gives them for the network's side over the picture's."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    native, side = image.shape[0], int(sam.image_encoder.img_size)
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) if side != native else image
    with torch.inference_mode():
        pixels = torch.from_numpy(small.astype(np.float32)).permute(2, 0, 1)[None]
        embedding = sam.image_encoder((pixels - sam.pixel_mean) / sam.pixel_std)
        given = prompts(side / native)
        boxes = torch.from_numpy(given["boxes"]) if "boxes" in given else None
        points, several = given.get("points"), given.get("several", False)
        logits, ious = _decode(sam, embedding, boxes, None if points is None else as_prompt(points), several=several)
        if several:
            logits = logits[torch.arange(len(logits)), ious.argmax(1)]
        large = F.interpolate(logits[:, None], (native, native), mode="bilinear")[:, 0] > 0
    return np.asarray(large.numpy(), np.bool_)


def mean_iou(
    sam: Any,
    cache: SceneCache,
    *,
    scenes: int,
    jitter: float = 0.0,
    boxes: Mapping[tuple[int, str], tuple[float, ...]] | None = None,
    clicks: int = 0,
) -> dict[str, float]:
    """Mean IoU on the first scenes of a cache, at the cache's own size, by name and in all.

    From true boxes, jittered if wanted; or, if ``boxes`` (by scene and phrase, in the cache's pixels) are given,
    from the box of a thing's first phrase, for things that have one; or from ``clicks`` at random places, the first on
    the thing (one click: of the three masks the one that the network thinks best).
    """
    found: dict[str, list[float]] = defaultdict(list)
    rng = np.random.default_rng(3)
    for index in range(min(scenes, len(cache))):
        image = np.asarray(cache.images[index])
        things: list[Thing] = [t for t in cache.things[index] if cache.mask(index, t).sum() >= 80]
        if boxes is not None:
            things = [t for t in things if t.phrases and (index, t.phrases[0]) in boxes]
        if not things:
            continue
        truths = np.stack([cache.mask(index, t) for t in things])
        if clicks:
            masks = _prompted(sam, image, partial(_clicked, truths.astype(np.float32), clicks, rng))
        elif boxes is None:
            masks = masks_from_boxes(sam, image, np.stack([jittered(t.box, rng, jitter) for t in things]))
        else:
            masks = masks_from_boxes(sam, image, np.array([boxes[index, t.phrases[0]] for t in things], np.float32))
        for thing, mask, truth in zip(things, masks, truths, strict=True):
            found[thing.name].append(float((mask & truth).sum() / max((mask | truth).sum(), 1)))
    every = [v for values in found.values() for v in values]
    result = {"mean_iou": round(float(np.mean(every)), 4), "over_0.8": round(float(np.mean(np.array(every) > 0.8)), 4)}
    result.update({name: round(float(np.mean(v)), 3) for name, v in sorted(found.items())})
    return result


def _clicked(masks: NDArray[np.float32], count: int, rng: np.random.Generator, scale: float) -> dict[str, Any]:
    return {"points": clicks_on(masks, count, scale, rng), "several": count == 1}

"""Training of the tiny SAM: boxes to masks, first on small pictures, then on large ones.

The first stage sees scenes at 128 px, where a step costs a fifth; its weights are then fitted to 256 px (positions
interpolated) and trained on. Loss: cross-entropy over the box's area, dice, and the IoU head's error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.palette import floats
from pipeline.embedded.sam import TINY, build_sam, fit_state
from pipeline.embedded.train.data import SceneCache, Thing, open_cache
from pipeline.embedded.train.loop import Schedule, Training

SMALL_PX, FULL_PX = 128, 256
PROMPTS = 5


def jittered(box: tuple[int, int, int, int], rng: np.random.Generator, amount: float) -> NDArray[np.float32]:
    """A box whose edges moved by a normal share ``amount`` of its sides, as a detector's would."""
    x0, y0, x1, y1 = box
    sides = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0], np.float64)
    return np.asarray(np.array(box) + rng.normal(0, amount, 4) * sides, np.float32)


def augmented(image: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float32]:
    """Colour cast, contrast, blur and grain, as cameras add them to an RGB image in [0, 255]: float32."""
    x = image.astype(np.float32)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.3, 0.9))).astype(np.float32)
    x = (x - 128) * float(rng.uniform(0.85, 1.1)) + 128 + rng.normal(0, 6, 3).astype(np.float32)
    if rng.random() < 0.5:
        x += rng.normal(0, float(rng.uniform(1, 5)), x.shape).astype(np.float32)
    return np.clip(x, 0, 255)


def _sample(cache: SceneCache, rng: np.random.Generator, side: int) -> tuple[Any, list[Any], list[Any]]:
    """One picture with the boxes and soft masks of some of its things, all at ``side`` px."""
    index = int(rng.integers(len(cache)))
    image, labels = cache.images[index], cache.labels[index]
    factor = side / image.shape[0]
    if factor != 1:
        image = cv2.resize(np.asarray(image), (side, side), interpolation=cv2.INTER_AREA)
    flip = rng.random() < 0.5
    things = list(cache.things[index])
    rng.shuffle(things)
    boxes, masks = [], []
    for thing in things[:PROMPTS]:
        mask = np.isin(labels, thing.labels).astype(np.float32)
        if mask.sum() < 80:
            continue
        mask = floats(cv2.resize(mask, (side // 2, side // 2), interpolation=cv2.INTER_AREA))
        box = jittered(thing.box, rng, 0.03) * np.float32(factor)
        if flip:
            mask, box = mask[:, ::-1], np.array([side - box[2], box[1], side - box[0], box[3]], np.float32)
        boxes.append(box)
        masks.append(np.ascontiguousarray(mask))
    pixels = augmented(image[:, ::-1] if flip else image, rng)
    return pixels, boxes, masks


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
    quality = F.mse_loss(predicted, iou)
    return 1.5 * (entropy.sum((1, 2)) / area).mean() + dice.mean() + 0.2 * quality, iou


def _decode(sam: Any, embedding: Any, boxes: Any) -> tuple[Any, Any]:
    sparse, dense = sam.prompt_encoder(points=None, boxes=boxes, masks=None)
    logits, ious = sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )
    return logits[:, 0], ious[:, 0]


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
    """One stage of the training at ``side`` px; ``start`` is an earlier stage's checkpoint."""
    import torch

    torch.manual_seed(0)
    size = TINY.at(side)
    sam = build_sam(size)
    if start is not None and not (folder / "checkpoint.pt").exists():
        earlier = torch.load(start, weights_only=True)["average"]
        sam.load_state_dict(fit_state(earlier, sam.state_dict()))
    run = Training(folder=folder, model=sam, schedule=schedule, seed=side)
    cache = open_cache(cache_folder)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        samples = [s for s in (_sample(cache, rng, side) for _ in range(batch)) if s[1]]
        pixels = torch.from_numpy(np.stack([s[0] for s in samples])).permute(0, 3, 1, 2)
        embeddings = model.image_encoder((pixels - model.pixel_mean) / model.pixel_std)
        total, ious = [], []
        for embedding, (_, boxes, masks) in zip(embeddings, samples, strict=True):
            b = torch.from_numpy(np.stack(boxes))
            logits, predicted = _decode(model, embedding[None], b)
            loss, iou = _mask_loss(logits, torch.from_numpy(np.stack(masks)), b, predicted, side)
            total.append(loss)
            ious.append(iou)
        return torch.stack(total).mean(), {"iou": round(float(torch.cat(ious).mean()), 4)}

    def evaluate(state: dict[str, Any]) -> dict[str, float]:
        other = build_sam(size)
        other.load_state_dict(state)
        return mean_iou(other.eval(), open_cache(valid), side=side, scenes=60) if valid is not None else {}

    run.train(loss_of, evaluate)


def mean_iou(
    sam: Any,
    cache: SceneCache,
    *,
    side: int,
    scenes: int,
    jitter: float = 0.0,
    boxes: Mapping[tuple[int, str], tuple[float, ...]] | None = None,
) -> dict[str, float]:
    """Mean IoU on the first scenes of a cache, at the cache's own size, by name and in all.

    From true boxes, jittered if wanted; or, if ``boxes`` (by scene and phrase, in the cache's pixels) are given,
    from the box of a thing's first phrase, for things that have one.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    found: dict[str, list[float]] = defaultdict(list)
    rng = np.random.default_rng(3)
    with torch.inference_mode():
        for index in range(min(scenes, len(cache))):
            image = np.asarray(cache.images[index])
            native = image.shape[0]
            small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) if side != native else image
            pixels = torch.from_numpy(small.astype(np.float32)).permute(2, 0, 1)[None]
            things: list[Thing] = [t for t in cache.things[index] if cache.mask(index, t).sum() >= 80]
            if boxes is not None:
                things = [t for t in things if t.phrases and (index, t.phrases[0]) in boxes]
            if not things:
                continue
            embedding = sam.image_encoder((pixels - sam.pixel_mean) / sam.pixel_std)
            if boxes is None:
                prompts = np.stack([jittered(t.box, rng, jitter) for t in things])
            else:
                prompts = np.array([boxes[index, t.phrases[0]] for t in things], np.float32)
            logits, _ = _decode(sam, embedding, torch.from_numpy(prompts) * (side / native))
            masks = (F.interpolate(logits[:, None], (native, native), mode="bilinear")[:, 0] > 0).numpy()
            for thing, mask in zip(things, masks, strict=True):
                truth = cache.mask(index, thing)
                found[thing.name].append(float((mask & truth).sum() / max((mask | truth).sum(), 1)))
    every = [v for values in found.values() for v in values]
    result = {"mean_iou": round(float(np.mean(every)), 4), "over_0.8": round(float(np.mean(np.array(every) > 0.8)), 4)}
    result.update({name: round(float(np.mean(v)), 3) for name, v in sorted(found.items())})
    return result

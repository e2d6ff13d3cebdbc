"""A head start for the detector: its Swin backbone learns from the renderer's label maps what lies where.

A picture costs a fifth of what the whole detector costs, and every cell of it teaches. Each level's features name
the kinds of things in every cell (cross-entropy against the share of the cell that a kind covers), and the
last level's mean names the kinds in the picture. The heads are thrown away; backbone and projections are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.captions import SYNONYMS
from pipeline.embedded.detector import build_detector
from pipeline.embedded.train.data import open_cache
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.views import View, shape_of_batch, view

KINDS: Final = (*SYNONYMS, "hair")
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
FINEST: Final = 8
"""Pixels of a cell of the first level; each further level's cells are twice as large."""


def coverage(seen: View) -> NDArray[np.float32]:
    """(h / 8, w / 8, K): the share of each cell that each kind covers."""
    table = np.zeros((256, len(KINDS)), np.float32)
    for thing in seen.things:
        if thing.name in KINDS:
            table[list(thing.labels), KINDS.index(thing.name)] = 1
    cells = FINEST // 2
    height, width = seen.labels.shape[0] // cells, seen.labels.shape[1] // cells
    share = table[seen.labels].reshape(height, cells, width, cells, len(KINDS)).mean((1, 3))
    return np.asarray(share, np.float32)


def build_heads(width: int) -> Any:
    """A linear head for each of three levels, and one for the whole picture."""
    import torch

    heads = [torch.nn.Linear(width, len(KINDS)) for _ in range(4)]
    for head in heads:
        torch.nn.init.constant_(head.bias, -3.0)
    return torch.nn.ModuleList(heads)


def features_of(model: Any, pixels: Any) -> list[Any]:
    """Three levels' projected features (B, C, h, w) of a model with ``backbone`` and ``input_proj_vision``."""
    import torch

    mask = torch.ones(pixels.shape[0], *pixels.shape[-2:], dtype=torch.long)
    levels, _ = model.backbone(pixels, mask)
    return [project(level) for project, (level, _) in zip(model.input_proj_vision, levels, strict=False)]


def named_by(heads: Any, features: list[Any]) -> tuple[list[Any], Any]:
    """Logits (B, h, w, K) of three levels' features (B, C, h, w), and (B, K) of the picture."""
    levels = [head(feature.permute(0, 2, 3, 1)) for head, feature in zip(heads, features[:3], strict=False)]
    return levels, heads[3](features[2].mean((2, 3)))


def build_dense() -> Any:
    """The detector's backbone and projections with ``build_heads``."""
    import torch

    detector = build_detector().model

    class Dense(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = detector.backbone
            self.input_proj_vision = detector.input_proj_vision
            self.heads = build_heads(detector.config.d_model)

        def forward(self, pixels: Any) -> tuple[list[Any], Any]:
            return named_by(self.heads, features_of(self, pixels))

    return Dense()


def dense_loss(levels: list[Any], whole: Any, shares: Any) -> tuple[Any, float]:
    """Cross-entropy of cells, things and picture, and the share of things named right by the best level.

    ``levels`` (B, h, w, K) logits of three levels, ``whole`` (B, K) of the picture, ``shares`` (B, h, w, K) at the
    finest level. Cells alone teach little but where things are; a thing's mean over
    its own cells has to say which kind it is.
    """
    import torch.nn.functional as F  # noqa: N812

    wanted, total = shares.permute(0, 3, 1, 2), whole.new_zeros(())
    present = wanted.sum((2, 3)) > 0.5
    rows, kinds = present.nonzero(as_tuple=True)
    right = []
    for logits in levels:
        found = logits.permute(0, 3, 1, 2)
        target = F.adaptive_avg_pool2d(wanted, found.shape[-2:])
        entropy = F.binary_cross_entropy_with_logits(found, target, reduction="none")
        total = total + 0.5 * (entropy * (1 + 2 * target)).sum(1).mean()
        weights = target[rows, kinds]
        named = (found[rows] * weights[:, None]).sum((2, 3)) / weights.sum((1, 2))[:, None].clamp(min=1e-6)
        total = total + F.cross_entropy(named, kinds)
        right.append(float((named.argmax(1) == kinds).float().mean()))
    entropy = F.binary_cross_entropy_with_logits(whole, present.float(), reduction="none")
    return total + entropy.sum(1).mean(), max(right)


def normalised(pictures: Any) -> Any:
    """(B, S, S, 3) in [0, 255] to the network's (B, 3, S, S)."""
    import torch

    pixels = (np.asarray(pictures, np.float32) - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def dense_batch(cache: Any, rng: np.random.Generator, count: int, side: int) -> tuple[Any, Any]:
    """Pixels (B, 3, h, w) and coverage (B, h / 8, w / 8, K)."""
    import torch

    shape = shape_of_batch(rng, side)
    views = [view(cache, int(rng.integers(len(cache))), rng, shape) for _ in range(count)]
    return normalised(np.stack([v.pixels for v in views])), torch.from_numpy(np.stack([coverage(v) for v in views]))


def train_backbone(folder: Path, cache_folder: Path, *, schedule: Schedule, batch: int = 12, side: int = 128) -> None:
    """Train, or go on with, the backbone in ``folder``."""
    import torch

    torch.manual_seed(0)
    cache = open_cache(cache_folder)
    run = Training(folder=folder, model=build_dense(), schedule=schedule, seed=11)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        pixels, shares = dense_batch(cache, rng, batch, side)
        levels, whole = model(pixels)
        loss, right = dense_loss(levels, whole, shares)
        return loss, {"right": round(right, 3)}

    run.train(loss_of)


def into_detector(average: dict[str, Any], model: Any) -> None:
    """Put a trained backbone with its projections into a detector."""
    names = {f"model.{name}": value for name, value in average.items() if not name.startswith("heads.")}
    unknown = model.load_state_dict(names, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"the backbone has weights that the detector lacks: {unknown[:3]}")

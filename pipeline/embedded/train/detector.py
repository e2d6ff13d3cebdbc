"""Training of the tiny Grounding DINO: captions of one to four phrases, some of them of things that are not there.

Beside the captions' boxes, dense heads go on teaching the backbone (see ``backbone``): a caption names a thing or two,
the label map all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.embedded.detector import build_detector, build_tokenizer
from pipeline.embedded.train.backbone import (
    build_heads,
    coverage,
    dense_batch,
    dense_loss,
    features_of,
    into_detector,
    named_by,
    normalised,
)
from pipeline.embedded.train.data import SceneCache, open_cache
from pipeline.embedded.train.findings import detection_scores, find_phrases
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.matching import Target, detection_loss
from pipeline.embedded.train.phrases import called, choose_phrases, encode, padded
from pipeline.embedded.train.views import shape_of_batch, view

DENSE_SHARE = 0.3
"""Weight of the dense heads' loss beside the detector's."""


def batch_of(
    cache: SceneCache, tokenizer: Any, rng: np.random.Generator, count: int
) -> tuple[Any, Any, Any, list[Target], Any]:
    """Pixels (B, 3, h, w), token ids and mask (B, L), targets, and what each cell of the picture shows."""
    import torch

    pictures, captions, targets, shares = [], [], [], []
    shape = shape_of_batch(rng)
    for _ in range(count):
        index = int(rng.integers(len(cache)))
        seen = view(cache, index, rng, shape)
        phrases = choose_phrases(seen.things, rng, cache.things[index])
        ids, spans = encode(phrases, tokenizer)
        pairs = [
            (at, span)
            for phrase, span in zip(phrases, spans, strict=True)
            for at, thing in enumerate(seen.things)
            if phrase in called(thing)
        ]
        masks = np.array([np.isin(seen.labels, seen.things[at].labels) for at, _ in pairs], np.float32)
        pictures.append(seen.pixels)
        captions.append(ids)
        shares.append(coverage(seen))
        targets.append(
            Target(
                boxes=torch.from_numpy(seen.boxes[[at for at, _ in pairs]].reshape(-1, 4)),
                tokens=tuple(span for _, span in pairs),
                masks=torch.from_numpy(masks.reshape(-1, *seen.labels.shape)),
                asked=tuple(spans),
            )
        )
    return normalised(np.stack(pictures)), *padded(captions), targets, torch.from_numpy(np.stack(shares))


def build_student(start: Path | None) -> Any:
    """The detector, and the dense heads that go on teaching its backbone; both from a backbone's checkpoint."""
    import torch

    detector = build_detector()
    heads = build_heads(detector.config.d_model)
    if start is not None:
        earlier = torch.load(start, weights_only=True)["average"]
        into_detector(earlier, detector)
        heads.load_state_dict({k.removeprefix("heads."): v for k, v in earlier.items() if k.startswith("heads.")})
    return torch.nn.ModuleDict({"detector": detector, "heads": heads})


def student_loss(student: Any, pixels: Any, ids: Any, mask: Any, targets: list[Target], shares: Any) -> tuple[Any, Any]:
    """The detector's loss and that of the dense heads on its features."""
    features: list[Any] = []
    projections = student["detector"].model.input_proj_vision
    hooks = [p.register_forward_hook(lambda _m, _i, out: features.append(out)) for p in projections[:3]]
    try:
        detected = detection_loss(student["detector"], pixels, ids, mask, targets)
    finally:
        for hook in hooks:
            hook.remove()
    return detected, dense_loss(*named_by(student["heads"], features), shares)[0]


def detector_of(state: dict[str, Any]) -> dict[str, Any]:
    """The detector's part of a student's weights."""
    return {k.removeprefix("detector."): v for k, v in state.items() if k.startswith("detector.")}


def train_detector(
    folder: Path,
    cache_folder: Path,
    *,
    schedule: Schedule,
    batch: int = 8,
    start: Path | None = None,
    valid: Path | None = None,
) -> None:
    """Train, or go on with, the detector in ``folder``; ``start`` is a trained backbone's checkpoint."""
    import torch

    torch.manual_seed(0)
    tokenizer = build_tokenizer(folder)
    cache = open_cache(cache_folder)
    begun = (folder / "checkpoint.pt").exists()
    run = Training(folder=folder, model=build_student(None if begun else start), schedule=schedule, seed=7)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        detected, dense = student_loss(model, *batch_of(cache, tokenizer, rng, batch))
        pixels, shares = dense_batch(cache, rng, batch)
        more, right = dense_loss(*named_by(model["heads"], features_of(model["detector"].model, pixels)), shares)
        return detected + DENSE_SHARE * (dense + more), {"detected": round(float(detected.detach()), 3), "right": right}

    def evaluate(state: dict[str, Any]) -> dict[str, float]:
        model = build_detector()
        model.load_state_dict(detector_of(state))
        if valid is None:
            return {}
        return detection_scores(find_phrases(model.eval(), tokenizer, open_cache(valid), scenes=60))

    run.train(loss_of, evaluate)

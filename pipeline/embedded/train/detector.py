"""Training of the tiny Grounding DINO: captions of one to four phrases, some of them of things that are not there.

Each picture is asked two captions: its backbone, half of the cost, runs once for both.

Beside the captions' boxes, dense heads go on teaching the backbone (see ``backbone``): a caption names a thing or two,
the label map all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.detector import SIDE_PX, build_detector, build_tokenizer, open_detector
from pipeline.embedded.train.backbone import (
    build_heads,
    coverage,
    dense_loss,
    into_detector,
    named_by,
    normalised,
)
from pipeline.embedded.train.data import SceneCache, open_cache
from pipeline.embedded.train.findings import detection_scores, find_phrases
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.matching import Target, detection_loss
from pipeline.embedded.train.mix import PLAIN, Mix, share_of_scenes
from pipeline.embedded.train.phrases import called, choose_phrases, encode, padded
from pipeline.embedded.train.views import View, shape_of_batch, view

SMALL_PX, FULL_PX = 128, SIDE_PX
DENSE_SHARE = 0.3
"""Weight of the dense heads' loss beside the detector's."""


def batch_of(
    cache: SceneCache,
    tokenizer: Any,
    rng: np.random.Generator,
    count: int,
    side: int = FULL_PX,
    mix: Mix = PLAIN,
    chances: NDArray[np.float64] | None = None,
) -> tuple[Any, Any, Any, list[Target], Any]:
    """Pixels (B, 3, h, w), token ids and mask (B C, L) with C captions a picture, their targets, and what each cell
    of a picture shows. ``chances`` (N,): see ``share_of_scenes``; scenes are drawn alike without them."""
    import torch

    pictures, captions, targets, shares = [], [], [], []
    shape = shape_of_batch(rng, side)
    for _ in range(count):
        index = int(rng.integers(len(cache)) if chances is None else np.searchsorted(chances, rng.random()))
        seen = view(cache, index, rng, shape, mix)
        pictures.append(seen.pixels)
        shares.append(coverage(seen))
        for _ in range(mix.captions):
            phrases = choose_phrases(seen.things, rng, seen.scene, mix)
            ids, spans = encode(phrases, tokenizer)
            captions.append(ids)
            targets.append(target_of(seen, phrases, spans))
    return normalised(np.stack(pictures)), *padded(captions), targets, torch.from_numpy(np.stack(shares))


def target_of(seen: View, phrases: list[str], spans: list[tuple[int, ...]]) -> Target:
    """What a caption of ``phrases``, whose tokens stand at ``spans``, names in a picture."""
    import torch

    pairs = [
        (at, span)
        for phrase, span in zip(phrases, spans, strict=True)
        for at, thing in enumerate(seen.things)
        if phrase in called(thing)
    ]
    masks = np.array([np.isin(seen.labels, seen.things[at].labels) for at, _ in pairs], np.float32)
    return Target(
        boxes=torch.from_numpy(seen.boxes[[at for at, _ in pairs]].reshape(-1, 4)),
        tokens=tuple(span for _, span in pairs),
        masks=torch.from_numpy(masks.reshape(-1, *seen.labels.shape)),
        asked=tuple(spans),
    )


def build_student(start: Path | None) -> Any:
    """The detector, and the dense heads that go on teaching its backbone.

    Args:
        start: a checkpoint of a backbone's training, or of an earlier stage of the detector's; or a folder of the
            detector's weights, beside which the heads begin anew.
    """
    import torch

    detector = build_detector()
    heads = build_heads(detector.config.d_model)
    if start is not None and start.is_dir():
        detector.load_state_dict(open_detector(start)[0].state_dict())
    elif start is not None:
        earlier = torch.load(start, weights_only=True)["average"]
        whole = detector_of(earlier)
        if whole:
            detector.load_state_dict(whole)
        else:
            into_detector(earlier, detector)
        heads.load_state_dict({k.removeprefix("heads."): v for k, v in earlier.items() if k.startswith("heads.")})
    return torch.nn.ModuleDict({"detector": detector, "heads": heads})


def student_loss(student: Any, pixels: Any, ids: Any, mask: Any, targets: list[Target], shares: Any) -> tuple[Any, Any]:
    """The detector's loss and that of the dense heads on its features. Pictures are repeated for their captions."""
    features: list[Any] = []
    each = len(ids) // len(pixels)
    projections = student["detector"].model.input_proj_vision
    hooks = [p.register_forward_hook(lambda _m, _i, out: features.append(out[::each])) for p in projections[:3]]
    try:
        with backbone_once(student["detector"].model, each):
            detected = detection_loss(student["detector"], pixels.repeat_interleave(each, 0), ids, mask, targets)
    finally:
        for hook in hooks:
            hook.remove()
    return detected, dense_loss(*named_by(student["heads"], [f.float() for f in features]), shares)


@contextlib.contextmanager
def backbone_once(model: Any, each: int) -> Iterator[None]:
    """Within the block the backbone sees one of ``each`` equal pictures in a row, and answers for all of them."""
    original = model.backbone.forward

    def answer(pixels: Any, mask: Any) -> tuple[list[Any], list[Any]]:
        levels, positions = original(pixels[::each], mask[::each])
        repeated = [tuple(part.repeat_interleave(each, 0) for part in level) for level in levels]
        return repeated, [position.repeat_interleave(each, 0) for position in positions]

    model.backbone.forward = answer
    try:
        yield
    finally:
        del model.backbone.forward  # the instance's attribute; the class's own method is visible again


def detector_of(state: dict[str, Any]) -> dict[str, Any]:
    """The detector's part of a student's weights."""
    return {k.removeprefix("detector."): v for k, v in state.items() if k.startswith("detector.")}


def train_detector(
    folder: Path,
    cache_folder: Path,
    *,
    schedule: Schedule,
    side: int = FULL_PX,
    batch: int = 8,
    start: Path | None = None,
    valid: Path | None = None,
    mix: Mix = PLAIN,
) -> None:
    """Train, or go on with, the detector in ``folder``; ``start``: see ``build_student``."""
    import torch

    torch.manual_seed(0)
    tokenizer = build_tokenizer(folder)
    cache = open_cache(cache_folder)
    begun = (folder / "checkpoint.pt").exists()
    chances = share_of_scenes(cache, mix) if mix.often else None
    run = Training(folder=folder, model=build_student(None if begun else start), schedule=schedule, seed=7)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        detected, (dense, right) = student_loss(model, *batch_of(cache, tokenizer, rng, batch, side, mix, chances))
        return detected + DENSE_SHARE * dense, {
            "detected": round(float(detected.detach()), 3),
            "right": round(right, 3),
        }

    def evaluate(state: dict[str, Any]) -> dict[str, float]:
        model = build_detector()
        model.load_state_dict(detector_of(state))
        if valid is None:
            return {}
        return detection_scores(find_phrases(model.eval(), tokenizer, open_cache(valid), scenes=80, side=side))

    run.train(loss_of, evaluate)

"""Training of the tiny Grounding DINO: captions of one to five phrases, some of them of things that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.embedded.captions import SYNONYMS
from pipeline.embedded.detector import SIDE_PX, build_detector, build_tokenizer
from pipeline.embedded.palette import DYES
from pipeline.embedded.train.data import SceneCache, Thing, open_cache
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.matching import Target, answers, box_ops, corners, detection_loss
from pipeline.embedded.train.sam import augmented

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
MOST_PHRASES = 5


def absent_phrases(things: tuple[Thing, ...], rng: np.random.Generator, count: int) -> list[str]:
    """Phrases of kinds that none of the things is called by, half of them with a colour."""
    taken = {phrase for thing in things for phrase in thing.phrases} | {thing.name for thing in things}
    names = [n for kind in SYNONYMS for n in SYNONYMS[kind] if n not in taken and not taken & set(SYNONYMS[kind])]
    colors = list(DYES)
    found = []
    for _ in range(count):
        name = names[int(rng.integers(len(names)))]
        found.append(name if rng.random() < 0.6 else f"{colors[int(rng.integers(len(colors)))]} {name}")
    return found


def choose_phrases(things: tuple[Thing, ...], rng: np.random.Generator) -> list[str]:
    """Different phrases of one caption, present and absent ones mixed."""
    count = 1 if rng.random() < 0.35 else int(rng.integers(2, MOST_PHRASES + 1))
    named = [thing for thing in things if thing.phrases]
    present = [t.phrases[int(rng.integers(len(t.phrases)))] for t in named]
    rng.shuffle(present)
    here = int(rng.binomial(count, 0.6))
    chosen = [*present[:here], *absent_phrases(things, rng, max(count - here, 1 if not present else 0))]
    rng.shuffle(chosen)
    return list(dict.fromkeys(chosen))


def encode(phrases: list[str], tokenizer: Any) -> tuple[list[int], list[tuple[int, ...]]]:
    """A caption's token ids, and the positions of each phrase's words in it."""
    ids, spans = [101], []
    for phrase in phrases:
        own = tokenizer(phrase, add_special_tokens=False)["input_ids"]
        spans.append(tuple(range(len(ids), len(ids) + len(own))))
        ids += [*own, 1012]
    return [*ids, 102], spans


def batch_of(
    cache: SceneCache, tokenizer: Any, rng: np.random.Generator, count: int
) -> tuple[Any, Any, Any, list[Target]]:
    """Pixels (B, 3, S, S), token ids and mask (B, L), targets."""
    import torch

    pictures, captions, targets = [], [], []
    for _ in range(count):
        index = int(rng.integers(len(cache)))
        things, native = cache.things[index], cache.images.shape[1]
        image = cv2.resize(np.asarray(cache.images[index]), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        flip = rng.random() < 0.5
        phrases = choose_phrases(things, rng)
        ids, spans = encode(phrases, tokenizer)
        boxes, tokens = [], []
        for phrase, span in zip(phrases, spans, strict=True):
            for thing in things:
                if phrase in thing.phrases:
                    x0, y0, x1, y1 = (v / native for v in thing.box)
                    x0, x1 = (1 - x1, 1 - x0) if flip else (x0, x1)
                    boxes.append([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
                    tokens.append(span)
        pictures.append(augmented(image[:, ::-1] if flip else image, rng))
        captions.append(ids)
        targets.append(Target(boxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4), tokens=tuple(tokens)))
    return normalised(np.stack(pictures)), *padded(captions), targets


def normalised(pictures: Any) -> Any:
    """(B, S, S, 3) in [0, 255] to the network's (B, 3, S, S)."""
    import torch

    pixels = (np.asarray(pictures, np.float32) - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def padded(captions: list[list[int]]) -> tuple[Any, Any]:
    """Token ids and their mask, as long as the longest caption."""
    import torch

    ids = torch.zeros(len(captions), max(map(len, captions)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, caption in enumerate(captions):
        ids[row, : len(caption)] = torch.tensor(caption)
        mask[row, : len(caption)] = 1
    return ids, mask


def train_detector(
    folder: Path, cache_folder: Path, *, schedule: Schedule, batch: int = 8, valid: Path | None = None
) -> None:
    """Train, or go on with, the detector in ``folder``."""
    import torch

    torch.manual_seed(0)
    tokenizer = build_tokenizer(folder)
    cache = open_cache(cache_folder)
    run = Training(folder=folder, model=build_detector(), schedule=schedule, seed=7)

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> tuple[Any, dict[str, float]]:
        return detection_loss(model, *batch_of(cache, tokenizer, rng, batch)), {}

    def evaluate(state: dict[str, Any]) -> dict[str, float]:
        model = build_detector()
        model.load_state_dict(state)
        return score_phrases(model.eval(), tokenizer, open_cache(valid), scenes=60) if valid is not None else {}

    run.train(loss_of, evaluate)


def score_phrases(model: Any, tokenizer: Any, cache: SceneCache, *, scenes: int) -> dict[str, float]:
    """One caption a phrase, as masks are made: recall and precision at thresholds, and where scores lie.

    Each thing is asked for by its first phrase; two absent phrases are asked for beside. A box is right above IoU 0.5.
    """
    import torch

    thresholds = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
    right, wrong, things = dict.fromkeys(thresholds, 0), dict.fromkeys(thresholds, 0), 0
    best, absent = [], []
    for index in range(min(scenes, len(cache))):
        rng = np.random.default_rng([5, index])
        named = [t for t in cache.things[index] if t.phrases]
        phrases = [*dict.fromkeys(t.phrases[0] for t in named), *absent_phrases(cache.things[index], rng, 2)]
        encoded = [encode([p], tokenizer) for p in phrases]
        ids, mask = padded([ids for ids, _ in encoded])
        side = cache.images.shape[1]
        image = cv2.resize(np.asarray(cache.images[index]), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            _, layers = answers(model, normalised(image[None]).expand(len(phrases), -1, -1, -1), ids, mask)
        logits, boxes = layers[-1]
        for row, phrase in enumerate(phrases):
            scores = logits[row].sigmoid()[:, list(encoded[row][1][0])].amax(1)
            truth = torch.tensor([t.box for t in named if phrase in t.phrases], dtype=torch.float32).view(-1, 4) / side
            found = corners(boxes[row])
            things += len(truth)
            if not len(truth):
                absent.append(float(scores.max()))
            used: set[int] = set()
            for query in box_ops().nms(found, scores, 0.6).tolist():
                overlap = box_ops().box_iou(found[query : query + 1], truth)[0] if len(truth) else torch.zeros(1)
                at = int(overlap.argmax())
                good = len(truth) > 0 and float(overlap[at]) >= 0.5 and at not in used
                if good:
                    used.add(at)
                    best.append(float(scores[query]))
                for t in thresholds:
                    if float(scores[query]) > t:
                        (right if good else wrong)[t] += 1
    result = {f"recall_{t}": round(right[t] / max(things, 1), 3) for t in thresholds}
    result |= {f"precision_{t}": round(right[t] / max(right[t] + wrong[t], 1), 3) for t in thresholds}
    result["subject_score_median"] = round(float(np.median(best)) if best else 0.0, 3)
    result["absent_score_p90"] = round(float(np.quantile(absent, 0.9)) if absent else 0.0, 3)
    return result

"""Scenes as the segmenter's training sees them: by themselves, far away, two side by side, upright and lying photos.

A segmenter that is taught single scenes alone cannot cut one of two figures: it takes their colours together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.palette import floats
from pipeline.embedded.train.data import SceneCache, Thing
from pipeline.embedded.train.mix import Mix
from pipeline.embedded.train.views import View, view

PROMPTS: Final = 5
LEAST_PX: Final = 40
"""Things of which less is seen, in pixels of the picture, are not asked for."""
JITTER: Final = (0.03, 0.08)
"""Edges of boxes move by such a share of their sides: mostly the first, one time in three the second."""
SQUARE: Final = 0.5
"""Share of square pictures; the others are upright or lying, with the rest of the frame empty, as SAM pads photos."""
NARROWEST: Final = 0.6
"""The shorter side of these is from this share of the frame on."""
SEGMENTED: Final = Mix(far=0.15, pairs=0.25, dim=0.1)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One picture's lesson.

    Attributes:
        pixels: (S, S, 3) float32 in [0, 255]; what a photo that is not square leaves over has the colour of nothing.
        boxes: (K, 4) float32, x0, y0, x1, y1 in pixels, a little off, as a detector's.
        masks: (K, S / 2, S / 2) float32 in [0, 1].
    """

    pixels: NDArray[np.float32]
    boxes: NDArray[np.float32]
    masks: NDArray[np.float32]


def jittered(box: tuple[float, ...], rng: np.random.Generator, amount: float) -> NDArray[np.float32]:
    """A box whose edges moved by a normal share ``amount`` of its sides, as a detector's would."""
    x0, y0, x1, y1 = box
    sides = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0], np.float64)
    return np.asarray(np.array(box) + rng.normal(0, amount, 4) * sides, np.float32)


def frame_of(rng: np.random.Generator, side: int) -> tuple[int, int]:
    """Height and width of the next picture inside its square frame."""
    if rng.random() < SQUARE:
        return side, side
    short = round(side * float(rng.uniform(NARROWEST, 1)) / 8) * 8
    return (side, short) if rng.random() < 0.75 else (short, side)


def sample(
    cache: SceneCache, rng: np.random.Generator, side: int, empty: NDArray[np.float32], mix: Mix = SEGMENTED
) -> Sample | None:
    """A random picture with boxes and soft masks of some of its things; None where too little is seen.

    Args:
        cache: the scenes.
        rng: draws everything.
        side: of the square frame, in pixels.
        empty: (3,) the colour that the network takes for nothing, its pixel mean.
        mix: how often scenes are far away, paired, of little contrast.
    """
    height, width = frame_of(rng, side)
    index = int(rng.integers(len(cache)))
    seen = view(cache, index, rng, (height, width), mix, label_scale=1)
    asked = list(zip(seen.things, seen.boxes, strict=True))
    boxes: list[NDArray[np.float32]] = []
    masks: list[NDArray[np.float32]] = []
    for at in rng.permutation(len(asked)):
        if len(masks) == PROMPTS:
            break
        thing, box = asked[int(at)]
        mask = _framed(seen, thing, side)
        if mask.sum() * 4 < LEAST_PX:
            continue
        x, y, w, h = (float(v) for v in box * np.array([width, height, width, height], np.float32))
        amount = JITTER[int(rng.random() < 1 / 3)]
        boxes.append(jittered((x - w / 2, y - h / 2, x + w / 2, y + h / 2), rng, amount))
        masks.append(mask)
    if not masks:
        return None
    pixels = np.broadcast_to(empty, (side, side, 3)).astype(np.float32)
    pixels[:height, :width] = seen.pixels
    return Sample(pixels=pixels, boxes=np.stack(boxes), masks=np.stack(masks))


def _framed(seen: View, thing: Thing, side: int) -> NDArray[np.float32]:
    """A thing's soft mask (side / 2, side / 2) in the square frame."""
    whole: NDArray[Any] = np.zeros((side, side), np.float32)
    height, width = seen.labels.shape
    whole[:height, :width] = np.isin(seen.labels, thing.labels)
    return floats(cv2.resize(whole, (side // 2, side // 2), interpolation=cv2.INTER_AREA))

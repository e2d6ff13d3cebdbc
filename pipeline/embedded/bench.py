"""Scenes per second on one core: ``python -m pipeline.embedded.bench``."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Final

import cv2
import numpy as np

from pipeline.embedded.render import render
from pipeline.embedded.scene import random_spec

SCENES: Final = 200


def measure(scenes: int = SCENES, side_px: int = 256) -> dict[str, float]:
    """CPU seconds a scene, by kind, and scenes per second in all (``all``), on one thread."""
    cv2.setNumThreads(1)
    render(0, size=(side_px, side_px))  # builds the noise that every scene shares
    spent: dict[str, list[float]] = defaultdict(list)
    for seed in range(scenes):
        spec = random_spec(np.random.default_rng([seed, 5]))
        start = time.process_time()
        render(seed, size=(side_px, side_px), spec=spec)
        spent[spec.kind].append(time.process_time() - start)
    result = {kind: float(np.mean(values)) for kind, values in sorted(spent.items())}
    result["all"] = scenes / sum(sum(values) for values in spent.values())
    return result


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name}: {value:.1f} scenes/s" if name == "all" else f"{name}: {value * 1000:.1f} ms")

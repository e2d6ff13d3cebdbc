"""Scenes as files: pictures, masks and a JSONL of their ground truth, for a look or for another tool."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from pipeline.embedded.render import flat_pair, render, worn_pair
from pipeline.embedded.scene import RENDERER_VERSION, Scene
from pipeline.errors import RecipeError
from pipeline.types import Image, Json, Size

PAIRS = {"worn": worn_pair, "flat": flat_pair}
SMALLEST_PX, LARGEST_PX = 64, 2048


def scene_facts(scene: Scene, name: str) -> Json:
    """A scene's line of ``scenes.jsonl``: caption, attributes, boxes with phrases, key points, mask files."""
    return {
        "picture": f"{name}.png",
        "caption": scene.caption,
        "attributes": dict(scene.attributes),
        "boxes": [{"label": b.label, "phrases": list(b.phrases), "box": list(b.box)} for b in scene.boxes],
        "keypoints": [[round(float(v), 2) for v in row] for row in scene.keypoints],
        "masks": {label: f"{name}__{label.replace(' ', '-')}.png" for label in scene.masks},
        "alpha": f"{name}__alpha.png",
        "renderer": RENDERER_VERSION,
    }


def _write(path: Path, array: Image) -> None:
    """One PNG; ``array`` is RGB or grey."""
    done, data = cv2.imencode(".png", array[..., ::-1] if array.ndim == 3 else array)
    if not done:
        raise OSError(f"{path}: the picture could not be encoded")
    path.write_bytes(data.tobytes())


def write_scene(out: Path, scene: Scene, name: str) -> Json:
    """Write one scene's picture, masks and alpha into ``out``; return its facts."""
    facts = scene_facts(scene, name)
    _write(out / facts["picture"], scene.image)
    _write(out / facts["alpha"], np.round(scene.alpha * 255).astype(np.uint8))
    for label, mask in scene.masks.items():
        _write(out / facts["masks"][label], mask.astype(np.uint8) * 255)
    return facts


def render_folder(out: Path, count: int, *, seed: int = 0, size: Size = (512, 512), pairs: str | None = None) -> int:
    """Render ``count`` scenes (or pairs: ``worn`` or ``flat``) from ``seed`` on into ``out``; the number of pictures.

    Raises:
        RecipeError: a size or a kind of pair that the studio does not draw.
    """
    if not all(SMALLEST_PX <= side <= LARGEST_PX for side in size):
        raise RecipeError(f"size {size[0]}x{size[1]}: the studio draws {SMALLEST_PX} to {LARGEST_PX} px a side")
    if pairs is not None and pairs not in PAIRS:
        raise RecipeError(f"pairs {pairs!r}: say one of {', '.join(PAIRS)}")
    out.mkdir(parents=True, exist_ok=True)
    pictures = 0
    with (out / "scenes.jsonl").open("w") as lines:
        for number in range(seed, seed + count):
            scenes = (render(number, size=size),) if pairs is None else PAIRS[pairs](number, size=size)
            for letter, scene in zip("ab", scenes, strict=False):
                name = f"{number:06d}" if pairs is None else f"{number:06d}{letter}"
                lines.write(json.dumps(write_scene(out, scene, name)) + "\n")
                pictures += 1
    return pictures


def sheet(count: int, *, seed: int = 0, size: Size = (256, 256), columns: int = 8) -> Image:
    """A contact sheet of ``count`` unselected scenes from ``seed`` on: (rows * height, columns * width, 3)."""
    pictures = [render(number, size=size).image for number in range(seed, seed + count)]
    blank = np.full((*size, 3), 255, np.uint8)
    pictures += [blank] * (-len(pictures) % columns)
    return np.vstack([np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)])

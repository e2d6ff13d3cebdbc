"""Scenes for the inpainting model: small portraits with what may be kept, the body's joints and a full caption."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.captions import caption_of
from pipeline.embedded.cloth import BOTTOMS
from pipeline.embedded.palette import HAIR, SKINS, rgb
from pipeline.embedded.render import render
from pipeline.embedded.scene import RENDERER_VERSION, Kind, Scene, SceneSpec, random_spec
from pipeline.types import Image, Size

SIZE: Final[Size] = (192, 144)
FIRST_SEED: Final = 3_000_000
"""Training draws scenes from this seed on."""
BACKDROP, BODY, TOP, BOTTOM, SHOES, BAG, PRODUCT = range(7)
"""What a pixel of the label map belongs to. A dress or a flat-lay garment counts as top or bottom by its kind."""
PARTS: Final = PRODUCT + 1
"""How many of these there are."""
_WEIGHTS: Final[dict[Kind, float]] = {
    "person": 0.64, "product": 0.20, "flat": 0.05, "ghost": 0.05, "mannequin": 0.03, "headless": 0.03,
}  # fmt: skip
_FOOTWEAR: Final = frozenset({"shoes", "sneakers", "boots", "sandals", "loafers", "heels"})


@dataclass(frozen=True, kw_only=True)
class RestageCache:
    """``images`` (N, H, W, 3) and ``labels`` (N, H, W) uint8, ``joints`` (N, 18, 3) float32, a caption each."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    joints: NDArray[np.float32]
    captions: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.captions)

    def scene(self, index: int, px: Size) -> tuple[Image, NDArray[np.uint8], NDArray[np.float32]]:
        """Picture, labels and joints of one scene at the size ``px``, at most that of the cache."""
        image, labels = np.asarray(self.images[index]), np.asarray(self.labels[index])
        joints = np.array(self.joints[index])
        height, width = labels.shape
        if (height, width) == px:
            return image, labels, joints
        joints[:, :2] *= np.array([px[1] / width, px[0] / height], np.float32)
        small = cv2.resize(image, (px[1], px[0]), interpolation=cv2.INTER_AREA)
        parts = cv2.resize(labels, (px[1], px[0]), interpolation=cv2.INTER_NEAREST)
        return small.astype(np.uint8), parts.astype(np.uint8), joints


def spec_of(seed: int) -> SceneSpec:
    """The scene of ``seed`` in the mix that restaging needs: mostly people, some products and empty garments."""
    rng = np.random.default_rng([seed, 11])
    kinds, shares = list(_WEIGHTS), np.array(list(_WEIGHTS.values()))
    wanted = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
    while True:
        spec = random_spec(rng)
        if spec.kind == wanted:
            return spec


def caption_parts(spec: SceneSpec) -> tuple[str, str]:
    """What is in the picture, with a person's skin and hair, and where: the caption's two halves."""
    what, place = caption_of(spec).rsplit(", ", 1)
    looks = spec.looks
    if spec.kind == "person" and looks is not None:
        skin = _name_of(SKINS, looks.skin)
        hair = "no hair" if looks.hair == "bald" else f"{looks.hair} {_name_of(HAIR, looks.hair_color)} hair"
        what = what.replace("a model", f"a model with {skin} skin and {hair}", 1)
    return what, place


def _name_of(table: Mapping[str, str], color: NDArray[np.float32]) -> str:
    return min(table, key=lambda name: float(np.abs(rgb(table[name]) - color).sum()))


def labels_of(scene: Scene) -> NDArray[np.uint8]:
    """The scene's label map (H, W)."""
    labels = np.zeros(scene.size, np.uint8)
    garments = {garment.kind for garment in scene.spec.garments}
    for name, mask in scene.masks.items():
        if name == "bag" and scene.spec.kind != "product":
            part = BAG
        elif name in _FOOTWEAR and scene.spec.kind != "product":
            part = SHOES
        elif name in garments:
            part = BOTTOM if name in BOTTOMS else TOP
        elif scene.spec.kind == "product":
            part = PRODUCT
        else:
            part = BODY
        labels[mask] = part
    return labels


def build_restage(folder: Path, count: int, *, first_seed: int = FIRST_SEED, log_every: int = 500) -> None:
    """Render ``count`` scenes into ``folder``; goes on where it stopped. A cache of another renderer is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"renderer": RENDERER_VERSION, "first_seed": first_seed, "size": list(SIZE)}
    stamp, lines = folder / "cache.json", folder / "captions.jsonl"
    if stamp.exists() and json.loads(stamp.read_text()) != about:
        raise ValueError(f"{folder} holds another set of scenes: {stamp.read_text()}; delete it or use another folder")
    stamp.write_text(json.dumps(about))
    done = lines.read_text().count("\n") if lines.exists() else 0
    area = SIZE[0] * SIZE[1]
    with (
        (folder / "images.u8").open("ab") as images,
        (folder / "labels.u8").open("ab") as labels,
        (folder / "joints.f4").open("ab") as joints,
        lines.open("a") as captions,
    ):
        images.truncate(done * area * 3)
        labels.truncate(done * area)
        joints.truncate(done * 18 * 3 * 4)
        for index in range(done, count):
            scene = render(first_seed + index, size=SIZE, spec=spec_of(first_seed + index))
            images.write(scene.image.tobytes())
            labels.write(labels_of(scene).tobytes())
            joints.write(scene.keypoints.astype(np.float32).tobytes())
            for stream in (images, labels, joints):
                stream.flush()
            captions.write(json.dumps(caption_parts(scene.spec)) + "\n")
            captions.flush()
            if (index + 1) % log_every == 0:
                print(f"{folder.name}: {index + 1} of {count} scenes", flush=True)


def open_restage(folder: Path) -> RestageCache:
    """Open a cache as read-only memory maps; it may still be growing."""
    rows = [line for line in (folder / "captions.jsonl").read_text().splitlines(keepends=True) if line.endswith("\n")]
    count = len(rows)
    captions = tuple((str(what), str(place)) for what, place in map(json.loads, rows))
    return RestageCache(
        images=np.memmap(folder / "images.u8", np.uint8, "r", shape=(count, *SIZE, 3)),
        labels=np.memmap(folder / "labels.u8", np.uint8, "r", shape=(count, *SIZE)),
        joints=np.memmap(folder / "joints.f4", np.float32, "r", shape=(count, 18, 3)),
        captions=captions,
    )

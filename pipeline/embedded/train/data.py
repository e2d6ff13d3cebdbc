"""Rendered scenes kept on disk as plain arrays, so that training never waits for the renderer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.render import box_of, render
from pipeline.embedded.scene import RENDERER_VERSION, Scene

TRAIN_SEED: Final = 1_000_000
"""Training draws scenes from this seed on; the seeds below are held out for scores and pictures."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A nameable thing of a scene: the label map's numbers that make it up, its phrases, its box (x0, y0, x1, y1)."""

    labels: tuple[int, ...]
    name: str
    phrases: tuple[str, ...]
    box: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class SceneCache:
    """``images`` (N, S, S, 3) and ``labels`` (N, S, S), uint8, on disk, with the things of each scene."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    things: tuple[tuple[Thing, ...], ...]

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.things)

    def mask(self, index: int, thing: Thing) -> NDArray[np.bool_]:
        """The thing's visible pixels."""
        return np.isin(self.labels[index], thing.labels)


def label_map(scene: Scene) -> tuple[NDArray[np.uint8], tuple[Thing, ...]]:
    """A scene's parts as numbers (0 is the backdrop), and its things: whole figures and named parts."""
    numbers = np.zeros(scene.size, np.uint8)
    order = {name: number for number, name in enumerate(scene.masks, start=1)}
    for name, mask in scene.masks.items():
        numbers[mask] = order[name]
    things = []
    for box in scene.boxes:
        own = (order[box.label],) if box.label in order and box.label != "mannequin" else tuple(order.values())
        things.append(Thing(labels=own, name=box.label, phrases=box.phrases, box=box.box))
    if "hair" in order and int(scene.masks["hair"].sum()) >= 64:
        # skin is left out: a box around all of it is the box of the whole figure, which means something else
        things.append(Thing(labels=(order["hair"],), name="hair", phrases=(), box=box_of(scene.masks["hair"])))
    return numbers, tuple(things)


def build_cache(
    folder: Path, count: int, *, first_seed: int = TRAIN_SEED, size_px: int = 256, log_every: int = 500
) -> None:
    """Render ``count`` scenes into ``folder``; goes on where it stopped. A cache of another renderer is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"renderer": RENDERER_VERSION, "first_seed": first_seed, "size_px": size_px}
    stamp, lines = folder / "cache.json", folder / "things.jsonl"
    if stamp.exists() and json.loads(stamp.read_text()) != about:
        raise ValueError(f"{folder} holds another set of scenes: {stamp.read_text()}; delete it or use another folder")
    stamp.write_text(json.dumps(about))
    done = lines.read_text().count("\n") if lines.exists() else 0
    with (
        (folder / "images.u8").open("ab") as images,
        (folder / "labels.u8").open("ab") as labels,
        lines.open("a") as out,
    ):
        images.truncate(done * size_px * size_px * 3)
        labels.truncate(done * size_px * size_px)
        for index in range(done, count):
            scene = render(first_seed + index, size=(size_px, size_px))
            numbers, things = label_map(scene)
            images.write(scene.image.tobytes())
            labels.write(numbers.tobytes())
            for stream in (images, labels):
                stream.flush()
            out.write(json.dumps([[list(t.labels), t.name, list(t.phrases), list(t.box)] for t in things]) + "\n")
            out.flush()
            if (index + 1) % log_every == 0:
                print(f"{folder.name}: {index + 1} of {count} scenes", flush=True)


def open_cache(folder: Path) -> SceneCache:
    """Open a cache as read-only memory maps; it may still be growing."""
    size_px = int(json.loads((folder / "cache.json").read_text())["size_px"])
    rows = [line for line in (folder / "things.jsonl").read_text().splitlines(keepends=True) if line.endswith("\n")]
    things = tuple(
        tuple(
            Thing(labels=tuple(a), name=b, phrases=tuple(c), box=(d[0], d[1], d[2], d[3]))
            for a, b, c, d in json.loads(row)
        )
        for row in rows
    )
    count = len(things)
    images = np.memmap(folder / "images.u8", np.uint8, "r", shape=(count, size_px, size_px, 3))
    labels = np.memmap(folder / "labels.u8", np.uint8, "r", shape=(count, size_px, size_px))
    return SceneCache(images=images, labels=labels, things=things)

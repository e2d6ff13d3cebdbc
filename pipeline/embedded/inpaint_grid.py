"""Grids of what the inpainting model makes of scenes that it never saw: every scene in its turn, none picked.

Each scene stands above its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pipeline.embedded import restaging
from pipeline.embedded.backdrops import BACKDROPS
from pipeline.embedded.judges import COLOR_CLASSES, PATTERN_CLASSES
from pipeline.embedded.restaging import Edit, Painter, Shot
from pipeline.embedded.train.restage import TOP
from pipeline.files.encode import encode_picture
from pipeline.types import Image


def _kept(shot: Shot, index: int) -> Edit:
    return restaging.keep_edit(shot, index, restaging.another_place(shot, index))


def _placed(shot: Shot, index: int) -> Edit:
    place = BACKDROPS[index % len(BACKDROPS)]
    return restaging.place_edit(shot, index, place)


def _recolored(shot: Shot, index: int) -> Edit:
    color = COLOR_CLASSES[index % len(COLOR_CLASSES)]
    pattern = PATTERN_CLASSES[index // 2 % len(PATTERN_CLASSES)] if index % 2 else "plain"
    return restaging.garment_edit(shot, index, color if pattern == "plain" else f"{color} {pattern}")


def _shows_top(shot: Shot) -> bool:
    return restaging.shows_person(shot) and bool((shot.labels == TOP).sum() > 500)


def _no_person(shot: Shot) -> bool:
    return shot.spec.kind == "product"


GRIDS: Final[Mapping[str, tuple[Callable[[Shot], bool], Callable[[Shot, int], Edit]]]] = {
    "keep": (restaging.shows_person, _kept),
    "place": (_no_person, _placed),
    "garment": (_shows_top, _recolored),
}
"""Which scenes a grid takes, and what it asks for."""


def grid(painter: Painter, name: str, count: int, *, seed: int = 0) -> tuple[Image, list[str]]:
    """The first ``count`` fitting scenes from ``seed`` on, each above its result, and the prompts in their order."""
    wanted, edit_of = GRIDS[name]
    found = restaging.shots_where(seed, count, wanted)
    edits = [edit_of(shot, index) for index, shot in enumerate(found)]
    made = [painter.paint(shot, edit) for shot, edit in zip(found, edits, strict=True)]
    pictures: list[Image] = []
    for start in range(0, count, 8):
        before = [shot.image for shot in found[start : start + 8]]
        pictures += [*before, *made[start : start + 8]]
    return restaging.page(pictures, columns=min(count, 8)), [edit.prompt for edit in edits]


def write_grids(
    folder: Path, out: Path, *, count: int = 16, seed: int = 0, steps: int = restaging.STEPS, quality: int = 82
) -> list[Path]:
    """Write every grid of the model in ``folder`` as ``out/studio-inpaint-NAME.jpg``, 8 columns."""
    painter, paths = Painter(folder, steps=steps), []
    out.mkdir(parents=True, exist_ok=True)
    for name in GRIDS:
        sheet, _ = grid(painter, name, count, seed=seed)
        path = out / f"studio-inpaint-{name}.jpg"
        path.write_bytes(encode_picture(sheet, file_format="jpeg", quality=quality))
        paths.append(path)
    return paths

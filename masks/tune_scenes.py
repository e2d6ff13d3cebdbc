"""Questions with known answers for the threshold search: rendered scenes, plain and hard.

Hard are: faint pictures, where the right box scores low; small subjects; pairs of scenes in one picture, where other
garments and figures distract; and phrases that name nothing in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from pipeline.embedded.captions import SYNONYMS
from pipeline.embedded.render import render
from pipeline.embedded.scene import Scene
from pipeline.types import Image, Mask

SIDE_PX: Final = 256
WAYS: Final = ("plain", "plain", "plain", "faint", "small", "pair")
FIGURES: Final = ("person", "mannequin")
LEAST_SHARE: Final = 0.002
"""Things that cover less of the picture are not asked for: what is left of them behind others."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One subject asked of one picture.

    Attributes:
        seed: the scene's.
        way: how the picture was made hard.
        phrases: what is asked: a name and its synonyms.
        truth: the answer; None if nothing in the picture answers.
        figure: the figures in the picture, to tell whole-body answers by; None without one.
    """

    seed: int
    way: str
    phrases: tuple[str, ...]
    truth: Mask | None
    figure: Mask | None

    @property
    def is_figure(self) -> bool:
        """Whether the figure itself is asked for."""
        return self.phrases[0] in FIGURES


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A picture and all that is asked of it."""

    image: Image
    questions: tuple[Question, ...]


def draw_questions(seeds: Sequence[int], *, side_px: int = SIDE_PX) -> Iterator[Asked]:
    """Pictures of the given seeds; the same seed gives the same picture and questions."""
    for seed in seeds:
        rng = np.random.default_rng([seed, 77])
        way = WAYS[int(rng.integers(len(WAYS)))]
        image, things, figure = _DRAWN[way](seed, side_px, rng)
        questions = [
            Question(seed=seed, way=way, phrases=names_of(label), truth=mask, figure=figure)
            for label, mask in things.items()
            if mask.mean() >= LEAST_SHARE
        ]
        questions += [
            Question(seed=seed, way=way, phrases=names_of(label), truth=None, figure=figure)
            for label in absent_labels(things, rng)
        ]
        yield Asked(image=image, questions=tuple(questions))


def names_of(label: str) -> tuple[str, ...]:
    """What a studio writes for a class: its name and at most one synonym."""
    return SYNONYMS.get(label, (label,))[:2]


def absent_labels(things: dict[str, Mask], rng: np.random.Generator, count: int = 2) -> list[str]:
    """Classes of which nothing in the picture bears any name."""
    said = {name for label in things for name in SYNONYMS.get(label, (label,))}
    free = [label for label, names in SYNONYMS.items() if label not in FIGURES and not said.intersection(names)]
    return [free[int(at)] for at in rng.choice(len(free), min(count, len(free)), replace=False)]


_Drawn = tuple[Image, dict[str, Mask], Mask | None]


def _plain(seed: int, side: int, rng: np.random.Generator) -> _Drawn:
    scene = render(seed, size=(side, side))
    return scene.image, _things(scene), _figure(scene)


def _things(scene: Scene) -> dict[str, Mask]:
    """The mask of each thing that has a name."""
    whole = scene.alpha > 0.5
    return {box.label: whole if box.label in FIGURES else scene.masks[box.label] for box in scene.boxes}


def _figure(scene: Scene) -> Mask | None:
    return scene.alpha > 0.5 if scene.boxes and scene.boxes[0].label in FIGURES else None


def _faint(seed: int, side: int, rng: np.random.Generator) -> _Drawn:
    """Low contrast, as through haze or badly lit, with grain."""
    image, things, figure = _plain(seed, side, rng)
    contrast, level = rng.uniform(0.3, 0.55), rng.uniform(60, 200)
    grain = rng.normal(0, rng.uniform(2, 5), image.shape)
    dim = (image.astype(np.float32) - 128) * contrast + level + grain
    return np.clip(np.rint(dim), 0, 255).astype(np.uint8), things, figure


def _small(seed: int, side: int, rng: np.random.Generator) -> _Drawn:
    """The scene at about half its size; the backdrop goes on around it."""
    inner = round(side * rng.uniform(0.5, 0.65))
    image, things, figure = _plain(seed, inner, rng)
    left, top = (int(rng.integers(0, side - inner + 1)) for _ in range(2))
    edges = (top, side - inner - top, left, side - inner - left)
    wide = cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE)

    def placed(mask: Mask) -> Mask:
        around = np.zeros((side, side), bool)
        around[top : top + inner, left : left + inner] = mask
        return around

    return (
        np.asarray(wide, np.uint8),
        {name: placed(mask) for name, mask in things.items()},
        None if figure is None else placed(figure),
    )


def _pair(seed: int, side: int, rng: np.random.Generator) -> _Drawn:
    """Two scenes side by side. What both show is not asked for, for one phrase cannot tell them apart."""
    other_seed = seed + 300_000  # still below the training's seeds
    left, right = (render(one, size=(side, side // 2)) for one in (seed, other_seed))
    width = side // 2

    def placed(mask: Mask, on_left: bool) -> Mask:
        sides = [np.zeros((side, width), bool)] * 2
        sides[0 if on_left else 1] = mask
        return np.concatenate(sides, axis=1)

    things: dict[str, Mask] = {}
    both = [_things(left), _things(right)]
    said = [{name for label in one for name in SYNONYMS.get(label, (label,))} for one in both]
    for at, one in enumerate(both):
        for label, mask in one.items():
            if not said[1 - at].intersection(SYNONYMS.get(label, (label,))):
                things[label] = placed(mask, at == 0)
    figures = [placed(mask, at == 0) for at, mask in enumerate(map(_figure, (left, right))) if mask is not None]
    figure = np.any(figures, axis=0) if figures else None
    return np.concatenate([left.image, right.image], axis=1), things, figure


_DRAWN = {"plain": _plain, "faint": _faint, "small": _small, "pair": _pair}

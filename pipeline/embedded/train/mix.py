"""What a detector's training is made of: how often which scenes, views and phrases are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.train.data import SceneCache


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What a training's pictures and captions are made of.

    Attributes:
        far: share of pictures whose scene is far away.
        pairs: share that shows two scenes.
        dim: share of little contrast.
        near: share of a caption's absent phrases that look like something present.
        here: share of phrases that are present.
        single: share of captions that ask one phrase alone.
        most: phrases of the longest captions.
        captions: captions of each picture.
        often: how often a scene is drawn that shows a kind, against 1; the highest of its kinds counts.
    """

    far: float = 0.2
    pairs: float = 0.15
    dim: float = 0.2
    near: float = 0.5
    here: float = 0.6
    single: float = 0.65
    most: int = 4
    captions: int = 2
    often: Mapping[str, float] = field(default_factory=dict)


PLAIN: Final = Mix()
HARD: Final = Mix(
    pairs=0.2,
    near=0.5,
    here=0.6,
    single=0.6,
    most=6,
    captions=3,
    often={
        "shorts": 2.0,
        "skirt": 2.0,
        "bag": 2.0,
        "dress": 1.5,
        "jacket": 1.5,
        "hoodie": 1.5,
        **dict.fromkeys(("sneakers", "boots", "shoes", "shoe", "bottle", "mug", "chair", "lamp"), 1.3),
    },
)
"""For a model that finds things already and takes kinds for each other: many phrases of what looks alike, and more of
the scenes whose kinds it mistakes most."""


def share_of_scenes(cache: SceneCache, mix: Mix) -> NDArray[np.float64]:
    """(N,) the chance of each scene to be drawn, cumulated: the last is 1."""
    often = [max((mix.often.get(t.name, 1.0) for t in things), default=1.0) for things in cache.things]
    return np.asarray(np.cumsum(often) / np.sum(often))

"""What a scene is: its specification before it is drawn, and the picture with its ground truth after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeVar

import numpy as np

from pipeline.embedded.backdrops import BACKDROPS
from pipeline.embedded.cloth import BOTTOMS, TOPS, GarmentSpec
from pipeline.embedded.figure import HAIR_STYLES, Looks
from pipeline.embedded.footwear import SHOES, BagSpec, ShoeSpec
from pipeline.embedded.lettering import EMBLEMS, WORDS
from pipeline.embedded.palette import DENIM, DYES, HAIR, SKINS, Floats, contrast, rgb
from pipeline.embedded.patterns import PATTERNS
from pipeline.types import Alpha, Box, Image, Mask, Size

RENDERER_VERSION: Final = 3
"""Raised whenever a seed gives another picture."""

Kind = Literal["person", "mannequin", "headless", "flat", "ghost", "product"]
KINDS: Final[tuple[Kind, ...]] = ("person", "mannequin", "headless", "flat", "ghost", "product")
PRODUCTS: Final = ("shoe", "bag", "bottle", "mug", "chair", "lamp")
FLAT_SURFACES: Final = ("white", "wood", "marble", "paper", "grey sweep")


@dataclass(frozen=True, kw_only=True)
class SceneSpec:
    """All that decides a picture but its size.

    ``framing`` is ``full`` (head to feet), ``upper`` (head to hips) or ``torso`` (neck to thighs). ``pose_seed``
    decides pose, place and build, so two specs that share it show the same stance.
    """

    kind: Kind
    backdrop: str
    backdrop_seed: int = 0
    pose_seed: int = 0
    garments: tuple[GarmentSpec, ...] = ()
    shoes: ShoeSpec | None = None
    bag: BagSpec | None = None
    looks: Looks | None = None
    framing: str = "full"
    product: str | None = None
    color_name: str = ""
    calm: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PhraseBox:
    """One thing in the picture: its part label, the phrases that name it, its box."""

    label: str
    phrases: tuple[str, ...]
    box: Box


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture and everything that is true of it.

    ``masks`` are the visible pixels per part, ``alpha`` the soft coverage of the whole subject, ``keypoints``
    (18, 3) float32 in OpenPose's order (x px, y px, 1 if inside the picture; all zero if there is no body).
    """

    image: Image
    masks: Mapping[str, Mask]
    alpha: Alpha
    boxes: tuple[PhraseBox, ...]
    keypoints: Floats
    caption: str
    attributes: Mapping[str, str]
    spec: SceneSpec

    @property
    def size(self) -> Size:
        """Height and width in px."""
        return self.image.shape[0], self.image.shape[1]


_T = TypeVar("_T")


def pick(rng: np.random.Generator, options: Sequence[_T], weights: tuple[float, ...] | None = None) -> _T:
    """One of ``options``."""
    if weights is None:
        return options[int(rng.integers(len(options)))]
    p = np.asarray(weights, np.float64)
    return options[int(rng.choice(len(options), p=p / p.sum()))]


def random_garment(rng: np.random.Generator, kind: str) -> GarmentSpec:
    """A garment of ``kind`` in a seeded colour, pattern and cut."""
    jeans = kind == "jeans"
    color_name = pick(rng, list(DENIM) if jeans else list(DYES))
    color = rgb((DENIM if jeans else DYES)[color_name])
    calm = kind in ("trousers", "jeans", "shorts", "coat", "jacket")
    pattern = "plain" if jeans or rng.random() < (0.75 if calm else 0.42) else pick(rng, list(PATTERNS[1:]))
    printed = kind in ("t-shirt", "sweater", "hoodie", "tank top") and pattern == "plain" and rng.random() < 0.55
    sleeve = {"t-shirt": 0.30, "tank top": 0.0, "dress": pick(rng, [0.0, 0.22, 0.3, 1.0])}.get(kind, 1.0)
    lengths = {
        "dress": (0.42, 1.25),
        "skirt": (0.55, 1.5),
        "coat": (0.55, 1.05),
        "shorts": (0.2, 0.9),
        "trousers": (0.9, 1.0),
    }
    low, high = lengths.get(kind, (0.7, 1.3))
    flare = rng.uniform(1.0, 1.25) if kind in ("trousers", "jeans", "shorts") else rng.uniform(0.9, 1.75)
    return GarmentSpec(
        kind=kind,
        color_name=color_name,
        color=color,
        pattern=pattern,
        second=_second(rng, color),
        period=float(rng.uniform(0.032, 0.056)),
        length=float(rng.uniform(low, high)),
        fit=float(rng.uniform(0.005, 0.010) if kind in BOTTOMS or kind == "dress" else rng.uniform(0.007, 0.018)),
        sleeve=sleeve if sleeve in (0.0, 1.0) else float(sleeve + rng.uniform(-0.05, 0.12)),
        flare=float(flare),
        neck=pick(rng, ["round", "vee"], (0.7, 0.3)),
        print_name=pick(rng, [*WORDS, *EMBLEMS]) if printed else None,
        seed=int(rng.integers(1 << 30)),
    )


def _second(rng: np.random.Generator, color: Floats) -> Floats:
    """The pattern's other colour: off-white or navy, or a dye that stands off the base."""
    if rng.random() < 0.6:
        return contrast(color)
    other = rgb(DYES[pick(rng, list(DYES))])
    return other if float(np.abs(other - color).sum()) > 0.8 else contrast(color)


def random_looks(rng: np.random.Generator, kind: Kind) -> Looks:
    """A person's looks, or a mannequin's shell."""
    if kind in ("mannequin", "headless"):
        tone = float(pick(rng, [0.80, 0.74, 0.88, 0.30, 0.62], (4, 3, 2, 1, 2)))
        shell = np.array([tone, tone, tone * 1.005], np.float32)
        feminine = bool(rng.random() < 0.5)
        return Looks(skin=shell, hair_color=shell, feminine=feminine, mannequin=True, headless=kind == "headless")
    feminine, senior = bool(rng.random() < 0.55), bool(rng.random() < 0.15)
    hair_names = ["grey"] if senior else list(HAIR)[:5]
    styles = HAIR_STYLES if feminine else ("short", "crop", "bald", "afro", "short", "crop")
    style = pick(rng, [s for s in styles if s != "bald" or not feminine])
    skin = pick(rng, list(SKINS))
    dark = skin in ("brown", "dark brown", "deep")
    hair = pick(rng, ["black", "dark brown"]) if dark and not senior else pick(rng, hair_names)
    return Looks(
        skin=rgb(SKINS[skin]),
        hair_color=rgb(HAIR[hair]),
        hair=style,
        feminine=feminine,
        senior=senior,
        beard=bool(not feminine and rng.random() < 0.3),
    )


def random_outfit(rng: np.random.Generator) -> tuple[GarmentSpec, ...]:
    """Bottom and top, or a dress; drawn in this order."""
    top = pick(rng, list(TOPS), (3, 1.2, 2.2, 2, 1.6, 1.6, 1.6, 3))
    if top == "dress":
        return (random_garment(rng, "dress"),)
    bottom = pick(rng, ["trousers", "jeans"]) if top == "coat" else pick(rng, list(BOTTOMS), (3, 3, 1, 2))
    under = random_garment(rng, bottom)
    over = random_garment(rng, top)
    if under.pattern != "plain" and over.pattern != "plain":
        under = replace(under, pattern="plain")
    return under, over


def random_shoes(rng: np.random.Generator) -> ShoeSpec:
    """A pair of shoes in a sober colour."""
    name = pick(rng, ["black", "white", "brown", "navy", "red", "grey", "camel"])
    return ShoeSpec(kind=pick(rng, list(SHOES)), color_name=name, color=rgb(DYES[name]))


def random_spec(rng: np.random.Generator) -> SceneSpec:
    """A seeded scene of any kind, in the mix that the studio's models are trained on."""
    kind = pick(rng, list(KINDS), (0.40, 0.10, 0.13, 0.13, 0.10, 0.14))
    backdrop, backdrop_seed, pose_seed = (
        pick(rng, list(BACKDROPS)),
        int(rng.integers(1 << 30)),
        int(rng.integers(1 << 30)),
    )
    if kind == "product":
        name = pick(rng, list(DYES))
        return SceneSpec(
            kind=kind,
            backdrop=backdrop,
            backdrop_seed=backdrop_seed,
            pose_seed=pose_seed,
            product=pick(rng, list(PRODUCTS)),
            color_name=name,
        )
    if kind in ("flat", "ghost"):
        garment = random_garment(rng, pick(rng, [*TOPS, *BOTTOMS]))
        surface = pick(rng, list(FLAT_SURFACES)) if kind == "flat" else pick(rng, ["white", "grey sweep", "paper"])
        return SceneSpec(
            kind=kind, backdrop=surface, backdrop_seed=backdrop_seed, pose_seed=pose_seed, garments=(garment,)
        )
    outfit = random_outfit(rng)
    bag_name = pick(rng, list(DYES))
    return SceneSpec(
        kind=kind,
        backdrop=backdrop if kind == "person" else pick(rng, list(BACKDROPS), (3, 3, 2, 1, 1, 0.5, 0.5, 2)),
        backdrop_seed=backdrop_seed,
        pose_seed=pose_seed,
        garments=outfit,
        shoes=random_shoes(rng) if kind == "person" or rng.random() < 0.3 else None,
        bag=BagSpec(color_name=bag_name, color=rgb(DYES[bag_name]), side=int(rng.integers(2)))
        if rng.random() < 0.22
        else None,
        looks=random_looks(rng, kind),
        framing=pick(rng, ["full", "upper", "torso"], (0.62, 0.24, 0.14)),
        calm=kind != "person",
    )

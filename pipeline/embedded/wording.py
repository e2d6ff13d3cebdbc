"""Prompts read by the studio's renderer: who stands there, in what, and where. It knows the studio's words only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pipeline.embedded.cloth import BOTTOMS, TOPS, GarmentSpec
from pipeline.embedded.figure import HAIR_STYLES, Looks
from pipeline.embedded.footwear import SHOES, ShoeSpec
from pipeline.embedded.palette import DENIM, DYES, HAIR, SKINS, rgb
from pipeline.embedded.patterns import PATTERNS
from pipeline.embedded.scene import random_garment, random_looks

PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "marble": ("marble", "stone"),
    "foliage": ("foliage", "garden", "park", "forest", "green leaves", "outdoors"),
    "street": ("street", "city", "urban"),
    "wood": ("wooden", "wood", "timber"),
    "paper": ("coloured paper", "colored paper", "paper"),
    "wall": ("wall", "room", "interior"),
    "grey sweep": ("grey studio", "gray studio", "grey", "gray"),
    "white": ("white",),
}
"""Words of each backdrop; the first backdrop with a word in the prompt's last part is drawn."""
FEMININE: Final = ("woman", "women", "girl", "female", "lady")
MASCULINE: Final = ("man", "men", "boy", "male", "gentleman")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a prompt asks for; garments and shoes are those that it names, in their colours."""

    looks: Looks
    backdrop: str
    top: GarmentSpec | None
    bottom: GarmentSpec | None
    shoes: ShoeSpec


def named(text: str, words: Iterable[str]) -> str | None:
    """The longest of ``words`` that stands in ``text`` as a whole word, or None."""
    found = [word for word in words if re.search(rf"\b{re.escape(word)}\b", text)]
    return max(found, key=len) if found else None


def read_prompt(prompt: str, seed: int) -> Reading:
    """Read ``prompt``; what it leaves open is drawn from ``seed``."""
    rng = np.random.default_rng([seed, 29])
    text = prompt.lower()
    worn = text.partition(" wearing ")[2] or text
    return Reading(
        looks=_looks(text.partition(" wearing ")[0], rng),
        backdrop=_place(text, rng),
        top=_garment(worn, TOPS, rng),
        bottom=_garment(worn, BOTTOMS, rng),
        shoes=_shoes(worn, rng),
    )


def _place(text: str, rng: np.random.Generator) -> str:
    """The backdrop of the last comma's part that names one."""
    for part in reversed(text.split(",")):
        for name, words in PLACES.items():
            if named(part, words):
                return name
    return str(rng.choice(["white", "grey sweep", "paper"]))


def _looks(text: str, rng: np.random.Generator) -> Looks:
    looks = random_looks(rng, "person")
    woman, man = named(text, FEMININE), named(text, MASCULINE)
    while (woman and not looks.feminine) or (man and not woman and looks.feminine):
        looks = random_looks(rng, "person")
    skin = re.search(rf"\b({'|'.join(sorted(SKINS, key=len, reverse=True))}) skin\b", text)
    hair = re.search(rf"\b({'|'.join(sorted(HAIR, key=len, reverse=True))}) hair\b", text)
    style = named(text, [style for style in HAIR_STYLES if style != "short" or "short" in text])
    if skin:
        looks = replace(looks, skin=rgb(SKINS[skin.group(1)]))
    if hair:
        looks = replace(looks, hair_color=rgb(HAIR[hair.group(1)]))
    if style:
        looks = replace(looks, hair=style)
    if named(text, ("beard", "bearded")):
        looks = replace(looks, beard=True)
    return looks


def _before(text: str, kind: str) -> str:
    """The up to three words before ``kind``."""
    before = re.search(rf"((?:[\w-]+ ){{1,3}}){re.escape(kind)}\b", text)
    return before.group(1) if before else ""


def _colored(text: str, kind: str, colors: Mapping[str, str]) -> str | None:
    """The colour that stands within three words before ``kind``."""
    return named(_before(text, kind), colors)


def _garment(text: str, kinds: tuple[str, ...], rng: np.random.Generator) -> GarmentSpec | None:
    kind = named(text, kinds)
    if kind is None:
        return None
    colors = DENIM if kind == "jeans" else DYES
    pattern = named(_before(text, kind), PATTERNS) or "plain"
    spec = replace(random_garment(rng, kind), pattern=pattern, second=None, print_name=None)
    color = _colored(text, kind, colors)
    return spec if color is None else replace(spec, color_name=color, color=rgb(colors[color]))


def _shoes(text: str, rng: np.random.Generator) -> ShoeSpec:
    kind = named(text, SHOES) or str(rng.choice(SHOES))
    color = _colored(text, kind, DYES) or str(rng.choice(["black", "white", "brown", "navy"]))
    return ShoeSpec(kind=kind, color_name=color, color=rgb(DYES[color]))

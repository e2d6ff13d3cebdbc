"""Words of a scene: its caption, and the phrases that name each part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.embedded.scene import SceneSpec

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "t-shirt": ("t-shirt", "top", "shirt", "tee"),
    "tank top": ("tank top", "top"),
    "shirt": ("shirt", "top", "blouse"),
    "sweater": ("sweater", "top", "jumper"),
    "hoodie": ("hoodie", "sweatshirt"),
    "jacket": ("jacket", "blazer"),
    "coat": ("coat",),
    "dress": ("dress", "gown"),
    "trousers": ("trousers", "pants"),
    "jeans": ("jeans", "trousers", "pants"),
    "shorts": ("shorts",),
    "skirt": ("skirt",),
    "sneakers": ("shoes", "sneakers"),
    "boots": ("boots", "shoes"),
    "shoes": ("shoes",),
    "bag": ("bag", "handbag"),
    "person": ("person", "model"),
    "mannequin": ("mannequin",),
    "shoe": ("shoe", "sneaker"),
    "bottle": ("bottle",),
    "mug": ("mug", "cup"),
    "chair": ("chair",),
    "lamp": ("lamp",),
}
_BACKDROP_WORDS: Final[Mapping[str, str]] = {
    "white": "white studio background",
    "grey sweep": "grey studio background",
    "paper": "coloured paper background",
    "wall": "coloured wall and floor",
    "wood": "wooden background",
    "marble": "marble background",
    "foliage": "green foliage background",
    "street": "city street background",
}


def phrases_of(spec: SceneSpec, label: str) -> tuple[str, ...]:
    """Phrases that name the part ``label``: its kind, its synonyms, and its colour with its kind."""
    names = SYNONYMS.get(label, (label,))
    colors = {g.kind: g.phrase for g in spec.garments}
    if spec.bag is not None:
        colors["bag"] = f"{spec.bag.color_name} bag"
    if spec.shoes is not None:
        colors[spec.shoes.kind] = f"{spec.shoes.color_name} {spec.shoes.kind}"
    if spec.product is not None:
        colors[spec.product] = f"{spec.color_name} {spec.product}"
    return (*names, colors[label]) if label in colors else names


def _article(phrase: str) -> str:
    plural = phrase.rsplit(" ", 1)[-1] in ("trousers", "jeans", "shorts", "sneakers", "boots", "shoes")
    if plural:
        return phrase
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def caption_of(spec: SceneSpec) -> str:
    """One sentence that names what the picture shows."""
    place = _BACKDROP_WORDS.get(spec.backdrop, spec.backdrop)
    worn = [_article(g.phrase) for g in reversed(spec.garments)]
    if spec.shoes is not None and spec.framing == "full":
        worn.append(f"{spec.shoes.color_name} {spec.shoes.kind}")
    outfit = " and ".join(worn)
    if spec.kind == "product":
        return f"{_article(f'{spec.color_name} {spec.product}')}, product photo, {place}"
    if spec.kind == "flat":
        return f"{outfit}, flat lay, {place}"
    if spec.kind == "ghost":
        return f"{outfit}, ghost mannequin photo, {place}"
    who = {"mannequin": "a grey mannequin", "headless": "a headless mannequin"}.get(spec.kind, "a model")
    bag = f" with {_article(f'{spec.bag.color_name} bag')}" if spec.bag is not None else ""
    return f"{who} wearing {outfit}{bag}, {place}"

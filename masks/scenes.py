"""Drawn packshots with exact ground truth: what a studio sends, and what defeats a colour key.

Everything follows from a name and a seed. The colour of a soft pixel is the mix that its alpha says, in linear light;
then come a lens' blur, sensor noise and JPEG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from masks import scene_things as things
from masks.scene_light import Layer, Plane, backdrop, blurred, contact_shadow, encoded, hard_shadow, reflected
from pipeline.types import Alpha, Image

SIZE_PX = 1100
_SUPERSAMPLING = 2
Rgb = tuple[float, float, float]
Draw = Callable[[int, np.random.Generator], Layer]


@dataclass(frozen=True, kw_only=True)
class Packshot:
    """A drawn photo: the picture (H, W, 3) uint8 and its true alpha (H, W). ``hard`` kinds are expected to fail."""

    name: str
    kind: str
    image: Image
    alpha: Alpha
    hard: bool = False


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """One packshot: the thing, the backdrop's colour and light, what it casts, and the camera."""

    kind: str
    thing: Draw
    rgb: Rgb = (244, 244, 243)
    fall: float = 0.0
    vignette: float = 0.0
    foot: float | None = None
    mirror: float = 0.0
    lamp: tuple[float, float] | None = None
    noise: float = 1.0
    quality: int = 92
    hard: bool = False


def _bottle(colour: Rgb, top: float, foot: float) -> Draw:
    return lambda size, rng: things.bottle(size, rng, colour, top=top, foot=foot)


def _mug(colour: Rgb) -> Draw:
    return lambda size, rng: things.mug(size, rng, colour)


def _tee(colour: Rgb) -> Draw:
    return lambda size, rng: things.tee(size, rng, colour)


def _grey_sneaker(size: int, rng: np.random.Generator) -> Layer:
    return things.sneaker(size, rng, (150, 154, 158), (206, 206, 204))


def _grey_fur(size: int, rng: np.random.Generator) -> Layer:
    return things.fur_ball(size, rng, (60, 58, 60))


RECIPES: dict[str, _Recipe] = {
    "bottle": _Recipe(kind="product", thing=things.bottle, foot=0.86, fall=0.06),
    "bottle_grey_sweep": _Recipe(kind="product", thing=things.bottle, rgb=(222, 223, 225), foot=0.86, fall=0.25),
    "bottle_cut_by_frame": _Recipe(
        kind="product", thing=_bottle((230, 150, 40), 0.25, 1.3), rgb=(238, 238, 240), vignette=0.15
    ),
    "mug": _Recipe(kind="handle", thing=things.mug, foot=0.81, vignette=0.12),
    "mug_blue_on_blue": _Recipe(kind="handle", thing=_mug((40, 70, 130)), rgb=(120, 158, 200), foot=0.81, vignette=0.2),
    "lipstick_mirror": _Recipe(kind="reflection", thing=things.lipstick, foot=0.703, mirror=0.4, rgb=(248, 248, 250)),
    "lipstick_grey_mirror": _Recipe(
        kind="reflection", thing=things.lipstick, foot=0.703, mirror=0.55, rgb=(226, 226, 228)
    ),
    "bottle_mirror": _Recipe(kind="reflection", thing=_bottle((54, 60, 120), 0.08, 0.62), foot=0.625, mirror=0.35),
    "sunglasses": _Recipe(kind="hard shadow", thing=things.sunglasses, lamp=(0.05, 0.11), rgb=(240, 240, 238)),
    "stool_lamp": _Recipe(kind="hard shadow", thing=things.stool, lamp=(0.1, 0.04), rgb=(232, 230, 226), quality=88),
    "mug_lamp": _Recipe(kind="hard shadow", thing=things.mug, lamp=(0.12, 0.05), rgb=(236, 236, 236)),
    "sneaker": _Recipe(kind="pale", thing=things.sneaker, foot=0.75, rgb=(246, 246, 246)),
    "sneaker_grey": _Recipe(kind="pale", thing=_grey_sneaker, foot=0.75, rgb=(235, 235, 234)),
    "tee_grey": _Recipe(kind="neutral", thing=things.tee, rgb=(240, 240, 240), lamp=(0.008, 0.012), noise=1.5),
    "tee_black": _Recipe(kind="neutral", thing=_tee((34, 34, 36)), rgb=(219, 219, 219), lamp=(0.008, 0.014)),
    "tee_white_on_grey": _Recipe(kind="neutral", thing=_tee((244, 244, 242)), rgb=(176, 178, 180), lamp=(0.006, 0.01)),
    "fur": _Recipe(kind="fur", thing=things.fur_ball, fall=0.1),
    "fur_grey": _Recipe(kind="fur", thing=_grey_fur, rgb=(205, 206, 210), vignette=0.2),
    "chain_bag": _Recipe(kind="thin", thing=things.chain_bag, foot=0.82, rgb=(247, 247, 247)),
    "stool": _Recipe(kind="thin", thing=things.stool, foot=0.87, rgb=(236, 236, 238), fall=0.12),
    "bangle": _Recipe(kind="thin", thing=things.bangle, lamp=(0.012, 0.02), rgb=(250, 250, 250)),
    "mug_noisy_jpeg": _Recipe(kind="handle", thing=things.mug, foot=0.81, noise=3.5, quality=72, rgb=(228, 228, 226)),
    "mug_white": _Recipe(kind="white on white", thing=_mug((250, 250, 250)), rgb=(250, 250, 250), foot=0.81, hard=True),
    "glass": _Recipe(kind="transparent", thing=things.goblet, foot=0.8, rgb=(242, 243, 245), hard=True),
}


def draw_packshot(name: str, seed: int = 0, size: int = SIZE_PX) -> Packshot:
    """One of ``RECIPES`` as a square picture of ``size`` pixels. Same name, seed and size: same pixels."""
    recipe = RECIPES[name]
    rng = np.random.default_rng([seed, *name.encode()])
    large = size * _SUPERSAMPLING
    thing = recipe.thing(large, rng)
    scene = backdrop(large, recipe.rgb, fall=recipe.fall, vignette=recipe.vignette)
    if recipe.mirror and recipe.foot:
        scene = reflected(scene, thing, foot=recipe.foot, strength=recipe.mirror, fade=0.3, soft=0.0015)
    elif recipe.foot:
        scene = contact_shadow(scene, thing.cover, foot=recipe.foot)
    if recipe.lamp:
        scene = hard_shadow(
            scene, thing.cover, shift=recipe.lamp, depth=0.45, soft=0.0015 + 0.02 * (recipe.lamp[0] < 0.02)
        )
    scene = thing.colour * thing.cover[..., None] + scene * (1 - thing.cover[..., None])
    image = _photographed(_halved(scene, size), rng, recipe.noise, recipe.quality)
    alpha = np.clip(blurred(_halved(thing.cover, size), 0.5), 0, 1)
    return Packshot(name=name, kind=recipe.kind, image=image, alpha=alpha, hard=recipe.hard)


def packshots(seed: int = 0, size: int = SIZE_PX) -> Iterator[Packshot]:
    """All of ``RECIPES``, one after the other."""
    for name in RECIPES:
        yield draw_packshot(name, seed, size)


def _halved(plane: Plane, size: int) -> Plane:
    return np.asarray(cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def _photographed(scene: Plane, rng: np.random.Generator, noise: float, quality: int) -> Image:
    """A lens' blur, noise, 8 bits and JPEG."""
    picture = encoded(blurred(scene, 0.5)) + rng.normal(0, noise, scene.shape)
    raw = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    written, data = cv2.imencode(".jpg", raw[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not written:
        raise ValueError(f"a picture of {raw.shape} could not be coded as JPEG")
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(decoded, np.uint8)[:, :, ::-1])

"""Drawing a scene: figures, garments and products on their backdrops, with ground truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from pipeline.embedded.backdrops import backdrop, tabletop
from pipeline.embedded.canvas import Canvas
from pipeline.embedded.captions import caption_of, phrases_of
from pipeline.embedded.cloth import BOTTOMS
from pipeline.embedded.figure import Looks, draw_body
from pipeline.embedded.footwear import draw_bag, draw_shoes
from pipeline.embedded.garments import draw_arm_in_front, draw_garment
from pipeline.embedded.heads import draw_hair_behind, draw_head
from pipeline.embedded.palette import DYES, Floats, floats
from pipeline.embedded.parts import point
from pipeline.embedded.pose import LEGS, Skeleton, laid_out, random_build, stand
from pipeline.embedded.products import draw_product
from pipeline.embedded.scene import PhraseBox, Scene, SceneSpec, random_garment, random_looks, random_spec
from pipeline.types import Mask, Size

SUPERSAMPLE_FROM_PX: Final = 512


def render(seed: int, *, size: Size = (512, 512), spec: SceneSpec | None = None) -> Scene:
    """Draw the scene of ``seed`` (or of ``spec``) at ``size`` (height, width), 64 to 2048 px a side.

    The same arguments give the same bytes, for one RENDERER_VERSION. Sizes from 512 px on are drawn at twice the
    size and averaged.
    """
    if spec is None:
        spec = random_spec(np.random.default_rng([seed, 5]))
    factor = 2 if max(size) >= SUPERSAMPLE_FROM_PX or spec.kind == "product" else 1
    height, width = size[0] * factor, size[1] * factor
    draw = _DRAWERS[spec.kind]
    canvas, joints = draw(spec, height, width)
    return _finish(canvas, joints, spec, size, factor)


Drawer = Callable[[SceneSpec, int, int], tuple[Canvas, Floats]]


def _place(spec: SceneSpec, height: int, width: int) -> Skeleton:
    """The skeleton of a standing figure in its framing."""
    rng = np.random.default_rng(spec.pose_seed)
    build = random_build(rng, spec.looks is not None and spec.looks.feminine)
    full = float(rng.uniform(0.84, 0.93)) * min(height, width * 1.75)
    center = width * float(rng.uniform(0.44, 0.56))
    if spec.framing == "upper":
        unit = float(rng.uniform(1.6, 1.9)) * min(height, width * 1.2)
        top = height * float(rng.uniform(0.04, 0.08))
    elif spec.framing == "torso":
        unit = float(rng.uniform(1.7, 2.0)) * min(height, width * 1.15)
        top = height * 0.05 - 0.125 * unit
    else:
        unit, top = full, (height - full) * float(rng.uniform(0.35, 0.6))
    return stand(rng, top=top, unit=unit, center=center, build=build, calm=spec.calm)


def ground_shadow(picture: Floats, skeleton: Skeleton) -> None:
    """Contact shadows under the feet and a long soft one to the right."""
    u, (h, w) = skeleton.unit, picture.shape[:2]
    feet = [skeleton.joints[leg[2]] + point(0, 0.046 * u) for leg in LEGS]
    middle = (feet[0] + feet[1]) / 2
    pools = [(f, 0.045, 0.011, 0.55) for f in feet]
    pools.append((middle + point(0.05 * u, 0.0), 0.17, 0.022, 0.28))
    for center, rx, ry, strength in pools:
        x0, x1 = int(max(center[0] - 2.6 * rx * u, 0)), int(min(center[0] + 2.6 * rx * u, w))
        y0, y1 = int(max(center[1] - 2.6 * ry * u, 0)), int(min(center[1] + 2.6 * ry * u, h))
        if x1 <= x0 or y1 <= y0:
            continue
        ys, xs = np.arange(y0, y1, dtype=np.float32)[:, None], np.arange(x0, x1, dtype=np.float32)[None]
        pool = np.exp(-(((xs - center[0]) / np.float32(rx * u)) ** 2 + ((ys - center[1]) / np.float32(ry * u)) ** 2))
        picture[y0:y1, x0:x1] *= (1 - np.float32(strength) * pool)[..., None]


def _draw_figure(spec: SceneSpec, height: int, width: int) -> tuple[Canvas, Floats]:
    skeleton = _place(spec, height, width)
    u = skeleton.unit
    feet = max(float(skeleton.joints[leg[2]][1]) for leg in LEGS) + 0.04 * u
    floor = (feet - 0.055 * u) / height if spec.framing == "full" else 2.0
    picture = backdrop(spec.backdrop, spec.backdrop_seed, height, width, min(floor, 2.0))
    if spec.framing == "full":
        ground_shadow(picture, skeleton)
    canvas = Canvas.over(picture)
    looks = spec.looks or Looks(
        skin=np.full(3, 0.8, np.float32), hair_color=np.full(3, 0.8, np.float32), mannequin=True
    )
    draw_hair_behind(canvas, skeleton, looks)
    covered = any(g.kind in ("trousers", "jeans") for g in spec.garments)
    draw_body(canvas, skeleton, looks, covered_legs=int(covered))
    if spec.shoes is not None:
        draw_shoes(canvas, skeleton, spec.shoes)
    for garment in spec.garments:
        draw_garment(canvas, skeleton, garment)
    top = next((g for g in spec.garments if g.kind not in BOTTOMS), None)
    draw_arm_in_front(canvas, skeleton, top, looks.material, "mannequin" if looks.mannequin else "skin")
    if spec.bag is not None:
        draw_bag(canvas, skeleton, spec.bag)
    draw_head(canvas, skeleton, looks)
    joints = skeleton.joints.copy()
    joints[1] = (joints[2] + joints[5]) / 2  # OpenPose's neck lies on the line of the shoulders
    return canvas, joints


def _hollow_skeleton(spec: SceneSpec, height: int, width: int) -> Skeleton:
    """A body-less skeleton that fits the garment into the picture."""
    rng = np.random.default_rng(spec.pose_seed)
    garment = spec.garments[0]
    flat = spec.kind == "flat"
    long_sleeves = garment.sleeve > 0.75
    spread = float(rng.uniform(0.30, 0.55) if flat else rng.uniform(0.14, 0.22))
    turn = float(rng.uniform(-0.16, 0.16)) if flat and rng.random() < 0.6 else 0.0
    wide = 0.34
    if garment.kind in BOTTOMS:
        low = {"skirt": 0.505 + 0.335 * 0.95 * garment.length, "shorts": 0.70}.get(garment.kind, 0.965)
        top, bottom = 0.40, low
    else:
        base = {"dress": 0.505 + 0.335 * 1.05 * garment.length, "coat": 0.505 + 0.335 * 0.85 * garment.length}
        top, bottom = 0.13 - (0.05 if garment.kind == "hoodie" else 0), base.get(garment.kind, 0.56)
        wide = 0.27 + (2 * 0.29 * float(np.sin(spread)) if long_sleeves else 0.09)
    if garment.kind in ("skirt", "dress"):
        wide = max(wide, 0.22 * garment.flare + abs(turn) * (bottom - top))
    unit = float(rng.uniform(0.78, 0.88)) * min(height / (bottom - top), width / wide)
    start = (height - (top + bottom) * unit) / 2
    return laid_out(top=start, unit=unit, center=width * float(rng.uniform(0.48, 0.52)), spread=spread, turn=turn)


def _draw_hollow(spec: SceneSpec, height: int, width: int) -> tuple[Canvas, Floats]:
    flat = spec.kind == "flat"
    paper = (
        tabletop(spec.backdrop, spec.backdrop_seed, height, width)
        if flat
        else backdrop(spec.backdrop, spec.backdrop_seed, height, width, 2.0)
    )
    canvas = Canvas.over(paper.copy())
    skeleton = _hollow_skeleton(spec, height, width)
    for garment in spec.garments:
        draw_garment(canvas, skeleton, garment, "flat" if flat else "ghost")
    if flat:
        _drop_shadow(canvas, paper, min(height, width))
    return canvas, np.zeros((18, 2), np.float32)


def _drop_shadow(canvas: Canvas, paper: Floats, side: int) -> None:
    """A soft shadow of the subject on the surface that it lies on."""
    for reach, sigma, strength in ((0.006, 0.006, 0.32), (0.014, 0.020, 0.22)):
        move = np.array([[1, 0, reach * side * 0.8], [0, 1, reach * side]], np.float32)
        cast = cv2.warpAffine(canvas.alpha, move, canvas.alpha.shape[::-1])
        cast = cv2.GaussianBlur(cast, (0, 0), max(sigma * side, 0.5))
        canvas.rgb -= paper * (np.float32(strength) * cast * (1 - canvas.alpha))[..., None]


def _draw_product(spec: SceneSpec, height: int, width: int) -> tuple[Canvas, Floats]:
    return draw_product(spec, height, width), np.zeros((18, 2), np.float32)


_DRAWERS: Final[Mapping[str, Drawer]] = {
    "person": _draw_figure,
    "mannequin": _draw_figure,
    "headless": _draw_figure,
    "flat": _draw_hollow,
    "ghost": _draw_hollow,
    "product": _draw_product,
}


def _finish(canvas: Canvas, joints: Floats, spec: SceneSpec, size: Size, factor: int) -> Scene:
    """Average the supersamples and read the ground truth off the canvas."""
    h, w = size
    rgb, alpha = canvas.rgb, canvas.alpha
    if factor > 1:
        rgb = floats(cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA))
        alpha = floats(cv2.resize(alpha, (w, h), interpolation=cv2.INTER_AREA))
    image = (np.clip(rgb, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    masks: dict[str, Mask] = {}
    for index, name in enumerate(canvas.names, start=1):
        part = canvas.labels == index
        if factor > 1:
            part = cv2.resize(part.astype(np.uint8) * 255, (w, h), interpolation=cv2.INTER_AREA) > 127
        if int(part.sum()) >= 4:
            masks[name] = part
    keypoints = np.zeros((18, 3), np.float32)
    if joints.any():
        keypoints[:, :2] = joints / np.float32(factor)
        inside = (keypoints[:, 0] >= 0) & (keypoints[:, 0] < w) & (keypoints[:, 1] >= 0) & (keypoints[:, 1] < h)
        head = [0, 14, 15, 16, 17] if spec.looks is not None and spec.looks.headless else []
        inside[head] = False
        keypoints[:, 2] = inside
    alpha = np.clip(alpha, 0, 1).astype(np.float32)
    attributes = {"kind": spec.kind, "backdrop": spec.backdrop, "framing": spec.framing, **spec.attributes}
    return Scene(
        image=image,
        masks=masks,
        alpha=alpha,
        boxes=_boxes(spec, masks, alpha),
        keypoints=keypoints,
        caption=caption_of(spec),
        attributes=attributes,
        spec=spec,
    )


def box_of(mask: Mask) -> tuple[int, int, int, int]:
    """Bounding box of the True pixels of a mask that has some."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _boxes(spec: SceneSpec, masks: Mapping[str, Mask], alpha: Floats) -> tuple[PhraseBox, ...]:
    """Boxes of the whole figure and of every part that a shopper would name."""
    found: list[PhraseBox] = []
    whole = alpha > 0.5
    if spec.kind in ("person", "mannequin", "headless") and whole.any():
        label = "person" if spec.kind == "person" else "mannequin"
        found.append(PhraseBox(label=label, phrases=phrases_of(spec, label), box=box_of(whole)))
    for name, mask in masks.items():
        if name not in ("skin", "hair", "mannequin"):
            found.append(PhraseBox(label=name, phrases=phrases_of(spec, name), box=box_of(mask)))
    return tuple(found)


def render_garment(
    kind: str, seed: int, size: Size = (1024, 1024), *, way: str = "flat", backdrop: str = "white"
) -> Scene:
    """One garment by itself: ``way`` is ``flat`` (laid on a surface) or ``ghost`` (hollow, as if worn)."""
    rng = np.random.default_rng([seed, 7])
    spec = SceneSpec(
        kind="ghost" if way == "ghost" else "flat",
        backdrop=backdrop,
        backdrop_seed=seed,
        pose_seed=seed,
        garments=(random_garment(rng, kind),),
    )
    return render(seed, size=size, spec=spec)


def render_product(
    kind: str, seed: int, size: Size = (1024, 1024), *, backdrop: str = "white", color_name: str = ""
) -> Scene:
    """One product of PRODUCTS on a studio backdrop; its colour is seeded if not named."""
    rng = np.random.default_rng([seed, 11])
    name = color_name or list(DYES)[int(rng.integers(len(DYES)))]
    spec = SceneSpec(
        kind="product", backdrop=backdrop, backdrop_seed=seed, pose_seed=seed, product=kind, color_name=name
    )
    return render(seed, size=size, spec=spec)


def worn_pair(seed: int, *, size: Size = (512, 512)) -> tuple[Scene, Scene]:
    """The same outfit, pose and backdrop on a mannequin and on a person."""
    rng = np.random.default_rng([seed, 13])
    spec = random_spec(rng)
    while spec.kind != "person":
        spec = random_spec(rng)
    shell = random_looks(rng, "headless" if rng.random() < 0.5 else "mannequin")
    shell = replace(shell, feminine=spec.looks is not None and spec.looks.feminine)  # the same body under the clothes
    bare = replace(spec, kind="headless" if shell.headless else "mannequin", looks=shell)
    return render(seed, size=size, spec=bare), render(seed, size=size, spec=spec)


def flat_pair(seed: int, *, size: Size = (512, 512)) -> tuple[Scene, Scene]:
    """The same garment laid flat on white and worn by a person."""
    _, worn = worn_pair(seed, size=size)
    flat = SceneSpec(kind="flat", backdrop="white", pose_seed=seed, garments=(worn.spec.garments[-1],))
    return render(seed, size=size, spec=flat), worn

"""Products for packshots: shoe, bag, bottle, mug, chair, lamp, each in a few designs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from pipeline.embedded.backdrops import backdrop
from pipeline.embedded.canvas import Canvas
from pipeline.embedded.lettering import EMBLEMS, WORDS, print_of
from pipeline.embedded.palette import DYES, Floats, contrast, rgb
from pipeline.embedded.scene import SceneSpec, pick
from pipeline.embedded.shoes import sneaker
from pipeline.embedded.solids import Camera, Finish, Patch, box, lathe, loft, rod, shade, splat

STEEL: Final = Finish(color=rgb("#cfd2d6"), metal=True, rough=0.25)
BRASS: Final = Finish(color=rgb("#d9b36a"), metal=True, rough=0.3)
OAK: Final = Finish(color=rgb("#c08a55"), gloss=0.18, rough=0.7, grain=0.09)
WALNUT: Final = Finish(color=rgb("#6f4728"), gloss=0.20, rough=0.6, grain=0.10)
Design = Callable[[np.random.Generator, Floats], list[Patch]]


def _bottle(rng: np.random.Generator, color: Floats) -> list[Patch]:
    word = print_of(pick(rng, [*WORDS, *EMBLEMS]))
    style = int(rng.integers(3))
    if style == 0:  # insulated flask
        h, r = float(rng.uniform(0.95, 1.15)), float(rng.uniform(0.19, 0.23))
        tall = word.shape[0] / word.shape[1]
        body = Finish(
            color=color,
            gloss=0.5,
            rough=0.42,
            decal=word,
            ink=contrast(color),
            decal_at=_front(h * 0.46, 0.85 if tall > 0.6 else 1.1, tall, r),
        )
        profile = [
            (0.0, 0.0),
            (r * 0.92, 0.0),
            (r, 0.0),
            (r, 0.03),
            (r, h * 0.4),
            (r, h * 0.78),
            (r * 0.99, h * 0.83),
            (r * 0.62, h * 0.93),
            (r * 0.58, h * 0.95),
        ]
        cap = [(r * 0.62, h * 0.94), (r * 0.66, h * 0.945), (r * 0.66, h * 1.08), (r * 0.60, h * 1.12), (0.0, h * 1.12)]
        ring = [(r * 0.60, h * 0.925), (r * 0.645, h * 0.93), (r * 0.645, h * 0.95), (r * 0.60, h * 0.95)]
        loop = rod(
            [(-r * 0.4, h * 1.08, 0), (-r * 0.38, h * 1.22, 0), (r * 0.38, h * 1.22, 0), (r * 0.4, h * 1.08, 0)],
            0.022,
            Finish(color=rgb("#2a2b2e"), gloss=0.3),
        )
        return [
            lathe(profile[::-1], body),
            lathe(cap, Finish(color=rgb("#2c2d31"), gloss=0.35, rough=0.4)),
            lathe(ring, STEEL),
            *loop,
        ]
    if style == 1:  # wine
        glass = Finish(color=rgb(pick(rng, ["#16281c", "#2b1a10", "#1a1c22", "#24361a"])), gloss=1.3, rough=0.10)
        label = Finish(
            color=rgb("#f3ecdd"),
            gloss=0.05,
            rough=0.9,
            decal=word,
            ink=color * np.float32(0.7),
            decal_at=_front(0.38, 0.75, word.shape[0] / word.shape[1], 0.189),
        )
        profile = [
            (0.0, 0.0),
            (0.17, 0.0),
            (0.186, 0.01),
            (0.186, 0.03),
            (0.186, 0.4),
            (0.186, 0.66),
            (0.18, 0.74),
            (0.07, 0.90),
            (0.062, 0.97),
            (0.062, 1.16),
            (0.07, 1.165),
            (0.07, 1.20),
            (0.05, 1.20),
        ]
        foil = [(0.066, 0.98), (0.068, 1.0), (0.068, 1.15), (0.076, 1.16), (0.076, 1.205), (0.0, 1.208)]
        return [
            lathe(profile, glass),
            lathe([(0.189, 0.56), (0.189, 0.20)], label, smooth=1),
            lathe(foil, Finish(color=color, gloss=0.6, rough=0.35)),
        ]
    r = float(rng.uniform(0.20, 0.26))  # lotion with pump
    body = Finish(
        color=color,
        gloss=0.7,
        rough=0.22,
        decal=word,
        ink=contrast(color),
        decal_at=_front(0.35, 1.0, word.shape[0] / word.shape[1], r),
    )
    profile = [
        (0.0, 0.72),
        (0.09, 0.72),
        (r * 0.8, 0.71),
        (r, 0.66),
        (r, 0.6),
        (r, 0.1),
        (r, 0.03),
        (r * 0.9, 0.0),
        (0.0, 0.0),
    ]
    collar = [
        (0.095, 0.70),
        (0.10, 0.71),
        (0.10, 0.80),
        (0.085, 0.82),
        (0.03, 0.82),
        (0.028, 0.83),
        (0.028, 0.92),
        (0.06, 0.93),
        (0.062, 0.985),
        (0.05, 1.0),
        (0.0, 1.0),
    ]
    white = Finish(color=rgb("#f2f2f0") if contrast(color)[0] > 0.5 else rgb("#34363b"), gloss=0.5, rough=0.3)
    spout = rod(
        [(0.0, 0.965, 0.0), (0.10, 0.965, 0.0), (0.19, 0.958, 0.0), (0.205, 0.925, 0.0)],
        (0.030, 0.026, 0.022, 0.020),
        white,
    )
    return [lathe(profile, body), lathe(collar, white), *spout]


def _front(y: float, width: float, tall: float, radius: float) -> tuple[float, float, float, float]:
    """Where a print ``width`` diameters wide and centred at height ``y`` lies on the side of a lathe that faces away from z."""
    wide = width / np.pi
    high = width * radius * tall
    return 0.5 - wide / 2, y + high, 0.5 + wide / 2, y - high


def _mug(rng: np.random.Generator, color: Floats) -> list[Patch]:
    r, h = float(rng.uniform(0.33, 0.40)), float(rng.uniform(0.68, 0.86))
    foot, lip = float(rng.uniform(0.80, 1.0)), float(rng.uniform(0.98, 1.08))
    word = print_of(pick(rng, [*EMBLEMS, *WORDS]))
    ink = contrast(color)
    outer = Finish(
        color=color,
        gloss=0.75,
        rough=0.16,
        decal=word,
        ink=ink,
        decal_at=_front(h * 0.5, 0.72 if word.shape[0] > 100 else 0.85, word.shape[0] / word.shape[1], r),
    )
    inner = Finish(color=rgb("#f4f2ee") if rng.random() < 0.6 else color, gloss=0.6, rough=0.2)
    wall = [
        (r * foot * 0.9, 0.0),
        (r * foot, 0.012),
        (r * (foot * 0.6 + 0.4), h * 0.25),
        (r, h * 0.6),
        (r * lip, h * 0.97),
        (r * lip, h),
        (r * lip - 0.012, h + 0.012),
    ]
    hollow = [
        (r * lip - 0.012, h + 0.012),
        (r * lip - 0.032, h),
        (r - 0.04, h * 0.5),
        (r * foot - 0.05, 0.10),
        (0.0, 0.09),
    ]
    top, low, out = h * 0.80, h * 0.24, 0.25
    handle = rod(
        [
            (r * 0.95, top, 0),
            (r + out * 0.6, top + 0.02, 0),
            (r + out, (top * 0.62 + low * 0.38), 0),
            (r + out * 0.75, low + 0.06, 0),
            (r * 0.93, low, 0),
        ],
        0.045,
        Finish(color=color, gloss=0.75, rough=0.16),
        smooth=8,
        flat=1.25,
    )
    coffee = lathe(
        [(r - 0.035, h * 0.80), (0.0, h * 0.80)], Finish(color=rgb("#4a2a17"), gloss=0.5, rough=0.15), smooth=1
    )
    return [lathe(wall[::-1], outer), lathe(hollow, inner), *handle, *([coffee] if rng.random() < 0.5 else [])]


def _lamp(rng: np.random.Generator, color: Floats) -> list[Patch]:
    shade_finish = Finish(
        color=rgb("#f6ecd8") if rng.random() < 0.65 else color * np.float32(0.5) + np.float32(0.5),
        gloss=0.02,
        rough=1.0,
        glow=0.45,
    )
    style = int(rng.integers(3))
    top_r, low_r = float(rng.uniform(0.20, 0.30)), float(rng.uniform(0.34, 0.42))
    if style == 0:  # ceramic table lamp
        body = Finish(color=color, gloss=0.8, rough=0.18)
        profile = [
            (0.0, 0.0),
            (0.17, 0.0),
            (0.18, 0.02),
            (0.12, 0.06),
            (0.20, 0.20),
            (0.235, 0.32),
            (0.20, 0.46),
            (0.08, 0.56),
            (0.045, 0.60),
            (0.04, 0.64),
        ]
        stem = [(0.022, 0.62), (0.022, 0.82)]
        base = 0.74
    elif style == 1:  # slim metal stand
        body = Finish(color=color, gloss=0.6, rough=0.3)
        profile = [(0.0, 0.035), (0.20, 0.03), (0.215, 0.02), (0.215, 0.0), (0.0, 0.0)]
        stem = [(0.020, 0.02), (0.020, 0.95)]
        base = 0.80
    else:  # wooden ball stack
        body = OAK if rng.random() < 0.5 else Finish(color=color, gloss=0.5, rough=0.35)
        profile = [
            (0.0, 0.0),
            (0.16, 0.0),
            (0.17, 0.03),
            (0.10, 0.05),
            (0.15, 0.14),
            (0.15, 0.22),
            (0.06, 0.30),
            (0.12, 0.38),
            (0.12, 0.44),
            (0.05, 0.51),
            (0.04, 0.53),
        ]
        stem = [(0.020, 0.52), (0.020, 0.78)]
        base = 0.66
    tall = float(rng.uniform(0.36, 0.46))
    cone = lathe([(low_r, base), (top_r, base + tall)], shade_finish, smooth=1)
    inside = lathe(
        [(low_r * 0.985, base + 0.005), (top_r * 0.985, base + tall)],
        Finish(color=rgb("#fff3d6"), gloss=0.0, glow=0.85),
        smooth=1,
    )
    rims = [
        lathe(
            [(r0 * 0.985, y - 0.008), (r0 * 1.012, y), (r0 * 0.985, y + 0.008)],
            Finish(color=shade_finish.color * np.float32(0.85), gloss=0.05),
            smooth=2,
        )
        for r0, y in ((low_r, base), (top_r, base + tall))
    ]
    return [lathe(profile, body), lathe(stem, BRASS, smooth=1), cone, inside, *rims]


def _chair(rng: np.random.Generator, color: Floats) -> list[Patch]:
    style = int(rng.integers(3))
    wood = OAK if rng.random() < 0.6 else WALNUT
    if style == 0:  # moulded shell on wooden legs
        legs = [
            p
            for sx in (-1, 1)
            for sz in (-1, 1)
            for p in rod([(sx * 0.20, 0.46, sz * 0.17), (sx * 0.30, 0.0, sz * 0.27)], (0.030, 0.017), wood, smooth=1)
        ]
        return [_shell(color), *legs]
    if style == 1:  # dining chair with slats
        legs = [
            p
            for sx in (-1, 1)
            for p in rod([(sx * 0.24, 0.46, 0.23), (sx * 0.25, 0.0, 0.25)], (0.028, 0.020), wood, smooth=1)
        ]
        posts = [
            p
            for sx in (-1, 1)
            for p in rod(
                [(sx * 0.23, 1.02, -0.30), (sx * 0.235, 0.47, -0.22), (sx * 0.25, 0.0, -0.27)],
                (0.022, 0.028, 0.020),
                wood,
            )
        ]
        slats = [
            p
            for y, z in ((0.96, -0.295), (0.82, -0.272), (0.68, -0.25))
            for p in rod([(-0.23, y, z), (0.0, y, z - 0.03), (0.23, y, z)], 0.030, wood, flat=0.45)
        ]
        rails = [
            p
            for sx in (-1, 1)
            for p in rod([(sx * 0.245, 0.22, 0.24), (sx * 0.245, 0.22, -0.24)], 0.013, wood, smooth=1)
        ]
        seat = box((0, 0.485, 0.0), (0.27, 0.040, 0.27), 0.038, Finish(color=color, gloss=0.08, rough=0.9))
        return [*legs, *posts, *slats, *rails, *seat]
    cloth = Finish(color=color, gloss=0.10, rough=0.9)  # armchair
    parts = [
        *box((0, 0.36, 0.03), (0.33, 0.10, 0.32), 0.085, cloth),
        *box((0, 0.66, -0.27), (0.33, 0.32, 0.095), 0.09, cloth),
    ]
    for sx in (-1, 1):
        parts += box((sx * 0.37, 0.43, 0.02), (0.085, 0.21, 0.34), 0.080, cloth)
        for sz in (-1, 1):
            parts += rod([(sx * 0.33, 0.25, sz * 0.27), (sx * 0.36, 0.0, sz * 0.30)], (0.032, 0.018), wood, smooth=1)
    return parts


def _shell(color: Floats) -> Patch:
    """Seat and back in one bent sheet."""
    path = [
        (0.33, 0.455),
        (0.28, 0.475),
        (0.05, 0.455),
        (-0.16, 0.46),
        (-0.25, 0.52),
        (-0.30, 0.72),
        (-0.33, 0.95),
        (-0.34, 0.98),
    ]
    from pipeline.embedded.solids import round_off

    z, y = round_off(path, 8)
    t = np.linspace(0, 1, len(z), dtype=np.float32)
    wide = 0.27 * np.clip(np.sin(np.pi * np.clip(t * 0.88 + 0.10, 0, 1)) ** 0.28, 0.25, 1)
    s = np.linspace(-1, 1, 33, dtype=np.float32)[None]
    curl = (np.abs(s) ** 2.6) * np.float32(0.085)
    back = np.clip((t - 0.45) / 0.2, 0, 1)[:, None]
    x = s * wide[:, None]
    grid = np.stack([np.broadcast_to(x, (len(z), 33)), y[:, None] + curl * (1 - back), z[:, None] + curl * back], -1)
    return loft(grid, Finish(color=color, gloss=0.45, rough=0.35))


def _bag(rng: np.random.Generator, color: Floats) -> list[Patch]:
    style = int(rng.integers(3))
    leather = Finish(color=color, gloss=0.40, rough=0.45)
    dark = Finish(color=color * np.float32(0.62), gloss=0.35, rough=0.5)
    if style == 0:  # tote with a print
        word = print_of(pick(rng, [*WORDS, *EMBLEMS]))
        tall = word.shape[0] / word.shape[1]
        w, h = 0.46, float(rng.uniform(0.72, 0.85))
        front = Finish(
            color=color,
            gloss=0.06,
            rough=0.95,
            decal=word,
            ink=contrast(color),
            decal_at=(0.25, h * 0.46 + w * tall / 2, 0.75, h * 0.46 - w * tall / 2),
        )
        cloth = Finish(color=color, gloss=0.06, rough=0.95)
        parts: list[Patch] = [
            loft(_side(w, h, 0.13, 1), front),
            loft(_side(w, h, 0.13, -1), cloth),
            *_gussets(w, h, 0.13, cloth),
        ]
        for z in (0.052, -0.052):
            parts += rod(
                [
                    (-0.20, h - 0.10, z),
                    (-0.19, h + 0.22, z),
                    (0.0, h + 0.34, z * 0.5),
                    (0.19, h + 0.22, z),
                    (0.20, h - 0.10, z),
                ],
                0.026,
                cloth,
                smooth=8,
                flat=0.4,
            )
        return parts
    w, h, d = (0.46, 0.58, 0.17) if style == 1 else (0.40, 0.44, 0.13)
    parts = box((0, h / 2, 0), (w, h / 2, d), 0.075, leather)
    flap_low = h * float(rng.uniform(0.36, 0.5))
    s = np.linspace(-1, 1, 25, dtype=np.float32)
    level = [
        (-d * 0.35, h + 0.010),
        (0.0, h + 0.016),
        (d * 0.8, h + 0.012),
        (d + 0.014, h - 0.06),
        (d + 0.016, h * 0.7),
        (d + 0.014, flap_low),
    ]
    from pipeline.embedded.solids import round_off

    z, y = round_off(level, 8)
    bow = np.clip((h - y) / (h - flap_low), 0, 1)[:, None] ** 1.5 * (s[None] ** 2) * np.float32(0.10)
    flap = np.stack(
        [
            np.broadcast_to(s[None] * (w - 0.06), (len(z), 25)),
            y[:, None] + bow,
            np.broadcast_to(z[:, None], (len(z), 25)),
        ],
        -1,
    )
    parts.append(loft(flap, Finish(color=color * np.float32(0.94), gloss=0.42, rough=0.42)))
    parts += box((0, flap_low + 0.04, d + 0.026), (0.055, 0.036, 0.014), 0.012, BRASS)
    if style == 1:
        parts += rod(
            [(-0.20, h, 0), (-0.17, h + 0.24, 0), (0.0, h + 0.31, 0), (0.17, h + 0.24, 0), (0.20, h, 0)],
            0.024,
            dark,
            smooth=8,
        )
        parts += [p for sx in (-1, 1) for p in box((sx * 0.20, h + 0.01, 0), (0.035, 0.028, 0.03), 0.012, BRASS)]
    else:
        parts += rod(
            [
                (-w + 0.02, h - 0.04, 0),
                (-w * 0.8, h + 0.45, -0.02),
                (0.0, h + 0.68, -0.03),
                (w * 0.8, h + 0.45, -0.02),
                (w - 0.02, h - 0.04, 0),
            ],
            0.016,
            dark,
            smooth=10,
            flat=0.6,
        )
    return parts


def _side(w: float, h: float, d: float, sign: int) -> Floats:
    """Front (+1) or back (-1) of a tote: bulging below, closed above."""
    t, s = np.linspace(1, 0, 17, dtype=np.float32)[:, None], np.linspace(-1, 1, 17, dtype=np.float32)[None]
    bulge = d * (1 - t**1.6) * (1 - 0.25 * s**4) + 0.045 + 0.012 * np.sin(s * 5 + t * 3)
    x = s * (w - 0.05 * (1 - t))
    return np.stack(np.broadcast_arrays(x, t * h + 0.012 * t * np.cos(s * 4), sign * bulge), -1).astype(np.float32)


def _gussets(w: float, h: float, d: float, cloth: Finish) -> list[Patch]:
    parts = []
    for sx in (-1, 1):
        front, back = _side(w, h, d, 1), _side(w, h, d, -1)
        edge = 0 if sx < 0 else -1
        s = np.linspace(0, 1, 9, dtype=np.float32)[None, :, None]
        grid = front[:, edge][:, None] * (1 - s) + back[:, edge][:, None] * s
        parts.append(loft(grid, cloth))
    return parts


_DESIGNS: Final[dict[str, Design]] = {
    "bottle": _bottle,
    "mug": _mug,
    "lamp": _lamp,
    "chair": _chair,
    "bag": _bag,
    "shoe": sneaker,
}
_VIEWS: Final[dict[str, tuple[tuple[float, float], tuple[float, float]]]] = {
    "bottle": ((np.pi - 0.15, np.pi + 0.15), (0.08, 0.20)),
    "mug": ((np.pi - 0.35, np.pi - 0.05), (0.22, 0.42)),
    "lamp": ((0.0, 6.28), (0.06, 0.22)),
    "chair": ((-0.75, 0.75), (0.16, 0.34)),
    "bag": ((-0.5, 0.5), (0.08, 0.22)),
    "shoe": ((0.85, 1.35), (0.12, 0.30)),
}


def draw_product(spec: SceneSpec, height: int, width: int) -> Canvas:
    """Draw the product of ``spec`` on its backdrop, standing on the floor with its shadow."""
    kind = spec.product or "bottle"
    rng = np.random.default_rng(spec.pose_seed)
    color = rgb(DYES.get(spec.color_name, "#8e9196"))
    patches = _DESIGNS[kind](rng, color)
    camera = _frame(patches, kind, rng, height, width)
    buffers = splat(patches, camera, height, width)
    solid = buffers.index >= 0
    foot = camera.project(camera.view(np.array([[0.0, 0.0, -0.3]], np.float32)))[1][0]
    picture = backdrop(
        spec.backdrop, spec.backdrop_seed, height, width, float(np.clip(foot / height - 0.10, 0.45, 0.85))
    )
    _floor_shadow(picture, patches, camera)
    canvas = Canvas.over(picture)
    alpha = solid.astype(np.float32)
    color_map = np.clip(shade(buffers, patches, camera.scale), 0, 1.2)
    picture += (color_map - picture) * alpha[..., None]
    canvas.alpha[:] = alpha
    canvas.labels[solid] = canvas.label(kind)
    return canvas


def _frame(patches: list[Patch], kind: str, rng: np.random.Generator, height: int, width: int) -> Camera:
    """A camera whose picture the product fills to about three quarters."""
    (yaw0, yaw1), (pitch0, pitch1) = _VIEWS[kind]
    points = np.concatenate([p.grid.reshape(-1, 3)[:: max(p.grid.size // 900, 1)] for p in patches])
    middle = (points.max(0) + points.min(0)) / 2
    draft = Camera(
        yaw=float(rng.uniform(yaw0, yaw1)),
        pitch=float(rng.uniform(pitch0, pitch1)),
        distance=5.0,
        scale=1.0,
        target=(float(middle[0]), float(middle[1]), float(middle[2])),
        center=(0.0, 0.0),
    )
    x, y = draft.project(draft.view(points))
    fill = float(rng.uniform(0.66, 0.80))
    scale = fill * min(width / float(np.ptp(x)), height / float(np.ptp(y)))
    center = (width / 2 - scale * float(x.max() + x.min()) / 2, height * 0.485 - scale * float(y.max() + y.min()) / 2)
    return Camera(yaw=draft.yaw, pitch=draft.pitch, distance=5.0, scale=scale, target=draft.target, center=center)


def _floor_shadow(picture: Floats, patches: list[Patch], camera: Camera) -> None:
    """Contact shadow under what touches the floor, and the soft shadow of the whole away from the key light."""
    height, width = picture.shape[:2]
    points = np.concatenate([_dense(p.grid) for p in patches])
    for reach, low, high, sigma, strength in (
        (0.10, 0.0, 0.05, 0.012, 0.55),
        (0.25, 0.0, 0.35, 0.035, 0.30),
        (0.42, 0.0, 9.0, 0.085, 0.26),
    ):
        part = points[(points[:, 1] >= low) & (points[:, 1] < high)]
        if not len(part):
            continue
        drop = part.copy()
        offset = np.linalg.inv(_turn(camera.yaw)) @ np.array([reach, 0, -reach * 0.55], np.float32)
        drop += part[:, 1:2] * offset.astype(np.float32)
        drop[:, 1] = 0
        x, y = camera.project(camera.view(drop))
        small = 4
        grid = np.zeros((height // small + 1, width // small + 1), np.float32)
        cx, cy = (x / small).astype(np.int32), (y / small).astype(np.int32)
        ok = (cx >= 0) & (cx < grid.shape[1]) & (cy >= 0) & (cy < grid.shape[0])
        grid[cy[ok], cx[ok]] = 1
        grid = cv2.morphologyEx(grid, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        grid = cv2.GaussianBlur(grid, (0, 0), max(sigma * camera.scale / small, 0.6))
        cast = cv2.resize(grid, (grid.shape[1] * small, grid.shape[0] * small), interpolation=cv2.INTER_LINEAR)[
            :height, :width
        ]
        picture *= (1 - np.float32(strength) * cast)[..., None]


def _turn(yaw: float) -> Floats:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def _dense(grid: Floats) -> Floats:
    """A patch's points, at most 120 each way."""
    m, n = grid.shape[:2]
    return np.asarray(
        cv2.resize(grid, (min(n * 2, 120), min(m * 2, 120)), interpolation=cv2.INTER_LINEAR), np.float32
    ).reshape(-1, 3)

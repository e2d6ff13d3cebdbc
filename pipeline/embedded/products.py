"""Products for packshots on their backdrops, with their shadows: shoe, bag, bottle, mug, chair, lamp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from pipeline.embedded.backdrops import backdrop
from pipeline.embedded.bags import bag
from pipeline.embedded.canvas import Canvas
from pipeline.embedded.furniture import chair, lamp
from pipeline.embedded.palette import DYES, Floats, rgb
from pipeline.embedded.scene import SceneSpec
from pipeline.embedded.shoes import sneaker
from pipeline.embedded.softbox import shade
from pipeline.embedded.solids import Patch
from pipeline.embedded.splat import Camera, splat
from pipeline.embedded.tableware import bottle, mug

Design = Callable[[np.random.Generator, Floats], list[Patch]]


_DESIGNS: Final[dict[str, Design]] = {
    "bottle": bottle,
    "mug": mug,
    "lamp": lamp,
    "chair": chair,
    "bag": bag,
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

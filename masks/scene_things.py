"""The drawn products of the packshots: each takes a size and a generator and gives one layer."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from masks.scene_light import Layer, Plane, blurred, grid, lathe, linear, shaded

Rng = np.random.Generator
Colour = tuple[float, float, float]


def _polygon(size: int, points: NDArray[np.float64]) -> Plane:
    plane = np.zeros((size, size), np.uint8)
    cv2.fillPoly(plane, [np.rint(points * size * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return (plane / np.float32(255)).astype(np.float32)


def _stroke(size: int, points: NDArray[np.float64], width: float, *, closed: bool = False) -> Plane:
    plane = np.zeros((size, size), np.uint8)
    thick = max(1, round(width * size))
    cv2.polylines(plane, [np.rint(points * size * 16).astype(np.int32)], closed, 255, thick, cv2.LINE_AA, 4)
    return (plane / np.float32(255)).astype(np.float32)


def _ellipse(
    centre: tuple[float, float], radii: tuple[float, float], start: float = 0, stop: float = 360
) -> NDArray[np.float64]:
    angle = np.radians(np.linspace(start, stop, 180))
    return np.stack([centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], axis=1)


def _steps(height: Plane, knots: list[tuple[float, float]]) -> Plane:
    places, radii = zip(*knots, strict=True)
    return np.asarray(np.interp(height, places, radii, left=0, right=0), np.float32)


def bottle(size: int, rng: Rng, colour: Colour = (32, 110, 96), *, top: float = 0.12, foot: float = 0.86) -> Layer:
    """A pump bottle with a printed label."""
    span = foot - top
    knots = [
        (0.0, 0.045),
        (0.13, 0.045),
        (0.131, 0.03),
        (0.2, 0.035),
        (0.27, 0.12),
        (0.33, 0.145),
        (0.97, 0.15),
        (1, 0.14),
    ]
    shape = [(top + span * place, radius * span / 0.74) for place, radius in knots]
    body, cap, label, ink = linear(colour), linear((28, 28, 30)), linear((236, 230, 214)), linear((40, 40, 44))
    lines = rng.uniform(0.2, 0.75, 9)

    def paint(angle: Plane, height: Plane) -> Plane:
        place = (height - top) / span
        out = np.where((place < 0.2)[..., None], cap, body)
        on_label = (place > 0.46) & (place < 0.84) & (np.abs(angle) < 0.62)
        out = np.where(on_label[..., None], label, out)
        for index, reach in enumerate(lines):
            row = 0.5 + index * 0.036
            printed = (np.abs(place - row) < (0.011 if index else 0.02)) & (np.abs(angle) < reach * 0.6)
            out = np.where((printed & on_label)[..., None], ink, out)
        return out.astype(np.float32)

    return lathe(size, lambda height: _steps(height, shape), paint)


def lipstick(size: int, rng: Rng) -> Layer:
    """An open lipstick: slanted bullet, gold ring, black base."""
    del rng
    red, gold, black = linear((176, 20, 44)), linear((214, 170, 92)), linear((24, 22, 24))
    knots = [(0.2, 0.03), (0.24, 0.042), (0.42, 0.045), (0.421, 0.055), (0.5, 0.055), (0.501, 0.068), (0.7, 0.068)]

    def paint(angle: Plane, height: Plane) -> Plane:
        del angle
        out = np.where((height < 0.42)[..., None], red, np.where((height < 0.5)[..., None], gold, black))
        return out.astype(np.float32)

    body = lathe(size, lambda height: _steps(height, knots), paint, tilt=0.1, gloss=0.7)
    x, y = grid(size)
    slant = y > 0.2 + 0.07 * (x - 0.45) / 0.1
    return Layer(colour=body.colour, cover=(body.cover * slant).astype(np.float32))


def sunglasses(size: int, rng: Rng) -> Layer:
    """Thin dark frame, tinted lenses, one temple behind."""
    del rng
    left, right = (0.32, 0.5), (0.66, 0.5)
    lenses = np.maximum(_polygon(size, _ellipse(left, (0.13, 0.105))), _polygon(size, _ellipse(right, (0.13, 0.105))))
    frame = np.maximum(
        _stroke(size, _ellipse(left, (0.132, 0.107)), 0.012), _stroke(size, _ellipse(right, (0.132, 0.107)), 0.012)
    )
    bridge = _stroke(size, np.array([[0.44, 0.47], [0.49, 0.45], [0.54, 0.47]]), 0.012)
    temples = np.maximum(
        _stroke(size, np.array([[0.19, 0.47], [0.13, 0.42], [0.1, 0.36]]), 0.009),
        _stroke(size, np.array([[0.79, 0.47], [0.87, 0.41], [0.9, 0.33]]), 0.009),
    )
    _, y = grid(size)
    tint = linear((58, 44, 38)) * (0.55 + 1.6 * np.clip((y - 0.42) / 0.16, 0, 1))[..., None]
    glass = Layer(colour=tint.astype(np.float32), cover=lenses)
    metal = shaded(np.maximum(np.maximum(frame, bridge), temples), (22, 20, 22), bulge=0.006, gloss=0.8)
    return metal.over(glass)


def mug(size: int, rng: Rng, colour: Colour = (196, 70, 44)) -> Layer:
    """A mug with an open handle."""
    del rng
    paint_colour = linear(colour)
    body = lathe(
        size,
        lambda height: _steps(height, [(0.28, 0.19), (0.3, 0.2), (0.72, 0.195), (0.8, 0.17)]),
        lambda angle, height: np.broadcast_to(paint_colour, (*height.shape, 3)).astype(np.float32),
        centre=0.44,
        tilt=0.22,
        gloss=0.35,
    )
    rim = _polygon(size, _ellipse((0.44, 0.268), (0.185, 0.03)))
    inside = Layer(colour=np.broadcast_to(paint_colour * 0.45, (size, size, 3)).astype(np.float32), cover=rim)
    handle = shaded(_stroke(size, _ellipse((0.64, 0.52), (0.115, 0.14), -110, 115), 0.035), colour, bulge=0.018)
    return inside.over(body).over(handle)


def sneaker(size: int, rng: Rng, upper: Colour = (206, 208, 210), sole: Colour = (232, 232, 230)) -> Layer:
    """A low shoe from the side: pale upper, paler sole, dark laces."""
    outline = np.array([
        [0.14, 0.66], [0.13, 0.5], [0.17, 0.42], [0.27, 0.4], [0.33, 0.43], [0.42, 0.46], [0.53, 0.53], [0.66, 0.575],
        [0.8, 0.6], [0.87, 0.64], [0.885, 0.69], [0.87, 0.71], [0.16, 0.71],
    ])  # fmt: skip
    smooth = blurred(_polygon(size, outline), 0.006 * size)
    body = shaded((smooth > 0.5).astype(np.float32), upper, bulge=0.06)
    base = _stroke(size, np.array([[0.155, 0.725], [0.5, 0.728], [0.86, 0.725]]), 0.05)
    bottom = shaded(base, sole, bulge=0.02)
    laces = np.zeros((size, size), np.float32)
    for step in np.linspace(0, 1, 5):
        start = np.array([0.36 + 0.2 * step, 0.46 + 0.1 * step])
        laces = np.maximum(laces, _stroke(size, np.array([start, start + np.array([-0.035, 0.06])]), 0.012))
    swoosh = _stroke(size, np.array([[0.3, 0.62], [0.42, 0.66], [0.62, 0.6]]), 0.02)
    accent = float(rng.uniform(0, 60))
    marks = shaded(np.maximum(laces, swoosh), (30 + accent, 34, 60), bulge=0.01)
    return bottom.over(marks.over(body))


def fur_ball(size: int, rng: Rng, colour: Colour = (150, 104, 62)) -> Layer:
    """A pompom: a soft sphere and some four thousand hairs."""
    x, y = grid(size)
    reach = np.hypot(x - 0.5, y - 0.52)
    depth = np.sqrt(np.clip(1 - (reach / 0.26) ** 2, 0, 1))
    shade = (0.35 + 0.65 * np.clip(depth * 0.7 - (x - 0.5) - (y - 0.52), 0, 1))[..., None]
    ball = Layer(colour=(linear(colour) * shade).astype(np.float32), cover=(reach < 0.25).astype(np.float32))
    fine = np.zeros((size, size), np.uint8)
    tone = np.zeros((size, size), np.uint8)
    for _ in range(4200):
        angle, start = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.25)
        length, bend = rng.uniform(0.04, 0.1), rng.normal(0, 0.35)
        along = np.linspace(0, 1, 6)
        turn = angle + bend * along**2
        far = start + length * along
        points = np.stack([0.5 + far * np.cos(turn), 0.52 + far * np.sin(turn)], axis=1)
        line = [np.rint(points * size * 16).astype(np.int32)]
        cv2.polylines(fine, line, False, 255, 1, cv2.LINE_AA, 4)
        cv2.polylines(tone, line, False, int(rng.integers(90, 255)), 1, cv2.LINE_AA, 4)
    cover = (fine / np.float32(255)).astype(np.float32)
    light = blurred((tone / np.float32(255)).astype(np.float32), 1.0)
    hairs = Layer(colour=(linear(colour) * (0.35 + light * 1.1)[..., None]).astype(np.float32), cover=cover)
    return hairs.over(ball)


def chain_bag(size: int, rng: Rng, colour: Colour = (122, 40, 52)) -> Layer:
    """A quilted bag on a thin chain."""
    del rng
    x, y = grid(size)
    corner = np.maximum(np.abs(x - 0.5) - 0.22, 0) ** 2 + np.maximum(np.abs(y - 0.66) - 0.12, 0) ** 2
    body = shaded((corner < 0.03**2).astype(np.float32), colour, bulge=0.05, gloss=0.5)
    quilt = np.abs(np.sin((x + y) * 42)) * np.abs(np.sin((x - y) * 42))
    body = Layer(colour=(body.colour * (0.6 + 0.5 * quilt**0.35)[..., None]).astype(np.float32), cover=body.cover)
    path = _ellipse((0.5, 0.52), (0.21, 0.36), 180, 360)
    links = np.zeros((size, size), np.float32)
    for index in range(0, len(path) - 3, 4):
        middle, along = (path[index] + path[index + 3]) / 2, path[index + 3] - path[index]
        turn = float(np.degrees(np.arctan2(along[1], along[0])))
        ring = np.zeros((size, size), np.uint8)
        axes = (round(0.013 * size), round((0.007 if index % 8 else 0.003) * size))
        cv2.ellipse(
            ring,
            tuple(int(v) for v in np.rint(middle * size)),
            axes,
            turn,
            0,
            360,
            255,
            max(1, round(0.0035 * size)),
            cv2.LINE_AA,
        )
        links = np.maximum(links, ring / np.float32(255))
    return shaded(links, (206, 166, 92), bulge=0.004, gloss=0.9).over(body)


def stool(size: int, rng: Rng, colour: Colour = (150, 108, 66)) -> Layer:
    """A seat on four thin legs with rungs: holes that must stay open."""
    del rng
    legs = np.zeros((size, size), np.float32)
    for top, low in ((0.34, 0.26), (0.66, 0.74), (0.43, 0.39), (0.57, 0.61)):
        legs = np.maximum(legs, _stroke(size, np.array([[top, 0.36], [low, 0.86]]), 0.018))
    for height, half in ((0.6, 0.2), (0.68, 0.215)):
        legs = np.maximum(legs, _stroke(size, np.array([[0.5 - half, height], [0.5 + half, height]]), 0.012))
    seat = _polygon(size, _ellipse((0.5, 0.34), (0.24, 0.05)))
    return shaded(seat, (186, 140, 92), bulge=0.04).over(shaded(legs, colour, bulge=0.009))


def tee(size: int, rng: Rng, colour: Colour = (168, 170, 172)) -> Layer:
    """A flat T-shirt with folds: a neutral, darker multiple of any white backdrop."""
    outline = np.array([
        [0.4, 0.2], [0.27, 0.25], [0.13, 0.42], [0.22, 0.49], [0.3, 0.42], [0.3, 0.84], [0.7, 0.84], [0.7, 0.42],
        [0.78, 0.49], [0.87, 0.42], [0.73, 0.25], [0.6, 0.2], [0.55, 0.235], [0.5, 0.245], [0.45, 0.235],
    ])  # fmt: skip
    cover = (blurred(_polygon(size, outline), 0.004 * size) > 0.5).astype(np.float32)
    cloth = shaded(cover, colour, bulge=0.02, gloss=0)
    folds = blurred(rng.normal(0, 1, (size, size)).astype(np.float32), 0.03 * size)
    weave = blurred(rng.normal(0, 1, (size, size)).astype(np.float32), 0.0012 * size)
    level = 1 + 0.09 * folds / folds.std() + 0.03 * weave / weave.std()
    return Layer(colour=np.clip(cloth.colour * level[..., None], 0, 1).astype(np.float32), cover=cover)


def goblet(size: int, rng: Rng) -> Layer:
    """A wine glass: little but its edges covers the backdrop."""
    body = bottle(size, rng, (250, 250, 250), top=0.2, foot=0.8)
    inside = cv2.distanceTransform((body.cover > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / size
    edge = np.exp(-inside / 0.006) * 0.75 + 0.04
    grey = np.broadcast_to(linear((120, 124, 128)), body.colour.shape)
    return Layer(colour=grey.astype(np.float32), cover=(body.cover * edge).astype(np.float32))


def bangle(size: int, rng: Rng) -> Layer:
    """A gold ring lying open to the camera: one big true hole."""
    del rng
    return shaded(_stroke(size, _ellipse((0.5, 0.5), (0.25, 0.2)), 0.05), (212, 168, 84), bulge=0.025, gloss=0.9)

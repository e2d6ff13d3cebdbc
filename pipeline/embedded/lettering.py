"""Printed logos and words: small alpha rasters, placed on cloth before it is lit."""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from pipeline.embedded.palette import Floats

WORDS: Final = (
    "SEAMLINE",
    "NORTH",
    "ATELIER",
    "WAVE",
    "1987",
    "STUDIO",
    "FIELD",
    "MAISON",
    "ALPINE",
    "COAST",
    "NOVA",
    "KIN",
)
EMBLEMS: Final = ("star", "sun", "mountain", "wave", "heart", "ring")
PRINT_PX: Final = 192


@cache
def word_print(word: str) -> Floats:
    """A word set in Pillow's own font: (h, PRINT_PX) float32 coverage."""
    font = ImageFont.load_default(96)
    left, top, right, bottom = font.getbbox(word, stroke_width=3)
    sheet = PillowImage.new("L", (int(right - left), int(bottom - top)))
    ImageDraw.Draw(sheet).text((-left, -top), word, fill=255, font=font, stroke_width=3)
    height = max(round(sheet.height * PRINT_PX / sheet.width), 8)
    small = sheet.resize((PRINT_PX, height), PillowImage.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / np.float32(255)


def _star(count: int, inner: float) -> Floats:
    turn = np.arange(count * 2) * np.pi / count - np.pi / 2
    radius = np.where(np.arange(count * 2) % 2 == 0, 0.46, inner)
    return np.stack([0.5 + radius * np.cos(turn), 0.5 + radius * np.sin(turn)], 1).astype(np.float32)


def _outlines(name: str) -> list[Floats]:
    """Filled outlines of an emblem in the unit square."""
    t = np.linspace(0, 2 * np.pi, 60, dtype=np.float32)
    circle = np.stack([np.cos(t), np.sin(t)], 1)
    if name == "star":
        return [_star(5, 0.19)]
    if name == "sun":
        return [_star(12, 0.34)]
    if name == "mountain":
        points = [(0.04, 0.8), (0.36, 0.22), (0.52, 0.5), (0.64, 0.34), (0.96, 0.8)]
        return [np.array(points, np.float32)]
    if name == "heart":
        x, y = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        return [np.stack([0.5 + x / 36, 0.47 - y / 36], 1).astype(np.float32)]
    if name == "wave":
        x = np.linspace(0.04, 0.96, 40, dtype=np.float32)
        bands = []
        for k in range(3):
            y = 0.3 + 0.2 * k + 0.07 * np.sin(x * 14)
            bands.append(
                np.concatenate([np.stack([x, y - 0.035], 1), np.stack([x, y + 0.035], 1)[::-1]]).astype(np.float32)
            )
        return bands
    return [np.concatenate([0.5 + 0.44 * circle, 0.5 + 0.27 * circle[::-1]]).astype(np.float32)]


@cache
def emblem_print(name: str) -> Floats:
    """An emblem of EMBLEMS: (PRINT_PX, PRINT_PX) float32 coverage."""
    mask = np.zeros((PRINT_PX, PRINT_PX), np.uint8)
    for outline in _outlines(name):
        cv2.fillPoly(mask, [np.round(outline * PRINT_PX * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / np.float32(255)


def print_of(name: str) -> Floats:
    """Coverage raster of an emblem's name or of a word."""
    return emblem_print(name) if name in EMBLEMS else word_print(name)

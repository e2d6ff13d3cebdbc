"""What the studio's segmenter and detector see in the first held-out scenes, unselected, as sheets for the docs.

``python -m pipeline.embedded.gallery FOLDER`` writes ``studio-sam.jpg`` and ``studio-detector.jpg``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.detector import open_detector
from pipeline.embedded.sam import load_sam
from pipeline.embedded.score import DETECTOR, WEIGHTS, held_out
from pipeline.embedded.train.findings import Finding, find_phrases, judged
from pipeline.embedded.train.sam import masks_from_boxes
from pipeline.files.encode import encode_picture
from pipeline.types import Image

COUNT: Final = 16
COLUMNS: Final = 4
TILE_PX: Final = 320
LEGEND_PX: Final = 104
"""Height of the strip below a picture that says what was asked and scored."""
PAINT: Final = ((230, 60, 60), (40, 130, 235), (245, 180, 30), (60, 175, 90), (165, 80, 205), (20, 185, 190))
SHOWN_FROM: Final = 0.25
"""A phrase's best box is drawn from this score on."""
INK, FADED, WRONG = (30, 30, 30), (140, 140, 140), (190, 30, 30)


def tiled(tiles: list[Image]) -> Image:
    """Equal pictures in rows of four, with thin gaps."""
    framed = [np.pad(tile, ((3, 3), (3, 3), (0, 0)), constant_values=255) for tile in tiles]
    return np.vstack([np.hstack(framed[i : i + COLUMNS]) for i in range(0, len(framed), COLUMNS)])


def segmented(image: Image, masks: NDArray[np.bool_], boxes: NDArray[np.float32]) -> Image:
    """A picture with masks (K, h, w) tinted and outlined and their boxes drawn thin, the largest mask first."""
    factor = TILE_PX / image.shape[0]
    shown = cv2.resize(image, (TILE_PX, TILE_PX), interpolation=cv2.INTER_CUBIC)
    order = np.argsort(-masks.sum((1, 2)), kind="stable")
    for number, index in enumerate(order):
        color = np.array(PAINT[number % len(PAINT)])
        soft = cv2.resize(masks[index].astype(np.float32), (TILE_PX, TILE_PX), interpolation=cv2.INTER_LINEAR)
        mask = soft > 0.5
        shown[mask] = (0.55 * shown[mask] + 0.45 * color).astype(np.uint8)
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, outlines, -1, tuple(map(int, color)), 1, cv2.LINE_AA)
        x0, y0, x1, y1 = (round(float(edge) * factor) for edge in boxes[index])
        cv2.rectangle(shown, (x0, y0), (x1 - 1, y1 - 1), (255, 255, 255), 1)
    return np.asarray(shown, np.uint8)


def sam_sheet(folder: Path = WEIGHTS / "sam-tiny") -> Image:
    """Masks of the segmenter from true boxes, seeds 0 to 15."""
    sam, cache = load_sam(folder), held_out(COUNT)
    tiles = []
    for index in range(COUNT):
        things = [t for t in cache.things[index] if cache.mask(index, t).sum() >= 80]
        boxes = np.array([t.box for t in things], np.float32)
        tiles.append(segmented(cache.images[index], masks_from_boxes(sam, cache.images[index], boxes), boxes))
    return tiled(tiles)


def found_in(image: Image, findings: list[Finding]) -> Image:
    """A picture with the best box of each phrase, and below it every phrase with its score.

    Grey phrases are absent, red ones are wrong: absent and drawn, or present and not on their thing.
    """
    shown = cv2.resize(image, (TILE_PX, TILE_PX), interpolation=cv2.INTER_CUBIC)
    legend: Any = np.full((LEGEND_PX, TILE_PX, 3), 255, np.uint8)
    for number, finding in enumerate(findings):
        color, score = PAINT[number % len(PAINT)], float(finding.scores[0])
        present = bool(len(finding.truth))
        wrong = not judged(finding)[0] if present else score >= SHOWN_FROM
        if score >= SHOWN_FROM:
            x0, y0, x1, y1 = (round(float(edge) * TILE_PX) for edge in finding.boxes[0])
            cv2.rectangle(shown, (x0, y0), (x1, y1), color, 2, cv2.LINE_AA)
        left, top = 8 + (number % 2) * (TILE_PX // 2), 18 + (number // 2) * 20
        cv2.rectangle(legend, (left, top - 9), (left + 9, top), color, -1)
        ink = WRONG if wrong else INK if present else FADED
        words = f"{finding.phrase} {score:.2f}"
        cv2.putText(legend, words, (left + 14, top), cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, 1, cv2.LINE_AA)
    return np.vstack([np.asarray(shown, np.uint8), legend])


def detector_sheet(folder: Path = DETECTOR) -> Image:
    """Boxes and scores of the detector, one caption a phrase, two absent phrases a scene, seeds 0 to 15."""
    cache = held_out(COUNT)
    findings = find_phrases(*open_detector(folder), cache, scenes=COUNT)
    return tiled([found_in(cache.images[i], [f for f in findings if f.scene == i]) for i in range(COUNT)])


def write_sheets(folder: Path) -> None:
    """Write both sheets into ``folder`` as JPEG."""
    for name, sheet in (("studio-sam", sam_sheet()), ("studio-detector", detector_sheet())):
        (folder / f"{name}.jpg").write_bytes(encode_picture(sheet, file_format="jpeg", quality=88))


if __name__ == "__main__":
    write_sheets(Path(sys.argv[1]))

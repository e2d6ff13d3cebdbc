"""The tuning sheet: one self-contained HTML page of what every threshold gives, and the patch to apply."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import cv2
import numpy as np

from masks.tuning import LOWEST, Advice, Plateau, Point, advise, at, curve
from pipeline.files.codec import decode_image
from pipeline.files.picture import encode_picture
from pipeline.files.preview import mask_overlay
from pipeline.types import Image, Mask

COLUMNS = tuple(round(0.05 * step, 2) for step in range(1, 15))
"""Thresholds that the sheet shows side by side: 0.05 to 0.70."""
ROWS_SHOWN = 200
"""Rows of a page; the counts and the curve are of all photos."""
CELL_PX = 150
_CHART = (640, 200)


@dataclass(frozen=True, kw_only=True)
class TunedPhoto:
    """One photo with all that thresholds can give of it.

    Attributes:
        sku: the item's.
        view: the item's.
        phrases: what was looked for.
        thumb: small picture as JPEG.
        plateaus: what `masks.tuning.sweep` gives.
        fixed: the threshold that the recipe (or the row) gives.
        auto: the threshold that ``box_threshold: auto`` chooses, with its confidence; None if it does not see one.
        confidence: of that choice, in [0, 1].
        reasons: why it was chosen.
        auto_iou: its mask's IoU with the true one.
    """

    sku: str
    view: str
    phrases: tuple[str, ...]
    thumb: bytes
    plateaus: tuple[Plateau, ...]
    fixed: float | None
    auto: float | None = None
    confidence: float | None = None
    reasons: tuple[str, ...] = ()
    auto_iou: float | None = None

    @property
    def chosen(self) -> float:
        """The threshold whose cell is marked."""
        return self.fixed if self.fixed is not None else self.auto if self.auto is not None else LOWEST


@dataclass(frozen=True, kw_only=True)
class Habit:
    """What the approved masks of a class measure in this catalog.

    Attributes:
        word: the class word.
        count: of approved masks.
        area: share of the picture, the range of 95 in 100.
        aspect: width over height, likewise.
    """

    word: str
    count: int
    area: tuple[float, float]
    aspect: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class SheetHead:
    """What stands above the sheet: names, how many photos of how many, skipped ones in words."""

    recipe: str
    file: str
    detector: str
    segmenter: str
    finder: str
    total: int
    skipped: tuple[str, ...] = ()
    seconds: float = 0.0
    networks: int = 0
    habits: tuple[Habit, ...] = ()


def render_sheet(head: SheetHead, photos: Sequence[TunedPhoto]) -> str:
    """The sheet as HTML. ``photos`` must not be empty."""
    points = curve([photo.plateaus for photo in photos])
    advice = advise(points)
    columns = columns_of(points, photos)
    shown = sorted(photos, key=_doubt)[:ROWS_SHOWN] if len(photos) > ROWS_SHOWN else photos
    text: str = _template().render(
        head=head,
        rows=[_row(photo, columns) for photo in shown],
        columns=[_column(points_at, photos[0].fixed) for points_at in curve([p.plateaus for p in photos], columns)],
        hidden=len(photos) - len(shown),
        count=len(photos),
        advice=advice,
        patch=patch(advice, photos, head.habits),
        verdict=verdict(advice, points, photos),
        chart=chart(points, advice, photos[0].fixed),
        phrases=_by_phrase(photos),
        scored=points[0].iou is not None,
        version=version("seamline"),
    )
    return text


def columns_of(points: Sequence[Point], photos: Sequence[TunedPhoto]) -> list[float]:
    """The thresholds shown: `COLUMNS` up to the first at which nothing is found, and the recipe's own."""
    last = next((point.threshold for point in points if point.none == 1), 1.0)
    there = [column for column in COLUMNS if column < last]
    empty = [column for column in COLUMNS if column >= last][:1]
    own = [round(photo.fixed, 3) for photo in photos[:1] if photo.fixed is not None]
    return sorted({*there, *empty, *own})


def patch(advice: Advice, photos: Sequence[TunedPhoto], habits: Sequence[Habit] = ()) -> str:
    """The YAML to put into the recipe, and rows of the catalog that want another threshold."""
    lines = ["subject:", f"  box_threshold: {advice.threshold:.2f}", *_learned(habits)]
    own = [photo for photo in photos if _differs(photo, advice.threshold)]
    if own:
        lines += ["", "# rows that want their own, in a catalog's column box_threshold:"]
        lines += [f"#   {photo.sku}{',' + photo.view if photo.view else ''}: {photo.auto:.2f}" for photo in own[:20]]
        lines += [f"#   and {len(own) - 20} more"] if len(own) > 20 else []
        lines += ["# or let each photo choose:", "#   box_threshold: auto"]
    return "\n".join(lines)


def _learned(habits: Sequence[Habit]) -> list[str]:
    """The fields that tell `auto` what is usual in this catalog."""
    if not habits:
        return []
    counts = ", ".join(f"{habit.count} of {habit.word}" for habit in habits)
    areas = ", ".join(f"{habit.word}: [{habit.area[0]:g}, {habit.area[1]:g}]" for habit in habits)
    aspects = ", ".join(f"{habit.word}: [{habit.aspect[0]:g}, {habit.aspect[1]:g}]" for habit in habits)
    return [
        f"  # learned from approved masks of this catalog ({counts}); box_threshold: auto reads it:",
        f"  usual_area: {{{areas}}}",
        f"  usual_aspect: {{{aspects}}}",
    ]


def _differs(photo: TunedPhoto, threshold: float) -> bool:
    """Whether a photo's own choice gives something else than the threshold for all."""
    if photo.auto is None:
        return False
    own, common = at(photo.plateaus, photo.auto), at(photo.plateaus, threshold)
    return own.found != common.found or bool((own.mask != common.mask).mean() > 0.002)


def verdict(advice: Advice, points: Sequence[Point], photos: Sequence[TunedPhoto]) -> list[str]:
    """What the curve says, in sentences."""
    said = [f"{advice.threshold:.2f} for all photos: {advice.why}."]
    now = [at(photo.plateaus, photo.chosen) for photo in photos]
    none, many = sum(one.found == 0 for one in now), sum(one.found > 1 for one in now)
    said.append(f"The recipe as it is: {none} of {len(now)} photos with nothing, {many} with several detections.")
    known = [one.iou for one in now if one.iou is not None]
    if known:
        said.append(f"Its mean IoU is {np.mean(known):.3f} over {len(known)} photos with a true mask.")
    auto = [photo.auto_iou for photo in photos if photo.auto_iou is not None]
    if auto:
        said.append(f"box_threshold: auto has mean IoU {np.mean(auto):.3f}.")
    return said


def _doubt(photo: TunedPhoto) -> tuple[int, float]:
    """Rows that are most likely wrong come first."""
    here = at(photo.plateaus, photo.chosen)
    return (0 if here.found == 0 else 1 if here.found > 1 else 2), here.score


def _column(point: Point, fixed: float | None) -> dict[str, Any]:
    return {
        "threshold": f"{point.threshold:g}",
        "fixed": fixed is not None and abs(point.threshold - fixed) < 1e-6,
        "none": point.none,
        "one": point.one,
        "many": point.many,
        "iou": point.iou,
    }


def _row(photo: TunedPhoto, columns: Sequence[float]) -> dict[str, Any]:
    """The cells of a photo: neighbours that give the same are one wide cell."""
    image = decode_image(photo.thumb)
    cells: list[dict[str, Any]] = []
    before: Plateau | None = None
    for threshold in columns:
        here = at(photo.plateaus, threshold)
        if before is not None and _same(here, before):
            cells[-1]["span"] += 1
            cells[-1]["to"] = f"{threshold:g}"
        else:
            picture = _cell(image, here.mask) if here.found else None
            cells.append({"span": 1, "from": f"{threshold:g}", "to": "", "picture": picture, "found": here.found,
                          "score": here.score, "iou": here.iou, "chosen": False, "auto": False})  # fmt: skip
        nearest = min(columns, key=lambda column: abs(column - photo.chosen))
        cells[-1]["chosen"] |= threshold == nearest
        if photo.auto is not None:
            cells[-1]["auto"] |= threshold == min(columns, key=lambda column: abs(column - (photo.auto or 0)))
        before = here
    return {
        "sku": photo.sku, "view": photo.view, "phrases": ", ".join(photo.phrases), "source": _uri(_jpeg(image)),
        "cells": cells, "chosen": photo.chosen, "auto": photo.auto, "confidence": photo.confidence,
        "reasons": photo.reasons,
    }  # fmt: skip


def _same(one: Plateau, other: Plateau) -> bool:
    return one is other or (one.found == other.found and bool(np.array_equal(one.mask, other.mask)))


def _cell(image: Image, mask: Mask) -> str:
    alpha = cv2.resize(mask.astype(np.float32), (image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA)
    return _uri(_jpeg(mask_overlay(image, alpha.astype(np.float32), CELL_PX)))


def _jpeg(image: Image) -> bytes:
    from pipeline.files.preview import shrink

    return encode_picture(shrink(image, CELL_PX), file_format="jpeg", quality=78)


def _uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _by_phrase(photos: Sequence[TunedPhoto]) -> list[dict[str, Any]]:
    """Counts and the best fixed threshold of each class alone."""
    groups: dict[tuple[str, ...], list[TunedPhoto]] = {}
    for photo in photos:
        groups.setdefault(photo.phrases, []).append(photo)
    rows = []
    for phrases, group in sorted(groups.items()):
        now = [at(photo.plateaus, photo.chosen).found for photo in group]
        advice = advise(curve([photo.plateaus for photo in group]))
        rows.append(
            {
                "phrases": ", ".join(phrases),
                "count": len(group),
                "none": sum(found == 0 for found in now),
                "one": sum(found == 1 for found in now),
                "many": sum(found > 1 for found in now),
                "threshold": advice.threshold,
                "low": advice.low,
                "high": advice.high,
            }
        )
    return rows


def chart(points: Sequence[Point], advice: Advice, fixed: float | None) -> dict[str, Any]:
    """The curve as polygons of an SVG of 640 x 200: shares stacked, one below, none above; and the mean IoU."""
    width, height = _CHART
    first, last = points[0].threshold, points[-1].threshold

    def x(threshold: float) -> float:
        return round((threshold - first) / (last - first) * width, 1)

    def area(lower: Sequence[float], upper: Sequence[float]) -> str:
        there = [f"{x(point.threshold)},{height * (1 - value):.1f}" for point, value in zip(points, upper, strict=True)]
        back = [f"{x(point.threshold)},{height * (1 - value):.1f}" for point, value in zip(points, lower, strict=True)]
        return " ".join([*there, *reversed(back)])

    one = [point.one for point in points]
    several = [point.one + point.many for point in points]
    scored = [(point.threshold, point.iou) for point in points if point.iou is not None]
    return {
        "width": width,
        "height": height,
        "one": area([0.0] * len(points), one),
        "many": area(one, several),
        "none": area(several, [1.0] * len(points)),
        "iou": " ".join(f"{x(threshold)},{height * (1 - iou):.1f}" for threshold, iou in scored),
        "advice": x(advice.threshold),
        "low": x(advice.low),
        "high": x(advice.high),
        "fixed": x(min(max(fixed, first), last)) if fixed is not None else None,
        "ticks": [(x(tick / 10), f"0.{tick}") for tick in range(1, 10)],
    }


@cache
def _template() -> Any:
    from jinja2 import Environment

    source = files("masks").joinpath("templates/tuning_sheet.html.j2").read_text()
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)

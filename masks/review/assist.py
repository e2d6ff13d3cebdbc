"""What helps a reviewer's hand: detected boxes, clicks, a finer edge, other programs' files, a trial of the result.

Scores and embeddings come from the store that the batch filled; what the batch had no use for is made once, now.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from masks import matting
from masks.detect import Boxes, boxes_at
from masks.detectors.captions import clean_phrase
from masks.evidence import Evidence
from masks.picking import pick
from masks.review.desk import Desk, Missing, Sheet
from masks.segmenters.types import Embedding, Floats
from masks.shelf import Conflict, Revision, RevisionKind
from masks.shelf_formats import (
    Levels,
    from_alpha,
    from_coco,
    from_mask,
    read_any,
    read_levels,
    to_coco,
    write_levels,
    write_rgba,
)
from masks.text import masks_of_boxes
from pipeline.errors import SeamlineError, StoreError
from pipeline.files.ledger import Batch, Record
from pipeline.files.picture import decode_picture, read_bytes
from pipeline.files.recipe import Recipe
from pipeline.types import Image, Json, Mask

LOWEST = 0.05
"""The slider's lower end: a detector says nothing below."""
MOST_BOXES = 12
"""Boxes that are offered, the best of all phrases."""
MOST_CLICKS = 64
FORMATS = {"png": "image/png", "rgba": "image/png", "coco": "application/json"}
_EMBEDDINGS_KEPT = 3


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an item would become: a JPEG of the finished picture, or None; and what was noted, or why there is none."""

    picture: bytes | None
    notes: tuple[str, ...] = ()


Rerun = Callable[[Batch, Record, Revision | None], Outcome]
"""Works on one item with this revision's mask, or with the mask as it was found. Leaves its record as it is."""


@dataclass(frozen=True, kw_only=True)
class Click:
    """A click at x, y in pixels of the picture; it adds or takes away."""

    x: float
    y: float
    adds: bool


class Assist:
    """Helps over one desk. Models load at first use; one request at a time uses them."""

    def __init__(self, desk: Desk, rerun: Rerun | None = None) -> None:
        """``rerun`` tries an item; without one there is no such button."""
        self.desk = desk
        self.rerun = rerun
        self._lock = Lock()
        self._embeddings: OrderedDict[str, Embedding] = OrderedDict()

    # Boxes

    def detections(self, sheet: Sheet) -> Json:
        """The boxes of an item as JSON: phrase, corners, score, whether unwanted; and the recipe's threshold.

        Raises WeightsMissing if the scores are not stored and the detector is not on this machine.
        """
        recipe = self._recipe(sheet)
        boxes = self._boxes(sheet, recipe)
        unwanted = {clean_phrase(phrase) for phrase in recipe.subject.exclude}
        fixed = recipe.subject.box_threshold
        return {
            "lowest": LOWEST,
            "threshold": fixed if isinstance(fixed, float) else None,
            "boxes": [
                {
                    "phrase": boxes.phrases[at],
                    "box": [round(float(side), 1) for side in boxes.boxes[at]],
                    "score": round(float(boxes.scores[at]), 4),
                    "unwanted": boxes.phrases[at] in unwanted,
                }
                for at in range(len(boxes))
            ],
        }

    def proposal(self, sheet: Sheet, chosen: Sequence[int]) -> bytes:
        """PNG of the mask of the boxes with these numbers: wanted things together, unwanted ones cut out.

        Raises Missing for a number that no box has.
        """
        recipe = self._recipe(sheet)
        boxes = self._boxes(sheet, recipe)
        if any(not 0 <= number < len(boxes) for number in chosen):
            raise Missing("there is no such box; reload the page")
        if not chosen:
            return write_levels(from_mask(np.zeros(self.desk.photo(sheet.record).size, bool)))
        part = Boxes(
            boxes=boxes.boxes[list(chosen)],
            scores=boxes.scores[list(chosen)],
            phrases=tuple(boxes.phrases[number] for number in chosen),
            labels=tuple(boxes.labels[number] for number in chosen),
        )
        with self._lock:
            evidence = self._evidence(sheet, recipe)
            embedding = self._embedding(sheet, evidence)
            # The reviewer has decided which box is what: none is dropped for another.
            things = masks_of_boxes(
                evidence.segmenter, embedding, part, exclude=recipe.subject.exclude, contest_iou=1.0
            )
        mask: Mask = np.zeros(embedding.size, bool)
        for thing in things:
            mask |= thing.mask
        return write_levels(from_mask(mask))

    def _boxes(self, sheet: Sheet, recipe: Recipe) -> Boxes:
        asked = [*recipe.subject.phrases, *recipe.subject.exclude]
        if not asked:
            raise Missing("this item has no phrases to look for")
        with self._lock:
            raw = self._evidence(sheet, recipe).scores(_digest(sheet), lambda: self._image(sheet.record), asked)
        found = boxes_at(raw, LOWEST)
        best = slice(MOST_BOXES)
        return Boxes(
            boxes=found.boxes[best],
            scores=found.scores[best],
            phrases=found.phrases[best],
            labels=found.labels[best],
        )

    # Clicks

    def click(self, sheet: Sheet, clicks: Sequence[Click]) -> bytes:
        """PNG of what lies under the last click. Earlier clicks of the other sort say what it is not.

        Raises SeamlineError for no click, too many, or one beside the picture.
        """
        if not 0 < len(clicks) <= MOST_CLICKS:
            raise SeamlineError(f"give 1 to {MOST_CLICKS} clicks")
        last = clicks[-1]
        others = [click for click in clicks[:-1] if click.adds != last.adds]
        with self._lock:
            recipe = self._recipe(sheet)
            evidence = self._evidence(sheet, recipe)
            embedding = self._embedding(sheet, evidence)
            height, width = embedding.size
            if not (0 <= last.x < width and 0 <= last.y < height):
                raise SeamlineError("this click is beside the picture")
            mask = pick(
                evidence.segmenter,
                embedding,
                self._image(sheet.record),
                (last.x, last.y),
                but=[(click.x, click.y) for click in others if 0 <= click.x < width and 0 <= click.y < height],
                boxes=self._proposed(sheet, recipe, evidence),
            )
        return write_levels(from_mask(mask))

    def _proposed(self, sheet: Sheet, recipe: Recipe, evidence: Evidence) -> Floats | None:
        """Every box that the detector thought of, if it was asked."""
        asked = [*recipe.subject.phrases, *recipe.subject.exclude]
        if not asked or not all(self.desk.store.has(evidence.scores_key(_digest(sheet), one)) for one in asked):
            return None
        raw = evidence.scores(_digest(sheet), lambda: self._image(sheet.record), asked)
        return np.concatenate([found.boxes for found in raw.phrases])

    def refine(self, sheet: Sheet, mask: bytes) -> bytes:
        """PNG of the mask with its edge made anew from the photo: soft at hair, sharp at hems."""
        photo = self.desk.photo(sheet.record)
        levels = read_levels(mask, size=photo.size)
        if not (levels >= 128).any():
            raise SeamlineError("the mask is empty: there is no edge to refine")
        return write_levels(from_alpha(matting.soft_edge(self._image(sheet.record), levels >= 128)))

    # Files of other programs

    def export(self, sheet: Sheet, number: int | None, file_format: str) -> bytes:
        """A revision's mask (None: the newest, else the found one) as ``png``, ``rgba`` cut-out or ``coco`` JSON."""
        if file_format not in FORMATS:
            raise Missing(f"there is no format {file_format!r}; choose one of {', '.join(FORMATS)}")
        data = self.desk.mask(sheet, number)
        if file_format == "png":
            return data
        levels = read_levels(data)
        if file_format == "rgba":
            return write_rgba(self._image(sheet.record), levels)
        return json.dumps(to_coco(levels)).encode()

    def read_import(self, sheet: Sheet, data: bytes) -> bytes:
        """PNG of the levels of another program's file: grey PNG, RGBA PNG or COCO JSON. Nothing is stored.

        Raises StoreError for anything else, or another size than the photo's.
        """
        size = self.desk.photo(sheet.record).size
        levels: Levels
        if data.lstrip()[:1] == b"{":
            try:
                value = json.loads(data)
            except ValueError as error:
                raise StoreError("this file is neither a PNG nor COCO's JSON") from error
            levels = from_coco(value.get("segmentation", value), size=size)
        else:
            levels = read_any(data, size=size)
        return write_levels(levels)

    # The result

    def trial(self, sheet: Sheet, *, own: bool) -> Outcome:
        """What the item becomes with the newest painted mask, or (``own`` False) with the mask as it was found.

        Raises Conflict if this page was started without the means to run an item.
        """
        if self.rerun is None:
            raise Conflict("this page was started without a recipe's stages; start it with `seamline review`")
        revision = sheet.own if own else None
        if revision is not None:
            note = replace(revision.note, kind=RevisionKind.EDITED)
            revision = replace(revision, note=note)
        return self.rerun(sheet.batch, sheet.record, revision)

    # Parts

    def _recipe(self, sheet: Sheet) -> Recipe:
        return Recipe.model_validate_json(sheet.batch.recipe_text).for_item(sheet.record.item)

    def _evidence(self, sheet: Sheet, recipe: Recipe) -> Evidence:
        wanted = recipe.subject
        return Evidence(self.desk.store, wanted.detector, wanted.segmenter, accept_licence=recipe.accept_licence)

    def _embedding(self, sheet: Sheet, evidence: Evidence) -> Embedding:
        key = evidence.embedding_key(_digest(sheet))
        if key not in self._embeddings:
            self._embeddings[key] = evidence.embedding(_digest(sheet), lambda: self._image(sheet.record))
            while len(self._embeddings) > _EMBEDDINGS_KEPT:
                self._embeddings.popitem(last=False)
        return self._embeddings[key]

    def _image(self, record: Record) -> Image:
        self.desk.photo(record)  # refuses a photo that has changed since
        return decode_picture(read_bytes(record.address), f"{record.sku}/{record.view}").image


def _digest(sheet: Sheet) -> str:
    return sheet.place.digest

"""What thresholds give, from scores alone: plateaus, counts, the recommended threshold, the page."""

from __future__ import annotations

import re

import numpy as np
import pytest

from masks.detect import PhraseScores, RawDetections, boxes_at
from masks.segment import embed, load_segmenter
from masks.segmenters.types import Segmenter
from masks.text import masks_of_boxes
from masks.tuning import LOWEST, Plateau, advise, at, curve, sweep
from masks.tuning_sheet import SheetHead, TunedPhoto, render_sheet
from pipeline.embedded.render import render
from pipeline.files.picture import encode_picture
from pipeline.types import Image

HEAD = SheetHead(
    recipe="looks", file="looks.yaml", detector="a detector", segmenter="a segmenter", finder="grounding_dino", total=9
)


def scores(boxes: list[tuple[list[float], float]], phrase: str = "shirt") -> PhraseScores:
    return PhraseScores(
        phrase=phrase,
        words=(phrase,),
        boxes=np.array([box for box, _ in boxes], np.float32),
        word_scores=np.array([[score] for _, score in boxes], np.float32),
    )


def raw(*phrases: PhraseScores) -> RawDetections:
    return RawDetections(size=(256, 192), phrases=phrases)


PICTURE: Image = render(3, size=(256, 192)).image
SHIRT = scores([([60, 40, 120, 110], 0.62), ([20, 120, 80, 230], 0.31), ([61, 41, 121, 109], 0.55)])


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return load_segmenter("sam-embedded", device="cpu")


def test_a_sweep_tells_what_each_threshold_gives(segmenter: Segmenter) -> None:
    embedding = embed(segmenter, PICTURE)
    found = sweep(raw(SHIRT), segmenter, embedding, ["shirt"])
    edges = [(round(one.low, 2), round(one.high, 2), one.found) for one in found]
    assert edges == [(LOWEST, 0.31, 2), (0.31, 0.62, 1), (0.62, 1.0, 0)], "the near copy at 0.55 is suppressed"
    for threshold in (0.1, 0.31, 0.5, 0.62, 0.9):
        wanted = masks_of_boxes(segmenter, embedding, boxes_at(raw(SHIRT), threshold))
        here = at(found, threshold)
        assert here.found == len(wanted)
        if wanted:
            assert np.array_equal(here.mask, wanted[0].mask), "the picture is small: compared at its own size"


def test_several_things_may_be_one_subject(segmenter: Segmenter) -> None:
    embedding = embed(segmenter, PICTURE)
    best = at(sweep(raw(SHIRT), segmenter, embedding, ["shirt"]), 0.1).mask
    merged = at(sweep(raw(SHIRT), segmenter, embedding, ["shirt"], merged=True), 0.1).mask
    assert (best & ~merged).sum() == 0
    assert merged.sum() > best.sum()


def test_an_excluded_thing_counts_for_none_and_truth_scores(segmenter: Segmenter) -> None:
    hair = scores([([60, 40, 120, 110], 0.9)], "hair")
    embedding = embed(segmenter, PICTURE)
    found = sweep(raw(SHIRT, hair), segmenter, embedding, ["shirt"], exclude=["hair"])
    assert at(found, 0.5).found == 0, "the better hair box claims the shirt"
    truth = at(sweep(raw(SHIRT), segmenter, embedding, ["shirt"]), 0.5).mask
    scored = sweep(raw(SHIRT), segmenter, embedding, ["shirt"], truth=truth)
    assert (at(scored, 0.5).iou, at(scored, 0.9).iou) == (1.0, 0.0)


def test_a_photo_without_any_box_is_found_nowhere(segmenter: Segmenter) -> None:
    faint = raw(scores([([0, 0, 10, 10], 0.01)]))
    (only,) = sweep(faint, segmenter, embed(segmenter, PICTURE), ["shirt"])
    assert (round(only.low, 2), only.high, only.found, only.mask.any()) == (LOWEST, 1.0, 0, False)


def drawn(*steps: tuple[float, int, float | None]) -> tuple[Plateau, ...]:
    """Plateaus by their lower ends, numbers of things and IoUs."""
    lows = [low for low, _, _ in steps]
    return tuple(
        Plateau(low=low, high=high, found=found, score=high, mask=np.full((20, 16), found > 0), iou=iou)
        for (low, found, iou), high in zip(steps, [*lows[1:], 1.0], strict=True)
    )


def test_the_curve_counts_photos_and_the_advice_is_the_middle_of_the_widest_best_range() -> None:
    photos = [drawn((0.05, 3, None), (0.25, 1, None), (0.5, 0, None)), drawn((0.05, 1, None), (0.4, 0, None))]
    points = curve(photos)
    there = {point.threshold: (point.none, point.one, point.many) for point in points}
    assert there[0.1] == (0.0, 0.5, 0.5)
    assert there[0.3] == (0.0, 1.0, 0.0)
    assert there[0.45] == (0.5, 0.5, 0.0)
    advice = advise(points)
    assert (advice.low, advice.high, advice.threshold) == (0.25, 0.39, 0.32)
    assert "100%" in advice.why


def test_true_masks_decide_before_counts() -> None:
    photos = [drawn((0.05, 2, 0.9), (0.3, 1, 0.4)), drawn((0.05, 2, 0.8), (0.2, 1, 0.6))]
    advice = advise(curve(photos))
    assert (advice.low, advice.high) == (0.05, 0.19)
    assert "mean IoU 0.850" in advice.why


def shown(sku: str, plateaus: tuple[Plateau, ...], fixed: float, auto: float | None = None) -> TunedPhoto:
    thumb = encode_picture(np.full((20, 16, 3), 200, np.uint8), file_format="jpeg", quality=80)
    return TunedPhoto(sku=sku, view="main", phrases=("shirt",), thumb=thumb, plateaus=plateaus, fixed=fixed, auto=auto)


def test_the_sheet_marks_the_chosen_cell_and_gives_the_patch() -> None:
    plateaus = drawn((0.05, 3, None), (0.25, 1, None), (0.5, 0, None))
    page = render_sheet(HEAD, [shown("a <b>", plateaus, 0.3), shown("c", plateaus, 0.3, auto=0.55)])
    assert "box_threshold: 0.37" in page
    assert "c,main: 0.55" in page, "a row whose own choice differs is listed"
    assert "a &lt;b&gt;" in page
    rows = re.findall(r"<tr><th class=\"name\" scope=\"row\">.*?</tr>", page, re.DOTALL)
    assert len(rows) == 2
    cells = re.findall(r'<td class="cell([^"]*)" colspan="(\d+)" title="([^"]*)"', rows[0])
    assert [(chosen.strip(), int(span), title) for chosen, span, title in cells] == [
        ("", 4, "0.05 to 0.2"),
        ("chosen", 5, "0.25 to 0.45"),
        ("narrow", 1, "0.5"),
    ]
    assert 'src="http' not in page, "everything is in the page"

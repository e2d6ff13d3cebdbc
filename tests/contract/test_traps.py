"""The traps that other tools fall into, one test each, against the code that has to avoid it.

Numbers are those of the list in docs/masks.md, "Traps".
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from masks import ops
from masks.detect import Boxes, boxes_at, to_pixels
from masks.detectors.types import PhraseScores, PictureFit, RawDetections
from masks.find import Detected, find_subject, read_mask
from masks.shelf_formats import read_any
from masks.tune import propose
from pipeline.errors import ItemError, NothingFound, StoreError
from pipeline.files.catalog import check_catalog
from pipeline.files.picture import decode_picture
from pipeline.files.recipe_models import CatalogSection
from pipeline.types import Image, Mask, Picture


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def block(left: int) -> Mask:
    mask = np.zeros((60, 60), np.bool_)
    mask[20:40, left : left + 10] = True
    return mask


def test_trap_1_an_item_without_a_box_shifts_no_other_item_s_mask() -> None:
    """masks.find.find_subject: nothing found is that item's own error; the next items keep their own masks."""
    answers = {10: [Detected(block(10), 0.9, "shoe")], 20: [], 40: [Detected(block(40), 0.9, "shoe")]}
    found: dict[int, Mask | None] = {}
    for left, things in answers.items():
        picture = Picture(image=np.full((60, 60, 3), left, np.uint8))
        try:
            subject = find_subject(
                picture,
                finder="grounding_dino",
                phrases=["shoe"],
                detector=lambda image, _: answers[int(image[0, 0, 0])],
            )
        except NothingFound:
            found[left] = None
        else:
            found[left] = subject.mask
        assert things is answers[left]
    assert found[20] is None
    for left in (10, 40):
        mask = found[left]
        assert mask is not None
        assert ops.iou(mask, block(left)) > 0.6


def test_trap_2_files_of_one_stem_are_told_apart_and_masks_of_another_size_refused(tmp_path: Path) -> None:
    """pipeline.files.catalog and masks.find.read_mask: no silent collision, no silent resize, soft edges kept."""
    for name in ("A1.jpg", "A1.png"):
        Pillow.new("RGB", (8, 8)).save(tmp_path / name)
    report = check_catalog(CatalogSection(address=str(tmp_path)))
    assert report.count == 1
    assert len(report.problems) == 1, "the second file of the stem is reported"
    photo = np.zeros((30, 20, 3), np.uint8)
    with pytest.raises(ItemError, match="save the mask at the photo's own size"):
        read_mask(png(np.zeros((20, 30), np.uint8)), photo)
    with pytest.raises(StoreError):
        read_any(png(np.zeros((20, 30), np.uint8)), size=(30, 20))
    soft = np.tile(np.linspace(0, 255, 20).astype(np.uint8), (30, 1))
    np.testing.assert_allclose(read_mask(png(soft), photo), soft / np.float32(255), atol=1e-6)


@pytest.mark.parametrize("px", [1, 6, 17, 32])
def test_trap_3_pixels_are_pixels_and_an_empty_mask_is_no_whole_picture(px: int) -> None:
    """masks.ops: grow 32 grows 32; masks.find: an empty mask is refused."""
    dot = np.zeros((101, 101), np.bool_)
    dot[50, 50] = True
    box = ops.bounding_box(ops.grow(dot, px))
    assert box == (50 - px, 50 - px, 51 + px, 51 + px)
    assert not ops.grow(np.zeros_like(dot), px).any()
    assert not ops.relaxed(np.zeros_like(dot), px).any()
    with pytest.raises(NothingFound, match="empty"):
        find_subject(
            Picture(image=np.zeros((9, 9, 3), np.uint8)), finder="file", mask_file=png(np.zeros((9, 9), np.uint8))
        )


def test_trap_4_the_networks_see_red_as_red() -> None:
    """masks.detect.to_pixels: channel 0 is red, as in masks.segment."""
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 255
    pixels = to_pixels(red, PictureFit(shortest_px=40, mean=(0, 0, 0), std=(1, 1, 1)))
    assert pixels[0].mean(dim=(1, 2)).tolist() == pytest.approx([1, 0, 0])


def test_trap_5_scores_and_their_boxes_survive_their_file() -> None:
    """masks.detectors.types.RawDetections: what was detected is not lost when a process ends; see also
    tests/end_to_end/test_resume.py for items and tests/masks/test_evidence.py for the store."""
    raw = many_boxes()
    again = RawDetections.from_bytes(raw.to_bytes())
    np.testing.assert_array_equal(again.of("shoe").boxes, raw.of("shoe").boxes)
    np.testing.assert_array_equal(again.of("shoe").word_scores, raw.of("shoe").word_scores)


def many_boxes() -> RawDetections:
    """Ten boxes far apart, the best last."""
    boxes = np.array([[x, 0, x + 8, 40] for x in range(0, 100, 10)], np.float32)
    scores = np.linspace(0.3, 0.9, 10, dtype=np.float32)[:, None]
    shoe = PhraseScores(phrase="shoe", words=("shoe",), boxes=boxes, word_scores=scores)
    return RawDetections(size=(40, 100), phrases=(shoe,))


def test_trap_6_the_best_boxes_are_kept_and_not_the_first() -> None:
    """masks.detect.boxes_at with max_boxes, and masks.tune.propose with its limit."""
    kept: Boxes = boxes_at(many_boxes(), 0.25, max_boxes=2)
    np.testing.assert_allclose(kept.scores, [0.9, 0.8333], atol=1e-3)
    proposed = propose([many_boxes().of("shoe")], (40, 100), limit=2)
    np.testing.assert_allclose(proposed.scores, [0.9, 0.8333], atol=1e-3)


def test_trap_7_an_empty_answer_is_no_success() -> None:
    """masks.find: a detector that gives an empty mask, however sure it says it is, has found nothing."""

    def blind(image: Image, phrases: object) -> list[Detected]:
        return [Detected(np.zeros(image.shape[:2], np.bool_), 0.99, "shoe")]

    with pytest.raises(NothingFound):
        find_subject(
            Picture(image=np.zeros((50, 50, 3), np.uint8)), finder="grounding_dino", phrases=["shoe"], detector=blind
        )


def test_trap_8_photos_stand_upright_and_masks_are_scaled_without_new_values() -> None:
    """pipeline.files.picture.decode_picture and masks.ops.resized."""
    stored = np.zeros((40, 80, 3), np.uint8)
    stored[:, :20] = 255
    stream, exif = io.BytesIO(), Pillow.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn right to see it upright
    Pillow.fromarray(stored).save(stream, "PNG", exif=exif)
    upright = decode_picture(stream.getvalue(), "photo.png").image
    assert upright.shape == (80, 40, 3)
    assert upright[:18].min() > 250
    assert upright[22:].max() < 5
    checks = np.indices((9, 9)).sum(axis=0) % 2 == 0
    scaled = ops.resized(checks, (45, 45))
    assert scaled.dtype == np.bool_
    np.testing.assert_array_equal(scaled[2::5, 2::5], checks)

"""The contact sheet over a real ledger and a real store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.files import report
from pipeline.files.ledger import Ledger
from pipeline.files.preview import PREVIEW_PX, mask_overlay, previews, shrink
from pipeline.files.report import write_contact_sheet
from pipeline.files.store import Store, stage_key
from pipeline.types import Item, ItemState


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger.open(f"sqlite:///{tmp_path}/ledger.db")
    ledger.begin_batch(
        recipe_name="shoes", recipe_digest="d", recipe_text="", catalog="c.csv", version="0.1.0", batch_id="b1"
    )
    return ledger


def add(ledger: Ledger, *skus: str) -> None:
    ledger.add_items("b1", ((Item(sku=s, view="front", address=f"{s}.jpg", row=n), 0) for n, s in enumerate(skus)))


def gray(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def test_shows_pictures_outcome_and_reason(ledger: Ledger, tmp_path: Path) -> None:
    store, folder = Store(str(tmp_path / "store")), tmp_path / "batch"
    add(ledger, "boot", "cap")
    key = stage_key("preview", 1, {}, ["x"])
    store.put(key, previews(gray(30, 40), np.ones((30, 40), np.float32), gray(60, 60)), {})
    ledger.update(
        "b1",
        "boot",
        "front",
        state=ItemState.ACCEPTED,
        keys={"preview": key},
        confidence=0.875,
        output=str(folder / "pictures" / "boot #1.jpg"),
        scores={"finder": "backdrop", "fill": 0.85},
    )
    ledger.update("b1", "cap", "front", state=ItemState.FAILED, reason="cap/front: <broken> file; send it again")

    page = Path(write_contact_sheet(ledger, store, "b1", str(folder))).read_text()

    assert "Finished 1" in page
    assert "Failed 1" in page
    assert "backdrop, confidence 0.88" in page
    assert "cap/front: &lt;broken&gt; file; send it again" in page
    assert 'href="pictures/boot%20%231.jpg"' in page
    assert sorted(p.suffixes[0] for p in (folder / "sheet").iterdir()) == [".mask", ".result", ".source"]
    for shown in (folder / "sheet").iterdir():
        assert f"sheet/{shown.name}" in page


def test_pages_hold_every_item_once(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "PAGE", 3)
    add(ledger, *(f"sku{n}" for n in range(7)))
    write_contact_sheet(ledger, Store(str(tmp_path / "store")), "b1", str(tmp_path / "batch"))
    texts = [p.read_text() for p in sorted((tmp_path / "batch").glob("contact-sheet*.html"))]
    assert len(texts) == 3
    assert sorted(sum(f"<h2>sku{n}" in text for text in texts) for n in range(7)) == [1] * 7


def test_a_result_that_was_cleaned_away_leaves_a_gap(ledger: Ledger, tmp_path: Path) -> None:
    add(ledger, "boot")
    ledger.update("b1", "boot", "front", keys={"preview": "0" * 64})
    page = Path(write_contact_sheet(ledger, Store(str(tmp_path / "s")), "b1", str(tmp_path / "b"))).read_text()
    assert "not made" in page


def test_bad_rows_of_the_catalog_are_listed_on_the_first_page(ledger: Ledger, tmp_path: Path) -> None:
    add(ledger, "boot")
    ledger.add_problems("b1", [(7, "the photo <x>.jpg is not there")])
    page = Path(write_contact_sheet(ledger, Store(str(tmp_path / "s")), "b1", str(tmp_path / "b"))).read_text()
    assert "row 7: the photo &lt;x&gt;.jpg is not there" in page


def test_overlay_veils_what_is_left_out_and_keeps_the_subject() -> None:
    image, alpha = gray(20, 20), np.zeros((20, 20), np.float32)
    alpha[5:15, 5:15] = 1
    shown = mask_overlay(image, alpha)
    np.testing.assert_array_equal(shown[8:12, 8:12], image[8:12, 8:12])
    assert shown[0, 0, 0] > shown[0, 0, 1] + 30


def test_shrink_keeps_the_aspect_and_never_enlarges() -> None:
    assert shrink(gray(1000, 500)).shape == (PREVIEW_PX, PREVIEW_PX // 2, 3)
    assert shrink(gray(30, 20)).shape == (30, 20, 3)

"""Marketplace rows, canvases, names and files within a size limit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ItemError, RecipeError
from pipeline.files.export import canvas_size, export_picture, file_name, marketplace, marketplaces
from pipeline.files.marketplace import Marketplace, parse_marketplaces
from pipeline.files.provenance import Provenance, read_provenance

ROWS = tuple(marketplaces().values())
NOISE = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)


def test_every_channel_of_the_issue_has_a_row_that_cites_its_page() -> None:
    wanted = {"amazon", "amazon-secondary", "google", "zalando", "zalora", "ebay", "shopify", "vtex", "etsy", "tiktok"}
    assert wanted | {"plain"} == set(marketplaces())
    for row in ROWS:
        assert row.page
        assert row.read_on.year >= 2026
        assert row.url or not row.verified or row.id == "plain"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("amazon", (2000, 2000)),
        ("zalando", (2600, 1801)),
        ("zalora", (2200, 1524)),
        ("google", (1500, 1500)),
        ("shopify", (2048, 2048)),
        ("plain", (2048, 2048)),
    ],
)
def test_canvas_of_each_marketplace(name: str, size: tuple[int, int]) -> None:
    assert canvas_size(marketplace(name)) == size


def test_canvas_follows_the_recipe_and_the_photo() -> None:
    assert canvas_size(marketplace("zalando"), 1100) == (1100, 762)
    assert canvas_size(marketplace("plain"), source=(600, 900)) == (600, 900)
    assert canvas_size(marketplace("plain"), 300, source=(600, 900)) == (200, 300)
    with pytest.raises(RecipeError, match=r"export\.longest_px.*write 1000 to 10000"):
        canvas_size(marketplace("amazon"), 500)
    with pytest.raises(RecipeError, match="write 2000 to"):
        canvas_size(marketplace("etsy"), 900)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_default_canvas_obeys_its_own_row(row: Marketplace) -> None:
    height, width = canvas_size(row)
    assert max(height, width) >= row.min_px
    assert min(height, width) >= row.min_short_px
    assert max(height, width) <= row.max_px
    assert height * width <= (row.max_pixels or height * width)


def test_unknown_names_get_a_guess() -> None:
    with pytest.raises(RecipeError, match="Did you mean zalando"):
        marketplace("zalndo")


BASE = "title: T\n  page: P\n  read_on: 2026-01-01\n"


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        (f"a:\n  {BASE}  fill_taget: 1\n", "row a, field fill_taget"),
        (f"a:\n  {BASE}  fill_low: 0.9\n  fill_target: 0.5\n", "fill_target"),
        (f"a:\n  {BASE}  formats: [gif]\n", "gif"),
        (f"a:\n  {BASE}  naming: '../{{sku}}'\n", "naming"),
        (f"A b:\n  {BASE}", "field id"),
        ("a: 3\n", "row a must hold fields"),
        ("- a\n", "rows by id"),
        ("a: [\n", "not YAML"),
        ("a:\n  1: 2\n", "row a"),
    ],
)
def test_wrong_rows_are_refused_by_name(yaml: str, says: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(says)):
        parse_marketplaces(yaml, "mine.yaml")


def test_rows_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "marketplaces.yaml").write_text(f"my-shop:\n  {BASE}  advised_px: 800\n")
    monkeypatch.chdir(tmp_path)
    assert canvas_size(marketplace("my-shop")) == (800, 800)
    assert "amazon" in marketplaces()


@pytest.mark.parametrize(
    ("row", "sku", "view", "name"),
    [
        ("amazon", "B00X", "main", "B00X.MAIN.jpg"),
        ("amazon", "B00X", "2", "B00X.PT02.jpg"),
        ("amazon-secondary", "B00X", "1", "B00X.PT01.jpg"),
        ("zalando", "A/B 1", "front", "A~2FB~201.front.jpg"),
        ("vtex", "a-b", "back-2", "a-b-back~2D2.jpg"),
        ("plain", "../../etc/passwd", "", "~2E.~2F..~2Fetc~2Fpasswd.main.jpg"),
        ("plain", "größe", "main", "gr~C3~B6~C3~9Fe.main.jpg"),
    ],
)
def test_names(row: str, sku: str, view: str, name: str) -> None:
    assert file_name(marketplace(row), sku, view) == name


def test_extension_follows_the_format() -> None:
    assert file_name(marketplace("plain"), "a", "b", file_format="tiff") == "a.b.tif"


TEXT = st.text(max_size=300) | st.text("aA.-_~/12MAINPT0 ", max_size=8)


@given(st.sampled_from(ROWS), st.tuples(TEXT, TEXT), st.tuples(TEXT, TEXT))
def test_names_never_collide_or_leave_their_folder(
    row: Marketplace, one: tuple[str, str], two: tuple[str, str]
) -> None:
    def plain(pair: tuple[str, str]) -> tuple[str, str]:
        return pair[0], pair[1] or "main"

    first, second = file_name(row, *one), file_name(row, *two)
    assert (first == second) == (plain(one) == plain(two))
    assert re.fullmatch(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*\.jpg", first)
    assert len(first.encode()) <= 255


def test_reserved_slots_cannot_be_taken_by_a_view() -> None:
    amazon = marketplace("amazon")
    names = {file_name(amazon, "S", view) for view in ("main", "MAIN", "Main", "2", "02", "PT02", "pt02", "front")}
    assert len(names) == 8


def small_etsy(max_bytes: int) -> Marketplace:
    return marketplace("etsy").model_copy(update={"max_bytes": max_bytes})


def test_quality_is_lowered_only_as_far_as_needed() -> None:
    whole = export_picture(NOISE, small_etsy(10_000_000), quality=95)
    assert whole.quality == 95
    tight = export_picture(NOISE, small_etsy(70_000), quality=95)
    assert len(tight.data) <= 70_000
    assert tight.quality is not None
    assert 50 <= tight.quality < 95
    better = export_picture(NOISE, small_etsy(10_000_000), quality=tight.quality + 1)
    assert len(better.data) > 70_000, "one step better would have been too large"
    assert any("lowered from 95" in note for note in tight.notes)


def test_files_that_cannot_fit_say_what_to_do() -> None:
    with pytest.raises(ItemError, match=r"even at quality 50.*lower export\.longest_px"):
        export_picture(NOISE, small_etsy(5_000))
    with pytest.raises(ItemError, match="export jpeg"):
        export_picture(NOISE, small_etsy(5_000), file_format="png")


def test_formats_and_transparency_that_a_marketplace_refuses() -> None:
    alpha = np.ones((300, 300), np.float32)
    with pytest.raises(RecipeError, match="does not accept webp"):
        export_picture(NOISE, marketplace("amazon"), file_format="webp")
    with pytest.raises(RecipeError, match="transparency"):
        export_picture(NOISE, marketplace("amazon"), file_format="png", alpha=alpha)
    assert export_picture(NOISE, marketplace("google"), file_format="png", alpha=alpha).extension == "png"


@pytest.fixture
def person() -> Provenance:
    return Provenance(digital_source="compositeWithTrainedAlgorithmicMedia", generated_person=True, keywords=("shoe",))


def test_the_person_keyword_is_added_where_it_is_asked(person: Provenance) -> None:
    amazon = read_provenance(export_picture(NOISE, marketplace("amazon"), provenance=person).data)
    zalando = read_provenance(export_picture(NOISE, marketplace("zalando"), provenance=person).data)
    nobody = Provenance(digital_source="compositeWithTrainedAlgorithmicMedia")
    without = read_provenance(export_picture(NOISE, marketplace("amazon"), provenance=nobody).data)
    assert amazon is not None
    assert amazon.keywords == ("shoe", "contains-synthetic-performer")
    assert zalando is not None
    assert zalando.keywords == ("shoe",)
    assert without is not None
    assert without.keywords == ()


def test_small_pictures_are_exported_with_a_note() -> None:
    assert any("smaller than" in note for note in export_picture(NOISE, marketplace("amazon")).notes)

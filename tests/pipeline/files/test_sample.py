"""The sample catalog comes out whole, is read by the catalog reader, and is credited photo by photo."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import CatalogError
from pipeline.files.catalog import read_catalog
from pipeline.files.picture import read_picture
from pipeline.files.recipe import CatalogSection
from pipeline.files.sample import SAMPLES, sample_folder


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_sample_is_an_item_with_a_readable_credited_photo(name: str, tmp_path: Path) -> None:
    items = list(read_catalog(CatalogSection(address=f"sample:{name}"), runs=str(tmp_path)))
    credits = (tmp_path / "samples" / name / "CREDITS.txt").read_text()
    assert [item.sku for item in items] == [sample.sku for sample in SAMPLES[name]]
    for item in items:
        assert min(read_picture(item.address).image.shape[:2]) >= 300
        assert f"{Path(item.address).name}: " in credits


def test_a_second_call_leaves_every_file_as_it_is(tmp_path: Path) -> None:
    sample_folder("packshot", str(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    sample_folder("packshot", str(tmp_path))
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}


def test_an_unknown_sample_lists_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there are: garment, packshot"):
        sample_folder("shoes", str(tmp_path))


def test_the_garment_sample_shows_every_mode(tmp_path: Path) -> None:
    items = read_catalog(CatalogSection(address="sample:garment"), runs=str(tmp_path))
    assert {item.overrides["garment.mode"] for item in items} == {"keep", "place", "restyle"}


def test_the_garment_sample_has_a_look_whose_photos_lie_there(tmp_path: Path) -> None:
    items = read_catalog(CatalogSection(address="sample:garment"), runs=str(tmp_path), check_files=True)
    look = next(item for item in items if item.overrides.get("garment.worn_with"))
    assert look.overrides["garment.worn_with"] == [f"trousers={Path(look.address).parent / 'trousers-sand.jpg'}"]
    credits = (tmp_path / "samples" / "garment" / "CREDITS.txt").read_text()
    assert "trousers-sand.jpg: " in credits

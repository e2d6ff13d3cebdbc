import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import CatalogError
from pipeline.files.catalog import BadRow, check_catalog, read_catalog
from pipeline.files.catalog_checks import Seen
from pipeline.files.recipe import CatalogSection
from pipeline.types import Item
from tests.servers import s3_server


def write(path: Path, text: str, encoding: str = "utf-8") -> CatalogSection:
    path.write_text(text, encoding=encoding, newline="")
    return CatalogSection(address=str(path))


def read(section: CatalogSection, check_files: bool = False) -> list[Item]:
    return list(read_catalog(section, check_files=check_files))


def keys(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.sku, item.view) for item in items]


def problems(section: CatalogSection, check_files: bool = False) -> list[tuple[int, str]]:
    return check_catalog(section, check_files=check_files).problems


@pytest.fixture
def remote() -> Iterator[fsspec.AbstractFileSystem]:
    fs = fsspec.filesystem("memory")
    yield fs
    for path in fs.find("/catalog-test"):
        fs.rm(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_of_any_common_dialect(tmp_path: Path, delimiter: str, encoding: str) -> None:
    rows = [["sku", "photo", "Größe"], ["A1", "a.jpg", "klein"], ["A2", "b.jpg", "groß"]]
    section = write(tmp_path / "c.csv", "\r\n".join(delimiter.join(row) for row in rows), encoding)
    items = read(section)
    assert keys(items) == [("A1", "main"), ("A2", "main")]
    assert items[1].address == str(tmp_path / "b.jpg")
    assert (items[1].row, items[1].attributes) == (3, {"Größe": "groß"})


def test_csv_with_excels_separator_line_and_compression(tmp_path: Path) -> None:
    section = write(tmp_path / "c.csv", "sep=;\nsku;photo\nA1;a.jpg\n")
    assert [(item.sku, item.row) for item in read(section)] == [("A1", 3)]
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"sku,photo\nA1,a.jpg\n"))
    assert keys(read(CatalogSection(address=str(tmp_path / "d.csv.gz")))) == [("A1", "main")]


def test_lines_are_physical_also_after_line_breaks_inside_cells(tmp_path: Path) -> None:
    section = write(tmp_path / "c.csv", 'sku,photo,text\nA1,a.jpg,"one\ntwo\n\nthree"\n\n,b.jpg,\nA3,c.jpg,x\n')
    assert [item.row for item in read(section)] == [2, 8]
    assert [row for row, _ in problems(section)] == [7]


def test_bad_csv_rows_are_all_reported_and_stop_nothing(tmp_path: Path) -> None:
    text = (
        "sku,photo,box_threshold,view\n"
        "A1,a.jpg,0.4,front\n"
        ",b.jpg,,\n"
        "A2,,,\n"
        "A3,c.jpg\n"
        "A4,d.jpg,,,,\n"
        "A5,e.jpg,high,\n"
        'A6,"f"x.jpg,,\n'
        "A1,z.jpg,,front\n"
        "A7,g.jpg|h.jpg,,left\n"
        "A\x018,i.jpg,,\n"
        "A9,j.jpg,,\n"
    )
    section = write(tmp_path / "c.csv", text)
    assert keys(read(section)) == [("A1", "front"), ("A9", "main")]
    said = dict(problems(section))
    assert list(said) == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert "no SKU" in said[3]
    assert "no photo" in said[4]
    assert "2 cells, the header 4" in said[5]
    assert "6 cells, the header 4" in said[6]
    assert "column box_threshold" in said[7]
    assert "write auto, or a number from 0.01 to 0.99" in said[7]
    assert "broken CSV" in said[8]
    assert "SKU A1, view front stands already in row 2" in said[9]
    assert "2 photos but 1 views" in said[10]
    assert "U+0001" in said[11]


def test_bytes_that_are_no_utf8_spoil_only_their_row(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes("sku,photo\nA1,für.jpg\n".encode("latin-1") + "A2,für.jpg\n".encode())
    section = CatalogSection(address=str(path))
    assert keys(read(section)) == [("A2", "main")]
    assert problems(section) == [(2, "is not UTF-8: save the file as UTF-8 (in Excel: CSV UTF-8).")]


def test_an_open_quote_swallows_no_more_than_a_cell_may_hold(tmp_path: Path) -> None:
    rows = "".join(f"A{n},a.jpg\n" for n in range(50_000))
    section = write(tmp_path / "c.csv", f'sku,photo\nX,"open.jpg\n{rows}')
    report = check_catalog(section, check_files=False)
    assert report.count > 30_000
    assert [row for row, _ in report.problems] == [2]
    assert "a quote is opened and not closed: lines 2 to" in report.problems[0][1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no header"),
        (
            "name,photo\nA1,a.jpg",
            "no column holds the sku: name it in catalog.columns, sku: COLUMN. Columns here: name",
        ),
        ("sku,colour\nA1,red", "no column holds the photo"),
        ("sku,sku,photo\nA1,A1,a.jpg", "column 'sku' stands twice"),
        ("sku,photo\n", "holds no items"),
    ],
)
def test_a_csv_that_is_no_catalog_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CatalogError, match=said):
        read(write(tmp_path / "c.csv", text))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("c.csv", "sku,photo\nA,b.jpg".encode("utf-16"), "is UTF-16"),
        ("c.csv", "für,photo".encode("latin-1"), "header is not UTF-8"),
        ("c.csv.gz", gzip.compress(b"sku,photo\nA,b.jpg\n" * 99, mtime=0)[:40], "cannot be read"),
        ("c.parquet", b"PAR1 this is not parquet", "is not readable Parquet"),
        ("c.parquet", b"", "is not readable Parquet"),
        ("c.xlsx", b"PK", "neither a folder nor one of .csv"),
        ("c.json", b"[]", "neither a folder nor one of .csv"),
    ],
)
def test_a_file_that_is_no_catalog_is_refused(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CatalogError, match=said):
        read(CatalogSection(address=str(tmp_path / name)))


@pytest.mark.parametrize("address", ["nowhere/c.csv", "nowhere", "memory://nowhere/at/all", "s4://a/b.csv"])
def test_a_catalog_that_is_not_there_is_refused(address: str) -> None:
    with pytest.raises(CatalogError, match=r"nowhere|s4"):
        read(CatalogSection(address=address))


def test_columns_are_mapped_by_the_recipe_or_found_by_common_names(tmp_path: Path) -> None:
    text = "Article No,Image Src,colour,id\n00123,a.jpg,red,9\n"
    section = write(tmp_path / "c.csv", text)
    assert read(section)[0].sku == "00123"
    mapped = section.model_copy(update={"columns": {"sku": "id", "phrases": "colour"}})
    item = read(mapped)[0]
    assert (item.sku, item.overrides) == ("9", {"subject.phrases": ["red"]})
    assert item.attributes == {"Article No": "00123"}
    with pytest.raises(CatalogError, match=r"catalog.columns.sku names the column 'idd'.*Did you mean id\?"):
        read(section.model_copy(update={"columns": {"sku": "idd"}}))


def test_rows_set_recipe_fields_and_empty_cells_set_none(tmp_path: Path) -> None:
    header = "sku,photo,Phrases,box_threshold,text_threshold,park_below,prompt,background_color,shadow_kind,color\n"
    text = header + "A1,a.jpg,rain coat | boot,0.4,0.2,1,a beach,#eeeeee,none,red\nA2,b.jpg,,,,,,,,\n"
    first, second = read(write(tmp_path / "c.csv", text))
    assert first.overrides == {
        "subject.phrases": ["rain coat", "boot"],
        "subject.box_threshold": 0.4,
        "subject.text_threshold": 0.2,
        "subject.park_below": 1.0,
        "background.prompt": "a beach",
        "background.color": "#eeeeee",
        "shadow.kind": "none",
    }
    assert first.attributes == {"color": "red"}
    assert second.overrides == {}


@pytest.mark.parametrize("value", ["nan", "inf", "0,3", "2", "-1", "1e9"])
def test_a_threshold_that_is_none_is_a_bad_row(tmp_path: Path, value: str) -> None:
    section = write(tmp_path / "c.csv", f"sku;photo;park_below\nA1;a.jpg;{value}\n")
    assert [row for row, _ in problems(section)] == [2]


def test_several_views_as_rows_lists_or_columns(tmp_path: Path) -> None:
    rows = write(tmp_path / "a.csv", "sku,photo,view\nA1,a.jpg,front\nA1,b.jpg,back\n")
    assert keys(read(rows)) == [("A1", "front"), ("A1", "back")]
    bar = write(tmp_path / "b.csv", "sku,photo\nA1,a.jpg|b.jpg | c.jpg\n")
    assert keys(read(bar)) == [("A1", "main"), ("A1", "2"), ("A1", "3")]
    named = write(tmp_path / "c.csv", "sku,photo,view\nA1,a.jpg|b.jpg,front|back\n")
    assert keys(read(named)) == [("A1", "front"), ("A1", "back")]
    twice = write(tmp_path / "f.csv", "sku,photo,view\nA1,a.jpg|b.jpg,front|front\n")
    assert problems(twice) == [(2, "SKU A1 has two photos for one view (front, front): name them apart.")]
    columns = write(tmp_path / "d.csv", "sku,photo_1,photo_2,photo_10,photo_3\nA1,a.jpg,b.jpg,d.jpg,\n")
    assert [(i.view, Path(i.address).name) for i in read(columns)] == [
        ("main", "a.jpg"),
        ("2", "b.jpg"),
        ("10", "d.jpg"),
    ]
    unnamed = write(tmp_path / "e.csv", "sku,photo\nA1,a.jpg\nA1,b.jpg\n")
    assert problems(unnamed) == [
        (3, "SKU A1, view main stands already in row 2: name the views apart in a view column.")
    ]


def test_jsonl(tmp_path: Path) -> None:
    lines = [
        '{"sku": 17, "photo": ["a.jpg", "b.jpg"], "phrases": ["boot"], "size": {"eu": 42}, "gone": null}',
        "",
        '{"sku": "A2", "photo": "c.jpg", "box_threshold": 0.4}',
        '{"sku": "A3", "photo"',
        "[1]",
        '{"sku": "A4", "sku": "A5", "photo": "d.jpg"}',
        '{"sku": "A6"}',
        '{"sku": "A7", "photo": "e.jpg", "box_threshold": true}',
    ]
    section = write(tmp_path / "c.jsonl", "\n".join(lines))
    items = read(section)
    assert keys(items) == [("17", "main"), ("17", "2"), ("A2", "main")]
    assert items[0].attributes == {"size": '{"eu": 42}'}
    assert items[0].overrides == {"subject.phrases": ["boot"]}
    said = dict(problems(section))
    assert list(said) == [4, 5, 6, 7, 8]
    assert "is not JSON" in said[4]
    assert "'sku' stands twice" in said[6]
    assert "no column holds the photo" in said[7]


def test_jsonl_rows_may_leave_out_optional_mapped_columns(tmp_path: Path) -> None:
    section = write(
        tmp_path / "c.jsonl", '{"sku": "A1", "photo": "a.jpg", "words": "boot"}\n{"sku": "A2", "photo": "b.jpg"}'
    )
    items = read(section.model_copy(update={"columns": {"phrases": "words"}}))
    assert [item.overrides for item in items] == [{"subject.phrases": ["boot"]}, {}]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    table = pa.table(
        {
            "sku": pa.array([1.0, 2.0, None], pa.float64()),
            "photo": [["a.jpg", "b.jpg"], ["c.jpg"], ["d.jpg"]],
            "box_threshold": [0.4, None, None],
            "price": [9.5, None, None],
        }
    )
    pq.write_table(table, path)
    section = CatalogSection(address=str(path))
    items = read(section)
    assert keys(items) == [("1", "main"), ("1", "2"), ("2", "main")]
    assert (items[0].overrides, items[0].attributes) == ({"subject.box_threshold": 0.4}, {"price": "9.5"})
    assert [row for row, _ in problems(section)] == [3]


def test_parquet_with_the_photos_inside_says_what_to_do(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sku": ["A1"], "photo": [b"\xff\xd8"]}), tmp_path / "c.parquet")
    assert "write photos as files" in problems(CatalogSection(address=str(tmp_path / "c.parquet")))[0][1]


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_a_folder_by_its_documented_rule(tmp_path: Path) -> None:
    touch(tmp_path, "A1/front.jpg", "A1/back.JPG", "shoes/A2/main.png", "A3.jpg", "A4.PT01.jpg", "cup-1.5l.webp")
    touch(tmp_path, ".hidden/x.jpg", "A1/.DS_Store", "A1/notes.txt")
    items = read(CatalogSection(address=str(tmp_path)), check_files=True)
    assert sorted(keys(items)) == [
        ("A1", "back"),
        ("A1", "front"),
        ("A2", "main"),
        ("A3", "main"),
        ("A4", "PT01"),
        ("cup-1.5l", "main"),
    ]
    assert all(Path(item.address).is_file() for item in items)
    assert [item.row for item in items] == [1, 2, 3, 4, 5, 6]


def test_photos_that_share_a_stem_never_collide(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.png", "b.jpg")
    section = CatalogSection(address=str(tmp_path))
    assert keys(read(section)) == [("a", "main"), ("b", "main")]
    assert problems(section) == [(2, "SKU a, view main stands already in row 1: rename one of the two files.")]


def test_a_folder_reports_formats_that_are_not_read_and_follows_no_circle(tmp_path: Path) -> None:
    touch(tmp_path, "A1/a.jpg", "A1/b.HEIC")
    (tmp_path / "A1" / "again").symlink_to(tmp_path, target_is_directory=True)
    report = check_catalog(CatalogSection(address=str(tmp_path)))
    assert report.count == 1
    assert report.problems == [(2, "A1/b.HEIC: .heic is not read: export it as JPEG, PNG or TIFF.")]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="holds no items"):
        read(CatalogSection(address=str(tmp_path)))


def test_missing_photos_are_reported_and_web_photos_are_not_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "here.jpg", "sub/x.jpg")
    text = "sku,photo\nA1,here.jpg\nA2,gone.jpg\nA3,sub\nA4,https://shop.invalid/a.jpg\nA5,s4://a/b.jpg\n"
    section = write(tmp_path / "c.csv", text)
    assert keys(read(section, check_files=True)) == [("A1", "main"), ("A4", "main")]
    said = dict(problems(section, check_files=True))
    assert list(said) == [3, 4, 6]
    assert "gone.jpg is not there" in said[3]
    assert "is a folder" in said[4]
    rooted = section.model_copy(update={"photo_root": str(tmp_path / "sub"), "limit": None})
    assert [row for row, _ in problems(rooted, check_files=True)] == [2, 3, 4, 6]


def test_further_photos_of_a_look_lie_beside_the_rows_own_and_must_be_there(tmp_path: Path) -> None:
    touch(tmp_path, "photos/tee.jpg", "photos/navy.jpg")
    rows = (
        "sku,photo,mode,worn_with\n"
        "a,photos/tee.jpg,place,navy trousers = photos/navy.jpg|shirt=s3://bucket/shirt.jpg\n"
        "b,photos/tee.jpg,place,photos/navy.jpg\n"
        "c,photos/tee.jpg,place,trousers=photos/gone.jpg\n"
    )
    section = write(tmp_path / "c.csv", rows)
    first = read(section)[0]
    assert first.overrides["garment.worn_with"] == [
        f"navy trousers={tmp_path}/photos/navy.jpg", "shirt=s3://bucket/shirt.jpg",
    ]  # fmt: skip
    write(tmp_path / "c.csv", rows.replace("|shirt=s3://bucket/shirt.jpg", ""))
    said = dict(problems(section, check_files=True))
    assert set(said) == {3, 4}
    assert "column worn_with: 'photos/navy.jpg' does not say what it shows" in said[3]
    assert "gone.jpg is not there" in said[4]


def test_remote_catalogs_work_the_same(remote: fsspec.AbstractFileSystem) -> None:
    for name in ("a.jpg", "sub/b.jpg", "A9/front.jpg"):
        remote.pipe(f"/catalog-test/{name}", b"x")
    remote.pipe("/catalog-test/c.csv", b"sku,photo\nA1,a.jpg\nA2,sub/b.jpg\nA3,gone.jpg\n")
    table = CatalogSection(address="memory://catalog-test/c.csv")
    items = read(table, check_files=True)
    assert [item.address for item in items] == ["memory://catalog-test/a.jpg", "memory://catalog-test/sub/b.jpg"]
    assert [row for row, _ in problems(table, check_files=True)] == [4]
    folder = read(CatalogSection(address="memory://catalog-test"), check_files=True)
    assert sorted(keys(folder)) == [("A9", "front"), ("a", "main"), ("sub", "b")]
    for item in folder:
        with fsspec.open(item.address) as stream:
            assert stream.read() == b"x"


def test_one_listing_answers_for_all_photos_of_a_remote_folder(
    remote: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"A{n},p/{n}.jpg\n" for n in range(300))
    for n in range(300):
        remote.pipe(f"/catalog-test/p/{n}.jpg", b"x")
    remote.pipe("/catalog-test/c.csv", f"sku,photo\n{rows}".encode())
    calls = []
    listing = type(remote).ls
    monkeypatch.setattr(type(remote), "ls", lambda self, path, **kw: calls.append(path) or listing(self, path, **kw))
    assert check_catalog(CatalogSection(address="memory://catalog-test/c.csv")).count == 300
    assert len([path for path in calls if path.rstrip("/").endswith("/p")]) == 1


@pytest.fixture
def s3_listing_cache_is_fresh() -> Iterator[None]:
    # fsspec keeps its file systems, with the endpoint that they were made for.
    s3fs = pytest.importorskip("s3fs")
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("s3_listing_cache_is_fresh")
def test_catalogs_in_a_real_s3_api(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server("shop") as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        fs = fsspec.filesystem("s3")
        for name in ("a.jpg", "A9/front.jpg"):
            fs.pipe(f"shop/spring/{name}", b"x")
        fs.pipe("shop/spring/c.csv", b"sku,photo\nA1,a.jpg\nA2,gone.jpg\nA3,s3://no-such-bucket/x.jpg\n")
        folder = read(CatalogSection(address="s3://shop/spring"), check_files=True)
        table = check_catalog(CatalogSection(address="s3://shop/spring/c.csv"))
        with pytest.raises(CatalogError, match="there is nothing"):
            read(CatalogSection(address="s3://shop/autumn"))
    assert [(i.sku, i.view, i.address) for i in folder] == [
        ("A9", "front", "s3://shop/spring/A9/front.jpg"),
        ("a", "main", "s3://shop/spring/a.jpg"),
    ]
    assert (table.count, [row for row, _ in table.problems]) == (1, [3, 4])


@pytest.mark.usefixtures("s3_listing_cache_is_fresh")
def test_an_s3_that_cannot_be_reached_is_a_catalog_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(CatalogError, match=r"catalog s3://shop/c.csv cannot be read \(Could not connect"):
        read(CatalogSection(address="s3://shop/c.csv"))
    section = write(tmp_path / "c.csv", "sku,photo\nA1,s3://shop/a.jpg\n")
    assert "its folder cannot be listed (Could not connect" in problems(section, check_files=True)[0][1]


def test_samples_limit_and_the_callback_for_bad_rows(tmp_path: Path) -> None:
    write(tmp_path / "c.csv", "sku,photo\nA1,a.jpg\nA1,b.jpg\nA2,c.jpg\nA3,d.jpg\n")
    asked = []

    def samples(name: str, runs: str) -> str:
        asked.append((name, runs))
        return str(tmp_path / "c.csv")

    bad: list[BadRow] = []
    section = CatalogSection(address="sample:packshot", limit=2)
    items = list(read_catalog(section, runs="r", samples=samples, on_bad_row=bad.append, check_files=False))
    assert keys(items) == [("A1", "main"), ("A2", "main")]
    assert asked == [("packshot", "r")]
    assert [(b.row, b.sku, b.view, Path(b.address).name) for b in bad] == [(3, "A1", "main", "b.jpg")]


def test_the_printed_report_is_capped_and_counts_all(tmp_path: Path) -> None:
    section = write(tmp_path / "c.csv", "sku,photo\nA1,a.jpg\n" + ",b.jpg\n" * 50)
    report = check_catalog(section, check_files=False)
    assert len(report.problems) == 50
    lines = str(report).splitlines()
    assert lines[0].endswith("c.csv: 1 items, 50 bad rows")
    assert lines[1].strip().startswith(f"{section.address}:3  has no SKU")
    assert (len(lines), lines[-1].strip()) == (22, "... and 30 more")


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("abÄ ", max_size=2), st.text("ab", max_size=1))))
def test_seen_agrees_with_a_dictionary(pairs: list[tuple[str, str]]) -> None:
    first: dict[tuple[str, str], int] = {}
    with Seen() as seen:
        for row, (sku, view) in enumerate(pairs):
            assert seen.first_row(sku, view, row) == first.get((sku, view))
            first.setdefault((sku, view), row)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8), st.sampled_from([",", ";", "\t"]))
def test_csv_and_jsonl_agree_on_any_text(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], delimiter: str
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    names = ("sku", "photo", "text")
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [names, *rows]]
    as_csv = write(folder / "c.csv", "\n".join(quoted))
    as_jsonl = write(folder / "c.jsonl", "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows))
    one, two = (check_catalog(section, check_files=False) for section in (as_csv, as_jsonl))
    assert one.count == two.count
    # The header is a line of its own, so CSV lies one line further down.
    where = [row for row, _ in one.problems]
    assert where == [row + 1 for row, _ in two.problems]
    items = [(i.sku, i.view, i.address, dict(i.attributes)) for i in read_catalog(as_csv, check_files=False)]
    assert items == [(i.sku, i.view, i.address, dict(i.attributes)) for i in read_catalog(as_jsonl, check_files=False)]


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300), ending=st.sampled_from([".csv", ".jsonl", ".parquet", ".csv.gz"]))
def test_any_bytes_are_a_catalog_or_a_catalog_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"c{ending}"
    path.write_bytes(data)
    try:
        report = str(check_catalog(CatalogSection(address=str(path))))
    except CatalogError as error:
        report = str(error)
    assert str(path) in report


STREAM = """
import resource, sys
from pipeline.files.catalog import read_catalog
from pipeline.files.recipe import CatalogSection
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
bad, good, first = [], 0, 0.0
for item in read_catalog(CatalogSection(address=sys.argv[1]), on_bad_row=bad.append):
    good += 1
    if good == 10_000:
        first = peak()
print(good, [row.row for row in bad], round(peak() - first, 1))
"""


@pytest.mark.slow
def test_a_million_rows_stream_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "million.csv"
    with path.open("w", encoding="utf-8") as stream:
        stream.write("sku,view,photo,phrases,name\n")
        for n in range(1_000_000):
            stream.write(f"SKU-{n:07d},front,https://shop.invalid/{n}.jpg,shoe,Item number {n}\n")
        stream.write("SKU-0000000,front,https://shop.invalid/again.jpg,,\n")
    # A process of its own, so that the peak is this catalog's and not that of an earlier test.
    run = subprocess.run([sys.executable, "-c", STREAM, str(path)], capture_output=True, text=True, check=True)
    good, bad, growth_mb = run.stdout.replace("[", "").replace("]", "").split()
    assert (int(good), int(bad)) == (1_000_000, 1_000_002)
    assert float(growth_mb) < 40, f"{growth_mb} MB more at row 1,000,000 than at row 10,000"


def test_a_column_that_is_called_reference_is_an_attribute_until_the_recipe_names_it(tmp_path: Path) -> None:
    section = write(tmp_path / "a.csv", "sku,photo,reference\nA,a.jpg,AB-1234\n")
    assert read(section)[0].attributes == {"reference": "AB-1234"}
    assert not read(section)[0].overrides
    named = CatalogSection(address=section.address, columns={"reference": "reference"})
    assert read(named)[0].overrides == {"generate.reference": "AB-1234"}

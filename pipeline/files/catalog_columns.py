"""From the cells of one row to items: which column holds what, several photos a row, the row's own recipe values.

Pure: no disk, no network.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from pipeline.errors import CatalogError
from pipeline.files.recipe_generation import phrase_and_photo
from pipeline.files.recipe_messages import did_you_mean, join_names, wrong_value
from pipeline.files.recipe_models import ROW_FIELDS, Recipe
from pipeline.types import Item, Json

MAIN_VIEW = "main"
SEPARATOR = "|"

_NAMES: Mapping[str, Sequence[str]] = {
    "sku": (
        *("sku", "article", "article_no", "article_number", "product_id", "item_id"),
        *("style_no", "style", "asin", "handle", "id"),
    ),
    "view": ("view", "angle", "view_name", "image_position", "position"),
    "photo": (
        *("photo", "photos", "image", "images", "picture", "image_url", "image_link", "image_src", "photo_url"),
        *("file", "filename", "file_name", "path", "url", "address"),
    ),
}
"""Column names that need no mapping, the first that is there; also in docs/recipes.md."""
MAPPED_ONLY = frozenset({"reference"})
"""Fields whose bare name is no hint: in many tables it is the article's number. `catalog.columns` must name them."""
WORN_WITH = "garment.worn_with"
"""The field whose values are photos, and so lie where the row's own photo does."""
_NUMBERED_PHOTO = re.compile(r"(?:photo|image|picture)_?([0-9]{1,3})")
_LONGEST_NAME = 200


class RowError(Exception):
    """One row cannot become an item; the message says why. Caught by the catalog, which reports row and message."""

    def __init__(self, message: str, sku: str = "", view: str = "") -> None:
        """``sku`` and ``view`` are as far as they are known."""
        super().__init__(message)
        self.sku, self.view = sku, view


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where the fields stand in a row: indexes of cells.

    ``photos`` are pairs of default view and index; ``overrides`` triples of recipe field, column name and index.
    """

    sku: int
    view: int | None
    photos: tuple[tuple[str, int], ...]
    overrides: tuple[tuple[str, str, int], ...]
    attributes: tuple[tuple[str, int], ...]


def find_columns(names: Sequence[str], mapping: Mapping[str, str], *, every_mapped: bool = True) -> Columns:
    """Find the fields among a table's column ``names``: first by the recipe's ``mapping``, then by common names.

    ``every_mapped`` asks that each mapped column exists (a JSONL row may leave optional ones out).

    Raises:
        CatalogError: no SKU or photo column, a mapped column that is not there, or a name that stands twice.
    """
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise CatalogError(f"column {twice[0]!r} stands twice: rename or delete one of them.")
    at = {name: index for index, name in enumerate(names) if name}
    found: dict[str, int] = {}
    for field, column in mapping.items():
        if column in at:
            found[field] = at[column]
        elif every_mapped or field in ("sku", "photo"):
            near = did_you_mean(column, at) or _there(at)
            raise CatalogError(f"catalog.columns.{field} names the column {column!r}, which is not there. {near}")
    plain = {_plain(name): index for name, index in at.items() if index not in found.values()}
    for field, known in _NAMES.items():
        if field not in mapping:
            index = next((plain[name] for name in known if name in plain), None)
            if index is not None:
                found[field] = index
    photos = [(MAIN_VIEW, found["photo"])] if "photo" in found else []
    photos += _numbered_photos(plain, bool(photos))
    if "sku" not in found or not photos:
        field = "sku" if "sku" not in found else "photo"
        raise CatalogError(f"no column holds the {field}: name it in catalog.columns, {field}: COLUMN. {_there(at)}")
    for short, path in ROW_FIELDS.items():
        by_path = plain.get(_plain(path))
        column_index = found.get(short, by_path if short in MAPPED_ONLY else plain.get(short, by_path))
        if column_index is not None:
            found[short] = column_index
    used = {*found.values(), *(index for _, index in photos)}
    return Columns(
        sku=found["sku"],
        view=found.get("view"),
        photos=tuple(photos),
        overrides=tuple((ROW_FIELDS[f], names[index], index) for f, index in found.items() if f in ROW_FIELDS),
        attributes=tuple((name, index) for name, index in at.items() if index not in used),
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def _there(names: Mapping[str, int]) -> str:
    return f"Columns here: {join_names(names)}." if names else "The table has no columns."


def _numbered_photos(plain: Mapping[str, int], has_main: bool) -> list[tuple[str, int]]:
    numbered = []
    for name, index in plain.items():
        match = _NUMBERED_PHOTO.fullmatch(name)
        if match:
            numbered.append((int(match[1]), index))
    views = [str(number) for number, _ in sorted(numbered)]
    if views and not has_main:
        views[0] = MAIN_VIEW
    return [(view, index) for view, (_, index) in zip(views, sorted(numbered), strict=True)]


def row_items(columns: Columns, cells: Sequence[Json], row: int, locate: Callable[[str], str]) -> list[Item]:
    """Make the items of one row, one a photo; ``locate`` makes a photo's cell into its full address.

    Raises:
        RowError: no SKU, no photo, views that do not fit the photos, or a value that its field does not take.
    """
    sku = _name("SKU", cell_text(cells[columns.sku]))
    photos = _photos(columns, cells)
    if not photos:
        raise RowError("has no photo: fill its cell, or delete the row.", sku)
    views = _views(columns, cells, [view for view, _ in photos], sku)
    attributes = {name: text for name, index in columns.attributes if (text := cell_text(cells[index]))}
    overrides = {}
    for path, column, index in columns.overrides:
        try:
            value = _row_value(path, cells[index])
        except RowError as error:
            raise RowError(f"column {column}: {error}", sku, views[0]) from None
        if value is not None:
            overrides[path] = [_located(one, locate) for one in value] if path == WORN_WITH else value
    return [
        Item(sku=sku, view=view, address=locate(photo), row=row, attributes=attributes, overrides=overrides)
        for view, (_, photo) in zip(views, photos, strict=True)
    ]


def _located(entry: str, locate: Callable[[str], str]) -> str:
    phrase, photo = phrase_and_photo(entry)
    return f"{phrase}={locate(photo)}"


def further_photos(item: Item) -> list[str]:
    """Addresses of the photos that an item names beside its own."""
    return [phrase_and_photo(entry)[1] for entry in item.overrides.get(WORN_WITH, ())]


def _name(what: str, text: str) -> str:
    if not text:
        raise RowError(f"has no {what}: fill its cell, or delete the row.")
    if len(text) > _LONGEST_NAME:
        raise RowError(f"{what} {text[:40]}... has {len(text)} characters: at most {_LONGEST_NAME} are taken.")
    if text in (".", "..") or not text.isprintable():
        strange = next((f"U+{ord(c):04X}" for c in text if not c.isprintable()), text)
        raise RowError(f"{what} {text!a} holds {strange}: names are made of visible characters.")
    return text


def _photos(columns: Columns, cells: Sequence[Json]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for view, index in columns.photos:
        for place, photo in enumerate(_several(cells[index]), start=1):
            found.append((view if place == 1 else str(place), photo))
    return found


def _views(columns: Columns, cells: Sequence[Json], default: list[str], sku: str) -> list[str]:
    given = [] if columns.view is None else _several(cells[columns.view])
    if given and len(given) != len(default):
        raise RowError(
            f"SKU {sku} has {len(default)} photos but {len(given)} views: separate as many with {SEPARATOR}.", sku
        )
    views = [_name("view", view) for view in given] if given else default
    if len(views) > 1 and len(set(views)) != len(views):
        raise RowError(f"SKU {sku} has two photos for one view ({join_names(views)}): name them apart.", sku)
    return views


def _several(cell: Json) -> list[str]:
    if isinstance(cell, (list, tuple)):
        return [text for part in cell if (text := cell_text(part))]
    text = cell_text(cell)
    if SEPARATOR not in text:
        return [text] if text else []
    return [part for piece in text.split(SEPARATOR) if (part := piece.strip())]


def cell_text(cell: Json) -> str:
    """Return a cell as trimmed text: whole floats without their point, nothing for null and NaN, JSON for the rest.

    Raises:
        RowError: the cell holds bytes.
    """
    if isinstance(cell, str):
        return cell.strip()
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, (bytes, bytearray)):
        raise RowError("a cell holds bytes: write photos as files, and their addresses into the table.")
    if isinstance(cell, (bool, dict, list)):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


@cache
def _field(path: str) -> tuple[TypeAdapter[Any], Json]:
    section, name = path.split(".")
    model = type(Recipe.model_fields[section].default)
    info = model.model_fields[name]
    field: Any = Annotated[info.annotation, Field(), *info.metadata]
    adapter: TypeAdapter[Any] = TypeAdapter(field)
    return adapter, model.model_json_schema()["properties"][name]


def _row_value(path: str, cell: Json) -> Json:
    """Return a cell as the value of a recipe field, None for an empty one."""
    if not isinstance(cell, str):
        return _parse(path, cell)
    value = _parse_text(path, cell)
    return list(value) if isinstance(value, list) else value  # the kept one stays as it is


@lru_cache(maxsize=4096)
def _parse_text(path: str, cell: str) -> Json:
    return _parse(path, cell)


def _parse(path: str, cell: Json) -> Json:
    adapter, schema = _field(path)
    value: Json = _several(cell) if schema.get("type") == "array" else cell_text(cell)
    if not value:
        return None
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        said = str(first["ctx"]["error"]) if first["type"] == "value_error" else wrong_value(value, schema)
        raise RowError(said) from None

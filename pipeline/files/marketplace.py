"""Marketplaces: what each sales channel asks of a picture. Rows of ``configs/marketplaces.yaml``."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import RecipeError
from pipeline.files.encode import EXTENSIONS, FILE_FORMATS
from pipeline.files.recipe_messages import did_you_mean
from pipeline.types import Size

Side = Annotated[int, Field(ge=1, le=100_000)]
Share = Annotated[float, Field(gt=0, le=1)]
PictureFormat = Literal["jpeg", "png", "webp", "tiff", "avif", "gif", "bmp"]

OWN_FILE = "marketplaces.yaml"
"""Rows of the user's own, in the folder where Seamline runs."""
FREE_CANVAS_PX = 2048
_MAIN_VIEWS = frozenset({"", "main"})
_NAMING = re.compile(r"[A-Za-z0-9]*\{sku\}([._-])\{(view|slot)\}")
_RESERVED_SLOT = re.compile(r"(MAIN|PT\d\d)", re.IGNORECASE)


class Marketplace(BaseModel):
    """One sales channel: canvas, framing, background, files, and the page that says so."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    """Short name, as recipes and the command line use it."""
    title: str
    """Name for people."""
    aspect: Annotated[float, Field(ge=0.2, le=5)] | None = 1.0
    """Height of the canvas divided by its width; null keeps the photo's own."""
    aspect_required: bool = True
    """Whether another aspect is an error; otherwise `aspect` is only what we make."""
    min_px: Side = 1
    """Smallest longest side."""
    min_short_px: Side = 1
    """Smallest shortest side."""
    advised_px: Side | None = FREE_CANVAS_PX
    """Longest side of the canvas that is made; null keeps the photo's own."""
    max_px: Side = 20_000
    """Largest longest side."""
    max_pixels: Annotated[int, Field(ge=1)] | None = None
    """Largest number of pixels."""
    fill_low: Share | None = None
    """Smallest share of the frame (height or width, the larger) that the product may fill."""
    fill_high: Share | None = None
    """Largest share of the frame that the product may fill."""
    fill_target: Share = 0.85
    """Share that pictures are framed to."""
    background: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] | None = None
    """Colour that the background must have to the last level, or should have."""
    background_required: bool = False
    """Whether `background` is a rule; otherwise it is advice."""
    transparent: bool = False
    """Whether transparency is accepted."""
    formats: Annotated[tuple[PictureFormat, ...], Field(min_length=1)] = ("jpeg",)
    """Accepted file formats; the first is what is written."""
    max_bytes: Annotated[int, Field(ge=1000)] | None = None
    """Largest file."""
    naming: str = "{sku}.{view}"
    """File name without its extension, of `{sku}`, `{view}` and `{slot}` (Amazon's MAIN and PT01)."""
    mannequins: bool | None = None
    """Whether a visible mannequin is accepted; null where the page does not say."""
    people: str = ""
    """What the page says about people, text and borders, in words."""
    ai_person_keyword: str | None = None
    """XMP keyword that a picture with a generated person must carry."""
    generated_mark: bool = False
    """Whether generated pixels must be marked by IPTC's DigitalSourceType. Seamline always writes it."""
    page: str
    """Title of the page that the row was taken from."""
    url: str | None = None
    """Its address."""
    read_on: datetime.date
    """The day it was read."""
    verified: bool = False
    """Whether the page itself was seen; otherwise the numbers are second hand."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not (self.fill_low or 0) <= self.fill_target <= (self.fill_high or 1):
            raise ValueError(f"fill_target {self.fill_target} is not between fill_low and fill_high")
        if self.min_px > (self.advised_px or self.min_px) or (self.advised_px or 0) > self.max_px:
            raise ValueError("advised_px is not between min_px and max_px")
        if self.formats[0] not in FILE_FORMATS:
            raise ValueError(f"formats begins with {self.formats[0]}, which is read but not written")
        if not _NAMING.fullmatch(self.naming):
            raise ValueError("naming must look like {sku}.{view} or {sku}.{slot}, joined by one of . - _")
        return self

    @property
    def background_rgb(self) -> tuple[int, int, int] | None:
        """The background as levels of 0 to 255."""
        if self.background is None:
            return None
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    @property
    def writable_formats(self) -> tuple[str, ...]:
        """Accepted formats that we write, the preferred first."""
        return tuple(name for name in self.formats if name in FILE_FORMATS)


def marketplaces() -> Mapping[str, Marketplace]:
    """All rows by id: the shipped ones, and those of a ``marketplaces.yaml`` in the current folder over them.

    Raises RecipeError that names file, row and field.
    """
    own = Path(OWN_FILE)
    rows = dict(_shipped())
    if own.is_file():
        rows |= parse_marketplaces(own.read_text(), str(own))
    return rows


def marketplace(name: str) -> Marketplace:
    """The row ``name``. Raises RecipeError with the nearest name where there is none."""
    rows = marketplaces()
    if name not in rows:
        guess = did_you_mean(name, rows)
        there = f"There are: {', '.join(rows)}."
        raise RecipeError(" ".join(filter(None, [f"{name!r} is no marketplace.", guess, there])))
    return rows[name]


def parse_marketplaces(text: str, source: str) -> dict[str, Marketplace]:
    """Rows from YAML; ``source`` is what errors call it. Raises RecipeError."""
    try:
        raw: Any = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise RecipeError(f"{source}: is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"{source}: must hold rows by id, such as `amazon: {{title: ...}}`")
    rows = {}
    for name, fields in raw.items():
        if not isinstance(fields, dict):
            raise RecipeError(f"{source}: row {name} must hold fields, such as `title: ...`")
        try:
            rows[str(name)] = Marketplace(**{"id": str(name), **fields})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "row"
            raise RecipeError(
                f"{source}: row {name}, field {field}: {first['msg']}; got {first['input']!r:.80}"
            ) from error
        except TypeError as error:
            raise RecipeError(f"{source}: row {name}: field names must be words ({error})") from error
    return rows


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Marketplace]:
    file = resources.files("configs") / "marketplaces.yaml"
    return parse_marketplaces(file.read_text(), "configs/marketplaces.yaml")


def canvas_size(row: Marketplace, longest_px: int | None = None, *, source: Size | None = None) -> Size:
    """The canvas to make for a marketplace: (height, width) in pixels.

    Args:
        row: the marketplace; its aspect and advised size are the default.
        longest_px: the recipe's own longest side.
        source: the photo's (height, width), for rows that keep the photo's aspect or size; a square otherwise.

    Raises RecipeError when ``longest_px`` is outside of what the marketplace accepts.
    """
    if longest_px is not None and not row.min_px <= longest_px <= row.max_px:
        raise RecipeError(
            f"export.longest_px: {longest_px} is outside of what {row.title} accepts; "
            f"write {row.min_px} to {row.max_px}"
        )
    aspect = row.aspect or (source[0] / source[1] if source else 1.0)
    longest = longest_px or row.advised_px or (max(source) if source else FREE_CANVAS_PX)
    size = (longest, max(1, round(longest / aspect))) if aspect >= 1 else (max(1, round(longest * aspect)), longest)
    if min(size) < row.min_short_px:
        raise RecipeError(
            f"export.longest_px: {longest} gives {size[1]} x {size[0]} px, and {row.title} asks for "
            f"{row.min_short_px} px on the shorter side; write a larger one"
        )
    return size


def file_name(row: Marketplace, sku: str, view: str, *, file_format: str | None = None) -> str:
    """The file's name by the marketplace's template: ``B00X.MAIN.jpg``.

    Different (SKU, view) pairs always get different names ("" is the view "main"), and a name is always one
    plain file name: characters
    other than letters, digits, ``-``, ``_`` and (in SKUs) ``.`` are written ``~`` and their UTF-8 bytes in hex.
    Names longer than a file system takes are cut, and told apart by a digest.
    """
    extension = EXTENSIONS[file_format or row.formats[0]]
    joint = _NAMING.fullmatch(row.naming)
    separator = joint[1] if joint else "."
    # The view never holds the separator, so the last one in a name always splits SKU from view.
    safe_sku = _safe(sku, r"[^A-Za-z0-9_.-]") or "~"
    safe_view = _safe(view, rf"[^A-Za-z0-9_-]|{re.escape(separator)}")
    stem = row.naming.format(sku=safe_sku, view=safe_view or "main", slot=_slot(safe_view))
    if len(stem) > 200:
        digest = hashlib.sha256(f"{sku}\0{view}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
        stem = f"{stem[:180]}~~{digest}"
    return f"{stem}.{extension}"


def _slot(view: str) -> str:
    """Amazon's variant code: MAIN, PT01 to PT99 for numbered views, the view itself otherwise."""
    if view in _MAIN_VIEWS:
        return "MAIN"
    if re.fullmatch(r"[1-9]\d?", view):
        return f"PT{int(view):02d}"
    return _safe(view, r"^.") if _RESERVED_SLOT.fullmatch(view) else view


def _safe(text: str, unsafe: str) -> str:
    def escaped(match: re.Match[str]) -> str:
        return "".join(f"~{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))

    return re.sub(r"^\.", "~2E", re.sub(unsafe, escaped, text))

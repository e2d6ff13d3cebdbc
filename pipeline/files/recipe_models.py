"""The fields of a recipe: types, bounds, defaults and one sentence each.

The sentences are what editors show, what ``docs/recipes.md`` prints and what error messages quote.
A field that only another choice reads (``background.picture`` for ``kind: picture``) is asked for when that
choice is made and left alone otherwise, so that an override can switch kinds without editing the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from pipeline.errors import ItemError
from pipeline.files.recipe_controls import ProductControls
from pipeline.files.recipe_fields import Address, CheckpointId, CheckpointIds, Color, Fraction, Phrase, Range, Section
from pipeline.files.recipe_generation import GarmentSection, GenerateSection, UpscaleSection
from pipeline.files.recipe_messages import did_you_mean, explain, join_names
from pipeline.types import Item

ColumnField = Literal[
    "sku", "view", "photo", "phrases", "finder", "box_threshold", "text_threshold", "park_below", "prompt", "mode",
    "person", "fashion_model", "group", "wearing", "worn_with", "reference", "background_kind", "background_color",
    "background_color_to", "background_picture", "shadow_kind", "shadow_strength", "shadow_hangs",
]  # fmt: skip

ROW_FIELDS: Mapping[str, str] = {
    "phrases": "subject.phrases",
    "finder": "subject.finder",
    "box_threshold": "subject.box_threshold",
    "text_threshold": "subject.text_threshold",
    "park_below": "subject.park_below",
    "prompt": "background.prompt",
    "mode": "garment.mode",
    "person": "garment.person",
    "fashion_model": "garment.model",
    "group": "garment.group",
    "wearing": "garment.wearing",
    "worn_with": "garment.worn_with",
    "reference": "generate.reference",
    "background_kind": "background.kind",
    "background_color": "background.color",
    "background_color_to": "background.color_to",
    "background_picture": "background.picture",
    "shadow_kind": "shadow.kind",
    "shadow_strength": "shadow.strength",
    "shadow_hangs": "shadow.hangs",
}
"""Column of a catalog to the recipe field that a row may set for itself; nothing else may differ by row."""


class CatalogSection(Section):
    """Which products and photos to work on."""

    address: Address = "sample:packshot"
    """Folder, CSV, JSONL or Parquet file, local or any fsspec address; `sample:NAME` for a built-in sample catalog."""
    columns: Annotated[dict[ColumnField, str], Field(examples=["{sku: article_no, photo: image_url}"])] = {}
    """Which column of the catalog holds which field: `{sku: article_no, photo: image_url}`."""
    photo_root: Address | None = None
    """Folder or address that relative photo addresses start from; the catalog's own folder by default."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Work on the first N items only."""


class SubjectSection(Section):
    """How to find the product in each photo."""

    finder: Literal["auto", "backdrop", "person", "product", "grounding_dino", "file"] = "auto"
    """Which finder makes the mask; `auto` looks at the photo and chooses."""
    phrases: Annotated[list[Phrase], Field(max_length=20, examples=["[shoe]"])] = []
    """What the product is, in words, for the detector: `[shoe]`. Also tells `auto` whether a person is wanted."""
    exclude: Annotated[list[Phrase], Field(max_length=20, examples=["[hand, hair]"])] = []
    """What the detector finds but the mask leaves out: `[hand, hair]`."""
    detector: CheckpointId = "grounding-dino-embedded"
    """Row of configs/checkpoints.yaml that finds boxes for `finder: grounding_dino`."""
    segmenter: CheckpointId = "sam-embedded"
    """Row of configs/checkpoints.yaml that turns boxes into masks for `finder: grounding_dino`."""
    box_threshold: Literal["auto"] | Annotated[float, Field(ge=0.01, le=0.99)] = "auto"
    """Detector score above which a box is kept; `auto` finds the threshold of each photo by itself."""
    floors: Annotated[
        dict[Phrase, Annotated[float, Field(ge=0.01, le=0.99)]], Field(max_length=20, examples=["{dress: 0.35}"])
    ] = {}
    """Least detector score of single phrases, under `auto` too: `{dress: 0.35}`."""
    usual_area: Annotated[dict[Phrase, Range], Field(max_length=20, examples=["{dress: [0.1, 0.4]}"])] = {}
    """Share of the photo that things of a class cover in this catalog, for `auto`; `make tune` learns it."""
    usual_aspect: Annotated[dict[Phrase, Range], Field(max_length=20, examples=["{dress: [0.3, 0.7]}"])] = {}
    """Width over height of things of a class in this catalog, for `auto`; `make tune` learns it."""
    parts: Literal["best", "merged"] = "best"
    """`best`: the one best thing is the product; `merged`: all that are found together (a pair of shoes, a set)."""
    text_threshold: Annotated[float, Field(ge=0.01, le=0.99)] = 0.25
    """Token score above which a word belongs to a box's label; drops boxes under `every_word` only."""
    every_word: bool = False
    """Drop boxes whose label lacks a word of the phrase: `red dress` then finds no other dress."""
    masks: Annotated[Address | None, Field(validate_default=True)] = None
    """Folder of mask files for `finder: file`, named `SKU.VIEW.png` or `SKU.png`."""
    relax: Annotated[float, Field(ge=0, le=0.1)] = 0.015
    """How far past the old garment's edge `garment.mode: restyle` repaints, as a share of the photo's longer side."""
    park_below: Fraction = 0.6
    """Items whose mask confidence is lower are parked for a person instead of being cut out."""

    @field_validator("masks")
    @classmethod
    def _masks_for_file(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("finder") == "file":
            raise ValueError("finder: file needs the folder of the mask files: write masks: path/to/masks")
        return value


class BackgroundSection(Section):
    """What stands behind the product."""

    kind: Literal["solid", "gradient", "picture", "studio", "generated"] = "solid"
    """Plain colour, gradient, a picture, a procedural studio with floor and wall, or a place generated by `prompt`."""
    color: Color = "#ffffff"
    """Colour of a solid backdrop, top colour of a gradient, wall colour of a studio."""
    color_to: Color = "#d9d9d9"
    """Bottom colour of a gradient, floor colour of a studio."""
    picture: Annotated[Address | None, Field(validate_default=True)] = None
    """Picture file for `kind: picture`; scaled to cover the canvas."""
    prompt: Annotated[str | None, Field(max_length=2000, validate_default=True)] = None
    """What a generated backdrop shows, in words; the drawn kinds do not read it."""
    controls: ProductControls = []
    """Control maps of the product that a generated place is drawn around, so that it does not grow: `[canny]`."""
    defocus: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    """Blur of a picture or a generated place, as a share of the longer side: 0.005 is a lens wide open."""

    @field_validator("picture")
    @classmethod
    def _picture_for_kind(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("kind") == "picture":
            raise ValueError("kind: picture needs the picture file: write picture: path/to/backdrop.jpg")
        return value

    @field_validator("prompt")
    @classmethod
    def _prompt_for_kind(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not (value or "").strip() and info.data.get("kind") == "generated":
            raise ValueError("kind: generated needs words for the place: write prompt: wooden table by a window")
        return value


class ShadowSection(Section):
    """The shadow that grounds the product."""

    kind: Literal["none", "contact", "cast"] = "contact"
    """`contact`: soft and dark where the product meets the floor; `cast`: also thrown to one side."""
    strength: Fraction = 0.55
    """Darkness of the shadow where it is deepest."""
    softness: Annotated[float, Field(ge=0.2, le=5)] = 1.0
    """Relative blur of the shadow; 1 looks like a large softbox."""
    hangs: bool = False
    """The product hangs, as garments do: before a studio's wall its soft shadow falls on that, on plain colour none."""


class ExportSection(Section):
    """The finished files."""

    marketplace: Annotated[str, Field(min_length=1)] = "amazon"
    """Row of configs/marketplaces.yaml whose rules the pictures follow."""
    format: Literal["jpeg", "png", "webp", "tiff", "avif"] | None = None
    """File format; the marketplace's own by default."""
    quality: Annotated[int, Field(ge=50, le=100)] = 92
    """JPEG, WebP or AVIF quality; lowered only where the marketplace's file size asks for it."""
    longest_px: Annotated[int, Field(ge=256, le=10000)] | None = None
    """Longest side of the canvas; the marketplace's advised size by default."""


class BatchSection(Section):
    """How a batch is run."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Seed that every item's own seed is derived from."""
    chunk_size: Annotated[int, Field(ge=1, le=1024)] = 32
    """Items per Prefect task."""
    shard_size: Annotated[int, Field(ge=1, le=100_000)] = 2000
    """Items per Prefect subflow."""
    only_new: bool = False
    """Leave out items that an earlier batch of this recipe has finished and whose photo has not changed."""
    max_failed: Fraction = 1.0
    """Share of failed items above which the batch itself counts as failed."""
    runs: Address = "runs"
    """Folder or fsspec address of batches, store and finished pictures."""
    ledger: Address | None = None
    """SQLAlchemy URL of the ledger; SQLite inside `runs` by default."""


class ScheduleSection(Section):
    """When `make deploy` lets the recipe run by itself."""

    cron: str = "0 2 * * *"
    """Five-field cron expression: minute, hour, day of the month, month, day of the week."""
    timezone: str = "UTC"
    """IANA time zone that the cron expression is read in."""

    @field_validator("cron")
    @classmethod
    def _cron_that_fires(cls, value: str) -> str:
        advice = 'write five fields (minute hour day month weekday), such as "0 2 * * *" for every night at two'
        if len(value.split()) != 5:
            raise ValueError(f'"{value}" is not a cron expression: {advice}')
        try:
            next(CronSim(value, datetime(2026, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            raise ValueError(f'"{value}" is not a cron expression ({error}): {advice}') from None
        except StopIteration:
            raise ValueError(f'"{value}" names a day that never comes: {advice}') from None
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; bad paths are ValueErrors or OSErrors
            known = False
        except KeyError:
            known = False
        else:
            known = True
        if not known:
            guess = did_you_mean(value, available_timezones())
            raise ValueError(f'"{value}" is not an IANA time zone: {guess or "write one such as Europe/Paris or UTC."}')
        return value


class Recipe(Section):
    """One recipe: a whole YAML file of configs/."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$", examples=["spring-packshots"])]
    """Short name in lower case; part of batch ids and file metadata."""
    kind: Literal["background", "garment"] = "background"
    """What is restaged: `background` sets the product on a new background, `garment` puts a garment on a person."""
    accept_licence: CheckpointIds = []
    """Ids of checkpoints whose non-commercial licences you accept, one or a list; without it they are refused."""
    catalog: CatalogSection = CatalogSection()
    """Which products and photos to work on."""
    subject: SubjectSection = SubjectSection()
    """How to find the product in each photo."""
    background: BackgroundSection = BackgroundSection()
    """What stands behind the product."""
    garment: GarmentSection = GarmentSection()
    """How a garment is restaged; read by `kind: garment`."""
    generate: GenerateSection = GenerateSection()
    """How pixels are generated; read where something is."""
    shadow: ShadowSection = ShadowSection()
    """The shadow that grounds the product."""
    upscale: UpscaleSection = UpscaleSection()
    """Enlarging photos that are too small for the marketplace."""
    export: ExportSection = ExportSection()
    """The finished files."""
    batch: BatchSection = BatchSection()
    """How a batch is run."""
    schedule: ScheduleSection | None = None
    """When `make deploy` lets the recipe run by itself; without it the recipe runs by hand only."""

    def for_item(self, item: Item) -> Recipe:
        """Return the recipe with the row's own values put in; the recipe itself where the row sets none.

        Raises:
            ItemError: the row sets a field that rows may not set, or a value that the field does not take;
                the message names SKU, row and column.
        """
        if not item.overrides:
            return self
        data = self.model_dump()
        for path, value in item.overrides.items():
            if path not in ROW_FIELDS.values():
                allowed = f"Rows may set {join_names(sorted(ROW_FIELDS.values()))}."
                raise ItemError(f"{_row(item)}: a row cannot set {path}. {allowed}")
            section, name = path.split(".")
            data[section][name] = value
        try:
            return Recipe.model_validate(data)
        except ValidationError as error:
            said = "; ".join(
                f"column {self.column_of('.'.join(map(str, problem.path[:2])))}: {problem.text}"
                for problem in explain(error, Recipe)
            )
            raise ItemError(f"{_row(item)}, {said}") from None

    def column_of(self, path: str) -> str:
        """Return the catalog column that sets the recipe field ``path``: ``subject.phrases`` to ``phrases``."""
        short = next((name for name, field in ROW_FIELDS.items() if field == path), path)
        columns: Mapping[Any, str] = self.catalog.columns
        return columns.get(short, short)


def _row(item: Item) -> str:
    return f"SKU {item.sku}, view {item.view}, row {item.row}"

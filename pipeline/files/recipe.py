"""Recipes: what to do to a catalog. The only reader of recipe YAML.

Every field has a type, bounds, a default and one sentence; a wrong one is refused by file, line and name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Section(BaseModel):
    """A part of a recipe: unknown fields are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class CatalogSection(Section):
    """Which products and photos to work on."""

    address: str = "sample:packshot"
    """Folder, CSV, JSONL or Parquet file, local or any fsspec address; `sample:NAME` for a built-in sample catalog."""
    columns: dict[str, str] = {}
    """Which column of the catalog holds which field: `{sku: article_no, photo: image_url}`."""
    photo_root: str | None = None
    """Folder or address that relative photo addresses start from; the catalog's own folder by default."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Work on the first N items only."""


class SubjectSection(Section):
    """How to find the product in each photo."""

    finder: Literal["auto", "backdrop", "person", "grounding_dino", "file"] = "auto"
    """Which finder makes the mask; `auto` looks at the photo and chooses."""
    phrases: list[str] = []
    """What the product is, in words, for the detector: `[shoe]`. Also tells `auto` whether a person is wanted."""
    box_threshold: Annotated[float, Field(ge=0.01, le=0.99)] | Literal["auto"] = 0.3
    """Detector score above which a box is kept."""
    text_threshold: Annotated[float, Field(ge=0.01, le=0.99)] = 0.25
    """Token score above which a word belongs to a box's label; it never drops a box."""
    masks: str | None = None
    """Folder of mask files for `finder: file`, named `SKU.VIEW.png` or `SKU.png`."""
    park_below: Fraction = 0.6
    """Items whose mask confidence is lower are parked for a person instead of being cut out."""


class BackgroundSection(Section):
    """What stands behind the product."""

    kind: Literal["solid", "gradient", "picture", "studio"] = "solid"
    """Plain colour, vertical gradient, a picture, or a procedural studio with floor, wall and light."""
    color: Color = "#ffffff"
    """Colour of a solid backdrop, top colour of a gradient, wall colour of a studio."""
    color_to: Color = "#d9d9d9"
    """Bottom colour of a gradient, floor colour of a studio."""
    picture: str | None = None
    """Picture file for `kind: picture`; scaled to cover the canvas."""


class ShadowSection(Section):
    """The shadow that grounds the product."""

    kind: Literal["none", "contact", "cast"] = "contact"
    """`contact`: soft and dark where the product meets the floor; `cast`: also thrown to one side."""
    strength: Fraction = 0.55
    """Darkness of the shadow where it is deepest."""
    softness: Annotated[float, Field(ge=0.2, le=5)] = 1.0
    """Relative blur of the shadow; 1 looks like a large softbox."""


class UpscaleSection(Section):
    """Enlarging photos that are too small for the marketplace."""

    model: Literal["auto", "realesrgan-x4plus", "lanczos"] | Annotated[str, Field(pattern=r"\.(pth|safetensors)$")] = "auto"
    """`auto`: Real-ESRGAN where the product must grow by more than `lanczos_until`, Lanczos otherwise; or a spandrel file."""
    lanczos_until: Annotated[float, Field(ge=1, le=4)] = 1.3
    """Growth up to which Lanczos is good enough for `auto`."""
    max_growth: Annotated[float, Field(ge=1, le=8)] = 4.0
    """Items that would have to grow more are exported smaller, with a note, rather than inflated."""
    tile_px: Annotated[int, Field(ge=64, le=2048)] = 256
    """Side of the square tiles that the model sees."""


class ExportSection(Section):
    """The finished files."""

    marketplace: str = "amazon"
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
    runs: str = "runs"
    """Folder or fsspec address of batches, store and finished pictures."""
    ledger: str | None = None
    """SQLAlchemy URL of the ledger; SQLite inside `runs` by default."""


class ScheduleSection(Section):
    """When `make deploy` lets the recipe run by itself."""

    cron: str = "0 2 * * *"
    """Five-field cron expression."""
    timezone: str = "UTC"
    """IANA time zone that the cron expression is read in."""


class Recipe(Section):
    """One recipe: a whole YAML file of configs/."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
    """Short name; part of batch ids and file metadata."""
    kind: Literal["background"] = "background"
    """What is restaged: `background` sets the product on a new background."""
    catalog: CatalogSection = CatalogSection()
    subject: SubjectSection = SubjectSection()
    background: BackgroundSection = BackgroundSection()
    shadow: ShadowSection = ShadowSection()
    upscale: UpscaleSection = UpscaleSection()
    export: ExportSection = ExportSection()
    batch: BatchSection = BatchSection()
    schedule: ScheduleSection | None = None

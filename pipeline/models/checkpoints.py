"""Checkpoints: one frozen row a set of weights, read from configs/checkpoints.yaml and a file of the user's own.

A row says where weights lie, what they are allowed for and which family's code loads them. It holds no code:
new weights are a row. Loading is the family's work; finding, fetching and fingerprinting are in ``weights``.
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import LicenceRefused, RecipeError

EXTRA_ROWS = "SEAMLINE_CHECKPOINTS"
"""Environment variable that names a YAML file of the user's own rows."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FOLDER_PATTERNS = ("*.json", "*.txt", "*.safetensors")
OWN_FIELDS: Final = frozenset({"id", "notes", "licence", "commercial", "size_gb", "year", "loras"})
"""What a row never takes over from its base; size, licence and year come from all its parts together."""
FRAME_FIELDS: Final = ("native_px", "multiple_of")
"""What a row's sampling takes over from its base's: a distillation changes steps, not sizes."""

Role = Literal[
    "detector", "segmenter", "text_encoder", "generator", "lora", "controlnet", "upscaler",
    "unet", "transformer", "vae", "config", "ip_adapter", "image_encoder", "annotator",
]  # fmt: skip


class Sampling(BaseModel):
    """How a generator is sampled: what its makers tested."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    native_px: tuple[int, int]
    """Height and width that it was trained at; other aspects keep the number of pixels."""
    multiple_of: Annotated[int, Field(ge=1)] = 64
    """Sides are multiples of this."""
    steps: Annotated[int, Field(ge=1, le=200)]
    """Steps where the recipe does not say."""
    min_steps: Annotated[int, Field(ge=1, le=200)] = 1
    """Executed steps (steps x strength) below which it draws noise."""
    max_steps: Annotated[int, Field(ge=1, le=200)] | None = None
    """Steps above which it gets worse; a checkpoint distilled for N steps takes N and no other number."""
    guidance: Annotated[float, Field(ge=0, le=50)]
    """Guidance where the recipe does not say."""
    guidance_range: tuple[float, float] = (1.0, 20.0)
    """Guidance that it can take; distilled checkpoints take none."""
    embedded_guidance: bool = False
    """Guidance is an input of the network and not a second pass: there is no negative prompt to read."""
    scheduler: str | None = None
    """diffusers' scheduler class; the one in its folder by default."""
    settings: Mapping[str, Any] = {}
    """Settings of that scheduler that differ from the folder's."""
    schedulers: tuple[str, ...] = ()
    """Other scheduler classes that a recipe may ask for; a distilled checkpoint has none."""
    eta: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of fresh noise at each step (DDIM's eta, TCD's gamma)."""
    timesteps: tuple[Annotated[int, Field(ge=0, le=999)], ...] = ()
    """The very timesteps that it was distilled on, noisiest first, where the scheduler's own differ."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not self.min_steps <= self.steps <= (self.max_steps or self.steps):
            raise ValueError(f"steps {self.steps} are not between min_steps and max_steps")
        if not self.guidance_range[0] <= self.guidance <= self.guidance_range[1]:
            raise ValueError(f"guidance {self.guidance:g} is outside guidance_range")
        if self.timesteps and len(self.timesteps) != self.steps:
            raise ValueError(f"{len(self.timesteps)} timesteps for {self.steps} steps")
        return self


class LoraUse(BaseModel):
    """One LoRA on a generator."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: str
    """The LoRA's row."""
    weight: Annotated[float, Field(ge=-4, le=4)] = 1.0
    """How strongly it acts."""


class Checkpoint(BaseModel):
    """One set of weights."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,80}$")]
    """Name that recipes use."""
    role: Role
    """What the weights are for."""
    base: str | None = None
    """A row that this one stands on: what is not said here (address, files, needs, ...) is as there."""
    family: str
    """Which family's code loads them."""
    address: str
    """Hub repository (`owner/name`), a local folder or file, or a place in a package: `package:a.b/folder`."""
    file: str | None = None
    """File inside the address, if the checkpoint is a single file."""
    patterns: tuple[str, ...] = FOLDER_PATTERNS
    """Which files of a repository belong to the checkpoint, if it is a folder."""
    revision: str = "main"
    """Commit, tag or branch of the repository."""
    config: str | None = None
    """The family's name of the architecture, or a JSON file beside the weights."""
    needs: Mapping[str, str] = {}
    """Other checkpoints that this one cannot do without, by what they are to it: `{text_encoder: bert-base-uncased}`.
    `{unet: <row>}` stands in the place of the folder's own; `{config: <row>}` is a single file's architecture."""
    loras: tuple[LoraUse, ...] = ()
    """LoRAs on a generator, all at once: `[{id: some-lora, weight: 0.8}]`."""
    variant: str | None = None
    """Variant of a folder's files: `fp16` reads `*.fp16.safetensors`."""
    quantisation: Literal["fp8", "int8", "nf4"] | None = None
    """How the denoiser's weights are stored while they are computed in `dtype`; a GGUF file says its own."""
    sampling: Sampling | None = None
    """How a generator is sampled; other roles have none."""
    controlnets: Mapping[str, str] = {}
    """Rows of the ControlNets that fit a generator, by kind of control: `{pose: controlnet-openpose}`."""
    ip_adapter: str | None = None
    """Row of the IP-Adapter by which a generator reads a reference picture; that row needs an `image_encoder`."""
    sha256: Mapping[str, Digest] = {}
    """SHA-256 by file name; verified when fetched."""
    pickle: bool = False
    """Allow a pickled file (.pth, .bin); it is loaded with weights_only."""
    size_gb: Annotated[float, Field(gt=0)]
    """Bytes to fetch, in units of 10^9."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Number format that the weights are computed in where the device allows it."""
    year: Annotated[int, Field(ge=2015, le=2100)]
    """Year of publication."""
    licence: str
    """SPDX id, or the licence's name."""
    commercial: bool
    """Whether the licence allows commercial use; if not, the recipe must accept it by the row's id."""
    notes: str = ""
    """What a user should know."""


def read_rows(text: str, source: str, known: Mapping[str, Checkpoint] | None = None) -> dict[str, Checkpoint]:
    """Parse the rows of one YAML text; ``source`` names it in errors.

    A row's base, LoRAs and needs are rows above it, or of ``known``.

    Raises:
        RecipeError: not YAML, a wrong field (named with its row), an unknown base or part, or an id used twice.
    """
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not YAML: {error}") from error
    listed = loaded.get("checkpoints") if isinstance(loaded, dict) else None
    if not isinstance(listed, list):
        raise RecipeError(f"{source}: expected a list under the key 'checkpoints'")
    rows: dict[str, Checkpoint] = {}
    for position, fields in enumerate(listed, start=1):
        row = _parse(fields, f"{source}, row {position}", {**(known or {}), **rows})
        if row.id in rows:
            raise RecipeError(f"{source}, row {position}: the id {row.id!r} is used twice; rename one of the rows")
        rows[row.id] = row
    return rows


def _parse(fields: Any, where: str, known: Mapping[str, Checkpoint]) -> Checkpoint:
    named = f"{where} ({fields['id']})" if isinstance(fields, dict) and "id" in fields else where
    try:
        row = Checkpoint.model_validate(_with_parts(fields, known, named) if isinstance(fields, dict) else fields)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'row'}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"{named}: {problems}") from error
    research = [part.id for part in _parts(row, known) if not part.commercial]
    if row.commercial and research:
        raise RecipeError(f"{named}: commercial is true, but its part {research[0]} forbids commercial use")
    return row


def _with_parts(fields: dict[str, Any], known: Mapping[str, Checkpoint], where: str) -> dict[str, Any]:
    """The fields with what the base says in their place; size, year and licence of all parts where none is said."""
    name = fields.get("base")
    uses = fields.get("loras") or ()
    loras = [str(use.get("id")) for use in uses if isinstance(use, dict)] if isinstance(uses, list) else []
    for part in [*([name] if name else []), *loras]:
        if part not in known:
            raise RecipeError(f"{where}: no checkpoint {part!r} above this row; list it first")
    if name is None:
        return fields
    base = known[name]
    said = base.model_dump(exclude_unset=True, exclude=set(OWN_FIELDS))
    needs = {**base.needs, **(fields.get("needs") or {})}
    frame = base.sampling.model_dump(include=set(FRAME_FIELDS)) if base.sampling else {}
    sampling = {**frame, **fields["sampling"]} if isinstance(fields.get("sampling"), dict) else base.sampling
    parts = [base, *(known[lora] for lora in loras), *(known[need] for need in needs.values() if need in known)]
    together: dict[str, Any] = {
        "size_gb": round(sum(part.size_gb for part in parts), 3),
        "year": max(part.year for part in parts),
        "licence": " + ".join(dict.fromkeys(part.licence for part in parts)),
        "commercial": all(part.commercial for part in parts),
    }
    own = [use.model_dump() for use in base.loras] + list(uses)
    return {**said, **together, **fields, "needs": needs, "sampling": sampling, "loras": own}


def _parts(row: Checkpoint, known: Mapping[str, Checkpoint]) -> list[Checkpoint]:
    names = [*([row.base] if row.base else []), *(use.id for use in row.loras), *row.needs.values()]
    return [known[name] for name in names if name in known]


@functools.cache
def _built_in() -> Mapping[str, Checkpoint]:
    text = resources.files("configs").joinpath("checkpoints.yaml").read_text(encoding="utf-8")
    return read_rows(text, "configs/checkpoints.yaml")


def checkpoints(*, extra: Path | None = None) -> Mapping[str, Checkpoint]:
    """All rows by id: the built-in ones and the user's own, which win where ids are equal.

    Args:
        extra: YAML file of the user's own rows; the file named by ``SEAMLINE_CHECKPOINTS`` by default.

    Raises:
        RecipeError: the extra file is missing or wrong.
    """
    named = os.environ.get(EXTRA_ROWS)
    path = extra or (Path(named) if named else None)
    if path is None:
        return _built_in()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"Cannot read the checkpoint rows {path} ({error.strerror}); set {EXTRA_ROWS}") from error
    return {**_built_in(), **read_rows(text, str(path), _built_in())}


def checkpoint(checkpoint_id: str, *, role: str | None = None, extra: Path | None = None) -> Checkpoint:
    """The row of that id.

    Args:
        checkpoint_id: the row's id.
        role: if given, a row of another role is refused.
        extra: YAML file of the user's own rows.

    Raises:
        RecipeError: no such row (with the nearest ids), or one of another role.
    """
    rows = checkpoints(extra=extra)
    row = rows.get(checkpoint_id)
    if row is None:
        fitting = [name for name, known in rows.items() if role in (None, known.role)]
        near = difflib.get_close_matches(checkpoint_id, fitting, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(fitting))}"
        raise RecipeError(f"No checkpoint {checkpoint_id!r}; {hint}")
    if role is not None and row.role != role:
        raise RecipeError(f"Checkpoint {checkpoint_id!r} is a {row.role}, and a {role} is asked for")
    return row


def check_licence(row: Checkpoint, accepted: Collection[str] = ()) -> None:
    """Refuse non-commercial weights unless their id is among the accepted ones.

    Raises:
        LicenceRefused: ``row`` is for non-commercial use only and was not accepted.
    """
    if not row.commercial and row.id not in accepted:
        said = f"[{', '.join([*accepted, row.id])}]" if accepted else row.id
        raise LicenceRefused(
            f"Checkpoint {row.id!r} is under {row.licence}, which forbids commercial use. "
            f"If you may use it, write 'accept_licence: {said}' in the recipe; else choose another checkpoint"
        )

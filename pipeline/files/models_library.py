"""Named models: who wears the garments of a catalog. Rows of configs/models.yaml and of a file of the user's own."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import RecipeError
from pipeline.files.recipe_messages import did_you_mean

EXTRA_MODELS = "SEAMLINE_MODELS"
"""Environment variable that names a YAML file of the user's own models; they win where ids are equal."""


class NamedModel(BaseModel):
    """One model of the library."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
    """The name by which recipes and rows ask for it."""
    person: Annotated[str, Field(min_length=1, max_length=1000)]
    """Who it is, in words for the generator."""
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    """Decides what the words leave open; the same in every picture."""
    reference: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    """A picture of the model, for checkpoints that follow references."""


def model_library() -> Mapping[str, NamedModel]:
    """All models by id. Raises RecipeError for a file that is missing or wrong."""
    path = os.environ.get(EXTRA_MODELS)
    if not path:
        return _built_in()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"Cannot read the models {path} ({error.strerror}); set {EXTRA_MODELS}") from error
    return {**_built_in(), **_read(text, path)}


def named_model(name: str) -> NamedModel:
    """The model of that id. Raises RecipeError, with a guess, if there is none."""
    known = model_library()
    if name not in known:
        raise RecipeError(no_such_model(name, known))
    return known[name]


def no_such_model(name: str, known: Mapping[str, NamedModel]) -> str:
    """What is said of a name that no model has."""
    guess = did_you_mean(name, known)
    return " ".join(filter(None, [f'there is no model "{name}".', guess, f"Models: {', '.join(sorted(known))}."]))


@functools.cache
def _built_in() -> Mapping[str, NamedModel]:
    return _read(resources.files("configs").joinpath("models.yaml").read_text(encoding="utf-8"), "configs/models.yaml")


def _read(text: str, source: str) -> dict[str, NamedModel]:
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{source} is not YAML: {error}") from error
    listed = loaded.get("models") if isinstance(loaded, dict) else None
    if not isinstance(listed, list):
        raise RecipeError(f"{source}: expected a list under the key 'models'")
    found: dict[str, NamedModel] = {}
    for position, fields in enumerate(listed, start=1):
        try:
            row = NamedModel.model_validate(fields)
        except ValidationError as error:
            wrong = error.errors()[0]
            field = ".".join(map(str, wrong["loc"])) or "row"
            raise RecipeError(f"{source}, row {position}: {field}: {wrong['msg']}") from error
        if row.id in found:
            raise RecipeError(f"{source}, row {position}: the id {row.id!r} is used twice; rename one of the rows")
        found[row.id] = row
    return found

"""What sections of a recipe share: their base class and the types of fields that several of them have."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.files.models_library import model_library, no_such_model


class Section(BaseModel):
    """A part of a recipe: unknown fields are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def _no_variables(value: str) -> str:
    if re.search(r"\$\{|^\$", value):
        message = "environment variables are not expanded here: write the address itself, or set it for one run"
        raise ValueError(f'{message} with an override such as catalog.address="$HOME/photos"')
    return value


Fraction = Annotated[float, Field(ge=0, le=1)]


def _rising(value: list[float]) -> list[float]:
    if value[0] >= value[1]:
        raise ValueError(f"the first number must be the smaller one, as in [0.1, 0.4]; got {value}")
    return value


Range = Annotated[
    list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=2, max_length=2), AfterValidator(_rising)
]
Color = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#ffffff"])]
Address = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_no_variables)]
Phrase = Annotated[str, Field(min_length=1, max_length=100)]


def _known_model(value: str) -> str:
    if value not in (known := model_library()):
        raise ValueError(no_such_model(value, known))
    return value


ModelId = Annotated[str, AfterValidator(_known_model)]
CheckpointId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,80}$", examples=["sam-vit-b"])]


def as_ids(value: object) -> object:
    """One id as a list of it; everything else as it is."""
    return [value] if isinstance(value, str) else value


_IdList = Annotated[list[CheckpointId], Field(examples=["[some-research-model]"])]
CheckpointIds = Annotated[_IdList, BeforeValidator(as_ids, json_schema_input_type=CheckpointId | _IdList)]
"""Ids in a list, or one without brackets."""

"""Words for what is wrong with a recipe: from pydantic's errors to sentences that say what to write instead."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.types import Json

Path = tuple[str | int, ...]

_SHOWN_CHARACTERS = 60


class Problem(NamedTuple):
    """One thing that is wrong: the dotted path's parts, and a sentence that says what to write."""

    path: Path
    text: str


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return ``Did you mean backdrop?`` for the nearest known word, or nothing if none is near.

    Nearness is difflib's ratio (Ratcliff and Obershelp, 1988) on lower case, at least 0.6.
    """
    by_lower = {word.lower(): word for word in sorted(known)}
    near = difflib.get_close_matches(wrong.lower(), by_lower, n=1, cutoff=0.6)
    return f"Did you mean {by_lower[near[0]]}?" if near else ""


def join_names(names: Iterable[str]) -> str:
    """Return ``a, b, c``."""
    return ", ".join(names)


def shown(value: object) -> str:
    """Return a value as its YAML author would know it, cut after 60 characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def describe(schema: Mapping[str, Json]) -> str:
    """Return in words what a field's JSON Schema takes: ``a number from 0.01 to 0.99, or auto``."""
    if "anyOf" in schema:
        parts = [describe(part) for part in schema["anyOf"]]
        return ", or ".join(dict.fromkeys(parts))
    if "enum" in schema:
        return "one of " + join_names(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = "object" if "$ref" in schema else schema.get("type")
    if kind in ("number", "integer"):
        return _describe_number(schema)
    example = next(iter(schema.get("examples", ())), None)
    if kind == "string":
        return f'text such as "{example}"' if example else "text"
    if kind == "array":
        return f"a list such as {example}" if example else "a list in square brackets"
    if kind == "object":
        return f"names and values such as {example}" if example else "fields under it"
    return {"boolean": "true or false", "null": "nothing (null)"}.get(str(kind), "another value")


def _describe_number(schema: Mapping[str, Json]) -> str:
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}" if high < 1e5 else f"{noun} from {low:g} to {high}"
    return f"{noun} of at least {low:g}" if low is not None else noun


def explain(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return one problem for each wrong field of ``model``, in the order of the fields.

    The several errors that pydantic gives for one field of a union type become one.
    """
    problems: dict[Path, Problem] = {}
    for entry in error.errors():
        path, owner, field = _locate(model, entry["loc"])
        if path not in problems:
            problems[path] = Problem(path, _sentence(entry, path, owner, field))
    return list(problems.values())


def _locate(model: type[BaseModel], loc: Path) -> tuple[Path, type[BaseModel], str | None]:
    """Follow an error's location into the models: its path without union tags, the owning model, the field's name."""
    owner = model
    for index, part in enumerate(loc):
        info = owner.model_fields.get(str(part))
        if info is None:
            return loc[: index + 1], owner, None
        below = _section_of(info)
        if below is None or index == len(loc) - 1:
            rest = () if _is_union(info) else tuple(step for step in loc[index + 1 :] if step != "[key]")
            return loc[: index + 1] + rest, owner, str(part)
        owner = below
    return loc, owner, None


def _members(info: FieldInfo) -> list[Any]:
    annotation = info.annotation
    if get_origin(annotation) in (Union, UnionType):
        return [member for member in get_args(annotation) if member is not type(None)]
    return [annotation]


def _is_union(info: FieldInfo) -> bool:
    return len(_members(info)) > 1


def _section_of(info: FieldInfo) -> type[BaseModel] | None:
    return next((m for m in _members(info) if isinstance(m, type) and issubclass(m, BaseModel)), None)


def _sentence(entry: Mapping[str, Any], path: Path, owner: type[BaseModel], field: str | None) -> str:
    kind, value = entry["type"], entry.get("input")
    if kind == "value_error":
        return str(entry["ctx"]["error"])
    if field is None:
        return _unknown_field(str(path[-1]), owner) if kind == "extra_forbidden" else str(entry["msg"])
    info = owner.model_fields[field]
    if kind == "missing":
        example = next(iter(info.examples or ()), "...")
        return f"is missing: write {field}: {example}"
    below = _section_of(info)
    if below is not None:
        here = join_names(below.model_fields)
        if value is None:
            return f"has nothing under it: write one of its fields ({here}), or delete the line."
        return f"{shown(value)} cannot stand here: write fields under it ({here})."
    schema = owner.model_json_schema()["properties"][field]
    if "[key]" in entry["loc"]:
        return _unknown_name(str(path[-1]), schema["propertyNames"]["enum"])
    if len(path) > 0 and isinstance(path[-1], int):
        return f"{shown(value)} cannot be an entry of this list: write text, in quotes if it looks like something else."
    if path[-1] != field:
        return f"{shown(value)} cannot be used here: write text."
    return wrong_value(value, schema)


def wrong_value(value: object, schema: Mapping[str, Json]) -> str:
    """Return why ``value`` is refused by a field of this JSON Schema, and what to write."""
    wanted = describe(schema)
    parts = schema.get("anyOf", [schema])
    types = {part.get("type") for part in parts}
    if isinstance(value, bool) and "string" in types:
        return f"YAML reads this word as {shown(value)}: put it in quotes, or write {wanted}."
    if isinstance(value, str) and types == {"array"}:
        return f"{shown(value)} is not a list: write [{value}]"
    choices = [str(word) for part in parts for word in [*part.get("enum", ()), part.get("const", "")] if word]
    guess = did_you_mean(value, choices) if isinstance(value, str) else ""
    what = "it is empty" if value is None else f"{shown(value)} cannot be used here"
    return f"{what}: write {wanted}.{' ' + guess if guess else ''}"


def _unknown_name(name: str, known: Iterable[str]) -> str:
    return f"no such name. {did_you_mean(name, known) or f'Names here: {join_names(known)}.'}"


def _unknown_field(name: str, owner: type[BaseModel]) -> str:
    guess = did_you_mean(name, owner.model_fields)
    if guess:
        return f"no such field. {guess}"
    for section, info in owner.model_fields.items():
        below = _section_of(info)
        if below is not None and name in below.model_fields:
            return f"no such field here: write it under {section}."
    return f"no such field. Fields here: {join_names(owner.model_fields)}."

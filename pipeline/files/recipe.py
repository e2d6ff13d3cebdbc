"""Recipes: what to do to a catalog. The only reader of recipe YAML.

``load_recipe`` finds the file, reads it with its line numbers, puts the overrides in, and gives either a frozen
:class:`Recipe` or one :class:`RecipeError` that lists everything that is wrong, each by file, line and field.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.errors import RecipeError
from pipeline.files.recipe_checks import outside_problems
from pipeline.files.recipe_fields import Section
from pipeline.files.recipe_generation import UpscaleSection
from pipeline.files.recipe_messages import Path, Problem, did_you_mean, explain, join_names
from pipeline.files.recipe_models import (
    ROW_FIELDS,
    BackgroundSection,
    BatchSection,
    CatalogSection,
    ExportSection,
    Recipe,
    ScheduleSection,
    ShadowSection,
    SubjectSection,
)
from pipeline.files.recipe_yaml import MarkedYaml, read_marked
from pipeline.types import Json

__all__ = [
    "ROW_FIELDS",
    "BackgroundSection",
    "BatchSection",
    "CatalogSection",
    "ExportSection",
    "Recipe",
    "ScheduleSection",
    "Section",
    "ShadowSection",
    "SubjectSection",
    "UpscaleSection",
    "load_recipe",
    "read_recipe",
    "recipe_digest",
    "recipe_names",
    "recipe_schema",
    "resolve_config",
]

_LOOK = ("kind", "subject", "background", "shadow", "upscale", "export")


def load_recipe(config: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read the recipe ``config`` (see :func:`resolve_config`) with ``overrides`` such as ``export.quality=95`` put in.

    An override's value is read as YAML, and a later override of the same field wins. Environment variables are
    never expanded.

    Raises:
        RecipeError: nothing of that name, or anything wrong in file or overrides; one message lists it all.
    """
    path = resolve_config(config)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8.") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}.") from None
    return read_recipe(text, str(path), overrides)


def read_recipe(text: str, name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from ``text``; ``name`` is what error messages call the file. Raises as :func:`load_recipe`."""
    marked = read_marked(text)
    found = [(f"{name}:{line}", line, Problem((path,) if path else (), said)) for line, path, said in marked.troubles]
    data: Json = marked.data if isinstance(marked.data, dict) else {}
    origins: dict[Path, str] = {}
    for override in overrides:
        trouble = _put(data, override, origins)
        if trouble:
            found.append((f'override "{override}"', 0, Problem((), trouble)))
    recipe: Recipe | None = None
    if marked.data is not None:
        problems: list[Problem] = []
        try:
            recipe = Recipe.model_validate(data, strict=True)
        except ValidationError as error:
            problems = explain(error, Recipe)
        known = {problem.path for problem in problems}
        problems += [problem for problem in outside_problems(data) if problem.path not in known]
        found += [_place(problem, name, text, marked, origins) for problem in problems]
    if found or recipe is None:
        raise RecipeError(_report(name, sorted(found, key=lambda entry: entry[1])))
    return recipe


def _place(
    problem: Problem, name: str, text: str, marked: MarkedYaml, origins: Mapping[Path, str]
) -> tuple[str, int, Problem]:
    for end in range(len(problem.path), 0, -1):
        if problem.path[:end] in origins:
            return f'override "{origins[problem.path[:end]]}"', 0, problem
    if problem.path not in marked.lines:  # a section that only an override wrote
        for path, override in origins.items():
            if path[: len(problem.path)] == problem.path:
                return f'override "{override}"', 0, problem
    line = marked.line_of(problem.path)
    source = text.splitlines()[line - 1] if line <= len(text.splitlines()) else ""
    eaten = re.search(r"(?::|-)\s+#(\S+)\s*$", source)
    if eaten and problem.path in marked.lines:
        said = f'is empty, for # starts a comment in YAML: put the value in quotes, "#{eaten[1]}"'
        problem = Problem(problem.path, said)
    return f"{name}:{line}", line, problem


def _report(name: str, found: Sequence[tuple[str, int, Problem]]) -> str:
    lines = [
        f"{where}  {'.'.join(map(str, problem.path)) + ': ' if problem.path else ''}{problem.text}"
        for where, _, problem in found
    ]
    if len(lines) == 1:
        return lines[0]
    return f"{name} has {len(lines)} problems:\n" + "\n".join(f"  {line}" for line in lines)


def _put(data: Json, override: str, origins: dict[Path, str]) -> str:
    """Put one override into the data; return what is wrong with its form, or nothing."""
    dotted, equals, raw = override.partition("=")
    parts = tuple(part.strip() for part in dotted.split("."))
    if not equals or not all(parts):
        return "is not an override: write section.field=value, such as export.quality=95"
    try:
        # A bare colour would be a YAML comment; on a command line nobody means that.
        value = raw.strip() if raw.strip().startswith("#") else yaml.safe_load(raw)
    except yaml.YAMLError:
        if raw.strip()[:1] in ("[", "{", '"', "'"):
            return f"{raw!r} is not a YAML value: close what it opens, as in {dotted}=[dress, gown]"
        value = raw.strip()  # plain text that YAML reads otherwise, such as the schedule * * * * *
    target = data
    for index, part in enumerate(parts[:-1]):
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
        if not isinstance(target, dict):
            return f"{'.'.join(parts[: index + 1])} is a value and has no fields: write {parts[0]}=value"
    target[parts[-1]] = value
    origins[parts] = override
    return ""


def _folders() -> Iterator[FilePath]:
    yield FilePath("configs")
    yield FilePath(str(files("configs")))


def recipe_names() -> list[str]:
    """Return the file names of the recipes in configs/ of the current folder and of the installed package.

    A recipe is a YAML file with a ``name:`` of its own; the tables of marketplaces and checkpoints have none.
    """
    names = set()
    for folder in _folders():
        for path in folder.glob("*.yaml"):
            if re.search(r"^name:", path.read_text(encoding="utf-8-sig", errors="replace"), re.MULTILINE):
                names.add(path.name)
    return sorted(names)


def resolve_config(name: str) -> FilePath:
    """Return the file that ``name`` means: a path as given, else in ./configs, else in the installed package.

    ``.yaml`` may be left out.

    Raises:
        RecipeError: there is none; the message lists those that exist.
    """
    candidates = [name] if name.endswith((".yaml", ".yml")) else [name, f"{name}.yaml"]
    for folder in (FilePath(), *_folders()):
        for candidate in candidates:
            if (folder / candidate).is_file():
                return folder / candidate
    known = recipe_names()
    guess = did_you_mean(name, known) or did_you_mean(f"{name}.yaml", known)
    there = f"Recipes in configs/: {join_names(known)}." if known else "configs/ holds no recipe."
    raise RecipeError(
        " ".join(filter(None, [f"No recipe {name!r}.", guess, there, "Or give the path of a YAML file."]))
    )


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe file, with every field's sentence as its description."""
    schema = Recipe.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Seamline recipe"}


def recipe_digest(recipe: Recipe, *, only_look: bool = False) -> str:
    """Return the SHA-256 of a recipe in hexadecimal, the same whatever the order of fields and the defaults written.

    With ``only_look`` it covers only what decides how a picture comes out: not name, catalog, schedule or the
    batch's sizes, but its seed.
    """
    data = recipe.model_dump(mode="json")
    if only_look:
        data = {name: data[name] for name in _LOOK} | {"seed": recipe.batch.seed}
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()

"""The two texts that are made from the recipe models: the JSON Schema of configs/ and the tables of docs/recipes.md.

``python -m pipeline.files.recipe_reference`` rewrites both in the current checkout; tests keep them in step.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from pipeline.files.recipe import ROW_FIELDS, recipe_schema
from pipeline.files.recipe_messages import describe, shown
from pipeline.files.recipe_models import Recipe
from pipeline.types import Json

BEGIN = "<!-- fields: made from the models by python -m pipeline.files.recipe_reference -->"
END = "<!-- end of fields -->"


def schema_text() -> str:
    """Return the content of configs/recipe.schema.json."""
    return json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n"


def reference_text() -> str:
    """Return the field reference as Markdown: one table for the top level, one a section, one for catalog rows."""
    schema = Recipe.model_json_schema()
    parts = [_table("Top level", "A whole recipe file.", schema, Recipe)]
    for name, info in Recipe.model_fields.items():
        section = _section(schema["properties"][name])
        if section:
            parts.append(_table(f"`{name}`", f"{info.description}", schema["$defs"][section], None))
    rows = "\n".join(f"| `{column}` | `{field}` |" for column, field in ROW_FIELDS.items())
    parts.append(f"### What a row may set\n\n| column | recipe field |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def _section(schema: Json) -> str:
    for part in [schema, *schema.get("anyOf", ())]:
        if "$ref" in part:
            return str(part["$ref"]).rpartition("/")[2]
    return ""


def _table(title: str, sentence: str, schema: Json, skip_sections_of: type[BaseModel] | None) -> str:
    lines = [f"### {title}\n\n{sentence}\n\n| field | takes | default | |\n|---|---|---|---|"]
    for name, field in schema["properties"].items():
        if skip_sections_of is not None and _section(field):
            continue
        default = f"`{shown(field['default'])}`" if field.get("default") is not None else ""
        if name in schema.get("required", ()):
            default = "required"
        cells = [f"`{name}`", describe(field).replace(", or nothing (null)", ""), default, field["description"]]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def put_reference(page: str) -> str:
    """Return the Markdown ``page`` with the part between its two markers made anew."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{reference_text()}\n{END}{rest.partition(END)[2]}"


def main(root: Path = Path()) -> None:
    """Rewrite the schema and the reference under ``root``."""
    (root / "configs" / "recipe.schema.json").write_text(schema_text(), encoding="utf-8")
    page = root / "docs" / "recipes.md"
    page.write_text(put_reference(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

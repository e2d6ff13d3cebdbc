"""The catalog, recipe and crew of the flow tests."""

from __future__ import annotations

from tests.flows.conftest import make_recipe, own_crew, photos, recipe_file

__all__ = ["make_recipe", "own_crew", "photos", "recipe_file"]

"""The named model of an item: its words, its seed and its reference, in the recipe's place."""

from __future__ import annotations

from pipeline.errors import RecipeError
from pipeline.files.models_library import named_model
from pipeline.files.recipe import Recipe


def with_model(recipe: Recipe) -> Recipe:
    """The recipe with its named model's words; also with its reference, where the checkpoint follows one."""
    if recipe.kind != "garment" or recipe.garment.model is None:
        return recipe
    model = named_model(recipe.garment.model)
    update: dict[str, object] = {"garment": recipe.garment.model_copy(update={"person": model.person})}
    if model.reference is not None and recipe.generate.reference is None and _follows_references(recipe):
        update["generate"] = recipe.generate.model_copy(update={"reference": model.reference})
    return recipe.model_copy(update=update)


def _follows_references(recipe: Recipe) -> bool:
    from pipeline.models.checkpoints import checkpoint
    from pipeline.models.generators import ip_adapter_of

    try:
        ip_adapter_of(checkpoint(recipe.generate.checkpoint, role="generator"))
    except RecipeError:
        return False
    return True

"""Control maps in a recipe: kinds, and how strongly and when they act."""

from __future__ import annotations

import pytest

from pipeline.errors import RecipeError
from pipeline.files.recipe import load_recipe
from pipeline.files.recipe_controls import ControlUse, control_uses


def test_kinds_and_reaches_may_be_mixed_and_the_last_of_a_kind_counts() -> None:
    recipe = load_recipe("garment.yaml", ["garment.controls=[pose, canny, {kind: canny, scale: 0.5, end: 0.8}]"])
    assert control_uses(recipe.garment.controls) == (
        ControlUse(kind="pose"),
        ControlUse(kind="canny", scale=0.5, end=0.8),
    )


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ("[scanny]", r'"scanny" is no kind of control; write a kind, or \{kind.*Did you mean canny\?'),
        ("[{scale: 1}]", r'"None" is no kind of control.*Kinds: pose, canny, softedge, lineart, depth'),
        ("[{kind: canny, scale: 3}]", "control canny, scale: 3 cannot be used; .*scale: 0 to 2"),
        ("[{kind: pose, sacle: 1}]", "control pose, sacle: 1 cannot be used"),
        ("[{kind: pose, end: soon}]", "control pose, end: 'soon' cannot be used"),
        ("[{kind: depth, start: 0.9, end: 0.2}]", "control depth: start 0.9 is not before end 0.2"),
        ("pose", "is not a list"),
    ],
)
def test_what_is_no_control_is_told_in_one_sentence(controls: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        load_recipe("garment.yaml", [f"garment.controls={controls}"])
    assert "problems" not in str(caught.value), "one mistake, one sentence"

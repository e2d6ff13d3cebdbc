"""Control maps in a recipe: kinds, and how strongly and when they act."""

from __future__ import annotations

import pytest

from pipeline.errors import RecipeError
from pipeline.files.recipe import load_recipe
from pipeline.files.recipe_controls import ControlUse, control_uses, drawn_by


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
        ("[{kind: canny, by: hed}]", "control canny: hed draws no canny map; leave by out, its network is always the"),
        ("[{kind: softedge, by: openpose}]", "openpose draws no softedge map; .* it is drawn by hed or pidinet"),
        ("[{kind: pose, by: dwpose}]", "control pose, by: 'dwpose' cannot be used"),
        ("pose", "is not a list"),
    ],
)
def test_what_is_no_control_is_told_in_one_sentence(controls: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        load_recipe("garment.yaml", [f"garment.controls={controls}"])
    assert "problems" not in str(caught.value), "one mistake, one sentence"


def test_networks_that_are_not_named_leave_no_trace() -> None:
    """Keys are made of what a recipe says: those of older recipes stay as they are."""
    controls = ["garment.controls=[{kind: canny, scale: 0.5}, {kind: softedge, by: hed}]"]
    wanted = load_recipe("garment.yaml", controls).garment
    assert [set(use) for use in wanted.model_dump(mode="json")["controls"]] == [
        {"kind", "scale", "start", "end"},
        {"kind", "scale", "start", "end", "by"},
    ]
    assert drawn_by(wanted.controls) == {"softedge": "hed"}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["garment.controls=[{kind: pose, by: openpose}]"], "write 'accept_licence: openpose'"),
        (["garment.controls=[{kind: softedge, by: pidinet}]"], "write 'accept_licence: pidinet'"),
        (
            ["garment.controls=[{kind: pose, by: openpose}]", "garment.mode=place", "accept_licence=openpose"],
            "mode: place has nobody whose pose could be read; write pose without by",
        ),
    ],
)
def test_a_network_for_research_is_accepted_and_a_pose_needs_a_body(overrides: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe("garment.yaml", overrides)

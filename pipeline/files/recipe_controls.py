"""How a recipe asks for control maps: by kind alone, or with how strongly and when they act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from pipeline.files.recipe_messages import did_you_mean

ControlKind = Literal["pose", "canny", "softedge", "lineart", "depth"]
Reader = Literal["openpose", "hed", "pidinet"]
CONTROL_KINDS: tuple[str, ...] = get_args(ControlKind)
READERS: Mapping[str, tuple[str, ...]] = {"pose": ("openpose",), "softedge": ("hed", "pidinet")}
"""The networks that a kind of control may be drawn `by`, where there is a choice."""
Share = Annotated[float, Field(ge=0, le=1)]


class ControlUse(BaseModel):
    """One control map and its reach: `{kind: canny, scale: 0.6, end: 0.8}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    kind: ControlKind
    """What is drawn."""
    scale: Annotated[float, Field(ge=0, le=2)] = 1.0
    """How strongly the map is followed."""
    start: Share = 0.0
    """From which share of the steps on."""
    end: Share = 1.0
    """Up to which share of the steps."""
    by: Reader | None = None
    """The network that draws it, in place of the kind's own: `openpose` for pose, `hed` or `pidinet` for softedge."""

    @model_serializer(mode="wrap")
    def _unless_named(self, made: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without ``by`` where none is named: what a recipe does not ask for changes no key."""
        fields: dict[str, Any] = made(self)
        return {name: value for name, value in fields.items() if name != "by" or value is not None}


_TAKES = "write a kind, or {kind: canny, scale: 0 to 2, start: 0 to 1, end: 0 to 1}"


def _checked(value: Any) -> Any:
    """The list as it is. Raises ValueError, in one sentence, for an entry that is none."""
    for entry in value if isinstance(value, list) else ():
        fields = entry.model_dump() if isinstance(entry, ControlUse) else entry
        kind = fields.get("kind") if isinstance(fields, dict) else fields
        if kind not in get_args(ControlKind):
            guess = did_you_mean(str(kind), get_args(ControlKind))
            there = f"Kinds: {', '.join(get_args(ControlKind))}."
            raise ValueError(" ".join(filter(None, [f'"{kind}" is no kind of control; {_TAKES}.', guess, there])))
        if isinstance(fields, dict):
            _check_reach(str(kind), fields)
    return value


def _check_reach(kind: str, fields: dict[str, Any]) -> None:
    try:
        use = ControlUse.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ValueError(f"control {kind}, {wrong['loc'][0]}: {wrong['input']!r} cannot be used; {_TAKES}.") from error
    if use.by is not None and use.by not in READERS.get(kind, ()):
        can = f"it is drawn by {' or '.join(READERS[kind])}" if kind in READERS else "its network is always the same"
        raise ValueError(f"control {kind}: {use.by} draws no {kind} map; leave by out, {can}.")
    if use.start >= use.end:
        raise ValueError(f"control {kind}: start {use.start:g} is not before end {use.end:g}.")


Controls = Annotated[list[ControlKind | ControlUse], Field(max_length=5), BeforeValidator(_checked)]


def _of_a_product(value: list[ControlKind | ControlUse]) -> list[ControlKind | ControlUse]:
    if any(use.kind == "pose" for use in control_uses(value)):
        raise ValueError("a product has no pose; write canny, softedge, lineart or depth.")
    return value


ProductControls = Annotated[Controls, AfterValidator(_of_a_product)]
"""Controls of what a product looks like: all but a body's pose."""


def control_uses(controls: Sequence[ControlKind | ControlUse]) -> tuple[ControlUse, ...]:
    """The controls with their reach, each kind once: the last of a kind counts."""
    uses = [ControlUse(kind=one) if isinstance(one, str) else one for one in controls]
    return tuple({use.kind: use for use in uses}.values())


def drawn_by(controls: Sequence[ControlKind | ControlUse]) -> dict[str, str]:
    """The networks that the controls name, by kind; kinds that name none are left out."""
    return {use.kind: use.by for use in control_uses(controls) if use.by is not None}

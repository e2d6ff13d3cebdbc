"""The rules of the house that a linter cannot say: sizes, words, and one item boundary."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("pipeline", "masks", "flows")
LONGEST_FILE = 400
LONGEST_FUNCTION = 60
TAKEN = {"Task", "Flow", "Run", "State", "Block", "Artifact", "Worker", "Job", "Pipeline", "Scheduler"}
"""Words that Prefect or diffusers owns."""


def sources() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = path.read_text().count("\n")
    long_functions = [
        f"{node.name} ({(node.end_lineno or 0) - node.lineno + 1})"
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert lines <= LONGEST_FILE, f"{path.name} has {lines} lines: split it by idea"
    assert not long_functions, f"functions over {LONGEST_FUNCTION} lines: {long_functions}"


def test_no_class_takes_a_word_that_prefect_or_diffusers_owns() -> None:
    taken = [
        (path.name, node.name)
        for path in sources()
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and node.name in TAKEN
    ]
    assert not taken


def passes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a handler only cleans up and raises again."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_only_the_item_boundary_catches_everything() -> None:
    """A second `except Exception` would hide errors that the ledger must show."""
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and not passes_on(node)
    ]
    assert [place.split(":")[0] for place in broad] == ["flows/items.py"], broad


def test_errors_for_users_are_raised_not_asserted() -> None:
    asserts = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        for node in nodes(path)
        if isinstance(node, ast.Assert)
    ]
    assert not asserts

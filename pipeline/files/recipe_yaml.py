"""YAML with line numbers: plain data, the line of every field, and all that is wrong with the text itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from pipeline.files.recipe_messages import Path, shown
from pipeline.types import Json

Trouble = tuple[int, str, str]
"""Line (1-based), dotted path or nothing, sentence."""


@dataclass(frozen=True)
class MarkedYaml:
    """A YAML file as data that knows its lines.

    ``lines`` maps a path to the 1-based line of its key (or list entry). ``troubles`` are the mistakes of the
    text; if it could not be read at all, ``data`` is None and there is at least one trouble.
    """

    data: Json
    lines: Mapping[Path, int]
    troubles: tuple[Trouble, ...]

    def line_of(self, path: Path) -> int:
        """Return the line of the nearest part of ``path`` that the file has; 1 for a path it has nothing of."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_marked(text: str) -> MarkedYaml:
    """Read one YAML document. Never raises for what the author of ``text`` can cause: see ``troubles``."""
    lines: dict[Path, int] = {}
    troubles: list[Trouble] = []
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return MarkedYaml(None, lines, ((1, "", "the file is empty: write at least name: and catalog:."),))
        _mark(node, (), lines, troubles, frozenset())
        if not isinstance(node, yaml.MappingNode):
            troubles.append((node.start_mark.line + 1, "", "a recipe is made of fields: write name: packshot"))
        data = None if troubles else loader.construct_document(node)
        # The author should see the field errors beside a key that stands twice, so read on with the last one.
        if troubles and isinstance(node, yaml.MappingNode) and all("twice" in said for _, _, said in troubles):
            data = loader.construct_document(node)
    except yaml.YAMLError as error:
        return MarkedYaml(None, lines, (*troubles, _syntax(error, text)))
    return MarkedYaml(data, lines, tuple(troubles))


def _mark(
    node: yaml.Node, path: Path, lines: dict[Path, int], troubles: list[Trouble], above: frozenset[yaml.Node]
) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if node in above:
        troubles.append((node.start_mark.line + 1, _dotted(path), "this anchor contains itself: write it out."))
        return
    above = above | {node}
    if isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            _mark(entry, (*path, index), lines, troubles, above)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag not in ("tag:yaml.org,2002:str", _MERGE):
                name = key.value if isinstance(key, yaml.ScalarNode) else "this"
                troubles.append((line, _dotted(path), f"{shown(name)} is not a field name: field names are words."))
                continue
            below = (*path, str(key.value))
            if key.value in seen and key.tag != _MERGE:
                said = f"stands twice, first on line {seen[key.value]}: delete one of the two."
                troubles.append((line, _dotted(below), said))
            seen[key.value] = line
            lines[below] = line
            _mark(value, below, lines, troubles, above)


_MERGE = "tag:yaml.org,2002:merge"


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _syntax(error: yaml.YAMLError, text: str) -> Trouble:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a ReaderError: a character that YAML does not allow, known by its place
        place = getattr(error, "position", 0)
        return text.count("\n", 0, place) + 1, "", "a character that YAML does not allow: delete it."
    line = mark.line + 1
    source = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    if "\t" in source[: mark.column + 1]:
        return line, "", "a tab stands where YAML wants spaces: indent with spaces."
    problem = str(getattr(error, "problem", "") or "cannot be read")
    context = str(getattr(error, "context", "") or "")
    said = f"not YAML: {problem}" + (f" ({context})" if context else "")
    if "mapping values are not allowed" in problem:
        said += "; put a text that holds a colon in quotes, and indent fields of one section alike"
    elif "document" in problem:
        said = "a recipe is one document: delete the line --- and what follows, or make it a second file"
    elif source.lstrip().startswith(("-", "*", "&", "%", "@", "`", "[", "{")) or ": *" in source or ": @" in source:
        said += "; put the value in quotes"
    return line, "", f"{said}."

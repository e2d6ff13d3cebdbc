"""A running ComfyUI server as a family: the studio's own workflow in API format, with its inputs named.

A workflow's inputs are named by the titles of its nodes, ``seamline: image`` or ``seamline: seed, steps, guidance``,
or by a JSON file beside it (``inpaint.inputs.json`` for ``inpaint.json``): ``{"prompt": "6.text"}``.
What the server makes is a patch like any family's: fitted, blended and composited here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from pipeline.errors import ModelError, RecipeError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.comfyui_client import Client, Graph
from pipeline.models.families.types import Family, Generator, Inpaint, Parts

MARK: Final = "seamline:"
"""How the title of a node begins whose inputs a recipe sets."""
LOCAL_SERVER: Final = "http://127.0.0.1:8188"
"""Where ComfyUI listens if nobody says otherwise."""
TEXT_FIELDS: Final = ("text", "prompt", "value", "string")
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "image": ("image",),
    "mask": ("image", "mask"),
    "prompt": TEXT_FIELDS,
    "negative": TEXT_FIELDS,
    "seed": ("seed", "noise_seed", "value"),
    "steps": ("steps", "value"),
    "guidance": ("cfg", "guidance", "value"),
    "strength": ("denoise", "strength", "value"),
    "width": ("width", "value"),
    "height": ("height", "value"),
    "output": ("images", "image"),
}
"""Names that a title can give, and which of the node's inputs each sets: the first one that the node has."""
CONTROL: Final = "control "
"""A control map's name is this and its kind: ``seamline: control pose``."""
NEEDED: Final = ("image", "mask", "prompt", "seed")


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A graph in API format and where each named input lies: name to (node id, input)."""

    graph: Graph
    inputs: Mapping[str, tuple[str, str]]
    place: Path

    def filled(self, values: Mapping[str, Any]) -> Graph:
        """A copy of the graph with these values set."""
        graph = deepcopy(self.graph)
        for name, value in values.items():
            node, field = self.inputs[name]
            graph[node]["inputs"][field] = value
        return graph


def read_workflow(place: Path) -> Workflow:
    """Read a workflow and find its named inputs.

    Raises:
        ModelError: no JSON, no API format, or an input that is missing, named twice or lies nowhere.
    """
    graph = _read_json(place)
    if "nodes" in graph:
        raise ModelError(f"{place} is a workflow for ComfyUI's editor; save it with 'Export (API)'")
    if not graph or not all(isinstance(node, dict) and "class_type" in node for node in graph.values()):
        raise ModelError(f"{place} is no ComfyUI workflow in API format: every node needs a class_type")
    beside = place.with_suffix(".inputs.json")
    named = _from_map(_read_json(beside), graph, beside) if beside.is_file() else _from_titles(graph, place)
    missing = [name for name in NEEDED if name not in named]
    if missing:
        raise ModelError(
            f"{place} has no input for {', '.join(missing)}: title a node '{MARK} {missing[0]}', "
            f"or write '{missing[0]}' into {beside.name}"
        )
    return Workflow(graph=graph, inputs=named, place=place)


def _read_json(place: Path) -> Any:
    try:
        read = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{place} cannot be read as JSON: {error}") from error
    if not isinstance(read, dict):
        raise ModelError(f"{place} holds no JSON object")
    return read


def _from_titles(graph: Graph, place: Path) -> dict[str, tuple[str, str]]:
    named: dict[str, tuple[str, str]] = {}
    for node_id, node in graph.items():
        title = str((node.get("_meta") or {}).get("title", "")).strip().lower()
        if not title.startswith(MARK):
            continue
        for name in (part.strip() for part in title.removeprefix(MARK).split(",")):
            if name in named:
                raise ModelError(f"{place}: two nodes are titled '{MARK} {name}'; keep one of the titles")
            named[name] = (node_id, _field(name, node, f"{place}, node {node_id}"))
    return named


def _field(name: str, node: Mapping[str, Any], where: str) -> str:
    wanted = FIELDS.get(name) or (("image",) if name.startswith(CONTROL) else None)
    if wanted is None:
        raise ModelError(f"{where}: no input is called {name!r}; known: {', '.join(FIELDS)}, {CONTROL}<kind>")
    for field in wanted:
        if field in node.get("inputs", {}):
            return field
    raise ModelError(f"{where} ({node['class_type']}): for {name!r} it needs an input {' or '.join(wanted)}")


def _from_map(said: Mapping[str, Any], graph: Graph, place: Path) -> dict[str, tuple[str, str]]:
    named: dict[str, tuple[str, str]] = {}
    for name, target in said.items():
        if name not in FIELDS and not name.startswith(CONTROL):
            raise ModelError(f"{place}: no input is called {name!r}; known: {', '.join(FIELDS)}, {CONTROL}<kind>")
        node, _, field = str(target).partition(".")
        if node not in graph or field not in graph[node].get("inputs", {}):
            raise ModelError(f"{place}: {name} points to {target!r}, which is no '<node>.<input>' of the workflow")
        named[name] = (node, field)
    return named


@dataclass(frozen=True)
class Remote:
    """The server and its workflow, called as a pipeline is: it answers with ``.images``, (N, H, W, 3) in [0, 1]."""

    client: Client
    workflow: Workflow

    def __call__(self, *, wishes: list[dict[str, Any]], size: tuple[int, int]) -> SimpleNamespace:
        """Run the workflow once a wish; arrays among its values are uploaded and stand there by their names.

        Raises:
            ModelError: see `Client.run`; also no picture, or one of another size than ``size`` (height, width).
        """
        from PIL import Image as Pillow

        made = []
        for wish in wishes:
            values = {
                name: self.client.upload(Pillow.fromarray(value)) if isinstance(value, np.ndarray) else value
                for name, value in wish.items()
            }
            picture = np.asarray(self.client.view(self._result(self.client.run(self.workflow.filled(values)))))
            if picture.shape[:2] != size:
                raise ModelError(
                    f"{self.workflow.place} gave a picture of {picture.shape[1]}x{picture.shape[0]} px, and "
                    f"{size[1]}x{size[0]} was asked for: let the workflow keep the size of its image input"
                )
            made.append(picture.astype(np.float32) / 255)
        return SimpleNamespace(images=np.stack(made))

    def _result(self, outputs: Mapping[str, list[dict[str, str]]]) -> dict[str, str]:
        """The picture of the node titled ``seamline: output``, or the only node's."""
        named = self.workflow.inputs.get("output", ("", ""))[0]
        pictures = outputs.get(named) if named else [one for made in outputs.values() for one in made]
        if not pictures:
            raise ModelError(f"{self.workflow.place} made no picture: end it in a SaveImage or PreviewImage node")
        if len(pictures) > 1:
            raise ModelError(
                f"{self.workflow.place} made {len(pictures)} pictures: title the node of the result '{MARK} output' "
                "and make one picture at a time"
            )
        return pictures[0]


def load(row: Checkpoint, parts: Parts, device: str) -> Remote:
    """The server that the row's ``config`` names, with the workflow in its place. ``device`` is the server's own.

    Raises:
        ModelError: no such server, or the workflow is none or lacks a control that the row says it has.
    """
    workflow = read_workflow(parts.place)
    missing = [kind for kind in parts.controls if CONTROL + kind not in workflow.inputs]
    if missing:
        raise ModelError(
            f"{workflow.place} has no control {missing[0]}, which row {row.id!r} names in 'controlnets': "
            f"title its LoadImage '{MARK} {CONTROL}{missing[0]}'"
        )
    client = Client((row.config or LOCAL_SERVER).rstrip("/"))
    client.check()
    return Remote(client, workflow)


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The values of the workflow's inputs, a wish a request.

    Raises:
        RecipeError: a request says something that the workflow has no input for.
    """
    return {"wishes": [_wish(generator, one) for one in requests], "size": requests[0].size}


def _wish(generator: Generator, one: Inpaint) -> dict[str, Any]:
    inputs = generator.pipe.workflow.inputs
    for control in one.controls:
        if CONTROL + control.kind not in inputs:
            raise RecipeError(
                f"{generator.row.id}: its workflow has no control {control.kind}; leave it out, or title its LoadImage "
                f"'{MARK} {CONTROL}{control.kind}'"
            )
    values: dict[str, Any] = {
        "image": one.image, "mask": np.repeat(one.repaint[..., None] * np.uint8(255), 3, 2), "prompt": one.prompt,
        "seed": one.seed, **{CONTROL + control.kind: control.image for control in one.controls},
    }  # fmt: skip
    usual = generator.row.sampling
    optional = {
        "negative": (one.negative_prompt, ""),
        "steps": (one.steps, usual.steps if usual else one.steps),
        "guidance": (one.guidance, usual.guidance if usual else one.guidance),
        "strength": (one.strength, 1.0),
        "height": (one.size[0], one.size[0]),
        "width": (one.size[1], one.size[1]),
    }
    for name, (wanted, unsaid) in optional.items():
        if name in inputs:
            values[name] = wanted
        elif wanted != unsaid:
            raise RecipeError(
                f"{generator.row.id}: its workflow has no input for {name} {wanted!r}; "
                f"leave it out, or title a node '{MARK} {name}'"
            )
    return values


FAMILY = Family(
    id="comfyui",
    multiple_of=8,
    controls=frozenset({"pose", "canny", "softedge", "lineart", "depth"}),
    negative_prompt=True,
    load=load,
    call=call,
    batch_of_controls=True,
    starts_from_picture=False,  # a workflow may, and says so only when it runs
    compiles=False,  # its networks are the server's
)

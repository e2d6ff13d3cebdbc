"""A ComfyUI server as a family: a studio's workflow, its named inputs, and everything that goes wrong with servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.errors import ModelError, OutOfMemory, RecipeError
from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint
from pipeline.models.devices import loaded_models
from pipeline.models.families import ControlMap, Generator, Inpaint
from pipeline.models.families.comfyui import read_workflow
from pipeline.models.generators import generate, load_generator, readable_controls
from pipeline.passes.inpaint import Wish, inpaint
from tests.pipeline.models.comfy_server import Server, serving

SIZE = (64, 48)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.fault, running.interrupted = "", 0
    running.deleted.clear()
    return running


@pytest.fixture(scope="module")
def built_in() -> dict[str, Any]:
    text = resources.files("configs").joinpath("comfyui/inpaint.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


def write_rows(folder: Path, graph: dict[str, Any], url: str, **fields: Any) -> Path:
    (folder / "workflow.json").write_text(json.dumps(graph))
    sampling = {"native_px": list(SIZE), "multiple_of": 8, "steps": 4, "guidance": 5.0, **fields.pop("sampling", {})}
    row = {
        "id": "studio", "role": "generator", "family": "comfyui", "address": str(folder), "file": "workflow.json",
        "config": url, "size_gb": 0.001, "year": 2026, "licence": "of the studio's weights", "commercial": True,
        "sampling": sampling, **fields,
    }  # fmt: skip
    path = folder / "rows.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": [row]}))
    return path


@pytest.fixture
def studio(server: Server, built_in: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator:
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path, built_in, server.url)))
    loaded_models().clear()
    return load_generator("studio", device="cpu")


def request(seed: int = 1, **fields: Any) -> Inpaint:
    image = np.random.default_rng(5).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    repaint = np.zeros(SIZE, np.bool_)
    repaint[8:40, 8:40] = True
    values: dict[str, Any] = {"prompt": "marble", "seed": seed, "steps": 4, "guidance": 5.0}
    return Inpaint(image=image, repaint=repaint, **{**values, **fields})


def test_the_workflow_is_given_every_input_and_its_picture_comes_back(studio: Generator, server: Server) -> None:
    asked = request(7, negative_prompt="text", steps=6, guidance=3.0)
    picture = generate(studio, [asked])[0]
    assert picture.shape == (*SIZE, 3)
    assert np.array_equal(picture[~asked.repaint], asked.image[~asked.repaint])
    assert np.abs(picture[asked.repaint].astype(int) - asked.image[asked.repaint]).mean() > 30
    graph = server.prompts[-1]
    assert graph["2"]["inputs"]["text"] == "marble"
    assert graph["3"]["inputs"]["text"] == "text"
    assert {name: graph["7"]["inputs"][name] for name in ("seed", "steps", "cfg")} == {"seed": 7, "steps": 6, "cfg": 3}
    assert graph["4"]["inputs"]["image"] in server.uploads
    assert graph["4"]["inputs"]["image"] != graph["5"]["inputs"]["image"]


def test_a_seed_decides_and_equal_pictures_are_uploaded_once(studio: Generator, server: Server) -> None:
    server.uploads.clear()
    first, again, other = generate(studio, [request(1), request(1), request(2)])
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5
    assert len(server.uploads) == 2


def test_a_whole_inpaint_pass_runs_on_the_server(studio: Generator) -> None:
    photo = np.random.default_rng(3).integers(90, 160, (200, 160, 3), dtype=np.uint8)
    hole = np.zeros((200, 160), np.bool_)
    hole[60:140, 40:120] = True
    done = inpaint(studio, photo, hole, Wish(prompt="marble", seed=1))
    assert np.array_equal(done.image[~hole], photo[~hole])
    assert np.abs(done.image[hole].astype(int) - photo[hole]).mean() > 5


def test_controls_go_to_their_own_nodes(
    server: Server, built_in: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_pose = built_in | {
        "20": {"class_type": "LoadImage", "inputs": {"image": "x"}, "_meta": {"title": "Seamline: control pose"}}
    }
    rows = write_rows(tmp_path, with_pose, server.url, controlnets={"pose": "comfyui-control"})
    monkeypatch.setenv(EXTRA_ROWS, str(rows))
    loaded_models().clear()
    generator = load_generator("studio", controls=("pose",), device="cpu")
    pose = np.full((*SIZE, 3), 9, np.uint8)
    generate(generator, [request(controls=(ControlMap(kind="pose", image=pose),))])
    assert server.prompts[-1]["20"]["inputs"]["image"] in server.uploads
    assert readable_controls(generator.row) == {"pose"}
    write_rows(tmp_path, built_in, server.url, controlnets={"pose": "comfyui-control"})
    loaded_models().clear()
    with pytest.raises(ModelError, match="has no control pose, which row 'studio' names in 'controlnets'"):
        load_generator("studio", controls=("pose",), device="cpu")


def test_a_control_that_the_workflow_lacks_is_refused(studio: Generator) -> None:
    pose = ControlMap(kind="pose", image=np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(RecipeError, match=r"no control pose; .* title its LoadImage 'seamline: control pose'"):
        generate(studio, [request(controls=(pose,))])


def test_what_the_workflow_cannot_be_told_is_refused(
    server: Server, built_in: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = json.loads(json.dumps(built_in))
    graph["3"]["_meta"]["title"] = "no negative"
    graph["7"]["_meta"]["title"] = "seamline: seed"
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path, graph, server.url)))
    loaded_models().clear()
    generator = load_generator("studio", device="cpu")
    generate(generator, [request()])
    assert server.prompts[-1]["7"]["inputs"]["steps"] == 25
    for said in ({"negative_prompt": "text"}, {"steps": 9}, {"guidance": 2.0}, {"strength": 0.5}):
        with pytest.raises(RecipeError, match="its workflow has no input for"):
            generate(generator, [request(**said)])


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("node", ModelError, r"failed in node 7 \(KSampler\): mat1 and mat2"),
        ("memory", OutOfMemory, "Allocation on device"),
        ("interrupted", ModelError, "interrupted on the ComfyUI server .* in node 7, step 2 of 2"),
        ("nothing", ModelError, "made no picture"),
        ("several", ModelError, "made 2 pictures"),
        ("damaged", ModelError, "gave no picture"),
    ],
)
def test_faults_of_a_server_are_told_and_the_next_picture_comes(
    studio: Generator, server: Server, fault: str, error: type[Exception], said: str
) -> None:
    server.fault = fault
    with pytest.raises(error, match=said):
        generate(studio, [request()])
    assert generate(studio, [request()])[0].shape == (*SIZE, 3)


def test_a_broken_websocket_is_opened_anew(studio: Generator, server: Server) -> None:
    server.fault = "dropped"
    whole = generate(studio, [request(4)])[0]
    assert np.array_equal(whole, generate(studio, [request(4)])[0])


def test_a_silent_server_is_given_up_and_its_queue_cleaned(studio: Generator, server: Server) -> None:
    server.fault = "silent"
    studio.pipe.client.silence_s = 0.5
    with pytest.raises(ModelError, match=r"said nothing for 0.5 s in node 7, step 2 of 2"):
        generate(studio, [request()])
    assert len(server.deleted) == 1
    assert server.interrupted == 1


def test_a_server_that_goes_away_in_the_middle_is_named(
    built_in: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path, built_in, server.url)))
        loaded_models().clear()
        generator = load_generator("studio", device="cpu")
        server.fault = "gone"
        with pytest.raises(ModelError, match=r"No ComfyUI server answers|went away in node 7"):
            generate(generator, [request()])
    loaded_models().clear()
    with pytest.raises(ModelError, match=r"No ComfyUI server answers at http.*start it"):
        load_generator("studio", device="cpu")


def test_a_workflow_that_the_server_cannot_run_is_told_by_node(
    server: Server, built_in: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = built_in | {"30": {"class_type": "NoSuchNode", "inputs": {}}}
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path, graph, server.url)))
    loaded_models().clear()
    with pytest.raises(ModelError, match=r"refused /prompt \(400\): Node 'NoSuchNode' not found. Node ID '#30'"):
        generate(load_generator("studio", device="cpu"), [request()])
    graph = built_in | {"31": {"class_type": "LoadImage", "inputs": {"image": "lost.png"}}}
    write_rows(tmp_path, graph, server.url)
    loaded_models().clear()
    with pytest.raises(ModelError, match=r"node 31 \(LoadImage\): Custom validation failed.*lost.png"):
        generate(load_generator("studio", device="cpu"), [request()])


def test_a_picture_of_another_size_is_refused(
    server: Server, built_in: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = json.loads(json.dumps(built_in))
    graph["10"] = {"class_type": "ImageScale", "inputs": {"image": ["8", 0], "width": 96, "height": 128}}
    graph["9"]["inputs"]["images"] = ["10", 0]
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path, graph, server.url)))
    loaded_models().clear()
    with pytest.raises(ModelError, match="96x128 px, and 48x64 was asked for"):
        generate(load_generator("studio", device="cpu"), [request()])


def test_a_map_beside_the_workflow_names_its_inputs(built_in: dict[str, Any], tmp_path: Path) -> None:
    graph = {node: {key: said for key, said in one.items() if key != "_meta"} for node, one in built_in.items()}
    place = tmp_path / "inpaint.json"
    place.write_text(json.dumps(graph))
    with pytest.raises(ModelError, match="no input for image, mask, prompt, seed: title a node 'seamline: image'"):
        read_workflow(place)
    named = {"image": "4.image", "mask": "5.image", "prompt": "2.text", "seed": "7.seed"}
    beside = tmp_path / "inpaint.inputs.json"
    beside.write_text(json.dumps(named))
    assert read_workflow(place).inputs["seed"] == ("7", "seed")
    beside.write_text(json.dumps(named | {"steps": "7.stepz"}))
    with pytest.raises(ModelError, match=r"steps points to '7.stepz'"):
        read_workflow(place)
    beside.write_text(json.dumps(named | {"pose": "4.image"}))
    with pytest.raises(ModelError, match="no input is called 'pose'"):
        read_workflow(place)


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"nodes": [], "links": []}, r"save it with 'Export \(API\)'"),
        ({"1": {"inputs": {}}}, "every node needs a class_type"),
        ({"1": {"class_type": "A", "inputs": {}, "_meta": {"title": "seamline: image"}}}, "it needs an input image"),
        ({"1": {"class_type": "A", "inputs": {}, "_meta": {"title": "seamline: picture"}}}, "called 'picture'"),
        (
            {n: {"class_type": "A", "inputs": {"image": ""}, "_meta": {"title": "seamline: image"}} for n in "12"},
            "two nodes are titled 'seamline: image'",
        ),
        ([], "no JSON object"),
    ],
)
def test_a_file_that_is_no_workflow_is_refused(tmp_path: Path, graph: Any, said: str) -> None:
    place = tmp_path / "w.json"
    place.write_text(json.dumps(graph))
    with pytest.raises(ModelError, match=said):
        read_workflow(place)


def test_the_built_in_row_reads(built_in: dict[str, Any]) -> None:
    row = checkpoint("comfyui-inpaint", role="generator")
    assert row.family == "comfyui"
    assert row.config == "http://127.0.0.1:8188"

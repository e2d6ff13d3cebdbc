"""What helps the reviewer's hand, over HTTP: boxes, clicks, a finer edge, files, and a trial of the result."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image as Pillow

from masks import evidence
from masks.review.app import create_app
from masks.review.assist import Outcome
from masks.review.ids import to_id
from masks.shelf import Revision
from masks.shelf_formats import from_coco, read_levels, write_levels
from pipeline.embedded.render import render
from pipeline.files.ledger import Batch, Record
from pipeline.files.picture import encode_picture
from tests.masks.review.parked import Doubt, Parked, park

ORIGIN = {"origin": "http://127.0.0.1"}
SCENE = render(3, size=(320, 256))
PERSON = np.any(list(SCENE.masks.values()), axis=0)
TRIED: list[tuple[str, Revision | None]] = []


def rerun(batch: Batch, record: Record, revision: Revision | None) -> Outcome:
    """A double of an item's stages."""
    TRIED.append((record.sku, revision))
    if revision is None:
        return Outcome(picture=None, notes=("nothing is left of the subject",))
    return Outcome(picture=encode_picture(SCENE.image, file_format="jpeg", quality=80), notes=("a note",))


@pytest.fixture
def looks(tmp_path: Path) -> Iterator[Parked]:
    """A rendered person that waits, with an empty mask."""
    photo = encode_picture(SCENE.image, file_format="png")
    alpha = np.zeros(SCENE.image.shape[:2], np.float32)
    alpha[:4, :4] = 1
    made = park(
        tmp_path, [Doubt(sku="look", view="front", photo=photo, alpha=alpha, confidence=0.2, phrases=("person",))]
    )
    yield made
    made.ledger.close()


@pytest.fixture
def client(looks: Parked) -> TestClient:
    app = create_app(looks.ledger, looks.store, looks.shelf, reviewer="anna", rerun=rerun)
    return TestClient(app, base_url="http://127.0.0.1", headers=ORIGIN, raise_server_exceptions=False)


@pytest.fixture
def url(looks: Parked) -> str:
    return f"/batches/{to_id(looks.batch)}/items/{to_id('look', 'front')}"


def levels_of(answer: Any) -> np.ndarray[Any, Any]:
    assert answer.status_code == 200, answer.text
    return read_levels(answer.content, size=(320, 256))


def iou(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_boxes_are_offered_and_those_switched_on_make_the_mask(
    client: TestClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: Counter[str] = Counter()
    for name in ("detect", "embed"):
        original = getattr(evidence, name)

        def counting(*args: object, of: Any = original, name: str = name) -> object:
            runs[name] += 1
            return of(*args)

        monkeypatch.setattr(evidence, name, counting)
    said = client.get(f"{url}/detections").json()
    assert said["threshold"] == 0.3
    assert said["boxes"]
    scores = [box["score"] for box in said["boxes"]]
    assert scores == sorted(scores, reverse=True)
    best = levels_of(client.post(f"{url}/proposal", json={"boxes": [0]})) > 0
    assert iou(best, PERSON) > 0.6
    assert not levels_of(client.post(f"{url}/proposal", json={"boxes": []})).any()
    for _ in range(3):
        client.post(f"{url}/proposal", json={"boxes": [0]})
        client.get(f"{url}/detections")
    assert runs == {"detect": 1, "embed": 1}, "a slider moves on stored scores"
    assert client.post(f"{url}/proposal", json={"boxes": [99]}).status_code == 404
    assert client.post(f"{url}/proposal", json={"boxes": [0], "more": 1}).status_code == 422


def test_a_click_finds_what_lies_there(client: TestClient, url: str) -> None:
    rows, columns = np.nonzero(SCENE.masks["hoodie"])
    middle = len(rows) // 2
    x, y = float(columns[middle]), float(rows[middle])
    found = levels_of(client.post(f"{url}/click", json={"clicks": [[x, y, True]]})) > 0
    assert found[int(y), int(x)]
    assert 0 < found.mean() < 0.9
    refined = levels_of(client.post(f"{url}/click", json={"clicks": [[2, 2, False], [x, y, True]]})) > 0
    assert not refined[2, 2]
    assert client.post(f"{url}/click", json={"clicks": [[900, 2, True]]}).status_code == 422
    assert client.post(f"{url}/click", json={"clicks": []}).status_code == 422
    assert client.post(f"{url}/click", content=b"no json").status_code == 422


def test_a_refined_edge_is_soft_and_the_inside_stays(client: TestClient, url: str) -> None:
    mask = write_levels(PERSON.astype(np.uint8) * 255)
    refined = levels_of(client.post(f"{url}/refine", content=mask))
    assert ((refined > 0) & (refined < 255)).any()
    assert iou(refined >= 128, PERSON) > 0.9
    empty = write_levels(np.zeros((320, 256), np.uint8))
    assert "no edge to refine" in client.post(f"{url}/refine", content=empty).json()["error"]


def test_files_go_out_and_come_back(client: TestClient, url: str) -> None:
    found = levels_of(client.get(f"{url}/mask"))
    grey = client.get(f"{url}/export/png")
    assert 'filename="look.front.png"' in grey.headers["content-disposition"]
    cutout = client.get(f"{url}/export/rgba")
    opened = Pillow.open(io.BytesIO(cutout.content))
    assert opened.mode == "RGBA"
    assert np.array_equal(np.asarray(opened)[..., :3], SCENE.image)
    coco = client.get(f"{url}/export/coco")
    assert np.array_equal(from_coco(json.loads(coco.content), size=(320, 256)) > 0, found >= 128)
    for exported in (grey, cutout, coco):
        back = levels_of(client.post(f"{url}/import", content=exported.content))
        assert np.array_equal(back >= 128, found >= 128)
    annotation = json.dumps({"id": 7, "segmentation": json.loads(coco.content)}).encode()
    assert np.array_equal(levels_of(client.post(f"{url}/import", content=annotation)) >= 128, found >= 128)
    assert client.get(f"{url}/export/svg").status_code == 404


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'{"a": 1}', b"GIF89a", b"{\xff"])
def test_other_files_are_refused(client: TestClient, url: str, data: bytes) -> None:
    answer = client.post(f"{url}/import", content=data)
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_another_sites_page_may_not_ask(client: TestClient, url: str) -> None:
    for what in ("click", "proposal", "refine", "import", "trial/own"):
        assert client.post(f"{url}/{what}", headers={"origin": "http://evil.example"}).status_code == 403


def test_a_trial_runs_the_item_with_what_was_painted(client: TestClient, url: str, looks: Parked) -> None:
    TRIED.clear()
    said = client.post(f"{url}/trial/own").json()
    assert said == {"picture": False, "notes": ["nothing is left of the subject"]}
    client.put(f"{url}/mask", content=write_levels(PERSON.astype(np.uint8) * 255), headers={"if-match": '"0"'})
    said = client.post(f"{url}/trial/own").json()
    assert said == {"picture": True, "notes": ["a note"]}
    assert client.get(f"{url}/trial/own").headers["content-type"] == "image/jpeg"
    assert client.get(f"{url}/trial/found").status_code == 404
    (_, first), (sku, second) = TRIED
    assert (first, sku) == (None, "look")
    assert second is not None
    assert second.in_force, "as if it were approved"
    assert looks.ledger.record(looks.batch, "look", "front").state == "parked", "and nothing is decided"


def test_a_page_without_stages_says_so(looks: Parked, url: str) -> None:
    app = create_app(looks.ledger, looks.store, looks.shelf)
    plain = TestClient(app, base_url="http://127.0.0.1", headers=ORIGIN)
    assert plain.post(f"{url}/trial/found").status_code == 409
    assert "See the result" not in plain.get(url, headers={"accept": "text/html"}).text

"""The page's addresses: who may come in, who may write, what is shown, what is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image as Pillow
from starlette.testclient import TestClient

from masks.review.app import create_app
from masks.review.ids import to_id
from masks.shelf_formats import read_levels, write_levels
from tests.masks.review.parked import SIZE, Parked

HERE = "http://127.0.0.1:4270"
OWN = {"origin": HERE}
LEVELS = np.random.default_rng(5).integers(0, 256, SIZE, np.uint8)


def client_of(parked: Parked, **options: object) -> TestClient:
    app = create_app(parked.ledger, parked.store, parked.shelf, **options)  # type: ignore[arg-type]
    return TestClient(app, base_url=HERE, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture
def client(parked: Parked) -> Iterator[TestClient]:
    with client_of(parked, reviewer="anna") as client:
        yield client


def item_url(parked: Parked, number: int = 0) -> str:
    record = parked.ledger.parked(parked.batch)[number]
    return f"/batches/{to_id(parked.batch)}/items/{to_id(record.sku, record.view)}"


def put(client: TestClient, url: str, levels: np.ndarray = LEVELS, base: int = 0, **headers: str) -> int:
    return client.put(
        f"{url}/mask", content=write_levels(levels), headers={**OWN, "if-match": f'"{base}"', **headers}
    ).status_code


def test_every_page_answers_and_escapes_what_the_catalog_says(client: TestClient, parked: Parked) -> None:
    url = item_url(parked)
    for page in ("/", f"/batches/{to_id(parked.batch)}", f"/batches/{to_id(parked.batch)}?show=settled", url):
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert "<b>" not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert " style=" not in answer.text, "the policy forbids it"
        assert " onclick=" not in answer.text
    assert "shoe/0 &lt;b&gt;" in client.get(url).text


def test_the_queue_is_worst_first(client: TestClient, parked: Parked) -> None:
    page = client.get(f"/batches/{to_id(parked.batch)}").text
    places = [page.index(f"shoe/{number} &lt;b&gt;") for number in range(3)]
    assert places == sorted(places)
    assert "mask confidence 0.20 is under park_below 0.6" in page


def test_photo_mask_and_previews_are_pictures(client: TestClient, parked: Parked) -> None:
    url = item_url(parked)
    photo = Pillow.open(io.BytesIO(client.get(f"{url}/photo").content))
    assert (photo.height, photo.width) == SIZE
    assert read_levels(client.get(f"{url}/mask").content).shape == SIZE
    for name in ("source", "mask"):
        assert client.get(f"{url}/preview/{name}").headers["content-type"] == "image/jpeg"


def test_a_painted_mask_is_stored_level_for_level(client: TestClient, parked: Parked) -> None:
    url = item_url(parked)
    assert put(client, url) == 200
    np.testing.assert_array_equal(read_levels(client.get(f"{url}/mask").content), LEVELS)
    answer = client.post(f"{url}/verdict", json={"verdict": "approved", "base": 1}, headers=OWN)
    assert answer.json() == {"state": "approved", "verdict": "edited", "next": item_url(parked, 0)}
    assert client.post(f"{url}/reopen", json={}, headers=OWN).json()["state"] == "parked"


def test_the_second_of_two_tabs_is_told(client: TestClient, parked: Parked) -> None:
    url = item_url(parked)
    assert put(client, url) == 200
    answer = client.put(f"{url}/mask", content=write_levels(255 - LEVELS), headers={**OWN, "if-match": '"0"'})
    assert answer.status_code == 409
    assert "nothing was overwritten" in answer.json()["error"]
    np.testing.assert_array_equal(read_levels(client.get(f"{url}/mask").content), LEVELS)


@pytest.mark.parametrize(
    "origin", [None, "http://evil.example", "null", "http://127.0.0.1:9999", f"{HERE}.evil.example"]
)
def test_another_site_may_not_write(client: TestClient, parked: Parked, origin: str | None) -> None:
    url = item_url(parked)
    headers = {} if origin is None else {"origin": origin}
    writes = [
        client.put(f"{url}/mask", content=write_levels(LEVELS), headers={**headers, "if-match": '"0"'}),
        client.post(f"{url}/verdict", json={"verdict": "approved", "base": 0}, headers=headers),
        client.post(f"{url}/reopen", json={}, headers=headers),
    ]
    assert [answer.status_code for answer in writes] == [403, 403, 403]
    assert parked.ledger.counts(parked.batch)["parked"] == 3
    assert not parked.shelf.places("shoe/0 <b>", "front")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4270", "192.168.1.7:4270", "127.0.0.1.evil.example"])
def test_a_name_that_was_pointed_at_this_machine_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:4270", "127.0.0.1", "[::1]:4270"])
def test_this_machine_s_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/batches/..%2f..%2fetc",
        "/batches/{batch}/items/..%2f..%2fetc%2fpasswd",
        "/batches/{batch}/items/~Li4vLi4vZXRjL3Bhc3N3ZA",
        "/batches/{batch}/items/{item}/preview/..%2fmanifest.json",
        "/batches/{batch}/items/{item}/preview/alpha",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_out(client: TestClient, parked: Parked, path: str) -> None:
    answer = client.get(path.format(batch=to_id(parked.batch), item=item_url(parked).rsplit("/", 1)[-1]))
    assert answer.status_code == 404
    assert "root:" not in answer.text
    assert "def " not in answer.text


def test_what_is_no_mask_is_refused_and_leaves_nothing(client: TestClient, parked: Parked) -> None:
    url = item_url(parked)
    headers = {**OWN, "if-match": '"0"'}
    huge = io.BytesIO()
    Pillow.new("L", (30_000, 30_000)).save(huge, "PNG")
    color = io.BytesIO()
    Pillow.new("RGB", (SIZE[1], SIZE[0])).save(color, "PNG")
    for body in (
        b"",
        b"<svg/>",
        write_levels(LEVELS[1:]),
        huge.getvalue(),
        color.getvalue(),
        write_levels(LEVELS)[:99],
    ):
        assert client.put(f"{url}/mask", content=body, headers=headers).status_code == 422
    assert client.put(f"{url}/mask", content=write_levels(LEVELS), headers=OWN).status_code == 422, "no If-Match"
    assert put(client, url, **{"if-match": "newest"}) == 422
    assert client.get(f"{url}/mask?revision=1").status_code == 404


def test_a_body_over_the_limit_is_refused(parked: Parked) -> None:
    url = item_url(parked)
    headers = {**OWN, "if-match": '"0"'}
    with client_of(parked, max_bytes=1000) as client:
        assert client.put(f"{url}/mask", content=b"x" * 1001, headers=headers).status_code == 413

        def unsaid() -> Iterator[bytes]:
            yield from [b"x" * 600, b"x" * 600]

        assert client.put(f"{url}/mask", content=unsaid(), headers=headers).status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"verdict": "maybe", "base": 0}', b'{"verdict": "approved"}', b'{"verdict":"redo","base":0}']
)
def test_words_that_are_none_are_refused(client: TestClient, parked: Parked, body: bytes) -> None:
    url = item_url(parked)
    assert client.post(f"{url}/verdict", content=body, headers=OWN).status_code == 422
    assert parked.ledger.counts(parked.batch)["parked"] == 3


def test_a_token_lets_in_who_knows_it_and_nobody_else(parked: Parked) -> None:
    with client_of(parked, token="a-token-of-length") as client:
        url = item_url(parked)
        others = {"host": "studio.example"}
        for page in ("/", url, f"{url}/photo", f"{url}/mask", "/?token=wrong", "/?token="):
            answer = client.get(page, headers=others)
            assert answer.status_code == 401, page
            assert "shoe" not in answer.text
        assert client.post(f"{url}/verdict", json={}, headers={"origin": HERE}).status_code == 401
        entry = client.get("/?token=a-token-of-length", headers=others)
        assert (entry.status_code, entry.headers["location"]) == (303, "/")
        cookie = entry.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite" in cookie
        client.cookies.clear()
        known = {**others, "cookie": cookie.split(";")[0]}
        assert client.get("/", headers=known).status_code == 200
        evil = {**known, "origin": "http://evil.example"}
        assert client.post(f"{url}/verdict", json={"verdict": "approved", "base": 0}, headers=evil).status_code == 403
        own = {**known, "origin": "http://studio.example"}
        assert client.post(f"{url}/verdict", json={"verdict": "approved", "base": 0}, headers=own).status_code == 200


def test_names_of_reviewers_are_kept_and_escaped(client: TestClient, parked: Parked) -> None:
    url = item_url(parked)
    assert put(client, url, **{"x-reviewer": "J%C3%BCrgen%20%3Cscript%3E"}) == 200
    page = client.get(url).text
    assert "Jürgen &lt;script&gt;" in page
    assert "<script>" not in page


def test_a_missing_page_says_so_as_a_page(client: TestClient) -> None:
    answer = client.get("/batches/nothing", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert "All batches" in answer.text

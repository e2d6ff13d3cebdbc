"""Weights: found offline, fetched from a hub that speaks the true protocol, verified, fingerprinted."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ModelError, WeightsMissing
from pipeline.models import weights
from pipeline.models.weights import fetch, file_digest, fingerprint, locate, verify
from tests.tiny_models import row

COMMIT = "c" * 40
FILES = {
    "config.json": b'{"a": 1}',
    "model.safetensors": bytes(range(256)) * 1000,
    "README.md": b"not needed",
    "pytorch_model.bin": b"the same weights once more",
}
SHA = hashlib.sha256(FILES["model.safetensors"]).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    """The part of the hub's protocol that its client uses, for one repository."""

    asked: list[str]

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        headers: dict[str, str] = {}
        if path.startswith("/api/models/own/model/revision/"):
            siblings = [{"rfilename": name} for name in FILES]
            data = json.dumps({"id": "own/model", "sha": COMMIT, "siblings": siblings}).encode()
        elif path.startswith("/api/models/own/model/tree/"):
            listed = [{"type": "file", "path": name, "size": len(b), "oid": "0"} for name, b in FILES.items()]
            data = json.dumps(listed).encode()
        elif path.startswith("/own/model/resolve/") and path.rpartition("/")[2] in FILES:
            data = FILES[path.rpartition("/")[2]]
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        else:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nothing answers
    for name in ("HF_HUB_CACHE", "SEAMLINE_WEIGHTS", "SEAMLINE_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    asked: list[str] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("OwnHub", (Hub,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield asked
    server.shutdown()
    server.server_close()


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(FILES[name])
    return folder


def test_missing_weights_name_the_command_that_gets_them() -> None:
    with pytest.raises(WeightsMissing) as caught:
        locate(row(id="own", family="x", address="own/model", file="a/b.safetensors", revision="v2"))
    assert "seamline checkpoints fetch own" in str(caught.value)
    assert "hf download own/model a/b.safetensors --revision v2" in str(caught.value)


def test_missing_local_weights_name_the_path() -> None:
    with pytest.raises(WeightsMissing, match=r"/nowhere/b\.safetensors; put them there"):
        locate(row(family="x", address="/nowhere", file="b.safetensors"))


def test_local_folder_and_file_are_found(tmp_path: Path) -> None:
    folder = write(tmp_path / "own", "config.json", "model.safetensors")
    assert locate(row(family="x", address=str(folder))) == folder
    assert locate(row(family="x", address=str(folder), file="model.safetensors")) == folder / "model.safetensors"


def test_weights_inside_a_package_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "shelf" / "inner" / "weights" / "own", "config.json", "model.safetensors")
    for package in (tmp_path / "shelf", tmp_path / "shelf" / "inner"):
        (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert locate(row(family="x", address="package:shelf.inner/weights/own")) == folder
    with pytest.raises(WeightsMissing, match=r"package:shelf\.inner/weights/other; put them there"):
        locate(row(family="x", address="package:shelf.inner/weights/other"))
    for address in ("package:no_such_shelf.inner/weights", "package:shelf.outer/weights"):
        with pytest.raises(ModelError, match="names no package that is installed"):
            locate(row(family="x", address=address))


@pytest.mark.parametrize("place", ["tiny", "own/model"])
def test_a_mirror_folder_comes_before_the_hub(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "mirror" / place, "config.json", "model.safetensors")
    monkeypatch.setenv("SEAMLINE_WEIGHTS", str(tmp_path / "mirror"))
    assert locate(row(family="x", address="own/model")) == folder
    assert fetch(row(family="x", address="own/model", sha256={"model.safetensors": SHA})) == folder


def test_a_bare_file_in_the_mirror_is_found(tmp_path: Path) -> None:
    mirror = write(tmp_path / "mirror", "model.safetensors")
    found = locate(row(family="x", address="own/model", file="deep/model.safetensors"), mirror=mirror)
    assert found == mirror / "model.safetensors"


def test_a_broken_off_download_is_not_taken_for_a_checkpoint(tmp_path: Path) -> None:
    folder = write(tmp_path / "own", "config.json")
    wanted = row(family="x", address=str(folder))
    with pytest.raises(WeightsMissing):
        locate(wanted)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "model-1.safetensors").write_bytes(b"1")
    with pytest.raises(WeightsMissing):
        locate(wanted)
    (folder / "model-2.safetensors").write_bytes(b"2")
    assert locate(wanted) == folder


def test_fetch_gets_a_file_shows_progress_and_verifies_it(hub: list[str]) -> None:
    told: list[tuple[int, int]] = []
    wanted = row(family="x", address="own/model", file="model.safetensors", sha256={"model.safetensors": SHA})
    found = fetch(wanted, lambda done, whole: told.append((done, whole)))
    assert found.read_bytes() == FILES["model.safetensors"]
    assert told[-1] == (256_000, 256_000)
    assert locate(wanted) == found
    asked = len(hub)
    assert fetch(wanted) == found  # the second time asks nobody
    assert len(hub) == asked


def test_fetch_gets_a_folder_without_readme_and_pickles(hub: list[str]) -> None:
    wanted = row(family="x", address="own/model")
    found = fetch(wanted)
    assert sorted(path.name for path in found.iterdir()) == ["config.json", "model.safetensors"]
    assert locate(wanted) == found


def test_fetch_goes_on_where_a_folder_is_incomplete(hub: list[str]) -> None:
    fetch(row(family="x", address="own/model", file="model.safetensors"))
    assert sorted(path.name for path in fetch(row(family="x", address="own/model")).iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


def test_fetch_of_other_bytes_than_the_rows_is_refused(hub: list[str]) -> None:
    wanted = row(
        id="own", family="x", address="own/model", file="model.safetensors", sha256={"model.safetensors": "0" * 64}
    )
    with pytest.raises(ModelError, match=r"damaged or is another file.*fetch own"):
        fetch(wanted)


def test_fetch_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # As with HF_HUB_OFFLINE=1; without it the hub's client tries for half a minute before it says the same.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsMissing, match="The hub could not be read"):
        fetch(row(family="x", address="own/model", file="model.safetensors"))


def test_fetch_of_a_file_that_the_hub_lacks_says_so(hub: list[str]) -> None:
    with pytest.raises(WeightsMissing, match="The hub could not be read"):
        fetch(row(family="x", address="own/model", file="other.safetensors"))


def test_verify_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    folder = write(tmp_path / "own", "config.json")
    with pytest.raises(ModelError, match=r"lacks the file model\.safetensors"):
        verify(row(family="x", address=str(folder), sha256={"model.safetensors": SHA}), folder)


def test_fingerprint_follows_bytes_and_settings_and_not_places(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "config.json", "model.safetensors")
    two = write(tmp_path / "two", "config.json", "model.safetensors", "README.md")
    first = fingerprint(row(family="x", address=str(one)))
    assert first == fingerprint(row(id="other", family="x", address=str(two), notes="elsewhere"))
    assert first != fingerprint(row(family="x", address=str(one), dtype="bfloat16"))
    assert first != fingerprint(row(family="y", address=str(one)))
    (two / "config.json").write_bytes(b'{"a": 2}')
    assert first != fingerprint(row(family="x", address=str(two)))


def test_fingerprint_follows_what_the_checkpoint_needs(tmp_path: Path) -> None:
    main = write(tmp_path / "main", "model.safetensors")
    text = write(tmp_path / "text", "config.json", "model.safetensors")
    wanted = row(family="x", address=str(main), file="model.safetensors", needs={"text_encoder": str(text)})
    first = fingerprint(wanted)
    (text / "config.json").write_bytes(b'{"a": 3}')
    assert fingerprint(wanted) != first


def test_digest_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    assert file_digest(path) == hashlib.sha256(b"one").hexdigest()
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert file_digest(path) == hashlib.sha256(b"one").hexdigest()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path.write_bytes(b"two")  # the same size
    os.utime(path, ns=(1, 1))
    assert file_digest(path) == hashlib.sha256(b"two").hexdigest()


def test_a_damaged_digest_file_only_costs_time(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    file_digest(path)
    weights._digests_file().write_text("{damaged", encoding="utf-8")
    assert file_digest(path) == hashlib.sha256(b"one").hexdigest()

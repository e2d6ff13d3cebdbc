from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows import server
from flows.dashboard import DashboardError, free_port, running_server


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"true" if self.path == "/api/health" else b"{}"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[int]:
    """The port of something that answers as Prefect's server does."""
    http = HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield http.server_address[1]
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(server, "DEFAULT_PORT", free_port())


def test_no_server_is_none_and_says_how_to_get_one(tmp_path: Path) -> None:
    assert server.find_server(tmp_path) is None
    with pytest.raises(server.ServerMissingError, match="make dashboard"):
        server.need_server(tmp_path)


def test_the_dashboard_s_note_is_followed_while_it_answers(tmp_path: Path, answering: int) -> None:
    server.note_server(tmp_path, server.api_url(answering))
    assert server.find_server(tmp_path) == server.api_url(answering)
    server.note_server(tmp_path, server.api_url(free_port()))
    assert server.find_server(tmp_path) is None
    server.forget_server(tmp_path)
    assert server.find_server(tmp_path) is None


def test_the_environment_decides_alone(tmp_path: Path, answering: int, monkeypatch: pytest.MonkeyPatch) -> None:
    server.note_server(tmp_path, server.api_url(answering))
    monkeypatch.setenv("PREFECT_API_URL", server.api_url(free_port()))
    assert server.find_server(tmp_path) is None
    monkeypatch.setenv("PREFECT_API_URL", server.api_url(answering))
    assert server.find_server(tmp_path) == server.api_url(answering)


def test_a_damaged_note_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text("{")
    assert server.find_server(tmp_path) is None


def test_other_web_servers_are_not_taken_for_prefect(answering: int) -> None:
    assert not server.answers(f"http://127.0.0.1:{answering}/other")
    assert not server.answers("file:///etc")


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    environment = {"PREFECT_HOME": "/mine", "DO_NOT_TRACK": "0"}
    server.use_server("http://127.0.0.1:1/api", tmp_path, environment)
    assert environment["PREFECT_HOME"] == "/mine"
    assert environment["DO_NOT_TRACK"] == "0"
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:1/api"


def test_a_second_dashboard_and_a_taken_port_are_refused(tmp_path: Path, answering: int) -> None:
    with pytest.raises(DashboardError, match="already"), running_server(tmp_path, answering):
        pass
    other = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    try:
        with pytest.raises(DashboardError, match="taken"), running_server(tmp_path, other.server_address[1]):
            pass
    finally:
        other.server_close()

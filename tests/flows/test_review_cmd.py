"""`seamline review`: where it answers, and what it refuses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import review_cmd
from flows.cli import app
from pipeline.errors import SeamlineError
from pipeline.files.ledger import Ledger
from tests.masks.review.parked import doubts, park


def test_others_are_let_in_with_a_token_only(tmp_path: Path) -> None:
    with pytest.raises(SeamlineError, match="give a token"):
        review_cmd.review(str(tmp_path), host="0.0.0.0")
    with pytest.raises(SeamlineError, match="16 letters"):
        review_cmd.review(str(tmp_path), host="0.0.0.0", token="short")


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SeamlineError, match="choose another with --port"):
            review_cmd.review(str(tmp_path), port=taken.getsockname()[1], open_browser=False)


def test_it_begins_where_something_waits(tmp_path: Path) -> None:
    parked = park(tmp_path, doubts(1))
    assert review_cmd.start_page(parked.ledger, None) == f"/batches/{parked.batch}"
    assert review_cmd.start_page(parked.ledger, "packshot") == f"/batches/{parked.batch}"
    assert review_cmd.start_page(parked.ledger, "nightly") == "/"
    assert review_cmd.start_page(Ledger(f"sqlite:///{tmp_path / 'empty.sqlite'}"), None) == "/"


def test_the_command_serves_what_the_recipe_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parked = park(tmp_path, doubts(1))
    monkeypatch.setattr(review_cmd, "_serve", lambda app, listening: None)
    done = CliRunner().invoke(
        app, ["review", "packshot.yaml", "--set", f"batch.runs={parked.runs}", "--port", "0", "--no-open"]
    )
    assert done.exit_code == 0, done.output
    assert f"/batches/{parked.batch}" in done.output

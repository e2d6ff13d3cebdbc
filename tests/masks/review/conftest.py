"""A parked batch, and the page over it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.masks.review.browser import browser, chromium
from tests.masks.review.parked import Parked, doubts, park, served


@pytest.fixture
def parked(tmp_path: Path) -> Iterator[Parked]:
    """Three drawn photos that wait, worst first."""
    made = park(tmp_path, doubts())
    yield made
    made.ledger.close()


@pytest.fixture(scope="session")
def needs_chromium() -> None:
    """Where no Chromium is installed, tests of pages are skipped, but never on a build server."""
    if chromium() is None:
        if os.environ.get("CI"):
            pytest.fail("a build server needs Chromium: install it, or name it in SEAMLINE_CHROMIUM")
        pytest.skip("no Chromium is installed")


@pytest.fixture
def place(parked: Parked) -> Iterator[str]:
    """The address of the page over the parked batch."""
    with served(parked, reviewer="anna") as address:
        yield address


@pytest.fixture
def page(needs_chromium: None, place: str) -> Iterator[Any]:
    """A window of 1280 x 800; the test fails if its console tells of an error or of something the policy forbade.

    It asks for ``place`` so that it is gone before its server ends.
    """
    told: list[str] = []
    with browser() as running:
        window = running.new_context(viewport={"width": 1280, "height": 800}).new_page()
        window.set_default_timeout(40_000)
        window.on("pageerror", lambda error: told.append(str(error)))
        window.on("console", lambda said: told.append(said.text) if said.type in ("error", "warning") else None)
        yield window
    refused = ("status of 409", "status of 422")  # a conflict, and a file that is none, are told so
    assert [words for words in told if not any(status in words for status in refused)] == []

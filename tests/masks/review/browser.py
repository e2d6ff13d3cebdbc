"""A real Chromium for tests and screenshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
]


def chromium() -> str | None:
    """The browser's program, None if there is none. ``SEAMLINE_CHROMIUM`` names another one."""
    named = os.environ.get("SEAMLINE_CHROMIUM")
    return named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browser() -> Iterator[Any]:
    """A running browser, as Playwright drives it; one at a time in a thread.

    It is ended by ending its driver, which kills it: closing it politely has no time limit and can hang.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=ARGS, timeout=90_000)

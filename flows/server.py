"""Where Prefect's server is, and the settings that make it quiet, offline and fast. Does not import Prefect."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import MutableMapping
from pathlib import Path

from pipeline.errors import SeamlineError

DEFAULT_PORT = 4200
WORK_POOL = "seamline"
ANSWER_WITHIN_S = 1.0

_CLIENT = {
    "DO_NOT_TRACK": "1",
    # What happens to items is ours to say, in the ledger and on the progress bar; Prefect speaks up when it matters.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
}
_SERVER = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Relative, else the dashboard on any port but 4200 looks for its data on 4200.
    "PREFECT_SERVER_UI_API_URL": "/api",
    # One by one (the default), the recorders need a core of their own and SQLite stalls for seconds.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "200",
}


class ServerMissingError(SeamlineError):
    """No Prefect server answers."""


def api_url(port: int, host: str = "127.0.0.1") -> str:
    """Address of the API of a server on ``port``."""
    return f"http://{host}:{port}/api"


def answers(url: str, *, within_s: float = ANSWER_WITHIN_S) -> bool:
    """Whether a Prefect server answers at the API address ``url``."""
    if not url.startswith(("http://", "https://")):
        return False
    request = urllib.request.Request(f"{url.rstrip('/')}/health", headers={"Accept": "application/json"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=within_s) as reply:  # noqa: S310
            return bool(json.loads(reply.read(100)) is True)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def note_server(home: Path, url: str) -> None:
    """Write down where the dashboard's server answers, for later commands with the same ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    _note(home).write_text(json.dumps({"api_url": url}) + "\n")


def forget_server(home: Path) -> None:
    """Remove what `note_server` wrote."""
    _note(home).unlink(missing_ok=True)


def find_server(home: Path) -> str | None:
    """The API address of a server that answers now, or None.

    ``PREFECT_API_URL`` decides alone if it is set; otherwise the server that `seamline dashboard` noted in ``home``,
    and then Prefect's default port on this machine.
    """
    if chosen := os.environ.get("PREFECT_API_URL"):
        return chosen if answers(chosen, within_s=5.0) else None
    noted = _read_note(home)
    candidates = [noted] if noted else []
    candidates.append(api_url(DEFAULT_PORT))
    return next((url for url in candidates if answers(url)), None)


def need_server(home: Path) -> str:
    """Like `find_server`, but raises ServerMissingError."""
    url = find_server(home)
    if url is None:
        wanted = os.environ.get("PREFECT_API_URL", "on this machine")
        raise ServerMissingError(
            f"no Prefect server answers ({wanted}): start one with `make dashboard`, or set PREFECT_API_URL to one"
        )
    return url


def use_server(url: str, home: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Point Prefect's client at ``url``. Call it before Prefect is imported."""
    environment["PREFECT_API_URL"] = url
    for name, value in _CLIENT.items():
        environment.setdefault(name, value)
    environment.setdefault("PREFECT_HOME", str(home.absolute()))


def server_environment(home: Path, url: str) -> dict[str, str]:
    """Environment of the server process; what the user has set stays."""
    environment = {**_SERVER, "PREFECT_HOME": str(home.absolute()), **os.environ}
    # The server answers itself; a client address in its environment confuses its own start-up check.
    environment["PREFECT_API_URL"] = url
    return environment


def worker_environment(home: Path, url: str) -> dict[str, str]:
    """Environment of a worker process and of the batches that it starts."""
    environment = dict(os.environ)
    use_server(url, home, environment)
    environment.setdefault("PREFECT_WORKER_QUERY_SECONDS", "2")
    return environment


def _note(home: Path) -> Path:
    return home / "server.json"


def _read_note(home: Path) -> str | None:
    try:
        url = json.loads(_note(home).read_text())["api_url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if isinstance(url, str) else None

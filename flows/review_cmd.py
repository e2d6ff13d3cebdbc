"""`seamline review`: the touch-up page over a recipe's batches, until Ctrl-C."""

from __future__ import annotations

import getpass
import logging
import socket
import threading
import webbrowser
from collections.abc import Callable
from urllib.parse import quote

from flows.workplace import open_files
from masks.review.guard import is_loopback
from masks.review.ids import to_id
from masks.shelf import shelf_of
from pipeline.errors import SeamlineError
from pipeline.files.address import is_local, local_path
from pipeline.files.ledger import Ledger, ledger_url

PORT = 4270
"""Where the page answers unless another port is asked for."""


def review(
    runs: str,
    *,
    ledger: str | None = None,
    recipe_name: str | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    open_browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the touch-up page until Ctrl-C.

    Args:
        runs: folder or address of batches, store and shelf.
        ledger: the ledger's SQLAlchemy URL, if it does not lie in ``runs``.
        recipe_name: open the newest batch of this recipe that has something waiting.
        host: address to answer on. Any other than this machine's own needs a ``token``.
        port: 0 for any free one.
        token: whoever knows it may come in from other machines.
        open_browser: show the page in the user's browser.
        say: prints a line.

    Raises SeamlineError for an open address without a token, a port in use, or a ledger that cannot be opened.
    """
    if token is None and not is_loopback(host):
        raise SeamlineError(
            f"{host} can be reached by others, and the page shows unpublished photos: give a token "
            "(--token, or SEAMLINE_REVIEW_TOKEN), or leave the host at 127.0.0.1"
        )
    if token is not None and len(token) < 16:
        raise SeamlineError("a token that others could guess protects nothing: use 16 letters or more")
    if is_local(runs):
        runs = str(local_path(runs))
    url = ledger_url(runs, ledger)
    book, store = open_files(runs, url)
    from flows.rerun import rerun_from
    from masks.review.app import create_app

    app = create_app(book, store, shelf_of(runs), reviewer=_user(), token=token, rerun=rerun_from(runs, url))
    with _listen(host, port) as listening:
        address = f"http://{_shown(host)}:{listening.getsockname()[1]}{start_page(book, recipe_name)}"
        if token is not None:
            address += f"?token={quote(token)}"
        say(f"Review parked masks: {address}")
        say("Ctrl-C ends it; every verdict is kept.")
        if open_browser:
            threading.Timer(0.5, webbrowser.open, [address]).start()
        _serve(app, listening)


def start_page(ledger: Ledger, recipe_name: str | None) -> str:
    """The page to begin with: the newest batch (of a recipe) that has something waiting, else all batches."""
    batches = ledger.batches(recipe_name=recipe_name)
    waiting = next((batch for batch in batches if ledger.parked(batch.id, limit=1)), None)
    return f"/batches/{to_id(waiting.id)}" if waiting else "/"


def _serve(app: object, listening: socket.socket) -> None:
    import uvicorn

    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", server_header=False)  # type: ignore[arg-type]
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        return  # the way to end it


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SeamlineError(f"{host}:{port} cannot be used ({error.strerror}): choose another with --port") from error
    return listening


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return "reviewer"

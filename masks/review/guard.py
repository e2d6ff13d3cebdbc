"""What stands before the page: who may come in, who may write, how much, and what a browser may load.

The page shows unpublished catalogs and writes to them, so it trusts nothing that reaches its port: another web page in
the same browser (Origin, Host), another machine (token), a body of any size.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "seamline_review"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = frozenset({"GET", "HEAD"})
_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

_SIGN_IN = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Seamline review</title><link rel="stylesheet" href="/static/review.css">
<body class="alone"><main><h1>This page needs its token</h1>
<p class="lead">It was printed where the page was started.</p>
<form method="get" action="/"><label for="token">Token</label>
<input id="token" name="token" type="password" required autofocus autocomplete="off">
<button class="button primary">Open</button></form></main></body></html>
"""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host in _NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware; see the module's first words. ``token`` None means loopback names only."""

    def __init__(self, app: App, *, token: str | None, max_bytes: int) -> None:
        """``max_bytes`` is the largest body that a request may have."""
        self.app = app
        self.token = token
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what may not pass, pass the rest on, and put the headers on every answer."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets here
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refusal(scope, headers)
        if refused is not None:
            await _answer(send, *refused)
            return
        await self.app(scope, _limited(receive, self.max_bytes), _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, list[tuple[str, str]]] | None:
        host = headers.get("host", "")
        # A page of another site may point its own name at 127.0.0.1: its requests then carry that name.
        if self.token is None and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return 421, "This page answers on 127.0.0.1 and localhost only; give it a token to share it.", []
        if self.token is not None and not scope["path"].startswith("/static/"):
            entry = self._entry(scope, headers, self.token)
            if entry is not None:
                return entry
        if scope["method"] not in _SAFE and not _is_own(headers.get("origin"), scope["scheme"], host):
            return 403, "Only this page itself may write.", []
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.max_bytes:
            return 413, f"A request may have {self.max_bytes} bytes.", []
        return None

    def _entry(
        self, scope: Scope, headers: dict[str, str], token: str
    ) -> tuple[int, str, list[tuple[str, str]]] | None:
        """None for a bearer of the token; else a way in."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given and _same(given, token) and scope["method"] in _SAFE:
            cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax"
            return 303, "", [("location", scope["path"]), ("set-cookie", cookie)]
        if _same(_cookie(headers.get("cookie", "")), token):
            return None
        return 401, _SIGN_IN, []


def _is_own(origin: str | None, scheme: str, host: str) -> bool:
    # Behind a proxy that speaks TLS the scheme differs; host and port are what another site cannot have.
    return origin is not None and origin in (f"{scheme}://{host}", f"https://{host}")


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode("utf-8", "replace"))


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


class TooLarge(Exception):
    """A body without a stated length went over the limit. Never seen by users: the app answers 413."""


def _limited(receive: Receive, max_bytes: int) -> Receive:
    taken = 0

    async def limited() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > max_bytes:
            raise TooLarge
        return message

    return limited


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in _pairs() if pair[0] not in present)]
        await send(message)

    return sending


def _pairs(more: Iterable[tuple[str, str]] = ()) -> list[tuple[bytes, bytes]]:
    every = [*HEADERS.items(), ("cache-control", "no-store"), *more]
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in every]


async def _answer(send: Send, status: int, text: str, more: list[tuple[str, str]]) -> None:
    body = text.encode()
    kind = "text/html; charset=utf-8" if text.startswith("<") else "text/plain; charset=utf-8"
    headers = _pairs([("content-type", kind), ("content-length", str(len(body))), *more])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

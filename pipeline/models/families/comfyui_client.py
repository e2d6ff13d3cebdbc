"""A client of a running ComfyUI server: upload pictures, queue a workflow, follow its progress, fetch what it made.

Speaks the server's own routes (POST /upload/image, POST /prompt, websocket /ws, GET /history/{id}, GET /view,
POST /queue, POST /interrupt), so that a studio's server needs no extension.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import ModelError, OutOfMemory

if TYPE_CHECKING:
    import httpx
    from PIL import Image as Pillow

Graph = dict[str, dict[str, Any]]
"""A workflow in API format: node id to `{class_type, inputs}`."""
SUBFOLDER: Final = "seamline"
"""Folder below the server's input folder that uploads go to."""
REQUEST_TIMEOUT_S: Final = 30.0
"""A request that is not answered for this long has failed; making a picture is waited for on the websocket."""
RECONNECTS: Final = 3
"""How often a websocket that broke is opened anew for one workflow, a second apart."""


@dataclass
class Following:
    """How far a queued workflow is: its node, and the steps done of all."""

    prompt_id: str
    node: str = ""
    done: int = 0
    steps: int = 0
    started: bool = False

    def __str__(self) -> str:
        """Where it stands, for messages."""
        if not self.started:
            return "while it waited in the queue"
        steps = f", step {self.done} of {self.steps}" if self.steps else ""
        return f"in node {self.node or 'unknown'}{steps}"


@dataclass
class Client:
    """One server. ``silence_s`` is how long it may say nothing about a workflow before it is given up."""

    url: str
    silence_s: float = 600.0
    client_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def check(self) -> None:
        """Ask the server whether it is there. Raises ModelError if not."""
        self._answer("GET", "/system_stats")

    def upload(self, picture: Pillow.Image) -> str:
        """Send a picture into the server's input folder; equal pictures share one file. The name for a LoadImage."""
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        data = stream.getvalue()
        name = f"{hashlib.sha256(data).hexdigest()[:24]}.png"
        form = {"type": "input", "subfolder": SUBFOLDER, "overwrite": "true"}
        answer = self._json("POST", "/upload/image", files={"image": (name, data, "image/png")}, data=form)
        try:
            return "/".join(part for part in (answer.get("subfolder", ""), answer["name"]) if part)
        except (KeyError, AttributeError) as error:
            raise ModelError(f"{self.url}/upload/image answered without a name; is it a ComfyUI server?") from error

    def run(self, graph: Graph) -> dict[str, list[dict[str, str]]]:
        """Queue a workflow, wait until it is done, and say which pictures each of its nodes made.

        Raises:
            ModelError: refused, failed in a node, interrupted, silent for too long, or the server went away.
            OutOfMemory: a node ran out of memory.
        """
        first = self._socket()
        try:
            state = Following(self._queue(graph))
            try:
                self._follow(first, state)
            except ModelError:
                self._give_up(state)
                raise
        finally:
            first.close()
        return self._outputs(state)

    def view(self, made: Mapping[str, str]) -> Pillow.Image:
        """Fetch one picture that a workflow made, as RGB."""
        from PIL import Image, UnidentifiedImageError

        query = {name: made.get(name, "") for name in ("filename", "subfolder", "type")}
        answer = self._answer("GET", "/view", params=query)
        try:
            return Image.open(io.BytesIO(answer.content)).convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise ModelError(f"{self.url}/view gave no picture for {query['filename']!r}") from error

    def _queue(self, graph: Graph) -> str:
        answer = self._json("POST", "/prompt", json={"prompt": graph, "client_id": self.client_id})
        if answer.get("node_errors"):
            raise ModelError(f"ComfyUI at {self.url} refused the workflow: {_node_errors(answer)}")
        try:
            return str(answer["prompt_id"])
        except KeyError as error:
            raise ModelError(f"{self.url}/prompt answered without a prompt_id; is it a ComfyUI server?") from error

    def _follow(self, socket: Any, state: Following) -> None:
        """Read events until the workflow is done; a broken websocket is opened anew while the server answers."""
        from websockets.exceptions import ConnectionClosed

        for attempt in range(RECONNECTS + 1):
            try:
                for event in self._events(socket, state):
                    if _take(event, state, self.url):
                        return
                return
            except ConnectionClosed as error:
                if attempt == RECONNECTS:
                    raise ModelError(f"ComfyUI at {self.url} closed the connection {state}; run it again") from error
            finally:
                socket.close()
            time.sleep(1.0 if attempt else 0.0)
            if self._is_done(state):
                return
            socket = self._socket()
            if self._is_done(state):  # it may have ended between the two
                socket.close()
                return

    def _events(self, socket: Any, state: Following) -> Iterator[dict[str, Any]]:
        """The server's events that are about this workflow; previews and other people's workflows are passed over."""
        limit = time.monotonic() + self.silence_s
        while True:
            try:
                message = socket.recv(timeout=max(0.0, limit - time.monotonic()))
            except TimeoutError as error:
                if self._is_done(state):
                    return
                raise ModelError(
                    f"ComfyUI at {self.url} said nothing for {self.silence_s:g} s {state}; look at its console"
                ) from error
            event = _parsed(message)
            if event.get("type") == "status" and not state.started:
                limit = time.monotonic() + self.silence_s  # others' workflows go before ours
            if (event.get("data") or {}).get("prompt_id") == state.prompt_id:
                limit = time.monotonic() + self.silence_s
                yield event

    def _is_done(self, state: Following) -> bool:
        """Whether the history holds the workflow. Raises ModelError where the server does not answer."""
        try:
            return state.prompt_id in self._json("GET", f"/history/{state.prompt_id}")
        except ModelError as error:
            raise ModelError(f"The ComfyUI server went away {state}: {error}") from error

    def _outputs(self, state: Following) -> dict[str, list[dict[str, str]]]:
        entry = self._json("GET", f"/history/{state.prompt_id}").get(state.prompt_id)
        if not isinstance(entry, dict):
            raise ModelError(f"ComfyUI at {self.url} has no history of the workflow {state.prompt_id}; run it again")
        if (entry.get("status") or {}).get("status_str") == "error":
            for kind, data in entry["status"].get("messages") or []:
                _take({"type": kind, "data": data}, state, self.url)
            raise ModelError(f"ComfyUI at {self.url} failed {state}; look at its console")
        outputs = entry.get("outputs") or {}
        return {node: made["images"] for node, made in outputs.items() if made.get("images")}

    def _give_up(self, state: Following) -> None:
        """Take the workflow out of the queue, and stop it if it is the one that runs; others' go on."""
        try:
            self._answer("POST", "/queue", json={"delete": [state.prompt_id]})
            if state.started:
                self._answer("POST", "/interrupt", json={"prompt_id": state.prompt_id})
        except ModelError:
            return  # the first error is the one to tell

    def _socket(self) -> Any:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        address = self.url.replace("http", "ws", 1) + f"/ws?clientId={self.client_id}"
        try:
            return connect(address, open_timeout=REQUEST_TIMEOUT_S, max_size=None, proxy=None)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise ModelError(self._nobody(error)) from error

    def _answer(self, method: str, path: str, **said: Any) -> httpx.Response:
        import httpx

        try:
            with httpx.Client(base_url=self.url, timeout=REQUEST_TIMEOUT_S, trust_env=False) as client:
                answer = client.request(method, path, **said)
        except httpx.HTTPError as error:
            raise ModelError(self._nobody(error)) from error
        if answer.is_error:
            raise ModelError(f"ComfyUI at {self.url} refused {path} ({answer.status_code}): {_said(answer)}")
        return answer

    def _json(self, method: str, path: str, **said: Any) -> dict[str, Any]:
        answer = self._answer(method, path, **said)
        try:
            read = answer.json()
        except ValueError as error:
            raise ModelError(f"{self.url}{path} answered with no JSON; is it a ComfyUI server?") from error
        return read if isinstance(read, dict) else {}

    def _nobody(self, error: Exception) -> str:
        reason = str(error) or type(error).__name__
        return f"No ComfyUI server answers at {self.url} ({reason}); start it, or correct 'config' in the row"


def _take(event: dict[str, Any], state: Following, url: str) -> bool:
    """Note what one event says; True when the workflow is done.

    Raises:
        ModelError, OutOfMemory: it failed or was interrupted.
    """
    kind, data = event.get("type"), event.get("data") or {}
    state.started = True
    if kind == "executing":
        state.node, state.done, state.steps = str(data.get("node") or ""), 0, 0
        return data.get("node") is None
    if kind == "progress":
        state.node = str(data.get("node") or state.node)
        state.done, state.steps = int(data.get("value", 0)), int(data.get("max", 0))
    if kind == "execution_error":
        where = f"node {data.get('node_id', '?')} ({data.get('node_type', 'unknown')})"
        said = str(data.get("exception_message") or "no message").strip()
        kind_of = OutOfMemory if "OutOfMemory" in str(data.get("exception_type")) else ModelError
        raise kind_of(f"ComfyUI at {url} failed in {where}: {said[:400]}")
    if kind == "execution_interrupted":
        raise ModelError(f"The workflow was interrupted on the ComfyUI server {url} {state}; run it again")
    return kind == "execution_success"


def _parsed(message: str | bytes) -> dict[str, Any]:
    """An event; binary messages are previews of pictures."""
    if isinstance(message, bytes):
        return {}
    try:
        event = json.loads(message)
    except ValueError:
        return {}
    return event if isinstance(event, dict) and isinstance(event.get("data", {}), dict) else {}


def _said(answer: httpx.Response) -> str:
    try:
        read = answer.json()
    except ValueError:
        return answer.text.strip()[:300] or "no reason given"
    return _node_errors(read) if isinstance(read, dict) else str(read)[:300]


def _node_errors(answer: dict[str, Any]) -> str:
    """What /prompt says is wrong: the whole, and each node's errors with its class."""
    error = answer.get("error") or {}
    lines = [error if isinstance(error, str) else f"{error.get('message', '')} {error.get('details', '')}".strip()]
    for node, wrong in (answer.get("node_errors") or {}).items():
        told = "; ".join(f"{one.get('message', '')}: {one.get('details', '')}" for one in wrong.get("errors", []))
        lines.append(f"node {node} ({wrong.get('class_type', 'unknown')}): {told}")
    return " | ".join(line for line in lines if line)[:600] or "no reason given"

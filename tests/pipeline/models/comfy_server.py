"""A small server that speaks ComfyUI's HTTP and websocket protocol, with the faults of a real one on demand.

Routes, status codes and messages are those of ComfyUI's own server; a workflow of the nodes below really runs: the
sampler paints noise of its seed under its mask and keeps the rest of its picture.
"""

from __future__ import annotations

import asyncio
import contextlib
import email
import hashlib
import io
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

NODES = {
    "CheckpointLoaderSimple": {"ckpt_name"}, "CLIPTextEncode": {"text", "clip"}, "LoadImage": {"image"},
    "LoadImageMask": {"image", "channel"}, "VAEEncodeForInpaint": {"pixels", "vae", "mask", "grow_mask_by"},
    "KSampler": {"model", "positive", "negative", "latent_image", "seed", "steps", "cfg", "denoise"},
    "VAEDecode": {"samples", "vae"}, "PreviewImage": {"images"}, "SaveImage": {"images", "filename_prefix"},
    "ImageScale": {"image", "width", "height"},
}  # fmt: skip


@dataclass
class Server:
    """Its state; ``fault`` is what goes wrong with the next workflow."""

    url: str = ""
    fault: str = ""
    uploads: dict[str, bytes] = field(default_factory=dict)
    views: dict[str, bytes] = field(default_factory=dict)
    history: dict[str, Any] = field(default_factory=dict)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    interrupted: int = 0
    sockets: dict[str, WebSocket] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def upload(self, request: Request) -> Response:
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        parts = email.message_from_bytes(head + await request.body()).get_payload()
        form = {part.get_param("name", header="content-disposition"): part for part in parts}
        if "image" not in form:
            return Response(status_code=400)
        name = str(form["image"].get_filename())
        folder, kind = (form[key].get_payload(decode=True).decode() for key in ("subfolder", "type"))
        self.uploads[f"{folder}/{name}" if folder else name] = form["image"].get_payload(decode=True)
        return JSONResponse({"name": name, "subfolder": folder, "type": kind})

    async def prompt(self, request: Request) -> Response:
        said = await request.json()
        graph = said["prompt"]
        for node_id, node in graph.items():
            if node["class_type"] not in NODES:
                error = {
                    "type": "missing_node_type", "message": f"Node '{node['class_type']}' not found.",
                    "details": f"Node ID '#{node_id}'", "extra_info": {"node_id": node_id},
                }  # fmt: skip
                return JSONResponse({"error": error, "node_errors": {}}, status_code=400)
            if node["class_type"].startswith("LoadImage") and node["inputs"]["image"] not in self.uploads:
                wrong = {
                    "type": "custom_validation_failed", "message": "Custom validation failed for node",
                    "details": f"image - Invalid image file: {node['inputs']['image']}", "extra_info": {},
                }  # fmt: skip
                errors = {node_id: {"errors": [wrong], "dependent_outputs": [], "class_type": node["class_type"]}}
                whole = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation",
                         "details": "", "extra_info": {}}  # fmt: skip
                return JSONResponse({"error": whole, "node_errors": errors}, status_code=400)
        prompt_id = str(uuid.uuid4())
        self.prompts.append(graph)
        task = asyncio.get_running_loop().create_task(self._execute(prompt_id, graph, said["client_id"]))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return JSONResponse({"prompt_id": prompt_id, "number": len(self.prompts), "node_errors": {}})

    async def websocket(self, ws: WebSocket) -> None:
        await ws.accept()
        client = ws.query_params["clientId"]
        self.sockets[client] = ws
        await self._send(client, "status", {"status": {"exec_info": {"queue_remaining": 0}}, "sid": client})
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await ws.receive_text()

    async def _send(self, client: str, kind: str, data: dict[str, Any]) -> None:
        ws = self.sockets.get(client)
        if ws is not None:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await ws.send_text(json.dumps({"type": kind, "data": data}))

    async def _execute(self, prompt_id: str, graph: dict[str, Any], client: str) -> None:
        mine = {"prompt_id": prompt_id}
        fault, self.fault = self.fault, ""
        await self._send(client, "execution_start", mine)
        await self._send(client, "executing", {"node": "other", "prompt_id": "of somebody else"})
        await self._send(client, "executing", {"node": None, "prompt_id": "of somebody else"})
        await self._send(client, "execution_cached", {"nodes": ["1"], **mine})
        sampler = next(node_id for node_id, node in graph.items() if node["class_type"] == "KSampler")
        await self._send(client, "executing", {"node": sampler, **mine})
        for step in (1, 2):
            await self._send(client, "progress", {"value": step, "max": 2, "node": sampler, **mine})
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self.sockets[client].send_bytes(b"\x00\x00\x00\x01\x00\x00\x00\x01preview")
        if fault == "silent":
            return
        if fault == "dropped":
            await self.sockets.pop(client).close(1011)
            await asyncio.sleep(0.1)
        if fault == "gone":
            await self.sockets.pop(client).close(1001)
            self.stop()
            return
        if fault in {"node", "memory"}:
            failed = {
                "node_id": sampler, "node_type": "KSampler", "executed": [], "current_inputs": {}, "traceback": [],
                "exception_type": "torch.OutOfMemoryError" if fault == "memory" else "RuntimeError",
                "exception_message": "Allocation on device" if fault == "memory" else "mat1 and mat2 shapes differ\n",
                **mine,
            }  # fmt: skip
            self.history[prompt_id] = {"outputs": {}, "status": {
                "status_str": "error", "completed": False, "messages": [["execution_error", failed]]}}  # fmt: skip
            await self._send(client, "execution_error", failed)
            return
        if fault == "interrupted":
            await self._send(client, "execution_interrupted", {"node_id": sampler, "node_type": "KSampler", **mine})
            return
        self._finish(prompt_id, graph, count={"nothing": 0, "several": 2}.get(fault, 1), damaged=fault == "damaged")
        await self._send(client, "execution_success", mine)
        await self._send(client, "executing", {"node": None, **mine})

    def _finish(self, prompt_id: str, graph: dict[str, Any], *, count: int, damaged: bool) -> None:
        node, picture = self._paint(graph)
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "PNG")
        names = [f"ComfyUI_temp_{prompt_id[:8]}_{number:05}_.png" for number in range(count)]
        self.views |= {name: b"<html>" if damaged else stream.getvalue() for name in names}
        images = [{"filename": name, "subfolder": "", "type": "temp"} for name in names]
        self.history[prompt_id] = {
            "prompt": [1, prompt_id, graph, {}, [node]], "outputs": {node: {"images": images}} if count else {},
            "status": {"status_str": "success", "completed": True, "messages": []},
        }  # fmt: skip

    def _paint(self, graph: dict[str, Any]) -> tuple[str, np.ndarray[Any, Any]]:
        """What the workflow's nodes make, following its links back from the node that ends it."""

        def node(link: list[Any]) -> dict[str, Any]:
            return dict(graph[link[0]]["inputs"])

        end = next(name for name, one in graph.items() if one["class_type"] in {"PreviewImage", "SaveImage"})
        last = graph[graph[end]["inputs"]["images"][0]]
        scale = last["inputs"] if last["class_type"] == "ImageScale" else None
        decode = node(scale["image"]) if scale else last["inputs"]
        sampler = node(decode["samples"])
        latent = node(sampler["latent_image"])
        picture = self._read(node(latent["pixels"])["image"])
        mask = self._read(node(latent["mask"])["image"])[..., 0] > 127
        text = node(sampler["positive"])["text"] + "|" + node(sampler["negative"])["text"]
        word = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
        noise = np.random.default_rng([word, sampler["seed"], sampler["steps"]]).integers(0, 256, picture.shape)
        painted = np.where(mask[..., None], noise, picture).astype(np.uint8)
        if scale:
            painted = np.asarray(Image.fromarray(painted).resize((scale["width"], scale["height"])))
        return end, painted

    def _read(self, name: str) -> np.ndarray[Any, Any]:
        return np.asarray(Image.open(io.BytesIO(self.uploads[name])).convert("RGB"))

    async def get_history(self, request: Request) -> Response:
        wanted = request.path_params["prompt_id"]
        return JSONResponse({wanted: self.history[wanted]} if wanted in self.history else {})

    async def view(self, request: Request) -> Response:
        found = self.views.get(request.query_params.get("filename", ""))
        return Response(status_code=404) if found is None else Response(found, media_type="image/png")

    async def queue(self, request: Request) -> Response:
        self.deleted += (await request.json()).get("delete", [])
        return Response(status_code=200)

    async def interrupt(self, request: Request) -> Response:
        self.interrupted += 1
        return Response(status_code=200)

    async def stats(self, request: Request) -> Response:
        return JSONResponse({"system": {"os": "posix", "comfyui_version": "0.3.75"}, "devices": []})

    def app(self) -> Starlette:
        """All routes; the server adds each under /api as well, which clients do not need."""
        return Starlette(routes=[
            Route("/upload/image", self.upload, methods=["POST"]), Route("/prompt", self.prompt, methods=["POST"]),
            Route("/history/{prompt_id}", self.get_history), Route("/view", self.view),
            Route("/queue", self.queue, methods=["POST"]), Route("/interrupt", self.interrupt, methods=["POST"]),
            Route("/system_stats", self.stats), WebSocketRoute("/ws", self.websocket),
        ])  # fmt: skip

    def stop(self) -> None:
        """Go away as a crashed server does."""
        self.runner.should_exit = True
        self.runner.force_exit = True
        for listener in self.runner.servers:
            listener.close()

    runner: Any = None


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of this machine, in a thread."""
    server = Server()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.listen()
        config = uvicorn.Config(server.app(), log_config=None, lifespan="off", ws="websockets-sansio")
        server.runner = uvicorn.Server(config)
        thread = threading.Thread(target=server.runner.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.runner.started:
            thread.join(0.01)
        yield server
        server.runner.should_exit = True
        thread.join(5)

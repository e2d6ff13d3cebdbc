"""What a stored result is made of: its key, and the manifest that lists its files and their digests."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import SeamlineError, StoreError
from pipeline.types import Json

MANIFEST = "manifest.json"
KEY = re.compile(r"[0-9a-f]{64}")
_LAYOUT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def stage_key(stage: str, version: int, recipe_slice: Json, inputs: Sequence[str] = (), fingerprint: str = "") -> str:
    """The key of a stage's result: 64 hex digits of SHA-256 over everything that decides it.

    ``recipe_slice`` is the part of the recipe (JSON values) that the stage reads, ``inputs`` are the keys or digests
    of what it reads, in order, ``fingerprint`` is its checkpoint's. The order of a mapping's entries does not matter.
    Raises SeamlineError if the slice is not JSON, which has no NaN and only text as names.
    """
    if isinstance(inputs, str):
        raise SeamlineError(f"stage {stage}: inputs must be a list of keys, not one text")
    parts = {"stage": stage, "version": version, "recipe": recipe_slice, "inputs": list(inputs)}
    text = canonical_json({**parts, "fingerprint": fingerprint}, of=f"the key of stage {stage}")
    # The prefix keeps these digests apart from those of any other JSON that somebody hashes.
    return hashlib.sha256(b"seamline stage key 1\n" + text.encode()).hexdigest()


def canonical_json(value: Json, *, of: str = "a value") -> str:
    """``value`` as the one text that stands for it: sorted names, no spaces, shortest floats, ASCII only."""
    _check_names(value, of)
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise SeamlineError(f"{of} can be made of JSON values only: {error}") from error


def _check_names(value: Json, of: str) -> None:
    # json.dumps would write {1: …} and {"1": …} alike.
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise SeamlineError(f"{of}: the name {name!r} must be text")
            _check_names(inner, of)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_names(inner, of)


@dataclass(frozen=True)
class Payload:
    """One file of a result: its name on the disk, its bytes and their digest."""

    path: str
    size: int
    sha256: str


def payload_of(name: str, data: bytes) -> Payload:
    """The payload that ``data`` becomes. Raises StoreError for a name that is not plain."""
    if not _NAME.fullmatch(name) or name == MANIFEST:
        raise StoreError(f"{name!r} cannot be a result's file: use letters, digits, dot, dash and underscore")
    digest = hashlib.sha256(data).hexdigest()
    return Payload(path=f"{digest[:16]}-{name}", size=len(data), sha256=digest)


def write_manifest(key: str, payloads: Mapping[str, Payload], meta: Json) -> bytes:
    """The manifest's bytes, with a digest of itself."""
    files = {name: {"path": p.path, "size": p.size, "sha256": p.sha256} for name, p in payloads.items()}
    body = {"layout": _LAYOUT, "key": key, "files": files, "meta": meta}
    text = canonical_json(body, of=f"the manifest of {key}")
    return canonical_json({**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}).encode()


def read_manifest(key: str, data: bytes) -> tuple[dict[str, Payload], Json]:
    """The payloads by name and the meta. Raises ValueError for bytes that are not the manifest of ``key``."""
    body = json.loads(data)
    if not isinstance(body, dict):
        raise ValueError("not a mapping")
    digest = body.pop("sha256", None)
    if hashlib.sha256(canonical_json(body).encode()).hexdigest() != digest:
        raise ValueError("its digest does not fit")
    if body["layout"] != _LAYOUT or body["key"] != key:
        raise ValueError(f"layout {body['layout']}, key {body['key']}")
    return {name: Payload(**payload) for name, payload in body["files"].items()}, body["meta"]

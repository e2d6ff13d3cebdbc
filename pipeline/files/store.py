"""Content-addressed results of stages, in a local folder or at any fsspec address.

A result lives in ``ADDRESS/ab/abcd…/`` (64 hex digits, sharded by the first two): its payload files, named by
their own digest, and ``manifest.json``, which is written last. No manifest, no result. Two processes that write one
key at once are both right: each manifest names only payloads that its writer had finished.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import StoreError
from pipeline.files.address import (
    explained,
    is_local_fs,
    join,
    locate,
    make_folder,
    remote_errors,
    sync_folder,
    write_local,
)
from pipeline.files.store_listing import (
    StoredFile,
    list_folder,
    list_shard,
    list_shards,
    read_path,
    remove_path,
    scan_folder,
)
from pipeline.files.store_manifest import (
    KEY,
    MANIFEST,
    Payload,
    canonical_json,
    payload_of,
    read_manifest,
    stage_key,
    write_manifest,
)
from pipeline.types import Json

__all__ = ["DamagedResult", "Result", "Store", "StoredFile", "canonical_json", "stage_key"]

log = logging.getLogger(__name__)

_USE_NOTED_EVERY_S = 3600.0


class DamagedResult(StoreError):
    """A stored result lost a file or has other bytes than were written. It has been removed: make it again."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One stored result: its key, what its stage wrote about it, and its files.

    ``meta`` is JSON. ``names`` are the names of the files that `read` takes.
    """

    key: str
    meta: Json
    payloads: Mapping[str, Payload] = field(repr=False)
    store: Store = field(repr=False, compare=False)
    _bytes: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, sorted."""
        return tuple(sorted(self.payloads))

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(payload.size for payload in self.payloads.values())

    def digest(self, name: str) -> str:
        """SHA-256 of one file's bytes. Raises StoreError for a file that the result does not have."""
        return self._payload(name).sha256

    def read(self, name: str) -> bytes:
        """The bytes of one file, checked against their digest. Raises DamagedResult after removing the result."""
        payload = self._payload(name)
        if name not in self._bytes:
            self._bytes[name] = self.store.read_payload(self.key, payload)
        return self._bytes[name]

    def _payload(self, name: str) -> Payload:
        if name not in self.payloads:
            raise StoreError(f"result {self.key} has no file {name!r}; it has {', '.join(self.names) or 'none'}")
        return self.payloads[name]


class Store:
    """Results at one address. Cheap to make, safe to share between threads and to send to other processes."""

    def __init__(self, address: str | os.PathLike[str], storage_options: Mapping[str, Json] | None = None) -> None:
        """``storage_options`` go to fsspec, for example ``{"endpoint_url": …}`` for an S3 of your own."""
        self.address = os.fspath(address)
        self.storage_options = dict(storage_options or {})
        locate(self.address, self.storage_options)

    def __repr__(self) -> str:
        """``Store('s3://…')``, without options, which may hold credentials."""
        return f"Store({self.address!r})"

    def has(self, key: str) -> bool:
        """Whether a whole result is there: manifest and every file with its size. Digests are left to `get`."""
        return self.get(key, verify=False) is not None

    def get(self, key: str, *, verify: bool = True) -> Result | None:
        """The result of ``key``, or None if there is none.

        ``verify`` reads every file and compares its digest; without it only presence and sizes are checked, and
        `Result.read` compares later. A damaged result is logged, removed and None: the stage makes it again.
        """
        folder = self._folder(key)
        try:
            result = self._open(key)
            if result is None:
                return None
            if verify:
                for name in result.names:
                    result.read(name)
            else:
                self._check_sizes(result)
        except DamagedResult:
            return None
        self._note_use(folder)
        return result

    def put(self, key: str, files: Mapping[str, bytes], meta: Json = None) -> Result:
        """Write a result: the files, then its manifest. Replaces an older result of that key.

        File names are plain (``mask.png``), without folders. Raises StoreError; nothing is left half-written.
        """
        payloads = {name: payload_of(name, data) for name, data in files.items()}
        manifest = write_manifest(key, payloads, meta)
        folder = self._folder(key)
        fs, path = locate(folder, self.storage_options)
        with explained(folder, "written"):
            try:
                self._write(fs, path, {payloads[name].path: data for name, data in files.items()}, manifest)
            except BaseException:
                self._withdraw(fs, path, [payload.path for payload in payloads.values()])
                raise
        checked = json.loads(manifest)["meta"]
        return Result(key=key, meta=checked, payloads=payloads, store=self, _bytes=dict(files))

    def remove(self, key: str) -> None:
        """Remove a result, its manifest first, so that nobody finds a manifest without its files."""
        folder = self._folder(key)
        fs, path = locate(folder, self.storage_options)
        with explained(folder, "removed"):
            remove_path(fs, f"{path}/{MANIFEST}")
            if is_local_fs(fs):
                for entry in scan_folder(path):
                    Path(entry.path).unlink(missing_ok=True)
                with suppress(OSError):
                    Path(path).rmdir()  # another process may be writing it anew
            else:
                with suppress(FileNotFoundError):
                    fs.rm(path, recursive=True)

    def folders(self) -> Iterator[tuple[str, list[StoredFile]]]:
        """Every result folder as ``(key, its files)``, one shard at a time so that memory stays small."""
        fs, root = locate(self.address, self.storage_options)
        with explained(self.address, "listed"):
            for shard in list_shards(fs, root):
                yield from list_shard(fs, shard)

    def remove_files(self, files: Sequence[StoredFile]) -> None:
        """Remove single files that `folders` listed (leftovers of dead writes)."""
        fs, _ = locate(self.address, self.storage_options)
        with explained(self.address, "cleaned"):
            for file in files:
                remove_path(fs, file.path)

    def read_payload(self, key: str, payload: Payload) -> bytes:
        """Bytes of one payload, digest compared; used by `Result.read`."""
        folder = self._folder(key)
        fs, path = locate(folder, self.storage_options)
        try:
            with explained(folder, "read"):
                data: bytes = read_path(fs, f"{path}/{payload.path}")
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise self._damaged(key, f"{payload.path} is missing") from error
            raise
        if hashlib.sha256(data).hexdigest() != payload.sha256:
            raise self._damaged(key, f"{payload.path} has other bytes than were written")
        return data

    def _folder(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise StoreError(f"{key!r} is not a result's key: 64 digits 0-9a-f, as stage_key makes them")
        return join(self.address, key[:2], key)

    def _open(self, key: str) -> Result | None:
        folder = self._folder(key)
        fs, path = locate(folder, self.storage_options)
        with explained(folder, "read"):
            try:
                data = read_path(fs, f"{path}/{MANIFEST}")
            except FileNotFoundError:
                return None
        try:
            payloads, meta = read_manifest(key, data)
        except ValueError as error:
            raise self._damaged(key, f"its manifest is broken ({error})") from error
        return Result(key=key, meta=meta, payloads=payloads, store=self)

    def _check_sizes(self, result: Result) -> None:
        folder = self._folder(result.key)
        fs, path = locate(folder, self.storage_options)
        with explained(folder, "listed"):
            sizes = {file.name: file.size for file in list_folder(fs, path)}
        for payload in result.payloads.values():
            if sizes.get(payload.path) != payload.size:
                raise self._damaged(result.key, f"{payload.path} is missing or has another size")

    def _damaged(self, key: str, why: str) -> DamagedResult:
        log.warning("result %s is damaged: %s; it is removed and will be made again", key, why)
        self.remove(key)
        return DamagedResult(f"result {key} is damaged: {why}; it has been removed, run again to make it anew")

    def _write(self, fs: Any, path: str, files: Mapping[str, bytes], manifest: bytes) -> None:
        if not is_local_fs(fs):
            for name, data in files.items():
                fs.pipe_file(f"{path}/{name}", data)
            fs.pipe_file(f"{path}/{MANIFEST}", manifest)
            return
        folder = Path(path)
        make_folder(folder)
        for name, data in files.items():
            write_local(folder / name, data)
        sync_folder(folder)  # the payloads' names reach the disk before the manifest that speaks of them
        write_local(folder / MANIFEST, manifest)
        sync_folder(folder)

    def _withdraw(self, fs: Any, path: str, names: Sequence[str]) -> None:
        # Another process may have finished this very result meanwhile: then its payloads stay.
        with suppress(*remote_errors()):
            if not fs.exists(f"{path}/{MANIFEST}"):
                for name in names:
                    remove_path(fs, f"{path}/{name}")
                if is_local_fs(fs):
                    Path(path).rmdir()

    def _note_use(self, folder: str) -> None:
        # `seamline clean` removes what was used least recently. Object stores keep the time of writing only.
        fs, path = locate(folder, self.storage_options)
        if is_local_fs(fs):
            manifest = Path(path) / MANIFEST
            with suppress(OSError):  # a read-only store, or one cleaned at this moment
                if time.time() - manifest.stat().st_mtime > _USE_NOTED_EVERY_S:
                    os.utime(manifest)

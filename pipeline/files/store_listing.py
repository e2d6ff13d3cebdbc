"""What lies in a store, as its file system lists it; local or remote."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files.address import is_local_fs
from pipeline.files.store_manifest import KEY

_SHARD = re.compile(r"[0-9a-f]{2}")


@dataclass(frozen=True)
class StoredFile:
    """A file of the store as a listing shows it. ``used_s`` is the time of its last write or use (epoch seconds)."""

    path: str
    size: int
    used_s: float

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


def list_folder(fs: Any, path: str) -> list[StoredFile]:
    """The files of one folder; none if there is no such folder."""
    if is_local_fs(fs):
        return [_local_file(entry) for entry in scan_folder(path)]
    with suppress(FileNotFoundError):
        return [_remote_file(info) for info in fs.find(path, detail=True, refresh=True).values()]
    return []


def list_shards(fs: Any, root: str) -> list[str]:
    """The folders of the shards that a store has, sorted."""
    if is_local_fs(fs):
        paths = [entry.path for entry in scan_folder(root)]
    else:
        paths = []
        with suppress(FileNotFoundError):
            paths = [str(info["name"]) for info in fs.ls(root, detail=True, refresh=True)]
    return sorted(path for path in paths if _SHARD.fullmatch(path.rstrip("/").rsplit("/", 1)[-1]))


def list_shard(fs: Any, path: str) -> Iterator[tuple[str, list[StoredFile]]]:
    """The result folders of one shard as ``(key, its files)``, sorted by key."""
    if is_local_fs(fs):
        for folder in sorted(scan_folder(path), key=lambda entry: entry.name):
            if KEY.fullmatch(folder.name):
                yield folder.name, list_folder(fs, folder.path)
        return
    by_key: dict[str, list[StoredFile]] = {}
    for file in list_folder(fs, path):
        by_key.setdefault(file.path.rsplit("/", 2)[-2], []).append(file)
    yield from ((key, files) for key, files in sorted(by_key.items()) if KEY.fullmatch(key))


def scan_folder(path: str) -> list[os.DirEntry[str]]:
    """Entries of a local folder; none if there is no such folder."""
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _local_file(entry: os.DirEntry[str]) -> StoredFile:
    try:
        stat = entry.stat()
    except FileNotFoundError:  # renamed or removed since the listing
        return StoredFile(entry.path, 0, 0.0)
    return StoredFile(entry.path, stat.st_size, stat.st_mtime)


def _remote_file(info: Mapping[str, Any]) -> StoredFile:
    changed: Any = info.get("LastModified") or info.get("last_modified") or info.get("created") or info.get("mtime")
    used_s = changed.timestamp() if hasattr(changed, "timestamp") else float(changed or 0.0)
    return StoredFile(str(info["name"]), int(info["size"] or 0), used_s)


def read_path(fs: Any, path: str) -> bytes:
    """All bytes of one file."""
    if is_local_fs(fs):
        return Path(path).read_bytes()
    data: bytes = fs.cat_file(path)
    return data


def remove_path(fs: Any, path: str) -> None:
    """Remove one file; nothing happens if it is not there."""
    if is_local_fs(fs):
        Path(path).unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError):
        fs.rm_file(path)

"""Digests of source files, without reading a file again that has not changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.files.address import explained, is_local_fs, locate
from pipeline.files.picture import read_bytes
from pipeline.files.store import Store, stage_key
from pipeline.types import Json


def source_digest(address: str, store: Store) -> tuple[str, bytes | None]:
    """SHA-256 of the bytes at ``address``, and these bytes if they had to be read. Raises UnreadableImage.

    The digest is remembered in the store under the file's address, size and time of change, which `make` and rsync
    trust too: a second run over a catalog reads no photo, and still sees a changed one.
    """
    stamp = _stamp(address)
    key = stage_key("source", 1, stamp) if stamp else None
    if key and (known := store.get(key, verify=False)):
        return str(known.meta["sha256"]), None
    data = read_bytes(address)
    digest = hashlib.sha256(data).hexdigest()
    if key:
        store.put(key, {}, {"sha256": digest, "address": address})
    return digest, data


def _stamp(address: str) -> Json:
    """What changes when the file does; None where the file system tells nothing, or there is no such file."""
    try:
        fs, path = locate(address)
        if is_local_fs(fs):
            stat = Path(path).stat()
            return {"path": path, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}
        with explained(address, "reached"):
            info = fs.info(path)
    except (OSError, StoreError):
        return None
    changed = info.get("ETag") or info.get("LastModified") or info.get("mtime") or info.get("created")
    return {"path": address, "size": info.get("size"), "changed": str(changed)} if changed else None

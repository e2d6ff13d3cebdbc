"""Files of the shelf: written once, never replaced. The second writer of a name is told so."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import StoreError
from pipeline.files.address import (
    TEMPORARY_PREFIX,
    explained,
    is_local_fs,
    locate,
    make_folder,
    remote_errors,
    sync_folder,
)
from pipeline.types import Json

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


def create_file(address: str, data: bytes, *, storage_options: Mapping[str, Json] | None = None) -> bool:
    """Write ``data`` to ``address`` whole, unless there is a file already: then leave it and return False.

    Of several writers exactly one gets True: by a hard link on local disks, by a conditional request on S3 and other
    stores that know one. Elsewhere two writers in the same moment may both get True. Raises StoreError.
    """
    fs, path = locate(address, storage_options)
    with explained(address, "written"):
        if is_local_fs(fs):
            return _create_local(Path(path), data)
        try:
            if fs.exists(path):
                return False
            fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except remote_errors() as error:
            if _is_taken(error):
                return False
            raise
        return True


def list_names(address: str, *, storage_options: Mapping[str, Json] | None = None) -> list[str]:
    """Names of the files in the folder at ``address``, sorted; none if there is no such folder. Raises StoreError."""
    fs, path = locate(address, storage_options)
    with explained(address, "listed"):
        if is_local_fs(fs):
            with suppress(FileNotFoundError, NotADirectoryError):
                return sorted(entry.name for entry in Path(path).iterdir() if not entry.name.startswith("."))
            return []
        fs.invalidate_cache()
        with suppress(FileNotFoundError):
            return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in fs.ls(path, detail=False))
        return []


def _create_local(target: Path, data: bytes) -> bool:
    if target.exists():
        return False
    make_folder(target.parent)
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return _link(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
        sync_folder(target.parent)


def _link(temporary: Path, target: Path) -> bool:
    # A rename would replace a file that another process has just put there; a link never does.
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        raise StoreError(
            f"{target}: this disk has no hard links ({error}), so that two reviewers could overwrite each other; "
            "keep runs on another disk, or in an object store"
        ) from error
    return True


def _is_taken(error: Exception) -> bool:
    response: Any = getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", "")) in _TAKEN

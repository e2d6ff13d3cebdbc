"""One file at an address: local or any fsspec address (``s3://``, ``memory://``), written whole or not at all.

A local write goes to a temporary file in the same folder, which is flushed to the disk and renamed over the target;
object stores replace an object with one request. So a reader sees the old bytes or the new, never a part.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pipeline.errors import StoreError
from pipeline.types import Json

TEMPORARY_PREFIX = ".seamline-part-"
"""Temporary files begin with this; a killed process may leave one behind, and `seamline clean` removes it."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def locate(address: str, storage_options: Mapping[str, Json] | None = None) -> tuple[Any, str]:
    """The fsspec file system of ``address`` and the path in it.

    File systems are cached by fsspec per process and thread, so calling this again and again is cheap, and safe
    after a fork. Raises StoreError for an unknown protocol, or one whose library is not installed.
    """
    import fsspec

    options = dict(storage_options or {})
    try:
        fs, path = fsspec.core.url_to_fs(os.fspath(address), **options)
    except (ValueError, ImportError) as error:
        raise StoreError(f"{address}: cannot be opened ({error}); use a folder, or an address like s3://…") from error
    return fs, path


def is_local(address: str) -> bool:
    """Whether ``address`` is a path on this machine (``/a/b``, ``a/b``, ``file:///a/b``), not a remote address."""
    from fsspec.utils import get_protocol

    return get_protocol(os.fspath(address)) in ("file", "local")


def local_path(address: str) -> Path:
    """The absolute path of a local address; StoreError for a remote one."""
    if not is_local(address):
        raise StoreError(f"{address}: this must be a folder or file on a local disk")
    return Path(locate(address)[1])


def join(address: str, *parts: str) -> str:
    """``address/part/…``, keeping the protocol."""
    return "/".join([address.rstrip("/") if address != "/" else "", *parts])


def write_file(address: str, data: bytes, *, storage_options: Mapping[str, Json] | None = None) -> None:
    """Write ``data`` to ``address`` whole or not at all; folders are made as needed. Raises StoreError."""
    fs, path = locate(address, storage_options)
    with explained(address, "written"):
        if is_local_fs(fs):
            folder = Path(path).parent
            make_folder(folder)
            write_local(Path(path), data)
            sync_folder(folder)
        else:
            fs.pipe_file(path, data)


def read_file(address: str, *, storage_options: Mapping[str, Json] | None = None) -> bytes:
    """All bytes at ``address``. Raises StoreError, also when there is nothing."""
    fs, path = locate(address, storage_options)
    with explained(address, "read"):
        data: bytes = fs.cat_file(path)
    return data


def exists(address: str, *, storage_options: Mapping[str, Json] | None = None) -> bool:
    """Whether there is a file at ``address``; listings are not taken from a cache."""
    fs, path = locate(address, storage_options)
    if is_local_fs(fs):
        return Path(path).is_file()
    fs.invalidate_cache()
    with explained(address, "reached"):
        return bool(fs.isfile(path))


@contextmanager
def write_stream(address: str, *, storage_options: Mapping[str, Json] | None = None) -> Iterator[IO[bytes]]:
    """A binary file to write to piece by piece; it appears at ``address`` when the block ends without an error."""
    fs, path = locate(address, storage_options)
    with explained(address, "written"):
        if is_local_fs(fs):
            target = Path(path)
            make_folder(target.parent)
            with _replacing(target) as file:
                yield file
            sync_folder(target.parent)
        else:
            # Not fs.open(): some file systems show an object while it is still being written.
            with tempfile.NamedTemporaryFile(prefix=TEMPORARY_PREFIX) as file:
                yield file
                file.flush()
                fs.put_file(file.name, path)


def is_local_fs(fs: Any) -> bool:
    """Whether an fsspec file system is the local disk."""
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol))


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents, and flush the entries of the new ones to the disk."""
    if folder.is_dir():
        return
    missing = [folder, *(parent for parent in folder.parents if not parent.exists())]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def write_local(target: Path, data: bytes) -> None:
    """Write ``data`` to ``target`` through a temporary file beside it. The caller flushes the folder."""
    with _replacing(target) as file:
        file.write(data)


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, so that a rename in it outlives a power cut."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # file systems that do not open folders (some network mounts) have nothing to flush either
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def explained(address: str, verb: str) -> Iterator[None]:
    """Turn errors of the disk or the object store into a StoreError that says what to do."""
    try:
        yield
    except remote_errors() as error:
        raise StoreError(f"{address}: could not be {verb}: {_advice(error)}") from error


def remote_errors() -> tuple[type[Exception], ...]:
    """What disks and object stores raise when something is wrong with them."""
    # Refused credentials and unreachable endpoints are botocore's own exceptions, not OSError. s3fs imports it.
    botocore = sys.modules.get("botocore.exceptions")
    return (OSError, botocore.BotoCoreError, botocore.ClientError) if botocore else (OSError,)


def _advice(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if number in _FULL:
        return "the disk is full or over its quota; free some space, or run `seamline clean` with a smaller budget"
    if isinstance(error, FileNotFoundError):
        return "there is no such file, folder or bucket"
    if isinstance(error, PermissionError):
        return f"access is refused ({error}); check the rights or the credentials"
    return f"{error or type(error).__name__}; check the disk, the network and the credentials"

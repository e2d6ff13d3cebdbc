"""Real services on loopback for tests: an S3 API (moto's server) and PostgreSQL in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class S3:
    """A running S3 API. ``storage_options`` go to fsspec; ``environment`` does the same for other processes."""

    endpoint: str
    bucket: str

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def storage_options(self) -> dict[str, Any]:
        client = {"endpoint_url": self.endpoint, "region_name": "us-east-1"}
        return {"key": "test", "secret": "test", "client_kwargs": client}

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def s3_server(bucket: str = "seamline") -> Iterator[S3]:
    """Moto's S3 server in a thread, with one empty bucket."""
    import boto3  # type: ignore[import-untyped]
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        s3 = S3(f"http://{host}:{port}", bucket)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=s3.endpoint, **keys).create_bucket(Bucket=bucket)
        yield s3
    finally:
        server.stop()


@contextmanager
def postgres_server() -> Iterator[str]:
    """A new PostgreSQL server; yields the URL of an empty database. It is gone at the end.

    Skips the test where no PostgreSQL is installed, except in continuous integration (``CI`` set): there it fails.
    """
    programs = postgres_programs()
    if programs is None:
        message = "no PostgreSQL: install it (apt-get install postgresql), or put initdb and postgres on the PATH"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    who = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="seamline-pg-"))
    try:
        if who:
            os.chown(folder, who["user"], who["group"])
        data, port = folder / "data", _free_port()
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "seamline",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        subprocess.run([*initdb, "--no-locale", "--no-sync"], check=True, capture_output=True, cwd=folder, **who)
        with (folder / "log").open("wb") as log:
            flags: list[str | Path] = ["-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
            server = subprocess.Popen([programs / "postgres", *flags], stdout=log, stderr=log, cwd=folder, **who)
        try:
            _await_port(server, port, folder / "log")
            yield f"postgresql+psycopg://seamline@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(2)  # SIGINT: end now, in good order
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def postgres_programs() -> Path | None:
    """The folder of initdb and postgres; the newest where there are several."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    folders = [*([Path(on_path).resolve().parent] if on_path else []), *reversed(packaged)]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _unprivileged() -> dict[str, Any]:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return {}
    names = [entry.pw_name for entry in pwd.getpwall()]
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(server: subprocess.Popen[Any], port: int, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at its start: {log.read_text()[-2000:]}")
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="seamline", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not answer in a minute: {log.read_text()[-2000:]}")

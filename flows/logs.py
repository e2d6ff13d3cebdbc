"""The log of a batch: one file in its folder, which all processes that work on it append to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flows.workplace import BatchAddress, open_workplace
from pipeline.files.address import is_local, local_path, make_folder

LOG = "batch.log"
LOGGERS = ("flows", "masks", "pipeline")


def log_file(address: BatchAddress) -> str | None:
    """Path of a batch's log; None where its folder is not on a local disk. Makes the folder."""
    folder = open_workplace(address).folder
    if not is_local(folder):
        return None
    make_folder(local_path(folder))
    return str(local_path(folder) / LOG)


def log_handler(path: str) -> logging.Handler:
    """A handler that appends lines with time, process and logger."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    return handler


@contextmanager
def batch_log(address: BatchAddress) -> Iterator[None]:
    """Keep Seamline's log of this process in the batch's folder for the length of the block."""
    path = log_file(address)
    if path is None:
        yield
        return
    handler = attach_log(path)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True
            logger.setLevel(logging.NOTSET)
        handler.close()


def attach_log(path: str) -> logging.Handler:
    """Send Seamline's log of this process to a file; returns the handler."""
    handler = log_handler(path)
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        # The terminal shows a bar and the last lines; single items are told by the ledger and by this file.
        logger.propagate = False
    return handler

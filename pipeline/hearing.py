"""Python's warnings, heard or hidden by one thread while the others go on.

`warnings.catch_warnings` swaps globals of the process: two threads inside at once lose each other's warnings, and the
one that leaves last puts back what the other had set. Here the globals are set by the first that enters and put back by
the last that leaves, and what is said between goes to the thread that said it.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_LOCK = threading.Lock()
_HERE = threading.local()
_inside = 0
_outer = warnings.catch_warnings()
_show = warnings.showwarning


@contextmanager
def heard() -> Iterator[list[Warning | str]]:
    """What this thread warns of inside the block, in order; nobody else hears it. Blocks may stand in each other."""
    said: list[Warning | str] = []
    stack: list[list[Warning | str]] = _HERE.__dict__.setdefault("stack", [])
    _enter()
    stack.append(said)
    try:
        yield said
    finally:
        stack.pop()
        _leave()


def _enter() -> None:
    global _inside, _outer, _show
    with _LOCK:
        if _inside == 0:
            if warnings.showwarning is _tell:  # a library's own catch_warnings put our globals back after we had left
                _outer.__exit__(None, None, None)
            _outer = warnings.catch_warnings()
            _outer.__enter__()
            _show = warnings.showwarning
            warnings.simplefilter("always")
            warnings.showwarning = _tell
        _inside += 1


def _leave() -> None:
    global _inside
    with _LOCK:
        _inside -= 1
        if _inside == 0:
            _outer.__exit__(None, None, None)


def _tell(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
    line: str | None = None,
) -> None:  # fmt: skip
    stack: list[list[Warning | str]] = _HERE.__dict__.get("stack", [])
    if stack:
        stack[-1].append(message)
    else:
        _show(message, category, filename, lineno, file, line)

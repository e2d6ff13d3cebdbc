"""Answers about a picture that more than one stage asks for, kept for the pictures that a process saw last."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

PICTURES: Final = 2
"""An item's photo, and one more for a photo that several rows share."""


def remembered(ask: Callable[Asked, Answer]) -> Callable[Asked, Answer]:
    """``ask`` with its last answers kept, by the pixels that it was asked about. Its arrays cannot be written to.

    ``ask`` takes arrays alone, a picture or a picture and a mask, and always gives the same answer to the same pixels.
    """
    known: OrderedDict[bytes, Answer] = OrderedDict()
    lock = threading.Lock()

    @functools.wraps(ask)
    def answer(*arrays: Asked.args, **named: Asked.kwargs) -> Answer:
        digest = hashlib.sha256()
        for array in (np.ascontiguousarray(one) for one in (*arrays, *named.values())):
            digest.update(repr(array.shape).encode())
            digest.update(array.data)
        key = digest.digest()
        with lock:
            if key in known:
                known.move_to_end(key)
                return known[key]
        made = ask(*arrays, **named)
        _lock(made)
        with lock:
            known[key] = made
            while len(known) > PICTURES:
                known.popitem(last=False)
        return made

    return answer


def _lock(made: Any) -> None:
    """Make the arrays of an answer read-only: whoever changed one would change it for all who ask later."""
    if isinstance(made, np.ndarray):
        made.setflags(write=False)
    elif is_dataclass(made):
        for one in fields(made):
            _lock(getattr(made, one.name))

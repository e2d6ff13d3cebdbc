"""Requests of several items in one call: each item is asked what it wants, all is made at once, and then handed out.

A step of an item is run twice by the same code. While `asked` runs it, the first call of `generate` unwinds it with the
requests in hand; when it runs again, `generate` finds their pictures made. A request that differs from what was asked
for, in whatever way, is made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextvars import ContextVar

import numpy as np

from pipeline.errors import CheckFailed
from pipeline.models.families import Generator, Inpaint
from pipeline.types import Image

_ASKING: ContextVar[bool] = ContextVar("asking", default=False)


class Wanted(BaseException):
    """No error: what a step would have a generator make. It passes by what catches errors."""

    def __init__(self, generator: Generator, requests: Sequence[Inpaint]) -> None:
        """``requests`` are those of one call of `generate`."""
        super().__init__(f"{len(requests)} pictures of {generator.row.id}")
        self.generator = generator
        self.requests = tuple(requests)


def asked(step: Callable[[], object]) -> Wanted | None:
    """What ``step`` would have made first; None if it came to its end without. It may raise what it raises."""
    token = _ASKING.set(True)
    try:
        step()
    except Wanted as wanted:
        return wanted
    finally:
        _ASKING.reset(token)
    return None


def handed_out(generator: Generator, requests: Sequence[Inpaint]) -> list[Image] | None:
    """The pictures of ``requests`` if all of them were made together with others, each once; else None.

    Raises Wanted inside of `asked`.
    """
    if not generator.ahead and not _ASKING.get():
        return None
    names = [_name(one) for one in requests]
    if all(name in generator.ahead for name in names):
        return [generator.ahead.pop(name) for name in names]
    if _ASKING.get():
        raise Wanted(generator, requests)
    return None


def make_together(
    wanted: Sequence[Wanted], most: int, generate: Callable[[Generator, Sequence[Inpaint]], list[Image]]
) -> None:
    """Make what several steps want, ``most`` pictures in one call, and keep it for `handed_out`.

    Only what one call can make goes together: of one generator, size and sampling, with the same controls and
    reference. A call in which a picture fails leaves nothing: its items are then made one by one and tell which.
    """
    groups: dict[tuple[object, ...], list[Inpaint]] = {}
    generators = {id(one.generator): one.generator for one in wanted}
    for generator in generators.values():
        generator.ahead.clear()
    for one in wanted:
        for request in one.requests:
            groups.setdefault((id(one.generator), *_alike(request)), []).append(request)
    for (whose, *_), requests in groups.items():
        generator = generators[int(str(whose))]
        for first in range(0, len(requests), most):
            part = requests[first : first + most]
            try:
                made = generate(generator, part) if len(part) > 1 else []
            except CheckFailed:
                continue
            generator.ahead |= {_name(request): picture for request, picture in zip(part, made, strict=False)}


def _alike(request: Inpaint) -> tuple[object, ...]:
    """What requests of one call have in common."""
    reach = tuple((one.kind, one.scale, one.start, one.end) for one in request.controls)
    seen = None if request.reference is None else _digest(request.reference)
    sampled = (request.steps, request.guidance, request.strength, bool(request.negative_prompt))
    return (request.size, sampled, request.strengths is None, reach, seen, request.reference_scale)


def _name(request: Inpaint) -> str:
    """A digest of everything in a request."""
    arrays = [request.image, request.repaint, request.strengths, *(one.image for one in request.controls)]
    words = (request.prompt, request.negative_prompt, request.seed, *_alike(request))
    parts = [repr(words), *("" if one is None else _digest(one) for one in arrays)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _digest(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> str:
    return f"{array.shape}{hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"

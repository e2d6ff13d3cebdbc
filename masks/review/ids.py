"""Ids in URLs: texts of the catalog in letters that no path, header or page can misread."""

from __future__ import annotations

import base64
import binascii
import re

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
_MARK = "~"


def to_id(*texts: str) -> str:
    """One URL segment that stands for ``texts``, whatever letters they have; plain words stay as they are."""
    if len(texts) == 1 and _PLAIN.fullmatch(texts[0]):
        return texts[0]
    data = "\0".join(texts).encode("utf-8", "surrogatepass")
    return _MARK + base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def from_id(segment: str) -> tuple[str, ...]:
    """The texts that `to_id` was given. Raises ValueError for a segment that it did not make."""
    if not segment.startswith(_MARK):
        if not _PLAIN.fullmatch(segment):
            raise ValueError(f"{segment!r} is no id")
        return (segment,)
    body = segment.removeprefix(_MARK)
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        texts = tuple(data.decode("utf-8", "surrogatepass").split("\0"))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{segment!r} is no id") from error
    if to_id(*texts) != segment:
        raise ValueError(f"{segment!r} is not the only id of its texts")
    return texts

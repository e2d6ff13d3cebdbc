"""Opening picture files with Pillow: which formats, whose limit, and what their decoders raise."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image as PilImage

from pipeline.hearing import heard

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "JPEG2000")
"""What is read. A closed list: no PostScript, no vector formats, no interpreters. (MPO comes in as JPEG.)"""

DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, EOFError, RuntimeError,
    MemoryError, struct.error, zlib.error, PilImage.DecompressionBombError,
)  # fmt: skip
"""What Pillow's decoders raise on damaged input: more than its documentation says."""

_LOCK = threading.RLock()


def open_header(data: bytes) -> PilImage.Image:
    """Open a picture's bytes without decoding its pixels, whatever its size: the caller checks ``size``.

    Pillow's own limit (a warning from 89 million pixels, an error from 179) is a global of the process, so it is put
    back at once, and one thread at a time takes it away. Raises any of `DECODER_ERRORS`.
    """
    with _LOCK:
        previous, PilImage.MAX_IMAGE_PIXELS = PilImage.MAX_IMAGE_PIXELS, None
        try:
            return PilImage.open(io.BytesIO(data), formats=FORMATS)
        finally:
            PilImage.MAX_IMAGE_PIXELS = previous


@contextmanager
def hearing() -> Iterator[list[str]]:
    """What Pillow warns of inside the block (damaged EXIF tags and the like), each sentence once."""
    sentences: list[str] = []
    with heard() as said:
        try:
            yield sentences
        finally:
            sentences += dict.fromkeys(" ".join(str(warning).split())[:120] for warning in said)

"""Array aliases and the frozen dataclasses that cross rooms.

Sizes are ``(height, width)``. Arrays are converted once, at the border (PIL, torch, PNG, JSON);
inside, an image is always sRGB, 8 bit, three channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = Any

Image = NDArray[np.uint8]
"""``(H, W, 3)`` uint8 sRGB."""
Mask = NDArray[np.bool_]
"""``(H, W)`` bool."""
Alpha = NDArray[np.float32]
"""``(H, W)`` float32 in [0, 1]; for blending and matting only."""
Box = tuple[int, int, int, int]
"""``x0, y0, x1, y1`` in pixels; right and bottom exclusive."""
Size = tuple[int, int]
"""``height, width`` in pixels."""


class ItemState(StrEnum):
    """Where an item stands in its batch."""

    PENDING = "pending"
    MASKED = "masked"
    PARKED = "parked"
    APPROVED = "approved"
    RENDERED = "rendered"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One photo of one product: a row of the catalog.

    ``row`` is the line of the catalog file (1-based, header included) or the position in a folder.
    ``overrides`` are recipe fields that this row sets, by dotted name: ``{"subject.phrases": ["shoe"]}``.
    """

    sku: str
    view: str
    address: str
    row: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded photo: upright, sRGB, 8 bit.

    ``alpha`` is the file's own transparency, None if it had none or was opaque everywhere.
    ``notes`` says in words what was converted on the way in (``"CMYK to sRGB"``, ``"first of 12 frames"``).
    ``digest`` is the SHA-256 of the file's bytes.
    """

    image: Image
    alpha: Alpha | None = None
    digest: str = ""
    file_format: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Body landmarks of one person.

    ``points`` is (33, 2) float32 in picture pixels (x, y), in MediaPipe's order; ``visibility`` is (33,) in [0, 1].
    """

    points: NDArray[np.float32]
    visibility: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The subject of a picture: what the product is and how sure we are of it.

    ``mask`` is True on the subject; ``alpha`` is its soft matte at the picture's full size;
    ``foreground`` is the picture with the backdrop's colour taken out of the soft edge (equal to the
    picture where alpha is 1). ``confidence`` is in [0, 1]: the finder's estimate that the mask is good
    enough to publish. ``reasons`` says in words why the finder decided so.
    """

    mask: Mask
    alpha: Alpha
    foreground: Image
    confidence: float
    finder: str
    is_person: bool = False
    reasons: tuple[str, ...] = ()
    pose: Pose | None = None

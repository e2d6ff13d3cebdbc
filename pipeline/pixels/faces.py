"""What a face shows of features: a smear where a face goes has none."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from pipeline.types import Box, Image

HEIGHT_PX: Final = 48
"""Faces are compared at this height."""
FINE_PX: Final = 1.5
"""What a Gaussian of this width takes away at that height is detail: lids, brows, the edge of lips."""
SMALLEST_PX: Final = 20
"""A lower face has no detail to lose: enlarged, a good one looks like a smear."""


def face_detail(image: Image, face: Box) -> float | None:
    """How much detail a face has, in levels (0..255); None where too little of it is seen to say.

    ``image`` is (H, W, 3) uint8, ``face`` the box from brows to chin, which may reach beyond the picture. The measure
    is the standard deviation of what a Gaussian takes away at ``HEIGHT_PX``, so that a large face and a small one
    compare. Drawn and photographed faces have 9 and more, a blurred one under 5.
    """
    x0, y0, x1, y1 = face
    crop = image[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    height, width = crop.shape[:2]
    if height < SMALLEST_PX or width < SMALLEST_PX / 2:
        return None
    scale = HEIGHT_PX / height
    gray = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY).astype(np.float32)
    filtered = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(gray, (max(8, round(width * scale)), HEIGHT_PX), interpolation=filtered)
    return float((small - cv2.GaussianBlur(small, (0, 0), FINE_PX)).std())

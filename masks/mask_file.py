"""Masks that come as files: a mask of its own, or the photo's transparency."""

from __future__ import annotations

import io

import numpy as np

from pipeline.errors import ItemError
from pipeline.types import Alpha, Image


def read_mask(data: bytes, image: Image) -> Alpha:
    """A mask file's alpha (H, W) float32: the alpha channel if it has one, else its grey. Soft edges are kept.

    PNG in 1 bit, grey, grey and alpha, or RGBA. Raises ``ItemError`` when it is no picture, has another size than
    ``image``, or is coloured without an alpha channel.
    """
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(data)) as opened:
            opened.load()
            source = opened.copy()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as problem:
        raise ItemError("the mask file is not a picture that can be read; save it as PNG") from problem
    if (source.height, source.width) != image.shape[:2]:
        raise ItemError(
            f"the mask file is {source.width}x{source.height} but the photo is {image.shape[1]}x{image.shape[0]}; "
            "save the mask at the photo's own size"
        )
    if source.mode in ("RGBA", "LA", "PA") or "transparency" in source.info:
        levels = np.asarray(source.convert("RGBA").getchannel("A"), np.float32) / 255
    elif source.mode in ("1", "L"):
        levels = np.asarray(source.convert("L"), np.float32) / 255
    elif source.mode.startswith("I"):
        levels = np.asarray(source, np.float32) / 65535
    else:
        colours = np.asarray(source.convert("RGB"))
        if (np.ptp(colours.astype(np.int16), axis=2) > 2).any():
            raise ItemError("the mask file is coloured and has no alpha channel; save it as a grey or RGBA PNG")
        levels = colours[:, :, 0].astype(np.float32) / 255
    return np.clip(levels, 0, 1).astype(np.float32)


def is_cut_out(alpha: Alpha) -> bool:
    """Some of the picture is clearly there and some clearly not."""
    return float((alpha < 0.1).mean()) > 0.01 and float((alpha > 0.9).mean()) > 0.002

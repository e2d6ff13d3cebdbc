"""What segmenters take, give and are: plain frozen data, shared by the families and by ``masks.segment``."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StoreError
from pipeline.models.checkpoints import Checkpoint
from pipeline.types import Size

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """What the image encoder saw in one picture: computed once, prompted many times, small enough to store.

    Attributes:
        arrays: the encoder's outputs as float16, in the family's order. Rounded when made, so that an embedding
            that comes from the store answers exactly as the one that was stored.
        size: height and width of the picture.
        input_size: height and width of the picture inside the network's square frame.
        frame_px: side of that frame.
        fingerprint: that of the segmenter's checkpoint.
    """

    arrays: tuple[Halves, ...]
    size: Size
    input_size: Size
    frame_px: int
    fingerprint: str = ""

    def to_bytes(self) -> bytes:
        """A compressed NPZ file; the same embedding gives the same bytes."""
        stream = io.BytesIO()
        arrays: dict[str, NDArray[Any]] = {f"array{index}": array for index, array in enumerate(self.arrays)}
        geometry = np.array([*self.size, *self.input_size, self.frame_px], np.int64)
        fingerprint = np.array(self.fingerprint, dtype=np.str_)
        np.savez_compressed(stream, allow_pickle=False, geometry=geometry, fingerprint=fingerprint, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Embedding:
        """Read what ``to_bytes`` wrote.

        Raises:
            StoreError: not such bytes.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                height, width, input_height, input_width, frame_px = (int(value) for value in stored["geometry"])
                count = sum(name.startswith("array") for name in stored.files)
                return cls(
                    arrays=tuple(stored[f"array{index}"] for index in range(count)),
                    size=(height, width),
                    input_size=(input_height, input_width),
                    frame_px=frame_px,
                    fingerprint=str(stored["fingerprint"]),
                )
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise StoreError(f"A stored embedding cannot be read ({error}); remove it and embed again") from error


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Masks for K prompts on one picture.

    Attributes:
        masks: (K, H, W) bool at the picture's size, True on the thing.
        ious: (K,) float32: the network's own estimate of each mask's IoU, about [0, 1].
        logits: (K, h, w) float32: the masks before the threshold at 0, in the network's frame at low resolution; may
            be given back as ``mask_logits`` with further clicks.
    """

    masks: NDArray[np.bool_]
    ious: Floats
    logits: Floats


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Prompts in the network's frame, as torch tensors: K boxes (K, 4), clicks (K, M, 2) with labels (K, M), 1 for
    add and 0 for remove, low-resolution mask logits (K, 1, h, w)."""

    boxes: Any = None
    points: Any = None
    labels: Any = None
    mask_logits: Any = None


@dataclass(frozen=True, kw_only=True)
class Network:
    """A family's loaded network.

    Attributes:
        module: the torch module.
        frame_px: side of the square that pictures are brought to.
        keeps_aspect: the picture is scaled to fit and padded at the right and bottom; otherwise it is stretched.
        mean: per channel, of pixels in 0 to 255.
        std: per channel, of pixels in 0 to 255.
    """

    module: Any
    frame_px: int
    keeps_aspect: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class SegmenterFamily:
    """One architecture's code: a row of ``masks.segment.FAMILIES``.

    Attributes:
        id: what a checkpoint's ``family`` says.
        load: the checkpoint's row, its place on disk and a device to a network.
        encode: network and pixels (1, 3, P, P) to the arrays of an embedding, as tensors.
        decode: network, those tensors, prompts and whether to give three masks a prompt, to low-resolution logits
            (K, C, h, w) and predicted IoUs (K, C).
    """

    id: str
    load: Callable[[Checkpoint, Path, str], Network]
    encode: Callable[[Network, Any], tuple[Any, ...]]
    decode: Callable[[Network, tuple[Any, ...], Prompts, bool], tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class Segmenter:
    """A loaded checkpoint, ready to segment. ``fingerprint`` goes into stage keys."""

    row: Checkpoint
    family: SegmenterFamily
    network: Network
    device: str
    dtype: str
    fingerprint: str

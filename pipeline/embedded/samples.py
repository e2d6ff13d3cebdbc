"""The rendered part of the sample catalog: products that a newcomer sees restaged on the first run.

They lie as JPEG files in ``configs/samples``; ``python -m pipeline.embedded.samples`` draws them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.footwear import ShoeSpec
from pipeline.embedded.palette import DENIM, DYES, rgb
from pipeline.embedded.render import render, render_garment, render_product
from pipeline.embedded.scene import Kind, Scene, SceneSpec, random_looks
from pipeline.files.encode import encode_picture

SIDE_PX: Final = 1600
QUALITY: Final = 90


@dataclass(frozen=True, kw_only=True)
class RenderedSample:
    """One rendered photo of the sample catalog."""

    sku: str
    title: str
    phrase: str
    draw: Callable[[], Scene]


def _product(kind: str, seed: int, backdrop: str, color: str = "") -> Callable[[], Scene]:
    return lambda: render_product(kind, seed, (SIDE_PX, SIDE_PX), backdrop=backdrop, color_name=color)


def _garment(kind: str, seed: int, way: str, backdrop: str) -> Callable[[], Scene]:
    return lambda: render_garment(kind, seed, (SIDE_PX, SIDE_PX), way=way, backdrop=backdrop)


RENDERED: Final = (
    RenderedSample(
        sku="sneaker-mint", title="Canvas sneaker", phrase="shoe", draw=_product("shoe", 5, "white", "mint")
    ),
    RenderedSample(sku="bag-cobalt", title="Shoulder bag", phrase="bag", draw=_product("bag", 3, "grey sweep", "blue")),
    RenderedSample(sku="mug-cream", title="Atelier mug", phrase="mug", draw=_product("mug", 4, "white", "cream")),
    RenderedSample(
        sku="armchair-navy", title="Armchair", phrase="chair", draw=_product("chair", 2, "grey sweep", "navy")
    ),
    RenderedSample(sku="lamp-walnut", title="Table lamp", phrase="lamp", draw=_product("lamp", 7, "white")),
    RenderedSample(
        sku="bottle-wave", title="Steel bottle", phrase="bottle", draw=_product("bottle", 2, "grey sweep", "coral")
    ),
    RenderedSample(
        sku="coat-stripe", title="Striped coat", phrase="coat", draw=_garment("coat", 2, "ghost", "grey sweep")
    ),
)
"""Rows of the rendered samples."""


WORN_SIZE: Final = (1536, 1152)


def _worn(kind: Kind, framing: str, backdrop: str, seed: int, *garments: GarmentSpec) -> Callable[[], Scene]:
    """Garments on a mannequin, with or without a head, or on a person."""

    def draw() -> Scene:
        rng = np.random.default_rng([seed, 31])
        spec = SceneSpec(
            kind=kind, backdrop=backdrop, backdrop_seed=seed, pose_seed=seed, garments=garments,
            looks=random_looks(rng, kind), framing=framing, calm=True,
            shoes=ShoeSpec(kind="shoes", color_name="black", color=rgb(DYES["black"])) if framing == "full" else None,
        )  # fmt: skip
        return render(seed, size=WORN_SIZE, spec=spec)

    return draw


def _piece(kind: str, color: str, **cut: Any) -> GarmentSpec:
    dye = rgb((DENIM if kind == "jeans" else DYES)[color])
    return GarmentSpec(kind=kind, color_name=color, color=dye, **cut)


WORN: Final = (
    RenderedSample(
        sku="tee-nova", title="Printed t-shirt", phrase="t-shirt",
        draw=_worn("headless", "upper", "grey sweep", 4, _piece("trousers", "navy"),
                   _piece("t-shirt", "mustard", print_name="NOVA", sleeve=0.3)),
    ),
    RenderedSample(
        sku="dress-meadow", title="Dress with flowers", phrase="dress",
        draw=_worn("mannequin", "full", "grey sweep", 12,
                   _piece("dress", "teal", pattern="floral", second=rgb(DYES["cream"]), sleeve=0.28, length=0.8)),
    ),
    RenderedSample(
        sku="sweater-atelier", title="Sweater with a word", phrase="sweater",
        draw=_worn("headless", "upper", "paper", 27, _piece("jeans", "light blue"),
                   _piece("sweater", "burgundy", print_name="ATELIER", sleeve=1.0)),
    ),
    RenderedSample(
        sku="jacket-coral", title="Jacket", phrase="jacket",
        draw=_worn("mannequin", "upper", "grey sweep", 8, _piece("trousers", "charcoal"),
                   _piece("jacket", "coral", sleeve=1.0)),
    ),
    RenderedSample(
        sku="sweater-breton", title="Striped sweater", phrase="sweater",
        draw=_worn("person", "upper", "wall", 17, _piece("trousers", "cream"),
                   _piece("sweater", "navy", pattern="striped", second=rgb(DYES["white"]), sleeve=1.0)),
    ),
)  # fmt: skip
"""Garments worn on mannequins and on a person, for the catalog `sample:garment`."""


def _flat(seed: int, garment: GarmentSpec) -> Callable[[], Scene]:
    spec = SceneSpec(kind="flat", backdrop="white", backdrop_seed=seed, pose_seed=seed, garments=(garment,))
    return lambda: render(seed, size=FLAT_SIZE, spec=spec)


FLAT_SIZE: Final = (1280, 1280)
FLAT: Final = (
    RenderedSample(
        sku="tee-coast", title="T-shirt with a word", phrase="t-shirt",
        draw=_flat(4, _piece("t-shirt", "sky blue", print_name="COAST", sleeve=0.3)),
    ),
    RenderedSample(
        sku="trousers-sand", title="Trousers", phrase="trousers", draw=_flat(5, _piece("trousers", "beige")),
    ),
)  # fmt: skip
"""Garments that lie flat: together the look of `sample:garment`."""


def write_rendered(folder: Path) -> None:
    """Draw every rendered sample into ``folder`` as ``SKU.jpg``: 1600 px a side; worn 1536 x 1152, flat 1280."""
    folder.mkdir(parents=True, exist_ok=True)
    for sample in (*RENDERED, *WORN, *FLAT):
        data = encode_picture(sample.draw().image, file_format="jpeg", quality=QUALITY)
        (folder / f"{sample.sku}.jpg").write_bytes(data)


if __name__ == "__main__":
    write_rendered(Path("configs/samples"))

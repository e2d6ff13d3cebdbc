"""The rendered part of the sample catalog: products that a newcomer sees restaged on the first run.

They lie as JPEG files in ``configs/samples``; ``python -m pipeline.embedded.samples`` draws them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.embedded.render import render_garment, render_product
from pipeline.embedded.scene import Scene
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


def write_rendered(folder: Path) -> None:
    """Draw every rendered sample into ``folder`` as ``SKU.jpg``, 1600 px a side."""
    folder.mkdir(parents=True, exist_ok=True)
    for sample in RENDERED:
        data = encode_picture(sample.draw().image, file_format="jpeg", quality=QUALITY)
        (folder / f"{sample.sku}.jpg").write_bytes(data)


if __name__ == "__main__":
    write_rendered(Path("configs/samples"))

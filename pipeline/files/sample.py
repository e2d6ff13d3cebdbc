"""Built-in sample catalogs: ``sample:packshot`` or ``sample:garment`` as a recipe's catalog address.

Photographs come out of installed packages whose licences allow it, products from ``configs/samples``
(drawn by ``pipeline.embedded.samples``); both are credited in a file beside the catalog.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from pipeline.errors import CatalogError
from pipeline.files.address import is_local, local_path, write_file


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One photo of a sample catalog and where it comes from."""

    sku: str
    photo: str
    package: str
    resource: str
    title: str
    phrases: str
    credit: str
    hangs: str = ""
    person: str = ""
    model: str = ""
    wearing: str = ""
    place: str = ""
    mode: str = ""
    worn_with: tuple[tuple[str, str], ...] = ()
    """Phrase and file name of further garments on the same body; they lie beside the photo."""


_DRAWN = "Drawn by Seamline's own renderer. Apache-2.0."


def _drawn(sku: str, title: str, phrases: str, hangs: str = "") -> Sample:
    return Sample(
        sku=sku, photo=f"{sku}.jpg", package="configs", resource=f"samples/{sku}.jpg", title=title, phrases=phrases,
        credit=_DRAWN,
        hangs=hangs,
    )  # fmt: skip


def _photo(sku: str, title: str, phrases: str, package: str, resource: str, credit: str) -> Sample:
    return Sample(
        sku=sku, photo=resource.rsplit("/", 1)[-1], package=package, resource=resource, title=title, phrases=phrases,
        credit=credit,
    )  # fmt: skip


PACKSHOT: Final = (
    _drawn("sneaker-mint", "Canvas sneaker", "shoe"),
    _drawn("bag-cobalt", "Shoulder bag", "bag"),
    _drawn("mug-cream", "Atelier mug", "mug"),
    _drawn("armchair-navy", "Armchair", "chair"),
    _drawn("lamp-walnut", "Table lamp", "lamp"),
    _drawn("bottle-wave", "Steel bottle", "bottle"),
    _drawn("coat-stripe", "Striped coat", "coat", hangs="true"),
    _photo(
        "portrait-collins", "Astronaut Eileen Collins", "person", "skimage", "data/astronaut.png",
        "NASA, Great Images in NASA; public domain. Carried by scikit-image.",
    ),
    _photo(
        "portrait-hopper", "Commodore Grace Hopper", "person", "matplotlib", "mpl-data/sample_data/grace_hopper.jpg",
        "James S. Davis, United States Navy; public domain. Carried by Matplotlib.",
    ),
    _photo(
        "coffee-cup", "Espresso in a cup", "cup", "skimage", "data/coffee.png",
        "Rachel Michetti, courtesy of Pikolo Espresso Bar; CC0-1.0. Carried by scikit-image.",
    ),
    _photo(
        "cat-chelsea", "Chelsea the cat", "cat", "skimage", "data/chelsea.png",
        "Stéfan van der Walt; CC0-1.0. Carried by scikit-image.",
    ),
)  # fmt: skip


def _worn(
    sku: str,
    title: str,
    phrases: str,
    person: str,
    wearing: str,
    place: str,
    *,
    mode: str = "keep",
    photo: str = "",
    model: str = "",
    worn_with: tuple[tuple[str, str], ...] = (),
) -> Sample:
    name = photo or f"{sku}.jpg"
    return Sample(
        sku=sku, photo=name, package="configs", resource=f"samples/{name}", title=title, phrases=phrases,
        credit=_DRAWN,
        person=person,
        model=model,
        wearing=wearing,
        place=place,
        mode=mode,
        worn_with=worn_with,
    )  # fmt: skip


GARMENT: Final = (
    _worn("tee-nova", "Printed t-shirt on a headless mannequin", "t-shirt|trousers",
          "a model with brown skin and short black hair", "a mustard t-shirt and navy trousers",
          "green foliage background"),
    _worn("coat-stripe", "Coat that hangs free", "coat",
          "a woman with tan skin and bob black hair", "a coat and black boots", "grey studio background", mode="place"),
    _worn("tee-coast", "Look of a t-shirt and trousers that lie flat", "t-shirt",
          "a man with tan skin and short brown hair", "a sky blue t-shirt and beige trousers",
          "white studio background", mode="place", worn_with=(("trousers", "trousers-sand.jpg"),)),
    _worn("sweater-breton", "Striped sweater on a person", "striped sweater",
          "a woman with fair skin and bob blond hair", "a navy striped sweater and cream trousers",
          "coloured wall and floor"),
    _worn("sweater-atelier", "Sweater with a word on a headless mannequin", "sweater",
          "", "a burgundy sweater and light blue jeans", "wooden background", model="mateo"),
    _worn("jacket-coral", "Jacket on a mannequin", "jacket",
          "", "a coral jacket and charcoal trousers", "marble background", model="amara"),
    _worn("dress-meadow", "Dress on a mannequin", "dress",
          "a woman with tan skin and long auburn hair", "a teal floral dress and camel shoes",
          "city street background"),
    _worn("sweater-teal", "The striped sweater's person in another one", "striped sweater",
          "a woman", "a teal dotted sweater", "coloured wall and floor", mode="restyle", photo="sweater-breton.jpg"),
)  # fmt: skip
"""Garments worn on mannequins and on a person, each for a person and a place of its own; a coat that hangs hollow, a
look of two that lie flat; and one that is exchanged.

Coat and look take longest and come early, so that no core idles at the end; the exchanged one finds its photo's mask
made.
"""

SAMPLES: Final = {"packshot": PACKSHOT, "garment": GARMENT}


def sample_folder(name: str, runs: str) -> str:
    """Lay out the sample catalog ``name`` below ``runs`` and return the address of its ``catalog.csv``.

    What is there already is left alone, so that a second run finds unchanged photos. Raises CatalogError for an
    unknown name, or a package that has lost its photo.
    """
    samples = SAMPLES.get(name)
    if samples is None:
        raise CatalogError(f"there is no sample catalog {name!r}; there are: {', '.join(sorted(SAMPLES))}")
    root = local_path(runs) if is_local(runs) else Path("runs")
    folder = root / "samples" / name
    for sample in samples:
        for photo in _photos(sample):
            _place(folder / "photos" / photo, sample, photo)
    _keep(folder / "catalog.csv", _catalog(samples))
    credits = [f"{photo}: {s.title}. {s.credit}\n" for s in samples for photo in _photos(s)]
    _keep(folder / "CREDITS.txt", "".join(credits))
    return str(folder / "catalog.csv")


def _photos(sample: Sample) -> tuple[str, ...]:
    return sample.photo, *(name for _, name in sample.worn_with)


def _place(target: Path, sample: Sample, photo: str) -> None:
    if target.exists():
        return
    try:
        data = files(sample.package).joinpath(sample.resource.rpartition("/")[0], photo).read_bytes()
    except (OSError, ModuleNotFoundError) as error:
        raise CatalogError(
            f"the sample photo {photo} is missing from the package {sample.package}: "
            f"reinstall it, or name a catalog of your own in catalog.address"
        ) from error
    write_file(str(target), data)


def _keep(target: Path, text: str) -> None:
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        write_file(str(target), text.encode("utf-8"))


def _catalog(samples: tuple[Sample, ...]) -> str:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    names = ["sku", "photo", "title", "phrases", "shadow_hangs", "mode", "person", "fashion_model", "wearing", "prompt",
             "worn_with"]  # fmt: skip
    values = [
        [s.sku, f"photos/{s.photo}", s.title, s.phrases, s.hangs, s.mode, s.person, s.model, s.wearing, s.place,
         "|".join(f"{phrase}=photos/{name}" for phrase, name in s.worn_with)]
        for s in samples
    ]  # fmt: skip
    used = [at for at in range(len(names)) if any(row[at] for row in values)]
    rows.writerow([names[at] for at in used])
    rows.writerows([row[at] for at in used] for row in values)
    return out.getvalue()

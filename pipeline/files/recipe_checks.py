"""What a recipe needs from outside its file: pictures, folders, protocols, marketplace rows.

Works on the raw data, so that these mistakes are listed together with those of the fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath

from pipeline.files.recipe_messages import Problem, did_you_mean
from pipeline.types import Json

_ADDRESSES = (
    ("catalog", "address"),
    ("catalog", "photo_root"),
    ("subject", "masks"),
    ("background", "picture"),
    ("batch", "runs"),
)


def outside_problems(data: Json) -> list[Problem]:
    """Return what a recipe's raw ``data`` asks for that is not there. Looks at local files only, never at a network."""
    return [*_unknown_protocols(data), *_missing_files(data), *_unknown_marketplace(data), *_unknown_checkpoints(data)]


def _value(data: Json, section: str, field: str) -> str | None:
    below = data.get(section)
    value = below.get(field) if isinstance(below, dict) else None
    return value if isinstance(value, str) and value else None


def _unknown_protocols(data: Json) -> Iterator[Problem]:
    from fsspec import available_protocols

    for section, field in _ADDRESSES:
        address = _value(data, section, field)
        if address is None or "://" not in address:
            continue
        protocol = address.partition("://")[0].partition("::")[0]
        known = available_protocols()
        if protocol not in known:
            guess = did_you_mean(protocol, known) or "Write a folder, or an address such as s3://bucket/folder."
            yield Problem((section, field), f'"{protocol}://" is not a kind of address. {guess}')


def _missing_files(data: Json) -> Iterator[Problem]:
    picture = _value(data, "background", "picture") if _value(data, "background", "kind") == "picture" else None
    if picture and "://" not in picture and not FilePath(picture).is_file():
        yield Problem(("background", "picture"), f"there is no file {picture}: {_from_here()}")
    masks = _value(data, "subject", "masks") if _value(data, "subject", "finder") == "file" else None
    if masks and "://" not in masks and not FilePath(masks).is_dir():
        yield Problem(("subject", "masks"), f"there is no folder {masks}: {_from_here()}")


def _from_here() -> str:
    return f"write its path from the folder that the command runs in ({FilePath.cwd()}), or a full address."


def _unknown_marketplace(data: Json) -> Iterator[Problem]:
    wanted = _value(data, "export", "marketplace")
    known = _marketplaces()
    if wanted is not None and wanted not in known:
        guess = did_you_mean(wanted, known)
        there = f"Rows of configs/marketplaces.yaml: {', '.join(sorted(known))}."
        yield Problem(("export", "marketplace"), " ".join(filter(None, [f'there is no "{wanted}".', guess, there])))


def _marketplaces() -> frozenset[str]:
    from pipeline.files.marketplace import marketplaces

    return frozenset(marketplaces())


def _unknown_checkpoints(data: Json) -> Iterator[Problem]:
    from pipeline.models.checkpoints import checkpoints

    for field in ("detector", "segmenter"):
        wanted = _value(data, "subject", field)
        if wanted is None:
            continue
        known = sorted(row.id for row in checkpoints().values() if row.role == field)
        if wanted not in known:
            guess = did_you_mean(wanted, known)
            there = f"The {field}s of configs/checkpoints.yaml: {', '.join(known)}."
            yield Problem(("subject", field), " ".join(filter(None, [f'there is no "{wanted}".', guess, there])))

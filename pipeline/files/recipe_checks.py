"""What a recipe needs from outside its file: pictures, folders, protocols, marketplace rows.

Works on the raw data, so that these mistakes are listed together with those of the fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from pipeline.files.recipe_controls import CONTROL_KINDS, READERS
from pipeline.files.recipe_fields import as_ids
from pipeline.files.recipe_generation import GarmentSection, phrase_and_photo
from pipeline.files.recipe_messages import Problem, did_you_mean
from pipeline.types import Json

if TYPE_CHECKING:
    from pipeline.models.checkpoints import Checkpoint

_ADDRESSES = (
    ("catalog", "address"),
    ("catalog", "photo_root"),
    ("subject", "masks"),
    ("background", "picture"),
    ("generate", "reference"),
    ("batch", "runs"),
)
_CHECKPOINTS = (
    ("subject", "detector", "detector"),
    ("subject", "segmenter", "segmenter"),
    ("generate", "checkpoint", "generator"),
)
REFINEMENTS = frozenset({"refine", "refine_faces", "refine_hands"})
"""Fields of `upscale` at whose strength something is drawn anew; parts of people by `kind: garment` only."""


def outside_problems(data: Json) -> list[Problem]:
    """Return what a recipe's raw ``data`` asks for that is not there. Looks at local files only, never at a network."""
    return [
        *_unknown_protocols(data),
        *_missing_files(data),
        *_unknown_marketplace(data),
        *_unknown_checkpoints(data),
        *_unfit_generation(data),
    ]


def _value(data: Json, section: str, field: str) -> str | None:
    below = data.get(section)
    value = below.get(field) if isinstance(below, dict) else None
    return value if isinstance(value, str) and value else None


def _number(data: Json, section: str, field: str) -> float:
    """A field's number; 0 where there is none, also where it is of another type: the field's own check tells."""
    below = data.get(section)
    value = below.get(field) if isinstance(below, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0


def _kinds(data: Json, section: str, field: str) -> list[str]:
    """The kinds in a list of controls, those that are words."""
    below = data.get(section)
    listed = below.get(field) if isinstance(below, dict) else None
    entries = listed if isinstance(listed, list) else []
    kinds = [entry.get("kind") if isinstance(entry, dict) else entry for entry in entries]
    return [kind for kind in kinds if kind in CONTROL_KINDS]


def _drawers(data: Json, section: str) -> list[str]:
    """The networks that a section's controls are to be drawn by, those that there are."""
    below = data.get(section)
    listed = below.get("controls") if isinstance(below, dict) else None
    entries = listed if isinstance(listed, list) else []
    named = [(entry.get("kind"), entry.get("by")) for entry in entries if isinstance(entry, dict)]
    return [by for kind, by in named if by in READERS.get(str(kind), ())]


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
    reference = _value(data, "generate", "reference")
    if reference and "://" not in reference and not FilePath(reference).is_file():
        yield Problem(("generate", "reference"), f"there is no file {reference}: {_from_here()}")
    garment = data.get("garment")
    listed = garment.get("worn_with") if isinstance(garment, dict) else None
    for entry in listed if isinstance(listed, list) else ():
        photo = phrase_and_photo(str(entry))[1]
        if photo and "://" not in photo and not FilePath(photo).is_file():
            yield Problem(("garment", "worn_with"), f"there is no file {photo}: {_from_here()}")
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

    for section, field, role in _CHECKPOINTS:
        wanted = _value(data, section, field)
        if wanted is None:
            continue
        known = sorted(row.id for row in checkpoints().values() if row.role == role)
        if wanted not in known:
            guess = did_you_mean(wanted, known)
            there = f"The {role}s of configs/checkpoints.yaml: {', '.join(known)}."
            yield Problem((section, field), " ".join(filter(None, [f'there is no "{wanted}".', guess, there])))


def _unfit_generation(data: Json) -> Iterator[Problem]:
    """What the chosen generator cannot do, found before a minute of computing is spent."""
    from pipeline.errors import LicenceRefused, RecipeError
    from pipeline.models.checkpoints import checkpoints
    from pipeline.models.generators import refuse_unfit, sampling_of
    from pipeline.models.refining import refuse_refining

    below = data.get("generate")
    wanted: dict[str, Json] = below if isinstance(below, dict) else {}
    row = checkpoints().get(str(wanted.get("checkpoint", "inpaint-embedded")))
    generates = _value(data, "background", "kind") == "generated" or data.get("kind") == "garment"
    if not generates or row is None or row.role != "generator":
        return
    accepted = as_ids(data.get("accept_licence"))
    steps, guidance = wanted.get("steps"), wanted.get("guidance")
    negative, scheduler = wanted.get("negative_prompt", ""), wanted.get("scheduler")
    if (
        not isinstance(steps, int | None)
        or not isinstance(guidance, int | float | None)
        or not isinstance(negative, str)
        or not isinstance(scheduler, str | None)
    ):
        return  # the fields' own checks tell
    try:
        _check_licences(row, accepted if isinstance(accepted, list) else (), data)
        sampling = sampling_of(row)
        refuse_unfit(
            row,
            steps=sampling.steps if steps is None else steps,
            guidance=sampling.guidance if guidance is None else guidance,
            negative_prompt=negative,
            scheduler=scheduler,
            controls=[] if data.get("kind") == "garment" else _kinds(data, "background", "controls"),
            reference=_asks_for_reference(data),
            soft_edge=data.get("kind") == "garment" and _number(data, "garment", "soft_edge") > 0,
            compiled=wanted.get("compile") is True,
        )
        for field in sorted(REFINEMENTS) if data.get("kind") == "garment" else ("refine",):
            if strength := _number(data, "upscale", field):
                refuse_refining(row, f"upscale.{field}", strength, steps=steps, guidance=guidance)
    except (RecipeError, LicenceRefused) as error:
        yield Problem(("generate",), str(error))


def _check_licences(row: Checkpoint, accepted: Sequence[str], data: Json) -> None:
    """Refuse what is not accepted of the generator and of all that would be loaded with it. Raises LicenceRefused."""
    from pipeline.models.checkpoints import check_licence, checkpoint
    from pipeline.models.generators import ip_adapter_of, readable_controls

    garment = data.get("kind") == "garment"
    kinds = _kinds(data, *(("garment", "controls") if garment else ("background", "controls")))
    if garment and "controls" not in (data.get("garment") or {}):
        kinds = list(GarmentSection.model_fields["controls"].default)
    check_licence(row, accepted)
    every_item = _value(data, "generate", "reference") is not None  # a column may leave it out
    read = readable_controls(row, reference=every_item)
    for name in dict.fromkeys(row.controlnets[kind] for kind in kinds if kind in read and kind in row.controlnets):
        check_licence(checkpoint(name), accepted)
    for name in _drawers(data, "garment" if garment else "background"):
        check_licence(checkpoint(name), accepted)
    if _asks_for_reference(data) and row.ip_adapter:
        check_licence(ip_adapter_of(row), accepted)


def _asks_for_reference(data: Json) -> bool:
    """Whether a reference picture is named, by the recipe or by a column of its catalog."""
    below = data.get("catalog")
    columns = below.get("columns") if isinstance(below, dict) else None
    return _value(data, "generate", "reference") is not None or (isinstance(columns, dict) and "reference" in columns)

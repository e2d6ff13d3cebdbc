"""The last stages of an item: export, checks, preview. They need no model, and run beside the next item's painting.

photo -> subject -> compose -> | export -> checks -> preview
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from flows.companions import claimed, companion_preview
from flows.finding import evidence_keys
from flows.garments import garment_previews
from flows.keys import key_of, uses_generator
from flows.modes import MODES, subject_of
from flows.way import ItemWay, Made
from masks.shelf_use import has_passed
from pipeline.errors import SeamlineError
from pipeline.files.marketplace import file_name
from pipeline.files.picture import decode_picture
from pipeline.files.recipe import Recipe
from pipeline.files.store import Result
from pipeline.types import Json


@dataclass(frozen=True, kw_only=True)
class Painted:
    """An item's subject and its composed picture; without a picture, the ``reason`` why it is parked."""

    found: Result
    scores: Mapping[str, Json]
    composed: Result | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an item's way ended: finished with a picture (``data``, ``name``), or parked with a ``reason``."""

    keys: Mapping[str, str]
    scores: Mapping[str, Json]
    confidence: float
    reason: str | None = None
    name: str = ""
    data: bytes = field(default=b"", repr=False)


def end(way: ItemWay, painted: Painted) -> Ending:
    """Take a painted item to its end. Raises ItemError or StoreError."""
    found, composed, scores = painted.found, painted.composed, dict(painted.scores)
    if composed is None:
        return _parked(way, found, painted.reason, scores)
    problems = composed.meta.get("problems", [])
    notes: list[Json] = [*composed.meta["notes"]]
    scores |= {"notes": notes, **composed.meta["measures"]}
    passed = has_passed(way.word, composed.digest("image.png"))
    if problems and not passed and not way.for_show:
        return _parked(way, found, "; ".join(problems), scores, composed)
    exported = way.stage("export", way.keys.export, lambda: _export(way, composed))
    checked = way.stage("checks", way.keys.checks, lambda: _check(way, composed, exported))
    notes += [*exported.meta["notes"], *checked.meta["notes"]]
    errors = [*problems, *checked.meta["errors"]]
    if errors and not passed and not way.for_show:
        return _parked(way, found, "the finished picture: " + "; ".join(errors), scores, composed)
    notes += _overruled(way, errors, passed=passed)
    preview = _preview(way, found, exported, composed)
    name = file_name(way.marketplace, way.item.sku, way.item.view, file_format=exported.meta["file_format"])
    return Ending(
        keys={**way.keys.named(), "preview": preview.key},
        scores=scores,
        confidence=float(found.meta["confidence"]),
        name=name,
        data=exported.read("picture"),
    )


def _overruled(way: ItemWay, errors: list[str], *, passed: bool) -> list[str]:
    """What the checks say of a picture that is finished all the same."""
    if not errors:
        return []
    said = f"approved by {way.word.note.by} as it is" if passed and way.word is not None else "would be parked"
    return [f"{said}: {error}" for error in errors]


def _parked(
    way: ItemWay,
    found: Result,
    reason: str,
    scores: Mapping[str, Json],
    composed: Result | None = None,
) -> Ending:
    preview = _preview(way, found, None, composed)
    made = {"compose": composed.key} if composed is not None else {}
    keys = {"subject": found.key, **made, "preview": preview.key, **evidence_keys(way)}
    return Ending(keys=keys, scores=scores, confidence=float(found.meta["confidence"]), reason=reason)


def _export(way: ItemWay, composed: Result) -> Made:
    from pipeline.files.codec import decode_image
    from pipeline.files.export import export_picture
    from pipeline.files.provenance import Provenance

    source, had_person = claimed(way, composed.meta["digital_source"])
    provenance = Provenance(
        digital_source=source,
        generated_person=_person_is_made(way.recipe) or had_person,
        sku=way.item.sku,
        view=way.item.view,
        recipe=way.recipe.name,
        checkpoint=way.recipe.generate.checkpoint if uses_generator(way.recipe) else "",
        seed=way.seed,
        mask_revision=str(way.edited.number if way.edited else 0),
        seamline_version=version("seamline"),
        source_digest=way.digest,
    )
    exported = export_picture(
        decode_image(composed.read("image.png")),
        way.marketplace,
        file_format=way.recipe.export.format,
        quality=way.recipe.export.quality,
        provenance=provenance,
    )
    meta = {"file_format": exported.file_format, "quality": exported.quality, "notes": list(exported.notes)}
    return {"picture": exported.data}, meta


def _person_is_made(recipe: Recipe) -> bool:
    return recipe.kind == "garment" and MODES[recipe.garment.mode].generates_person


def _check(way: ItemWay, composed: Result, exported: Result) -> Made:
    from pipeline.files.lint import lint_picture

    findings = lint_picture(exported.read("picture"), f"{way.item.sku}/{way.item.view}", way.marketplace)
    # We drew the backdrop to the last level. A linter that knows only the file takes the shadow's tail for a tint, and
    # a subject that the photo cuts for a border that is off the colour.
    ours = {"background", "shadow"} if composed.meta["measures"].get("backdrop_error") == 0 else set()
    findings = [finding for finding in findings if finding.rule not in ours]
    errors = [finding for finding in findings if finding.severity == "error"]
    notes = [finding for finding in findings if finding not in errors]
    return {}, {"errors": [str(finding) for finding in errors], "notes": [str(finding) for finding in notes]}


def source_preview(way: ItemWay) -> dict[str, str]:
    """The key of a preview of the photo alone, for an item that failed; empty if the photo itself cannot be read."""

    def make() -> Made:
        from pipeline.files.preview import previews

        return previews(way.picture.image, None, None), None

    try:
        return {"preview": way.stage("preview", key_of("preview", None, [way.digest]), make).key}
    except SeamlineError:
        return {}


def _preview(way: ItemWay, found: Result, exported: Result | None, composed: Result | None = None) -> Result:
    from pipeline.files.codec import decode_image
    from pipeline.files.preview import encode_preview, previews

    def make() -> Made:
        finished = decode_picture(exported.read("picture"), "the finished picture").image if exported else None
        files = previews(way.picture.image, subject_of(found).alpha, finished)
        if composed is not None and exported is None:
            files["taken.jpg"] = encode_preview(decode_image(composed.read("image.png")))
        if composed is not None and way.recipe.kind == "garment":
            files |= garment_previews(composed, way.picture.image, subject_of(found).alpha)
        return files | companion_preview(way), None

    inputs = [result.key for result in (found, composed, exported) if result is not None]
    inputs += [one.keys.subject for one in way.companions]
    return way.stage("preview", key_of("preview", None, inputs), make)

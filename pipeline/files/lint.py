"""Check finished pictures against a marketplace's rules. Reads files only: no recipe, no model, no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import UnreadableImage
from pipeline.files.colour import SAME_AS_SRGB, profile_kind
from pipeline.files.framing import (
    estimate_backdrop,
    fill_share,
    has_frame,
    measure_backdrop,
    product_box,
    touches_border,
)
from pipeline.files.marketplace import Marketplace
from pipeline.files.opening import hearing, open_header
from pipeline.files.picture import Limits, decode_picture
from pipeline.files.provenance import read_provenance
from pipeline.types import Picture

Severity = Literal["error", "warning"]

LINT_LIMITS = Limits(min_side_px=1, max_aspect=1000)
"""Finished files of any shape are read, so that the rules can speak about them."""

BORDER_TOLERATED = 0.002
"""Share of border pixels that may be off: a corner that JPEG rang into."""
_HAZE_TOLERATED = 0.005
"""The last level of a tight shadow is flat as well, over 0.3 % of a backdrop."""
_SHADE_WORTH_SAYING = 0.01
_BLANK_LEVELS = 2.0
_ASPECT_TOLERANCE = 0.005


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule that a picture breaks (``error``) or one piece of advice it does not follow (``warning``)."""

    rule: str
    severity: Severity
    found: str
    asked: str
    fixable: bool = False

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.severity}: {self.rule}: found {self.found}; asked for {self.asked}"


def lint_picture(data: bytes, name: str, row: Marketplace) -> list[Finding]:
    """Everything in a picture file that the marketplace would refuse or advises against, in a fixed order.

    A file that cannot be read is one finding, ``unreadable``.
    """
    try:
        picture = decode_picture(data, name, limits=LINT_LIMITS)
    except UnreadableImage as error:
        return [Finding(rule="unreadable", severity="error", found=str(error), asked="a picture")]
    return [
        *_file_findings(data, picture, row),
        *_size_findings(picture, row),
        *_content_findings(picture, row),
        *_mark_findings(data, row),
    ]


def _file_findings(data: bytes, picture: Picture, row: Marketplace) -> Iterator[Finding]:
    if picture.file_format not in row.formats:
        accepted = ", ".join(row.formats)
        yield Finding(rule="format", severity="error", found=picture.file_format, asked=accepted, fixable=True)
    if row.max_bytes is not None and len(data) > row.max_bytes:
        found, asked = f"{len(data) / 1e6:.2f} MB", f"at most {row.max_bytes / 1e6:g} MB"
        yield Finding(rule="file-size", severity="error", found=found, asked=asked, fixable=True)
    with hearing(), open_header(data) as opened:
        mode, profile = opened.mode, opened.info.get("icc_profile")
    if mode in ("CMYK", "LAB"):
        yield Finding(rule="colour-mode", severity="error", found=mode, asked="RGB", fixable=True)
    elif profile and (kind := profile_kind(profile)) != SAME_AS_SRGB:
        yield Finding(rule="colour-profile", severity="error", found=kind, asked="sRGB", fixable=True)
    if picture.alpha is not None and not row.transparent:
        yield Finding(rule="transparency", severity="error", found="alpha", asked="an opaque picture", fixable=True)
    if frames := [note for note in picture.notes if note.startswith("first of")]:
        yield Finding(rule="animated", severity="error", found=frames[0], asked="one still picture", fixable=True)


def _size_findings(picture: Picture, row: Marketplace) -> Iterator[Finding]:
    height, width = picture.image.shape[:2]
    found = f"{width} x {height} px"
    if max(height, width) < row.min_px or min(height, width) < row.min_short_px:
        asked = f"longest side {row.min_px} px or more"
        asked += f", shortest {row.min_short_px}" if row.min_short_px > 1 else ""
        yield Finding(rule="too-small", severity="error", found=found, asked=asked)
    elif row.advised_px is not None and max(height, width) < 0.75 * row.advised_px:
        yield Finding(rule="small", severity="warning", found=found, asked=f"{row.advised_px} px advised")
    if max(height, width) > row.max_px or height * width > (row.max_pixels or height * width):
        asked = f"longest side {row.max_px} px at most" if max(height, width) > row.max_px else f"{row.max_pixels} px"
        yield Finding(rule="too-large", severity="error", found=found, asked=asked, fixable=True)
    if row.aspect is not None and abs(height / width / row.aspect - 1) > _ASPECT_TOLERANCE:
        severity: Severity = "error" if row.aspect_required else "warning"
        colour = estimate_backdrop(picture.image)
        box = None if colour is None else product_box(picture.image, colour)
        plain = box is not None and not touches_border(box, height, width)
        asked = f"height to width {row.aspect:g}"
        yield Finding(rule="aspect", severity=severity, found=f"{height / width:.3f}", asked=asked, fixable=plain)


def _content_findings(picture: Picture, row: Marketplace) -> Iterator[Finding]:
    image = picture.image
    if float(image.reshape(-1, 3).std(axis=0).max()) < _BLANK_LEVELS:
        yield Finding(rule="blank", severity="error", found="one flat colour", asked="a picture of a product")
        return
    if picture.alpha is None:
        yield from _background_findings(picture, row)
    if min(image.shape[:2]) >= 64 and has_frame(image):
        yield Finding(rule="frame", severity="error", found="a line along all four sides", asked="no border or frame")
    colour = estimate_backdrop(image)
    box = None if colour is None else product_box(image, colour)
    if picture.alpha is not None:
        ys, xs = np.nonzero(picture.alpha > 0.5)
        box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1) if len(xs) else None
    if box is None:
        return
    fill = fill_share(box, *image.shape[:2])
    if not (row.fill_low or 0) <= fill <= (row.fill_high or 1):
        asked = f"{row.fill_low or 0:.0%} to {row.fill_high or 1:.0%} of the frame"
        severity: Severity = "error" if row.background_required else "warning"
        fixable = picture.alpha is None and not touches_border(box, *image.shape[:2])
        yield Finding(rule="fill", severity=severity, found=f"{fill:.0%}", asked=asked, fixable=fixable)


def _background_findings(picture: Picture, row: Marketplace) -> Iterator[Finding]:
    colour = row.background_rgb
    if colour is None:
        return
    severity: Severity = "error" if row.background_required else "warning"
    measured = measure_backdrop(picture.image, colour)
    fixable = measured.border_near >= 0.9
    if measured.border_off > BORDER_TOLERATED:
        found = f"border {measured.typical}, {measured.border_off:.1%} of it off the colour"
        yield Finding(rule="background", severity=severity, found=found, asked=f"exactly {colour}", fixable=fixable)
    elif measured.haze > _HAZE_TOLERATED:
        found = f"a flat tint over {measured.haze:.1%} of the backdrop"
        yield Finding(rule="background", severity=severity, found=found, asked=f"exactly {colour}", fixable=fixable)
    elif measured.shade > _SHADE_WORTH_SAYING and row.background_required:
        found = f"soft shading over {measured.shade:.1%} of the backdrop"
        yield Finding(rule="shadow", severity="warning", found=found, asked=f"{colour} up to the product")


def _mark_findings(data: bytes, row: Marketplace) -> Iterator[Finding]:
    record = read_provenance(data)
    if record is None:
        return
    synthetic_person = record.generated_person or "contains-synthetic-performer" in record.keywords
    if (record.is_generated or synthetic_person) and record.digital_source is None:
        asked = "Iptc4xmpExt:DigitalSourceType compositeWithTrainedAlgorithmicMedia"
        severity: Severity = "error" if row.generated_mark else "warning"
        yield Finding(rule="generated-mark", severity=severity, found="none", asked=asked, fixable=True)
    if record.generated_person and row.ai_person_keyword and row.ai_person_keyword not in record.keywords:
        found = "a generated person without its keyword"
        asked = f"dc:subject {row.ai_person_keyword}"
        yield Finding(rule="person-keyword", severity="error", found=found, asked=asked, fixable=True)

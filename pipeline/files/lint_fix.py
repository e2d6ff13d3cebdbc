"""Bring finished pictures within a marketplace's rules where that is safe, and walk folders of them.

Safe means: nothing of the product changes but its encoding. A near-white backdrop becomes exact, plain margins are
added or cut, files are encoded anew; nothing is enlarged, and nothing is cut that is not plain backdrop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import cv2
import numpy as np

from pipeline.errors import ItemError, SeamlineError
from pipeline.files.encode import EXTENSIONS
from pipeline.files.export import export_picture
from pipeline.files.framing import (
    connected_backdrop,
    estimate_backdrop,
    fill_share,
    measure_backdrop,
    product_box,
    touches_border,
)
from pipeline.files.lint import BORDER_TOLERATED, LINT_LIMITS, Finding, lint_picture
from pipeline.files.marketplace import Marketplace
from pipeline.files.picture import decode_picture, read_bytes
from pipeline.files.provenance import Provenance, read_provenance
from pipeline.types import Alpha, Box, Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif", ".gif", ".bmp", ".jp2"})
_WHITE = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A picture after fixing: its bytes and name, what was done, and what no safe fix could do."""

    data: bytes
    name: str
    fixes: tuple[str, ...]
    left: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Linted:
    """One file of a folder: what was found, and, where fixing was asked for, what was done and what is left."""

    name: str
    findings: tuple[Finding, ...]
    fixes: tuple[str, ...] = ()
    left: tuple[Finding, ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether no error stands, after fixing if that was asked for."""
        return not any(finding.severity == "error" for finding in (self.left if self.fixes else self.findings))


def fix_picture(data: bytes, name: str, row: Marketplace) -> Fixed:
    """Fix what is safe to fix. Without fixable findings the bytes come back as they are. Deterministic."""
    findings = lint_picture(data, name, row)
    if not any(finding.fixable for finding in findings):
        return Fixed(data=data, name=name, fixes=(), left=tuple(findings))
    picture = decode_picture(data, name, limits=LINT_LIMITS)
    fixes = [note for note in picture.notes if "sRGB" in note or "first of" in note or "CMYK" in note]
    image, alpha = picture.image, picture.alpha
    if alpha is not None and not row.transparent:
        image, alpha = _flatten(image, alpha, row), None
        fixes.append("transparency laid on the background")
    rules = {finding.rule for finding in findings if finding.fixable}
    if alpha is None:
        if "background" in rules:
            image = _exact_background(image, row, fixes)
        if rules & {"aspect", "fill"}:
            image = _reframed(image, row, fixes)
    image, alpha = _within_size(image, alpha, row, fixes)
    file_format = picture.file_format if picture.file_format in row.writable_formats else row.formats[0]
    if file_format != picture.file_format:
        fixes.append(f"{picture.file_format} to {file_format}")
    record = _completed(read_provenance(data), fixes)
    if not fixes and "file-size" not in rules:
        return Fixed(data=data, name=name, fixes=(), left=tuple(findings))
    try:
        exported = export_picture(image, row, alpha=alpha, file_format=file_format, quality=95, provenance=record)
    except ItemError as error:
        failed = Finding(rule="file-size", severity="error", found=str(error), asked="a smaller file")
        return Fixed(data=data, name=name, fixes=(), left=(*findings, failed))
    fixes += [note for note in exported.notes if note.startswith("quality")] or ["encoded anew"]
    suffix = PurePosixPath(name).suffix
    renamed = name if file_format == picture.file_format else f"{name.removesuffix(suffix)}.{EXTENSIONS[file_format]}"
    left = tuple(lint_picture(exported.data, renamed, row))
    return Fixed(data=exported.data, name=renamed, fixes=tuple(fixes), left=left)


def lint_folder(address: str, row: Marketplace, *, fix_to: str | None = None) -> Iterator[Linted]:
    """Lint every picture of a folder (local or any fsspec address), in the order of their names, subfolders included.

    With ``fix_to`` every picture, fixed where needed and possible, is written into that folder under the same
    relative path (with the new format's suffix). Raises StoreError when the folder cannot be listed or written.
    """
    from pipeline.files.address import join, write_file

    taken: set[str] = set()
    for path, relative in _pictures(address):
        try:
            data = read_bytes(path, max_bytes=LINT_LIMITS.max_bytes)
        except SeamlineError as error:
            failed = Finding(rule="unreadable", severity="error", found=str(error), asked="a picture")
            yield Linted(name=relative, findings=(failed,))
            continue
        findings = tuple(lint_picture(data, relative, row))
        if fix_to is None:
            yield Linted(name=relative, findings=findings)
            continue
        fixed = fix_picture(data, relative, row)
        target = fixed.name if fixed.name not in taken else f"{relative}.{fixed.name.rpartition('.')[2]}"
        taken.add(target)
        if not any(finding.rule == "unreadable" for finding in findings):
            write_file(join(fix_to, *PurePosixPath(target).parts), fixed.data)
        yield Linted(name=relative, findings=findings, fixes=fixed.fixes, left=fixed.left)


def _pictures(address: str) -> Iterator[tuple[str, str]]:
    """Address and path relative to the folder of each file whose name says that it is a picture."""
    from pipeline.files.address import explained, locate

    fs, root = locate(address)
    with explained(address, "listed"):
        if not fs.isdir(root):
            raise FileNotFoundError(address)
        found = sorted(fs.find(root))
    for path in found:
        if PurePosixPath(path).suffix.lower() in SUFFIXES:
            yield str(fs.unstrip_protocol(path)), str(path)[len(str(root)) :].lstrip("/")


def _flatten(image: Image, alpha: Alpha, row: Marketplace) -> Image:
    under = np.array(row.background_rgb or _WHITE, np.float32)
    mixed = image * alpha[..., None] + under * (1 - alpha[..., None])
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _exact_background(image: Image, row: Marketplace, fixes: list[str]) -> Image:
    colour = row.background_rgb
    if colour is None:
        return image
    backdrop = connected_backdrop(image, colour, smooth=True)
    # The smoothness test keeps one pixel off every edge; take those back where they are near the colour too.
    near = connected_backdrop(image, colour)
    backdrop = (cv2.dilate(backdrop.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & near
    changed = backdrop & (image != np.array(colour, np.uint8)).any(axis=2)
    if not changed.any():
        return image
    whitened = image.copy()
    whitened[backdrop] = colour
    if measure_backdrop(whitened, colour).border_off > BORDER_TOLERATED:
        return image  # it is no plain backdrop: half of it whitened would look worse
    fixes.append(f"backdrop set to exactly {row.background} over {changed.mean():.0%} of the picture")
    return whitened


def _reframed(image: Image, row: Marketplace, fixes: list[str]) -> Image:
    """Cut or add plain margins so that aspect and fill are as asked. Never scales."""
    colour = estimate_backdrop(image)
    box = None if colour is None else product_box(image, colour)
    height, width = image.shape[:2]
    if colour is None or box is None or touches_border(box, height, width):
        return image
    aspect = row.aspect if row.aspect is not None else height / width
    fill = fill_share(box, height, width)
    wanted = fill if (row.fill_low or 0) <= fill <= (row.fill_high or 1) else row.fill_target
    canvas_height, canvas_width = _canvas(box, aspect, wanted)
    too_small = max(canvas_height, canvas_width) < row.min_px or min(canvas_height, canvas_width) < row.min_short_px
    if too_small and max(height, width) >= row.min_px:
        return image  # cutting margins would make it too small, and enlarging is no fix of a linter's
    fixes.append(f"re-framed from {width} x {height} to {canvas_width} x {canvas_height} px by plain margins")
    return _placed(image, box, (canvas_height, canvas_width), colour)


def _canvas(box: Box, aspect: float, fill: float) -> tuple[int, int]:
    """The canvas (height, width) of ``aspect`` on which ``box`` fills ``fill`` of one side and no more of the other."""
    box_width, box_height = box[2] - box[0], box[3] - box[1]
    width = max(box_width, box_height / aspect) / fill
    return round(width * aspect), round(width)


def _placed(image: Image, box: Box, size: tuple[int, int], colour: tuple[int, int, int]) -> Image:
    """The picture around ``box`` on a canvas with the box in its middle; plain colour where the picture ends."""
    height, width = size
    left = round((box[0] + box[2] - width) / 2)
    top = round((box[1] + box[3] - height) / 2)
    canvas = np.full((height, width, 3), colour, np.uint8)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, image.shape[1]), min(top + height, image.shape[0])
    canvas[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return canvas


def _within_size(image: Image, alpha: Alpha | None, row: Marketplace, fixes: list[str]) -> tuple[Image, Alpha | None]:
    height, width = image.shape[:2]
    scale = min(1.0, row.max_px / max(height, width), ((row.max_pixels or height * width) / (height * width)) ** 0.5)
    if scale >= 1:
        return image, alpha
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    fixes.append(f"scaled down from {width} x {height} to {size[0]} x {size[1]} px")
    smaller = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if alpha is None:
        return smaller, None
    return smaller, np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _completed(record: Provenance | None, fixes: list[str]) -> Provenance | None:
    """The file's own record, with the digital source that its other fields imply."""
    if record is None or record.digital_source is not None:
        return record
    if record.is_generated or "contains-synthetic-performer" in record.keywords:
        fixes.append("marked as compositeWithTrainedAlgorithmicMedia")
        return replace(record, digital_source="compositeWithTrainedAlgorithmicMedia")
    return record

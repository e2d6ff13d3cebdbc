"""A folder of photos as a catalog: SKUs and views from folder and file names.

The rule, also in docs/recipes.md: a photo in a subfolder has the SKU of the folder that holds it and its own stem as
view; a photo right in the catalog's folder is ``SKU.VIEW.jpg`` or ``SKU.jpg`` (view ``main``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pipeline.files.catalog_columns import MAIN_VIEW

PHOTO_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".avif", ".bmp", ".gif"},
)
NOT_READ = frozenset(
    {".heic", ".heif", ".jxl", ".psd", ".psb", ".svg", ".pdf", ".eps", ".ai"}
    | {".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf"},
)
"""Endings of pictures that are reported, since a studio would expect them to be worked on."""


def sku_and_view(relative: str) -> tuple[str, str]:
    """Return SKU and view of a photo by its path in the catalog's folder, parted by ``/``."""
    *folders, name = relative.split("/")
    stem = PurePosixPath(name).stem
    if folders:
        return folders[-1], stem
    # A view begins with a letter, so that "cup-1.5l.jpg" stays one SKU.
    match = re.fullmatch(r"(.+)\.([A-Za-z][A-Za-z0-9_-]*)", stem)
    return (match[1], match[2]) if match else (stem, MAIN_VIEW)


def folder_files(fs: Any, root: str) -> Iterator[str]:
    """Yield the files below ``root`` (a path of the fsspec file system ``fs``), relative to it, in a fixed order.

    Folders are listed one at a time: memory follows the largest single folder. Names that begin with a dot are left
    out; a link to a folder that holds it is not followed.
    """
    yield from _walk(fs, root.rstrip("/") or "/", "", (os.path.realpath(root),))


def _walk(fs: Any, root: str, below: str, above: tuple[str, ...]) -> Iterator[str]:
    folder = f"{root.rstrip('/')}/{below}".rstrip("/") or "/"
    for name, is_folder in sorted(_entries(fs, folder)):
        if name.startswith("."):
            continue
        relative = f"{below}/{name}" if below else name
        if not is_folder:
            yield relative
            continue
        real = os.path.realpath(f"{folder}/{name}")
        if real not in above:
            yield from _walk(fs, root, relative, (*above, real))


def _entries(fs: Any, folder: str) -> list[tuple[str, bool]]:
    if "file" in _protocols(fs):
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir()) for entry in entries]
    found = []
    for entry in fs.ls(folder, detail=True):
        path = entry["name"].rstrip("/")
        if path != folder.rstrip("/"):  # object stores list a folder's own marker
            found.append((path.rpartition("/")[2], entry["type"] == "directory"))
    fs.invalidate_cache(folder)
    return found


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)

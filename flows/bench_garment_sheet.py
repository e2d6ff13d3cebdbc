"""The picture of docs/garment.md that shows keep mode beside the plain practice, from what the bench drew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.files.encode import encode_picture
from pipeline.files.picture import read_picture
from pipeline.types import Image


def overview(folder: Path, names: tuple[str, str], *, scenes: int = 3) -> Path | None:
    """Photo, ours, plain practice and truth of the first ``scenes`` that were drawn both ways: one below the other.

    ``names`` are those two ways; their files in ``folder`` hold photo, result and truth side by side. None where
    nothing was drawn both ways.
    """
    rows: list[Image] = []
    for first in sorted(folder.glob(f"*-{names[0]}.jpg")):
        second = folder / first.name.replace(names[0], names[1])
        if second.exists() and len(rows) < scenes:
            one, other = (np.split(read_picture(str(path)).image, 3, axis=1) for path in (first, second))
            rows.append(np.concatenate([one[0], one[1], other[1], one[2]], axis=1))
    if not rows:
        return None
    path = folder / "overview.jpg"
    path.write_bytes(encode_picture(np.concatenate(rows), file_format="jpeg", quality=85))
    return path

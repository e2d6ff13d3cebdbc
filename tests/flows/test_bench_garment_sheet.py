"""The bench's overview puts photo, both ways and the truth of a scene side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flows.bench_garment_sheet import overview
from pipeline.files.encode import encode_picture
from pipeline.files.picture import read_picture

SHADES = {"7-ours": (10, 90, 200), "7-plain": (10, 150, 200), "8-ours": (10, 90, 200)}


def test_scenes_that_were_drawn_both_ways_are_shown(tmp_path: Path) -> None:
    for name, shades in SHADES.items():
        row = np.concatenate([np.full((160, 120, 3), shade, np.uint8) for shade in shades], axis=1)
        (tmp_path / f"{name}.jpg").write_bytes(encode_picture(row, file_format="jpeg", quality=95))
    path = overview(tmp_path, ("ours", "plain"))
    assert path is not None
    image = read_picture(str(path)).image
    assert image.shape == (160, 480, 3)
    middles = image[80, 60::120, 0].astype(int)
    assert np.abs(middles - [10, 90, 150, 200]).max() <= 4


def test_without_pictures_of_both_ways_there_is_none(tmp_path: Path) -> None:
    assert overview(tmp_path, ("ours", "plain")) is None

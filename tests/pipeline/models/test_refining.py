"""Refining: how many steps, by which control, and who cannot."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import RecipeError
from pipeline.models.checkpoints import Checkpoint, checkpoint, checkpoints
from pipeline.models.refining import detail_control, detail_maps, refining_steps, refuse_refining


@pytest.mark.parametrize(
    ("name", "strength", "steps", "expected"),
    [
        ("sd15-inpainting", 0.3, None, 27),
        ("sd15-inpainting", 0.5, None, 25),
        ("sd15-inpainting", 0.5, 40, 40),
        ("sd15-lcm", 0.5, None, 8),
        ("inpaint-embedded", 0.05, None, 80),
        ("sdxl-turbo", 0.3, None, 4),
    ],
)
def test_as_many_steps_as_the_checkpoint_needs_are_executed(
    name: str, strength: float, steps: int | None, expected: int
) -> None:
    row = checkpoint(name)
    found = refining_steps(row, strength, steps)
    assert found == expected
    assert row.sampling is not None
    assert int(found * strength) >= max(1, row.sampling.min_steps)


def test_a_tile_control_is_taken_before_edges_and_other_rows_do_without() -> None:
    assert detail_control(checkpoint("sd15-inpainting")) == "tile"
    assert detail_control(checkpoint("sdxl-lcm")) == "tile"
    assert detail_control(checkpoint("flux1-dev")) == "canny"
    assert detail_control(checkpoint("inpaint-embedded")) == "canny"
    assert detail_control(checkpoint("ssd-1b")) is None
    assert detail_control(checkpoint("studio-renderer")) is None, "it reads canny maps and has no net to hold a tile"


def test_maps_are_the_picture_or_its_edges_and_a_flat_wall_has_none() -> None:
    image = np.full((32, 32, 3), 90, np.uint8)
    image[:, 16:] = 200
    (tile,), (canny,) = detail_maps("tile", image), detail_maps("canny", image)
    assert np.array_equal(tile.image, image)
    assert canny.image.shape == image.shape
    assert canny.image[:, 14:18].any()
    assert not canny.image[:, :10].any()
    assert canny.scale < tile.scale == 1
    (blank,) = detail_maps("canny", image[:, :16])
    assert not blank.image.any()
    assert detail_maps(None, image) == ()


def refused(row: Checkpoint, strength: float) -> str:
    try:
        refuse_refining(row, "upscale.refine", strength, steps=None, guidance=None)
    except RecipeError as error:
        return str(error)
    return ""


def test_every_row_refines_or_says_why_not() -> None:
    rows = [row for row in checkpoints().values() if row.role == "generator"]
    cannot = {row.id for row in rows if "from nothing" in refused(row, 0.5)}
    assert {"studio-renderer", "omnigen-v1", "comfyui-inpaint"} == cannot
    short = {row.id for row in rows if "that it needs" in refused(row, 0.5)}
    assert {"hyper-sd15-1step", "hyper-sd15-8step", "sdxl-lightning-4step", "dmd2-sdxl-4step"} <= short
    able = {row.id for row in rows if not refused(row, 0.5)}
    assert able | cannot | short == {row.id for row in rows}
    assert {"sd15-inpainting", "sdxl-base", "sd15-lcm", "flux1-dev", "qwen-image", "inpaint-embedded"} <= able
    assert "sd15-lcm: upscale.refine 0.3 of at most 8 steps is under the 4" in refused(checkpoint("sd15-lcm"), 0.3)


def test_a_guidance_that_the_row_cannot_take_is_refused_as_elsewhere() -> None:
    with pytest.raises(RecipeError, match="guidance 30 is outside"):
        refuse_refining(checkpoint("sd15-inpainting"), "upscale.refine", 0.3, steps=None, guidance=30)

"""The inpaint pass with a generator that paints plain colours: what it repaints, and what it may never touch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.models.families import Family, Generator, Inpaint
from pipeline.passes.inpaint import BLENDERS, Wish, blended, clusters, denoise_mask, inpaint, soft_strengths
from pipeline.pixels.checks import outside_difference
from tests.pipeline.models.generator_folders import as_row, generator_row

WISH = Wish(prompt="a wall", seed=3)


def painter(asked: list[Inpaint], level: int = 180) -> Generator:
    """A generator whose pictures are grainy grey, and which remembers what it was asked."""

    def call(pipe: Any, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
        asked.extend(requests)
        return {"requests": requests}

    def pipe(requests: tuple[Inpaint, ...]) -> Any:
        rng = np.random.default_rng(requests[0].seed)
        images = [np.clip(rng.normal(level, 12, (*one.size, 3)) / 255, 0, 1) for one in requests]
        return SimpleNamespace(images=images)

    family = Family(
        id="sd15", multiple_of=8, controls=frozenset(), negative_prompt=True, load=lambda *_: None, call=call
    )
    row = as_row(generator_row(Path("x"), sampling={"native_px": [64, 64], "multiple_of": 8}))
    return Generator(row=row, family=family, pipe=pipe, device="cpu", fingerprint="")


def photo(seed: int, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(90, 120, (*size, 3), dtype=np.uint8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_outside_the_mask_every_pixel_is_the_photos(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, repaint = photo(seed), np.zeros((120, 160), np.bool_)
    for _ in range(int(rng.integers(1, 4))):
        y, x = int(rng.integers(0, 110)), int(rng.integers(0, 150))
        repaint[y : y + int(rng.integers(2, 40)), x : x + int(rng.integers(2, 60))] = True
    done = inpaint(painter([]), image, repaint, WISH)
    assert outside_difference(image, done.image, repaint) == 0
    assert (done.image[repaint] != image[repaint]).any()
    assert len(done.crops) == len(done.blenders) == len(done.seams)


def test_an_empty_mask_gives_the_photo_back() -> None:
    asked: list[Inpaint] = []
    image = photo(1)
    done = inpaint(painter(asked), image, np.zeros((120, 160), np.bool_), WISH)
    assert done.image is image
    assert asked == []


def test_far_apart_parts_are_cropped_by_themselves_and_near_ones_together() -> None:
    mask = np.zeros((400, 400), np.bool_)
    mask[10:40, 10:40] = mask[350:380, 350:390] = True
    parts = clusters(mask)
    assert len(parts) == 2
    assert np.array_equal(parts[0] | parts[1], mask)
    assert parts[0].sum() >= parts[1].sum()
    mask[10:40, 45:60] = True
    assert len(clusters(mask)) == 2
    asked: list[Inpaint] = []
    done = inpaint(painter(asked), photo(2, (400, 400)), mask, WISH)
    assert len(asked) == len(done.crops) == 2


def test_the_model_is_asked_at_its_native_size_with_the_recipes_numbers() -> None:
    asked: list[Inpaint] = []
    mask = np.zeros((120, 160), np.bool_)
    mask[40:80, 50:110] = True
    inpaint(painter(asked), photo(3), mask, Wish(prompt="a wall", steps=7, guidance=2.5, seed=11))
    request = asked[0]
    assert abs(request.size[0] * request.size[1] / 64**2 - 1) < 0.25
    assert (request.steps, request.guidance, request.seed, request.prompt) == (7, 2.5, 11, "a wall")
    assert request.repaint.shape == request.size


def test_a_strap_of_one_pixel_survives_the_way_to_the_native_size() -> None:
    asked: list[Inpaint] = []
    mask = np.zeros((600, 600), np.bool_)
    mask[20:580, 300] = True
    inpaint(painter(asked), photo(4, (600, 600)), mask, WISH)
    assert asked[0].repaint.any(axis=1).mean() > 0.7


def test_the_denoise_mask_holds_the_repaint_mask_and_grows_with_strength() -> None:
    mask = np.zeros((512, 512), np.bool_)
    mask[200:300, 200:300] = True
    weak, strong = denoise_mask(mask, strength=0.3), denoise_mask(mask, strength=1.0)
    assert (weak >= mask).all()
    assert mask.sum() < weak.sum() < strong.sum()
    assert strong[180, 250]
    assert not strong[170, 250], "4 px and half of 32 px, no more"


@pytest.mark.parametrize("name", list(BLENDERS))
def test_every_blender_is_clamped_to_the_mask(name: str) -> None:
    base, patch = photo(5), photo(6) + 60
    mask = np.zeros((120, 160), np.bool_)
    mask[30:90, 40:120] = True
    assert outside_difference(base, BLENDERS[name](base, patch, mask), mask) == 0


def test_the_join_with_the_smallest_step_is_taken() -> None:
    from pipeline.pixels.checks import seam_step

    base = photo(7)
    patch = np.clip(photo(8).astype(int) + np.linspace(-60, 60, 160).astype(int)[None, :, None], 0, 255).astype(
        np.uint8
    )
    mask = np.zeros((120, 160), np.bool_)
    mask[30:90, 40:120] = True
    image, name, step = blended(base, patch, mask)
    assert name in BLENDERS
    assert step == pytest.approx(seam_step(image, mask))
    others = [seam_step(method(base, patch, mask), mask) for method in BLENDERS.values()]
    assert step <= max(others) + 1e-6


def test_a_soft_edge_rises_inside_the_mask_and_leaves_all_else_alone() -> None:
    asked: list[Inpaint] = []
    image, mask = photo(9), np.zeros((120, 160), np.bool_)
    mask[30:90, 40:120] = True
    done = inpaint(painter(asked), image, mask, replace(WISH, soft_edge=0.1))
    assert outside_difference(image, done.image, mask) == 0
    strengths = asked[0].strengths
    assert strengths is not None
    assert strengths.shape == asked[0].size
    middle = strengths[strengths.shape[0] // 2]
    assert (np.diff(middle[: middle.size // 2]) >= -1e-6).all()
    assert middle.max() == 1
    assert ((middle > 0.1) & (middle < 0.9)).sum() >= 6, "two edges of 16 px of 160"
    assert not strengths[~asked[0].repaint].any()
    inpaint(painter(asked), image, mask, WISH)
    assert asked[1].strengths is None


def test_only_what_is_kept_makes_an_edge_soft() -> None:
    kept = np.zeros((40, 60), np.bool_)
    kept[:, :20] = True
    strengths = soft_strengths(kept, width_px=8)
    assert strengths is not None
    assert not strengths[:, :20].any()
    assert (np.diff(strengths[0, 20:30]) >= 0).all()
    assert strengths[0, 20] < 0.1
    assert (strengths[0, 29:] == 1).all(), "up to the picture's own edge"
    assert soft_strengths(kept, width_px=0.4) is None
    assert soft_strengths(np.zeros_like(kept), width_px=8) is None

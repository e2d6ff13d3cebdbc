"""Running out of memory: less at a time, then tiles; noted, and forgotten by what comes later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from pipeline.errors import OutOfMemory
from pipeline.models.checkpoints import EXTRA_ROWS
from pipeline.models.devices import loaded_models
from pipeline.models.families import Generator, Inpaint
from pipeline.models.generators import generate, held_gb, load_generator
from pipeline.models.ladder import take_notes
from tests.pipeline.models.generator_folders import generator_row
from tests.tiny_diffusion import write_folder


class Cramped:
    """A pipeline on a device that holds ``fits`` pictures, or ``fits_tiled`` with its VAE in tiles."""

    def __init__(self, pipe: Any, *, fits: int, fits_tiled: int = 0) -> None:
        self.pipe, self.fits, self.fits_tiled, self.calls = pipe, fits, fits_tiled, list[tuple[int, bool]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipe, name)

    def __call__(self, **arguments: Any) -> Any:
        count, tiled = len(arguments["image"]), bool(self.pipe.vae.use_tiling)
        self.calls.append((count, tiled))
        if count > (self.fits_tiled if tiled else self.fits):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.pipe(**arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("random"), channels=9)


@pytest.fixture
def generator(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator:
    rows = tmp_path / "rows.yaml"
    rows.write_text(yaml.safe_dump({"checkpoints": [generator_row(folder)]}))
    monkeypatch.setenv(EXTRA_ROWS, str(rows))
    loaded_models().clear()
    return load_generator("random", device="cpu")


def request(seed: int, size: tuple[int, int] = (48, 32)) -> Inpaint:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    repaint = np.zeros(size, np.bool_)
    repaint[8:40, 4:28] = True
    return Inpaint(image=image, repaint=repaint, prompt="marble background", seed=seed, steps=2, guidance=1.0)


def cramped(generator: Generator, **fits: int) -> Cramped:
    generator.pipe = Cramped(generator.pipe, **fits)
    return generator.pipe


def test_a_batch_that_does_not_fit_is_made_in_smaller_ones(generator: Generator) -> None:
    wanted = [request(seed) for seed in range(5)]
    alone = [generate(generator, [one])[0] for one in wanted]
    pipe = cramped(generator, fits=2)
    made = generate(generator, wanted)
    assert [count for count, _ in pipe.calls] == [5, 3, 2, 2, 1]
    for one, other in zip(alone, made, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 2
    assert take_notes(generator) == ["out of memory with 5 at 32x48 px: made 2 at a time"]
    assert take_notes(generator) == []


def test_the_limit_is_known_for_that_size_and_no_other(generator: Generator) -> None:
    pipe = cramped(generator, fits=2)
    generate(generator, [request(seed) for seed in range(4)])
    pipe.calls.clear()
    generate(generator, [request(seed) for seed in range(4)])
    assert [count for count, _ in pipe.calls] == [2, 2], "no second failure for what is known"
    pipe.calls.clear()
    take_notes(generator)
    generate(generator, [request(seed, size=(32, 32)) for seed in range(2)])
    generate(generator, [request(9)])
    assert pipe.calls == [(2, False), (1, False)]
    assert take_notes(generator) == [], "smaller work runs as if nothing had happened"


def test_one_picture_that_does_not_fit_is_made_in_tiles_which_are_undone(generator: Generator) -> None:
    pipe = cramped(generator, fits=0, fits_tiled=1)
    generate(generator, [request(1), request(2)])
    assert pipe.calls == [(2, False), (1, False), (1, True), (1, True)]
    assert not generator.pipe.vae.use_tiling
    assert not generator.pipe.vae.use_slicing
    assert take_notes(generator) == ["out of memory with 2 at 32x48 px: made 1 at a time, VAE in tiles"]


def test_what_fits_no_way_is_an_error_and_poisons_nothing(generator: Generator) -> None:
    pipe = cramped(generator, fits=0)
    with pytest.raises(OutOfMemory, match="generating 1 pictures with random"):
        generate(generator, [request(1)])
    assert not generator.pipe.vae.use_tiling
    pipe.fits = 4
    assert len(generate(generator, [request(1, size=(32, 32)), request(2, size=(32, 32))])) == 2


def test_a_load_that_does_not_fit_drops_what_else_is_loaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.models import generators

    rows = tmp_path / "rows.yaml"
    rows.write_text(yaml.safe_dump({"checkpoints": [generator_row(folder)]}))
    monkeypatch.setenv(EXTRA_ROWS, str(rows))
    loaded_models().clear()
    loaded_models().get("other", 0.1, object)
    own, tries = generators.family_of, list[bool]()

    def family_of(row: Any) -> Any:
        family = own(row)

        def load(*arguments: Any) -> Any:
            tries.append("other" in loaded_models())
            if tries[-1]:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return family.load(*arguments)

        return type(family)(**{**vars(family), "load": load})

    monkeypatch.setattr(generators, "family_of", family_of)
    made = load_generator("random", device="cpu")
    assert tries == [True, False]
    assert 0 < held_gb(made) < 0.1

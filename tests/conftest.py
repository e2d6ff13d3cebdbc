"""Tiny random weights of the rectified-flow families, for the tests of several rooms.

What they import is heavy, and most tests do without it: so it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny tensors: more threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def flow_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of weights for every row of those families, in its true layout."""
    from tests.pipeline.models import flow_mirror

    place = flow_mirror.write_mirror(tmp_path_factory.mktemp("mirror"))
    yield place
    flow_mirror.remove(place)


@pytest.fixture
def flow_rows(flow_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """They are this machine's weights, and the rows have a small size."""
    from pipeline.models.checkpoints import EXTRA_ROWS
    from pipeline.models.devices import loaded_models
    from pipeline.models.weights import MIRROR
    from tests.pipeline.models import flow_mirror

    monkeypatch.setenv(MIRROR, str(flow_weights))
    monkeypatch.setenv(EXTRA_ROWS, str(flow_mirror.write_rows(tmp_path / "rows.yaml")))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    flow_mirror.shrink_what_diffusers_fixes(monkeypatch)
    loaded_models().clear()
    yield
    loaded_models().clear()

"""A small cache of rendered scenes for the tests of trainings."""

from pathlib import Path

import pytest

from pipeline.embedded.train.data import SceneCache, build_cache, open_cache


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    build_cache(folder, 6, first_seed=0, size_px=128)
    return folder


@pytest.fixture(scope="module")
def cache(scenes) -> SceneCache:
    return open_cache(scenes)

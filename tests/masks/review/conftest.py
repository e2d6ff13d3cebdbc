"""A parked batch, and the page over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.masks.review.parked import Parked, doubts, park


@pytest.fixture
def parked(tmp_path: Path) -> Iterator[Parked]:
    """Three drawn photos that wait, worst first."""
    made = park(tmp_path, doubts())
    yield made
    made.ledger.close()

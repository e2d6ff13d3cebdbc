"""Where a subject goes: fill, centre, and edges that cut it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pixels import geometry, placement
from pipeline.pixels.placement import Edges
from pipeline.types import Box, Size
from tests.pipeline.pixels.test_geometry import boxes_in_pictures, disc


@given(boxes_in_pictures(), st.integers(100, 2000), st.integers(100, 2000), st.floats(0.3, 1))
def test_place_fills_the_longest_side_and_centres(case: tuple[Box, Size], height: int, width: int, fill: float) -> None:
    box, _ = case
    spot = placement.place(box, (height, width), fill=fill)
    x0, y0, x1, y1 = spot.box
    share = max((x1 - x0) / width, (y1 - y0) / height)
    assert abs(share - fill) <= 0.016 * fill + 1 / min(height, width)
    assert 0 <= x0 < x1 <= width or x1 - x0 == 1
    assert abs(x0 - (width - x1)) <= 1
    assert abs(y0 - (height - y1)) <= 1


def test_a_scale_near_one_becomes_exactly_one() -> None:
    spot = placement.place((0, 0, 400, 842), (1000, 1000), fill=0.85)
    assert spot.scale == 1.0
    assert geometry.box_size(spot.box) == (842, 400)


def test_a_subject_cut_at_the_bottom_stays_glued_to_it() -> None:
    spot = placement.place((100, 50, 300, 600), (1000, 1000), fill=0.8, cut=Edges(bottom=True))
    assert spot.box[3] == 1000
    assert spot.box[1] == pytest.approx(100, abs=1)
    assert abs(spot.box[0] - (1000 - spot.box[2])) <= 1


def test_a_subject_cut_on_opposite_edges_spans_the_canvas() -> None:
    spot = placement.place((100, 0, 300, 600), (1000, 800), fill=0.8, cut=Edges(top=True, bottom=True))
    assert (spot.box[1], spot.box[3]) == (0, 1000)
    sideways = placement.place((0, 100, 600, 400), (500, 1000), fill=0.8, cut=Edges(left=True, bottom=True))
    assert sideways.box[0] == 0
    assert sideways.box[3] == 500


def test_too_much_growth_makes_the_canvas_smaller() -> None:
    spot = placement.place((0, 0, 50, 100), (2000, 1000), fill=0.8, max_growth=4)
    assert spot.scale == 4
    assert spot.canvas == (500, 250)
    assert geometry.box_size(spot.box) == (400, 200)


def test_cut_edges_are_found_and_a_mere_touch_is_none() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[30:, 30:70] = True
    assert placement.cut_edges(mask) == Edges(bottom=True)
    touch = np.pad(disc(60, 30), ((40, 0), (20, 20)))
    touch[-2:] = False
    touch[-1, 49:51] = True
    assert not placement.cut_edges(touch)
    assert not placement.cut_edges(np.zeros((9, 9), np.bool_))

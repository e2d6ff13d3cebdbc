from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.outcome import ChunkOutcome, add_up, tally
from pipeline.types import ItemState

counts = st.fixed_dictionaries({state.value: st.integers(0, 50) for state in ItemState})


@given(counts, st.integers(0, 20))
def test_every_item_is_counted_once(counts: dict[str, int], bad_rows: int) -> None:
    sums = tally(counts, bad_rows)
    assert sums.total == sum(counts.values()) + bad_rows
    assert sums.total == sums.finished + sums.parked + sums.failed + sums.left


def test_the_last_line_says_where_items_went() -> None:
    assert tally({"accepted": 10, "parked": 4, "failed": 98}, 2).line == (
        "in 114 = finished 10 + parked 4 + failed 100"
    )
    assert tally({"accepted": 1, "pending": 2}).line.endswith("+ left 2")


def test_a_person_s_rejection_is_a_failure() -> None:
    assert tally({"rejected": 1}).failed == 1


def test_outcomes_add_up() -> None:
    one = ChunkOutcome(states={"accepted": 2}, executed={"subject": 2})
    two = ChunkOutcome(states={"accepted": 1, "failed": 1}, executed={"compose": 1})
    both = add_up([one, two])
    assert both.items == 4
    assert both.executed == {"subject": 2, "compose": 1}

"""The bench's own arithmetic; what it measures is measured by running it."""

from __future__ import annotations

from flows.bench import Figure, compare


def test_ratio_says_which_way_it_goes() -> None:
    assert Figure(group="g", what="w", seconds=2.0, base_s=2.0).ratio == "1"
    assert Figure(group="g", what="w", seconds=0.5, base_s=2.0).ratio == "4 times faster"
    assert Figure(group="g", what="w", seconds=6.0, base_s=2.0).ratio == "3 times slower"


def test_every_way_is_warmed_up_and_then_timed_as_often_as_asked() -> None:
    calls = {"a": 0, "b": 0}

    def count(name: str) -> None:
        calls[name] += 1

    figures = compare("g", {"a": lambda: count("a"), "b": lambda: count("b")}, repeats=4)
    assert calls == {"a": 5, "b": 5}
    assert [figure.what for figure in figures] == ["a", "b"]
    assert {figure.base_s for figure in figures} == {figures[0].seconds}


def test_a_single_repeat_runs_once_without_a_warm_up() -> None:
    calls: list[int] = []
    compare("g", {"a": lambda: calls.append(1)}, repeats=1)
    assert calls == [1]

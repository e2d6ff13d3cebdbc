"""Warnings of one thread, while others are inside, too."""

from __future__ import annotations

import threading
import warnings

import pytest

from pipeline.hearing import heard


def test_what_is_said_inside_is_heard_and_nothing_is_left_behind() -> None:
    before = warnings.filters, warnings.showwarning
    with heard() as outer:
        warnings.warn("one", UserWarning, stacklevel=1)
        with heard() as inner:
            warnings.warn("two", UserWarning, stacklevel=1)
        warnings.warn("one", UserWarning, stacklevel=1)
    assert [str(one) for one in outer] == ["one", "one"]
    assert [str(one) for one in inner] == ["two"]
    assert (warnings.filters, warnings.showwarning) == before
    with pytest.raises(UserWarning, match="as before"):
        warnings.warn("as before", UserWarning, stacklevel=1)


def test_threads_hear_themselves_whoever_leaves_last() -> None:
    before = warnings.filters, warnings.showwarning
    told: list[list[str]] = []
    entered, left = threading.Event(), threading.Event()

    def beside() -> None:
        with heard() as said:
            warnings.warn("beside", UserWarning, stacklevel=1)
            entered.set()
            assert left.wait(10)
            warnings.warn("alone", UserWarning, stacklevel=1)
        told.append([str(one) for one in said])

    thread = threading.Thread(target=beside)
    with heard() as said:
        thread.start()
        assert entered.wait(10)
        warnings.warn("here", UserWarning, stacklevel=1)
    left.set()
    thread.join()
    assert [str(one) for one in said] == ["here"]
    assert told == [["beside", "alone"]]
    assert (warnings.filters, warnings.showwarning) == before


def test_a_librarys_own_catching_that_outlives_a_block_is_mended_at_the_next() -> None:
    before = warnings.filters, warnings.showwarning
    entered, leave = threading.Event(), threading.Event()

    def beside() -> None:
        with heard():
            entered.set()
            assert leave.wait(10)

    thread = threading.Thread(target=beside)
    thread.start()
    assert entered.wait(10)
    with warnings.catch_warnings():
        leave.set()
        thread.join()
    assert warnings.showwarning is not before[1], "what catch_warnings does to threads"
    with heard():
        pass
    assert (warnings.filters, warnings.showwarning) == before

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_protocol.session import (
    DEFAULT_READ_AHEAD,
    NO_READ_AHEAD,
    UNBOUNDED,
    ReadAhead,
)


def test_the_whole_read_ahead_is_granted_at_the_beginning() -> None:
    assert ReadAhead(10, 1000).start().begin() == (10, 1000)


def test_credit_is_renewed_when_half_of_the_items_are_consumed() -> None:
    plan = ReadAhead(10, 1000).start()
    plan.begin()
    plan.received(10)

    assert [plan.consumed(5) for _ in range(5)] == [(0, 0)] * 4 + [(5, 25)]
    assert plan.demanded() == (0, 0)


def test_credit_is_renewed_when_half_of_the_bytes_are_consumed() -> None:
    plan = ReadAhead(10, 1000).start()
    plan.begin()
    plan.received(3)

    assert plan.consumed(499) == (0, 0)
    assert plan.consumed(1) == (2, 500)


def test_without_read_ahead_each_item_is_granted_when_it_is_asked_for() -> None:
    plan = NO_READ_AHEAD.start()

    assert plan.begin() == (0, UNBOUNDED)
    for _ in range(3):
        assert plan.demanded() == (1, 0)
        plan.received(1)
        assert plan.consumed(10**9) == (0, 0)


def test_a_larger_item_is_let_through_when_nothing_else_waits() -> None:
    plan = ReadAhead(10, 1000).start()
    plan.begin()
    plan.received(2)

    assert plan.wanted(5000) == (0, 0)
    assert plan.consumed(100) == (0, 0)
    assert plan.consumed(100) == (0, 5000)
    plan.received(1)

    # What was granted in advance is not granted again.
    assert plan.consumed(5800) == (3, 1000)


def test_what_is_renewed_counts_for_the_larger_item() -> None:
    plan = ReadAhead(10, 1000).start()
    plan.begin()
    plan.received(1)
    plan.wanted(5000)

    assert plan.consumed(600) == (1, 600 + 4400)


@pytest.mark.parametrize(
    ("items", "size"), [(-1, 1), (1, 0), (UNBOUNDED, 1), (1, UNBOUNDED)]
)
def test_a_read_ahead_is_bounded(items: int, size: int) -> None:
    with pytest.raises(ValueError, match="read-ahead needs"):
        ReadAhead(items, size)


def test_the_default_is_a_read_ahead() -> None:
    assert DEFAULT_READ_AHEAD.items > 0


@given(
    st.integers(1, 20),
    st.integers(1, 500),
    st.lists(st.integers(4, 700), max_size=60),
    st.data(),
)
def test_every_stream_comes_to_its_end_within_its_bounds(
    most_items: int, most_size: int, sizes: list[int], data: st.DataObject
) -> None:
    plan = ReadAhead(most_items, most_size).start()
    items, size = plan.begin()
    to_send, waiting = deque(sizes), deque[int]()
    told = False
    while to_send or waiting:
        while to_send and items and to_send[0] <= size:
            items, size = items - 1, size - to_send[0]
            waiting.append(to_send.popleft())
            plan.received(1)
            told = False
        assert len(waiting) <= most_items
        assert sum(waiting) <= most_size or len(waiting) == 1
        more = (0, 0)
        if to_send and items and not told and (not waiting or data.draw(st.booleans())):
            told = True
            more = plan.wanted(to_send[0] - size)
        elif waiting:
            more = plan.consumed(waiting.popleft())
        else:
            raise AssertionError("the stream stands still")
        items, size = items + more[0], size + more[1]

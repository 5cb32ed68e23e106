from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.conversation import Pair
from pyro_protocol.dispatch import StreamStarted
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    DEFAULT_READ_AHEAD,
    NO_READ_AHEAD,
    UNBOUNDED,
    ReadAhead,
    StreamClosed,
    StreamEnded,
    StreamItems,
    StreamWants,
    item_size,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

NATIVE = serializers["native"]


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


class Reading:
    """A generator of a server, and a client that reads it ahead.

    Args:
        policy: how far ahead.
        values: what the generator yields.
    """

    def __init__(self, policy: ReadAhead, values: Sequence[str]) -> None:
        self.policy = policy
        # How often the generator was advanced, the client asked, and got something.
        self.advanced = self.asked = self.taken = 0
        self.generator = self.generate(values)
        self.waiting: deque[tuple[int, str]] = deque()
        self.ended = False
        self.pair = Pair()
        self.pair.client.send_call(NATIVE, "thing", "items", (), {})
        (request,) = self.pair.to_server()
        self.number = self.pair.server.open_stream(NATIVE)
        self.pair.server.send_result(request, StreamStarted("s", self.number))
        assert len(self.pair.to_client()) == 1
        self.plan = policy.start()
        self.grant(self.plan.begin())

    def generate(self, values: Sequence[str]) -> Generator[str, None, None]:
        yield from values

    def grant(self, credit: tuple[int, int]) -> None:
        if credit != (0, 0):
            self.pair.client.grant(self.number, *credit)

    def produce(self) -> None:
        """Let the server do one step, with what has arrived there."""
        for signal in self.pair.server_signals():
            if isinstance(signal, StreamClosed):
                self.generator.close()
                self.pair.server.end_stream(self.number)
        if self.pair.server.can_produce(self.number):
            self.advanced += 1
            try:
                self.pair.server.send_item(self.number, next(self.generator))
            except StopIteration:
                self.pair.server.end_stream(self.number)

    def receive(self) -> None:
        """Let the client take in what has arrived there."""
        for signal in self.pair.client_signals():
            if isinstance(signal, StreamItems):
                self.plan.received(len(signal.items))
                self.waiting.extend(
                    (item_size(item), NATIVE.loads(item)) for item in signal.items
                )
            elif isinstance(signal, StreamWants):
                self.grant(self.plan.wanted(signal.missing))
            else:
                assert isinstance(signal, StreamEnded)
                self.ended = True

    def ask(self) -> None:
        """The program wants an item, and waits for it unless it waits already."""
        if not self.waiting and not self.ended and self.asked == self.taken:
            self.asked += 1
            self.grant(self.plan.demanded())

    def take(self) -> str | None:
        """The program takes an item that has arrived."""
        if not self.waiting:
            return None
        size, value = self.waiting.popleft()
        self.taken += 1
        self.asked = max(self.asked, self.taken)
        self.grant(self.plan.consumed(size))
        return value

    def check(self) -> None:
        """Check how far ahead the generator and the client's memory are."""
        assert self.advanced <= self.taken + max(self.policy.items, 1)
        if not self.policy.items:
            assert self.advanced <= self.asked
        sizes = [size for size, _value in self.waiting]
        assert len(sizes) <= max(self.policy.items, 1)
        assert len(sizes) <= 1 or sum(sizes) <= self.policy.bytes


POLICIES = st.one_of(
    st.just(NO_READ_AHEAD),
    st.builds(ReadAhead, st.integers(0, 6), st.integers(1, 400)),
)
LENGTHS = st.lists(st.integers(0, 600), max_size=25)


@settings(deadline=None)
@given(
    POLICIES,
    LENGTHS,
    st.lists(st.sampled_from(["produce", "receive", "ask", "take"]), max_size=80),
)
def test_a_generator_is_never_farther_ahead_than_was_asked_for(
    policy: ReadAhead, lengths: list[int], steps: list[str]
) -> None:
    values = [f"{index} " + "x" * length for index, length in enumerate(lengths)]
    reading = Reading(policy, values)
    got = []
    for step in steps:
        value = getattr(reading, step)()
        if value is not None:
            got.append(value)
        reading.check()
    # Whatever was done in what order, a program that reads on gets everything.
    for _ in range(4 * len(values) + 8):
        reading.ask()
        reading.produce()
        reading.receive()
        value = reading.take()
        if value is not None:
            got.append(value)
        reading.check()
    assert got == values
    assert reading.ended


@given(LENGTHS, st.integers(0, 3))
def test_without_read_ahead_nothing_is_produced_without_a_demand(
    lengths: list[int], demands: int
) -> None:
    reading = Reading(NO_READ_AHEAD, ["x" * length for length in lengths])
    for demand in range(1, demands + 1):
        for _ in range(3):
            reading.produce()
            reading.receive()
        assert reading.advanced == min(demand - 1, len(lengths) + 1)
        reading.ask()
        for _ in range(3):
            reading.produce()
            reading.receive()
        reading.take()
        assert reading.advanced == min(demand, len(lengths) + 1)


def test_closing_ends_a_generator_that_was_read_ahead() -> None:
    reading = Reading(ReadAhead(2, 100), ["a", "b", "c"])
    reading.produce()
    reading.pair.client.close_stream(reading.number)

    reading.produce()

    assert reading.advanced == 1
    assert next(reading.generator, "closed") == "closed"
    reading.receive()
    assert not reading.waiting
    assert not reading.pair.client.grant(reading.number, 1, 1)

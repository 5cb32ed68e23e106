"""Items of streams that are asked for one by one are what those sent ahead are."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.wire.frame import JOIN_BELOW
from pyro_suite import Configuration, Daemon, Proxy, current_context, errors, expose
from support.gate import Gate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

VALUES: list[Any] = [
    *(None, True, 0, -1, 127, 128, 1 << 63, 1 << 80, 1.5, "", "a", "é" * 500),
    *("x" * (JOIN_BELOW - 20), "x" * (2 * JOIN_BELOW), b"", b"bytes", bytearray(b"a")),
    *([], {}, (), (1, (2, "3")), {"a": [1]}, bytes(1 << 20), {1, 2}),
]


@expose
class Source(Gate):
    """Makes streams."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = threading.Semaphore(0)

    def values(self) -> Iterator[Any]:
        yield from VALUES

    def same_list(self, count: int) -> Iterator[list[int]]:
        numbers: list[int] = []
        for number in range(count):
            numbers.append(number)
            yield numbers

    def count(self, last: int) -> Generator[int, None, str]:
        try:
            yield from range(last)
        finally:
            self.closed.release()
        return "the end"

    async def count_later(self, last: int) -> AsyncIterator[int]:
        for number in range(last):
            yield number

    def fails_after(self, count: int) -> Iterator[int]:
        yield from range(count)
        raise KeyError("no more")

    def unsendable_after(self, count: int) -> Iterator[Any]:
        try:
            yield from range(count)
            yield threading.Lock()
        finally:
            self.closed.release()

    def gated_after(self, count: int) -> Iterator[int]:
        try:
            yield from range(count)
            while True:
                yield self.enter(count)
        finally:
            self.closed.release()

    def asks(self, ask: Any, count: int) -> Iterator[Any]:
        for number in range(count):
            yield ask(number)

    def context(self, count: int) -> Iterator[Any]:
        for _ in range(count):
            yield [
                current_context.client is not None,
                sorted(current_context.annotations),
                threading.current_thread() is not threading.main_thread(),
            ]

    def add(self, one: int, other: int) -> int:
        return one + other


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.open()


@pytest.fixture
def asking(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    server_settings: Configuration,
    servertype: str,
    source: Source,
) -> Proxy:
    """A proxy that asks for each item."""
    server_settings.SERVERTYPE = servertype
    client_settings.STREAM_READ_AHEAD = 0
    return connect(start(source))


@pytest.mark.parametrize("serializer", ["native", "serpent"])
def test_values_are_those_that_are_sent_ahead(asking: Proxy, serializer: str) -> None:
    found = []
    settings = Configuration(use_environment=False)
    with Proxy(asking._pyroUri, config=settings) as ahead:
        for proxy in (asking, ahead):
            proxy._pyroSerializer = serializer
            found.append([(type(one), one) for one in proxy.values()])
    assert found[0] == found[1]
    if serializer == "native":
        assert [value for _type, value in found[0]] == VALUES


def test_an_item_is_what_it_was_when_it_was_made(asking: Proxy) -> None:
    assert list(asking.same_list(4)) == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


@pytest.mark.parametrize("method", ["count", "count_later"])
def test_a_stream_ends_with_what_its_generator_returns(
    asking: Proxy, method: str
) -> None:
    for count in (0, 1, 50):
        stream = getattr(asking, method)(count)
        assert list(stream) == list(range(count))
        assert stream.result == ("the end" if method == "count" else None)
        assert list(stream) == []


@pytest.mark.parametrize("count", [0, 1, 20])
def test_what_a_generator_raises_comes_after_its_items(
    asking: Proxy, count: int
) -> None:
    stream = asking.fails_after(count)
    assert [next(stream) for _ in range(count)] == list(range(count))
    with pytest.raises(KeyError, match="no more"):
        next(stream)
    assert next(stream, "end") == "end"
    assert asking.add(1, 2) == 3


def test_an_item_that_cannot_travel_ends_the_stream(
    asking: Proxy, source: Source
) -> None:
    stream = asking.unsendable_after(5)
    assert [next(stream) for _ in range(5)] == list(range(5))
    with pytest.raises(errors.SerializeError):
        next(stream)
    assert source.closed.acquire(timeout=DEADLINE)
    assert next(stream, "end") == "end"


@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_stream_that_is_left_closes_its_generator(
    asking: Proxy, source: Source, how: str
) -> None:
    for taken in range(5):
        stream = asking.count(10**9)
        for number in range(taken):
            assert next(stream) == number
        if how == "close":
            stream.close()
            assert next(stream, None) is None
        del stream
        # One that has not begun runs no code when it is closed.
        assert not taken or source.closed.acquire(timeout=DEADLINE)
        assert asking.add(1, 2) == 3


def test_a_connection_that_ends_closes_its_generators(
    asking: Proxy, source: Source
) -> None:
    stream = asking.count(10**9)
    assert [next(stream) for _ in range(5)] == list(range(5))
    asking._pyroRelease()
    assert source.closed.acquire(timeout=DEADLINE)
    with pytest.raises(errors.ConnectionClosedError):
        next(stream)


def test_a_generator_runs_in_the_context_of_its_call(asking: Proxy) -> None:
    current_context.annotations = {"TEST": b"text"}
    try:
        stream = asking.context(5)
    finally:
        current_context.annotations = {}
    first, *others = list(stream)
    assert first[0]
    assert "TEST" in first[1]
    assert all(one == first for one in others)


@pytest.mark.parametrize("servertype", ["thread"])
def test_calls_go_on_while_an_item_takes_long(asking: Proxy, source: Source) -> None:
    stream = asking.gated_after(5)
    assert [next(stream) for _ in range(5)] == list(range(5))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, stream)
        source.wait_for_visitors()
        for number in range(50):
            assert asking.add(number, 1) == number + 1
        source.open()
        assert waiting.result(DEADLINE) == 5
    # It is as it was before.
    assert [next(stream) for _ in range(5)] == [5] * 5
    assert asking.add(1, 2) == 3


@pytest.mark.parametrize("servertype", ["thread"])
def test_a_stream_is_closed_while_an_item_takes_long(
    asking: Proxy, source: Source
) -> None:
    stream = asking.gated_after(5)
    assert [next(stream) for _ in range(5)] == list(range(5))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, stream, "closed")
        source.wait_for_visitors()
        stream.close()
        assert waiting.result(DEADLINE) == "closed"
    source.open()
    assert source.closed.acquire(timeout=DEADLINE)
    assert asking.add(1, 2) == 3


def test_a_time_limit_counts_for_each_item(asking: Proxy, source: Source) -> None:
    stream = asking.gated_after(5)
    asking._pyroTimeout = 0.05
    taken: list[int] = []

    def take_all() -> None:
        for item in stream:
            taken.append(item)  # noqa: PERF402 - it does not come to an end

    # A busy machine may make any of them late, and then it comes later.
    with pytest.raises(errors.TimeoutError):
        take_all()
    asking._pyroTimeout = DEADLINE
    source.open()
    while len(taken) < 8:
        taken.append(next(stream))
    assert taken == [0, 1, 2, 3, 4, 5, 5, 5]


def test_a_generator_calls_the_client_back(asking: Proxy) -> None:
    def double(number: int) -> int:
        return 2 * number

    assert list(asking.asks(expose(double), 20)) == list(range(0, 40, 2))


def test_streams_take_turns_with_each_other_and_with_calls(asking: Proxy) -> None:
    streams = [asking.count(30) for _ in range(3)]
    for number in range(30):
        assert [next(one) for one in streams] == [number] * 3
        assert asking.add(number, 1) == number + 1
    assert [next(one, "end") for one in streams] == ["end"] * 3


def test_threads_share_a_stream_and_a_connection(asking: Proxy) -> None:
    shared = asking.count(300)

    def consume(thread: int) -> list[int]:
        if thread % 2:
            return list(shared)
        own = list(asking.count(100))
        assert [asking.add(one, 0) for one in own] == own
        return []

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(consume, range(4), timeout=DEADLINE))
    assert sorted(item for part in parts for item in part) == list(range(300))


def test_streams_with_a_bounded_life_give_their_items(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    server_settings: Configuration,
    servertype: str,
    source: Source,
) -> None:
    server_settings.SERVERTYPE = servertype
    server_settings.ITER_STREAM_LIFETIME = DEADLINE
    client_settings.STREAM_READ_AHEAD = 0
    assert list(connect(start(source)).count(20)) == list(range(20))

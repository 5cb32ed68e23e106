"""Streams between threads of a client and a daemon, in both directions."""

from __future__ import annotations

import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.serializers.classes import (
    register_class_to_dict,
    register_dict_to_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)
from pyro_suite import (
    Configuration,
    Daemon,
    Proxy,
    errors,
    expose,
    oneway,
)
from support.daemons import eventually
from support.gate import Gate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

MANY = 20_000


@expose
class Source(Gate):
    """Makes streams, and takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.produced = 0
        self.closed = threading.Semaphore(0)
        self.taken: list[Any] = []
        self.kept: Any = None
        self.noted: list[Any] = []

    def count(self, last: int) -> Generator[int, None, int]:
        try:
            for number in range(last):
                self.produced += 1
                yield number
        finally:
            self.closed.release()
        return last

    def values(self, values: list[Any], times: int) -> Iterator[Any]:
        for _ in range(times):
            yield from values

    def blocks(self, count: int, size: int) -> Iterator[bytes]:
        for number in range(count):
            self.produced += 1
            yield bytes([number % 256]) * size

    def fails_after(self, count: int) -> Iterator[int]:
        yield from range(count)
        raise KeyError("no more")

    def gated(self, count: int) -> Iterator[int]:
        for number in range(count):
            self.enter(number)
            yield number

    async def count_slowly(self, last: int) -> AsyncIterator[int]:
        for number in range(last):
            self.produced += 1
            yield number
            await asyncio.sleep(0)

    def add(self, one: int, other: int) -> int:
        return one + other

    def get_produced(self) -> int:
        return self.produced

    def take(self, items: Any) -> list[Any]:
        return list(items)

    def take_some(self, items: Any, count: int) -> list[Any]:
        return [next(items) for _ in range(count)]

    def take_all(self, *streams: Any) -> list[Any]:
        return [list(items) for items in streams]

    def take_nested(self, value: dict[str, Any]) -> list[Any]:
        return [list(items) for items in value["streams"]]

    async def take_asynchronously(self, items: Any) -> list[Any]:
        return [item async for item in items]

    def keep(self, items: Any) -> None:
        self.kept = items

    def take_kept(self) -> list[Any]:
        return list(self.kept)

    def drop_kept(self) -> None:
        self.kept = None

    def refuse(self, items: Any) -> None:
        raise ValueError("not wanted")

    def refuse_later(self, items: Any) -> None:
        raise ValueError(f"not wanted after {next(items)}")

    @oneway
    def note(self, items: Any) -> None:
        self.noted.append(items)


# The results of calls


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.open()


def test_a_slow_consumer_holds_the_generator_back(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    server_settings: Configuration,
    servertype: str,
    source: Source,
) -> None:
    server_settings.SERVERTYPE = servertype
    client_settings.STREAM_READ_AHEAD = 50
    proxy = connect(start(source))
    for number, item in enumerate(proxy.count(2000)):
        assert item == number
        # Taken in pieces, of which one is being consumed here.
        assert source.produced <= number + 1 + 50
    assert source.produced == 2000


def test_without_read_ahead_each_item_is_made_when_it_is_asked_for(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    source: Source,
) -> None:
    client_settings.STREAM_READ_AHEAD = 0
    proxy = connect(start(source))
    stream = proxy.count(100)
    for number in range(100):
        assert proxy.get_produced() == number
        assert next(stream) == number
    with pytest.raises(StopIteration) as caught:
        next(stream)
    assert caught.value.value == 100
    assert stream.result == 100


def test_an_item_may_be_larger_than_all_that_may_be_read_ahead(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    proxy = connect(start(source))
    size = 3_000_000
    for number, block in enumerate(proxy.blocks(6, size)):
        assert block == bytes([number]) * size
        assert source.produced <= number + 3


@pytest.mark.parametrize(
    "values",
    [
        *([1, 2, 3], [1.5], [None, True, False], ["a", "b" * 31], ["é", 1 << 40, -1]),
        *([1, "c" * 32], [1, [2]], [b"a", 1], [(1, 2)], [1 << 80, 1], [{"a": 1}]),
    ],
)
def test_items_come_as_they_were_given(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], values: list[Any]
) -> None:
    proxy = connect(start(Source()))
    found = list(proxy.values(values, 700))
    assert found == values * 700
    assert [*map(type, found)] == [*map(type, values)] * 700


@pytest.mark.parametrize("how", ["break", "close", "with", "drop"])
def test_a_stream_that_is_left_closes_its_generator(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    source: Source,
    how: str,
) -> None:
    proxy = connect(start(source))
    for _ in range(20):
        stream = proxy.count(10**9)
        assert next(stream) == 0
        if how == "break":
            for _item in stream:
                break
        elif how == "close":
            stream.close()
            assert next(stream, None) is None
        elif how == "with":
            with stream:
                next(stream)
        del stream
        assert source.closed.acquire(timeout=DEADLINE)
        assert proxy.add(1, 2) == 3


def test_what_a_generator_raises_comes_after_its_items(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    stream = connect(start(source)).fails_after(1500)
    assert [next(stream) for _ in range(1500)] == list(range(1500))
    with pytest.raises(KeyError, match="no more"):
        next(stream)
    assert next(stream, "end") == "end"


def test_streams_and_calls_of_many_threads_share_the_connection(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    server_settings: Configuration,
    servertype: str,
    source: Source,
) -> None:
    server_settings.SERVERTYPE = servertype
    client_settings.HEARTBEAT_INTERVAL = 0
    client_settings.STREAM_READ_AHEAD = 20
    daemon = start(source)
    proxy = connect(daemon)

    def consume(number: int) -> int:
        if number % 3 == 0:
            return sum(proxy.count(1000))
        if number % 3 == 1:
            return sum(proxy.count_slowly(1000))
        return sum(proxy.add(one, 0) for one in range(1000))

    with ThreadPoolExecutor(9) as pool:
        totals = list(pool.map(consume, range(9), timeout=DEADLINE))
    assert totals == [sum(range(1000))] * 9
    assert len(daemon.connections()) == 1


def test_threads_that_share_a_stream_get_each_item_once(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    stream = connect(start(source)).count(MANY)

    def consume(_thread: int) -> list[int]:
        return list(stream)

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(consume, range(4), timeout=DEADLINE))
    assert sorted(item for part in parts for item in part) == list(range(MANY))


def test_a_short_call_hands_the_reading_over_to_who_waits_for_an_item(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
) -> None:
    # Nobody else would notice for him that the item has arrived.
    client_settings.HEARTBEAT_INTERVAL = 0
    stream_gate = Source()
    daemon = start(stream_gate)
    call_gate = Gate()
    daemon.register(call_gate, "gate")
    proxy = connect(daemon)
    stream = proxy.gated(3)
    stream_gate.wait_for_visitors()
    other: Any = proxy._pyro_binding
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(other.invoke, "enter", (7,), {}, 0, "gate")
        call_gate.wait_for_visitors()
        waiting = pool.submit(next, stream)
        eventually(lambda: any(s.asleep for s in other.channel._sleepers()))
        call_gate.open()
        assert call.result(DEADLINE) == 7
        stream_gate.open()
        assert waiting.result(DEADLINE) == 0
    assert list(stream) == [1, 2]


def test_closing_a_stream_ends_the_wait_of_another_thread(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    source: Source,
) -> None:
    proxy = connect(start(source))
    stream = proxy.gated(3)
    connection: Any = proxy._pyroConnection
    source.wait_for_visitors()
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(next, stream, "end")
        eventually(connection._sleepers)
        pool.submit(stream.close).result(DEADLINE)
        assert waiting.result(DEADLINE) == "end"
    source.open()


def test_a_lost_connection_ends_a_stream_with_an_error(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    daemon = start(source)
    proxy = connect(daemon)
    stream = proxy.gated(3)
    connection: Any = proxy._pyroConnection
    source.wait_for_visitors()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, stream)
        eventually(connection._sleepers)
        proxy._pyroRelease()
        with pytest.raises(errors.ConnectionClosedError):
            waiting.result(DEADLINE)
    source.open()
    with pytest.raises((errors.ConnectionClosedError, StopIteration)):
        next(stream)
    assert list(proxy.count(3)) == [0, 1, 2]


def test_a_proxy_may_be_released_in_the_midst_of_a_stream(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    source: Source,
) -> None:
    client_settings.STREAM_READ_AHEAD = 10
    proxy = connect(start(source))
    seen: list[int] = []

    def consume() -> None:
        for item in proxy.count(1000):
            seen.append(item)
            if item == 30:
                proxy._pyroRelease()

    with pytest.raises(errors.ConnectionClosedError):
        consume()
    assert seen == list(range(len(seen)))
    assert len(seen) < 60
    assert source.closed.acquire(timeout=DEADLINE)


# Arguments of calls


@pytest.fixture
def closings() -> threading.Semaphore:
    """Released when a generator of a client is closed."""
    return threading.Semaphore(0)


def numbers(last: int, closings: threading.Semaphore) -> Iterator[int]:
    try:
        yield from range(last)
    finally:
        closings.release()


async def numbers_later(last: int) -> AsyncIterator[int]:
    for number in range(last):
        await asyncio.sleep(0)
        yield number


@pytest.mark.parametrize("method", ["take", "take_asynchronously"])
def test_iterators_of_all_kinds_can_be_sent(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    server_settings: Configuration,
    servertype: str,
    source: Source,
    method: str,
) -> None:
    server_settings.SERVERTYPE = servertype
    if servertype == "multiplex" and method == "take":
        pytest.skip("there, a method that waits holds up what it waits for")
    take = getattr(connect(start(source)), method)
    assert take(iter([1, 2])) == [1, 2]
    assert take(map(str, range(3))) == ["0", "1", "2"]
    assert take(zip("ab", range(2), strict=True)) in (
        [("a", 0), ("b", 1)],
        [["a", 0], ["b", 1]],
    )
    assert take(io.StringIO("one\ntwo\n")) == ["one\n", "two\n"]
    assert take(number for number in range(3000)) == list(range(3000))
    assert take(numbers_later(300)) == list(range(300))
    assert take(iter(())) == []


def test_several_streams_may_be_nested_in_one_call(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    proxy = connect(start(source))
    assert proxy.take_all(iter([1]), iter([2, 3]), numbers_later(2)) == [
        [1],
        [2, 3],
        [0, 1],
    ]
    assert proxy.take_nested({"streams": [iter([1]), iter("ab")]}) == [[1], ["a", "b"]]


def test_a_server_may_stop_an_endless_generator(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    source: Source,
    closings: threading.Semaphore,
) -> None:
    proxy = connect(start(source))
    for _ in range(20):
        assert proxy.take_some(numbers(10**9, closings), 3) == [0, 1, 2]
        assert closings.acquire(timeout=DEADLINE)


def test_a_generator_that_is_sent_may_fail(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError("nothing left")

    proxy = connect(start(source))
    with pytest.raises(ZeroDivisionError, match="nothing left"):
        proxy.take(failing())
    assert proxy.add(1, 2) == 3


def test_a_generator_that_is_sent_may_call_the_server(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    proxy = connect(start(source))

    def calling() -> Iterator[int]:
        for number in range(50):
            yield proxy.add(number, 1)

    assert proxy.take(calling()) == list(range(1, 51))


@pytest.mark.parametrize("method", ["refuse", "refuse_later"])
def test_a_failed_call_closes_the_generator_it_had(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    source: Source,
    closings: threading.Semaphore,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    # What is logged refers to the arguments of the failed calls.
    caplog.set_level("CRITICAL", "pyro.server")
    proxy = connect(start(source))
    for _ in range(20):
        items = numbers(10**9, closings)
        next(items)
        with pytest.raises(ValueError, match="not wanted"):
            getattr(proxy, method)(items)
        assert closings.acquire(timeout=DEADLINE)


def test_a_generator_stays_open_if_the_call_is_not_sent(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    proxy = connect(start(source))
    items = iter(range(3))
    with pytest.raises(errors.SerializeError):
        proxy.take_all(items, threading.Lock())
    assert proxy.take(items) == [0, 1, 2]


def test_streams_cannot_be_sent_with_calls_that_have_no_answer(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    proxy = connect(start(source))
    with pytest.raises(errors.SerializeError, match="takes no streams"):
        proxy.note(iter([1]))
    assert source.noted == []


def test_a_server_may_consume_when_the_call_is_over(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    proxy = connect(start(source))
    proxy.keep(number for number in range(5000))
    assert proxy.take_kept() == list(range(5000))


def test_large_items_reach_a_server_whose_client_is_idle(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    source: Source,
    client_settings: Configuration,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = 0
    proxy = connect(start(source))
    size = 20_000_000
    proxy.keep(bytes(size) for _ in range(3))
    # From here nobody in the client waits for anything.
    assert [len(item) for item in source.kept] == [size] * 3


class Cross:
    """To tell what it is, the server is asked."""

    proxy: Any = None


def test_encoding_an_item_may_use_the_connection(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], source: Source
) -> None:
    proxy = Cross.proxy = connect(start(source))
    register_class_to_dict(
        Cross, lambda _cross: {"__class__": "Cross", "sum": Cross.proxy.add(20, 3)}
    )
    register_dict_to_class("Cross", lambda _name, state: state["sum"])
    try:
        assert proxy.take(iter([Cross(), Cross()])) == [23, 23]
    finally:
        unregister_class_to_dict(Cross)
        unregister_dict_to_class("Cross")

"""Streams that clients pass to methods."""

from __future__ import annotations

import asyncio
import gc
import threading
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.errors import (
    ConnectionClosedError,
    PyroError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.references import StreamState
from pyro_protocol.session.capabilities import MULTIPLEX, NATIVE
from pyro_protocol.wire import FLAG_ONEWAY
from support.daemons import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from pyro_protocol.config import Configuration
    from pyro_server import Daemon
    from support.capable_client import CapableClient


@expose
class Sink:
    """Takes streams, in all ways there are."""

    def __init__(self) -> None:
        self.kept: Any = None
        self.outcomes: Queue[Any] = Queue()

    def total(self, items: Iterator[int]) -> int:
        return sum(items)

    async def total_later(self, items: AsyncIterator[int]) -> int:
        total = 0
        async for item in items:
            total += item
        return total

    def both(self, one: Iterator[int], other: Iterator[int]) -> list[Any]:
        return list(zip(one, other, strict=True))

    def first(self, items: Any) -> Any:
        with items:
            return next(items)

    async def first_later(self, items: Any) -> Any:
        async with items:
            return await anext(items)

    def result(self, items: Any) -> Any:
        def through() -> Generator[Any, None, Any]:
            result: Any = yield from items
            return result

        relayed = through()
        taken = []
        while True:
            try:
                taken.append(next(relayed))
            except StopIteration as end:
                return taken, end.value, items.result

    async def result_later(self, items: Any) -> Any:
        return [item async for item in items], items.result

    def keep(self, items: Any) -> None:
        self.kept = items

    def ignore(self, items: Any) -> str:
        return f"{type(items).__name__} ignored"

    def outcome(self, items: Any) -> None:
        try:
            self.outcomes.put(list(items))
        except Exception as error:  # noqa: BLE001 - it is looked at
            self.outcomes.put(error)

    async def outcome_later(self, items: Any) -> None:
        try:
            self.outcomes.put([item async for item in items])
        except BaseException as error:
            self.outcomes.put(error)
            raise

    async def wrongly(self, items: Any) -> Any:
        return list(items)

    def doubled(self, items: Iterator[int]) -> Iterator[int]:
        for item in items:
            yield 2 * item

    def readable(self, items: Iterator[Any]) -> list[Any]:
        taken = []
        while True:
            try:
                taken.append(next(items))
            except SerializeError:
                taken.append("unreadable")
            except StopIteration:
                return taken

    def add(self, left: int, right: int) -> int:
        return left + right


def numbers(count: int) -> Generator[int, None, str]:
    yield from range(count)
    return "the end"


def failing() -> Iterator[int]:
    yield 1
    raise KeyError("no more")


class Endless:
    """An endless iterator that notes how far it has come, and its end."""

    def __init__(self) -> None:
        self.given = 0
        self.closed = False

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> int:
        self.given += 1
        return self.given

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def one(
    start: Callable[..., Daemon], capable: Callable[..., CapableClient], sink: Sink
) -> CapableClient:
    """A client of the sink."""
    return capable(start().register(sink, "sink"))


each_way = pytest.mark.parametrize("method", ["total", "total_later"])


class TestItems:
    @each_way
    @pytest.mark.parametrize("count", [0, 1, 5000])
    def test_a_method_gets_all_items(
        self, one: CapableClient, method: str, count: int
    ) -> None:
        assert one.call(method, numbers(count)) == sum(range(count))

    @each_way
    def test_without_read_ahead_each_item_is_produced_when_it_is_asked_for(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        settings: Configuration,
        sink: Sink,
        method: str,
    ) -> None:
        settings.STREAM_READ_AHEAD = 0
        client = capable(start().register(sink, "sink"))
        assert client.call(method, numbers(50)) == sum(range(50))
        endless = Endless()
        assert client.call("first", endless) == 1
        assert endless.given == 1

    def test_the_client_is_not_further_ahead_than_the_settings_say(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        settings: Configuration,
        sink: Sink,
    ) -> None:
        settings.STREAM_READ_AHEAD = 10
        client = capable(start().register(sink, "sink"))
        endless = Endless()
        assert client.call("first", endless) == 1
        assert endless.given <= 10

    def test_large_items_come_as_well(self, one: CapableClient) -> None:
        blocks = [bytes([number]) * 3_000_000 for number in range(3)]
        assert one.call("readable", iter(blocks)) == blocks

    def test_two_streams_may_be_read_in_turn(self, one: CapableClient) -> None:
        pairs = one.call("both", numbers(100), numbers(100))
        assert pairs == [(number, number) for number in range(100)]

    def test_a_stream_may_be_turned_into_another(self, one: CapableClient) -> None:
        stream = one.start("doubled", numbers(300))
        stream.grant(1000)
        assert stream.all()[0] == [2 * number for number in range(300)]

    @pytest.mark.parametrize("method", ["result", "result_later"])
    def test_what_the_generator_returned_is_told(
        self, one: CapableClient, method: str
    ) -> None:
        taken, *results = one.call(method, numbers(3))
        assert taken == [0, 1, 2]
        assert set(results) == {"the end"}

    @pytest.mark.parametrize("method", ["total", "total_later"])
    def test_what_the_generator_raises_is_raised_in_the_method(
        self, one: CapableClient, method: str
    ) -> None:
        with pytest.raises(KeyError, match="no more"):
            one.call(method, failing())

    def test_an_item_that_cannot_be_read_fails_alone(self, one: CapableClient) -> None:
        class Unknown:
            pass

        taken = one.call("readable", iter([1, Unknown(), 3]))
        assert taken == [1, "unreadable", 3]

    def test_an_event_loop_is_not_held_up(self, one: CapableClient) -> None:
        with pytest.raises(PyroError, match="async for"):
            one.call("wrongly", numbers(3))


class TestTheEnd:
    @pytest.mark.parametrize("method", ["first", "first_later"])
    def test_leaving_the_block_ends_the_generator(
        self, one: CapableClient, method: str
    ) -> None:
        endless = Endless()
        assert one.call(method, endless) == 1
        while not one.closed:
            one.receive()
        assert endless.closed

    def test_dropping_it_ends_the_generator(self, one: CapableClient) -> None:
        endless = Endless()
        assert one.call("ignore", endless) == "ArgumentStream ignored"
        gc.collect()
        while not one.closed:
            one.receive()
        assert endless.closed
        assert endless.given == 0

    def test_it_may_be_used_after_the_call(
        self, one: CapableClient, sink: Sink
    ) -> None:
        one.call("keep", numbers(2000))
        thread = threading.Thread(target=sink.outcome, args=(sink.kept,))
        thread.start()
        while one.given[1].gi_frame is not None:  # type: ignore[attr-defined]
            one.receive()
        thread.join()
        assert sink.outcomes.get() == list(range(2000))

    def test_it_fails_when_the_client_goes(
        self, one: CapableClient, sink: Sink
    ) -> None:
        one.call("keep", numbers(5))
        one.close()
        eventually(lambda: sink.kept._link.lost)
        with pytest.raises(ConnectionClosedError):
            next(sink.kept)
        assert list(sink.kept) == []

    @pytest.mark.parametrize("method", ["outcome", "outcome_later"])
    def test_whoever_waits_for_an_item_is_woken_when_the_client_goes(
        self, one: CapableClient, sink: Sink, method: str
    ) -> None:
        one.gives = False
        one.send(method, numbers(5))
        while not one.credited:
            one.receive()
        one.close()
        error = sink.outcomes.get(timeout=10)
        assert isinstance(error, ConnectionClosedError | asyncio.CancelledError)

    @pytest.mark.parametrize("method", ["outcome", "outcome_later"])
    def test_whoever_waits_for_an_item_is_woken_when_the_daemon_ends(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        sink: Sink,
        method: str,
    ) -> None:
        daemon = start()
        client = capable(daemon.register(sink, "sink"))
        client.gives = False
        client.send(method, numbers(5))
        while not client.credited:
            client.receive()
        daemon.shutdown()
        error = sink.outcomes.get(timeout=10)
        assert isinstance(error, ConnectionClosedError | asyncio.CancelledError)

    @pytest.mark.parametrize("method", ["outcome", "outcome_later"])
    def test_a_method_waits_no_longer_than_its_caller(
        self, one: CapableClient, sink: Sink, method: str
    ) -> None:
        one.gives = False
        one.send(method, numbers(5), timeout=0.2)
        error = sink.outcomes.get(timeout=10)
        assert isinstance(error, TimeoutError | asyncio.CancelledError)


class TestRefusals:
    @pytest.mark.parametrize("names", [{NATIVE}, {NATIVE, MULTIPLEX}])
    def test_without_the_capability_the_call_is_refused(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        sink: Sink,
        monkeypatch: pytest.MonkeyPatch,
        names: set[str],
    ) -> None:
        client = capable(start().register(sink, "sink"), names)
        monkeypatch.setattr(client, "encode", lambda _obj: StreamState(1))
        with pytest.raises(SerializeError, match="'chunks' is not in force"):
            client.call("keep", object())
        assert client.call("add", 1, 1) == 2

    @pytest.mark.parametrize("number", [0, 1])
    def test_a_number_that_cannot_be_is_refused(
        self,
        one: CapableClient,
        sink: Sink,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
    ) -> None:
        one.call("keep", numbers(3))
        monkeypatch.setattr(one, "encode", lambda _obj: StreamState(number))
        with pytest.raises(PyroError, match="stream"):
            one.call("total", object())
        assert one.call("add", 1, 1) == 2
        assert sink.kept is not None

    def test_more_than_the_limit_are_refused(
        self, one: CapableClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        count = iter(range(1, 5000))
        # As if they had ended by the time at which the server closes them.
        one.session._last_stream = 5000
        monkeypatch.setattr(one, "encode", lambda _obj: StreamState(next(count)))
        with pytest.raises(PyroError, match="too many streams"):
            one.call("ignore", [object() for _ in range(1001)])
        gc.collect()
        assert one.call("add", 1, 1) == 2

    def test_a_oneway_call_cannot_have_one(
        self,
        one: CapableClient,
        sink: Sink,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(one, "encode", lambda _obj: StreamState(1))
        one.send("keep", object(), flags=FLAG_ONEWAY)
        assert one.call("add", 1, 1) == 2
        assert sink.kept is None

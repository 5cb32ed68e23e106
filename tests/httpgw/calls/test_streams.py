"""Streams whose items are asked for one by one, as those of Pyro5's daemons."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.calls.objects import Invocation, RemoteObjects, RemoteStream
from pyro_protocol import expose
from pyro_protocol.errors import (
    CommunicationError,
    TimeoutError,  # noqa: A004 - the documented name
)
from support.gateway_objects import run_with_objects, value_of
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from support.web import Site


@expose
class Source:
    """Produces streams, and knows what has become of them."""

    def __init__(self) -> None:
        self.closed = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()

    def count(self, most: int) -> Iterator[int]:
        try:
            yield from range(most)
        finally:
            self.closed.release()

    def fail(self) -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    def stall(self) -> Iterator[int]:
        try:
            self.begun.release()
            assert self.go_on.wait(DEADLINE)
            yield 1
            yield 2
        finally:
            self.closed.release()

    def ping(self) -> str:
        return "pong"


class Station:
    """A source that is reachable through the gateway's half that makes calls."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.source = Source()
        self.uri = site.register("http.source", self.source)

    def run(self, scenario: Callable[[RemoteObjects], Awaitable[None]]) -> None:
        run_with_objects(self.site.config, scenario)

    async def open(
        self,
        objects: RemoteObjects,
        method: str,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - of the invocation
    ) -> RemoteStream:
        invocation = Invocation(method, args, {}, timeout=timeout)
        stream = await objects.invoke(self.uri, invocation)
        assert isinstance(stream, RemoteStream)
        return stream

    def open_streams(self) -> int:
        """Return how many streams the daemon knows."""
        streams = self.site.daemon.host.streams
        return self.site.daemon.call(lambda: len(streams._streams))

    async def is_closed(self) -> bool:
        """Wait until the daemon has closed a generator."""
        return await asyncio.to_thread(self.source.closed.acquire, timeout=DEADLINE)


@pytest.fixture
def station(site: Site) -> Iterator[Station]:
    station = Station(site)
    yield station
    station.source.go_on.set()


def test_items_come_one_after_the_other(station: Station) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        stream = await station.open(objects, "count", 3)
        assert not stream.ready
        assert [item async for item in stream] == [0, 1, 2]
        assert stream.result is None
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        # The connection is free again.
        assert objects._pool.idle_count == 1
        await stream.aclose()

    station.run(scenario)


def test_closing_a_stream_ends_the_generator(station: Station) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        async with await station.open(objects, "count", 3) as stream:
            assert await anext(stream) == 0
        assert await station.is_closed()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert objects._pool.idle_count == 1

    station.run(scenario)


def test_a_stream_that_is_not_consumed_is_ended_as_well(station: Station) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        stream = await station.open(objects, "count", 3)
        await stream.aclose()
        ping = Invocation("ping", (), {})
        assert value_of(await objects.invoke(station.uri, ping)) == "pong"
        assert station.open_streams() == 0

    station.run(scenario)


def test_what_the_generator_raises_is_raised(station: Station) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        stream = await station.open(objects, "fail")
        assert await anext(stream) == 1
        with pytest.raises(ValueError, match="broken"):
            await anext(stream)
        assert objects._pool.idle_count == 1
        await stream.aclose()

    station.run(scenario)


def test_a_wait_may_be_cancelled_and_no_item_is_lost(station: Station) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        async with await station.open(objects, "count", 3) as stream:
            for _ in range(2):
                wait = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(0)
                wait.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await wait
            assert [item async for item in stream] == [0, 1, 2]

    station.run(scenario)


def test_a_stream_can_be_closed_while_an_item_is_produced(station: Station) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        stream = await station.open(objects, "stall")
        wait = asyncio.ensure_future(anext(stream))
        # The daemon's only thread is busy with that from now on.
        await asyncio.to_thread(station.source.begun.acquire, timeout=DEADLINE)
        wait.cancel()
        closing = asyncio.ensure_future(stream.aclose())
        await asyncio.wait((wait,))
        station.source.go_on.set()
        await closing
        assert await station.is_closed()
        assert station.open_streams() == 0

    station.run(scenario)


def test_a_lost_connection_shows_in_the_stream(station: Station) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        stream = await station.open(objects, "count", 3)
        await asyncio.to_thread(station.site.daemon.stop)
        with pytest.raises(CommunicationError):
            await anext(stream)
        await stream.aclose()
        assert not objects._pool._daemons

    station.run(scenario)


def test_an_item_that_takes_too_long_ends_the_wait(station: Station) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        stream = await station.open(objects, "stall", timeout=0.05)
        with pytest.raises(TimeoutError, match="was not answered within"):
            await anext(stream)
        station.source.go_on.set()
        await stream.aclose()

    station.run(scenario)


def test_a_question_that_nobody_waits_for_any_more_leaves_nothing(
    station: Station,
) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        problems: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, problem: problems.append(problem)
        )
        stream = await station.open(objects, "stall")
        wait = asyncio.ensure_future(anext(stream))
        await asyncio.to_thread(station.source.begun.acquire, timeout=DEADLINE)
        wait.cancel()
        await asyncio.wait((wait,))
        station.source.go_on.set()
        await asyncio.to_thread(station.site.daemon.stop)
        await stream.aclose()
        del stream, wait
        gc.collect()
        assert problems == []

    station.run(scenario)

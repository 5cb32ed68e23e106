"""The gateway's connections to daemons of our family, which its requests share."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from pyro_httpgw.calls.objects import Invocation, RemoteObjects, RemoteStream
from pyro_httpgw.calls.pool import ChannelPool
from pyro_protocol.context import CallState, call_state
from pyro_protocol.session.deadlines import Deadline
from pyro_suite import (
    URI,
    Configuration,
    Daemon,
    behavior,
    current_context,
    errors,
    expose,
)
from support.daemons import serving
from support.event_loops import eventually_async
from support.gateway_objects import run_with_objects, value_of
from support.hosting import DEADLINE, HostThread

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Generator,
        Iterator,
    )

ECHO: Final = Invocation("echo", (1,), {})
KEEP: Final = 1000.0


@expose
class Thing:
    """Waits until it is let go, and produces streams."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.stopped = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.produced = 0

    def echo(self, value: Any) -> Any:
        return value

    async def wait(self) -> str:
        self.begun.release()
        try:
            await asyncio.to_thread(self.go_on.wait, DEADLINE)
        except asyncio.CancelledError:
            self.stopped.release()
            raise
        return "waited"

    def remaining(self) -> float | None:
        return current_context.remaining

    def count(self, most: int) -> Generator[int, None, str]:
        try:
            for number in range(most):
                self.produced = number + 1
                yield number
            return "that is all"
        finally:
            self.stopped.release()

    async def stall(self) -> AsyncIterator[int]:
        try:
            yield 1
            self.begun.release()
            await asyncio.Event().wait()
        finally:
            self.stopped.release()

    def fail(self) -> Iterator[int]:
        yield 1
        raise ValueError("broken")


@pytest.fixture
def thing() -> Iterator[Thing]:
    thing = Thing()
    yield thing
    thing.go_on.set()


@pytest.fixture
def daemon(
    start: Callable[..., Daemon],
    server_settings: Configuration,
    servertype: str,
    thing: Thing,
) -> Daemon:
    """A daemon of each server type, with a thing."""
    server_settings.SERVERTYPE = servertype
    return start(thing)


def run(
    daemon: Daemon,
    scenario: Callable[[RemoteObjects, URI], Awaitable[None]],
    **settings: Any,
) -> None:
    config = Configuration(use_environment=False)
    for name, value in settings.items():
        setattr(config, name, value)
    run_with_objects(config, lambda objects: scenario(objects, daemon.uriFor("thing")))


async def released(semaphore: threading.Semaphore) -> bool:
    return await asyncio.to_thread(semaphore.acquire, timeout=DEADLINE)


async def open_stream(
    objects: RemoteObjects, uri: URI, method: str, *args: Any
) -> RemoteStream:
    stream = await objects.invoke(uri, Invocation(method, args, {}))
    assert isinstance(stream, RemoteStream)
    return stream


def test_requests_share_a_connection_and_none_waits_for_another(
    daemon: Daemon, thing: Thing
) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        slow = [
            asyncio.create_task(objects.invoke(uri, Invocation("wait", (), {})))
            for _ in range(3)
        ]
        for _ in slow:
            assert await released(thing.begun)
        assert value_of(await objects.invoke(uri, ECHO)) == 1
        assert objects._pool.open_count == 1
        thing.go_on.set()
        assert [value_of(await one) for one in slow] == ["waited"] * 3

    run(daemon, scenario)


def test_a_cancelled_request_cancels_the_call(daemon: Daemon, thing: Thing) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        calling = asyncio.create_task(objects.invoke(uri, Invocation("wait", (), {})))
        assert await released(thing.begun)
        calling.cancel()
        assert await released(thing.stopped)
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert value_of(await objects.invoke(uri, ECHO)) == 1
        assert objects._pool.open_count == 1

    run(daemon, scenario)


def test_a_deadline_travels_and_bounds_the_call(daemon: Daemon, thing: Thing) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        look = Invocation("remaining", (), {}, timeout=DEADLINE)
        assert 0 < value_of(await objects.invoke(uri, look)) <= DEADLINE
        slow = Invocation("wait", (), {}, timeout=0.1)
        with pytest.raises(errors.TimeoutError):
            failed_or_late(await objects.invoke(uri, slow))
        assert await released(thing.stopped)
        assert objects._pool.open_count == 1

    run(daemon, scenario)


def test_what_remains_to_a_request_is_what_remains_to_its_calls(
    daemon: Daemon,
) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        state = CallState()
        state.deadline = Deadline(DEADLINE, asyncio.get_running_loop().time)
        call_state.set(state)
        look = Invocation("remaining", (), {})
        assert 0 < value_of(await objects.invoke(uri, look)) <= DEADLINE

    run(daemon, scenario)


def failed_or_late(reply: Any) -> None:
    """Raise what the daemon says if it has noticed first that the time is used up."""
    error = value_of(reply)
    assert isinstance(error, Exception)
    raise error


def test_items_come_by_themselves_and_so_does_the_result(daemon: Daemon) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        async with await open_stream(objects, uri, "count", 500) as stream:
            assert await anext(stream) == 0
            assert [item async for item in stream] == list(range(1, 500))
            assert stream.result == "that is all"

    run(daemon, scenario)


def test_a_generator_is_only_so_far_ahead(daemon: Daemon, thing: Thing) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        async with await open_stream(objects, uri, "count", 10_000) as stream:
            for number in range(10):
                assert await anext(stream) == number
            # All that was granted is under way when this has been answered.
            await objects.invoke(uri, ECHO)
            assert thing.produced < 10 + 2 * 10
        assert await released(thing.stopped)

    run(daemon, scenario, STREAM_READ_AHEAD=10)


def test_closing_a_stream_ends_the_generator(daemon: Daemon, thing: Thing) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        stream = await open_stream(objects, uri, "stall")
        assert await anext(stream) == 1
        assert await released(thing.begun)
        await stream.aclose()
        assert await released(thing.stopped)
        assert objects._pool.idle_count == 1

    run(daemon, scenario)


def test_a_stream_that_is_lost_sight_of_is_ended(daemon: Daemon, thing: Thing) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        stream = await open_stream(objects, uri, "stall")
        assert await anext(stream) == 1
        del stream
        gc.collect()
        assert await released(thing.stopped)

    run(daemon, scenario)


def test_what_a_generator_raises_is_raised(daemon: Daemon) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        async with await open_stream(objects, uri, "fail") as stream:
            assert await anext(stream) == 1
            with pytest.raises(ValueError, match="broken"):
                await anext(stream)

    run(daemon, scenario)


def test_where_many_calls_are_in_flight_there_is_another_connection(
    daemon: Daemon, thing: Thing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_httpgw.calls.pool.BUSY_FROM", 2)
    monkeypatch.setattr("pyro_httpgw.calls.pool.MOST_SHARED", 2)

    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        pool = objects._pool
        slow = []
        for _ in range(6):
            slow.append(
                asyncio.create_task(objects.invoke(uri, Invocation("wait", (), {})))
            )
            assert await released(thing.begun)
        # Nobody waits for it, so that it may come after the last call.
        await eventually_async(lambda: pool.open_count > 1, "another connection")
        assert pool.open_count == 2
        thing.go_on.set()
        await asyncio.gather(*slow)
        assert pool.ready(uri) is not None

    run(daemon, scenario)


def test_a_connection_that_nobody_uses_is_closed_after_a_while(
    daemon: Daemon, thing: Thing
) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        pool = objects._pool
        calling = asyncio.create_task(objects.invoke(uri, Invocation("wait", (), {})))
        assert await released(thing.begun)
        pool._sweep()
        pool._sweep()
        assert pool.open_count == 1
        thing.go_on.set()
        await calling
        pool._sweep()
        assert pool.open_count == 0
        assert not pool._daemons

    run(daemon, scenario)


def test_each_request_has_its_own_instance_of_what_belongs_to_a_connection(
    daemon: Daemon,
) -> None:
    @expose
    @behavior(instance_mode="session")
    class Counter:
        def __init__(self) -> None:
            self.calls = 0

        def count(self) -> int:
            self.calls += 1
            return self.calls

        def numbers(self) -> Iterator[int]:
            yield from range(3)

    async def scenario(objects: RemoteObjects, _thing: URI) -> None:
        uri = daemon.register(Counter, "counter")
        await objects.offer(uri)
        for _ in range(3):
            reply = await objects.invoke(uri, Invocation("count", (), {}))
            assert value_of(reply) == 1
        async with await open_stream(objects, uri, "numbers") as stream:
            assert [item async for item in stream] == [0, 1, 2]
        assert objects._pool.open_count == 1

    run(daemon, scenario)


def test_a_lost_connection_fails_its_calls_and_is_replaced(
    daemon: Daemon, thing: Thing
) -> None:
    async def scenario(objects: RemoteObjects, uri: URI) -> None:
        slow = asyncio.create_task(objects.invoke(uri, Invocation("wait", (), {})))
        stream = await open_stream(objects, uri, "stall")
        assert await anext(stream) == 1
        assert await released(thing.begun)
        channel = objects._pool.ready(uri)
        assert channel is not None
        assert channel._transport is not None
        channel._transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        with pytest.raises(errors.ConnectionClosedError):
            await slow
        with pytest.raises(errors.ConnectionClosedError):
            await anext(stream)
        await stream.aclose()
        assert value_of(await objects.invoke(uri, ECHO)) == 1

    run(daemon, scenario)


def test_what_is_in_use_when_the_pool_is_closed_is_closed_after_that(
    daemon: Daemon, thing: Thing
) -> None:
    async def main() -> None:
        pool = ChannelPool(Configuration(use_environment=False), idle_seconds=KEEP)
        lease = await pool.acquire(daemon.uriFor("thing"))
        assert lease.shared
        lease.end()
        channel = pool.ready(daemon.uriFor("thing"))
        assert channel is lease.channel
        calling = asyncio.create_task(lease.channel.call("thing", "wait", (), {}))
        assert await released(thing.begun)
        await pool.aclose()
        thing.go_on.set()
        assert await calling == "waited"
        await asyncio.wait_for(lease.channel._ended.wait(), DEADLINE)

    asyncio.run(main())


def test_a_daemon_may_be_replaced_by_one_of_another_kind(thing: Thing) -> None:
    async def scenario(objects: RemoteObjects) -> None:
        pool = objects._pool
        plain = await asyncio.to_thread(HostThread)
        uri = plain.register(thing, "thing")
        port = int(plain.location.rsplit(":", 1)[1])
        for _ in range(2):
            assert value_of(await objects.invoke(uri, ECHO)) == 1
            assert pool.ready(uri) is None
            lease = await pool.acquire(uri)
            lease.end()
            await asyncio.to_thread(plain.stop)
            await asyncio.wait_for(lease.channel._ended.wait(), DEADLINE)

            with serving(Daemon(host="127.0.0.1", port=port)) as daemon:
                daemon.register(thing, "thing")
                for _ in range(2):
                    assert value_of(await objects.invoke(uri, ECHO)) == 1
                shared = pool.ready(uri)
                assert shared is not None
                assert pool.open_count == 1
            await asyncio.wait_for(shared._ended.wait(), DEADLINE)
            plain = await asyncio.to_thread(HostThread, port=port)
            plain.register(thing, "thing")
        await asyncio.to_thread(plain.stop)

    run_with_objects(Configuration(use_environment=False), scenario)


def test_a_pool_that_was_closed_keeps_nothing(daemon: Daemon) -> None:
    async def scenario() -> None:
        pool = ChannelPool(Configuration(use_environment=False))
        searching = asyncio.create_task(pool.acquire(daemon.uriFor("thing")))
        await asyncio.sleep(0)
        await pool.aclose()
        with pytest.raises(errors.CommunicationError):
            await searching
        with pytest.raises(errors.CommunicationError):
            await pool.acquire(daemon.uriFor("thing"))
        assert pool.open_count == 0

    asyncio.run(scenario())

"""Streams in an event loop: of results, in chunks or one by one, and as arguments."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import AsyncProxy, AsyncStreamIterator
from pyro_protocol import Configuration, expose
from pyro_protocol.errors import (
    ConnectionClosedError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from support.event_loops import eventually_async, run
from support.hosting import DEADLINE, HostThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from pyro_server import Daemon
    from support.workbench import Workbench

pyro_server = pytest.importorskip("pyro_server")
daemons = pytest.importorskip("support.daemons")

SHORT = 0.15


@expose
class Mill:
    """Produces and consumes streams."""

    def __init__(self) -> None:
        self.produced = 0
        self.ended = threading.Semaphore(0)
        self.go_on = threading.Event()

    def add(self, a: int, b: int) -> int:
        return a + b

    def count(self, most: int) -> Iterator[int]:
        try:
            for number in range(most):
                self.produced += 1
                yield number
        finally:
            self.ended.release()
        return "counted"  # type: ignore[return-value] # of the generator

    async def count_async(self, most: int) -> AsyncIterator[int]:
        for number in range(most):
            yield number

    def stumble(self) -> Iterator[int]:
        yield 1
        raise KeyError("stumbled")

    def large(self, number: int, size: int) -> Iterator[bytes]:
        for _ in range(number):
            self.produced += 1
            yield b"x" * size

    def hesitate(self) -> Iterator[int]:
        yield 1
        assert self.go_on.wait(DEADLINE)
        yield 2

    def plain(self) -> list[int]:
        return [1, 2, 3]

    def total(self, items: Iterable[int]) -> int:
        return sum(items)

    async def total_async(self, items: Any) -> int:
        return sum([item async for item in items])

    def first(self, items: Any) -> Any:
        with items:
            return next(items)

    def result_of(self, items: Any) -> Any:
        list(items)
        return items.result

    def catch(self, items: Any) -> str:
        try:
            list(items)
        except LookupError as error:
            return repr(error)
        return "nothing was raised"


@pytest.fixture
def mill() -> Iterator[Mill]:
    mill = Mill()
    yield mill
    mill.go_on.set()


@pytest.fixture(params=["thread", "multiplex", "asyncio"])
def daemon(request: pytest.FixtureRequest, mill: Mill) -> Iterator[Daemon]:
    settings = Configuration(use_environment=False)
    settings.SERVERTYPE = request.param
    daemon = pyro_server.Daemon(config=settings)
    daemon.register(mill, "mill")
    with daemons.serving(daemon):
        yield daemon
        mill.go_on.set()


@pytest.fixture
def uri(daemon: Daemon) -> str:
    return f"PYRO:mill@{daemon.locationStr}"


# Results


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [0, 1, 5000])
def test_the_items_come_in_order_and_the_result_after_them(
    uri: str, number: int, kind: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            stream = await proxy.count(number)
            assert isinstance(stream, AsyncStreamIterator)
            assert stream.result is None
            assert [one async for one in stream] == list(range(number))
            assert stream.result == "counted"
            with pytest.raises(StopAsyncIteration):
                await anext(stream)

    run(main, kind)


def test_a_call_can_be_iterated_over_itself(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert [one async for one in proxy.count(3)] == [0, 1, 2]
            assert [one async for one in proxy.count_async(3)] == [0, 1, 2]
            assert [one async for one in proxy.plain()] == [1, 2, 3]
            with pytest.raises(TypeError, match="int"):
                [one async for one in proxy.add(1, 2)]

    run(main)


def test_what_the_generator_raises_is_raised_after_the_items(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            stream = await proxy.stumble()
            assert await anext(stream) == 1
            with pytest.raises(KeyError, match="stumbled"):
                await anext(stream)

    run(main)


def test_leaving_the_loop_ends_the_remote_generator(mill: Mill, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            async for one in proxy.count(1 << 30):
                if one == 5:
                    break
            gc.collect()
            assert await asyncio.to_thread(mill.ended.acquire, timeout=DEADLINE)
            async with contextlib.aclosing(await proxy.count(1 << 30)) as stream:
                assert await anext(stream) == 0
            assert await asyncio.to_thread(mill.ended.acquire, timeout=DEADLINE)
            assert await proxy.add(1, 1) == 2

    run(main)


def test_a_slow_consumer_bounds_how_far_the_producer_is_ahead(
    mill: Mill, uri: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy, await proxy.count(100_000) as stream:
            assert await anext(stream) == 0
            for _ in range(20):
                await proxy.add(1, 1)
            assert mill.produced <= 2 * 1000

    run(main)


def test_large_items_are_bounded_by_their_size(mill: Mill, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            async with await proxy.large(100, 300_000) as stream:
                assert len(await anext(stream)) == 300_000
                for _ in range(20):
                    await proxy.add(1, 1)
                assert mill.produced < 30
                assert len([one async for one in stream]) == 99
            # An item that is larger than all that may be under way.
            sizes = [len(one) async for one in proxy.large(3, 3_000_000)]
            assert sizes == [3_000_000] * 3

    run(main)


def test_without_read_ahead_nothing_is_produced_before_it_is_asked_for(
    mill: Mill, uri: str
) -> None:
    config = Configuration(use_environment=False)
    config.STREAM_READ_AHEAD = 0

    async def main() -> None:
        async with (
            AsyncProxy(uri, config=config) as proxy,
            await proxy.count(10) as stream,
        ):
            for number in range(3):
                await proxy.add(1, 1)
                assert mill.produced == number
                assert await anext(stream) == number
                assert mill.produced == number + 1

    run(main)


@pytest.mark.parametrize("daemon", ["thread", "asyncio"], indirect=True)
def test_waiting_for_an_item_can_be_cancelled_and_bounded(mill: Mill, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            # Long enough for the first item, which takes none.
            hasty = proxy._pyro_with_timeout(2.0)
            stream = await hasty.hesitate()
            assert await anext(stream) == 1
            with pytest.raises(TimeoutError, match="within 2 seconds"):
                await anext(stream)
            patient = await proxy.hesitate()
            assert await anext(patient) == 1
            with pytest.raises(asyncio.TimeoutError):
                async with asyncio.timeout(SHORT):
                    await anext(patient)
            mill.go_on.set()
            assert await anext(patient) == 2
            assert [one async for one in stream] == [2]

    run(main)


def test_tasks_share_a_stream(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            stream = await proxy.count(3000)
            seen: list[int] = []

            async def consume() -> None:
                async for one in stream:
                    seen.append(one)
                    await asyncio.sleep(0)

            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(*(consume() for _ in range(5)))
            assert sorted(seen) == list(range(3000))

    run(main)


def test_many_streams_flow_beside_calls(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:

            async def one(number: int) -> int:
                return sum([item async for item in proxy.count(number)])

            results = await asyncio.gather(*(one(number) for number in range(50)))
            assert results == [sum(range(number)) for number in range(50)]

    run(main)


def test_a_stream_ends_with_its_connection(daemon: Daemon, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            stream = await proxy.hesitate()
            assert await anext(stream) == 1
            await proxy._pyroRelease()
            with pytest.raises(ConnectionClosedError):
                await anext(stream)
            await stream.aclose()

    run(main)


def test_a_stream_whose_call_was_cancelled_is_ended(mill: Mill, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            await proxy._pyroBind()
            task = asyncio.create_task(proxy.count(1 << 30))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # It was not begun, or has been ended.
            assert await proxy.add(1, 1) == 2
            assert mill.produced <= 1000

    run(main)


# One by one, as Pyro5 does


def test_a_server_without_chunks_is_asked_for_each_item(
    host: HostThread, bench: Workbench
) -> None:
    async def main() -> None:
        async with AsyncProxy(f"PYRO:bench@{host.location}") as proxy:
            stream = await proxy.count(3)
            assert [one async for one in stream] == [0, 1, 2]
            assert stream.result is None
            with pytest.raises(KeyError):
                [one async for one in proxy.stumble()]
            assert [one async for one in (await proxy.numbers)] == [1, 2, 3]
            async for one in proxy.count(1 << 30):
                if one == 1:
                    break
            gc.collect()
            for _ in range(2):
                assert await asyncio.to_thread(
                    bench.stream_ends.acquire, timeout=DEADLINE
                )
            async with await proxy.count(1 << 30) as stream:
                assert await anext(stream) == 0
            assert await asyncio.to_thread(bench.stream_ends.acquire, timeout=DEADLINE)

    run(main)


# Arguments


def test_a_generator_is_an_argument(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            numbers = range(5000)
            assert await proxy.total(one for one in numbers) == sum(numbers)
            assert await proxy.total_async(iter(numbers)) == sum(numbers)
            assert await proxy.total(iter([])) == 0

    run(main)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_an_async_generator_is_an_argument(uri: str, kind: str) -> None:
    async def numbers(most: int) -> AsyncIterator[int]:
        for number in range(most):
            if number % 100 == 0:
                await asyncio.sleep(0)
            yield number

    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.total(numbers(3000)) == sum(range(3000))
            assert await proxy.total_async(numbers(3000)) == sum(range(3000))
            totals = (proxy.total_async(numbers(number)) for number in range(30))
            expected = [sum(range(number)) for number in range(30)]
            assert await asyncio.gather(*totals) == expected

    run(main, kind)


def test_the_server_gets_what_the_generator_returns_or_raises(uri: str) -> None:
    def returns() -> Iterator[int]:
        yield 1
        return "returned"  # type: ignore[return-value] # of the generator

    def raises() -> Iterator[int]:
        yield 1
        raise LookupError("lost")

    async def raises_async() -> AsyncIterator[int]:
        yield 1
        raise LookupError("lost as well")

    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.result_of(returns()) == "returned"
            assert "lost" in await proxy.catch(raises())
            assert "lost as well" in await proxy.catch(raises_async())

    run(main)


def test_a_generator_is_closed_when_the_server_wants_no_more(uri: str) -> None:
    ends: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 7
        finally:
            ends.append("plain")

    async def endless_async() -> AsyncIterator[int]:
        try:
            while True:
                yield 8
                await asyncio.sleep(0)
        finally:
            ends.append("async")

    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.first(endless()) == 7
            await eventually_async(lambda: ends == ["plain"])
            assert await proxy.first(endless_async()) == 8
            await eventually_async(lambda: ends == ["plain", "async"])
            # The method does not look at it at all.
            assert await proxy.add(1, 1) == 2

    run(main)


def test_a_generator_is_closed_when_the_connection_ends(uri: str) -> None:
    ends: list[str] = []

    async def waiting(begun: asyncio.Event) -> AsyncIterator[int]:
        try:
            begun.set()
            yield 1
            await asyncio.Event().wait()
        finally:
            ends.append("async")

    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            begun = asyncio.Event()
            task = asyncio.create_task(proxy.total_async(waiting(begun)))
            await begun.wait()
            await proxy._pyroRelease()
            with pytest.raises(ConnectionClosedError):
                await task
            await eventually_async(lambda: ends == ["async"])

    run(main)


def test_an_item_that_cannot_be_sent_ends_the_stream_with_its_error(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(SerializeError):
                await proxy.total(iter([1, object()]))
            assert await proxy.add(1, 1) == 2

    run(main)


def test_streams_cannot_be_sent_to_servers_without_chunks(
    host: HostThread, bench: Workbench
) -> None:
    async def main() -> None:
        async with AsyncProxy(f"PYRO:bench@{host.location}") as proxy:
            with pytest.raises(SerializeError) as caught:
                await proxy.echo(iter([1]))
            assert caught.value.outcome == "not_sent"

    run(main)

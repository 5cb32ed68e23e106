"""Calls that become futures where asyncio takes them, and do all that tasks do."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from pyro_client import AsyncProxy
from pyro_protocol import Configuration, current_context, expose
from pyro_protocol.errors import ConnectionClosedError
from pyro_protocol.testing import FaultyLine
from support.event_loops import eventually_async, run
from support.hosting import DEADLINE
from support.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_server import Daemon

pyro_server = pytest.importorskip("pyro_server")
daemons = pytest.importorskip("support.daemons")

KINDS: Final = pytest.mark.parametrize("kind", ["asyncio", "uvloop"])

VALUES: Final[list[Any]] = [
    *(None, True, 0, 127, -33, 1 << 63, 1 << 80, 1.5, "", "é" * 500, "x" * 100_000),
    *(bytes(range(256)) * count for count in (4, 64, 80, 300)),
    *(b"", b"bytes", [], {}, (), (1, (2, "3")), {"a": [1]}, [{"b": (1,)}]),
]


@expose
class Bench(Workbench):
    """A workbench that raises what no future takes."""

    def stop(self) -> None:
        raise StopIteration("that is all")


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.release.set()


@pytest.fixture
def settings() -> Configuration:
    """The settings of the daemon."""
    return Configuration(use_environment=False)


@pytest.fixture
def daemon(bench: Bench, settings: Configuration) -> Iterator[Daemon]:
    daemon = pyro_server.Daemon(config=settings)
    daemon.register(bench, "bench")
    with daemons.serving(daemon):
        yield daemon
        bench.release.set()


@pytest.fixture
def uri(daemon: Daemon) -> str:
    return f"PYRO:bench@{daemon.locationStr}"


async def connected(uri: str) -> AsyncProxy:
    proxy = AsyncProxy(uri)
    await proxy._pyroBind()
    return proxy


@KINDS
def test_usual_calls_need_no_tasks(uri: str, kind: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            calls = [proxy.add(number, b=1) for number in range(500)]
            together = asyncio.gather(*calls)
            assert len(asyncio.all_tasks()) == 1
            assert await together == list(range(1, 501))

    run(main, kind)


def test_values_are_those_of_calls_that_are_awaited(uri: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            awaited = [await proxy.echo(value) for value in VALUES]
            together = await asyncio.gather(*map(proxy.echo, VALUES))
            assert together == awaited == VALUES
            assert [*map(type, together)] == [*map(type, VALUES)]

    run(main)


def test_one_of_many_can_fail(uri: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            calls = [proxy.add(1, 2), proxy.fail("alone"), proxy.echo("\ud800")]
            found: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
            good, bad, unsent = found
            assert good == 3
            assert (type(bad), bad.args[0]) == (ValueError, "alone")
            assert unsent.outcome == "not_sent"
            with pytest.raises(ValueError, match="once more"):
                await asyncio.gather(proxy.fail("once more"), proxy.add(1, 2))

    run(main)


@KINDS
def test_a_call_is_made_though_nobody_waits_for_it(
    uri: str, bench: Bench, kind: str
) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            asyncio.ensure_future(proxy.add(1, 2))  # noqa: RUF006 - that is the test
            await eventually_async(lambda: bench.calls == 1)

    run(main, kind)


def test_an_exception_that_nobody_asks_for_is_told_to_the_event_loop(uri: str) -> None:
    async def main() -> None:
        problems: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, problem: problems.append(problem))
        async with await connected(uri) as proxy:
            call = asyncio.ensure_future(proxy.fail("unheard"))
            await eventually_async(call.done)
            del call
            gc.collect()
            (problem,) = problems
            assert "never retrieved" in problem["message"]
            assert problem["exception"].args[0] == "unheard"

    run(main)


@KINDS
def test_a_call_that_is_a_future_can_be_awaited_often(uri: str, kind: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            call = asyncio.ensure_future(proxy.add(1, 2))
            assert asyncio.isfuture(call)
            assert not asyncio.iscoroutine(call)
            assert not call.done()
            tasks = [asyncio.create_task(_await(call)) for _ in range(3)]
            assert await call == 3
            assert await asyncio.gather(*tasks) == [3, 3, 3]
            assert await call == call.result() == 3
            assert call.get_loop() is asyncio.get_running_loop()

    run(main, kind)


async def _await(call: Any) -> Any:
    return await call


def test_a_call_that_was_begun_otherwise_is_no_future(uri: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            call = proxy.add(1, 2)
            assert await call == 3
            assert not asyncio.isfuture(call)
            with pytest.raises(RuntimeError, match="awaited already"):
                await asyncio.gather(call)

    run(main)


def test_what_takes_futures_or_coroutines_takes_calls(uri: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            loop = asyncio.get_running_loop()
            assert await asyncio.shield(proxy.add(1, 1)) == 2
            assert await asyncio.wait_for(proxy.add(2, 1), DEADLINE) == 3
            found = [await one for one in asyncio.as_completed([proxy.add(3, 1)])]
            assert found == [4]
            elsewhere = asyncio.run_coroutine_threadsafe(proxy.add(4, 1), loop)
            assert await asyncio.wrap_future(elsewhere) == 5
            done, _ = await asyncio.wait([asyncio.ensure_future(proxy.add(5, 1))])
            assert [one.result() for one in done] == [6]
            with pytest.raises(TypeError):
                await asyncio.wait([unused := proxy.add(1, 1)])
            unused.close()

    run(main)


@KINDS
def test_cancelling_a_call_tells_the_server(uri: str, bench: Bench, kind: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            together = asyncio.gather(proxy.slow(), proxy.slow())
            for _ in range(2):
                assert await asyncio.to_thread(bench.started.acquire, timeout=DEADLINE)
            together.cancel("enough")
            with pytest.raises(asyncio.CancelledError):
                await together
            assert proxy._pyroConnection is not None
            assert proxy._pyroConnection.calls_in_flight == 0
            assert await proxy.add(1, 1) == 2

    run(main, kind)


def test_cancelling_the_task_that_waits_cancels_the_call(
    uri: str, bench: Bench
) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            call = asyncio.ensure_future(proxy.slow())
            task = asyncio.create_task(_await(call))
            assert await asyncio.to_thread(bench.started.acquire, timeout=DEADLINE)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert call.cancelled()
            assert not call.cancel()

    run(main)


def test_a_call_that_is_cancelled_at_once_is_not_made(uri: str, bench: Bench) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            calls = [asyncio.ensure_future(proxy.add(1, n)) for n in range(3)]
            assert calls[1].cancel()
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(found[1], asyncio.CancelledError)
            assert found[::2] == [1, 3]
            assert await proxy.add(1, 1) == 2
            assert bench.calls == 3

    run(main)


@pytest.fixture
def narrow(settings: Configuration) -> None:
    settings.MAX_IN_FLIGHT = 3


@pytest.mark.usefixtures("narrow")
def test_more_calls_than_the_server_takes_wait_for_their_turn(uri: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            calls = [asyncio.ensure_future(proxy.add(number, 1)) for number in range(9)]
            late = asyncio.ensure_future(proxy.add(0, 0))
            await asyncio.sleep(0)
            assert late.cancel()
            assert await asyncio.gather(*calls) == list(range(1, 10))
            with pytest.raises(asyncio.CancelledError):
                await late
            calls = [proxy.add(number, 1) for number in range(30)]
            assert await asyncio.gather(*calls) == list(range(1, 31))
            failed = await asyncio.gather(
                *(proxy.fail(str(number)) for number in range(9)),
                return_exceptions=True,
            )
            assert [one.args[0] for one in failed] == [*map(str, range(9))]

    run(main)


def test_a_stream_can_be_the_answer(uri: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            one, other = await asyncio.gather(proxy.count(3), proxy.count(4))
            assert [item async for item in one] == [0, 1, 2]
            assert [item async for item in other] == [0, 1, 2, 3]

    run(main)


def test_a_lost_connection_fails_all(daemon: Daemon, bench: Bench) -> None:
    async def main() -> None:
        with FaultyLine(daemon.locationStr) as line:
            async with await connected(f"PYRO:bench@{line.location}") as proxy:
                calls = [asyncio.ensure_future(proxy.slow()) for _ in range(3)]
                assert await asyncio.to_thread(bench.started.acquire, timeout=DEADLINE)
                line.cut()
                errors: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
                assert {type(one) for one in errors} == {ConnectionClosedError}
                assert {one.outcome for one in errors} == {"unknown"}
                assert len({id(one) for one in errors}) == 3

    run(main)


def test_a_release_in_the_same_turn_makes_a_call_connect_again(uri: str) -> None:
    async def main() -> None:
        proxy = await connected(uri)
        call = asyncio.ensure_future(proxy.add(1, 2))
        await proxy._pyroRelease()
        assert await call == 3
        await proxy._pyroRelease()

    run(main)


@KINDS
def test_a_callback_that_fails_leaves_the_others(uri: str, kind: str) -> None:
    place: contextvars.ContextVar[str] = contextvars.ContextVar("place")

    async def main() -> None:
        problems: list[dict[str, Any]] = []
        told: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, problem: problems.append(problem))

        def fail(_call: Any) -> None:
            raise KeyError("in a callback")

        async with await connected(uri) as proxy:
            calls = [asyncio.ensure_future(proxy.add(n, 0)) for n in range(3)]
            for call in calls:
                place.set(f"of {calls.index(call)}")
                call.add_done_callback(fail)
                call.add_done_callback(lambda one: told.append((one, place.get())))
            calls[0].add_done_callback(told.append)
            assert calls[0].remove_done_callback(told.append) == 1
            await asyncio.gather(*calls)
            assert told == [(one, f"of {n}") for n, one in enumerate(calls)]
            assert [type(one["exception"]) for one in problems] == [KeyError] * 3

    run(main, kind)


def test_a_class_that_looks_at_calls_sees_these_too(uri: str) -> None:
    seen: list[str] = []

    class Looking(AsyncProxy):
        async def _pyroInvoke(self, methodname: str, *args: Any, **kwargs: Any) -> Any:
            seen.append(methodname)
            return await super()._pyroInvoke(methodname, *args, **kwargs)

    async def main() -> None:
        async with Looking(uri) as proxy:
            for _ in range(2):
                sums = await asyncio.gather(proxy.add(1, 2), proxy.add(3, 4))
                assert sum(sums) == 10

    run(main)
    assert seen == ["add"] * 4


def test_settings_of_the_proxy_and_the_context_count(uri: str, bench: Bench) -> None:
    async def main() -> None:
        found: list[Any]
        async with await connected(uri) as proxy:
            proxy._pyroSerializer = "json"
            found = [*await asyncio.gather(proxy.echo((1, 2)), proxy.echo(1))]
            assert found[0] == [1, 2]
            proxy._pyroSerializer = None
            assert sum(await asyncio.gather(proxy.add(1, 2), proxy.add(3, 4))) == 10
            assert not any(await asyncio.gather(proxy.note(1), proxy.note(2)))
            hasty = proxy._pyro_with_timeout(0.05)
            late = await asyncio.gather(hasty.slow(), return_exceptions=True)
            assert "slow" in str(late[0])
            bench.release.set()
            current_context.annotations = {"TEST": b"text"}
            try:
                found = [*await asyncio.gather(proxy.add(1, 1), proxy.slow())]
            finally:
                current_context.annotations = {}
            assert found[1] == "finally"

    run(main)


@pytest.mark.parametrize("before", [False, True])
def test_annotations_of_answers_go_where_those_of_tasks_go(
    uri: str, before: bool
) -> None:
    async def found(make: Any) -> list[str]:
        async with await connected(uri) as proxy:
            if before:
                await proxy.annotate("earlier")
                await proxy.add(1, 1)
                assert not current_context.response_annotations
            await asyncio.wait([make(proxy.annotate("found"))])
            return list(current_context.response_annotations)

    ways = asyncio.ensure_future, asyncio.create_task
    one, other = (run(partial(found, make)) for make in ways)
    assert one == other == ["TEST"] * before


def test_an_end_of_an_iteration_is_no_result(uri: str) -> None:
    async def main() -> None:
        async with await connected(uri) as proxy:
            (found,) = await asyncio.gather(proxy.stop(), return_exceptions=True)
            assert type(found) is RuntimeError
            with pytest.raises(RuntimeError):
                await proxy.stop()

    run(main)

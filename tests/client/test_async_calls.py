"""Many calls on one connection: order, bounds, time-outs and cancellation."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import AsyncProxy
from pyro_protocol import Configuration, current_context, expose, oneway
from pyro_protocol.errors import TimeoutError  # noqa: A004 - the documented name
from support.certificates import make_certificate
from support.event_loops import eventually_async, run
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_server import Daemon

pyro_server = pytest.importorskip("pyro_server")
daemons = pytest.importorskip("support.daemons")

SHORT = 0.15
ALL = {"native", "multiplex", "cancel", "deadline", "chunks", "callbacks"}


@expose
class Desk:
    """Coroutines and methods that wait until they are told to go on."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.cancelled = threading.Semaphore(0)
        self.remaining: list[float | None] = []
        self.noted: list[int] = []
        self.running = 0
        self.most_running = 0
        self.all_running = threading.Event()

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def wait(self) -> str:
        self.begun.release()
        assert self.go_on.wait(DEADLINE)
        return "waited"

    async def wait_async(self) -> str:
        self.begun.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.release()
            raise
        return "slept"

    async def together(self, others: int) -> int:
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        if self.running == others:
            self.all_running.set()
        await asyncio.to_thread(self.all_running.wait, DEADLINE)
        self.running -= 1
        return self.most_running

    def time_left(self) -> float | None:
        return current_context.remaining

    @oneway
    def note(self, number: int) -> None:
        self.noted.append(number)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.go_on.set()


@pytest.fixture
def settings() -> Configuration:
    """The settings of the daemon."""
    return Configuration(use_environment=False)


@pytest.fixture(params=["thread", "multiplex", "asyncio"])
def daemon(
    request: pytest.FixtureRequest, desk: Desk, settings: Configuration
) -> Iterator[Daemon]:
    settings.SERVERTYPE = request.param
    daemon = pyro_server.Daemon(config=settings)
    daemon.register(desk, "desk")
    with daemons.serving(daemon):
        yield daemon
        desk.go_on.set()


@pytest.fixture
def uri(daemon: Daemon) -> str:
    return f"PYRO:desk@{daemon.locationStr}"


# Many at once


def test_all_that_a_daemon_offers_is_agreed_on(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            await proxy._pyroBind()
            assert proxy._pyroConnection is not None
            assert proxy._pyroConnection.capabilities >= ALL

    run(main)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_thousand_tasks_share_one_connection(
    daemon: Daemon, uri: str, kind: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:

            async def work(number: int) -> None:
                for step in range(3):
                    assert await proxy.add(number, step) == number + step

            async with asyncio.TaskGroup() as group:
                for number in range(1000):
                    group.create_task(work(number))
            assert len(daemon.connections()) == 1

    run(main, kind)


def test_calls_are_in_flight_together(desk: Desk, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            found = await asyncio.gather(*(proxy.together(5) for _ in range(5)))
            assert max(found) == 5

    run(main)


@pytest.mark.parametrize("daemon", ["thread"], indirect=True)
def test_a_slow_call_does_not_hold_up_others(desk: Desk, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            slow = asyncio.create_task(proxy.wait())
            assert await asyncio.to_thread(desk.begun.acquire, timeout=DEADLINE)
            assert [await proxy.add(n, 1) for n in range(10)] == list(range(1, 11))
            assert not slow.done()
            desk.go_on.set()
            assert await slow == "waited"

    run(main)


@pytest.fixture
def narrow(settings: Configuration) -> None:
    settings.MAX_IN_FLIGHT = 3


@pytest.mark.usefixtures("narrow")
def test_the_window_of_the_server_is_respected(desk: Desk, uri: str) -> None:
    order: list[int] = []

    async def main() -> None:
        async with AsyncProxy(uri) as proxy:

            async def one(number: int) -> None:
                assert await proxy.add(number, 1) == number + 1
                order.append(number)

            async with asyncio.TaskGroup() as group:
                for number in range(200):
                    group.create_task(one(number))
            # Whoever came first went first, give and take those in flight together.
            assert all(abs(place - number) < 6 for place, number in enumerate(order))

    run(main)


@pytest.mark.usefixtures("narrow")
def test_a_call_that_waits_for_its_turn_can_be_cancelled_or_run_out_of_time(
    desk: Desk, uri: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            running = [asyncio.create_task(proxy.wait_async()) for _ in range(3)]
            for _ in running:
                assert await asyncio.to_thread(desk.begun.acquire, timeout=DEADLINE)
            waiting = asyncio.create_task(proxy.add(1, 1))
            patient = asyncio.create_task(proxy.add(2, 2))
            hasty = proxy._pyro_with_timeout(SHORT)
            with pytest.raises(TimeoutError, match=r"desk\.add .* not sent") as caught:
                await hasty.add(1, 1)
            assert caught.value.outcome == "not_sent"
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            for task in running:
                task.cancel()
            assert await patient == 4
            assert await proxy.add(3, 3) == 6

    run(main)


def test_oneway_calls_keep_their_order(desk: Desk, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            for number in range(1000):
                await proxy.note(number)
            await eventually_async(lambda: len(desk.noted) == 1000)
            assert desk.noted == list(range(1000))

    run(main)


# Cancellation


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_cancelling_a_task_cancels_the_coroutine_on_the_server(
    desk: Desk, uri: str, kind: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            task = asyncio.create_task(proxy.wait_async())
            assert await asyncio.to_thread(desk.begun.acquire, timeout=DEADLINE)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(desk.cancelled.acquire, timeout=DEADLINE)
            assert await proxy.add(1, 1) == 2

    run(main, kind)


def test_the_time_out_of_asyncio_cancels_as_well(desk: Desk, uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(asyncio.TimeoutError):
                async with asyncio.timeout(SHORT):
                    await proxy.wait_async()
            assert await asyncio.to_thread(desk.cancelled.acquire, timeout=DEADLINE)
            assert await proxy.add(1, 1) == 2

    run(main)


def test_a_cancelled_call_does_not_keep_the_connection_waiting(
    daemon: Daemon, desk: Desk, uri: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            tasks = [asyncio.create_task(proxy.wait_async()) for _ in range(100)]
            await asyncio.sleep(0)
            for number, task in enumerate(tasks):
                if number % 2:
                    task.cancel()
            assert await proxy.add(1, 1) == 2
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert len(daemon.connections()) == 1

    run(main)


def test_cancelling_while_connecting_leaves_the_others(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            tasks = [asyncio.create_task(proxy.add(n, 0)) for n in range(10)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            assert await asyncio.gather(*tasks[1:]) == list(range(1, 10))

    run(main)


# Deadlines


def test_a_time_out_tells_what_was_called_and_for_how_long(
    desk: Desk, uri: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            await proxy._pyroBind()
            proxy._pyroTimeout = SHORT
            with pytest.raises(TimeoutError, match=r"desk\.wait_async.* 0\.\d+ s"):
                await proxy.wait_async()
            # The connection is still there, and the server was told.
            assert await asyncio.to_thread(desk.cancelled.acquire, timeout=DEADLINE)
            proxy._pyroTimeout = None
            assert await proxy.add(1, 1) == 2

    run(main)


def test_the_time_that_is_left_travels_with_the_call(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.time_left() is None
            proxy._pyroTimeout = DEADLINE
            assert 0 < await proxy.time_left() <= DEADLINE
            view = proxy._pyro_with_timeout(3 * DEADLINE)
            assert DEADLINE < await view.time_left() <= 3 * DEADLINE
            assert view._pyroConnection is proxy._pyroConnection
            assert view == proxy

    run(main)


# Event loops


def test_event_loops_in_several_threads_have_connections_of_their_own(
    daemon: Daemon, uri: str
) -> None:
    proxy = AsyncProxy(uri)
    results: list[int] = []
    together = threading.Barrier(3)

    def work(number: int) -> None:
        async def main() -> None:
            results.append(await proxy.add(number, 1))
            await asyncio.to_thread(together.wait, DEADLINE)
            assert len(daemon.connections()) == 3
            results.append(await proxy.add(number, 1))
            await asyncio.to_thread(together.wait, DEADLINE)

        run(main)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert sorted(results) == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("kinds", [("asyncio", "uvloop"), ("uvloop", "asyncio")])
def test_a_proxy_goes_from_one_kind_of_event_loop_to_another(
    uri: str, kinds: tuple[str, str]
) -> None:
    proxy = AsyncProxy(uri)

    async def main() -> None:
        assert await proxy.add(1, 1) == 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in kinds:
            run(main, kind)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_dropped_proxies_leave_no_warning_and_no_connection(
    daemon: Daemon, uri: str, kind: str
) -> None:
    async def main() -> None:
        for _ in range(20):
            assert await AsyncProxy(uri).add(1, 1) == 2
        gc.collect()
        await eventually_async(lambda: not daemon.connections())
        # This one is still there when the event loop ends.
        kept.append(AsyncProxy(uri))
        assert await kept[0].add(1, 1) == 2

    kept: list[AsyncProxy] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main, kind)
    daemons.eventually(lambda: not daemon.connections())


def test_work_that_is_cut_off_by_the_end_of_the_loop_leaves_nothing(
    daemon: Daemon, uri: str
) -> None:
    async def main() -> None:
        proxy = AsyncProxy(uri)
        tasks.append(asyncio.create_task(proxy.wait_async()))
        await proxy.add(1, 1)

    tasks: list[asyncio.Task[Any]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)
    daemons.eventually(lambda: not daemon.connections())


# TLS


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
@pytest.mark.parametrize("daemon", ["thread"], indirect=True)
@pytest.mark.usefixtures("encrypted")
def test_all_of_it_works_over_tls(settings: Configuration, uri: str, kind: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri, config=settings) as proxy:
            calls = [proxy.add(number, 1) for number in range(300)]
            assert await asyncio.gather(*calls) == list(range(1, 301))
            large = b"x" * 3_000_000
            assert await proxy.add(large, b"y") == large + b"y"
            connection = proxy._pyroConnection
            assert connection is not None
            assert connection.getpeercert()
        # One that is dropped while it is connected.
        assert await AsyncProxy(uri, config=settings).add(1, 1) == 2

    run(main, kind)


@pytest.fixture
def encrypted(settings: Configuration, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "server")
    settings.SSL = True
    settings.SSL_SERVERCERT = certificate.certificate
    settings.SSL_SERVERKEY = certificate.key
    settings.SSL_CACERTS = certificate.certificate

"""Callbacks: what an async client passes, and its server calls."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import AsyncProxy
from pyro_protocol import Configuration, current_context, expose, oneway
from pyro_protocol.errors import PyroError, SerializeError
from support.event_loops import eventually_async, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_server import Daemon
    from support.hosting import HostThread

pyro_server = pytest.importorskip("pyro_server")
daemons = pytest.importorskip("support.daemons")

SHORT = 0.15


@expose
class Broker:
    """Calls what it is given."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.done = threading.Semaphore(0)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    async def call_async(self, function: Callable[..., Any], *args: Any) -> Any:
        return await function(*args)

    def call_all(self, functions: list[Callable[..., Any]], value: Any) -> list[Any]:
        return [function(value) for function in functions]

    def ask(self, obj: Any, name: str, *args: Any) -> Any:
        return getattr(obj, name)(*args)

    def keep(self, function: Callable[..., Any]) -> None:
        self.kept.append(function)

    def same(self, first: Any, second: Any) -> bool:
        return bool(first == second)

    def give_up(self) -> None:
        self.kept.clear()
        gc.collect()

    async def call_briefly(self, function: Callable[..., Any]) -> str:
        try:
            async with asyncio.timeout(SHORT):
                await function()
        except TimeoutError:
            return "given up"
        return "answered"


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture(params=["thread", "asyncio"])
def daemon(request: pytest.FixtureRequest, broker: Broker) -> Iterator[Daemon]:
    settings = Configuration(use_environment=False)
    settings.SERVERTYPE = request.param
    daemon = pyro_server.Daemon(config=settings)
    daemon.register(broker, "broker")
    with daemons.serving(daemon):
        yield daemon


@pytest.fixture
def uri(daemon: Daemon) -> str:
    return f"PYRO:broker@{daemon.locationStr}"


@expose
class Listener:
    """An object of the client."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def hear(self, what: Any) -> int:
        self.heard.append(what)
        return len(self.heard)

    async def hear_later(self, what: Any) -> str:
        await asyncio.sleep(0)
        self.heard.append(what)
        return "later"

    @oneway
    def tell(self, what: Any) -> None:
        self.heard.append(what)

    def _hidden(self) -> None:
        raise AssertionError("nobody may call it")


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_functions_of_all_kinds_are_called(uri: str, kind: str) -> None:
    async def main() -> None:
        listener = Listener()
        async with AsyncProxy(uri) as proxy:
            assert await proxy.call(lambda value: value + 1, 1) == 2
            assert await proxy.call(double, 4) == 8
            assert await proxy.call(listener.hear, "it") == 1
            assert await proxy.call_async(double, 5) == 10
            assert await proxy.call_all([double, abs, listener.hear], -3) == [-6, 3, 2]
        assert listener.heard == ["it", -3]

    run(main, kind)


def test_an_object_is_called_by_its_exposed_methods(uri: str) -> None:
    async def main() -> None:
        listener = Listener()
        async with AsyncProxy(uri) as proxy:
            assert await proxy.ask(listener, "hear", 1) == 1
            assert await proxy.ask(listener, "hear_later", 2) == "later"
            assert await proxy.ask(listener, "tell", 3) is None
            await eventually_async(lambda: listener.heard == [1, 2, 3])
            with pytest.raises(AttributeError):
                await proxy.ask(listener, "_hidden")

    run(main)


def test_callbacks_come_while_the_client_does_nothing(uri: str, broker: Broker) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            await proxy.keep(double)
            assert await asyncio.to_thread(broker.kept[0], 21) == 42

    run(main)


def test_callbacks_run_at_the_same_time(uri: str, broker: Broker) -> None:
    async def main() -> None:
        both = asyncio.Barrier(2)

        async def meet() -> str:
            await both.wait()
            return "met"

        async with AsyncProxy(uri) as proxy:
            calls = (proxy.call_async(meet) for _ in range(2))
            assert await asyncio.gather(*calls) == ["met", "met"]

    run(main)


def test_what_a_callback_raises_reaches_the_server_and_back(uri: str) -> None:
    async def fail() -> None:
        raise KeyError("in the callback")

    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(KeyError, match="in the callback"):
                await proxy.call(fail)
            assert await proxy.call(double, 1) == 2

    run(main)


def test_a_callback_is_cancelled_with_the_call_that_waits_for_it(uri: str) -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.call_briefly(endless) == "given up"
            await eventually_async(lambda: ended == ["cancelled"])

    run(main)


def test_a_callback_may_call_its_server_again(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:

            async def again(depth: int) -> int:
                if depth == 0:
                    return 0
                result: int = await proxy.call_async(again, depth - 1)
                return result + 1

            assert await again(5) == 5

    run(main)


def test_a_callback_knows_its_caller(uri: str) -> None:
    async def who() -> str:
        return str(current_context.client_sock_addr)

    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.call(who) in uri

    run(main)


def test_an_object_that_the_server_drops_is_forgotten(uri: str, broker: Broker) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            listener: Listener | None = Listener()
            gone = weakref.ref(listener)
            await proxy.keep(listener)
            del listener
            gc.collect()
            assert gone() is not None
            await proxy.give_up()

            def is_gone() -> bool:
                gc.collect()
                return gone() is None

            await eventually_async(is_gone)

    run(main)


def test_all_objects_are_forgotten_with_the_connection(uri: str) -> None:
    async def main() -> None:
        proxy = AsyncProxy(uri)
        listener = Listener()
        gone = weakref.ref(listener)
        await proxy.keep(listener)
        del listener
        await proxy._pyroRelease()
        gc.collect()
        assert gone() is None

    run(main)


def test_the_same_object_is_the_same_to_the_server(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.same(double, double)
            assert not await proxy.same(double, main)

    run(main)


def test_functions_cannot_be_sent_to_servers_without_callbacks(
    host: HostThread, bench: Any
) -> None:
    async def main() -> None:
        async with AsyncProxy(f"PYRO:bench@{host.location}") as proxy:
            with pytest.raises(SerializeError) as caught:
                await proxy.echo(double)
            assert caught.value.outcome == "not_sent"
            assert isinstance(caught.value, PyroError)

    run(main)

"""Streams and callbacks at the same time, at random, and what is left of them."""

from __future__ import annotations

import gc
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose, oneway
from pyro_protocol.errors import PyroError
from pyro_protocol.wire import FLAG_ONEWAY
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from pyro_protocol.config import Configuration
    from pyro_server import Daemon
    from support.capable_client import CapableClient


@expose
class Relay:
    """Has streams and callbacks go through it."""

    def __init__(self) -> None:
        self.closed = threading.Semaphore(0)
        self.told = threading.Semaphore(0)

    def through(self, items: Iterator[int]) -> Iterator[int]:
        try:
            yield from items
        finally:
            self.closed.release()

    async def through_later(self, items: AsyncIterator[int]) -> AsyncIterator[int]:
        try:
            async for item in items:
                yield item
        finally:
            self.closed.release()

    def mapped(self, function: Callable[[int], int], items: Iterator[int]) -> Any:
        return [function(item) for item in items]

    async def mapped_later(self, function: Any, items: AsyncIterator[int]) -> Any:
        return [await function(item) async for item in items]

    @oneway
    def tell(self, function: Callable[[], object]) -> None:
        function()
        self.told.release()

    def add(self, left: int, right: int) -> int:
        return left + right


def count(number: int) -> Iterator[int]:
    yield from range(number)


def double(value: int) -> int:
    return 2 * value


@pytest.mark.parametrize("method", ["mapped", "mapped_later"])
def test_a_callback_is_called_with_the_items_of_a_stream(
    start: Callable[..., Daemon], capable: Callable[..., CapableClient], method: str
) -> None:
    client = capable(start().register(Relay(), "relay"))
    expected = [*map(double, range(40))]
    assert client.call(method, double, count(40)) == expected


def test_calls_go_on_while_others_wait_for_their_client(
    start: Callable[..., Daemon],
    capable: Callable[..., CapableClient],
    servertype: str,
) -> None:
    client = capable(start().register(Relay(), "relay"))
    client.answers_callbacks = False
    method = "mapped_later" if servertype == "multiplex" else "mapped"
    waiting = [client.send(method, double, count(1)) for _ in range(5)]
    assert client.call("add", 1, 2) == 3
    for _ in waiting:
        client.carry_out(*client.wait_for_call())
    assert [client.answer(one) for one in waiting] == [[0]] * 5


def test_a_oneway_method_may_call_back_even_if_no_worker_is_free(
    start: Callable[..., Daemon],
    capable: Callable[..., CapableClient],
    settings: Configuration,
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
    settings.THREADPOOL_QUEUE_SIZE = 1
    relay = Relay()
    client = capable(start().register(relay, "relay"))

    def quiet() -> None:
        return

    for _ in range(20):
        client.send("tell", quiet, flags=FLAG_ONEWAY)
    told = 0
    while told < 20:
        while relay.told.acquire(blocking=False):
            told += 1
        if told < 20 and not relay.told.acquire(timeout=0.01):
            client.poll()
            continue
        told += told < 20
    assert client.call("add", 1, 2) == 3


@pytest.mark.parametrize("servertype", ["thread"])
def test_a_request_without_a_worker_does_not_keep_an_answer_from_being_read(
    start: Callable[..., Daemon],
    capable: Callable[..., CapableClient],
    settings: Configuration,
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
    settings.THREADPOOL_QUEUE_SIZE = 1
    relay = Relay()
    daemon = start()
    client = capable(daemon.register(relay, "relay"))
    client.answers_callbacks = False

    def quiet() -> None:
        return

    client.send("tell", quiet, flags=FLAG_ONEWAY)
    call = client.wait_for_call()
    client.send("tell", quiet, flags=FLAG_ONEWAY)
    host: Any = daemon.transportServer
    (connection,) = host.connections
    eventually(lambda: connection.held or connection.oneway, "the second is read")
    client.carry_out(*call)
    client.carry_out(*client.wait_for_call())
    for _ in range(2):
        assert relay.told.acquire(timeout=DEADLINE)


@pytest.mark.parametrize("seed", range(5))
def test_a_random_mixture_leaves_nothing_behind(
    start: Callable[..., Daemon], capable: Callable[..., CapableClient], seed: int
) -> None:
    choose = random.Random(seed)
    daemon = start()
    relay = Relay()
    uri = daemon.register(relay, "relay")
    begun = 0
    for _ in range(3):
        client = capable(uri)
        streams = []
        for _ in range(choose.randrange(1, 4)):
            method = choose.choice(["through", "through_later"])
            stream = client.start(method, count(choose.choice([10, 1000, 10**9])))
            stream.grant(1)
            assert stream.next() == 0
            streams.append(stream)
            begun += 1
        for _ in range(choose.randrange(15)):
            stream = choose.choice(streams)
            what = choose.randrange(4)
            if what == 0:
                stream.close()
            elif what == 1:
                stream.grant(choose.randrange(50))
            elif what == 2:
                assert client.call("mapped_later", double, count(3)) == [0, 2, 4]
            else:
                number = client.send("mapped", double, count(50))
                client.cancel(number)
                try:
                    client.answer(number)
                except PyroError:
                    continue
        client.close()
    for _ in range(begun):
        assert relay.closed.acquire(timeout=10)
    eventually(lambda: not daemon.connections())
    gc.collect()
    assert not daemon.streams


def test_connections_are_freed_without_the_garbage_collector(
    start: Callable[..., Daemon], capable: Callable[..., CapableClient]
) -> None:
    import weakref

    daemon = start()
    relay = Relay()
    client = capable(daemon.register(relay, "relay"))
    client.call("mapped", double, count(3))
    stream = client.start("through", count(3))
    stream.grant(10)
    stream.all()
    (connection,) = daemon.transportServer.connections  # type: ignore[union-attr]
    gone = weakref.ref(connection)
    del connection
    gc.disable()
    try:
        client.close()
        eventually(lambda: gone() is None, "the connection is freed")
    finally:
        gc.enable()

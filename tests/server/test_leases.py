from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI, expose
from pyro_protocol.errors import DaemonError, PyroError
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY
from support.concurrent_client import ConcurrentClient
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon

    Start = Callable[..., Daemon]
    Connect = Callable[..., BlockingChannel]

TEMPORARIES = 2000


@expose
class Cursor:
    def __init__(self, ended: threading.Semaphore) -> None:
        self._ended = ended

    def value(self) -> int:
        return 7

    def close(self) -> None:
        self._ended.release()


class Factory:
    """Makes cursors, and tells how many have been released."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._ended = threading.Semaphore(0)

    @expose
    def make(self) -> Cursor:
        return self._daemon.lease(Cursor(self._ended))

    @expose
    async def make_later(self) -> Cursor:
        return self.make()

    @expose
    def each(self, count: int) -> Iterator[Cursor]:
        for _ in range(count):
            yield self.make()

    @expose
    def make_and_fail(self) -> None:
        self.make()
        raise ValueError("something went wrong after that")

    def wait_for_releases(self, count: int = 1) -> None:
        for _ in range(count):
            assert self._ended.acquire(timeout=DEADLINE), "not released"


@pytest.fixture
def settings(settings: Configuration) -> Configuration:
    settings.LEASE_LINGER = 0.0
    return settings


@pytest.fixture
def daemon(start: Start) -> Daemon:
    return start()


@pytest.fixture
def factory(daemon: Daemon) -> Factory:
    factory = Factory(daemon)
    daemon.register(factory, "factory")
    return factory


@pytest.fixture
def channel(daemon: Daemon, factory: Factory, connect: Connect) -> BlockingChannel:
    return connect(daemon.uriFor(factory))


def call(channel: BlockingChannel, method: str, *args: Any, flags: int = 0) -> Any:
    return channel.call("factory", method, args, {}, flags)


def give_back(channel: BlockingChannel, *references: Any) -> None:
    ids = [uri_of(one).object_id for one in references]
    channel.call("Pyro.Daemon", "release", (ids,), {}, FLAG_ONEWAY)


def uri_of(reference: Any) -> URI:
    return URI(reference._pyro_state_()[0])


def test_thousands_of_temporaries_leave_an_empty_table(
    daemon: Daemon, factory: Factory, channel: BlockingChannel
) -> None:
    before = len(daemon.registry)

    for _ in range(TEMPORARIES):
        give_back(channel, call(channel, "make"))
    factory.wait_for_releases(TEMPORARIES)

    assert (len(daemon.leases), len(daemon.registry)) == (0, before)


def test_a_leased_object_can_be_called(
    daemon: Daemon, channel: BlockingChannel, connect: Connect
) -> None:
    cursor = connect(uri_of(call(channel, "make")))

    assert cursor.call(cursor.uri.object_id, "value") == 7
    (leased,) = daemon.leases.objects()
    assert isinstance(leased.target, Cursor)
    assert leased.connections == 2


def test_the_loss_of_the_connection_releases_what_it_held(
    daemon: Daemon, factory: Factory, channel: BlockingChannel
) -> None:
    for _ in range(10):
        call(channel, "make")
    with pytest.raises(ValueError, match="after that"):
        call(channel, "make_and_fail")
    assert len(daemon.leases) == 11

    channel.close()

    factory.wait_for_releases(11)
    eventually(lambda: len(daemon.registry) == 2)


def test_what_is_not_used_for_its_time_is_released_by_housekeeping(
    daemon: Daemon, factory: Factory, channel: BlockingChannel
) -> None:
    cursor = daemon.lease(Cursor(factory._ended), 0.01)
    assert cursor._pyroId in daemon.objectsById  # type: ignore[attr-defined]

    factory.wait_for_releases()

    eventually(lambda: not hasattr(cursor, "_pyroId"))
    with pytest.raises(DaemonError, match="not registered"):
        daemon.uriFor(cursor)


def test_a_registered_object_stays_what_it_is(
    daemon: Daemon, channel: BlockingChannel
) -> None:
    pinned = Cursor(threading.Semaphore(0))
    daemon.register(pinned, "pinned")

    assert daemon.lease(pinned, 0.001) is pinned
    channel.call("Pyro.Daemon", "release", (["pinned"],))

    assert len(daemon.leases) == 0
    assert "pinned" in daemon.objectsById


def test_coroutines_lease_for_the_client_that_called_them(
    daemon: Daemon, factory: Factory, channel: BlockingChannel
) -> None:
    give_back(channel, call(channel, "make_later"))

    factory.wait_for_releases()


def test_batches_do(daemon: Daemon, factory: Factory, channel: BlockingChannel) -> None:
    calls: list[Any] = [("make", (), {})] * 3
    references = channel.call("factory", "<batch>", calls, None, FLAG_BATCH)

    give_back(channel, *references)

    factory.wait_for_releases(3)


def test_streams_do(daemon: Daemon, factory: Factory, channel: BlockingChannel) -> None:
    stream = call(channel, "each", 2)
    items = [
        channel.call("Pyro.Daemon", "get_next_stream_item", (stream.stream_id,))
        for _ in range(2)
    ]

    give_back(channel, *items)

    factory.wait_for_releases(2)


def test_closing_the_daemon_releases_everything(
    settings: Configuration, start: Start, connect: Connect
) -> None:
    daemon = start()
    factory = Factory(daemon)
    call(connect(daemon.register(factory, "factory")), "make")
    daemon.lease(Cursor(factory._ended))

    daemon.shutdown()

    factory.wait_for_releases(2)
    assert len(daemon.leases) == 0


def test_a_program_can_unregister_a_leased_object_itself(daemon: Daemon) -> None:
    ended = threading.Semaphore(0)
    cursor = daemon.lease(Cursor(ended))

    daemon.unregister(cursor)

    assert len(daemon.leases) == 0
    assert not hasattr(cursor, "_pyroId")
    assert not ended.acquire(blocking=False)


def test_a_connection_may_hold_only_so_many(
    settings: Configuration, start: Start, connect: Connect
) -> None:
    settings.MAX_LEASES = 2
    daemon = start()
    channel = connect(daemon.register(Factory(daemon), "factory"))
    first, _ = call(channel, "make"), call(channel, "make")

    with pytest.raises(PyroError, match="MAX_LEASES=2"):
        call(channel, "make")
    # Not oneway, so that it has been done.
    channel.call("Pyro.Daemon", "release", ([uri_of(first).object_id],))

    call(channel, "make")


def test_an_object_of_a_class_without_marks_can_be_leased(daemon: Daemon) -> None:
    numbers = daemon.lease([3, 4, 3], expose=["count"])

    (leased,) = daemon.leases.objects()

    assert numbers == leased.target == [3, 4, 3]
    entry = daemon.registry.get(leased.object_id)
    assert entry is not None
    assert set(entry.members.methods) == {"count"}


def test_calls_of_a_leased_object_run_side_by_side(daemon: Daemon) -> None:
    @expose
    class Task:
        def __init__(self) -> None:
            self._stopped = asyncio.Event()

        async def run(self) -> str:
            await self._stopped.wait()
            return "stopped"

        async def stop(self) -> None:
            self._stopped.set()

    client = ConcurrentClient(daemon.uriFor(daemon.lease(Task())))
    try:
        running = client.send("run")
        client.call("stop")
        assert client.answer(running) == "stopped"
    finally:
        client.close()

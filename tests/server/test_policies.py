"""Policies of concurrent calls, by several connections and under every server type."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_server import concurrency, expose
from support.concurrent_client import ConcurrentClient
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol import URI
    from pyro_server import Daemon


@expose
@concurrency("readers-writer")
class Shelf:
    """Notes who is inside of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = self._writers = 0
        self.wrong: list[str] = []
        self.most_readers = 0
        self._label = ""

    async def _visit(self, kind: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        for _ in range(3):
            if self._writers > 1 or (self._writers and self._readers):
                self.wrong.append(f"{self._readers} readers, {self._writers} writers")
            self.most_readers = max(self.most_readers, self._readers)
            await asyncio.sleep(0)
        setattr(self, kind, getattr(self, kind) - 1)

    @concurrency("read")
    async def read(self) -> None:
        await self._visit("_readers")

    async def write(self) -> None:
        await self._visit("_writers")

    @property
    def label(self) -> str:
        return self._label

    @label.setter
    def label(self, value: str) -> None:
        self._label = value


@pytest.fixture
def client() -> Iterator[Callable[[URI], ConcurrentClient]]:
    clients: list[ConcurrentClient] = []

    def client(uri: URI) -> ConcurrentClient:
        clients.append(ConcurrentClient(uri))
        return clients[-1]

    yield client
    for one in clients:
        one.close()


def test_readers_come_together_and_writers_alone(
    start: Callable[..., Daemon], client: Callable[[URI], ConcurrentClient]
) -> None:
    shelf = Shelf()
    uri = start().register(shelf)
    calls = [
        (one, one.send("write" if number % 5 == 0 else "read"))
        for one in (client(uri), client(uri), client(uri))
        for number in range(30)
    ]

    for one, call in calls:
        one.answer(call)

    assert shelf.wrong == []
    assert shelf.most_readers > 1


def test_clients_that_leave_while_they_wait_do_not_lock_the_object(
    start: Callable[..., Daemon], client: Callable[[URI], ConcurrentClient]
) -> None:
    @expose
    @concurrency("serial")
    class Instrument:
        async def measure(self) -> int:
            await asyncio.sleep(0)
            return 1

        def look(self) -> int:
            return 2

    daemon: Any = start()
    uri = daemon.register(Instrument())
    for number in range(30):
        leaving = client(uri)
        for _ in range(10):
            leaving.send("look" if number % 2 else "measure")
        leaving.close()

    eventually(lambda: not daemon.connections())
    staying = client(uri)
    assert [staying.call("look"), staying.call("measure")] == [2, 1]


def test_an_object_with_two_ids_is_still_one(
    start: Callable[..., Daemon], client: Callable[[URI], ConcurrentClient]
) -> None:
    entered, inside, most = threading.Semaphore(0), 0, 0

    @expose
    @concurrency("serial")
    class Instrument:
        async def measure(self) -> None:
            nonlocal inside, most
            entered.release()
            inside += 1
            most = max(most, inside)
            for _ in range(3):
                await asyncio.sleep(0)
            inside -= 1

    instrument, daemon = Instrument(), start()
    uris = [daemon.register(instrument, one, force=True) for one in ("one", "two")]
    calls = [(one, one.send("measure")) for one in map(client, uris) for _ in range(20)]
    for one, call in calls:
        one.answer(call)

    for _ in calls:
        assert entered.acquire(timeout=DEADLINE)
    assert most == 1

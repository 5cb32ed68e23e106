"""References to leased objects that an async proxy has received are given back."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import AsyncProxy
from pyro_protocol import Configuration, expose
from support.event_loops import run
from support.hosting import DEADLINE, HostThread

if TYPE_CHECKING:
    from collections.abc import Iterator


@expose
class Cursor:
    def __init__(self, ended: threading.Semaphore) -> None:
        self._ended = ended

    def value(self) -> int:
        return 7

    def close(self) -> None:
        self._ended.release()


class Factory:
    """Makes cursors, and notes when they are released."""

    def __init__(self, host: HostThread) -> None:
        self._host = host
        self.ended = threading.Semaphore(0)

    @expose
    def make(self) -> Any:
        return self._host.host.lease(Cursor(self.ended))

    async def wait_for_releases(self, count: int) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.ended.acquire, timeout=DEADLINE)

    @property
    def table_size(self) -> int:
        return self._host.call(lambda: len(self._host.host.leases))


@pytest.fixture
def factory() -> Iterator[Factory]:
    config = Configuration(use_environment=False, LEASE_LINGER=0.0)
    with HostThread(config=config) as host:
        factory = Factory(host)
        host.register(factory, "factory")
        yield factory


@pytest.fixture
def uri(factory: Factory) -> str:
    return f"PYRO:factory@{factory._host.location}"


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_dropping_the_proxies_releases_the_objects(
    factory: Factory, uri: str, kind: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            for _ in range(100):
                assert type(await proxy.make()) is AsyncProxy
            kept = await proxy.make()
            gc.collect()
            await factory.wait_for_releases(100)
            assert factory.table_size == 1
            assert await kept.value() == 7
            await kept._pyroRelease()
            await factory.wait_for_releases(1)
            assert factory.table_size == 0

    run(main, kind)


def test_the_end_of_the_connection_releases_what_is_left(
    factory: Factory, uri: str
) -> None:
    async def main() -> Any:
        async with AsyncProxy(uri) as proxy:
            return await proxy.make()

    kept = run(main)
    assert factory.ended.acquire(timeout=DEADLINE)
    del kept

from __future__ import annotations

import copy
import gc
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_client import Proxy, leases
from pyro_protocol import expose
from pyro_protocol.config import Configuration
from pyro_protocol.errors import PyroError
from support.daemons import eventually
from support.hosting import DEADLINE, HostThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

    def __init__(self, host: HostThread) -> None:
        self._host = host
        self._ended = threading.Semaphore(0)
        self._kept = Cursor(self._ended)

    @expose
    def make(self) -> Cursor:
        return self._host.host.lease(Cursor(self._ended))

    @expose
    def several(self, count: int) -> list[Cursor]:
        return [self.make() for _ in range(count)]

    @expose
    def same(self) -> Cursor:
        return self._host.host.lease(self._kept)

    @expose
    def echo(self, value: object) -> object:
        return value

    def wait_for_releases(self, count: int) -> None:
        for _ in range(count):
            assert self._ended.acquire(timeout=DEADLINE), "not released"

    @property
    def table_size(self) -> int:
        return self._host.call(lambda: len(self._host.host.leases))

    @property
    def objects(self) -> int:
        return self._host.call(lambda: len(self._host.host.registry))


@pytest.fixture
def config() -> Configuration:
    return Configuration(use_environment=False, LEASE_LINGER=0.0)


@pytest.fixture
def factory(config: Configuration) -> Iterator[Factory]:
    with HostThread(config=config) as host:
        factory = Factory(host)
        host.register(factory, "factory")
        yield factory


@pytest.fixture
def connect(factory: Factory) -> Iterator[Callable[..., Proxy]]:
    proxies: list[Proxy] = []
    location = factory._host.location

    def connect(**settings: object) -> Proxy:
        config = Configuration(use_environment=False, **settings)
        proxies.append(Proxy(f"PYRO:factory@{location}", config=config))
        return proxies[-1]

    yield connect
    for proxy in proxies:
        proxy._pyroRelease()


@pytest.fixture
def proxy(connect: Callable[..., Proxy]) -> Proxy:
    return connect()


def test_thousands_of_temporaries_leave_an_empty_table(
    factory: Factory, proxy: Proxy
) -> None:
    before = factory.objects

    for _ in range(TEMPORARIES // 2):
        proxy.make()
    cursors = proxy.several(TEMPORARIES // 2)
    assert factory.table_size >= TEMPORARIES // 2
    del cursors
    proxy.echo(None)
    factory.wait_for_releases(TEMPORARIES)

    assert (factory.table_size, factory.objects) == (0, before)


def test_an_object_is_released_when_its_proxy_is_dropped(
    factory: Factory, proxy: Proxy
) -> None:
    cursor = proxy.make()
    assert cursor.value() == 7
    assert factory.table_size == 1

    del cursor

    factory.wait_for_releases(1)
    assert factory.table_size == 0


def test_at_the_end_of_its_with_block_too(factory: Factory, proxy: Proxy) -> None:
    with proxy.make() as cursor:
        assert cursor.value() == 7

    factory.wait_for_releases(1)
    with pytest.raises(PyroError, match="unknown object"):
        cursor.value()


def test_a_method_and_a_copy_keep_the_object(factory: Factory, proxy: Proxy) -> None:
    cursor = proxy.make()
    value, twin = cursor.value, copy.copy(cursor)

    del cursor
    proxy.echo(None)
    assert value() == 7
    del value
    proxy.echo(None)
    assert twin.value() == 7
    del twin

    factory.wait_for_releases(1)


def test_all_proxies_of_one_object_have_to_be_dropped(
    factory: Factory, proxy: Proxy
) -> None:
    first, second = proxy.same(), proxy.same()
    assert first == second

    del first
    proxy.echo(None)
    assert second.value() == 7
    del second

    factory.wait_for_releases(1)


def test_reconnecting_does_not_give_the_object_up(
    factory: Factory, proxy: Proxy
) -> None:
    cursor = proxy.make()
    cursor.value()

    cursor._pyroReconnect()

    assert cursor.value() == 7
    assert factory.table_size == 1


def test_a_proxy_that_was_passed_on_gives_nothing_back(
    factory: Factory, proxy: Proxy, connect: Callable[..., Proxy]
) -> None:
    uri = connect().echo(proxy.make())._pyroUri
    gc.collect()
    proxy.echo(None)

    with Proxy(uri) as cursor:
        assert cursor.value() == 7


def test_it_ends_with_the_connection_it_came_by(factory: Factory, proxy: Proxy) -> None:
    cursor = proxy.make()

    proxy._pyroRelease()

    factory.wait_for_releases(1)
    del cursor


def test_another_serializer_says_nothing_and_the_connection_ends_it(
    factory: Factory, connect: Callable[..., Proxy]
) -> None:
    proxy = connect(SERIALIZER="serpent")
    cursor = proxy.make()
    assert cursor._pyro_binding.lease is None
    del cursor
    proxy.echo(None)
    assert factory.table_size == 1

    proxy._pyroRelease()

    factory.wait_for_releases(1)


def test_proxies_dropped_during_a_call_are_told_of_before_the_next(
    factory: Factory, proxy: Proxy
) -> None:
    cursors = proxy.several(3)
    channel = proxy._pyroConnection
    assert channel is not None

    with channel._lock:
        del cursors
        assert len(proxy._pyro_binding._abandoned) == 3
    proxy.echo(None)

    factory.wait_for_releases(3)


def test_threads_that_receive_the_same_object_share_what_they_give_back(
    factory: Factory, proxy: Proxy
) -> None:
    received: list[Proxy] = []

    def receive() -> None:
        received.extend(proxy.same() for _ in range(50))

    threads = [threading.Thread(target=receive) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)

    assert len({id(one._pyro_binding.lease) for one in received}) == 1
    received[0].value()
    received.clear()
    factory.wait_for_releases(1)


def test_a_reference_of_an_unknown_connection_is_nobodys_to_give_back() -> None:
    assert leases.received_lease("obj", "0123456789abcdef:1") is None


def test_the_name_of_a_connection_is_forgotten_with_it(proxy: Proxy) -> None:
    proxy._pyroBind()
    first = proxy._pyro_binding.lease_key
    proxy._pyroRelease()
    proxy._pyroBind()
    second = proxy._pyro_binding.lease_key

    assert first is not None
    assert second is not None
    assert leases.received_lease("obj", f"{first}:1") is None
    assert leases.received_lease("obj", f"{second}:1") is not None


def test_nothing_is_kept_of_what_was_given_back(factory: Factory, proxy: Proxy) -> None:
    del proxy.several(10)[:]
    factory.wait_for_releases(10)

    key = proxy._pyro_binding.lease_key
    eventually(lambda: not [one for one in leases._leases if one[0] == key])

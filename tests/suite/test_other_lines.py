"""Calls, streams and callbacks over TLS and over Unix sockets."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_suite import Configuration, Daemon, Proxy, expose
from support.certificates import make_certificate
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LARGE = 24 << 20


@expose
class Service:
    """A bit of everything."""

    def __init__(self) -> None:
        self.kept: Any = None

    def echo(self, value: object) -> object:
        return value

    def add(self, one: int, other: int) -> int:
        return one + other

    def count(self, last: int) -> Iterator[int]:
        yield from range(last)

    def blocks(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield bytes(300_000)

    def total(self, items: Any) -> int:
        return sum(items)

    def keep(self, function: Any) -> None:
        self.kept = function

    def call(self, function: Any, value: Any) -> Any:
        return function(value)


@pytest.fixture(params=["tls", "unix", "tcp"])
def service(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    client_settings: Configuration,
    server_settings: Configuration,
    start: Callable[..., Daemon],
) -> tuple[Service, Daemon]:
    """A service, and the daemon that serves it."""
    options: dict[str, Any] = {}
    if request.param == "unix":
        if not hasattr(socket, "AF_UNIX"):
            pytest.skip("there are no Unix sockets")
        options = {"unixsocket": str(tmp_path / "socket")}
    elif request.param == "tls":
        server = make_certificate(tmp_path, "server")
        for settings in (client_settings, server_settings):
            settings.SSL = True
        server_settings.SSL_SERVERCERT = server.certificate
        server_settings.SSL_SERVERKEY = server.key
        client_settings.SSL_CACERTS = server.certificate
        options = {"host": "localhost"}
    client_settings.HEARTBEAT_INTERVAL = 0
    service = Service()
    return service, start(service, **options)


@pytest.fixture
def proxy(service: tuple[Service, Daemon], connect: Callable[..., Proxy]) -> Proxy:
    return connect(service[1])


def test_threads_share_the_connection(
    proxy: Proxy, service: tuple[Service, Daemon]
) -> None:
    def use(thread: int) -> None:
        for number in range(60):
            assert proxy.add(thread, number) == thread + number
            assert proxy.echo([thread, "x" * number]) == [thread, "x" * number]
            if number % 20 == 0:
                assert list(proxy.count(200)) == list(range(200))
                assert proxy.total(iter(range(50))) == sum(range(50))
                assert proxy.call(lambda one: one + 1, number) == number + 1

    with ThreadPoolExecutor(12) as pool:
        for _ in pool.map(use, range(12), timeout=DEADLINE):
            pass
    assert len(service[1].connections()) == 1


def test_large_messages_pass_in_both_directions_at_once(proxy: Proxy) -> None:
    with ThreadPoolExecutor(4) as pool:
        blocks = [bytes([number]) * LARGE for number in range(4)]
        assert list(pool.map(proxy.echo, blocks, timeout=DEADLINE)) == blocks


def test_a_stream_of_large_items_passes(proxy: Proxy) -> None:
    assert sum(map(len, proxy.blocks(40))) == 40 * 300_000


@pytest.mark.parametrize("size", [10, 100_000, LARGE])
def test_an_idle_client_is_called_with_large_values(
    proxy: Proxy, service: tuple[Service, Daemon], size: int
) -> None:
    proxy.keep(lambda value: value)
    for _ in range(3):
        value = bytes(size)
        assert service[0].kept(value) == value
    assert proxy.add(1, 2) == 3


def test_a_connection_that_is_lost_is_noticed(
    proxy: Proxy, service: tuple[Service, Daemon]
) -> None:
    assert proxy.add(1, 2) == 3
    proxy.keep(len)
    service[1].shutdown()
    eventually(lambda: not proxy._pyro_binding.connected)

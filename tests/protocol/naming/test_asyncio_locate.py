from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.errors import CommunicationError, NamingError
from pyro_protocol.naming import asyncio_locate, locate_ns_async
from support.hosting import HostThread
from support.names import Names
from support.responder import Responder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_protocol.config import Configuration


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, nor will while the test runs."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def asking(settings: Configuration, closed_port: int) -> Configuration:
    """Settings with which nothing but a broadcast can succeed."""
    settings.NS_HOST = "127.0.0.1"
    settings.NS_PORT = closed_port
    settings.BROADCAST_ADDRS = ["127.0.0.1"]
    return settings


def located(
    config: Configuration, host: str = "", port: int | None = None, *, ask: bool = True
) -> str:
    """Return where a name server was found, and has answered."""

    async def search() -> str:
        async with await locate_ns_async(host, port, ask, config=config) as client:
            await client.ping()
            return str(client._pyroUri)

    return asyncio.run(search())


def test_a_host_and_port_are_tried(
    host: HostThread, port: int, settings: Configuration
) -> None:
    expected = f"PYRO:Pyro.NameServer@127.0.0.1:{port}"
    assert located(settings, "127.0.0.1", port) == expected


def test_a_unix_socket_is_a_host_too(tmp_path: Path, settings: Configuration) -> None:
    path = str(tmp_path / "names.sock")
    with HostThread(unixsocket=path) as host:
        host.register(Names(), "Pyro.NameServer")
        expected = f"PYRO:Pyro.NameServer@./u:{path}"
        assert located(settings, f"./u:{path}") == expected


def test_the_network_is_asked_and_only_name_servers_are_believed(
    port: int, closed_port: int, asking: Configuration
) -> None:
    good = f"PYRO:Pyro.NameServer@127.0.0.1:{port}"
    dead = f"PYRO:Pyro.NameServer@127.0.0.1:{closed_port}"
    with Responder([b"nonsense", dead.encode(), good.encode()]) as responder:
        asking.NS_BCPORT = responder.port
        assert located(asking) == good
        assert responder.requests == [b"GET_NSURI"]


def test_the_network_is_asked_three_times(
    port: int, asking: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio_locate, "BROADCAST_WAIT_SECONDS", 0.05)
    good = f"PYRO:Pyro.NameServer@127.0.0.1:{port}"
    with Responder([], [], [good.encode()]) as responder:
        asking.NS_BCPORT = responder.port
        assert located(asking) == good


def test_a_search_without_success_is_a_naming_error(asking: Configuration) -> None:
    with pytest.raises(NamingError, match="Failed to locate the nameserver") as caught:
        located(asking, ask=False)
    assert isinstance(caught.value.__cause__, CommunicationError)
    asking.BROADCAST_ADDRS = []
    with pytest.raises(NamingError):
        located(asking)

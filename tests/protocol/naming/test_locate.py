from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.errors import CommunicationError, NamingError, PyroError
from pyro_protocol.naming import locate, locate_ns
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


def test_the_client_is_connected(host: HostThread, port: int) -> None:
    with locate_ns("127.0.0.1", port) as client:
        assert ", connected" in repr(client)
        assert str(client._pyroUri) == f"PYRO:Pyro.NameServer@127.0.0.1:{port}"


def test_without_a_host_the_configured_place_is_looked_at(
    host: HostThread, port: int, settings: Configuration
) -> None:
    settings.NS_HOST = "127.0.0.1"
    settings.NS_PORT = port
    with locate_ns(config=settings) as client:
        client.ping()


def test_a_unix_socket_is_a_host_too(tmp_path: Path, settings: Configuration) -> None:
    path = str(tmp_path / "names.sock")
    with HostThread(unixsocket=path) as host:
        host.register(Names(), "Pyro.NameServer")
        with locate_ns(f"./u:{path}", config=settings) as client:
            client.ping()


def test_the_network_is_asked_and_only_name_servers_are_believed(
    port: int, asking: Configuration
) -> None:
    good = f"PYRO:Pyro.NameServer@127.0.0.1:{port}".encode()
    nonsense = [b"", b"nonsense", b"PYRO:other.object@127.0.0.1:1"]
    with Responder([*nonsense, good]) as responder:
        with locate_ns(port=responder.port, config=asking) as client:
            assert str(client._pyroUri).encode() == good
            client.ping()
        assert responder.requests == [b"GET_NSURI"]


def test_an_answer_that_leads_nowhere_is_passed_over(
    port: int, closed_port: int, asking: Configuration
) -> None:
    dead = f"PYRO:Pyro.NameServer@127.0.0.1:{closed_port}".encode()
    good = f"PYRO:Pyro.NameServer@127.0.0.1:{port}".encode()
    with Responder([dead, dead, good]) as responder:
        asking.NS_BCPORT = responder.port
        with locate_ns(config=asking) as client:
            assert str(client._pyroUri).encode() == good


def test_the_network_is_asked_three_times(
    port: int, asking: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "BROADCAST_WAIT_SECONDS", 0.05)
    good = f"PYRO:Pyro.NameServer@127.0.0.1:{port}".encode()
    with Responder([], [], [good]) as responder:
        asking.NS_BCPORT = responder.port
        with locate_ns(config=asking) as client:
            client.ping()
        assert len(responder.requests) == 3


def test_a_search_without_success_is_a_naming_error(asking: Configuration) -> None:
    with pytest.raises(NamingError, match="Failed to locate the nameserver") as caught:
        locate_ns(broadcast=False, config=asking)
    assert isinstance(caught.value.__cause__, CommunicationError)


def test_a_machine_that_cannot_broadcast_does_not_wait(asking: Configuration) -> None:
    asking.BROADCAST_ADDRS = ["no such host"]
    asking.MDNS_ADDRS = ["127.0.0.1"]
    with pytest.raises(NamingError):
        locate_ns(config=asking)


def test_with_a_host_the_network_is_not_asked(
    closed_port: int, asking: Configuration
) -> None:
    with Responder() as responder:
        asking.NS_BCPORT = responder.port
        with pytest.raises(NamingError):
            locate_ns("127.0.0.1", closed_port, config=asking)
        assert responder.requests == []


def test_a_host_that_cannot_be_one_is_said_to_be_invalid() -> None:
    with pytest.raises(PyroError, match="bad host"):
        locate_ns("two words")

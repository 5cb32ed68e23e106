"""Clients of a TLS server that do not get as far as TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Final

import pytest

from pyro_protocol import URI
from server.robustness.world import (
    WORKERS,
    Callers,
    Holdings,
    ServerProcess,
    plain_settings,
)
from support.certificates import Certificate, make_certificate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration

_OWN_THREADS: Final = 4


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("certificates")
    return make_certificate(folder, "server")


@pytest.fixture
def trusting(certificate: Certificate) -> Configuration:
    return plain_settings(SSL=True, SSL_CACERTS=certificate.certificate)


@pytest.fixture
def tls_server(
    certificate: Certificate, serve: Callable[..., ServerProcess]
) -> ServerProcess:
    return serve(
        settings={
            # The name that the certificate is for.
            "SERVED_HOST": "localhost",
            "PYRO_SSL": "1",
            "PYRO_SSL_SERVERCERT": certificate.certificate,
            "PYRO_SSL_SERVERKEY": certificate.key,
        }
    )


def client_hello() -> bytes:
    """Return what a TLS client sends first."""
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.fixture
def connect(tls_server: ServerProcess) -> Iterator[Callable[[bytes], socket.socket]]:
    """Connects without TLS, and sends something."""
    uri = URI(tls_server.uri())
    sockets: list[socket.socket] = []

    def connect(data: bytes) -> socket.socket:
        sock = socket.create_connection((uri.host, uri.port), DEADLINE)
        sockets.append(sock)
        sock.sendall(data)
        return sock

    yield connect
    for sock in sockets:
        sock.close()


def test_clients_that_do_not_begin_or_end_tls_keep_nobody_waiting(
    tls_server: ServerProcess,
    trusting: Configuration,
    connect: Callable[[bytes], socket.socket],
) -> None:
    hello = client_hello()
    holdings = Holdings(tls_server, trusting)
    with Callers(tls_server.uri(), settings=trusting) as callers:
        beginnings = (b"", hello[:1], hello[: len(hello) // 2], hello)
        sockets = [connect(data) for data in 50 * beginnings]
        callers.wait_for_answers(5)
        assert tls_server.thread_count() <= WORKERS + _OWN_THREADS
        # Plain Pyro is no TLS, and its client is told by the end.
        plain = connect(b"PYRO\x01\xf6\x01" + bytes(100))
        plain.settimeout(DEADLINE)
        with contextlib.suppress(ConnectionResetError):
            while plain.recv(1000):
                continue
        for sock in sockets:
            sock.close()
    holdings.wait_until_nothing_is_left()

"""Thousands of connections, and clients that are slow on purpose."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING

import pytest

from support.gateway import GatewayProcess
from support.hosting import DEADLINE
from support.web import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE = 10_000
# Those of the test itself, of pytest and of the site.
OTHER_FILES = 500
# As many requests are begun before their answers are read.
AT_ONCE = 200

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
CALL = f"GET /pyro/{NAME}/target HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.fixture
def gateway() -> Iterator[GatewayProcess]:
    """A gateway under uvicorn, in a process of its own."""
    with Site() as site:
        environment = {
            "PYRO_NS_HOST": site.config.NS_HOST,
            "PYRO_NS_PORT": str(site.config.NS_PORT),
        }
        with GatewayProcess("--server", "uvicorn", environment=environment) as gateway:
            yield gateway


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process have as many connections as the test takes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"a process may have {hard} files here; this takes {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(gateway: GatewayProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), DEADLINE)


def assert_it_answers(gateway: GatewayProcess) -> None:
    """Call an object over a connection of its own."""
    assert gateway.ask(f"/pyro/{NAME}/target").json() == 20.5


@pytest.mark.usefixtures("many_files")
def test_thousands_of_kept_connections_do_not_stop_others(
    gateway: GatewayProcess,
) -> None:
    connections: list[socket.socket] = []
    try:
        while len(connections) < IDLE:
            new = [connect(gateway) for _ in range(AT_ONCE)]
            connections += new
            for sock in new:
                sock.sendall(REQUEST)
            for sock in new:
                assert sock.recv(12) == b"HTTP/1.1 200"
        assert_it_answers(gateway)
        # All of them are still there.
        for sock in connections[:: IDLE // 100]:
            drain(sock)
            sock.sendall(CALL)
            assert sock.recv(12) == b"HTTP/1.1 200"
    finally:
        for sock in connections:
            sock.close()
    assert_it_answers(gateway)


def drain(sock: socket.socket) -> None:
    """Take what is left of the last answer, all of which has come."""
    sock.recv(65536)


def test_clients_that_do_not_finish_their_requests_do_not_stop_others(
    gateway: GatewayProcess,
) -> None:
    begun = (
        b"",
        b"G",
        CALL[:-2],
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nabc",
    )
    connections = [connect(gateway) for _ in range(400)]
    try:
        for number, sock in enumerate(connections):
            sock.sendall(begun[number % len(begun)])
        for _ in range(20):
            assert_it_answers(gateway)
        for sock in connections[2 :: len(begun)]:
            sock.sendall(CALL[-2:])
            assert sock.recv(12) == b"HTTP/1.1 200"
    finally:
        for sock in connections:
            sock.close()


def test_clients_that_do_not_read_do_not_stop_others(gateway: GatewayProcess) -> None:
    call = CALL.replace(b"/target", b"/heat?room=" + b"x" * 30_000)
    connections = [connect(gateway) for _ in range(5)]
    try:
        for sock in connections:
            fill(sock, call)
        for _ in range(20):
            assert_it_answers(gateway)
    finally:
        for sock in connections:
            sock.close()


def fill(sock: socket.socket, data: bytes) -> None:
    """Send something again and again, until no more of it is taken."""
    sock.settimeout(0)
    while True:
        try:
            sock.send(data)
        except BlockingIOError:
            return


def test_slow_calls_of_many_do_not_hold_up_quick_ones() -> None:
    with Site() as site:
        environment = {
            "PYRO_NS_HOST": site.config.NS_HOST,
            "PYRO_NS_PORT": str(site.config.NS_PORT),
        }
        with GatewayProcess("--server", "uvicorn", environment=environment) as gateway:
            clients = [
                http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=DEADLINE)
                for _ in range(30)
            ]
            for client in clients:
                client.request("GET", f"/pyro/{NAME}/wait")
            for _ in clients:
                assert site.thermostat.waiting.acquire(timeout=DEADLINE)
            assert_it_answers(gateway)
            site.thermostat.release.set()
            for client in clients:
                assert client.getresponse().read() == b'"waited"'
                client.close()

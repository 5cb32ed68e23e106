"""HTTP/1.1 as it is spoken under uvicorn, over real connections."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.asgi import AsgiApplication
from pyro_httpgw.serving.guarding import ConnectionGuard
from pyro_httpgw.serving.http_connection import HttpConnection, ServerState
from support.hosting import DEADLINE
from support.sources import SOURCES, Reader, Sources
from support.web import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

httptools = pytest.importorskip("httptools", reason="the extra server")

CLOSE = "Connection: close\r\n"
TWO_LENGTHS = (
    b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Server:
    """A loop in a thread that serves the gateway as uvicorn would.

    Attributes:
        application: the gateway.
        port: where it listens.
    """

    def __init__(self, site: Site, most: int) -> None:
        self.application = AsgiApplication(site.config)
        self._state = ServerState()
        self._state.connections = set()
        self._state.tasks = set()
        self._state.total_requests = 0
        self._state.default_headers = [(b"date", b"today")]
        self._guard = ConnectionGuard(most)
        self._loop = asyncio.new_event_loop()
        self.port = self._loop.run_until_complete(self._listen())
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _listen(self) -> int:
        self._server = await self._loop.create_server(
            lambda: HttpConnection(
                self.application,
                self._guard,
                httptools.HttpRequestParser,
                self._state,
            ),
            "127.0.0.1",
            0,
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def look(self, seconds: float) -> None:
        """Let the guard look at its connections as if it were later."""

        async def look() -> None:
            self._guard.look(self._loop.time() + seconds)

        asyncio.run_coroutine_threadsafe(look(), self._loop).result(DEADLINE)

    def shut_down_connections(self) -> None:
        """Tell the connections that the server is about to end."""

        async def tell() -> None:
            for connection in list(self._state.connections):
                connection.shutdown()

        asyncio.run_coroutine_threadsafe(tell(), self._loop).result(DEADLINE)

    def stop(self) -> None:
        """End the server and its connections."""

        async def end() -> None:
            self._server.close()
            for connection in list(self._state.connections):
                connection.abort()
            await self.application.aclose()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(DEADLINE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE)

    def exchange(self, sent: bytes | str) -> bytes:
        """Send something and return all that comes until the server closes."""
        data = sent.encode() if isinstance(sent, str) else sent
        with self.connect() as sock:
            sock.sendall(data)
            return everything(sock)


def everything(sock: socket.socket) -> bytes:
    """Return what comes until the other end closes."""
    received = b""
    while data := sock.recv(65536):
        received += data
    return received


def request(member: str, fields: str = CLOSE, method: str = "GET") -> str:
    return f"{method} /pyro/{NAME}/{member} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    server = Server(site, 10)
    yield server
    site.thermostat.release.set()
    server.stop()


@pytest.fixture
def client(server: Server) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
    yield client
    client.close()


def test_requests_share_a_connection(client: http.client.HTTPConnection) -> None:
    used = set()
    for method, path, status in [
        ("GET", f"/pyro/{NAME}/target", 200),
        ("GET", f"/pyro/{NAME}/heat?room=the%20den", 200),
        ("GET", f"/pyro/{NAME}/fail", 500),
        ("GET", "/%70yro", 404),
        ("GET", "/", 302),
    ]:
        client.request(method, path)
        response = client.getresponse()
        assert response.status == status
        assert response.version == 11
        assert response.getheader("Date") == "today"
        response.read()
        assert client.sock is not None
        used.add(client.sock.getsockname())
    assert len(used) == 1


def test_requests_that_come_together_are_answered_in_their_order(
    server: Server, site: Site
) -> None:
    rooms = [f"room{number}" for number in range(20)]
    sent = [request(f"heat?room={room}", "") for room in rooms]
    sent.insert(0, request("wait", ""))
    with server.connect() as sock:
        sock.sendall("".join(sent).encode())
        assert site.thermostat.waiting.acquire(timeout=DEADLINE)
        site.thermostat.release.set()
        sock.sendall(request("target").encode())
        received = everything(sock)
    # Only the last of the answers ends the connection.
    assert received.count(b"\r\nConnection: close\r\n") == 1
    bodies = [part.partition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.1 ")]
    answers = [json.loads(body) for body in bodies[1:]]
    assert answers[0] == "waited"
    assert [answer["room"] for answer in answers[1:-1]] == rooms
    assert answers[-1] == 20.5


def test_a_request_may_come_byte_by_byte(server: Server) -> None:
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request("target").encode():
            sock.sendall(bytes([byte]))
        assert everything(sock).endswith(b"\r\n\r\n20.5")


@pytest.mark.parametrize("fields", ["Content-Length: 15\r\n", ""])
def test_a_body_is_received(server: Server, fields: str) -> None:
    body = '{"room": "den"}'
    if not fields:
        fields, body = "Transfer-Encoding: chunked\r\n", f"f\r\n{body}\r\n0\r\n\r\n"
    fields += f"Content-Type: application/json\r\n{CLOSE}"
    received = server.exchange(request("heat", fields, "POST") + body)
    assert received.endswith(b'{"room": "den", "hours": 1}')


def test_fields_behind_a_body_are_not_those_in_front_of_it(server: Server) -> None:
    server.application.gateway_key = "a-key"
    fields = f"Transfer-Encoding: chunked\r\n{CLOSE}"
    trailer = "0\r\nX-Pyro-Gateway-Key: a-key\r\n\r\n"
    received = server.exchange(request("heat", fields, "POST") + trailer)
    assert received.startswith(b"HTTP/1.1 401 ")


def test_a_client_that_wants_to_be_asked_for_the_body_is_asked(server: Server) -> None:
    fields = (
        f"Expect: 100-continue\r\nContent-Length: 8\r\n{CLOSE}"
        "Content-Type: application/x-www-form-urlencoded\r\n"
    )
    with server.connect() as sock:
        sock.sendall(request("heat", fields, "POST").encode())
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"room=den")
        assert everything(sock).endswith(b'{"room": "den", "hours": 1}')


def test_a_body_that_is_too_large_is_refused_in_time(server: Server) -> None:
    server.application.max_body = 1000
    fields = "Content-Length: 50000000\r\n"
    with server.connect() as sock:
        sock.sendall(request("heat", fields, "POST").encode() + bytes(100_000))
        received = everything(sock)
        assert received.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nConnection: close\r\n" in received


@pytest.mark.parametrize(
    ("version", "fields", "connection"),
    [
        ("1.1", "", None),
        ("1.1", CLOSE, b"close"),
        ("1.0", "", b"close"),
        ("1.0", "Connection: keep-alive\r\n", b"keep-alive"),
    ],
)
def test_it_says_what_becomes_of_the_connection(
    server: Server, version: str, fields: str, connection: bytes | None
) -> None:
    sent = f"GET /healthz HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n"
    with server.connect() as sock:
        sock.sendall(sent.encode())
        if connection == b"close":
            head = everything(sock)
        else:
            head = sock.recv(65536)
            sock.sendall(sent.encode())
            assert sock.recv(12) == b"HTTP/1.1 200"
    said = b"\r\nConnection: " + connection if connection else b"\r\nConnection"
    assert (said in head) == bool(connection)


def test_the_answer_to_head_has_no_body(server: Server) -> None:
    head = server.exchange(f"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n{CLOSE}\r\n")
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: five\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (TWO_LENGTHS, 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 40_000 + b"\r\n", 431),
    ],
)
def test_nonsense_gets_an_error_and_disturbs_nobody(
    server: Server, client: http.client.HTTPConnection, sent: bytes, status: int
) -> None:
    received = server.exchange(sent)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert received.count(b"HTTP/1.1 ") == 1
    client.request("GET", "/healthz")
    assert client.getresponse().status == 200


def test_a_wish_for_another_protocol_is_not_fulfilled(server: Server) -> None:
    fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    received = server.exchange(request("target", fields))
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\n20.5")


def test_an_address_may_be_a_whole_one(server: Server) -> None:
    sent = request("target").replace("GET /", "GET http://localhost/")
    assert server.exchange(sent).endswith(b"\r\n\r\n20.5")


def test_a_stream_is_sent_in_chunks_or_ends_with_the_connection(server: Server) -> None:
    sent = request("stream")
    received = server.exchange(sent)
    assert b"\r\nTransfer-Encoding: chunked\r\n" in received
    assert received.endswith(b"\r\n\r\n2\r\n1\n\r\n0\r\n\r\n")
    received = server.exchange(sent.replace("HTTP/1.1", "HTTP/1.0"))
    assert b"Transfer-Encoding" not in received
    assert received.endswith(b"\r\n\r\n1\n")


@pytest.fixture
def sources(site: Site) -> Sources:
    """An object with streams."""
    sources = Sources()
    site.register(SOURCES, sources)
    return sources


def test_a_stream_that_fails_does_not_look_whole(
    server: Server, sources: Sources
) -> None:
    sent = request("target").replace(f"{NAME}/target", f"{SOURCES}/fail_later")
    received = server.exchange(sent)
    assert b'"__exception__": true' in received
    assert not received.endswith(b"0\r\n\r\n")


def test_a_client_that_goes_away_ends_its_stream(
    server: Server, sources: Sources
) -> None:
    where = f"127.0.0.1:{server.port}"
    for member in ("silent", "endless"):
        with Reader(where, f"/pyro/{SOURCES}/{member}") as reader:
            assert reader.line()
        sources.wait_until_closed()
    with server.connect() as sock:
        sent = request("target").replace(f"{NAME}/target", f"{SOURCES}/mute")
        sock.sendall(sent.encode())
        assert sources.begun.acquire(timeout=DEADLINE)
    sources.wait_until_closed()


def test_no_more_is_asked_of_a_stream_than_its_client_takes(
    server: Server, sources: Sources, client: http.client.HTTPConnection
) -> None:
    size = 100_000
    with Reader(f"127.0.0.1:{server.port}", f"/pyro/{SOURCES}/endless?size={size}"):
        before = -1
        # It comes to a stop when the buffers of the system are full.
        while sources.produced != before:
            before = sources.produced
            for _ in range(20):
                client.request("GET", f"/pyro/{NAME}/target")
                assert client.getresponse().read() == b"20.5"
        assert sources.produced * size < 200_000_000
    sources.wait_until_closed()


def test_the_end_of_the_server_ends_streams_and_idle_connections_at_once(
    server: Server, sources: Sources, site: Site
) -> None:
    busy, idle = server.connect(), server.connect()
    with busy, idle:
        with Reader(f"127.0.0.1:{server.port}", f"/pyro/{SOURCES}/silent") as reader:
            assert reader.line()
            busy.sendall(request("wait", "").encode())
            assert site.thermostat.waiting.acquire(timeout=DEADLINE)
            server.shut_down_connections()
            sources.wait_until_closed()
        assert ended(idle)
        site.thermostat.release.set()
        assert everything(busy).endswith(b'\r\n\r\n"waited"')


def test_beyond_the_limit_an_idle_connection_makes_room_and_no_busy_one(
    server: Server, site: Site
) -> None:
    connections = [server.connect() for _ in range(10)]
    for sock in connections:
        sock.sendall(request("target", "").encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
    # The one that was idle longest.
    connections[0].sendall(request("wait", "").encode())
    assert site.thermostat.waiting.acquire(timeout=DEADLINE)
    assert server.exchange(request("target")).endswith(b"20.5")
    assert connections[1].recv(1) == b""
    for sock in connections[2:]:
        sock.sendall(request("wait", "").encode())
        assert site.thermostat.waiting.acquire(timeout=DEADLINE)
    connections[1].close()
    with server.connect() as last:
        last.sendall(request("wait", "").encode())
        assert site.thermostat.waiting.acquire(timeout=DEADLINE)
        refused = server.exchange("")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: " in refused
    site.thermostat.release.set()
    for sock in (connections[0], *connections[2:]):
        assert sock.recv(12) == b"HTTP/1.1 200"
        sock.close()


def test_silent_and_slow_clients_are_cut_off_and_no_others(
    server: Server, site: Site
) -> None:
    silent, slow, busy, idle = (server.connect() for _ in range(4))
    slow.sendall(b"GET / HT")
    busy.sendall(request("wait", "").encode())
    assert site.thermostat.waiting.acquire(timeout=DEADLINE)
    idle.sendall(request("target", "").encode())
    assert idle.recv(65536).endswith(b"20.5")
    server.look(30)
    for sock in (silent, slow):
        with sock:
            assert ended(sock)
    idle.sendall(request("target", "").encode())
    assert idle.recv(65536).endswith(b"20.5")
    server.look(200)
    assert ended(idle)
    idle.close()
    site.thermostat.release.set()
    with busy:
        assert busy.recv(12) == b"HTTP/1.1 200"


def ended(sock: socket.socket) -> bool:
    """Tell whether the other end has closed the connection, or lost it."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def test_a_client_that_takes_nothing_is_cut_off(server: Server) -> None:
    sent = request("heat?room=" + "x" * 30_000, "").encode()
    with server.connect() as sock:
        sock.settimeout(0)
        send_until(BlockingIOError, sock, sent)
        server.look(0)
        server.look(100)
        sock.settimeout(DEADLINE)
        send_until(ConnectionError, sock, sent)


def send_until(error: type[OSError], sock: socket.socket, data: bytes) -> None:
    """Send again and again until that fails."""
    while True:
        try:
            sock.send(data)
        except error:
            return

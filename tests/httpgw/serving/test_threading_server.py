"""The web server of the launcher, over real connections."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.serving.threading_server import GatewayServer
from pyro_httpgw.wsgi import WsgiApplication
from pyro_protocol import config
from pyro_protocol.errors import CommunicationError
from pyro_protocol.transport import listening_socket
from support.daemons import eventually
from support.hosting import DEADLINE
from support.web import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIApplication


@contextmanager
def serving(
    application: WSGIApplication, host: str = "127.0.0.1"
) -> Iterator[GatewayServer]:
    server = GatewayServer(application, listening_socket(host, 0, config))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(DEADLINE)
        server.finish(DEADLINE)
        server.server_close()


@pytest.fixture
def server(site: Site) -> Iterator[GatewayServer]:
    application = WsgiApplication(site.config)
    with serving(application) as server:
        yield server
        site.thermostat.release.set()
    application.close()


@pytest.fixture
def client(server: GatewayServer) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection(
        "127.0.0.1", server.server_port, timeout=DEADLINE
    )
    yield client
    client.close()


def exchange(server: GatewayServer, sent: bytes) -> bytes:
    """Send bytes and return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.server_port), DEADLINE) as sock:
        sock.sendall(sent)
        received = b""
        while data := sock.recv(65536):
            received += data
    return received


def test_requests_share_a_connection(client: http.client.HTTPConnection) -> None:
    used = set()
    for method, path, status in [
        ("GET", f"/pyro/{NAME}/target", 200),
        ("HEAD", f"/pyro/{NAME}/target", 405),
        ("POST", f"/pyro/{NAME}/heat", 422),
        ("DELETE", "/pyro/", 405),
        ("GET", f"/pyro/{NAME}/fail", 500),
        ("GET", "/", 302),
    ]:
        client.request(method, path, body=b"x" if method == "POST" else None)
        response = client.getresponse()
        assert response.status == status
        assert response.version == 11
        assert response.getheader("Connection") == "keep-alive"
        response.read()
        assert client.sock is not None
        used.add(client.sock.getsockname())
    assert len(used) == 1


def test_a_body_is_received(client: http.client.HTTPConnection) -> None:
    room = "x" * 300_000
    client.request(
        "POST",
        f"/pyro/{NAME}/heat",
        json.dumps({"room": room}),
        {"Content-Type": "application/json"},
    )
    assert json.load(client.getresponse())["room"] == room


def test_a_client_that_wants_to_be_asked_for_the_body_is_asked(
    server: GatewayServer,
) -> None:
    head = (
        f"POST /pyro/{NAME}/heat HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n"
        "Connection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.server_port), DEADLINE) as sock:
        sock.sendall(head.encode())
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"room=den")
        received = b""
        while data := sock.recv(65536):
            received += data
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b'{"room": "den", "hours": 1}')


def test_a_connection_is_closed_when_the_client_wants_that(
    server: GatewayServer,
) -> None:
    for request in (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ):
        received = exchange(server, request)
        assert received.startswith(b"HTTP/1.1 302 Found\r\n")
        assert b"\r\nConnection: close\r\n" in received


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 411),
        ("Content-Length: 5\r\nContent-Length: 5", 400),
        ("Content-Length: -5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: five", 400),
        ("Content-Length: \N{FULLWIDTH DIGIT FIVE}", 400),
    ],
)
def test_a_body_of_doubtful_length_is_refused_and_ends_the_connection(
    server: GatewayServer, header: str, status: int
) -> None:
    request = f"POST /pyro/{NAME}/heat HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\nGET / "
    received = exchange(server, request.encode())
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert received.count(b"HTTP/1.1") == 1


def test_what_was_not_read_of_a_body_is_not_the_next_request(
    server: GatewayServer,
) -> None:
    request = (
        f"POST /pyro/{NAME}/heat HTTP/1.1\r\nHost: x\r\n"
        "Content-Length: 99999999999\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.server_port), DEADLINE) as sock:
        sock.sendall(request.encode() + bytes(11 * 1024 * 1024))
        answer = sock.recv(12)
    assert answer == b"HTTP/1.1 413"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_nonsense_gets_an_error_and_disturbs_nobody(
    server: GatewayServer, client: http.client.HTTPConnection, sent: bytes
) -> None:
    assert re.search(rb"Error|\b[45]\d\d\b", exchange(server, sent))
    client.request("GET", "/")
    assert client.getresponse().status == 302


def test_beyond_the_limit_connections_are_refused(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    monkeypatch.setattr("pyro_httpgw.serving.threading_server.MOST_CONNECTIONS", 1)
    with socket.create_connection(("127.0.0.1", server.server_port), DEADLINE) as sock:
        sock.sendall(
            f"GET /pyro/{NAME}/wait HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        assert site.thermostat.waiting.acquire(timeout=DEADLINE)
        refused = exchange(server, b"")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in refused
        site.thermostat.release.set()
        assert sock.recv(12) == b"HTTP/1.1 200"


def _are_idle(server: GatewayServer, count: int) -> bool:
    return len(server._idle) == count


def test_at_the_limit_an_idle_connection_makes_room(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_httpgw.serving.threading_server.MOST_CONNECTIONS", 2)
    where = ("127.0.0.1", server.server_port)
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with (
        socket.create_connection(where, DEADLINE) as first,
        socket.create_connection(where, DEADLINE) as second,
    ):
        for sock in (first, second):
            sock.sendall(request)
            assert sock.recv(65536).startswith(b"HTTP/1.1 302")
            # Its thread comes to wait for the next request after that; so does the
            # other, be it for its first one.
            eventually(partial(_are_idle, server, 2))
        assert b"302 Found" in exchange(
            server, request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )
        assert first.recv(1) == b""
        second.sendall(request)
        assert second.recv(12) == b"HTTP/1.1 302"


def test_a_silent_connection_is_closed(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pyro_httpgw.serving.threading_server._Connection.timeout", 0.01
    )
    assert exchange(server, b"") == b""


@pytest.mark.parametrize(
    ("limit", "begun"),
    [
        ("HEADER_SECONDS", "GET / HT"),
        (
            "BODY_SECONDS",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n",
        ),
    ],
)
def test_bytes_now_and_then_do_not_keep_a_connection(
    server: GatewayServer, monkeypatch: pytest.MonkeyPatch, limit: str, begun: str
) -> None:
    monkeypatch.setattr(f"pyro_httpgw.serving.threading_server.{limit}", 0.05)
    where = ("127.0.0.1", server.server_port)
    with socket.create_connection(where, DEADLINE) as sock:
        sock.sendall(begun.encode())
        sock.settimeout(0.01)
        while True:
            try:
                assert sock.recv(1) == b""
            except TimeoutError:
                sock.sendall(b"x")
            except OSError:
                break
            else:
                break


def test_slow_requests_do_not_hold_up_others(
    server: GatewayServer, client: http.client.HTTPConnection, site: Site
) -> None:
    client.request("GET", f"/pyro/{NAME}/wait")
    assert site.thermostat.waiting.acquire(timeout=DEADLINE)
    assert b"302 Found" in exchange(
        server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    site.thermostat.release.set()
    assert json.load(client.getresponse()) == "waited"


def test_requests_in_progress_can_be_waited_for(
    server: GatewayServer, client: http.client.HTTPConnection, site: Site
) -> None:
    assert server.finish(0)
    client.request("GET", f"/pyro/{NAME}/wait")
    assert site.thermostat.waiting.acquire(timeout=DEADLINE)
    assert not server.finish(0.01)
    site.thermostat.release.set()
    assert server.finish(DEADLINE)


def test_the_query_string_is_not_logged(
    client: http.client.HTTPConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    client.request("GET", f"/pyro/{NAME}/target?$key=secret")
    client.getresponse().read()
    client.request("GET", "/")
    client.getresponse().read()
    port = client.port
    for sent in (b"GET /?$key=secret\r\n\r\n", b"BREW /?$key=secret HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as sock:
            sock.sendall(sent)
            while sock.recv(65536):
                continue
    assert f"GET /pyro/{NAME}/target " in caplog.text
    assert "secret" not in caplog.text


def test_an_application_that_fails_is_answered_for(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def broken(environ: Any, start_response: Any) -> Any:
        raise RuntimeError("a secret detail")

    with serving(broken) as server:
        received = exchange(
            server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
    assert received.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in received
    assert "a secret detail" in capfd.readouterr().err


def streaming(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"one", b"", b"twenty-two"])


def test_an_answer_of_unknown_length_is_sent_in_chunks_and_the_connection_goes_on() -> (
    None
):
    with serving(streaming) as server:
        client = http.client.HTTPConnection(
            "127.0.0.1", server.server_port, timeout=DEADLINE
        )
        for _ in range(2):
            client.request("GET", "/")
            response = client.getresponse()
            assert response.getheader("Transfer-Encoding") == "chunked"
            assert response.getheader("Connection") == "keep-alive"
            assert response.read() == b"onetwenty-two"
        client.request("HEAD", "/")
        assert client.getresponse().read() == b""
        client.close()


def test_to_a_client_without_chunks_an_answer_ends_with_the_connection() -> None:
    with serving(streaming) as server:
        received = exchange(server, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    assert received.endswith(b"\r\nConnection: close\r\n\r\nonetwenty-two")


def test_an_answer_that_fails_half_way_does_not_look_whole(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def failing(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        raise RuntimeError("half-way")

    with serving(failing) as server:
        received = exchange(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert received.endswith(b"\r\n\r\n3\r\none\r\n")
    assert "half-way" in capfd.readouterr().err


def test_parts_of_an_answer_are_sent_when_they_are_there() -> None:
    released = threading.Event()

    def waiting(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        assert released.wait(DEADLINE)
        yield b"two"

    with serving(waiting) as server:
        client = http.client.HTTPConnection(
            "127.0.0.1", server.server_port, timeout=DEADLINE
        )
        client.request("GET", "/")
        response = client.getresponse()
        assert response.read1(3) == b"one"
        released.set()
        assert response.read() == b"two"
        client.close()


def test_an_ipv6_address_can_be_listened_on(site: Site) -> None:
    application = WsgiApplication(site.config)
    try:
        listening = serving(application, "::1")
        with listening as server:
            client = http.client.HTTPConnection("::1", server.server_port, DEADLINE)
            client.request("GET", "/")
            assert client.getresponse().status == 302
            client.close()
    except CommunicationError as error:
        pytest.skip(f"no IPv6 here: {error}")
    finally:
        application.close()

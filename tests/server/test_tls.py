from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.config import Configuration
from pyro_protocol.errors import CommunicationError
from pyro_protocol.wire import FLAG_ONEWAY
from pyro_server import Daemon
from support.certificates import Certificate, make_certificate
from support.daemons import RawClient, eventually, serving
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyro_protocol.transport import BlockingChannel

_LARGE = 20_000_000


@expose
class Thing:
    def __init__(self) -> None:
        self.noted = threading.Semaphore(0)

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, data: bytes) -> bytes:
        return data

    def count(self, most: int) -> Iterator[int]:
        yield from range(most)

    def note(self) -> None:
        self.noted.release()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def server_certificate(folder: Path) -> Certificate:
    return make_certificate(folder, "server")


@pytest.fixture(scope="module")
def client_certificate(folder: Path) -> Certificate:
    return make_certificate(folder, "client")


@pytest.fixture
def settings(servertype: str, server_certificate: Certificate) -> Configuration:
    settings = Configuration(use_environment=False)
    settings.SERVERTYPE = servertype
    settings.SSL = True
    settings.SSL_SERVERCERT, settings.SSL_SERVERKEY = server_certificate
    return settings


@pytest.fixture
def trusting(server_certificate: Certificate) -> Configuration:
    """Settings of a client that trusts the server."""
    settings = Configuration(use_environment=False)
    settings.SSL = True
    settings.SSL_CACERTS = server_certificate.certificate
    return settings


def test_everything_goes_over_tls(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    trusting: Configuration,
) -> None:
    thing = Thing()
    uri = start().register(thing, "thing")
    channel = connect(uri, config=trusting)
    assert isinstance(channel.sock, ssl.SSLSocket)
    assert channel.call("thing", "add", (2, 3)) == 5
    data = bytes(range(256)) * (_LARGE // 256)
    assert channel.call("thing", "echo", (data,)) == data
    stream = channel.call("thing", "count", (2,))
    item = ("Pyro.Daemon", "get_next_stream_item", (stream.stream_id,))
    assert [channel.call(*item), channel.call(*item)] == [0, 1]
    channel.call("thing", "note", flags=FLAG_ONEWAY)
    assert thing.noted.acquire(timeout=DEADLINE)
    channels = [connect(uri, config=trusting) for _ in range(20)]
    assert {one.call("thing", "add", (2, 3)) for one in channels} == {5}


def test_requests_that_come_together_in_one_record_are_all_answered(
    start: Callable[..., Daemon], trusting: Configuration
) -> None:
    uri = start().register(Thing(), "thing")
    context = ssl.create_default_context(cafile=trusting.SSL_CACERTS)
    sock = socket.create_connection((uri.host, uri.port), DEADLINE)
    with RawClient(uri, context.wrap_socket(sock, server_hostname="localhost")) as one:
        messages = [one.call_message("add", number, 1) for number in range(100)]
        one.send(one.connect_message() + b"".join(messages))
        one.receive()
        assert [one.receive_value() for _ in range(100)] == list(range(1, 101))
        one.send(b"nonsense")
        one.wait_for_end()


def test_a_reader_that_is_slow_loses_nothing(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    trusting: Configuration,
) -> None:
    uri = start().register(Thing(), "thing")
    channel = connect(uri, config=trusting)
    context = ssl.create_default_context(cafile=trusting.SSL_CACERTS)
    sock = socket.create_connection((uri.host, uri.port), DEADLINE)
    with RawClient(uri, context.wrap_socket(sock, server_hostname="localhost")) as one:
        one.shake_hands()
        data = bytes(range(256)) * (_LARGE // 256)
        one.send(one.call_message("echo", data, serializer="msgpack"))
        one.send(one.call_message("add", 1, 2))
        for _ in range(20):
            assert channel.call("thing", "add", (2, 3)) == 5
        assert one.receive_value() == data
        assert one.receive_value() == 3


def test_silent_and_plain_clients_keep_nobody_waiting(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
    trusting: Configuration,
    settings: Configuration,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("pyro_server.hosts.loop.LONGEST_WAIT", 0.01)
    settings.HANDSHAKE_TIMEOUT = 1.0
    caplog.set_level("INFO", "pyro")
    daemon = start()
    uri = daemon.register(Thing(), "thing")
    silent = [raw(uri) for _ in range(20)]
    hello = raw(uri)
    hello.send(b"\x16\x03\x01\x02\x00")
    plain = raw(uri)
    plain.send(plain.connect_message())
    assert connect(uri, config=trusting).call("thing", "add", (2, 3)) == 5
    with pytest.raises((EOFError, ConnectionResetError)):
        plain.receive()
    eventually(lambda: "lost: [SSL" in caplog.text)
    for one in [*silent, hello]:
        one.wait_for_end()
    eventually(lambda: "no handshake in time" in caplog.text)


def test_the_handshake_hook_sees_the_certificate_of_the_client(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    settings: Configuration,
    trusting: Configuration,
    client_certificate: Certificate,
) -> None:
    class Checking(Daemon):
        def validateHandshake(self, conn: Any, data: Any) -> Any:
            return dict(pair for (pair,) in conn.getpeercert()["subject"])

    settings.SSL_REQUIRECLIENTCERT = True
    settings.SSL_CACERTS = client_certificate.certificate
    uri = start(Checking).register(Thing(), "thing")
    with pytest.raises(CommunicationError):
        connect(uri, config=trusting)
    trusting.SSL_CLIENTCERT, trusting.SSL_CLIENTKEY = client_certificate
    channel = connect(uri, config=trusting)
    assert channel.accepted is not None
    assert channel.accepted.handshake == {"commonName": "client"}
    assert channel.call("thing", "add", (2, 3)) == 5


def test_tls_over_a_unix_socket(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    trusting: Configuration,
    tmp_path: Path,
) -> None:
    daemon = start(Daemon, unixsocket=str(tmp_path / "socket"))
    channel = connect(daemon.register(Thing(), "thing"), config=trusting)
    assert channel.call("thing", "add", (2, 3)) == 5


def test_without_a_certificate_there_is_no_tls_server(settings: Configuration) -> None:
    settings.SSL_SERVERCERT = ""
    with pytest.raises(ValueError, match="SSL_SERVERCERT"):
        Daemon(config=settings)
    settings.SSL_SERVERCERT = "missing.pem"
    with pytest.raises(FileNotFoundError):
        Daemon(config=settings)


def test_a_connected_tls_socket_is_served(
    settings: Configuration, trusting: Configuration
) -> None:
    settings.POLLTIMEOUT = 0.05
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inside.load_cert_chain(settings.SSL_SERVERCERT, settings.SSL_SERVERKEY)
    outside = ssl.create_default_context(cafile=trusting.SSL_CACERTS)
    ends = socket.socketpair()
    shaken: list[ssl.SSLSocket] = []
    accepting = threading.Thread(
        target=lambda: shaken.append(inside.wrap_socket(ends[0], server_side=True))
    )
    accepting.start()
    client = RawClient(
        "PYRO:thing@./u:x", outside.wrap_socket(ends[1], server_hostname="localhost")
    )
    accepting.join(DEADLINE)
    with shaken[0] as server, client, _serving(server, settings) as daemon:
        daemon.register(Thing(), "thing")
        assert client.call("add", 2, 3) == 5
        data = bytes(1_000_000)
        assert client.call("echo", data, serializer="msgpack") == data


def _serving(sock: socket.socket, settings: Configuration) -> Any:
    return serving(Daemon(connected_socket=sock, config=settings))

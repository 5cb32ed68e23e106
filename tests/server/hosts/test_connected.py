from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI, current_context, expose
from pyro_protocol.config import Configuration
from pyro_protocol.dispatch import DAEMON_NAME
from pyro_protocol.errors import (
    CommunicationError,
    MessageTooLargeError,
    ProtocolError,
    PyroError,
)
from pyro_protocol.transport import BlockingChannel
from pyro_protocol.wire import FLAG_ONEWAY, MessageType
from pyro_server import Daemon
from support.daemons import RawClient, eventually, serving
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGE = 30_000_000


class Released:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


@expose
class Thing:
    def __init__(self) -> None:
        self.resource = Released()
        self.notes: list[int] = []

    def add(self, a: int, b: int) -> int:
        return a + b

    def make(self, size: int) -> bytes:
        return bytes(size)

    def count(self, most: int) -> Iterator[int]:
        yield from range(most)

    def track(self) -> None:
        current_context.track_resource(self.resource)

    def note(self, number: int) -> None:
        self.notes.append(number)

    def fail(self) -> None:
        raise SystemExit("broken on purpose")


class Told(Daemon):
    def __init__(self, **kwargs: Any) -> None:
        self.gone = threading.Semaphore(0)
        super().__init__(**kwargs)

    def clientDisconnect(self, conn: Any) -> None:
        self.gone.release()


@pytest.fixture
def config() -> Configuration:
    config = Configuration(use_environment=False)
    config.POLLTIMEOUT = 0.05
    config.MAX_MESSAGE_SIZE = 2 * _LARGE
    return config


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    server, client = socket.socketpair()
    with server, client:
        yield server, client


@pytest.fixture
def thing() -> Thing:
    return Thing()


@pytest.fixture
def daemon(
    pair: tuple[socket.socket, socket.socket], config: Configuration, thing: Thing
) -> Iterator[Told]:
    with Told(connected_socket=pair[0], config=config) as daemon:
        daemon.register(thing, "thing")
        with serving(daemon):
            yield daemon


@pytest.fixture
def channel(
    pair: tuple[socket.socket, socket.socket], daemon: Daemon
) -> BlockingChannel:
    uri = URI("PYRO:thing@./u:anywhere")
    return BlockingChannel.on_socket(pair[1], uri, timeout=DEADLINE)


@pytest.fixture
def client(pair: tuple[socket.socket, socket.socket], daemon: Daemon) -> RawClient:
    return RawClient("PYRO:thing@./u:anywhere", pair[1])


def test_requests_are_answered_without_a_handshake(channel: BlockingChannel) -> None:
    metadata = channel.call(DAEMON_NAME, "get_metadata", ("thing",))
    assert "add" in metadata["methods"]
    assert channel.call("thing", "add", (2, 3)) == 5
    stream = channel.call("thing", "count", (2,))
    item = (DAEMON_NAME, "get_next_stream_item", (stream.stream_id,))
    assert [channel.call(*item), channel.call(*item)] == [0, 1]
    channel.call("thing", "note", (1,), flags=FLAG_ONEWAY)
    with pytest.raises(PyroError, match="SystemExit"):
        channel.call("thing", "fail")
    channel.ping()


def test_where_it_is(daemon: Daemon, pair: tuple[socket.socket, socket.socket]) -> None:
    assert daemon.sock is pair[0]
    assert daemon.locationStr == "./u:<<not-bound>>"
    assert daemon.natLocationStr is None
    assert daemon.transportServer.worker_count == 0


def test_oneway_requests_run_in_order(channel: BlockingChannel, thing: Thing) -> None:
    for number in range(100):
        channel.call("thing", "note", (number,), flags=FLAG_ONEWAY)
    assert channel.call("thing", "add", (2, 3)) == 5
    assert thing.notes == list(range(100))


class ImpatientSocket(socket.socket):
    """A socket that counts how often sending has taken longer than its time-out."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type, fileno=sock.detach())
        self.timeouts = threading.Semaphore(0)

    def send(self, *args: Any) -> int:
        try:
            return super().send(*args)
        except TimeoutError:
            self.timeouts.release()
            raise


def test_a_large_answer_reaches_a_reader_that_takes_its_time(
    pair: tuple[socket.socket, socket.socket], config: Configuration
) -> None:
    with (
        ImpatientSocket(pair[0]) as sock,
        Daemon(connected_socket=sock, config=config) as daemon,
        serving(daemon),
    ):
        daemon.register(Thing(), "thing")
        client = RawClient("PYRO:thing@./u:anywhere", pair[1])
        client.send(client.call_message("make", _LARGE, serializer="msgpack"))
        for _ in range(3):
            assert sock.timeouts.acquire(timeout=DEADLINE)
        assert len(client.receive_value()) == _LARGE
        assert client.call("add", 2, 3) == 5


def test_the_loop_ends_when_the_peer_closes_and_the_client_is_released(
    pair: tuple[socket.socket, socket.socket],
    config: Configuration,
    thing: Thing,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Told(connected_socket=pair[0], config=config) as daemon:
        daemon.register(thing, "thing")
        loop = threading.Thread(target=daemon.requestLoop)
        loop.start()
        client = RawClient("PYRO:thing@./u:anywhere", pair[1])
        assert client.call("track") is None
        stream = client.call_message("count", 5)
        client.send(stream)
        client.receive()
        client.close()
        loop.join(DEADLINE)
        assert not loop.is_alive()
        assert daemon.gone.acquire(blocking=False)
        assert thing.resource.closed.is_set()
        # The socket is the program's own, and open.
        assert pair[0].fileno() >= 0
        daemon.requestLoop()
    assert not daemon.gone.acquire(blocking=False)
    assert not caplog.records


def test_garbage_ends_the_conversation(
    client: RawClient, daemon: Told, caplog: pytest.LogCaptureFixture
) -> None:
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert daemon.gone.acquire(timeout=DEADLINE)
    eventually(lambda: "was dropped: invalid data" in caplog.text)


def test_what_can_be_answered_is_answered(client: RawClient) -> None:
    client.send(client.call_message("unknown"))
    assert isinstance(client.receive_value(), AttributeError)
    message = client.message(MessageType.INVOKE, b"", annotations={"ABCD": b"12"})
    client.send(message.replace(b"ABCD\0\0\0\2", b"ABCD\0\0\0\3"))
    assert isinstance(client.receive_value(), ProtocolError)
    assert client.call("add", 2, 3) == 5
    message = client.message(MessageType.INVOKE, bytes(10))
    client.send(message.replace(b"\0\0\0\x0a", b"\xff\xff\xff\xff", 1))
    assert isinstance(client.receive_value(), MessageTooLargeError)


def test_a_connect_message_has_no_place_here(
    client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.send(client.connect_message())
    eventually(lambda: "invalid msg type 1" in caplog.text)


def test_a_method_may_shut_the_daemon_down(
    pair: tuple[socket.socket, socket.socket], config: Configuration
) -> None:
    with Daemon(connected_socket=pair[0], config=config) as daemon:

        @expose
        class Switch:
            def off(self) -> str:
                daemon.shutdown()
                return "good night"

        daemon.register(Switch(), "switch")
        loop = threading.Thread(target=daemon.requestLoop)
        loop.start()
        assert RawClient("PYRO:switch@./u:x", pair[1]).call("off") == "good night"
        loop.join(DEADLINE)
        assert not loop.is_alive()
        assert repr(daemon).endswith("closed>")


def test_the_condition_ends_the_loop_and_the_client_stays(
    pair: tuple[socket.socket, socket.socket], config: Configuration, thing: Thing
) -> None:
    with Told(connected_socket=pair[0], config=config) as daemon:
        daemon.register(thing, "thing")
        client = RawClient("PYRO:thing@./u:x", pair[1])
        for number in range(3):
            client.send(client.call_message("add", number, 1))
            conditions = iter([True, False])
            daemon.requestLoop(lambda: next(conditions))  # noqa: B023 - used at once
            assert client.receive_value() == number + 1
        assert not daemon.gone.acquire(blocking=False)
    assert daemon.gone.acquire(blocking=False)


def test_the_time_out_of_the_socket_is_as_before(
    pair: tuple[socket.socket, socket.socket], config: Configuration
) -> None:
    pair[0].settimeout(12.5)
    with Daemon(connected_socket=pair[0], config=config) as daemon:
        daemon.requestLoop(lambda: False)
        assert pair[0].gettimeout() == 12.5


def test_housekeeping_is_done_meanwhile(
    pair: tuple[socket.socket, socket.socket],
    config: Configuration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pyro_server.hosts.connected._LONGEST_WAIT", 0.01)

    class Tidy(Daemon):
        kept = threading.Event()

        def housekeeping(self) -> None:
            self.kept.set()

    with Tidy(connected_socket=pair[0], config=config) as daemon, serving(daemon):
        assert daemon.kept.wait(DEADLINE)


def test_it_cannot_be_part_of_a_foreign_event_loop(daemon: Daemon) -> None:
    with pytest.raises(PyroError, match="event loop"):
        assert daemon.sockets
    with pytest.raises(PyroError, match="event loop"):
        daemon.events([])
    with pytest.raises(TypeError, match="multiplex"):
        assert daemon.selector


def test_the_socket_has_to_be_connected(config: Configuration) -> None:
    with socket.socket() as sock, pytest.raises(OSError, match="not connected"):
        Daemon(connected_socket=sock, config=config)


def test_with_tls_configured_a_plain_socket_is_refused(
    pair: tuple[socket.socket, socket.socket], config: Configuration
) -> None:
    config.SSL = True
    with pytest.raises(ValueError, match="without TLS"):
        Daemon(connected_socket=pair[0], config=config)


def test_a_lost_connection_is_noted(
    caplog: pytest.LogCaptureFixture, config: Configuration
) -> None:
    caplog.set_level(logging.INFO, "pyro")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        sock, _address = listener.accept()
    with sock, Told(connected_socket=sock, config=config) as daemon, serving(daemon):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        assert daemon.gone.acquire(timeout=DEADLINE)
    assert "lost" in caplog.text
    assert issubclass(CommunicationError, PyroError)

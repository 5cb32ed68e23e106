from __future__ import annotations

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.session import ConnectRequest
from pyro_protocol.wire import Frame
from pyro_server import Daemon
from pyro_server.byte_streams import open_byte_stream
from pyro_server.connection import Connection
from support.daemons import RawClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration


@pytest.fixture
def settings() -> Configuration:
    from pyro_protocol.config import Configuration

    return Configuration(use_environment=False)


@pytest.fixture
def client() -> Iterator[RawClient]:
    """A client whose messages are only made, and taken to the connection by hand."""
    here, there = socket.socketpair()
    with there, RawClient("PYRO:Pyro.Daemon@./u:x", here) as client:
        client.other = there  # type: ignore[attr-defined] # for the next fixture
        yield client


@pytest.fixture
def connection(client: Any, settings: Configuration) -> Iterator[Connection]:
    with Daemon(config=settings) as daemon:
        service = daemon._make_service()
        yield Connection(service, open_byte_stream(client.other), "somewhere")


def test_messages_are_events_once_however_they_arrive(
    connection: Connection, client: RawClient
) -> None:
    for byte in client.connect_message():
        connection.receive(bytes([byte]))
    (request,) = connection.waiting
    assert isinstance(request, ConnectRequest)
    connection.served.handle(connection.waiting.pop())
    assert connection.flush(wait=True)
    messages = client.call_message("ping") + client.call_message("info")
    connection.receive(messages[:50])
    connection.receive(messages[50:60])
    connection.receive(messages[60:])
    assert [type(event) for event in connection.waiting] == [Frame, Frame]
    connection.receive(client.call_message("ping"))
    numbers = [event.sequence for event in connection.waiting]  # type: ignore[union-attr] # frames
    assert numbers == [2, 3, 4]
    assert connection.session.events_received() == []


def test_its_socket_can_be_waited_on(connection: Connection, client: Any) -> None:
    assert connection.fileno() == client.other.fileno()
    assert connection.sock is client.other


def test_the_end_is_noticed(connection: Connection) -> None:
    assert not connection.at_end
    connection.receive(b"")
    assert connection.at_end
    assert connection.session.closing


def test_what_cannot_be_written_yet_is_kept_in_order(
    connection: Connection, client: RawClient
) -> None:
    connection.outbox = [bytes(5_000_000), b"first"]
    assert not connection.flush(wait=False)
    connection.receive(client.connect_message())
    connection.served.handle(connection.waiting.pop())
    received = bytearray()
    while not connection.flush(wait=False):
        received += client.sock.recv(1_000_000)
    while len(received) < 5_000_009:
        received += client.sock.recv(1_000_000)
    assert received[5_000_000:5_000_009] == b"firstPYRO"


def test_giving_up_forgets_everything(
    connection: Connection, client: RawClient
) -> None:
    connection.receive(client.connect_message())
    connection.outbox = [b"something"]
    connection.give_up("a reason")
    assert connection.at_end
    assert connection.waiting == []
    assert connection.flush(wait=True)
    assert connection.session.closing
    assert connection.session.error == "a reason"


def connect(connection: Connection, client: RawClient) -> None:
    """Carry out the handshake."""
    connection.receive(client.connect_message())
    connection.served.handle(connection.waiting.pop())
    assert connection.flush(wait=True)
    client.receive()


def test_what_several_threads_write_arrives_whole(
    connection: Connection, client: RawClient
) -> None:
    connect(connection, client)
    pieces = 200

    def write(number: int) -> None:
        for _ in range(pieces):
            with connection.lock:
                connection.session._out.append(bytes([number]) * 1000)
            connection.flush(wait=False)

    received = bytearray()
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, number) for number in range(4)]
        while len(received) < 4 * pieces * 1000:
            received += client.sock.recv(1_000_000)
            # Whoever was writing may have left the rest for later.
            connection.flush(wait=False)
        for one in writing:
            one.result()
    counts = Counter(
        received[start : start + 1000] == bytes([received[start]]) * 1000
        and received[start]
        for start in range(0, len(received), 1000)
    )
    assert counts == dict.fromkeys(range(4), pieces)
    assert not connection.outbox
    assert connection.pen


class SlowStream:
    """A stream in the midst of writing, while others do other things.

    Args:
        stream: the real one.
        meanwhile: what happens while it is written.
    """

    def __init__(self, stream: Any, meanwhile: Callable[[], None]) -> None:
        self.sock = stream.sock
        self.wants_write = False
        self.closed = False
        self._stream = stream
        self._meanwhile = meanwhile

    def write(self, buffers: Any, *, wait: bool) -> Any:
        self._meanwhile()
        return self._stream.write(buffers, wait=wait)

    def close(self) -> None:
        self.closed = True
        self._stream.close()


def test_who_writes_writes_for_the_others_too(
    connection: Connection, client: RawClient
) -> None:
    connect(connection, client)
    others: list[bytes] = [b"second", b"third"]

    def meanwhile() -> None:
        while others:
            connection.session._out.append(others.pop(0))
            assert connection.flush(wait=False)

    connection.stream = SlowStream(connection.stream, meanwhile)  # type: ignore[assignment] # as much of it as is needed
    connection.session._out.append(b"first")
    assert connection.flush(wait=True)
    assert client.sock.recv(16, socket.MSG_WAITALL) == b"firstsecondthird"


def test_the_descriptor_of_who_writes_is_closed_when_that_is_over(
    connection: Connection, client: RawClient
) -> None:
    connect(connection, client)
    closed: list[bool] = []

    def meanwhile() -> None:
        connection.ended = True
        connection.close()
        closed.append(stream.closed)

    stream: Any = SlowStream(connection.stream, meanwhile)
    connection.stream = stream
    connection.session._out.append(b"first")
    with pytest.raises(OSError, match="pipe"):
        connection.flush(wait=True)
    assert closed == [False]
    assert stream.closed
    # The client has seen the end at once.
    assert client.sock.recv(1) == b""
    assert connection.flush(wait=True)


def test_who_writes_one_answer_writes_for_the_others_too(
    connection: Connection, client: RawClient
) -> None:
    connect(connection, client)
    send = connection.stream.sender()

    def send_slowly(data: bytes, flags: int) -> int:
        connection.session._out.append(b"second")
        assert connection.flush(wait=False)
        assert connection.write(b"third", send)
        return send(data, flags)

    assert connection.write(b"first", send_slowly)
    assert client.sock.recv(16, socket.MSG_WAITALL) == b"firstsecondthird"
    assert connection.pen


@pytest.mark.parametrize("at_once", [0, 3])
def test_an_answer_that_cannot_be_written_at_once_is_written_whole(
    connection: Connection, client: RawClient, at_once: int
) -> None:
    connect(connection, client)
    real = connection.stream.sender()

    def send(data: bytes, flags: int) -> int:
        if not at_once:
            raise BlockingIOError
        return real(data[:at_once], flags)

    assert connection.write(b"an answer", send)
    assert client.sock.recv(9, socket.MSG_WAITALL) == b"an answer"


def test_an_answer_does_not_overtake_what_was_begun(
    connection: Connection, client: RawClient
) -> None:
    connect(connection, client)
    connection.outbox = [bytes(5_000_000), b"first"]
    assert not connection.flush(wait=False)
    assert not connection.write(b"second", connection.stream.sender(), wait=False)
    received = bytearray()
    while len(received) < 5_000_011:
        received += client.sock.recv(1_000_000)
        connection.flush(wait=False)
    assert received[5_000_000:] == b"firstsecond"


def test_an_answer_for_a_connection_that_was_closed_is_dropped(
    connection: Connection, client: RawClient
) -> None:
    connect(connection, client)
    connection.ended = True
    connection.close()
    assert connection.write(b"too late", connection.stream.sender())
    assert client.sock.recv(1) == b""


def test_the_descriptor_of_who_writes_an_answer_is_closed_when_that_is_over(
    connection: Connection, client: RawClient
) -> None:
    connect(connection, client)
    real = connection.stream.sender()

    def send(data: bytes, flags: int) -> int:
        connection.ended = True
        connection.close()
        assert connection.fileno() >= 0
        return real(data, flags)

    with pytest.raises(OSError, match="pipe"):
        connection.write(b"an answer", send)
    assert connection.fileno() < 0
    assert client.sock.recv(1) == b""

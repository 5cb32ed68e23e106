"""Clients that do nothing, or do it slowly, and what they cost the others."""

from __future__ import annotations

import logging
import re
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI, expose
from pyro_protocol.errors import CommunicationError, ConnectionClosedError
from support.daemons import RawClient, eventually
from support.gate import Gate
from support.hosting import DEADLINE
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon

_LARGE = 50_000_000
"""More than the system's buffers of a connection take."""

_SERVER = """
from pyro_server import Daemon, expose

@expose
class Thing:
    def add(self, a, b):
        return a + b

with Daemon() as daemon:
    print("URI", daemon.register(Thing(), "thing"))
    daemon.requestLoop()
"""


@expose
class Thing:
    def add(self, a: int, b: int) -> int:
        return a + b

    def make(self, size: int) -> bytes:
        return bytes(size)

    def size(self, data: bytes) -> int:
        return len(data)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has time-outs noticed as soon as they are over."""
    monkeypatch.setattr("pyro_server.hosts.loop.LONGEST_WAIT", 0.01)


@pytest.fixture
def server(tmp_path: Path, servertype: str) -> Iterator[tuple[Program, URI]]:
    """A server in a process of its own, with 8 workers at most."""
    script = tmp_path / "server.py"
    script.write_text(_SERVER)
    settings = {
        "PYRO_SERVERTYPE": servertype,
        "PYRO_THREADPOOL_SIZE": "8",
        "PYRO_THREADPOOL_SIZE_MIN": "1",
    }
    with Program(script, settings=settings) as program:
        yield program, URI(program.wait_for(r"^URI (.*)$")[1])


def thread_count(program: Program) -> int:
    status = Path(f"/proc/{program._process.pid}/status")
    if not status.is_file():
        pytest.skip("needs /proc")
    found = re.search(r"^Threads:\s*(\d+)$", status.read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def test_500_idle_clients_take_no_thread_and_keep_nobody_waiting(
    server: tuple[Program, URI], connect: Callable[..., BlockingChannel]
) -> None:
    program, uri = server
    idle = [connect(uri) for _ in range(500)]
    for number, channel in enumerate(idle):
        assert channel.call("thing", "add", (number, 1)) == number + 1
    assert connect(uri).call("thing", "add", (2, 3)) == 5
    # The loop, and as many workers as there may be.
    assert thread_count(program) <= 8 + 1
    assert all(one.call("thing", "add", (1, 1)) == 2 for one in idle)
    assert thread_count(program) <= 8 + 1


def test_silent_clients_and_half_messages_keep_nobody_waiting(
    server: tuple[Program, URI],
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
) -> None:
    program, uri = server
    for size in (0, 1, 5, 6, 39, 40, 60):
        for _ in range(10):
            silent = raw(uri)
            silent.send(silent.connect_message()[:size])
            admitted = raw(uri)
            admitted.shake_hands()
            admitted.send(admitted.call_message("add", 1, 2)[:size])
    assert connect(uri).call("thing", "add", (2, 3)) == 5
    assert thread_count(program) <= 8 + 1


def test_a_message_that_comes_in_single_bytes_keeps_nobody_waiting(
    server: tuple[Program, URI],
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
) -> None:
    _program, uri = server
    slow, quick = raw(uri), connect(uri)
    slow.shake_hands()
    slow.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in slow.call_message("add", 4, 5):
        slow.send(bytes([byte]))
        assert quick.call("thing", "add", (2, 3)) == 5
    assert slow.receive_value() == 9


def test_clients_that_do_not_read_keep_nobody_waiting(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 2
    uri = start().register(Thing(), "thing")
    readers = [raw(uri) for _ in range(5)]
    for reader in readers:
        reader.shake_hands()
        reader.send(reader.call_message("make", _LARGE, serializer="msgpack"))
        reader.send(reader.call_message("add", 1, 2))
    channel = connect(uri)
    for _ in range(20):
        assert channel.call("thing", "add", (2, 3)) == 5
    # Nothing is lost on those that read after all, and in order.
    for reader in readers[:2]:
        assert len(reader.receive_value()) == _LARGE
        assert reader.receive_value() == 3
    for reader in readers[2:]:
        reader.close()
    assert channel.call("thing", "add", (2, 3)) == 5


def test_a_large_request_is_received_in_pieces(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    channel = connect(start().register(Thing(), "thing"))
    for _ in range(2):
        assert channel.call("thing", "size", (bytes(_LARGE),)) == _LARGE
        assert channel.call("thing", "add", (2, 3)) == 5


def test_requests_that_come_together_are_answered_in_order(
    start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> None:
    client = raw(start().register(Thing(), "thing"))
    client.shake_hands()
    messages = [client.call_message("add", number, 1) for number in range(3000)]
    sender = threading.Thread(target=client.send, args=(b"".join(messages),))
    sender.start()
    answers = [client.receive() for _ in range(3000)]
    sender.join(DEADLINE)
    first = answers[0].sequence
    assert [one.sequence for one in answers] == [first + i for i in range(3000)]
    assert client.call("add", 5, 5) == 10


def test_who_says_nothing_is_dropped_when_the_handshake_is_due(
    start: Callable[..., Daemon],
    settings: Configuration,
    raw: Callable[..., RawClient],
    connect: Callable[..., BlockingChannel],
    quick: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.HANDSHAKE_TIMEOUT = 0.2
    uri = start().register(Thing(), "thing")
    admitted = connect(uri)
    silent, half = raw(uri), raw(uri)
    half.send(half.connect_message()[:20])
    silent.wait_for_end()
    half.wait_for_end()
    eventually(lambda: caplog.text.count("no handshake in time") == 2)
    # Once admitted, a client may be silent for as long as it likes.
    assert admitted.call("thing", "add", (2, 3)) == 5


def test_a_handshake_hook_may_take_its_time(
    start: Callable[..., Daemon],
    settings: Configuration,
    raw: Callable[..., RawClient],
    quick: None,
    servertype: str,
) -> None:
    from pyro_server import Daemon

    gate = Gate()

    class Slow(Daemon):
        def validateHandshake(self, conn: Any, data: Any) -> Any:
            gate.enter()
            return data

    settings.HANDSHAKE_TIMEOUT = 0.01
    daemon = start(Slow)
    client = raw(daemon.register(Thing(), "thing"))
    client.send(client.connect_message())
    gate.wait_for_visitors()
    if servertype == "thread":
        silent = raw(client.uri)
        silent.wait_for_end()
    gate.open()
    assert client.receive().kind == 2
    assert client.call("add", 2, 3) == 5


def test_an_idle_connection_is_dropped_after_commtimeout(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    quick: None,
) -> None:
    settings.COMMTIMEOUT = 0.1
    channel = connect(start().register(Thing(), "thing"))
    assert channel.call("thing", "add", (2, 3)) == 5
    assert channel.sock.recv(1) == b""


def test_a_call_may_take_longer_than_commtimeout(
    start: Callable[..., Daemon],
    settings: Configuration,
    raw: Callable[..., RawClient],
    quick: None,
    servertype: str,
) -> None:
    settings.COMMTIMEOUT = 0.05
    gate = Gate()
    uri = start().register(gate, "gate")
    client = raw(uri)
    client.shake_hands()
    client.send(client.call_message("enter", 7))
    gate.wait_for_visitors()
    if servertype == "thread":
        other = raw(uri)
        other.shake_hands()
        other.wait_for_end()
    gate.open()
    assert client.receive_value() == 7


def test_no_more_connections_than_allowed(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.MAX_CONNECTIONS = 2
    daemon = start()
    uri = daemon.register(Thing(), "thing")
    first, second = connect(uri), connect(uri)
    with pytest.raises(CommunicationError):
        connect(uri)
    assert "refused: there are 2 already" in caplog.text
    first.close()
    eventually(lambda: len(daemon.transportServer.connections) == 1)  # type: ignore[union-attr] # not the host of one socket
    for channel in (connect(uri), second):
        assert channel.call("thing", "add", (2, 3)) == 5


def test_out_of_descriptors_accepting_pauses_and_goes_on(
    tmp_path: Path,
    servertype: str,
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
) -> None:
    pytest.importorskip("resource", reason="descriptors can only be limited on Unix")
    script = tmp_path / "server.py"
    script.write_text(
        f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
{_SERVER}"""
    )
    with Program(script, settings={"PYRO_SERVERTYPE": servertype}) as program:
        uri = URI(program.wait_for(r"^URI (.*)$")[1])
        channel = connect(uri)
        clients = [raw(uri) for _ in range(60)]
        program.wait_for("cannot accept connections for now")
        assert channel.call("thing", "add", (2, 3)) == 5
        # It does not try again and again without a pause.
        assert not [line for line in program.lines if "Traceback" in line]
        for client in clients:
            client.close()
        assert connect(uri).call("thing", "add", (2, 3)) == 5
        assert channel.call("thing", "add", (2, 3)) == 5


def test_clients_that_reset_their_connection_leave_nothing(
    start: Callable[..., Daemon],
    raw: Callable[..., RawClient],
    connect: Callable[..., BlockingChannel],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "pyro")
    daemon = start()
    uri = daemon.register(Thing(), "thing")
    for step in range(4):
        client = raw(uri)
        if step > 0:
            client.shake_hands()
        if step > 1:
            client.send(client.call_message("make", _LARGE, serializer="msgpack"))
        if step > 2:
            assert client.sock.recv(1)
        # With this set, closing resets.
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    eventually(lambda: not daemon.transportServer.connections)  # type: ignore[union-attr] # not the host of one socket
    assert connect(uri).call("thing", "add", (2, 3)) == 5
    assert "Traceback" not in caplog.text


def test_a_client_may_stop_sending_and_still_gets_its_answers(
    start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> None:
    client = raw(start().register(Thing(), "thing"))
    client.shake_hands()
    for number in range(3):
        client.send(client.call_message("add", number, 1))
    client.sock.shutdown(socket.SHUT_WR)
    assert [client.receive_value() for _ in range(3)] == [1, 2, 3]
    client.wait_for_end()


def test_what_goes_wrong_inside_costs_one_connection_alone(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    caplog: pytest.LogCaptureFixture,
) -> None:
    daemon = start()
    uri = daemon.register(Thing(), "thing")
    broken, good = connect(uri), connect(uri)
    for connection in daemon.transportServer.connections:  # type: ignore[union-attr] # not the host of one socket
        if connection.client.peer_address == broken.sock.getsockname():
            connection.stream = BrokenStream(connection.stream)
    with pytest.raises(ConnectionClosedError):
        broken.call("thing", "add", (2, 3))
    assert good.call("thing", "add", (2, 3)) == 5
    eventually(lambda: "ZeroDivisionError" in caplog.text)


class BrokenStream:
    """A byte stream with an error in its code."""

    def __init__(self, stream: Any) -> None:
        self.sock = stream.sock
        self.close = stream.close

    def read(self) -> bytes:
        raise ZeroDivisionError

    read_soon = read

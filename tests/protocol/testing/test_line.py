"""A line between client and server on which things go wrong."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_protocol.testing import Fault, Faults, FaultyLine, Traces, faulty_line
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Mirror:
    """A server that sends back what it gets, until the client has sent all."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._ended = False
        self._threads = [threading.Thread(target=self._run)]
        self._threads[0].start()

    def _run(self) -> None:
        while True:
            sock, _address = self._listener.accept()
            if self._ended:
                sock.close()
                return
            thread = threading.Thread(target=self._answer, args=(sock,))
            self._threads.append(thread)
            thread.start()

    @staticmethod
    def _answer(sock: socket.socket) -> None:
        with sock:
            try:
                while data := sock.recv(65536):
                    sock.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        self._ended = True
        # Wakes the thread that waits for clients.
        socket.create_connection(self.address, DEADLINE).close()
        for thread in list(self._threads):
            thread.join(DEADLINE)
        self._listener.close()


@pytest.fixture
def line() -> Iterator[FaultyLine]:
    traces = Traces()
    mirror = Mirror()
    with faulty_line(mirror.address) as line:
        yield line
    mirror.close()
    traces.wait_until_nothing_is_left(DEADLINE)


def connect(line: FaultyLine) -> socket.socket:
    host, _, port = line.location.rpartition(":")
    return socket.create_connection((host, int(port)), DEADLINE)


def receive(sock: socket.socket, count: int) -> bytes:
    """Return so many bytes; fewer if the connection ends."""
    data = b""
    while len(data) < count:
        try:
            more = sock.recv(count - len(data))
        except ConnectionError:
            break
        if not more:
            break
        data += more
    return data


def test_a_line_passes_on_everything_in_order(line: FaultyLine) -> None:
    # More than fits into what the systems and the line keep, in both directions.
    data = bytes(range(256)) * (1 << 16)
    with connect(line) as sock:
        sender = threading.Thread(target=sock.sendall, args=(data,))
        sender.start()
        assert receive(sock, len(data)) == data
        sender.join(DEADLINE)
    assert (line.to_server, line.to_client) == (len(data), len(data))


@pytest.mark.parametrize("abort", [False, True])
def test_a_connection_is_cut_after_so_many_bytes_and_once(
    line: FaultyLine, abort: bool
) -> None:
    line.cut_after(to_client=3, abort=abort)
    with connect(line) as sock:
        sock.sendall(b"12345")
        assert receive(sock, 5) in (
            {b"123"} if not abort else {b"123", b"12", b"1", b""}
        )
    with connect(line) as sock:
        sock.sendall(b"12345")
        assert receive(sock, 5) == b"12345"
    line.cut_after(to_server=2, abort=abort)
    with connect(line) as sock:
        sock.sendall(b"12345")
        assert receive(sock, 5) in {b"12", b"1", b""}
    assert line.to_server == 2


def test_the_next_answer_is_lost(line: FaultyLine) -> None:
    with connect(line) as sock:
        sock.sendall(b"1")
        assert receive(sock, 1) == b"1"
        line.lose_next_answer()
        sock.sendall(b"2")
        assert receive(sock, 1) == b""
    assert line.to_server == 1


def test_what_is_dropped_is_dropped_for_good(line: FaultyLine) -> None:
    line.faults = Faults(to_server=Fault(drop_after=2))
    with connect(line) as sock:
        sock.sendall(b"12345")
        assert receive(sock, 2) == b"12"
        with connect(line) as other:
            other.sendall(b"6")
            other.settimeout(0.05)
            with pytest.raises(TimeoutError):
                other.recv(1)
    line.measure()
    with connect(line) as sock:
        sock.sendall(b"7")
        assert receive(sock, 1) == b"7"


def test_a_delay_holds_back_one_direction_and_keeps_the_order(line: FaultyLine) -> None:
    line.faults = Faults(to_client=Fault(delay=1000.0))
    with connect(line) as sock:
        sock.sendall(b"slow")
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    line.faults = Faults(Fault(delay=0.02), Fault(delay=0.01))
    with connect(line) as sock:
        for piece in (b"1", b"2", b"3"):
            sock.sendall(piece)
        assert receive(sock, 3) == b"123"


def test_all_connections_are_cut_at_once(line: FaultyLine) -> None:
    with connect(line) as one, connect(line) as other:
        for sock in (one, other):
            sock.sendall(b"x")
            assert receive(sock, 1) == b"x"
        line.cut()
        assert receive(one, 1) == receive(other, 1) == b""


def test_a_server_that_is_away_closes_the_connection(closed_port: int) -> None:
    with FaultyLine(f"127.0.0.1:{closed_port}") as line, connect(line) as sock:
        assert receive(sock, 1) == b""


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="of systems with them")
def test_a_unix_socket_that_is_away_leaves_none_unclosed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    with FaultyLine(f"./u:{tmp_path / 'nowhere'}") as line:
        host, port = line.location.split(":")
        with socket.create_connection((host, int(port)), DEADLINE) as sock:
            assert sock.recv(1) == b""
    assert unraisable == []


def test_uris_lead_through_the_line(line: FaultyLine) -> None:
    there = URI("PYRO:thing@somewhere.example:9")
    assert line.through(there) == f"PYRO:thing@{line.location}"
    with FaultyLine(URI(line.through(there))) as second, connect(second) as sock:
        sock.sendall(b"x")
        assert receive(sock, 1) == b"x"


def test_a_line_that_is_closed_stays_closed(line: FaultyLine) -> None:
    line.close()
    line.close()
    with pytest.raises(ConnectionRefusedError):
        connect(line)

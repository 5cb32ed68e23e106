from __future__ import annotations

import random
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_server.byte_streams import ByteStream, open_byte_stream
from pyro_server.nonblocking_streams import NonBlockingStream
from support.certificates import make_certificate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Ends = tuple[ByteStream, socket.socket]

_LARGE = 10_000_000


@pytest.fixture(params=["usual", "non-blocking"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """A byte stream, in both ways to do it, and the socket at its other end."""
    here, there = socket.socketpair()
    there.settimeout(DEADLINE)
    make: Callable[[socket.socket], ByteStream]
    make = open_byte_stream if request.param == "usual" else NonBlockingStream
    stream = make(here)
    with there:
        yield stream, there
        stream.close()


def receive(sock: socket.socket, size: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < size:
        pieces += sock.recv(size - len(pieces))
    return bytes(pieces)


def test_reading_never_waits(ends: Ends) -> None:
    stream, other = ends
    assert stream.handshake()
    assert stream.read() is None
    other.sendall(b"some bytes")
    assert stream.read() == b"some bytes"
    assert stream.read() is None
    other.close()
    assert stream.read() == b""


def test_reading_soon_waits_a_moment_for_the_first_byte(ends: Ends) -> None:
    stream, other = ends
    assert stream.read_soon() is None
    sender = threading.Timer(0.0005, other.sendall, [b"some bytes"])
    sender.start()
    data = None
    while data is None:
        data = stream.read_soon()
    assert data == b"some bytes"
    sender.join()
    other.close()
    assert stream.read_soon() == b""
    assert stream.read_into(memoryview(bytearray(10)), wait=True) == 0


@pytest.mark.parametrize("wait", [True, False])
def test_a_large_message_is_read_into_its_place(ends: Ends, *, wait: bool) -> None:
    stream, other = ends
    data = random.Random(1).randbytes(_LARGE)
    sender = threading.Thread(target=other.sendall, args=(data + b"rest",))
    sender.start()
    place = memoryview(bytearray(_LARGE))
    received = 0
    while received < _LARGE:
        count = stream.read_into(place[received:], wait=wait)
        if count is not None:
            assert count > 0
            received += count
    sender.join(DEADLINE)
    assert place == data
    assert stream.read() == b"rest"
    assert stream.read_into(place, wait=False) is None
    assert stream.read_into(place, wait=True) is None


def test_what_is_written_arrives_whole_and_in_order(ends: Ends) -> None:
    stream, other = ends
    assert (
        stream.write([b"one ", bytearray(b"two "), memoryview(b"three")], wait=False)
        == []
    )
    assert receive(other, 13) == b"one two three"
    assert stream.write([b""], wait=True) == []
    assert stream.write([], wait=True) == []


@pytest.mark.parametrize("wait", [True, False])
def test_what_a_reader_does_not_take_is_given_back(ends: Ends, *, wait: bool) -> None:
    stream, other = ends
    data = bytes(range(250)) * (_LARGE // 250)
    rest = stream.write([data, b"the end"], wait=wait)
    left = sum(len(one) for one in rest)
    written = len(data) + len(b"the end") - left
    assert 0 < left < _LARGE
    assert rest[-1] == b"the end"
    assert receive(other, written) == data[:written]
    reader = threading.Thread(target=receive, args=(other, left))
    reader.start()
    while rest:
        rest = stream.write(rest, wait=True)
    reader.join(DEADLINE)
    assert not reader.is_alive()


def test_waiting_for_a_steady_reader_has_an_end(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, other = ends
    taken = 0

    def take_a_little(_sock: socket.socket) -> bool:
        nonlocal taken
        taken += len(other.recv(100_000))
        return True

    modules = "pyro_server.byte_streams", "pyro_server.nonblocking_streams"
    for module in modules:
        monkeypatch.setattr(f"{module}.writable", take_a_little)
        monkeypatch.setattr(f"{module}.LONGEST_WRITE_SECONDS", 0.0)
    assert stream.write([bytes(_LARGE)], wait=True)
    for module in modules:
        monkeypatch.setattr(f"{module}.LONGEST_WRITE_SECONDS", DEADLINE)
    before = taken
    assert stream.write([bytes(_LARGE)], wait=True) == []
    assert taken - before > _LARGE // 2


def test_writing_to_a_peer_that_is_gone_is_an_error(ends: Ends) -> None:
    stream, other = ends
    other.close()
    with pytest.raises(BrokenPipeError):
        stream.write([b"anybody there?"], wait=True)


def test_a_tls_handshake_never_waits(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "server")
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inside.load_cert_chain(*certificate)
    outside = ssl.create_default_context(cafile=certificate.certificate)
    here, there = socket.socketpair()
    there.settimeout(DEADLINE)
    here.settimeout(0)
    stream = open_byte_stream(
        inside.wrap_socket(here, server_side=True, do_handshake_on_connect=False)
    )
    assert not stream.handshake()
    assert not stream.wants_write
    clients: list[ssl.SSLSocket] = []
    shaking = threading.Thread(
        target=lambda: clients.append(
            outside.wrap_socket(there, server_hostname="localhost")
        )
    )
    shaking.start()
    while not stream.handshake():
        pass
    shaking.join(DEADLINE)
    (client,) = clients
    with client:
        assert stream.handshake()
        assert stream.read() is None
        # Several records at once: what is decrypted does not show as readable.
        client.sendall(bytes(50_000))
        received = 0
        while received < 50_000:
            data = stream.read_soon()
            received += len(data or b"")
        client.sendall(bytes(range(250)) * 200)
        place = memoryview(bytearray(50_000))
        received = 0
        while received < 50_000:
            received += stream.read_into(place[received:], wait=True) or 0
        assert place == bytes(range(250)) * 200
        assert stream.write([b"hello"], wait=True) == []
        assert client.recv(10) == b"hello"
        stream.close()

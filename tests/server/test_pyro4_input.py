"""Bare sockets that speak Pyro4's protocol, well and badly, to each server type."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose, oneway
from pyro_protocol.pyro4 import FLAG_METADATA, Pyro4Decoder, encode_pyro4_frame
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import FLAG_ONEWAY, Frame, MessageType
from support.daemons import RawClient, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol import URI, Configuration
    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon

SERPENT = serializers["serpent"]


@expose
class Counter:
    def __init__(self) -> None:
        self.value = 0

    def count(self, more: int = 1) -> int:
        self.value += more
        return self.value

    def size(self, data: str) -> int:
        return len(data)

    @oneway
    def note(self) -> None:
        self.value += 1

    async def later(self, value: int) -> int:
        return value


class OldClient:
    """A bare socket of a Pyro4 client."""

    def __init__(self, client: RawClient) -> None:
        self.sock = client.sock
        self._decoder = Pyro4Decoder(
            1 << 20, 256, frozenset(MessageType), max_inflate_ratio=200
        )

    @staticmethod
    def message(kind: int, payload: bytes, flags: int = 0, sequence: int = 1) -> bytes:
        frame = encode_pyro4_frame(kind, SERPENT.id, flags, sequence, payload)
        return b"".join(map(bytes, frame))

    def call(self, method: str, *args: Any, flags: int = 0, sequence: int = 1) -> bytes:
        payload = SERPENT.dumps_call("counter", method, args, {})
        return self.message(MessageType.INVOKE, payload, flags, sequence)

    def connect(self) -> bytes:
        payload = SERPENT.dumps({"handshake": "hello", "object": "counter"})
        return self.message(MessageType.CONNECT, payload, FLAG_METADATA)

    def receive(self) -> Frame | None:
        """Return the next message; None if the server has closed the connection."""
        while (frame := self._decoder.next_frame()) is None:
            data = self.sock.recv(65536)
            if not data:
                return None
            self._decoder.receive_data(data)
        return frame

    def value(self) -> Any:
        frame = self.receive()
        assert frame is not None
        assert frame.kind == MessageType.RESULT
        return SERPENT.loads(frame.payload)

    def shake_hands(self) -> None:
        self.sock.sendall(self.connect())
        answer = self.receive()
        assert answer is not None
        assert answer.kind == MessageType.CONNECTOK


@pytest.fixture
def uri(start: Callable[..., Daemon], settings: Configuration) -> URI:
    settings.PYRO4_CLIENTS = True
    settings.MAX_MESSAGE_SIZE = 1_000_000
    return start().register(Counter(), "counter")


@pytest.fixture
def client(uri: URI, raw: Callable[..., RawClient]) -> OldClient:
    return OldClient(raw(uri))


def test_a_conversation_may_arrive_in_single_bytes(client: OldClient) -> None:
    for byte in client.connect() + client.call("count"):
        client.sock.sendall(bytes([byte]))
    answer = client.receive()
    assert answer is not None
    assert answer.kind == MessageType.CONNECTOK
    assert client.value() == 1


def test_many_requests_may_arrive_together(client: OldClient) -> None:
    client.shake_hands()
    calls = [client.call("count", sequence=number) for number in range(100)]
    client.sock.sendall(b"".join(calls))
    answers = [client.receive() for _ in calls]
    assert [one.sequence for one in answers if one] == [*range(100)]
    assert [SERPENT.loads(one.payload) for one in answers if one] == [*range(1, 101)]


def test_requests_of_all_sizes_are_answered(client: OldClient) -> None:
    client.shake_hands()
    for size in (0, 1, 5_000, 32_768, 65_535, 65_536, 70_000, 900_000):
        client.sock.sendall(client.call("size", "x" * size) + client.call("count", 0))
        assert client.value() == size
        assert client.value() == 0


def test_coroutines_and_oneway_calls_are_run(client: OldClient) -> None:
    client.shake_hands()
    client.sock.sendall(client.call("later", 7))
    assert client.value() == 7
    client.sock.sendall(client.call("note", flags=FLAG_ONEWAY))

    def noted() -> bool:
        client.sock.sendall(client.call("count", 0))
        return bool(client.value() == 1)

    eventually(noted)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"\x00" * len(data),
        lambda data: data[:22] + b"\x00\x00" + data[24:],
        lambda data: data[:4] + b"\x01\xf6" + data[6:],
        lambda data: data[:12] + b"\xff\xff\xff\xff" + data[16:],
        lambda data: b"GET / HTTP/1.1\r\n\r\n" + data,
    ],
    ids=["zeros", "checksum", "version", "size", "http"],
)
def test_bad_data_after_the_handshake_ends_that_connection_alone(
    client: OldClient,
    spoil: Callable[[bytes], bytes],
    uri: URI,
    raw: Callable[..., RawClient],
    connect: Callable[..., BlockingChannel],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = OldClient(raw(uri))
    other.shake_hands()
    ours = connect(uri)
    client.shake_hands()
    with caplog.at_level(logging.WARNING, "pyro"):
        client.sock.sendall(spoil(client.call("count")))
        assert client.receive() is None
    assert "was dropped" in caplog.text
    other.sock.sendall(other.call("count"))
    assert other.value() == 1
    assert ours.call("counter", "count") == 2


def test_a_bad_handshake_is_answered_and_the_connection_closed(
    client: OldClient,
) -> None:
    data = client.connect()
    client.sock.sendall(data[:22] + b"\x00\x00" + data[24:])
    answer = client.receive()
    assert answer is not None
    assert answer.kind == MessageType.CONNECTFAIL
    assert b"wrong checksum" in bytes(answer.payload)
    assert client.receive() is None


def test_too_large_a_request_is_refused(client: OldClient) -> None:
    client.shake_hands()
    client.sock.sendall(client.call("size", "x" * 1_000_001)[:24])
    error = client.value()
    assert "message too large" in str(error)
    assert client.receive() is None


def test_a_handshake_has_to_come_in_time(
    start: Callable[..., Daemon],
    settings: Configuration,
    raw: Callable[..., RawClient],
) -> None:
    settings.PYRO4_CLIENTS = True
    settings.HANDSHAKE_TIMEOUT = 0.1
    client = OldClient(raw(start().register(Counter(), "counter")))
    client.sock.sendall(client.connect()[:30])
    assert client.receive() is None

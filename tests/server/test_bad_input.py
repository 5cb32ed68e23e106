"""What a client may send that is wrong, and that it costs nobody else anything."""

from __future__ import annotations

import logging
import marshal
import random
import re
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import expose
from pyro_protocol.errors import (
    DaemonError,
    MessageTooLargeError,
    PyroError,
    SecurityError,
    SerializeError,
)
from pyro_protocol.serializers import serializers, serializers_by_id
from pyro_protocol.wire import FLAG_BATCH, FLAG_COMPRESSED, FLAG_EXCEPTION, MessageType
from support.daemons import RawClient, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol import URI, Configuration
    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon

_HEADER = struct.Struct("!4sHBBHHII16sHH")
_FLAGS_AT = 8
_ANNOUNCED = 0xFFFFFFFF


@expose
class Counter:
    def __init__(self) -> None:
        self.value = 0

    def count(self) -> int:
        self.value += 1
        return self.value

    def _secret(self) -> str:
        return "nobody may know"


@pytest.fixture
def uri(
    start: Callable[..., Daemon],
    settings: Configuration,
    caplog: pytest.LogCaptureFixture,
) -> URI:
    caplog.set_level(logging.INFO, "pyro")
    settings.MAX_MESSAGE_SIZE = 1_000_000
    return start().register(Counter(), "counter")


@pytest.fixture
def neighbour(uri: URI, connect: Callable[..., BlockingChannel]) -> Iterator[None]:
    """Another client, whose connection has to be as good after the test as before."""
    channel = connect(uri)
    before = channel.call("counter", "count")
    yield
    assert channel.call("counter", "count") > before


@pytest.fixture
def client(uri: URI, raw: Callable[..., RawClient], neighbour: None) -> RawClient:
    """A bare socket that is connected, and has not said anything."""
    return raw(uri)


@pytest.fixture
def admitted(client: RawClient) -> RawClient:
    """A bare socket that has shaken hands."""
    client.shake_hands()
    return client


def header(
    kind: int,
    *,
    tag: bytes = b"PYRO",
    version: int = 502,
    serializer_id: int = 1,
    flags: int = 0,
    payload_size: int = 0,
    annotations_size: int = 0,
    magic: int = 0x4DC5,
) -> bytes:
    return _HEADER.pack(
        *(tag, version, kind, serializer_id, flags, 1, payload_size),
        *(annotations_size, bytes(16), 0, magic),
    )


BEFORE: dict[str, tuple[bytes, str]] = {
    "random bytes": (random.Random(1).randbytes(200_000), "invalid data"),
    "zeros": (bytes(6), "invalid data"),
    "http": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "invalid data"),
    "version of pyro4": (b"PYRO\x00\x30", "invalid protocol version: 48"),
    "magic": (header(1, magic=0), "invalid message or protocol version"),
    "call first": (header(4), r"invalid msg type 4 received \(expected: 1\)"),
    "4 GiB": (header(1, payload_size=_ANNOUNCED), "message too large"),
    "4 GiB of annotations": (header(1, annotations_size=_ANNOUNCED), "too large"),
    "unknown serializer": (header(1, serializer_id=99), "unknown serializer id 99"),
    "marshal": (header(1, serializer_id=2), "'marshal' is not accepted"),
    "no payload": (header(1), "."),
    "cut annotation": (header(1, annotations_size=4) + b"ABCD", "chunk header cut off"),
    "not compressed": (header(1, flags=2, payload_size=3) + b"abc", "compressed data"),
}


@pytest.mark.parametrize("case", BEFORE)
def test_a_stranger_is_told_what_is_wrong_and_sent_away(
    case: str, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    data, expected = BEFORE[case]
    client.send(data)
    assert re.search(expected, client.refusal())
    eventually(lambda: "was dropped: refused:" in caplog.text)


CONNECTS: dict[str, tuple[object, str]] = {
    "unknown object": ({"handshake": "hello", "object": "nobody"}, "unknown object"),
    "no object": ({"handshake": "hello"}, "needs handshake and object"),
    "no handshake": ({"object": "counter"}, "needs handshake and object"),
    "number as id": ({"handshake": "hello", "object": 5}, "needs handshake and object"),
    "a list": ([1, 2], "needs handshake and object"),
    "a large one": ({"handshake": "x" * 9000, "object": "counter"}, "too large"),
    "a class": (
        {"handshake": {"__class__": "os.system"}, "object": "counter"},
        "os.sys",
    ),
}


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack"])
@pytest.mark.parametrize("case", CONNECTS)
def test_a_handshake_that_is_not_good_is_refused_with_the_reason(
    case: str, serializer: str, client: RawClient
) -> None:
    value, expected = CONNECTS[case]
    chosen = serializers[serializer]
    client.send(
        client.message(
            MessageType.CONNECT, chosen.dumps(value), serializer_id=chosen.id
        )
    )
    assert expected in client.refusal()


@pytest.mark.parametrize("size", [1, 5, 6, 39, 40, 41, 80])
def test_a_client_that_leaves_in_the_middle_of_its_handshake_is_forgotten(
    size: int, client: RawClient, start: Callable[..., Daemon]
) -> None:
    client.send(client.connect_message()[:size])
    client.close()


AFTER_FATAL: dict[str, bytes] = {
    "random bytes": random.Random(2).randbytes(100_000),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "version": header(4, version=501),
    "magic": header(4, magic=1),
    "another connect": header(1),
    "a result": header(5),
    "unknown type": header(77),
    # What belongs to a capability, which a client that offers none has not got.
    **{f"capability, type {kind}": header(kind) for kind in range(7, 13)},
}


@pytest.mark.parametrize("case", AFTER_FATAL)
def test_a_client_that_loses_the_thread_is_dropped(
    case: str, admitted: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    admitted.send(AFTER_FATAL[case])
    admitted.wait_for_end()
    eventually(lambda: "was dropped: invalid" in caplog.text)


@pytest.mark.parametrize(("payload", "annotations"), [(_ANNOUNCED, 0), (0, _ANNOUNCED)])
def test_a_call_that_announces_4_gib_is_refused_and_its_client_dropped(
    payload: int,
    annotations: int,
    admitted: RawClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admitted.send(header(4, payload_size=payload, annotations_size=annotations))
    answer = admitted.receive_value()
    assert isinstance(answer, MessageTooLargeError)
    admitted.wait_for_end()
    eventually(lambda: "message too large" in caplog.text)


def test_a_client_that_goes_on_sending_too_much_still_gets_the_reason(
    admitted: RawClient,
) -> None:
    # Closing at once would make the system throw away the answer.
    admitted.send(header(4, payload_size=_ANNOUNCED) + bytes(8_000_000))
    assert isinstance(admitted.receive_value(), MessageTooLargeError)
    admitted.wait_for_end()


@pytest.mark.parametrize("size", [1, 6, 39, 40, 60])
def test_a_client_that_leaves_in_the_middle_of_a_call_is_noted(
    size: int, admitted: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    admitted.send(admitted.call_message("count")[:size])
    admitted.close()
    eventually(lambda: "left in the middle of a message" in caplog.text)


def bomb() -> bytes:
    """Return little that inflates to a lot."""
    return zlib.compress(bytes(100_000_000), 9)


def compressed_call(client: RawClient, payload: bytes) -> bytes:
    message = bytearray(client.message(MessageType.INVOKE, payload))
    (flags,) = struct.unpack_from("!H", message, _FLAGS_AT)
    struct.pack_into("!H", message, _FLAGS_AT, flags | FLAG_COMPRESSED)
    return bytes(message)


CALLS: dict[str, tuple[Callable[[RawClient], bytes], type[Exception], str]] = {
    "unknown method": (
        lambda one: one.call_message("coutn"),
        AttributeError,
        "did you mean 'count'",
    ),
    "private method": (
        lambda one: one.call_message("_secret"),
        AttributeError,
        "private method '_secret'",
    ),
    "special method": (
        lambda one: one.call_message("__class__"),
        AttributeError,
        "private method '__class__'",
    ),
    "private attribute": (
        lambda one: one.call_message("__getattr__", "__dict__"),
        AttributeError,
        "__dict__",
    ),
    "dotted name": (
        lambda one: one.call_message("count.__self__"),
        AttributeError,
        "count.__self__",
    ),
    "unknown object": (
        lambda one: one.call_message("count", object_id="nobody"),
        DaemonError,
        "unknown object 'nobody'",
    ),
    "too many arguments": (
        lambda one: one.call_message("count", 1, 2, 3),
        TypeError,
        "count",
    ),
    "unknown serializer": (
        lambda one: one.message(MessageType.INVOKE, b"?", serializer_id=99),
        PyroError,
        "unknown serializer id 99",
    ),
    "marshal": (
        lambda one: one.message(
            MessageType.INVOKE,
            marshal.dumps(("counter", "count", (), {})),
            serializer_id=2,
        ),
        PyroError,
        "'marshal' is not accepted",
    ),
    "native without agreement": (
        lambda one: one.call_message("count", serializer="native"),
        PyroError,
        "not agreed",
    ),
    "no payload": (
        lambda one: one.message(MessageType.INVOKE),
        SerializeError,
        "",
    ),
    "not serpent": (
        lambda one: one.message(MessageType.INVOKE, b"(((((("),
        SerializeError,
        "",
    ),
    "three items": (
        lambda one: one.message(
            MessageType.INVOKE, serializers["serpent"].dumps(("counter", "count", ()))
        ),
        SerializeError,
        "",
    ),
    "a number for a method": (
        lambda one: one.message(
            MessageType.INVOKE, serializers["serpent"].dumps(("counter", 5, (), {}))
        ),
        SerializeError,
        "",
    ),
    "unknown class": (
        lambda one: one.call_message("count", {"__class__": "some.Thing"}),
        SerializeError,
        "some.Thing",
    ),
    "class with a double underscore": (
        lambda one: one.call_message("count", {"__class__": "a__b"}),
        SecurityError,
        "a__b",
    ),
    "deep nesting": (
        lambda one: one.message(MessageType.INVOKE, b"[" * 5000 + b"]" * 5000),
        SerializeError,
        "",
    ),
    "blob without its annotation": (
        lambda one: one.call_message("count", flags=0x20),
        PyroError,
        "BLBI",
    ),
    "bad annotation": (
        lambda one: header(4, annotations_size=9) + b"ABCD\0\0\0\5x",
        PyroError,
        "annotation",
    ),
    "bad compression": (
        lambda one: compressed_call(one, b"this is not compressed"),
        PyroError,
        "invalid compressed data",
    ),
    "zip bomb": (
        lambda one: compressed_call(one, bomb()),
        MessageTooLargeError,
        "too large",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_call_that_cannot_be_made_is_answered_and_the_connection_stays(
    case: str, admitted: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    message, error_class, expected = CALLS[case]
    admitted.send(message(admitted))
    answer = admitted.receive()
    assert answer.kind == MessageType.RESULT
    assert answer.flags & FLAG_EXCEPTION
    error = serializers_by_id[answer.serializer_id].loads(answer.payload)
    assert isinstance(error, error_class), repr(error)
    assert expected in str(error)
    assert isinstance(admitted.call("count"), int)
    eventually(lambda: expected[:20] in caplog.text)


def test_a_batch_with_a_call_that_is_none_has_an_error_in_its_place(
    admitted: RawClient,
) -> None:
    calls = [("count", (), {}), 7, ("count", (), {})]
    value, failure = admitted.call("<batch>", *calls, flags=FLAG_BATCH)
    assert isinstance(value, int)
    assert isinstance(failure.exception, TypeError)
    assert isinstance(admitted.call("count"), int)


def test_no_bytes_of_any_kind_disturb_the_others(
    uri: URI, raw: Callable[..., RawClient], neighbour: None
) -> None:
    chance = random.Random(7)
    for _ in range(150):
        client = raw(uri)
        data = bytearray(client.connect_message() + client.call_message("look"))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        client.send(data[: chance.randrange(len(data))])
        client.close()


def test_a_flood_of_nonsense_does_not_disturb_the_others(
    uri: URI, raw: Callable[..., RawClient], neighbour: None
) -> None:
    # None of them reads what it is told, and all stay.
    for _ in range(100):
        raw(uri).send(b"\0" * 1000)

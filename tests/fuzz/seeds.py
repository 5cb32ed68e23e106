"""Bytes to begin with: the golden vectors, and what our own side writes."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import importlib
import json
import marshal
import pathlib
import uuid
import zoneinfo
from array import array
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgpack import ExtType, packb

from fuzz.script import block
from protocol.golden import messages_of
from pyro_protocol import URI
from pyro_protocol.references import ProxyState
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.exceptions import ExceptionWrapper
from pyro_protocol.wire import (
    OUT_OF_BAND_FROM,
    MessageType,
    SplitPayload,
    encode_frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DICTIONARY",
    "marshal_values",
    "payloads",
    "replies",
    "requests",
    "session_requests",
    "streams",
    "uris",
]

_FOLDER: Final = Path(__file__).parent.parent / "vectors"
_FILES: Final = (
    "wire-serpent",
    "wire-json",
    "wire-msgpack",
    "wire-marshal",
    "wire-ping-and-pool",
    "wire-connected-socket",
    "wire-invalid-input",
    "nameserver",
)

DICTIONARY: Final = (
    b"PYRO\x01\xf6",
    b"\x4d\xc5",
    b"BLBI",
    b"BUFS",
    b"CAPS",
    b"CHNK",
    b"DLIN",
    b"STRM",
    b"__class__",
    b"__exception__",
    b"args",
    b"attributes",
    b"chain",
    b"state",
    b"items",
    b"Pyro5.client.Proxy",
    b"Pyro5.core.URI",
    b"Pyro5.core._ExceptionWrapper",
    b"Pyro5.errors.PyroError",
    b"collections.OrderedDict",
    b"float",
    b"complex",
    b"SyntaxError",
    b"ExceptionGroup",
    b"UnicodeDecodeError",
    b"OSError",
    b"SystemExit",
    b"example.target",
    b"Pyro.Daemon",
    b"echo",
    b"items",
    b"__getattr__",
    b"__setattr__",
    b"<batch>",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    *(b"\xd4\x01" + bytes([letter]) for letter in b"tsfdrlqozECGKDN"),
)
"""Words of the protocol, so that a fuzzer need not find them by chance."""


def _values() -> Iterator[Any]:
    """Give values of every type that the native serializer has, and some errors."""
    moment = dt.datetime(2024, 2, 29, 12, 30, 1, 5, dt.UTC)
    yield [None, True, -1, 1 << 80, 1.5, 2j, "text", b"bytes", bytearray(b"array")]
    yield {1: (2, {3}, frozenset({4}), deque([5], 6)), (7, None): range(8, 9)}
    yield [moment, moment.date(), moment.time(), moment - moment, moment.timetz()]
    yield moment.replace(tzinfo=zoneinfo.ZoneInfo("UTC"))
    yield [decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=5)]
    yield [slice(1, None, 2), ..., pathlib.PurePosixPath("a/b"), pathlib.Path("c")]
    yield [array("i", [1, 2]), array("d", [0.5])]
    yield [URI("PYRO:object@host:55"), URI("PYROMETA:a,b@host")]
    yield ProxyState("PYRO:object@localhost:1", methods=frozenset({"add"}))
    error = ValueError("wrong", 5)
    error.__cause__ = KeyError("key")
    error.add_note("a note")
    yield error
    yield ExceptionWrapper(OSError(2, "no such file", "name"))
    yield ExceptionGroup("several", [UnicodeDecodeError("ascii", b"\xff", 0, 1, "no")])
    yield SyntaxError("bad", ("file", 1, 2, "text"))


def payloads(name: str) -> Iterator[bytes]:
    """Give values and calls as a serializer writes them."""
    serializer = serializers[name]
    for value in _values():
        try:
            yield b"\0" + serializer.dumps(value)
            yield b"\1" + serializer.dumps_call("object", "method", [value], {"a": 1})
        except Exception:  # noqa: BLE001 - not every serializer has every value
            continue
    if name == "native":
        yield from _split_payloads()
        yield from _states()
    if f"wire-{name}" in _FILES:
        for message in messages_of(f"wire-{name}"):
            is_call = message.header["type"] == MessageType.INVOKE
            yield bytes([is_call]) + message.payload
    content = (_FOLDER / "serializer-values.json").read_text(encoding="utf-8")
    for entry in json.loads(content):
        if entry["serializer"] == name and entry["hex"]:
            is_call = entry["direction"] == "client->server"
            yield bytes([is_call]) + bytes.fromhex(entry["hex"])


def _states() -> Iterator[bytes]:
    """Give what stands for streams and callbacks, which only connections write."""
    for form in (
        [ExtType(1, b"G"), 5],
        [ExtType(1, b"K"), "object", ["method"], [], ["attribute"]],
    ):
        yield b"\0" + packb(form)


def _split_payloads() -> Iterator[bytes]:
    """Give what is written with large buffers, and small ones in their place."""
    large = bytes(OUT_OF_BAND_FROM)
    values: list[Any] = [[large, bytearray(large)], {"a": array("d", large)}]
    with suppress(ImportError):
        numpy = importlib.import_module("numpy")
        values.append(numpy.frombuffer(large, "f8").reshape(64, -1))
    for value in values:
        payload = serializers["native"].encode(value)
        if isinstance(payload, SplitPayload):
            yield b"\2" + block(b"") + block(bytes(16)) + payload.head
            yield b"\2" + block(bytes(16)) + block(bytes(16)) + payload.head


def _messages(*, from_client: bool | None = None) -> Iterator[bytes]:
    for file in _FILES:
        for message in messages_of(file):
            if from_client is None or message.from_client is from_client:
                yield message.data


def streams() -> Iterator[bytes]:
    """Give messages of both directions, for the decoder."""
    for data in _messages():
        yield b"\0\0\0" + data
        yield b"\0\0\1\0\x28" + data
    buffers: list[bytes | bytearray] = [bytes(OUT_OF_BAND_FROM), bytearray(3)]
    message = encode_frame(4, 78, 0, 1, SplitPayload(b"head", buffers))
    yield b"\2\1\0" + b"".join(message)


def requests() -> Iterator[bytes]:
    """Give the first bytes and then the requests of clients, for the server."""
    for mode in range(5):
        for data in _messages(from_client=True):
            yield bytes([mode, 1]) + block(data)
    for name in ("serpent", "native", "json", "msgpack"):
        serializer = serializers[name]
        for method, flags in (("echo", 0), ("items", 0), ("notify", 4), ("fail", 0)):
            payload = serializer.dumps_call("example.target", method, [], {})
            yield b"\2" + _record(MessageType.INVOKE, serializer.id, flags, payload)
    for kind in range(7, 13):
        yield b"\2" + _record(kind, 0, 0, bytes(12))


def session_requests() -> Iterator[bytes]:
    """Give requests of a client that has been admitted already."""
    for data in requests():
        yield data[1:]
    for name in ("annotated", "later"):
        payload = serializers["native"].dumps_call("example.target", name, [1], {})
        record = _record(MessageType.INVOKE, serializers["native"].id, 0, payload)
        yield record + b"\1" + record + b"\0"


def replies() -> Iterator[bytes]:
    """Give what servers answer, for the client."""
    for mode in range(5):
        for data in _messages(from_client=False):
            yield bytes([mode, 1]) + block(data)
    for name in ("serpent", "native"):
        serializer = serializers[name]
        for value in _values():
            try:
                payload = serializer.dumps(value)
            except Exception:  # noqa: BLE001 - not every serializer has every value
                continue
            flags = int(isinstance(value, Exception))
            yield b"\2" + _record(MessageType.RESULT, serializer.id, flags, payload)
    for kind in range(7, 13):
        yield b"\2" + _record(kind, 0, 0, bytes(12))


def _record(kind: int, serializer_id: int, flags: int, payload: bytes) -> bytes:
    """Return what the session targets make a message of."""
    head = bytes([0, kind, serializer_id, flags]) + (1).to_bytes(2, "big")
    return head + b"\0" + block(payload)


def marshal_values() -> Iterator[bytes]:
    """Give plain values in the format of marshal."""
    for value in (("info", "object", "method"), [1, -(1 << 70), 2.5, None], b"x", "ü"):
        for version in range(5):
            yield marshal.dumps(value, version)
    for message in messages_of("wire-marshal"):
        yield message.payload


def uris() -> Iterator[bytes]:
    """Give URIs of every kind."""
    yield b"PYRO:object@host:1234"
    yield b"PYRO:object@[::1]:1234"
    yield b"PYRO:object@./u:/tmp/socket"
    yield b"PYRONAME:name@host"
    yield b"PYROMETA:one,two@host:9090"

"""One message: its header, its flags, and how it is written.

A message is a header of 40 bytes, annotation chunks, and a payload; all
integers are big endian (spec: wire, section 2). The format is that of Pyro5,
protocol 502.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from ..config import PROTOCOL_VERSION
from ..errors import LocalProtocolError, MessageTooLargeError
from ..frozen import NamedTuple

__all__ = [
    "BUFFERS_ANNOTATION",
    "FLAG_BATCH",
    "FLAG_COMPRESSED",
    "FLAG_CORRELATION",
    "FLAG_EXCEPTION",
    "FLAG_KEEPSERIALIZED",
    "FLAG_ONEWAY",
    "FLAG_STREAM",
    "HEADER",
    "HEADER_SIZE",
    "JOIN_BELOW",
    "MAGIC",
    "MAX_BUFFERS",
    "NO_ANNOTATIONS",
    "OUT_OF_BAND_FROM",
    "TAG",
    "Annotations",
    "Buffer",
    "Frame",
    "MessageType",
    "Payload",
    "SplitPayload",
    "annotation_id",
    "encode_annotations",
    "encode_frame",
    "encode_plain_frame",
]

Buffer = bytes | bytearray | memoryview
Annotations = Mapping[str, Any]

TAG: Final = b"PYRO"
MAGIC: Final = 0x4DC5
HEADER: Final = struct.Struct("!4sHBBHHII16sHH")
HEADER_SIZE: Final = HEADER.size
CHUNK: Final = struct.Struct("!4sI")
# Of each buffer that stands apart: its size, and what it becomes.
BUFFER_ENTRY: Final = struct.Struct("!IB")
IMMUTABLE: Final = 0
MUTABLE: Final = 1
# The header with tag and version in one; and as it usually is, no correlation id.
PREFIX: Final = TAG + PROTOCOL_VERSION.to_bytes(2, "big")
SHORT_HEADER: Final = struct.Struct("!6sBBHHII16s2xH")
_PLAIN_HEADER: Final = struct.Struct("!6sBBHHII18xH")

FLAG_EXCEPTION: Final = 0x01
FLAG_COMPRESSED: Final = 0x02
FLAG_ONEWAY: Final = 0x04
FLAG_BATCH: Final = 0x08
FLAG_STREAM: Final = 0x10
FLAG_KEEPSERIALIZED: Final = 0x20
FLAG_CORRELATION: Final = 0x40

NO_ANNOTATIONS: Final[Annotations] = MappingProxyType({})
"""Shared by all messages that carry no annotations."""

OUT_OF_BAND_FROM: Final = 64 * 1024
"""Size in bytes from which a buffer stands apart from the rest of a payload: from
here on a copy costs more than the bookkeeping."""

MAX_BUFFERS: Final = 1000
"""How many buffers of one message stand apart. Each costs a read and an object;
further ones travel inside the payload, which is no loss among so many."""

BUFFERS_ANNOTATION: Final = "BUFS"
"""The annotation that tells which buffers stand apart; see `body`."""

_ID_SIZE: Final = 4
_NO_CORRELATION: Final = bytes(16)
# Payloads up to this size stay plain, and the level is Pyro5's (spec: wire, 7).
_COMPRESS_ABOVE: Final = 100
_COMPRESSION_LEVEL: Final = 4
# Below this, one joined buffer costs less than a scattered write of two.
JOIN_BELOW: Final = 64 * 1024
_UNLIMITED: Final = 0xFFFFFFFF

_pack = HEADER.pack
_pack_plain = _PLAIN_HEADER.pack
_pack_entry = BUFFER_ENTRY.pack


class MessageType(IntEnum):
    """What a message is for (spec: wire, section 3).

    The types from ``CANCEL`` on are only sent to a peer that has agreed to the
    capability they belong to.
    """

    CONNECT = 1
    CONNECTOK = 2
    CONNECTFAIL = 3
    INVOKE = 4
    RESULT = 5
    PING = 6
    CANCEL = 7
    ITEMS = 8
    END = 9
    CREDIT = 10
    CLOSE = 11
    WANT = 12


class SplitPayload:
    """A payload whose large buffers stand apart, so that nobody has to join them.

    Attributes:
        head: the part that the serializer reads.
        buffers: what the head refers to, by position. To be sent: any contiguous
            buffers, which must not change until they are written. Received: each
            one bytes or a bytearray that belongs to the receiver.
    """

    __slots__ = ("buffers", "head")

    def __init__(self, head: bytes | memoryview, buffers: Sequence[Buffer]) -> None:
        self.head: bytes | memoryview = head
        self.buffers: Sequence[Buffer] = buffers

    def __len__(self) -> int:
        size = len(self.head)
        for one in self.buffers:
            size += len(one) if type(one) is bytes else memoryview(one).nbytes
        return size

    def __bytes__(self) -> bytes:
        return b"".join([self.head, *self.buffers])

    def __repr__(self) -> str:
        sizes = [memoryview(one).nbytes for one in self.buffers]
        return f"<payload {bytes(self.head)!r} and buffers of {sizes} bytes>"


Payload = Buffer | SplitPayload


class Frame(NamedTuple):
    """A received message.

    Attributes:
        kind: the message type, one of `MessageType`.
        serializer_id: the id of the serializer of the payload.
        flags: the flags as received, without ``FLAG_COMPRESSED``.
        sequence: the sequence number, 0 to 65535.
        payload: the payload, inflated if it was compressed (but see `Decoder`).
        annotations: data by four-character id, as views of the received bytes.
        correlation_id: 16 bytes, or None if the message has none.
    """

    kind: int
    serializer_id: int
    flags: int
    sequence: int
    payload: bytes | SplitPayload
    annotations: Annotations = NO_ANNOTATIONS
    correlation_id: bytes | None = None

    @property
    def data(self) -> bytes | SplitPayload:
        """The payload, under the name that Pyro documents for raw responses."""
        return self.payload


def encode_plain_frame(
    kind: int, serializer_id: int, flags: int, sequence: int, payload: bytes
) -> bytes:
    """Return a message without annotations, correlation id and compression.

    That is the usual message, and this the short way for it. The caller has made
    sure that the payload has less than ``JOIN_BELOW`` bytes, and is small enough.
    """
    head = _pack_plain(
        PREFIX, kind, serializer_id, flags, sequence, len(payload), 0, MAGIC
    )
    return head + payload


def encode_frame(
    kind: int,
    serializer_id: int,
    flags: int,
    sequence: int,
    payload: Payload,
    annotations: Annotations = NO_ANNOTATIONS,
    correlation_id: bytes | None = None,
    *,
    compress: bool = False,
    max_size: int = _UNLIMITED,
) -> list[Buffer]:
    """Return a message as the buffers to write, in order.

    Args:
        kind: the message type.
        serializer_id: the id of the serializer that made the payload.
        flags: the flags; ``FLAG_COMPRESSED`` and ``FLAG_CORRELATION`` are set here.
        sequence: the sequence number, 0 to 65535.
        payload: the serialized payload. Buffers that stand apart in it are not
            copied, so they must not change before they are written.
        annotations: data by id, each id four ASCII characters.
        correlation_id: 16 bytes, or None.
        compress: whether a payload of more than 100 bytes is compressed, unless
            it has buffers that stand apart.
        max_size: the most bytes that payload and annotations may have together.

    Raises:
        MessageTooLargeError: the message exceeds ``max_size``.
        LocalProtocolError: an annotation has an unusable id or value.
    """
    if correlation_id is None:
        correlation_id = _NO_CORRELATION
    else:
        flags |= FLAG_CORRELATION
    apart: list[bytes | memoryview] = []
    if isinstance(payload, SplitPayload):
        table = b""
        for buffer in payload.buffers:
            if type(buffer) is bytes:
                apart.append(buffer)
                table += _pack_entry(len(buffer), IMMUTABLE)
            else:
                view = memoryview(buffer).cast("B")
                apart.append(view)
                # One that may change stays changeable.
                table += _pack_entry(len(view), IMMUTABLE if view.readonly else MUTABLE)
        annotations = {**annotations, BUFFERS_ANNOTATION: table}
        payload = payload.head
    elif compress and len(payload) > _COMPRESS_ABOVE:
        payload = zlib.compress(payload, _COMPRESSION_LEVEL)
        flags |= FLAG_COMPRESSED
    chunks = encode_annotations(annotations) if annotations else b""
    head_size = len(payload)
    size = head_size + sum(map(len, apart))
    if size + len(chunks) > max_size:
        raise MessageTooLargeError(
            f"message too large ({size + len(chunks)}, max={max_size})"
        )
    head = _pack(
        TAG,
        PROTOCOL_VERSION,
        kind,
        serializer_id,
        flags,
        sequence,
        size,
        len(chunks),
        correlation_id,
        0,
        MAGIC,
    )
    if head_size < JOIN_BELOW:
        return [head + chunks + payload, *apart]
    return [head + chunks, payload, *apart]


# Programs use a handful, and each is short.
@lru_cache(64)
def annotation_id(name: Any) -> bytes:
    """Return the id of an annotation as bytes.

    Raises:
        LocalProtocolError: it is unusable.
    """
    if not (isinstance(name, str) and len(name) == _ID_SIZE and name.isascii()):
        raise LocalProtocolError(
            f"annotation id must be 4 ASCII characters, not {name!r}"
        )
    return name.encode("ascii")


def _size_of(name: str, value: object) -> int:
    """Return how many bytes the value of an annotation has.

    Raises:
        LocalProtocolError: it has none.
    """
    if not isinstance(value, bytes | bytearray | memoryview):
        raise LocalProtocolError(
            f"annotation {name!r} must be bytes, not {type(value).__name__}"
        )
    return memoryview(value).nbytes


def encode_annotations(annotations: Mapping[Any, Any]) -> bytes:
    """Return annotations as they are on the wire.

    Raises:
        LocalProtocolError: one has an unusable id or value.
    """
    parts: list[Buffer] = []
    for name, value in annotations.items():
        size = len(value) if type(value) is bytes else _size_of(name, value)
        parts += (CHUNK.pack(annotation_id(name), size), value)
    return b"".join(parts)

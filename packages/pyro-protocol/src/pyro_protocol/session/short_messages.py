"""The messages of usual calls, in parts that C functions put together.

A frame of Python would cost more than the work itself. All of this is for calls
without flags, of less than ``JOIN_BELOW`` bytes, and for answers that are values; most
of it for those in the native format. An item of a stream that was asked for alone is
much like an answer.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from ..dispatch.calls import GET_ATTRIBUTE, SET_ATTRIBUTE
from ..serializers import serializers
from ..serializers.native_packing import pack_number
from ..wire.frame import (
    BUFFER_ENTRY,
    BUFFERS_ANNOTATION,
    CHUNK,
    FLAG_ONEWAY,
    HEADER_SIZE,
    IMMUTABLE,
    MAGIC,
    MUTABLE,
    NO_ANNOTATIONS,
    PREFIX,
    Annotations,
    MessageType,
    encode_annotations,
)
from .stream_frames import pack_credit

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..wire.frame import Buffer, SplitPayload

__all__ = [
    "ANSWER",
    "APART_START",
    "CALL",
    "ITEM_START",
    "NO_MORE",
    "ONEWAY_CALL",
    "Beginning",
    "CallBeginnings",
    "LargeRest",
    "asked_item",
    "begin_text_call",
    "beginnings_of",
    "encode_apart",
    "ending_of",
    "item_request",
    "items_beginning",
    "join_header",
    "join_item_start",
    "large_rest",
    "split_header",
]

# The header up to the sequence number; it, and the size of the payload; then the size
# of the annotations, no correlation id, and the end of the header.
_HEADER: Final = struct.Struct("!10sHI24s")
_BEGINNING: Final = struct.Struct("!6sBBH")
_REST: Final = struct.Struct("!I18xH")
_NATIVE_ID: Final = serializers["native"].id


@lru_cache(256)
def beginnings_of(serializer_id: int) -> tuple[bytes, bytes]:
    """Return how the message of a call begins, and an answer that is a value.

    Args:
        serializer_id: what both are written with, from 0 to 255.
    """
    call, answer = int(MessageType.INVOKE), int(MessageType.RESULT)
    return (
        _BEGINNING.pack(PREFIX, call, serializer_id, 0),
        _BEGINNING.pack(PREFIX, answer, serializer_id, 0),
    )


def ending_of(annotations: Annotations) -> tuple[bytes, bytes]:
    """Return how the header of a message ends that has annotations, and those."""
    encoded = encode_annotations(annotations)
    return _REST.pack(len(encoded), MAGIC), encoded


CALL, ANSWER = beginnings_of(_NATIVE_ID)
"""How the message of a call in the native format begins, and an answer to it that is a
value."""

ONEWAY_CALL: Final = CALL[:-2] + FLAG_ONEWAY.to_bytes(2)
"""How the message of a oneway call in the native format begins."""

NO_MORE: Final = _REST.pack(0, MAGIC)
"""How the header of a message without annotations ends."""

join_header: Final = _HEADER.pack
"""Returns a header, given its beginning, sequence number, size and end."""

split_header: Final = _HEADER.unpack_from
"""Returns these parts of the header at the beginning of a message."""

# The same for a message whose large bytes stand apart, and the annotation that tells of
# them; then comes what else there is of the payload, and the large bytes.
_APART: Final = struct.Struct(f"!10sHI24s{CHUNK.size}sIB")
_APART_REST: Final = _REST.pack(CHUNK.size + BUFFER_ENTRY.size, MAGIC)
_APART_CHUNK: Final = CHUNK.pack(BUFFERS_ANNOTATION.encode(), BUFFER_ENTRY.size)
APART_START: Final = _APART.size
"""How many bytes stand before the payload of a message with large bytes."""


def encode_apart(
    beginning: bytes, sequence: int, payload: SplitPayload
) -> tuple[bytes, Buffer]:
    """Return a message with large bytes: what stands before these, and them.

    Args:
        beginning: `CALL` or `ANSWER`.
        sequence: the sequence number.
        payload: the payload, of which one buffer stands apart.
    """
    head = payload.head
    (large,) = payload.buffers
    kind = IMMUTABLE
    if type(large) is not bytes:
        large = memoryview(large).cast("B")
        kind = IMMUTABLE if large.readonly else MUTABLE
    size = len(large)
    start = _APART.pack(
        beginning, sequence, len(head) + size, _APART_REST, _APART_CHUNK, size, kind
    )
    return start + head, large


class LargeRest(NamedTuple):
    """What is missing of a message that was received but for its large bytes.

    Attributes:
        sequence: the sequence number.
        size: how many bytes they are.
        kind: what they become: ``IMMUTABLE`` for bytes, ``MUTABLE`` for a bytearray.
    """

    sequence: int
    size: int
    kind: int


def large_rest(beginning: bytes, start: bytes) -> LargeRest | None:
    """Return what follows, if that is what a message with large bytes begins with.

    Args:
        beginning: `CALL` or `ANSWER`.
        start: what was received.
    """
    head = len(start) - APART_START
    if head <= 0:
        return None
    begun, sequence, whole, rest, chunk, size, kind = _APART.unpack_from(start)
    if (
        begun != beginning
        or rest != _APART_REST
        or chunk != _APART_CHUNK
        or whole != head + size
        or not size
        or kind > MUTABLE
    ):
        return None
    return LargeRest(sequence, size, kind)


# A message that grants one item of a stream, and no more: how it begins, the number of
# the stream, and what is granted.
_ONE_MORE: Final = struct.Struct(f"!{HEADER_SIZE}sI8s")
_ONE_MORE_BEGINNING: Final = join_header(
    _BEGINNING.pack(PREFIX, int(MessageType.CREDIT), 0, 0), 0, 12, NO_MORE
)
_ONE: Final = pack_credit(0, 1, 0)[4:]


def item_request(number: int) -> bytes:
    """Return the message that asks for one item of a stream."""
    return _ONE_MORE.pack(_ONE_MORE_BEGINNING, number, _ONE)


def asked_item(data: bytes) -> int | None:
    """Return the number of the stream that a message asks for one item of, or None."""
    if len(data) != _ONE_MORE.size:
        return None
    beginning, number, granted = _ONE_MORE.unpack(data)
    return number if beginning == _ONE_MORE_BEGINNING and granted == _ONE else None


@lru_cache(256)
def items_beginning(serializer_id: int) -> bytes:
    """Return how the message with items of a stream begins, see `beginnings_of`."""
    return _BEGINNING.pack(PREFIX, int(MessageType.ITEMS), serializer_id, 0)


_ITEM: Final = struct.Struct("!10sHI24sII")
ITEM_START: Final = _ITEM.size
"""How many bytes stand before the item that is alone in its message."""

join_item_start: Final = _ITEM.pack
"""Returns them, given the beginning, a sequence number of 0, the size of the payload,
the end of the header, the number of the stream, and the size of the item."""

# An array of four: the object id, the method, its arguments, and those by name.
_ARRAY_OF_FOUR: Final = b"\x94"
_ARRAY_OF_ONE: Final = b"\x91"
_EMPTY: Final = b"\x80"
_NIL: Final = b"\xc0"
# Where the protocol wants no part for arguments by name.
_ATTRIBUTES: Final = frozenset({GET_ATTRIBUTE, SET_ATTRIBUTE})
# Of more methods than any object has, which can only be names that a program made up.
_MOST_METHODS: Final = 1000


Beginning = tuple["Callable[..., bytes]", bytes, int, bytes]
"""How the message of a call begins; see `CallBeginnings`."""


class CallBeginnings:
    """How the messages of calls begin, by the name of the method.

    Args:
        object_id: the object.
        annotations: what is sent along with each.

    Attributes:
        known: for each method a function, to be given `CALL`, a sequence number, the
            size of the payload and the second part of the beginning; that part; the
            size of what the payload begins with; and what stands for no arguments by
            name. The arguments follow, and those by name. For None the whole payload
            follows.
    """

    __slots__ = ("_object_id", "_rest", "known")

    def __init__(
        self, object_id: str, annotations: Annotations = NO_ANNOTATIONS
    ) -> None:
        self._object_id = object_id
        self._rest = b"".join(ending_of(annotations))
        self.known: dict[str | None, Beginning] = {None: _beginning(self._rest, b"")}

    def learn(self, method: str) -> bool:
        """Take up a method; whether that is new, and there is room for it."""
        if method in self.known or len(self.known) > _MOST_METHODS:
            return False
        names = pack_number(self._object_id), pack_number(method)
        start = _ARRAY_OF_FOUR + b"".join(names)
        no_keywords = _NIL if method in _ATTRIBUTES else _EMPTY
        self.known[method] = _beginning(self._rest, start, no_keywords)
        return True


@lru_cache(256)
def begin_text_call(object_id: str, method: str) -> tuple[bytes, bytes]:
    """Return what stands before and after a text that is the only argument of a call.

    Args:
        object_id: the object.
        method: the name of the method.
    """
    names = pack_number(object_id) + pack_number(method)
    return _ARRAY_OF_FOUR + names + _ARRAY_OF_ONE, _EMPTY


# Programs that connect for each call need the same again and again.
@lru_cache(256)
def _beginning(rest: bytes, start: bytes, no_keywords: bytes = b"") -> Beginning:
    end = rest + start
    return struct.Struct(f"!10sHI{len(end)}s").pack, end, len(start), no_keywords

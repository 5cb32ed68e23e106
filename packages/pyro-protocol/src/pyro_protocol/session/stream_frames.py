"""How the payloads of stream messages are laid out.

Each begins with the number of the stream; integers are unsigned and big endian.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ..errors import RemoteProtocolError
from ..wire import Payload, SplitPayload

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "STREAM_NUMBER_ID",
    "UNBOUNDED",
    "item_size",
    "not_granted",
    "pack_credit",
    "pack_end",
    "pack_items",
    "pack_number",
    "pack_want",
    "peek_number",
    "unpack_credit",
    "unpack_end",
    "unpack_items",
    "unpack_number",
    "unpack_want",
]

STREAM_NUMBER_ID: Final = "CHNK"
"""The annotation of a RESULT that holds the number of the stream it starts."""

UNBOUNDED: Final = 0xFFFF_FFFF
"""As a credit: no bound any more."""

_NUMBER: Final = struct.Struct("!I")
_WANT: Final = struct.Struct("!II")
_CREDIT: Final = struct.Struct("!III")

_EQUAL_FROM: Final = 64
"""Bytes of a message from which on it is of use to look whether all of its items are of
the same size, as numbers often are: then C functions take them apart."""


def item_size(item: Payload) -> int:
    """Return how many bytes of credit an item needs."""
    return _NUMBER.size + len(item)


def pack_number(number: int) -> bytes:
    """Return the payload of CLOSE, or the data of the annotation of a RESULT."""
    return _NUMBER.pack(number)


def unpack_number(data: Payload) -> int:
    """Return the number in the payload of CLOSE, or in an annotation.

    Raises:
        RemoteProtocolError: it has another size.
    """
    return _unpack(_NUMBER, data)[0]


def pack_credit(number: int, items: int, size: int) -> bytes:
    """Return the payload of CREDIT."""
    return _CREDIT.pack(number, items, size)


def unpack_credit(data: Payload) -> tuple[int, int, int]:
    """Return number, items and bytes of a CREDIT.

    Raises:
        RemoteProtocolError: it has another size.
    """
    number, items, size = _unpack(_CREDIT, data)
    return number, items, size


def pack_want(number: int, size: int) -> bytes:
    """Return the payload of WANT."""
    return _WANT.pack(number, size)


def unpack_want(data: Payload) -> tuple[int, int]:
    """Return number and bytes of a WANT.

    Raises:
        RemoteProtocolError: it has another size.
    """
    number, size = _unpack(_WANT, data)
    return number, size


def pack_items(number: int, items: Sequence[Payload]) -> Payload:
    """Return the payload of ITEMS; an item with buffers apart must be the only one."""
    first = items[0]
    if isinstance(first, SplitPayload):
        head = _NUMBER.pack(number) + _NUMBER.pack(len(first.head)) + first.head
        return SplitPayload(head, first.buffers)
    pack = _NUMBER.pack
    sizes = {*map(len, items)}
    if len(sizes) == 1:
        # As numbers are, for the most part: the same stands between all of them.
        length = pack(*sizes)
        return b"".join([pack(number), length, length.join(items)])  # type: ignore[arg-type] # none is split
    parts = [part for item in items for part in (pack(len(item)), item)]
    return b"".join([pack(number), *parts])  # type: ignore[list-item] # none is split


def peek_number(data: Payload) -> int:
    """Return the number that an ITEMS or END begins with.

    Raises:
        RemoteProtocolError: the message is cut off.
    """
    head = data.head if isinstance(data, SplitPayload) else data
    if len(head) < _NUMBER.size:
        raise RemoteProtocolError("a stream message is cut off")
    number: int = _NUMBER.unpack_from(head)[0]
    return number


def unpack_items(
    data: Payload, most: int | None = None
) -> tuple[int, tuple[Payload, ...]]:
    """Return the number and the items of an ITEMS.

    Args:
        data: the payload.
        most: how many items were granted; None means any number.

    Raises:
        RemoteProtocolError: the lengths do not agree with the size, or there are
            too many items.
    """
    number = peek_number(data)
    split = isinstance(data, SplitPayload)
    text = data.head if isinstance(data, SplitPayload) else data
    size = len(text)
    position = _NUMBER.size
    items: list[Payload] = []
    if type(data) is bytes and size > _EQUAL_FROM:
        items = _equal_items(data)
        if most is not None and len(items) > most:
            raise not_granted(number)
        if items:
            return number, tuple(items)
    while position < size:
        if len(items) == most:
            raise not_granted(number)
        if size - position < _NUMBER.size:
            raise RemoteProtocolError(f"an item of stream {number} is cut off")
        (length,) = _NUMBER.unpack_from(text, position)
        position += _NUMBER.size
        if length > size - position:
            raise RemoteProtocolError(f"an item of stream {number} is cut off")
        items.append(text[position : position + length])
        position += length
    if not items or (split and len(items) > 1):
        raise RemoteProtocolError(
            f"a message with {len(items)} items of stream {number} is not allowed"
        )
    if isinstance(data, SplitPayload):
        items = [SplitPayload(bytes(items[0]), data.buffers)]
    return number, tuple(items)


def _equal_items(data: bytes) -> list[Payload]:
    """Return the items of an ITEMS if all are of the same size; else none."""
    start = 2 * _NUMBER.size
    head = data[_NUMBER.size : start]
    length = int.from_bytes(head)
    step = _NUMBER.size + length
    count, rest = divmod(len(data) - _NUMBER.size, step)
    if rest or not count:
        return []
    for place, byte in enumerate(head, _NUMBER.size):
        # The same byte of each length.
        if data[place::step] != bytes((byte,)) * count:
            return []
    return [data[place : place + length] for place in range(start, len(data) + 1, step)]


def pack_end(number: int, value: Payload) -> Payload:
    """Return the payload of END."""
    head = _NUMBER.pack(number)
    if isinstance(value, SplitPayload):
        return SplitPayload(head + value.head, value.buffers)
    return head + value


def unpack_end(data: Payload) -> tuple[int, Payload]:
    """Return the number, and what the generator returned or raised, of an END.

    Raises:
        RemoteProtocolError: the message is cut off.
    """
    number = peek_number(data)
    head = data.head if isinstance(data, SplitPayload) else data
    rest = head[_NUMBER.size :]
    if isinstance(data, SplitPayload):
        return number, SplitPayload(bytes(rest), data.buffers)
    return number, rest


def not_granted(number: int) -> RemoteProtocolError:
    """Return the error of a peer that sends more of a stream than it may."""
    return RemoteProtocolError(
        f"the peer has sent more of stream {number} than it was granted"
    )


def _unpack(layout: struct.Struct, data: Payload) -> tuple[int, ...]:
    if isinstance(data, SplitPayload) or len(data) != layout.size:
        raise RemoteProtocolError(
            f"a stream message has {len(data)} bytes instead of {layout.size}"
        )
    return layout.unpack(data)

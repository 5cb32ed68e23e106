"""Where the messages are in what was received, as far as their headers tell."""

from __future__ import annotations

import struct
from typing import Final

from pyro_protocol.session.short_messages import asked_item
from pyro_protocol.wire import FLAG_ONEWAY, HEADER_SIZE

from ..byte_streams import RECEIVE_SIZE
from .requests import INVOKE

__all__ = [
    "begins_large",
    "begins_oneway",
    "begins_with_request",
    "end_of_message",
    "has_several",
    "sizes_of",
]

# Where a header tells the type, the flags, and the sizes of payload and annotations.
_KIND_AT: Final = 6
_LOW_FLAGS_AT: Final = 9
_SIZES: Final = struct.Struct("!12xII")

sizes_of: Final = _SIZES.unpack_from
"""Returns the sizes of payload and annotations, given bytes and where a header is."""


def end_of_message(data: bytes, start: int) -> int:
    """Return where the message ends that begins at ``start``, or its header."""
    if len(data) - start < HEADER_SIZE:
        return start + HEADER_SIZE
    payload, annotations = sizes_of(data, start)
    size: int = HEADER_SIZE + payload + annotations
    return start + size


def begins_with_request(data: bytes) -> bool:
    """Whether the first message is whole, and a call; or asks for an item, alone."""
    return _begins_with_call(data) or asked_item(data) is not None


def _begins_with_call(data: bytes) -> bool:
    return (
        HEADER_SIZE < end_of_message(data, 0) <= len(data) and data[_KIND_AT] == INVOKE
    )


def begins_oneway(data: bytes) -> bool:
    """Whether the first message is whole, and a oneway call."""
    return _begins_with_call(data) and bool(data[_LOW_FLAGS_AT] & FLAG_ONEWAY)


def begins_large(data: bytes) -> bool:
    """Whether the first message is too large to be received at once."""
    return end_of_message(data, 0) > RECEIVE_SIZE


def has_several(data: bytes) -> bool:
    """Whether there is more than one message, and the first is whole."""
    return HEADER_SIZE < end_of_message(data, 0) < len(data)

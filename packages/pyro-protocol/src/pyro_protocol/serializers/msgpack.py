"""The msgpack serializer, with the extension types of Pyro5.

====  ==================================  ==============================================
code  value                               data
====  ==================================  ==============================================
0x30  complex                             two little-endian doubles
0x31  integer beyond 64 bit               decimal text
0x32  datetime without a time zone        little-endian double: seconds since the epoch,
                                          the value being taken as local time
0x33  date                                little-endian integer of 8 bytes (4 are read,
                                          too): the day's ordinal
====  ==================================  ==============================================

Tuples and sets arrive as lists; times, aware datetimes, UUIDs and Decimals as
text, timedeltas as seconds. Pyro5 reads only dictionaries whose keys are text or
bytes; here any key is read.
"""

from __future__ import annotations

import struct
from datetime import date, datetime
from typing import Any, Final

from msgpack import ExtType, OutOfData, Packer, Unpacker, unpackb

from ..errors import SerializeError
from .classes import CLASS_KEY, Forms, class_from_dict, simplify
from .codec import Buffer, Serializer
from .forms import TEXT_FORMS

__all__ = ["VERIFY_FROM", "MsgpackSerializer", "verify"]

VERIFY_FROM: Final = 16 * 1024
"""Size in bytes from which a message is verified before it is read. The library
makes room for as many elements as a header claims, up to the size of the message;
nested headers multiply that. Below this size it amounts to nothing."""

_COMPLEX: Final = 0x30
_INTEGER: Final = 0x31
_DATETIME: Final = 0x32
_DATE: Final = 0x33


def verify(data: Buffer) -> None:
    """Check, without making them, that all elements the headers claim are there.

    Raises:
        ValueError: it does not.
    """
    size = len(data)
    unpacker = Unpacker(max_buffer_size=size, read_size=1)
    unpacker.feed(data)
    try:
        unpacker.skip()
    except OutOfData as error:
        raise ValueError("the data ends before the value") from error
    if unpacker.tell() != size:
        raise ValueError("something follows the value")


def _datetime(value: datetime) -> object:
    if value.tzinfo is not None:
        return value.isoformat()
    return ExtType(_DATETIME, struct.pack("<d", value.timestamp()))


_FORMS: Final[Forms] = {
    **TEXT_FORMS,
    complex: lambda value: ExtType(
        _COMPLEX, struct.pack("<dd", value.real, value.imag)
    ),
    date: lambda value: ExtType(_DATE, struct.pack("<q", value.toordinal())),
    datetime: _datetime,
    frozenset: list,
    set: list,
}
_PACKED: Final = (type(None), int, float, str, bytes, bytearray, list, tuple, dict)


def _default(obj: object) -> object:
    # The packer takes the answer as it is: a member of an enumeration whose value
    # is a set has to go round twice.
    while not isinstance(obj, _PACKED):
        obj = simplify(obj, MsgpackSerializer.name, _FORMS)
    if isinstance(obj, int) and not -(1 << 63) <= obj < 1 << 64:
        return ExtType(_INTEGER, str(obj).encode("ascii"))
    return obj


def _extension(code: int, data: bytes) -> object:
    if code == _COMPLEX:
        return complex(*struct.unpack("<dd", data))
    if code == _INTEGER:
        return int(data.decode("ascii"))
    if code == _DATETIME:
        return datetime.fromtimestamp(struct.unpack("<d", data)[0])  # noqa: DTZ006 - by definition local
    if code == _DATE:
        # Windows has four bytes where others have eight.
        return date.fromordinal(int.from_bytes(data, "little", signed=True))
    raise SerializeError(f"unknown msgpack extension type {code}")


def _same(value: Any) -> Any:
    return value


def _mapping(data: dict[Any, Any]) -> Any:
    # What is inside has been turned into objects before.
    return class_from_dict(data, _same) if CLASS_KEY in data else data


class MsgpackSerializer(Serializer):
    """The MessagePack format, compact and quick."""

    name = "msgpack"
    id = 4

    def _encode(self, value: object) -> bytes:
        data: bytes = Packer(default=_default).pack(value)
        return data

    def _decode(self, data: Buffer) -> Any:
        if len(data) >= VERIFY_FROM:
            verify(data)
        return unpackb(
            data, strict_map_key=False, ext_hook=_extension, object_hook=_mapping
        )

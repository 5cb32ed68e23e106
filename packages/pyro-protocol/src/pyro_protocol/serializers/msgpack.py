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

import re
import struct
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from msgpack import ExtType, OutOfData, Packer, Unpacker, unpackb

from ..errors import SerializeError
from .classes import CLASS_KEY, class_from_dict, simplify
from .codec import Buffer, Serializer
from .forms import LATE_TEXT_FORMS, TEXT_FORMS
from .late_types import add_late_forms
from .limits import NESTING_LIMIT, check_hashes, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MODEST_ARRAY",
    "MODEST_MAP",
    "VERIFY_FROM",
    "MsgpackSerializer",
    "claims_little",
    "dict_of_pairs",
    "may_hold_large_map",
    "verify",
]

VERIFY_FROM: Final = 2 * 1024
"""Size in bytes from which a message is verified before it is read. The library
makes room for as many elements as a header claims, up to the size of the message;
nested headers multiply that. Below this size it amounts to 11 MB at most."""

MODEST_ARRAY: Final = 1_344
MODEST_MAP: Final = 100
"""How many elements arrays and maps have at the most that need not be verified: the
library makes room for no more then, nested as deeply as it goes, than for 11 MB. And
the keys of such a map need no check."""

# A header of one byte claims 15 elements at most. Of these, followed by a length, there
# may be so many in a message of that size, for the same 11 MB.
_LONG_HEADERS: Final = (b"\xdc", b"\xdd", b"\xde", b"\xdf")
_MOST_LONG_HEADERS: Final = 20
_LITTLE_BELOW: Final = 64 * 1024

_COMPLEX: Final = 0x30
_INTEGER: Final = 0x31
_DATETIME: Final = 0x32
_DATE: Final = 0x33

# Patterns that begin with a literal are searched for at the speed of memory. Maps of
# up to 100 pairs need no check.
_MAP16: Final = 0xDE
_MAP32: Final = 0xDF
_has_map16: Final = re.compile(rb"\xde(?:[\x01-\xff]|\x00[\x65-\xff])").search
_has_map32: Final = re.compile(rb"\xdf[\x00-\x3f]").search


def may_hold_large_map(data: Buffer) -> bool:
    """Tell whether a message may hold a map whose keys have to be checked.

    Any bytes can look like the header of one.
    """
    if type(data) is bytes and _MAP16 not in data and _MAP32 not in data:
        # A single byte is found at the speed of memory.
        return False
    return bool(_has_map16(data) or _has_map32(data))


def claims_little(data: Buffer, max_nesting: int) -> bool:
    """Tell whether a message needs no `verify`, without looking at every element.

    Args:
        data: the message.
        max_nesting: how deeply arrays and maps may be nested.
    """
    if (
        type(data) is not bytes
        or len(data) >= _LITTLE_BELOW
        or max_nesting < NESTING_LIMIT
    ):
        return False
    left = _MOST_LONG_HEADERS
    for header in _LONG_HEADERS:
        place = data.find(header)
        while place >= 0:
            left -= 1
            if left < 0:
                return False
            place = data.find(header, place + 1)
    return True


def verify(data: Buffer, max_nesting: int = NESTING_LIMIT) -> None:
    """Check, without making them, that all elements the headers claim are there.

    Args:
        data: the message.
        max_nesting: how deeply arrays and maps may be nested. Less than what the
            library reads takes a pass of its own.

    Raises:
        SerializeError: it is nested too deeply.
        ValueError: an element is not there.
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
    if max_nesting < NESTING_LIMIT:
        # What hooks return goes into the container outside: each finds the depths of
        # those inside, and nothing else is made.
        depth = unpackb(
            data,
            raw=True,
            strict_map_key=False,
            ext_hook=ExtType,
            list_hook=_depth_of_list,
            object_pairs_hook=_depth_of_map,
        )
        if type(depth) is _Depth and depth > max_nesting:
            raise too_deep(max_nesting)


class _Depth(int):
    """Stands for a container: how deeply it is nested."""

    __slots__ = ()


def _depth_of_list(items: Iterable[object]) -> _Depth:
    return _Depth(1 + max((one for one in items if type(one) is _Depth), default=0))


def _depth_of_map(pairs: list[tuple[object, object]]) -> _Depth:
    return _depth_of_list(part for pair in pairs for part in pair)


def dict_of_pairs(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the dictionary of some pairs, unless that takes too long.

    Raises:
        SerializeError: too many keys have the same hash.
        TypeError: a key has no hash.
    """
    check_hashes([key for key, _ in pairs])
    return dict(pairs)


def _datetime(value: datetime) -> object:
    if value.tzinfo is not None:
        return value.isoformat()
    return ExtType(_DATETIME, struct.pack("<d", value.timestamp()))


_FORMS: Final = {
    **TEXT_FORMS,
    complex: lambda value: ExtType(
        _COMPLEX, struct.pack("<dd", value.real, value.imag)
    ),
    date: lambda value: ExtType(_DATE, struct.pack("<q", value.toordinal())),
    datetime: _datetime,
    frozenset: list,
    set: list,
}
add_late_forms(_FORMS, LATE_TEXT_FORMS)
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


def _checked_mapping(pairs: list[tuple[Any, Any]]) -> Any:
    return _mapping(dict_of_pairs(pairs))


class MsgpackSerializer(Serializer):
    """The MessagePack format, compact and quick.

    Args:
        max_nesting: how deeply received arrays and maps may be nested; the library
            reads 1024 levels.
    """

    name = "msgpack"
    id = 4

    def __init__(self, *, max_nesting: int = NESTING_LIMIT) -> None:
        self._max_nesting = max_nesting
        # A message is not nested deeper than it is long.
        self._verify_from = min(VERIFY_FROM, max_nesting + 1)

    def _encode(self, value: object) -> bytes:
        data: bytes = Packer(default=_default).pack(value)
        return data

    def _decode(self, data: Buffer) -> Any:
        if len(data) >= self._verify_from:
            if not claims_little(data, self._max_nesting):
                verify(data, self._max_nesting)
            if may_hold_large_map(data):
                return unpackb(
                    data,
                    strict_map_key=False,
                    ext_hook=_extension,
                    object_pairs_hook=_checked_mapping,
                )
        return unpackb(
            data, strict_map_key=False, ext_hook=_extension, object_hook=_mapping
        )

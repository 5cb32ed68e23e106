"""The types of the native format: how each is written in msgpack, and read again.

msgpack has None, bools, integers of 64 bit, floats, text, bytes, lists and
dictionaries. A type beyond these is written in one of two ways.

A **scalar** is an extension whose data holds the value. Numbers in the data are big
endian, except where an array says otherwise.

====  =================  ==========================================================
code  type               data
====  =================  ==========================================================
2     bytearray          the bytes
3     int                beyond 64 bit: two's complement, as short as it can be
4     complex            two doubles: real and imaginary part
5     Decimal            its text
6     UUID               its 16 bytes
7     timedelta          three int32: days, seconds, microseconds
8     date               uint16 year, uint8 month, uint8 day
9     datetime           naive: uint16 year, uint8 month, day, hour, minute, second,
                         uint32 microsecond, uint8 fold
10    time               naive: uint8 hour, minute, second, uint32 microsecond,
                         uint8 fold
11    ZoneInfo           its key
12    array.array        uint8 type code, uint8 item size, the items in little-endian
                         order; for type code ``u`` or ``w`` the size is 0, and UTF-8
                         text follows
13    PurePath           ``p`` for a POSIX or ``w`` for a Windows path, upper case if it
                         is a Path; then its text, undecodable bytes as they were
14    Ellipsis           ``e``
15    a large buffer     uint32: which of the buffers that stand apart from the message
====  =================  ==========================================================

A **compound** is an array that starts with a mark: an extension of code 1 with one
byte of data, a letter that says what the rest of the array is.

====  =================  ==========================================================
mark  type               rest of the array
====  =================  ==========================================================
t     tuple              the elements
s     set                the elements
f     frozenset          the elements
d     deque              its maximum length or nil, then the elements
r     range              start, stop, step
l     slice              start, stop, step
q     Fraction           numerator, denominator
a     array.array        type code, item size, a large buffer with the items in
                         little-endian order
o     timezone           offset as timedelta, name or nil
z     datetime or time   the naive value, its timezone or ZoneInfo
E     Enum member        class name, member name, value
====  =================  ==========================================================

Large bytes and bytearrays stand apart: what they arrive as is told along with the
buffers, and each buffer is used once.

An ordinary dictionary is never taken for an object, even if it has a key
``__class__``. A dictionary may have any hashable key. Marks of objects that are more
than a builtin value are in `native_objects`.

A member of an enumeration keeps its class if the receiver has allowed it or has a
converter for its name, which gets a dictionary with ``name`` and ``value`` (see
`allowed` and `records`); if not, it arrives as its value. An aware datetime whose time
zone is of another class arrives with a fixed offset. An instance of any other class
that is derived from a builtin one arrives as the plain value.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections import deque
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from msgpack import ExtType

from ..errors import SerializeError
from .allowed import class_name
from .classes import CLASS_KEY, value_or_object
from .forms import BASE_FORMS
from .late_types import add_late_forms
from .limits import check_hashes

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from fractions import Fraction
    from pathlib import PurePath
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from .codec import Buffer

__all__ = [
    "BUFFER",
    "BUFFER_DATA",
    "COMPOUNDS",
    "FORMS",
    "FRACTION_BITS_LIMIT",
    "MARK",
    "MARK_ENUM",
    "SCALARS",
    "apart_array_form",
    "bytearray_form",
    "mark",
]

FRACTION_BITS_LIMIT: Final = 1 << 16
"""Size of the parts of a Fraction, in bits. Reducing one takes quadratic time; up to
here that is a millisecond, and nobody computes with longer ones."""

MARK: Final = 1


def mark(letter: bytes) -> ExtType:
    """Return the extension that starts a compound."""
    return ExtType(MARK, letter)


_MARK_TUPLE: Final = mark(b"t")
_MARK_SET: Final = mark(b"s")
_MARK_FROZENSET: Final = mark(b"f")
_MARK_DEQUE: Final = mark(b"d")
_MARK_RANGE: Final = mark(b"r")
_MARK_SLICE: Final = mark(b"l")
_MARK_FRACTION: Final = mark(b"q")
_MARK_TIMEZONE: Final = mark(b"o")
_MARK_AWARE: Final = mark(b"z")
MARK_ENUM: Final = mark(b"E")
_MARK_ARRAY: Final = mark(b"a")

_BYTEARRAY: Final = 2
_INTEGER: Final = 3
_COMPLEX: Final = 4
_DECIMAL: Final = 5
_UUID: Final = 6
_TIMEDELTA: Final = 7
_DATE: Final = 8
_DATETIME: Final = 9
_TIME: Final = 10
_ZONE: Final = 11
_ARRAY: Final = 12
_PATH: Final = 13
_CONSTANT: Final = 14
BUFFER: Final = 15
"""The extension that stands for a buffer apart from the message."""

BUFFER_DATA: Final = struct.Struct(">I")
_COMPLEX_DATA: Final = struct.Struct(">dd")
_TIMEDELTA_DATA: Final = struct.Struct(">iii")
_DATE_DATA: Final = struct.Struct(">HBB")
_DATETIME_DATA: Final = struct.Struct(">HBBBBBIB")
_TIME_DATA: Final = struct.Struct(">BBBIB")
_ELLIPSIS_DATA: Final = b"e"


def bytearray_form(value: bytearray) -> ExtType:
    """Return a bytearray as an extension; the packer itself writes it as bytes."""
    return ExtType(_BYTEARRAY, bytes(value))


def _int_form(value: int) -> object:
    value = int.__int__(value)
    if -(1 << 63) <= value < 1 << 64:
        return value
    size = value.bit_length() // 8 + 1
    return ExtType(_INTEGER, value.to_bytes(size, "big", signed=True))


def _timedelta_form(value: timedelta) -> ExtType:
    data = _TIMEDELTA_DATA.pack(value.days, value.seconds, value.microseconds)
    return ExtType(_TIMEDELTA, data)


def _date_form(value: date) -> ExtType:
    return ExtType(_DATE, _DATE_DATA.pack(value.year, value.month, value.day))


def _datetime_form(value: datetime) -> object:
    data = _DATETIME_DATA.pack(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.fold,
    )
    return _with_zone(ExtType(_DATETIME, data), value)


def _time_form(value: time) -> object:
    data = _TIME_DATA.pack(
        value.hour, value.minute, value.second, value.microsecond, value.fold
    )
    return _with_zone(ExtType(_TIME, data), value)


def _with_zone(naive: ExtType, value: datetime | time) -> object:
    zone = value.tzinfo
    if zone is None:
        return naive
    if type(zone) is timezone or (_is_zone_info(zone) and zone.key):
        return [_MARK_AWARE, naive, zone]
    offset = value.utcoffset()
    if offset is None:
        raise SerializeError(
            f"cannot serialize the time zone {zone!r} with native; it gives no offset"
        )
    return [_MARK_AWARE, naive, timezone(offset, value.tzname() or "")]


def _is_zone_info(zone: tzinfo) -> TypeGuard[ZoneInfo]:
    # Without the module there are none.
    module = sys.modules.get("zoneinfo")
    return module is not None and type(zone) is module.ZoneInfo


def _timezone_form(value: timezone) -> object:
    offset, name = value.utcoffset(None), value.tzname(None)
    has_name = name != timezone(offset).tzname(None)
    return [_MARK_TIMEZONE, offset, name if has_name else None]


def _zone_form(value: ZoneInfo) -> object:
    if not value.key:
        raise SerializeError("cannot serialize a ZoneInfo without a key with native")
    return ExtType(_ZONE, value.key.encode("utf-8"))


def _array_form(value: array[Any]) -> ExtType:
    code = value.typecode.encode("ascii")
    if code in b"uw":
        text = value.tounicode().encode("utf-8", "surrogatepass")
        return ExtType(_ARRAY, code + b"\0" + text)
    if sys.byteorder == "big":
        value = value[:]
        value.byteswap()
    return ExtType(_ARRAY, code + bytes([value.itemsize]) + value.tobytes())


def apart_array_form(
    value: array[Any], put_apart: Callable[[Buffer], ExtType]
) -> object:
    """Return an array of numbers whose items stand apart from the message.

    Args:
        value: the array.
        put_apart: takes the items, and returns what stands for them.
    """
    if sys.byteorder == "big":
        value = value[:]
        value.byteswap()
    items = memoryview(value).cast("B").toreadonly()
    return [_MARK_ARRAY, value.typecode, value.itemsize, put_apart(items)]


def _path_form(value: PurePath) -> ExtType:
    from pathlib import Path, PurePosixPath  # noqa: PLC0415 - see `late_types`

    flavour = "p" if isinstance(value, PurePosixPath) else "w"
    if isinstance(value, Path):
        flavour = flavour.upper()
    return ExtType(_PATH, (flavour + str(value)).encode("utf-8", "surrogateescape"))


def _fraction_form(value: Fraction) -> object:
    _check_fraction(value.numerator, value.denominator)
    return [_MARK_FRACTION, value.numerator, value.denominator]


def _check_fraction(numerator: int, denominator: int) -> None:
    if max(numerator.bit_length(), denominator.bit_length()) > FRACTION_BITS_LIMIT:
        raise SerializeError(
            f"a Fraction with more than {FRACTION_BITS_LIMIT} bits cannot travel"
        )


def _enum_form(member: Enum) -> object:
    return [MARK_ENUM, class_name(type(member)), member.name, member.value]


FORMS: Final[dict[type, Callable[[Any], object]]] = {
    **BASE_FORMS,
    bytearray: bytearray_form,
    complex: lambda value: ExtType(
        _COMPLEX, _COMPLEX_DATA.pack(value.real, value.imag)
    ),
    tuple: lambda value: [_MARK_TUPLE, *value],
    int: _int_form,
    set: lambda value: [_MARK_SET, *value],
    frozenset: lambda value: [_MARK_FROZENSET, *value],
    deque: lambda value: [_MARK_DEQUE, value.maxlen, *value],
    range: lambda value: [_MARK_RANGE, value.start, value.stop, value.step],
    slice: lambda value: [_MARK_SLICE, value.start, value.stop, value.step],
    timedelta: _timedelta_form,
    date: _date_form,
    datetime: _datetime_form,
    time: _time_form,
    timezone: _timezone_form,
    array: _array_form,
    Enum: _enum_form,
    type(...): lambda _: ExtType(_CONSTANT, _ELLIPSIS_DATA),
}
"""What the packer writes for the types that msgpack does not have."""

add_late_forms(
    FORMS,
    {
        "decimal.Decimal": lambda value: ExtType(_DECIMAL, str(value).encode("ascii")),
        "fractions.Fraction": _fraction_form,
        "pathlib.PurePath": _path_form,
        "uuid.UUID": lambda value: ExtType(_UUID, value.bytes),
        "zoneinfo.ZoneInfo": _zone_form,
    },
)


def _read_complex(data: bytes) -> complex:
    return complex(*_COMPLEX_DATA.unpack(data))


def _read_array(data: bytes) -> array[Any]:
    code, size, items = chr(data[0]), data[1], data[2:]
    if size == 0 and code in "uw":
        return array(_TEXT_CODE, items.decode("utf-8", "surrogatepass"))
    return _array_of(code, size, items)


def _read_apart_array(items: list[Any]) -> array[Any]:
    code, size, data = items
    if type(code) is not str or not isinstance(data, bytes | bytearray):
        raise TypeError("a type code, an item size and the items are expected")
    return _array_of(code, size, data)


def _array_of(code: str, size: int, items: bytes | bytearray) -> array[Any]:
    if code not in _ARRAY_SIZES:
        raise ValueError(f"unknown array type code {code[:8]!r}")
    if _ARRAY_SIZES[code] != size:
        # A C long is of another size on the other side.
        alike = next(codes for codes in _ARRAY_CODES if code in codes)
        code = next((one for one in alike if _ARRAY_SIZES[one] == size), "")
    result = array(code)
    result.frombytes(items)
    if sys.byteorder == "big":
        result.byteswap()
    return result


# Python 3.13 has a new code for the same, and means to remove the old one.
_TEXT_CODE: Final[Any] = "u" if sys.version_info < (3, 13) else "w"
_ARRAY_CODES: Final = ("bhilq", "BHILQ", "f", "d")
_ARRAY_SIZES: Final = {
    code: array(code).itemsize for codes in _ARRAY_CODES for code in codes
}


def _read_decimal(data: bytes) -> Decimal:
    from decimal import Decimal  # noqa: PLC0415 - see `late_types`

    return Decimal(data.decode("ascii"))


def _read_uuid(data: bytes) -> UUID:
    from uuid import UUID  # noqa: PLC0415 - see `late_types`

    return UUID(bytes=data)


def _read_zone(data: bytes) -> ZoneInfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - see `late_types`

    return ZoneInfo(data.decode("utf-8"))


def _read_path(data: bytes) -> PurePath:
    from pathlib import (  # noqa: PLC0415 - see `late_types`
        Path,
        PurePosixPath,
        PureWindowsPath,
    )

    text = data.decode("utf-8", "surrogateescape")
    kind, text = text[0], text[1:]
    if kind not in "pPwW":
        raise ValueError(f"unknown kind of path {kind!r}")
    flavour = PurePosixPath if kind in "pP" else PureWindowsPath
    # The other system's paths exist here only in their pure form.
    if kind in "PW" and issubclass(type(Path()), flavour):
        return Path(text)
    return flavour(text)


def _read_constant(data: bytes) -> object:
    if data != _ELLIPSIS_DATA:
        raise ValueError(f"unknown constant {data!r}")
    return ...


def _read_datetime(data: bytes) -> datetime:
    *fields, fold = _DATETIME_DATA.unpack(data)
    return datetime(*fields, fold=fold)  # noqa: DTZ001 - the format is naive


def _read_time(data: bytes) -> time:
    *fields, fold = _TIME_DATA.unpack(data)
    return time(*fields, fold=fold)


SCALARS: Final[dict[int, Callable[[bytes], object]]] = {
    _BYTEARRAY: bytearray,
    _INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    _COMPLEX: _read_complex,
    _DECIMAL: _read_decimal,
    _UUID: _read_uuid,
    _TIMEDELTA: lambda data: timedelta(*_TIMEDELTA_DATA.unpack(data)),
    _DATE: lambda data: date(*_DATE_DATA.unpack(data)),
    _DATETIME: _read_datetime,
    _TIME: _read_time,
    _ZONE: _read_zone,
    _ARRAY: _read_array,
    _PATH: _read_path,
    _CONSTANT: _read_constant,
}
"""What reads the data of an extension, by its code."""


def _read_set(items: list[Any]) -> set[Any]:
    check_hashes(items)
    return set(items)


def _read_frozenset(items: list[Any]) -> frozenset[Any]:
    check_hashes(items)
    return frozenset(items)


def _read_deque(items: list[Any]) -> deque[Any]:
    limit, *elements = items
    return deque(elements, limit)


def _read_range(items: list[Any]) -> range:
    start, stop, step = items
    return range(start, stop, step)


def _read_slice(items: list[Any]) -> slice:
    start, stop, step = items
    return slice(start, stop, step)


def _read_fraction(items: list[Any]) -> Fraction:
    numerator, denominator = items
    if type(numerator) is not int or type(denominator) is not int:
        raise TypeError("the parts of a Fraction must be integers")
    _check_fraction(numerator, denominator)
    from fractions import Fraction  # noqa: PLC0415 - see `late_types`

    return Fraction(numerator, denominator)


def _read_timezone(items: list[Any]) -> timezone:
    offset, name = items
    return timezone(offset) if name is None else timezone(offset, name)


def _read_aware(items: list[Any]) -> datetime | time:
    naive, zone = items
    if not isinstance(naive, datetime | time) or not isinstance(zone, tzinfo):
        raise TypeError("a datetime or time and its time zone are expected")
    return naive.replace(tzinfo=zone)


def _read_enum(items: list[Any]) -> object:
    name, member, value = items
    data = {CLASS_KEY: name, "name": member, "value": value}
    return value_or_object(name, data, value, Enum)


COMPOUNDS: Final[dict[bytes, Callable[[list[Any]], object]]] = {
    _MARK_TUPLE.data: tuple,
    _MARK_SET.data: _read_set,
    _MARK_FROZENSET.data: _read_frozenset,
    _MARK_DEQUE.data: _read_deque,
    _MARK_RANGE.data: _read_range,
    _MARK_SLICE.data: _read_slice,
    _MARK_FRACTION.data: _read_fraction,
    _MARK_TIMEZONE.data: _read_timezone,
    _MARK_AWARE.data: _read_aware,
    MARK_ENUM.data: _read_enum,
    _MARK_ARRAY.data: _read_apart_array,
}
"""What makes a value of the rest of an array, by the letter of its mark."""

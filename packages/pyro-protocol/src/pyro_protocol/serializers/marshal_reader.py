"""A small reader of Python's marshal format, for bytes that nobody has vouched for.

Pyro5 sends two things in this format without being asked: the text of a refused
connection, and the routing annotation of a serialized blob. ``marshal.loads``
must not see them, because malformed data can crash the interpreter; what is here
reads plain values of the versions 2 to 5 and refuses everything else.
"""

from __future__ import annotations

import marshal
import struct
from typing import TYPE_CHECKING, Any, Final

from ..errors import SerializeError
from .codec import Buffer, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEPTH_LIMIT", "VALUES_LIMIT", "read_simple", "write_simple"]

DEPTH_LIMIT: Final = 32
"""How deeply tuples and lists may be nested; routing data has a depth of 2."""

VALUES_LIMIT: Final = 100_000
"""How many values there may be, shared ones counted as often as they are used:
otherwise a few hundred bytes of references make a structure without end."""

_FLAG_REFERENCED: Final = 0x80
_VERSION: Final = 2
_CONSTANTS: Final[dict[int, object]] = {ord("N"): None, ord("T"): True, ord("F"): False}


class _Unfinished:
    """Stands in the table of references for a container that is being read."""


_UNFINISHED: Final = _Unfinished()


class _Reader:
    """Reads one value from the front of a buffer."""

    def __init__(self, data: Buffer) -> None:
        self._data = memoryview(data).cast("B")
        self._position = 0
        self._values = 0
        self._references: list[tuple[object, int]] = []

    def read(self, depth: int = 0) -> Any:
        if depth > DEPTH_LIMIT:
            raise SerializeError(f"marshal data is nested deeper than {DEPTH_LIMIT}")
        self._count(1)
        head = self._take(1)[0]
        kind = head & ~_FLAG_REFERENCED
        if kind == ord("r"):
            return self._referenced(self._size())
        if not head & _FLAG_REFERENCED:
            return self._value(kind, depth)
        # A container has its place in the table before its elements have theirs.
        index = len(self._references)
        self._references.append((_UNFINISHED, 0))
        before = self._values
        value = self._value(kind, depth)
        self._references[index] = (value, self._values - before)
        return value

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in _READERS:
            return _READERS[kind](self)
        if kind == ord("["):
            return self._elements(self._size(), depth)
        if kind == ord("("):
            return tuple(self._elements(self._size(), depth))
        if kind == ord(")"):
            return tuple(self._elements(self._short_size(), depth))
        raise SerializeError(f"marshal data of type {chr(kind)!r} is not read here")

    def _elements(self, size: int, depth: int) -> list[Any]:
        return [self.read(depth + 1) for _ in range(size)]

    def _referenced(self, index: int) -> object:
        if index >= len(self._references):
            raise SerializeError("marshal data refers to something that does not exist")
        value, values = self._references[index]
        if value is _UNFINISHED:
            raise SerializeError("marshal data contains itself")
        self._count(values)
        return value

    def int32(self) -> int:
        return int(self._unpack("<i"))

    def int64(self) -> int:
        return int(self._unpack("<q"))

    def long(self) -> int:
        size = self.int32()
        digits = struct.iter_unpack("<H", self._take(2 * abs(size)))
        # Text in between, because adding up the digits would take quadratic time.
        bits = "".join(reversed([format(digit, "015b") for (digit,) in digits]))
        value = int(bits or "0", 2)
        return -value if size < 0 else value

    def float_(self) -> float:
        return float(self._unpack("<d"))

    def float_text(self) -> float:
        return float(str(self._take(self._short_size()), "ascii"))

    def bytes_(self) -> bytes:
        return bytes(self._take(self._size()))

    def text(self) -> str:
        return str(self._take(self._size()), "utf-8", "surrogatepass")

    def ascii_(self) -> str:
        return str(self._take(self._size()), "ascii")

    def short_ascii(self) -> str:
        return str(self._take(self._short_size()), "ascii")

    def _short_size(self) -> int:
        return self._take(1)[0]

    def _size(self) -> int:
        size = self.int32()
        if size < 0:
            raise SerializeError("marshal data has a negative size")
        return size

    def _unpack(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, size: int) -> memoryview:
        start = self._position
        if size > len(self._data) - start:
            raise SerializeError("marshal data ends too early")
        self._position = start + size
        return self._data[start : self._position]

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > VALUES_LIMIT:
            raise SerializeError(f"marshal data holds more than {VALUES_LIMIT} values")


# The upper case letters and t say that Python keeps one copy of the text.
_READERS: Final[dict[int, Callable[[_Reader], object]]] = {
    ord("A"): _Reader.ascii_,
    ord("I"): _Reader.int64,
    ord("Z"): _Reader.short_ascii,
    ord("a"): _Reader.ascii_,
    ord("f"): _Reader.float_text,
    ord("g"): _Reader.float_,
    ord("i"): _Reader.int32,
    ord("l"): _Reader.long,
    ord("s"): _Reader.bytes_,
    ord("t"): _Reader.text,
    ord("u"): _Reader.text,
    ord("z"): _Reader.short_ascii,
}


def read_simple(data: Buffer) -> Any:
    """Return the plain value in marshal data, without using ``marshal.loads``.

    Plain values are None, bools, integers, floats, text, bytes, and tuples and
    lists of them. As in Python's own reader, bytes after the value are ignored.

    Raises:
        SerializeError: the data is malformed, too large, or holds anything else.
    """
    try:
        return _Reader(data).read()
    except (ValueError, TypeError) as error:
        raise SerializeError(f"malformed marshal data; {error}") from error


def write_simple(value: object) -> bytes:
    """Return a plain value as marshal data that every version of Python reads.

    Raises:
        SerializeError: the value is not one that `read_simple` returns.
    """
    _check_simple(value, 0)
    # Version 2 has no references: the same value always becomes the same bytes.
    plain: Any = value
    return marshal.dumps(plain, _VERSION)


def _check_simple(value: object, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise SerializeError(f"cannot write marshal data deeper than {DEPTH_LIMIT}")
    if isinstance(value, tuple | list):
        for element in value:
            _check_simple(element, depth + 1)
    elif not isinstance(value, bool | int | float | str | bytes | None):
        raise SerializeError(
            f"cannot serialize {type_name(type(value))} as plain marshal data"
        )

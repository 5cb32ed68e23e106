"""Writing native values: what the packer cannot be left alone with.

The packer writes bytes, bytearrays and memoryviews without asking, all as bytes. So
a value goes through a `Repacker` where a bytearray has to stay one, or where large
buffers are to stand apart from the message.
"""

from __future__ import annotations

import re
from array import array
from collections import deque
from gc import get_referents
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgpack import ExtType, Packer

from ..wire.frame import MAX_BUFFERS, OUT_OF_BAND_FROM
from .classes import CLASS_KEY, class_converters, simplify
from .native_types import (
    BUFFER,
    BUFFER_DATA,
    FORMS,
    MARK_OBJECT,
    apart_array_form,
    bytearray_form,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .classes import Forms
    from .codec import Buffer

__all__ = [
    "ATOMS",
    "SEARCH_FROM",
    "Repacker",
    "has_bytes_header",
    "holds_large",
    "may_hold_bytearray",
    "may_hold_large",
    "new_packer",
]

SEARCH_FROM: Final = 100
"""Size in bytes of a message from which `has_bytes_header` is quicker than a regular
expression, which takes its time for each byte."""

_LOOK_LEVELS: Final = 3
_LOOK_ELEMENTS: Final = 8
"""How far a value is looked through for large buffers before it is packed; what is
longer than this mostly holds many of a kind, and one of them is looked at. A miss
costs time only: a large message is searched for buffers."""

_NAME: Final = "native"
_BYTES: Final = frozenset({bytes, bytearray})
ATOMS: Final = frozenset({type(None), bool, int, float, str})
"""The types of most arguments and results, none of which has a buffer."""

_BUFFERS: Final = _BYTES | {memoryview}
_CONTAINERS: Final = frozenset({dict, list, tuple})
_CLEAN: Final = (ATOMS | {bytes, memoryview, *FORMS}) - {bytearray, deque, slice}
_CLEAN_LEAVES: Final = _CLEAN - _CONTAINERS


def _default(obj: Any) -> object:
    """Return what the packer writes for an object it does not know."""
    # Without this short cut, tuples would take half as long again.
    if not class_converters and type(obj) in FORMS:
        return FORMS[type(obj)](obj)
    return _simple(obj, FORMS)


def _simple(obj: Any, forms: Forms) -> object:
    result = simplify(obj, _NAME, forms)
    if type(result) is dict and CLASS_KEY in result:
        return [MARK_OBJECT, result]
    return result


def new_packer(default: Callable[[Any], object] = _default) -> Packer:
    """Return a packer of the native format; ``default`` writes what it cannot."""
    return Packer(default=default, strict_types=True, use_bin_type=True)


def has_bytes_header(data: bytes) -> bool:
    """Tell whether there may be bytes in a message."""
    find = data.find
    return find(b"\xc4") >= 0 or find(b"\xc5") >= 0 or find(b"\xc6") >= 0


def may_hold_bytearray(value: object) -> bool:
    """Tell whether there may be a bytearray anywhere in a value that can be packed."""
    level = [value]
    while True:
        kinds = set(map(type, level))
        if not kinds <= _CLEAN:
            return True
        if kinds <= _CLEAN_LEAVES:
            return False
        # This is twice as fast as any way to gather what the containers hold that
        # is written in Python, and for what holds nothing it returns nothing.
        level = get_referents(*level)


_SHORT: Final = 1 << 24
_SHORT_HEADERS: Final = (re.compile(rb"\xc6\0"), re.compile(rb"\xc9\0"))
_LONG_HEADERS: Final = (re.compile(rb"\xc6"), re.compile(rb"\xc9"))


def may_hold_large(data: bytes) -> bool:
    """Tell whether there may be a large buffer in a message: bytes or an extension."""
    size = len(data)
    # Many things look like a header, few of them claim a length that can be.
    for header in _SHORT_HEADERS if size < _SHORT else _LONG_HEADERS:
        for found in header.finditer(data):
            at = found.start() + 1
            length = int.from_bytes(data[at : at + 4], "big")
            if OUT_OF_BAND_FROM <= length <= size - at - 4:
                return True
    return False


def holds_large(value: Any, levels: int = _LOOK_LEVELS) -> bool:
    """Tell whether a large buffer is found in a value without looking far."""
    kind = type(value)
    if kind in _BYTES:
        return len(value) >= OUT_OF_BAND_FROM
    if kind in _CONTAINERS:
        if not levels:
            return False
        items = value.values() if kind is dict else value
        for item in items if len(items) <= _LOOK_ELEMENTS else islice(items, 1):
            if type(item) not in ATOMS and holds_large(item, levels - 1):
                return True
        return False
    return _size_of(value) >= OUT_OF_BAND_FROM


def _size_of(value: object) -> int:
    if isinstance(value, memoryview):
        return value.nbytes
    if isinstance(value, array):
        return len(value) * value.itemsize
    return 0


class Repacker:
    """Packs one value with its bytearrays, and its large buffers, replaced.

    Args:
        apart: whether large buffers are to stand apart from the message.

    Attributes:
        buffers: those that do.
    """

    __slots__ = ("_apart", "_forms", "buffers")

    def __init__(self, *, apart: bool = False) -> None:
        self.buffers: list[Buffer] = []
        self._apart = apart
        self._forms: Forms = {**FORMS, array: self._array} if apart else FORMS

    def pack(self, value: object) -> bytes:
        """Return the message, without the buffers that stand apart."""
        data: bytes = new_packer(self._default).pack(self._replaced(value))
        return data

    def _default(self, obj: Any) -> object:
        return self._replaced(_simple(obj, self._forms))

    def _replaced(self, value: Any) -> Any:
        """Return a value with what is in its lists and dictionaries replaced."""
        kind = type(value)
        if kind is list:
            return list(map(self._replaced, value))
        if kind is dict:
            return dict(zip(value, map(self._replaced, value.values()), strict=True))
        return self._buffer(value) if kind in _BUFFERS else value

    def _buffer(self, value: Buffer) -> object:
        view = memoryview(value)
        if not view.c_contiguous:
            return self._buffer(view.tobytes())
        if self._takes(view.nbytes):
            # What cannot be written to arrives as bytes.
            return self._put_apart(
                view.toreadonly() if type(value) is memoryview else value
            )
        return bytearray_form(value) if type(value) is bytearray else value

    def _array(self, value: array[Any]) -> object:
        if not self._takes(len(value) * value.itemsize) or value.typecode in "uw":
            return FORMS[array](value)
        return apart_array_form(value, self._put_apart)

    def _takes(self, size: int) -> bool:
        return (
            self._apart and size >= OUT_OF_BAND_FROM and len(self.buffers) < MAX_BUFFERS
        )

    def _put_apart(self, buffer: Buffer) -> ExtType:
        self.buffers.append(buffer)
        return ExtType(BUFFER, BUFFER_DATA.pack(len(self.buffers) - 1))

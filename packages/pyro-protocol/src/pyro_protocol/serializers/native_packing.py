"""Writing native values: what the packer cannot be left alone with.

The packer writes bytes, bytearrays and memoryviews without asking, all as bytes. So
a value goes through a `Repacker` where a bytearray has to stay one, or where large
buffers are to stand apart from the message.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections import deque
from gc import get_referents
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

from msgpack import ExtType, OutOfData, Packer, Unpacker

from ..wire.frame import MAX_BUFFERS, OUT_OF_BAND_FROM
from .classes import CLASS_KEY, class_converters, simplify
from .foreign import ForeignMember, ForeignRecord
from .late_types import learn_late_types
from .native_objects import MARK_OBJECT, own_form
from .native_types import (
    BUFFER,
    BUFFER_DATA,
    FORMS,
    apart_array_form,
    bytearray_form,
)
from .numpy_arrays import array_types, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .classes import Forms
    from .codec import Buffer

__all__ = [
    "ATOMS",
    "BIN16",
    "LOOK_ELEMENTS",
    "NUMBERS",
    "Repacker",
    "begin_bytes",
    "holds_large",
    "may_hold_bytearray",
    "may_hold_bytes",
    "may_hold_large",
    "new_arguments_packer",
    "new_packer",
    "pack_number",
]

_BYTES_HEADERS: Final = b"\xc4\xc5\xc6"
# Below this size in bytes, it is quicker to look through the value.
_LOOK_CLOSELY_FROM: Final = 1000
_MOST_PLACES: Final = 50
# What is followed by a length, of up to four bytes.
_BEFORE_LENGTHS: Final = frozenset({*range(0xC4, 0xCA), *range(0xD9, 0xE0)})
_LONGEST_LENGTH: Final = 4
# The one byte that no value starts with.
_NEVER: Final = 0xC1

_LOOK_LEVELS: Final = 3
LOOK_ELEMENTS: Final = 8
"""How far a value is looked through for large buffers before it is packed; what is
longer than this mostly holds many of a kind, and one of them is looked at. A miss
costs time only: a large message is searched for buffers."""

_NAME: Final = "native"
_BYTES: Final = frozenset({bytes, bytearray})
ATOMS: Final = frozenset({type(None), bool, int, float, str})
"""The types of most arguments and results, none of which has a buffer."""

_BUFFERS: Final = _BYTES | {memoryview}
_CONTAINERS: Final = frozenset({dict, list, tuple})
_ONLY_DICTS: Final = frozenset({dict})
_HOLDERS: Final = {bytearray, deque, slice, ForeignRecord, ForeignMember}
_CLEAN: Final = (ATOMS | {bytes, memoryview, *FORMS}) - _HOLDERS
_CLEAN_LEAVES: Final = _CLEAN - _CONTAINERS


def _default(obj: Any) -> object:
    """Return what the packer writes for an object it does not know."""
    # Without this short cut, tuples would take half as long again.
    if not class_converters and type(obj) in FORMS:
        return FORMS[type(obj)](obj)
    return _simple(obj, FORMS, own_form)


def _simple(obj: Any, forms: Forms, own: Callable[[Any], object | None]) -> object:
    result = simplify(obj, _NAME, forms, own)
    if type(result) is dict and CLASS_KEY in result:
        return [MARK_OBJECT, result]
    return result


_BUFFER: Final = 2048
"""Bytes that a packer has before it grows, which lasts: a page for most messages."""


def new_packer(default: Callable[[Any], object] = _default) -> Packer:
    """Return a packer of the native format; ``default`` writes what it cannot."""
    # Each connection has one, and by default it would keep 256 KiB ready.
    return Packer(
        default=default, strict_types=True, use_bin_type=True, buf_size=_BUFFER
    )


def new_arguments_packer() -> Callable[[object], bytes]:
    """Return what writes a tuple or a dictionary of ``ATOMS`` and bytes as one."""
    # Types that are taken strictly would leave the tuple out.
    pack: Callable[[object], bytes] = Packer(buf_size=_BUFFER).pack
    return pack


NUMBERS: Final = frozenset({type(None), bool, int, float})
"""What the packer writes without asking anybody."""

# So one does for all threads, and to look for what is rarer is not needed.
pack_number: Final[Callable[[object], bytes]] = Packer(strict_types=True).pack
"""Writes one of the ``NUMBERS``, a text or bytes; an integer beyond 64 bits is an
OverflowError. It keeps as much memory as the longest has needed."""

BIN16: Final = 0xC5
begin_bytes: Final[Callable[[int, int], bytes]] = struct.Struct("!BH").pack
"""Returns what stands before bytes, given ``BIN16`` and how many there are, which are
less than 64 KiB."""


def may_hold_bytes(data: bytes) -> bool:
    """Tell whether there may be bytes in a message that is not small.

    What looks like the header of bytes is mostly a part of a number or a text. So
    each such place gets a byte that nothing may start with, and the reader is asked
    whether it stumbles over one.
    """
    places: list[int] = []
    for header in _BYTES_HEADERS:
        place = data.find(header)
        while place >= 0:
            # A length must stay what it is, or the reader would go astray.
            before = data[max(place - _LONGEST_LENGTH, 0) : place]
            if (
                len(data) < _LOOK_CLOSELY_FROM
                or len(places) >= _MOST_PLACES
                or not _BEFORE_LENGTHS.isdisjoint(before)
            ):
                return True
            places.append(place)
            place = data.find(header, place + 1)
    if not places:
        return False
    # What follows the last of them need not be read.
    marked = bytearray(data[: max(places) + 1])
    for place in places:
        marked[place] = _NEVER
    reader = Unpacker(max_buffer_size=0)
    reader.feed(marked)
    try:
        reader.skip()
    except OutOfData:
        return False
    except Exception:  # noqa: BLE001 - the library names few of its errors
        return True
    return False


def may_hold_bytearray(value: object) -> bool:
    """Tell whether there may be a bytearray anywhere in a value that can be packed."""
    level = [value]
    while True:
        kinds = set(map(type, level))
        if not kinds <= _CLEAN:
            if class_converters or not kinds - _CLEAN <= array_types():
                return True
            # Arrays of numpy are written as descriptions and bytes.
            level = [one for one in level if type(one) in _CLEAN]
            continue
        if kinds <= _CLEAN_LEAVES:
            return False
        if kinds == _ONLY_DICTS:
            # Keys have a hash, and a bytearray has none.
            level = [*chain.from_iterable(map(dict.values, level))]  # type: ignore[arg-type] # they are
            continue
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
    if kind is dict:
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    elif kind in _BYTES:
        return len(value) >= OUT_OF_BAND_FROM
    else:
        return _size_of(value) >= OUT_OF_BAND_FROM
    if not levels:
        return False
    for item in items if len(items) <= LOOK_ELEMENTS else islice(items, 1):
        if type(item) not in ATOMS and holds_large(item, levels - 1):
            return True
    return False


def _size_of(value: Any) -> int:
    # The type is asked, since the object may be a proxy.
    kind = type(value)
    if kind is memoryview:
        size: int = value.nbytes
        return size
    if kind is array:
        return len(value) * int(value.itemsize)
    return size_of(value)


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
        learn_late_types()
        self._forms: Forms = {**FORMS, array: self._array} if apart else FORMS

    def pack(self, value: object) -> bytes:
        """Return the message, without the buffers that stand apart."""
        data: bytes = new_packer(self._default).pack(self._replaced(value))
        return data

    def _default(self, obj: Any) -> object:
        return self._replaced(_simple(obj, self._forms, self._own))

    def _own(self, obj: Any) -> object | None:
        return own_form(obj, self._place)

    def _place(self, elements: memoryview) -> object:
        # Not as what cannot be written to: a bytearray arrives, and becomes an array.
        return self._put_apart(elements) if self._takes(elements.nbytes) else elements

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

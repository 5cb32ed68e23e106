"""The native serializer: msgpack in which every builtin type stays what it is.

A value is one msgpack value; `native_types` tells how the types are written that
msgpack does not have. A call is an array of object id, method name, arguments, and
keyword arguments or nil. Peers agree on this format and its version when they
connect, so that no message says it again.

Values may be nested as deeply as the msgpack library goes: it reads 1024 levels, and
neither reading nor writing them uses the stack of Python.
"""

from __future__ import annotations

import re
from collections import deque
from gc import get_referents
from typing import TYPE_CHECKING, Any, Final

from msgpack import Packer, unpackb

from ..errors import SecurityError, SerializeError
from .classes import CLASS_KEY, class_converters, simplify
from .codec import Buffer, Call, Serializer, check_call
from .msgpack import VERIFY_FROM, verify
from .native_types import COMPOUNDS, FORMS, MARK, MARK_OBJECT, SCALARS, bytearray_form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["VERSION", "NativeSerializer"]

VERSION: Final = 1
"""The version of the format, which peers agree on."""

_KEEP_LIMIT: Final = 64 * 1024
"""Size of a message in bytes up to which its packer is used again. A packer keeps a
buffer as large as the largest message it has written."""


def _default(obj: Any) -> object:
    """Return what the packer writes for an object it does not know."""
    # Without this short cut, tuples would take half as long again.
    if not class_converters and type(obj) in FORMS:
        return FORMS[type(obj)](obj)
    result = simplify(obj, NativeSerializer.name, FORMS)
    if type(result) is dict and CLASS_KEY in result:
        return [MARK_OBJECT, result]
    return result


# The packer writes a bytearray as bytes, without asking. To look for one in every
# value would double the time, so a value is packed first: only if the message has a
# byte that could introduce bytes the value is looked through, and only if there may
# be a bytearray it is packed again with those replaced.
_has_bytes_header: Final = re.compile(rb"[\xc4-\xc6]").search
_CLEAN: Final = frozenset(
    {type(None), bool, int, float, str, bytes, memoryview, *FORMS}
) - {bytearray, deque, slice}
_CLEAN_LEAVES: Final = _CLEAN - {dict, list, tuple}


def _may_hold_bytearray(value: object) -> bool:
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


def _replaced(value: Any) -> Any:
    """Return a value with the bytearrays in its lists and dictionaries replaced."""
    kind = type(value)
    if kind is bytearray:
        return bytearray_form(value)
    if kind is list:
        return list(map(_replaced, value))
    if kind is dict:
        return dict(zip(value, map(_replaced, value.values()), strict=True))
    return value


def _replacing_default(obj: Any) -> object:
    return _replaced(_default(obj))


def _new_packer(default: Callable[[Any], object] = _default) -> Packer:
    return Packer(default=default, strict_types=True, use_bin_type=True)


_has_mark_header: Final = re.compile(rb"\xd4\x01").search
"""Finds what a message with a compound holds somewhere: the start of an extension with
one byte of data and the code of marks."""


def _read_scalar(code: int, data: bytes) -> object:
    reader = SCALARS.get(code)
    if reader is None:
        raise SerializeError(f"unknown native extension type {code}")
    return reader(data)


class _Mark:
    """What a mark is while the array it starts is being read."""

    __slots__ = ("build",)

    def __init__(self, build: Callable[[list[Any]], object]) -> None:
        self.build = build


def _object_or_dict(items: list[Any]) -> object:
    try:
        return COMPOUNDS[MARK_OBJECT.data](items)
    except (SerializeError, SecurityError):
        return items[0]


_MARKS: Final = {letter: _Mark(build) for letter, build in COMPOUNDS.items()}
_MARKS_OR_DICTS: Final = {**_MARKS, MARK_OBJECT.data: _Mark(_object_or_dict)}


class _CompoundReader:
    """Makes the compounds of one message, innermost first."""

    __slots__ = ("_marks", "unused")

    def __init__(self, marks: Mapping[bytes, _Mark]) -> None:
        self._marks = marks
        self.unused = 0

    def extension(self, code: int, data: bytes) -> object:
        if code != MARK:
            return _read_scalar(code, data)
        mark = self._marks.get(data)
        if mark is None:
            raise SerializeError(f"unknown native mark {data[:8]!r}")
        self.unused += 1
        return mark

    def array(self, items: list[Any]) -> object:
        if items and type(items[0]) is _Mark:
            self.unused -= 1
            return items.pop(0).build(items)
        return items


def _read_compounds(data: Buffer, marks: Mapping[bytes, _Mark]) -> Any:
    reader = _CompoundReader(marks)
    value = unpackb(
        data,
        strict_map_key=False,
        ext_hook=reader.extension,
        list_hook=reader.array,
    )
    if reader.unused:
        raise SerializeError("malformed native data; a mark does not start an array")
    return value


class NativeSerializer(Serializer):
    """The format between peers of our own family; every builtin keeps its type.

    Args:
        unknown_as_dict: whether objects of classes that are not known here are read
            as the dictionaries they travel as: for programs that only pass them on.
    """

    name = "native"
    id = 78

    def __init__(self, *, unknown_as_dict: bool = False) -> None:
        self._marks = _MARKS_OR_DICTS if unknown_as_dict else _MARKS
        # A packer in use is not in the list: neither another thread nor a converter
        # that serializes something itself can get hold of it. Taking from and adding
        # to the end of a list needs no lock. After an error it is not put back.
        self._packers: list[Packer] = []

    def dumps(self, value: object) -> bytes:
        """Return ``value`` as bytes.

        Raises:
            SerializeError: the value holds something that cannot travel.
        """
        try:
            packer = self._packers.pop()
        except IndexError:
            packer = _new_packer()
        try:
            data: bytes = packer.pack(value)
            if _has_bytes_header(data) and _may_hold_bytearray(value):
                data = _new_packer(_replacing_default).pack(_replaced(value))
        except (SerializeError, SecurityError, MemoryError):
            raise
        except Exception as error:
            raise self._encode_error(value, error) from error
        if len(data) <= _KEEP_LIMIT:
            self._packers.append(packer)
        return data

    def dumps_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        """Return a call as bytes; ``kwargs`` may be None.

        Raises:
            SerializeError: an argument holds something that cannot travel.
        """
        return self.dumps([object_id, method, [*args], kwargs])

    def loads(self, data: Buffer) -> Any:
        """Return the value that ``data`` holds.

        Raises:
            SerializeError: the bytes are malformed, or name a class that is not
                known here.
            SecurityError: they name a class that is never built.
        """
        try:
            if len(data) >= VERIFY_FROM:
                verify(data)
            if _has_mark_header(data) is None:
                return unpackb(data, strict_map_key=False, ext_hook=_read_scalar)
            return _read_compounds(data, self._marks)
        except (SerializeError, SecurityError, MemoryError):
            raise
        except Exception as error:
            raise self._decode_error(error) from error

    def loads_call(self, data: Buffer) -> Call:
        """Return the call that ``data`` holds, its shape checked.

        Raises:
            SerializeError: as `loads`, or the value is not a call.
            SecurityError: as `loads`.
        """
        return check_call(self.loads(data))

    def _encode(self, value: object) -> bytes:
        return self.dumps(value)

    def _decode(self, data: Buffer) -> Any:
        return self.loads(data)

"""The native serializer: msgpack in which every builtin type stays what it is.

A value is one msgpack value; `native_types` and `native_objects` tell how the types are
written that msgpack does not have. A call is an array of object id, method name,
arguments, and keyword arguments or nil. Peers agree on this format and its version
when they connect, so that no message says it again.

Values may be nested as deeply as the msgpack library goes: it reads 1024 levels, and
neither reading nor writing them uses the stack of Python; only where a bytearray or
a large buffer is in the value does writing it.
"""

from __future__ import annotations

import re
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from msgpack import ExtType, Packer, packb, unpackb

from ..errors import SecurityError, SerializeError
from ..wire.frame import OUT_OF_BAND_FROM, SplitPayload
from .classes import CLASS_KEY
from .codec import Buffer, Call, Serializer, check_call
from .limits import EQUAL_HASHES_LIMIT, NESTING_LIMIT
from .msgpack import (
    MODEST_ARRAY,
    MODEST_MAP,
    VERIFY_FROM,
    claims_little,
    dict_of_pairs,
    may_hold_large_map,
    verify,
)
from .native_batches import BATCH, pack_batch, without_tuples
from .native_objects import BOUND_OBJECTS, MARK_DATACLASS, MARK_OBJECT, OBJECTS
from .native_packing import (
    ATOMS,
    BIN16,
    LOOK_ELEMENTS,
    Repacker,
    holds_large,
    may_hold_bytearray,
    may_hold_bytes,
    may_hold_large,
    new_packer,
)
from .native_types import BUFFER, BUFFER_DATA, COMPOUNDS, MARK, SCALARS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..wire.frame import Payload

__all__ = [
    "ONE_BYTE",
    "VERSION",
    "NativeSerializer",
    "read_scalar",
    "read_together",
    "unpack",
]

VERSION: Final = 1
"""The version of the format, which peers agree on."""

unpack: Final[Callable[..., Any]] = unpackb
"""Reads a message that is small, and holds no compounds; given `read_scalar`."""

_KEEP_LIMIT: Final = OUT_OF_BAND_FROM - 1
"""Size of a message in bytes up to which its packer is used again. A packer keeps a
buffer as large as the largest message it has written."""

_FIRST_APART: Final = ExtType(BUFFER, BUFFER_DATA.pack(0))
ONLY_APART: Final[bytes] = packb(_FIRST_APART)
"""A message that is nothing but a large buffer, and what stands for that in others."""

# What bytes begin with.
_BIN8: Final = 0xC4
_BIN32: Final = 0xC6

_MARK_HEADER: Final = re.compile(rb"\xd4\x01")
# The first of these bytes, which most messages have nowhere, or few times: a single
# byte is found at the speed of memory. Beyond so many the pattern is quicker.
_MARK_STARTS: Final = 0xD4
_FEW_STARTS: Final = 4
_MARK_CODE: Final = b"\x01"


def _has_mark_header(data: Any) -> bool:
    """Tell whether there is what a message with a compound holds somewhere.

    That is the start of an extension with one byte of data and the code of marks.
    """
    if type(data) is not bytes:
        return _MARK_HEADER.search(data) is not None
    place = data.find(_MARK_STARTS)
    for _ in range(_FEW_STARTS):
        if place < 0:
            return False
        if data[place + 1 : place + 2] == _MARK_CODE:
            return True
        place = data.find(_MARK_STARTS, place + 1)
    return place >= 0 and _MARK_HEADER.search(data, place) is not None


def read_scalar(code: int, data: bytes) -> object:
    """Return the value of an extension that is one by itself.

    Raises:
        SerializeError: it is something else, or malformed.
    """
    reader = SCALARS.get(code)
    if reader is None:
        raise SerializeError(f"unknown native extension type {code}")
    return reader(data)


_unpack_modest: Final = partial(
    unpackb,
    strict_map_key=False,
    ext_hook=read_scalar,
    max_array_len=MODEST_ARRAY,
    max_map_len=MODEST_MAP,
)
"""Reads a message that needs no checks, as everything in it is small."""

ONE_BYTE: Final[Mapping[int, Any]] = {
    **{number: number for number in range(0x80)},
    **{0x100 + number: number for number in range(-0x20, 0)},
    0xA0: "",
    0xC0: None,
    0xC2: False,
    0xC3: True,
}
"""The values that one byte stands for, but for the empty containers."""


# How large messages are that begin with these bytes, and hold a number, a truth value,
# None, or a text of less than 32 bytes.
_SIZE_OF: Final = {
    **dict.fromkeys(ONE_BYTE, 1),
    **{0xA0 + length: 1 + length for length in range(32)},
    **dict.fromkeys((0xCC, 0xD0), 2),
    **dict.fromkeys((0xCD, 0xD1), 3),
    **dict.fromkeys((0xCA, 0xCE, 0xD2), 5),
    **dict.fromkeys((0xCB, 0xCF, 0xD3), 9),
}
_SIZES: Final = bytes(_SIZE_OF.get(first, 0) for first in range(0x100))
_ARRAY32: Final = b"\xdd"
_first: Final[Callable[[Any], int]] = itemgetter(0)


def read_together(messages: Sequence[Payload]) -> list[Any]:
    """Return what messages hold, if all are numbers, short texts, None or truth values.

    Nothing is returned if any is something else, or is malformed.
    """
    try:
        sizes = bytes(map(len, messages))
        if bytes(map(_first, messages)).translate(_SIZES) != sizes:
            return []
        # One array of them is read much faster than each for itself.
        array = _ARRAY32 + len(messages).to_bytes(4) + b"".join(messages)  # type: ignore[arg-type] # none has buffers apart
        values: list[Any] = unpackb(array)
    except (ValueError, TypeError, IndexError):
        return []
    return values


class _ManyScalarsError(Exception):
    """There are enough extensions to make keys with equal hashes of."""


def _first_scalars() -> Callable[[int, bytes], object]:
    """Return a reader of as many extensions as any dictionary may have for keys."""
    count = 0

    def read(code: int, data: bytes) -> object:
        nonlocal count
        count += 1
        if count > EQUAL_HASHES_LIMIT:
            raise _ManyScalarsError
        return read_scalar(code, data)

    return read


def _unpack_scalars(data: Buffer) -> Any:
    """Read a large message without compounds."""
    if not may_hold_large_map(data):
        return unpackb(data, strict_map_key=False, ext_hook=read_scalar)
    # To check the keys of every dictionary takes half as long again.
    try:
        return unpackb(data, strict_map_key=False, ext_hook=_first_scalars())
    except _ManyScalarsError:
        return unpackb(
            data,
            strict_map_key=False,
            ext_hook=read_scalar,
            object_pairs_hook=dict_of_pairs,
        )


class _Mark:
    """What a mark is while the array it starts is being read."""

    __slots__ = ("build",)

    def __init__(self, build: Callable[[list[Any]], object]) -> None:
        self.build = build


def _object_or_dict(items: list[Any]) -> object:
    try:
        return OBJECTS[MARK_OBJECT.data](items)
    except (SerializeError, SecurityError):
        return items[0]


def _dataclass_or_dict(items: list[Any]) -> object:
    try:
        return OBJECTS[MARK_DATACLASS.data](items)
    except (SerializeError, SecurityError):
        name, fields = items
        return {**fields, CLASS_KEY: name}


_MARKS: Final = {
    letter: _Mark(build) for letter, build in (COMPOUNDS | OBJECTS).items()
}
_BOUND_MARKS: Final = {
    letter: _Mark(build) for letter, build in (COMPOUNDS | BOUND_OBJECTS).items()
}
_MARKS_OR_DICTS: Final = {
    **_MARKS,
    MARK_OBJECT.data: _Mark(_object_or_dict),
    MARK_DATACLASS.data: _Mark(_dataclass_or_dict),
}


class _CompoundReader:
    """Makes the compounds of one message, innermost first.

    Args:
        marks: what makes them, by letter.
        buffers: the buffers that stand apart.
    """

    __slots__ = ("_buffers", "_marks", "unused")

    def __init__(
        self, marks: Mapping[bytes, _Mark], buffers: Sequence[Buffer] = ()
    ) -> None:
        self._marks = marks
        self._buffers = dict(enumerate(buffers))
        self.unused = 0

    def read(self, data: Any) -> Any:
        is_checked = len(data) >= VERIFY_FROM and may_hold_large_map(data)
        value = unpackb(
            data,
            strict_map_key=False,
            ext_hook=self._extension,
            list_hook=self._array,
            object_pairs_hook=dict_of_pairs if is_checked else None,
        )
        if self.unused:
            raise SerializeError(
                "malformed native data; a mark does not start an array"
            )
        if self._buffers:
            raise SerializeError(
                "malformed native data; a buffer that stands apart is not used"
            )
        return value

    def _extension(self, code: int, data: bytes) -> object:
        if code == BUFFER:
            return self._buffer(data)
        if code != MARK:
            return read_scalar(code, data)
        mark = self._marks.get(data)
        if mark is None:
            raise SerializeError(f"unknown native mark {data[:8]!r}")
        self.unused += 1
        return mark

    def _buffer(self, data: bytes) -> Buffer:
        (index,) = BUFFER_DATA.unpack(data)
        try:
            return self._buffers.pop(index)
        except KeyError:
            raise SerializeError(
                f"malformed native data; buffer {index} is not there, or used twice"
            ) from None

    def _array(self, items: list[Any]) -> object:
        if items and type(items[0]) is _Mark:
            self.unused -= 1
            return items.pop(0).build(items)
        return items


class NativeSerializer(Serializer):
    """The format between peers of our own family; every builtin keeps its type.

    Args:
        unknown_as_dict: whether objects of classes that are not known here are read
            as the dictionaries they travel as: for programs that only pass them on.
        bound: whether received streams and callbacks are refused, unless there is a
            connection that they belong to.
        max_nesting: how deeply received containers may be nested; the msgpack library
            reads 1024 levels.
    """

    name = "native"
    id = 78

    def __init__(
        self,
        *,
        unknown_as_dict: bool = False,
        bound: bool = False,
        max_nesting: int = NESTING_LIMIT,
    ) -> None:
        self._max_nesting = max_nesting
        # A message is not nested deeper than it is long.
        self._verify_from = min(VERIFY_FROM, max_nesting + 1)
        self._marks = _MARKS_OR_DICTS if unknown_as_dict else _MARKS
        if bound:
            self._marks = _BOUND_MARKS
        # A packer in use is not in the list: neither another thread nor a converter
        # that serializes something itself can get hold of it. Taking from and adding
        # to the end of a list needs no lock. After an error it is not put back.
        self._packers: list[Packer] = []

    def encode(
        self, value: object, _looked_through: bool = False, _apart: bool = True
    ) -> bytes | SplitPayload:
        """Return ``value`` as bytes, or with its large buffers standing apart.

        Bytes, bytearrays, memoryviews and arrays of at least 64 KiB stand apart and
        are not copied: what can be changed must not be until the message is sent.

        Raises:
            SerializeError: the value holds something that cannot travel.
        """
        if not _looked_through and type(value) not in ATOMS and holds_large(value):
            if type(value) is bytes:
                return SplitPayload(ONLY_APART, (value,))
            return self._repacked(value, apart=True)
        try:
            packer = self._packers.pop()
        except IndexError:
            packer = new_packer()
        try:
            data: bytes = packer.pack(value)
        except (SerializeError, SecurityError, MemoryError):
            raise
        except Exception as error:
            if "memoryview" in str(error):
                # It is not contiguous.
                return self._repacked(value, apart=_apart)
            raise self._encode_error(value, error) from error
        size = len(data)
        if size <= _KEEP_LIMIT:
            self._packers.append(packer)
        elif _apart and may_hold_large(data):
            return self._repacked(value, apart=True)
        # The packer writes a bytearray as bytes, without asking. To look for one in
        # every value would double the time; most messages tell that there is none.
        if (
            (_BIN8 in data or BIN16 in data or _BIN32 in data)
            and may_hold_bytes(data)
            and may_hold_bytearray(value)
        ):
            return self._repacked(value, apart=False)
        return data

    def encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes | SplitPayload:
        """Return a call as bytes, or with its large buffers standing apart.

        Raises:
            SerializeError: an argument holds something that cannot travel.
        """
        if method == BATCH:
            packed = self._packed_batch(object_id, args, kwargs, apart=True)
            if packed is not None:
                return packed
            args = without_tuples(args)
        call = [object_id, method, [*args], kwargs]
        for argument in args if len(args) <= LOOK_ELEMENTS else args[:1]:
            if type(argument) not in ATOMS and holds_large(argument):
                if type(argument) is bytes and not kwargs:
                    return self._call_with_bytes(call, argument)
                return self._repacked(call, apart=True)
        if kwargs and holds_large(kwargs):
            return self._repacked(call, apart=True)
        return self.encode(call, True)  # noqa: FBT003 - quicker than by name

    def dumps(self, value: object) -> bytes:
        """Return ``value`` as bytes.

        Raises:
            SerializeError: the value holds something that cannot travel.
        """
        return self.encode(value, True, False)  # type: ignore[return-value]  # noqa: FBT003 - nothing stands apart

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
        if method == BATCH:
            packed = self._packed_batch(object_id, args, kwargs, apart=False)
            if packed is not None:
                return packed
            args = without_tuples(args)
        call = [object_id, method, [*args], kwargs]
        return self.encode(call, True, False)  # type: ignore[return-value]  # noqa: FBT003 - nothing stands apart

    def _packed_batch(
        self,
        object_id: str,
        calls: Sequence[object],
        kwargs: object,
        *,
        apart: bool,
    ) -> bytes | None:
        """Return a batch as bytes; None if its calls are not as most are."""
        if kwargs is not None or (apart and calls and holds_large(calls[0])):
            return None
        try:
            packer = self._packers.pop()
        except IndexError:
            packer = new_packer()
        try:
            data = pack_batch(packer, object_id, calls)
        except Exception:  # noqa: BLE001 - told of when it is tried again
            return None
        if data is None:
            return None
        if len(data) <= _KEEP_LIMIT:
            self._packers.append(packer)
        elif apart and may_hold_large(data):
            return None
        # As in `encode`.
        return None if may_hold_bytes(data) and may_hold_bytearray(calls) else data

    def _call_with_bytes(self, call: list[Any], data: bytes) -> bytes | SplitPayload:
        """Return a call with large bytes; quickly if nothing else in it is large."""
        args = []
        for argument in call[2]:
            if argument is data:
                args.append(_FIRST_APART)
            elif type(argument) in ATOMS:
                args.append(argument)
            else:
                return self._repacked(call, apart=True)
        if args.count(_FIRST_APART) > 1:
            return self._repacked(call, apart=True)
        call[2] = args
        head = self.encode(call, True, False)  # noqa: FBT003 - nothing else stands apart
        return SplitPayload(head, (data,))  # type: ignore[arg-type] # they are bytes

    def _repacked(self, value: object, *, apart: bool) -> bytes | SplitPayload:
        repacker = Repacker(apart=apart)
        try:
            head = repacker.pack(value)
        except (SerializeError, SecurityError, MemoryError):
            raise
        except Exception as error:
            raise self._encode_error(value, error) from error
        return SplitPayload(head, repacker.buffers) if repacker.buffers else head

    def loads(self, data: Payload) -> Any:
        """Return the value that ``data`` holds.

        Bytes and bytearrays that stand apart become part of the value as they are.

        Raises:
            SerializeError: the bytes are malformed, or name a class that is not
                known here.
            SecurityError: they name a class that is never built.
        """
        try:
            if len(data) >= self._verify_from:
                return self._loads_large(data)
            if type(data) is bytes and _MARK_STARTS not in data:
                return unpackb(data, strict_map_key=False, ext_hook=read_scalar)
            if isinstance(data, SplitPayload):
                return self._loads_large(data)
            if not _has_mark_header(data):
                return unpackb(data, strict_map_key=False, ext_hook=read_scalar)
            return _CompoundReader(self._marks).read(data)
        except (SerializeError, SecurityError):
            raise
        except Exception as error:
            raise self._decode_error(error) from error

    def _loads_large(self, data: Payload) -> Any:
        head: Buffer
        buffers: Sequence[Buffer]
        if isinstance(data, SplitPayload):
            if data.head == ONLY_APART and len(data.buffers) == 1:
                return data.buffers[0]
            head, buffers = data.head, data.buffers
        else:
            if self._max_nesting >= NESTING_LIMIT:
                try:
                    return _unpack_modest(data)
                except (SerializeError, ValueError):
                    # It holds a compound, more elements, or something malformed.
                    pass
            head, buffers = data, ()
        if len(head) >= self._verify_from and not claims_little(
            head, self._max_nesting
        ):
            verify(head, self._max_nesting)
        if not buffers and (
            (type(head) is bytes and _MARK_STARTS not in head)
            or not _has_mark_header(head)
        ):
            return _unpack_scalars(head)
        return _CompoundReader(self._marks, buffers).read(head)

    def loads_call(self, data: Payload) -> Call:
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

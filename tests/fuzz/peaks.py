"""What hostile bytes cost at their peak, each case in a process of its own.

    python tests/fuzz/peaks.py CASE

prints how many bytes were read, and by how many the memory of the process grew.
"""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from pyro_protocol.errors import PyroError
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.marshal_reader import read_simple
from pyro_protocol.wire import Decoder, FrameError, MessageType
from pyro_protocol.wire.decoder import INFLATE_FREELY, MAX_INFLATE_RATIO
from pyro_protocol.wire.frame import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CASES", "GIVE_UP", "Case"]

GIVE_UP: Final = 3 << 30
"""Bytes of address space that a process gets; one that wants more shall not take the
machine along. Some of it is reserved by the interpreter and never used."""

_MIB: Final = 1 << 20
_LARGEST: Final = 1 << 30
_PIECE: Final = 64 * 1024


def _status(field: str) -> int:
    """Return a field of this process's memory in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(field)


@dataclass(frozen=True)
class Case:
    """Hostile bytes.

    Attributes:
        make: makes them.
        read: reads them as the protocol does.
        factor: the most bytes of memory for each of them.
        base: the most bytes of memory besides.
    """

    make: Callable[[], bytes]
    read: Callable[[bytes], object]
    factor: float
    base: int = 2 * _MIB


def _message(payload_size: int, *, chunks: bytes = b"", flags: int = 0) -> bytes:
    return (
        HEADER.pack(
            *(b"PYRO", 502, MessageType.INVOKE, 78, flags, 1, payload_size),
            *(len(chunks), bytes(16), 0, 0x4DC5),
        )
        + chunks
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "big") + data


def _decode(data: bytes) -> None:
    decoder = Decoder(_LARGEST, 256, frozenset(MessageType))
    decoder.splits = True
    for start in range(0, len(data), _PIECE):
        decoder.receive_data(data[start : start + _PIECE])
        try:
            while decoder.next_frame() is not None:
                pass
        except FrameError as error:
            if error.fatal:
                return


def _decode_bytewise(data: bytes) -> None:
    decoder = Decoder(_LARGEST, 256, frozenset(MessageType))
    for one in data:
        decoder.receive_data(bytes([one]))
        decoder.next_frame()


def _announced_buffer(kind: int) -> bytes:
    size = _LARGEST - 1000
    chunk = _chunk(b"BUFS", size.to_bytes(4, "big") + bytes([kind]))
    return _message(size + 10, chunks=chunk) + bytes(100_000)


def _zip_bomb() -> bytes:
    squeezer = zlib.compressobj(9)
    zeros = bytes(_MIB)
    data = b"".join(squeezer.compress(zeros) for _ in range(300)) + squeezer.flush()
    return _message(len(data), flags=2) + data


def _flood_of_annotations() -> bytes:
    chunks = _chunk(b"ABCD", b"") * (_MIB // 2)
    return _message(0, chunks=chunks)


def _repeated(head: bytes, unit: bytes, tail: bytes = b"") -> Callable[[], bytes]:
    return lambda: head + unit * (2 * _MIB // len(unit)) + tail


def _counted(unit: bytes) -> Callable[[], bytes]:
    """Give an array in msgpack of 2 MiB of the same element."""
    count = 2 * _MIB // len(unit)
    return lambda: b"\xdd" + count.to_bytes(4, "big") + unit * count


_native = serializers["native"].loads
_msgpack = serializers["msgpack"].loads
_serpent = serializers["serpent"].loads
_json = serializers["json"].loads
_RANGE: Final = b"\x94\xd4\x01r\x00\xce\x3f\xff\xff\xff\x01"
_CLAIM: Final = b"\xdd\xff\xff\xff\xff"


def _exception(name: bytes) -> bytes:
    """Return an exception in the native format, made with a range of a billion."""
    return (
        b"\x92\xd4\x01C\x83"
        + (b"\xa9__class__" + bytes([0xA0 + len(name)]) + name)
        + (b"\xad__exception__\xc3" + b"\xa4args\x92\xa1m" + _RANGE)
    )


CASES: Final[dict[str, Case]] = {
    "1 GiB announced": Case(
        lambda: _message(_LARGEST - 1000) + bytes(100_000), _decode, 4
    ),
    "bytes of 1 GiB announced": Case(lambda: _announced_buffer(0), _decode, 4),
    "bytearray of 1 GiB announced": Case(lambda: _announced_buffer(1), _decode, 4),
    "zip bomb": Case(_zip_bomb, _decode, 2 * MAX_INFLATE_RATIO, 2 * INFLATE_FREELY),
    "flood of annotations": Case(_flood_of_annotations, _decode, 4),
    "single bytes": Case(lambda: _message(_MIB) + bytes(_MIB - 1), _decode_bytewise, 6),
    "native claims": Case(_repeated(b"", _CLAIM), _native, 4),
    "msgpack claims": Case(_repeated(b"", _CLAIM), _msgpack, 4),
    "small native claims": Case(lambda: _CLAIM * 3000, _native, 4),
    "small msgpack claims": Case(lambda: _CLAIM * 3000, _msgpack, 4),
    "native nesting": Case(_repeated(b"", b"\x91"), _native, 4),
    "msgpack nesting": Case(_repeated(b"", b"\x91"), _msgpack, 4),
    "serpent nesting": Case(_repeated(b"", b"["), _serpent, 10),
    "json nesting": Case(_repeated(b"", b"["), _json, 10),
    "native lists": Case(_counted(b"\x90"), _native, 80),
    "native deques": Case(_counted(b"\x92\xd4\x01d\xc0"), _native, 160),
    "native sets": Case(_counted(b"\x91\xd4\x01s"), _native, 80),
    "msgpack maps": Case(_counted(b"\x80"), _msgpack, 100),
    "serpent lists": Case(_repeated(b"[", b"[],", b"]"), _serpent, 40),
    "serpent numbers": Case(_repeated(b"[", b"1.5,", b"]"), _serpent, 40),
    "json objects": Case(_repeated(b"[", b"{},", b"0]"), _json, 40),
    "range for SyntaxError": Case(lambda: _exception(b"SyntaxError"), _native, 4),
    "range for a group": Case(lambda: _exception(b"ExceptionGroup"), _native, 4),
    "marshal sizes": Case(lambda: b"[\xff\xff\xff\x7f" * 30, read_simple, 4),
    "marshal references": Case(
        lambda: b"\xa8\x02\0\0\0NN" + b"(\xff\xff\0\0" + b"r\0\0\0\0" * 0xFFFF,
        read_simple,
        40,
    ),
}
"""Every case by its name. No factor exceeds what `docs/limits.md` promises, but for
what is inflated: zlib holds it twice for a moment."""


def _measure(case: Case) -> tuple[int, int]:
    data = case.make()
    # What making them took shall not hide what reading them takes.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status("VmHWM")
    try:
        value = case.read(data)
    except PyroError as error:
        value = error
    grown = _status("VmHWM") - before
    del value
    return len(data), grown


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (GIVE_UP, GIVE_UP))
    print(*_measure(CASES[sys.argv[1]]))  # noqa: T201 - the answer to who started it

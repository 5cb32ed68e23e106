"""Whether the time to read bytes grows as they do: the same piece, more and more often.

This looks at the clock, so only the fuzzer runs it, and no test does.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fuzz.script import Script, block
from pyro_protocol.errors import PyroError
from pyro_protocol.serializers import serializers

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LONGEST", "check_growth", "growth_seeds"]

LONGEST: Final = 80 * 1024
"""The most bytes that are made of any input."""

_SHORTER: Final = LONGEST // 8
_MOST_GROWTH: Final = 24
"""How many times the time may grow when the bytes become 8 times as many; it would be
64 times if it grew with their square."""

_SOONEST: Final = 0.1
"""Seconds below which a time says nothing."""

_TRIES: Final = 3
_NAMES: Final = ("native", "serpent", "json", "msgpack")
# Nothing, or the header of a large array or map in msgpack, with the number of pieces.
_HEADERS: Final = (b"", b"\xdd", b"\xdf")


def check_growth(data: bytes) -> None:
    """Have a serializer read a piece repeated to two sizes, and compare the times."""
    script = Script(data)
    name = script.choice(_NAMES)
    header = script.choice(_HEADERS)
    head, piece, tail = script.block(), script.block() or b"\0", script.rest()
    shorter = longer = 0.0
    for _ in range(_TRIES):
        times = []
        for size in (_SHORTER, LONGEST):
            count = max(1, (size - len(head) - len(tail)) // len(piece))
            counted = header and header + count.to_bytes(4, "big")
            times.append(_seconds(name, head + counted + piece * count + tail))
        shorter, longer = times
        if longer < _SOONEST or longer < _MOST_GROWTH * shorter:
            return
    raise AssertionError(
        f"{name} takes {longer / shorter:.0f} times as long for {LONGEST} bytes as for"
        f" {_SHORTER}: {head[:40]!r}, {piece[:40]!r}, {tail[:40]!r}"
    )


def _seconds(name: str, data: bytes) -> float:
    start = time.process_time()
    with suppress(PyroError):
        serializers[name].loads(data)
    return time.process_time() - start


def growth_seeds() -> Iterator[bytes]:
    """Give pieces of what each serializer writes, and what is only begun."""
    for piece in (b"[", b"1,", b"'a',", b"(1,", b"{1:", b"'\\x41'", b" ", b"-", b"1"):
        yield b"\1\0" + block(b"[") + block(piece) + b"]"
    for piece in (b"[", b'"a",', b"1,", b'{"a":', b'"\\u0041",', b"1"):
        yield b"\2\0" + block(b"[") + block(piece) + b"0]"
    for serializer in (b"\0", b"\3"):
        for piece in (b"\x90", b"\xa1a", b"\xd4\x01s", b"\x91\xd4\x01t", b"\xc4\1a"):
            yield serializer + b"\1" + block(b"") + block(piece)
            yield serializer + b"\2" + block(b"") + block(b"\0" + piece)

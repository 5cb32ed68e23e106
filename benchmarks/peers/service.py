"""The object every library publishes, and what its clients send."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "BATCH_SIZE",
    "HOST",
    "IN_FLIGHT",
    "MEBIBYTE",
    "ONEWAY_SIZE",
    "PAYLOAD_SIZE",
    "RECORDS",
    "STREAM_SIZE",
    "Service",
    "number_array",
    "payload",
    "unchanged",
]

HOST: Final = "127.0.0.1"

PAYLOAD_SIZE: Final = 32 * 1024 * 1024
"""Bytes in one upload or download: large enough that only copies count."""


MEBIBYTE: Final = 1024 * 1024
"""Bytes in a small upload or download: an image, a page of readings."""

BATCH_SIZE: Final = 1000
"""Calls in one batch."""

STREAM_SIZE: Final = 10_000
"""Items in one stream."""

IN_FLIGHT: Final = 1000
"""Calls at the same time over one connection, where a library can do that."""

ONEWAY_SIZE: Final = 1000
"""Oneway calls that are made before it is asked whether all were executed."""

RECORDS: Final[list[dict[str, Any]]] = [
    {
        "id": number,
        "name": f"record {number}",
        "score": number / 3,
        "active": number % 2 == 0,
        "tags": ["red", "green", "blue"],
        "position": {"x": number, "y": -number},
    }
    for number in range(100)
]
"""What programs have in lists: rows of a database, readings, answers of a web API."""


@cache
def payload(size: int = PAYLOAD_SIZE) -> bytes:
    """Return so many bytes, of which no MiB can be compressed."""
    data = os.urandom(min(size, MEBIBYTE))
    return (data * -(-size // MEBIBYTE))[:size]


@cache
def number_array() -> Any:
    """Return a numpy array of ``PAYLOAD_SIZE`` bytes."""
    numpy = import_module("numpy")  # not every environment has it
    return numpy.arange(PAYLOAD_SIZE // 8, dtype="float64")


def unchanged(data: bytes) -> bytes:
    """Return ``data``: the decoder of libraries that deliver bytes as bytes."""
    return data


class Service:
    """The remote object.

    Args:
        decode: turns what the library delivers for a bytes argument into bytes.
    """

    def __init__(self, decode: Callable[[Any], bytes] = unchanged) -> None:
        self._decode = decode
        self._lock = Lock()
        self._executed = 0

    def add(self, first: int, second: int) -> int:
        """Return the sum."""
        return first + second

    def echo(self, value: Any) -> Any:
        """Return what was given."""
        return value

    def upload(self, data: bytes) -> int:
        """Return the number of bytes received."""
        return len(self._decode(data))

    def download(self, size: int) -> bytes:
        """Return a payload of so many bytes."""
        return payload(size)

    def items(self, count: int) -> Iterator[int]:
        """Produce so many numbers."""
        yield from range(count)

    def note(self, number: int) -> None:  # noqa: ARG002 - small calls have arguments
        """Count this call; a oneway call where the library has them."""
        with self._lock:
            self._executed += 1

    def noted(self) -> int:
        """Return how many calls of ``note`` were executed."""
        return self._executed

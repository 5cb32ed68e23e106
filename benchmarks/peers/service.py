"""The object every library publishes, and what its clients send."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOST", "PAYLOAD_SIZE", "ProxyConnection", "Service", "payload", "unchanged"]

HOST: Final = "127.0.0.1"

PAYLOAD_SIZE: Final = 32 * 1024 * 1024
"""Bytes in one upload or download: large enough that only copies count."""


@cache
def payload() -> bytes:
    """Return ``PAYLOAD_SIZE`` bytes that no transport can compress below 1 MiB."""
    return os.urandom(1024 * 1024) * (PAYLOAD_SIZE // (1024 * 1024))


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

    def add(self, first: int, second: int) -> int:
        """Return the sum."""
        return first + second

    def upload(self, data: bytes) -> int:
        """Return the number of bytes received."""
        return len(self._decode(data))

    def download(self) -> bytes:
        """Return the payload."""
        return payload()


class ProxyConnection:
    """A connection through a proxy of `Service`.

    Args:
        proxy: has the methods of `Service`.
        decode: turns what the library delivers for a bytes result into bytes.
        close: releases the proxy.
    """

    def __init__(
        self,
        proxy: Any,
        decode: Callable[[Any], bytes] = unchanged,
        close: Callable[[], object] = lambda: None,
    ) -> None:
        self._proxy = proxy
        self._decode = decode
        self._close = close

    def call(self) -> object:
        """Add two numbers remotely."""
        return self._proxy.add(2, 3)

    def upload(self, data: bytes) -> int:
        """Send ``data``; return how many bytes the server received."""
        count: int = self._proxy.upload(data)
        return count

    def download(self) -> bytes:
        """Return the server's payload."""
        return self._decode(self._proxy.download())

    def close(self) -> None:
        """Release the proxy."""
        self._close()

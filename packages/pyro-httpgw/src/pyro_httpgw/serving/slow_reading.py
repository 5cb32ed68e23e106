"""Reading from a client that may send a byte now and then."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

__all__ = ["TimedReader"]


class TimedReader(io.RawIOBase):
    """What a client sends, by a time that does not begin anew with each byte.

    Args:
        sock: the connection.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._until = time.monotonic()

    def expect_within(self, seconds: float) -> None:
        """Set how long reading may take from now on, all in all.

        What is read later raises `TimeoutError`.
        """
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, and wait for it.

        Raises:
            TimeoutError: the time is over.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the client takes too long")
        self._socket.settimeout(left)
        return self._socket.recv_into(buffer)

"""Byte streams on sockets that never wait: those of TLS, and all on other systems."""

from __future__ import annotations

import ssl
import threading
import time
from typing import TYPE_CHECKING

from .byte_streams import (
    LARGEST_PIECE,
    LONGEST_WRITE_SECONDS,
    RECEIVE_SIZE,
    readable,
    writable,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from pyro_protocol.wire import Buffer

__all__ = ["NonBlockingStream"]


class NonBlockingStream:
    """A TLS socket, or a plain one on a system without ``MSG_DONTWAIT``.

    Its methods are those of `ByteStream`.
    """

    __slots__ = ("_lock", "_shaken", "sock", "wants_write")

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        # One thread may read while another writes, which OpenSSL does not allow.
        self._lock = threading.Lock()
        self.sock: socket.socket = sock
        self.wants_write: bool = False
        self._shaken = not isinstance(sock, ssl.SSLSocket)

    def handshake(self) -> bool:
        """Go on with the TLS handshake; whether it is complete."""
        if not self._shaken and isinstance(self.sock, ssl.SSLSocket):
            self.wants_write = False
            try:
                self.sock.do_handshake()
            except ssl.SSLWantReadError:
                return False
            except ssl.SSLWantWriteError:
                self.wants_write = True
                return False
            self._shaken = True
        return True

    def read(self) -> bytes | None:
        """Return what has arrived, b"" at the end, None if nothing has."""
        pieces: list[bytes] = []
        try:
            # What TLS has decrypted already does not show as readable.
            while True:
                with self._lock:
                    piece = self.sock.recv(RECEIVE_SIZE)
                pieces.append(piece)
                if not piece or not self._decrypted():
                    break
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if not pieces:
            return None
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_into(self, space: memoryview, *, wait: bool) -> int | None:
        """Read what belongs to a large message into its place; see `ByteStream`."""
        if wait and not self._decrypted() and not readable(self.sock):
            return None
        count = 0
        most = min(len(space), LARGEST_PIECE)
        try:
            while True:
                with self._lock:
                    read = self.sock.recv_into(space[count:], most - count)
                count += read
                if not read or count == most or not self._decrypted():
                    return count
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return count or None

    def _decrypted(self) -> bool:
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def read_soon(self) -> bytes | None:
        """Like `read`, but wait a moment for the first byte."""
        if not self._decrypted() and not readable(self.sock):
            return None
        return self.read()

    def receiver(self) -> Callable[[int], bytes]:
        """Return what reads up to so many bytes, as `read_soon` does."""
        return self._receive

    def read_whole(self, size: int) -> bytes | None:
        """Like `read_soon`, as the library gives a large message in small pieces."""
        del size
        return self.read_soon()

    def _receive(self, _size: int) -> bytes:
        data = self.read_soon()
        if data is None:
            raise BlockingIOError
        return data

    def sender(self) -> Callable[[bytes, int], int]:
        """Return what writes what can be written at once."""
        return self._send

    def _send(self, data: bytes, _flags: int) -> int:
        try:
            with self._lock:
                return self.sock.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            raise BlockingIOError from None

    def write(self, buffers: Sequence[Buffer], *, wait: bool) -> list[Buffer]:
        """Write what can be written, and return the rest."""
        until = time.monotonic() + LONGEST_WRITE_SECONDS if wait else 0.0
        for index, buffer in enumerate(buffers):
            rest = memoryview(buffer)
            while rest:
                try:
                    with self._lock:
                        sent = self.sock.send(rest)
                    rest = rest[sent:]
                except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    if time.monotonic() >= until or not writable(self.sock):
                        return [rest, *buffers[index + 1 :]]
        return []

    def close(self) -> None:
        """Close the socket."""
        # A TLS socket forgets its keys, which another thread may be using.
        with self._lock:
            self.sock.close()

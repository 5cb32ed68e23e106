"""Byte streams: one connected socket, read and written without being held up.

The selector thread must never wait for a peer, a worker only for a moment. A
plain socket stays in blocking mode with a receive time-out in the kernel, and
is read with ``MSG_DONTWAIT`` where waiting is forbidden: so a worker that waits
for the next request of a busy client needs one system call for each.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol

from pyro_protocol.transport.tls import is_encrypted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyro_protocol.wire import Buffer

__all__ = [
    "DONT_WAIT",
    "LARGEST_PIECE",
    "LONGEST_WRITE_SECONDS",
    "RECEIVE_SIZE",
    "SMALL_RECEIVE",
    "ByteStream",
    "open_byte_stream",
    "read_large",
    "readable",
    "set_linger",
    "writable",
]

LINGER_SECONDS: Final = 0.005
"""How long a worker waits for the next request before it turns to other work.

Long enough for a client that calls in a loop, short enough that others, waiting
for a worker, do not notice.
"""

LONGEST_WRITE_SECONDS: Final = 0.25
"""How long a worker stays with a reader that is slow, but keeps reading.

Long enough for a large answer on a fast network; on a slow one the selector
thread writes the rest, as it becomes possible.
"""

RECEIVE_SIZE: Final = 64 * 1024
"""How many bytes are received at once, unless it is known how many come."""

SMALL_RECEIVE: Final = 448
"""The same where small messages are expected: Python has memory for so many at hand,
for more it asks the system's allocator each time."""

DONT_WAIT: Final = getattr(socket, "MSG_DONTWAIT", 0)
"""The flag for `ByteStream.sender`."""

LARGEST_PIECE: Final = 1024 * 1024
"""How many bytes are read into their place at once: the loop serves others, too."""

_LARGEST_WAITED_PIECE: Final = 64 * 1024 * 1024
# Systems differ in how many they take; few messages have more.
_MOST_GATHERED: Final = 16
_WAIT_ALL: Final = getattr(socket, "MSG_WAITALL", 0)
_HAS_KERNEL_TIMEOUTS: Final = bool(DONT_WAIT and _WAIT_ALL and sys.platform != "win32")
_LINGER: Final = struct.pack("ll", 0, int(LINGER_SECONDS * 1_000_000))
# Elsewhere an accepted socket may have the mode of the listening one, and not know it.
_ACCEPTS_BLOCKING: Final = sys.platform == "linux"


class ByteStream(Protocol):
    """What the hosts need of a connection."""

    sock: socket.socket
    wants_write: bool

    def handshake(self) -> bool:
        """Go on with the TLS handshake; whether it is complete."""

    def read(self) -> bytes | None:
        """Return what has arrived, b"" at the end, None if nothing has."""

    def read_soon(self) -> bytes | None:
        """Like `read`, but wait a moment for the first byte."""

    def receiver(self) -> Callable[[int], bytes]:
        """Return what reads up to so many bytes, as `read_soon` does.

        It raises BlockingIOError where that returns None.
        """

    def sender(self) -> Callable[[bytes, int], int]:
        """Return what writes what can be written at once; returns how much that was.

        It is called with the flags ``DONT_WAIT``, and may raise BlockingIOError.
        """

    def read_whole(self, size: int) -> bytes | None:
        """Like `read_soon`, for so many bytes of a large message."""

    def read_into(self, space: memoryview, *, wait: bool) -> int | None:
        """Read what belongs to a large message into its place.

        Args:
            space: where it belongs.
            wait: whether to wait a moment for the first byte.

        Returns:
            How many bytes were read, 0 at the end, None if nothing has arrived.
        """

    def write(self, buffers: Sequence[Buffer], *, wait: bool) -> list[Buffer]:
        """Write what can be written, and return the rest."""

    def close(self) -> None:
        """Close the socket."""


class _KernelTimeoutStream:
    """A plain socket on a system that knows ``MSG_DONTWAIT``."""

    __slots__ = ("sock", "wants_write")

    def __init__(self, sock: socket.socket, *, lingers: bool = False) -> None:
        self.sock = sock
        self.wants_write = False
        if not (_ACCEPTS_BLOCKING and sock.gettimeout() is None):
            # Only then, as it is a system call.
            sock.settimeout(None)
        if not lingers:
            set_linger(sock)

    def handshake(self) -> bool:
        return True

    def read(self) -> bytes | None:
        try:
            return self.sock.recv(RECEIVE_SIZE, DONT_WAIT)
        except BlockingIOError:
            return None

    def read_soon(self) -> bytes | None:
        try:
            return self.sock.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return None

    def receiver(self) -> Callable[[int], bytes]:
        return self.sock.recv

    def read_whole(self, size: int) -> bytes | None:
        try:
            return self.sock.recv(min(size, _LARGEST_WAITED_PIECE), _WAIT_ALL)
        except BlockingIOError:
            return None

    def sender(self) -> Callable[[bytes, int], int]:
        return self.sock.send

    def read_into(self, space: memoryview, *, wait: bool) -> int | None:
        try:
            if wait:
                return self.sock.recv_into(
                    space, min(len(space), _LARGEST_WAITED_PIECE), _WAIT_ALL
                )
            return self.sock.recv_into(space, min(len(space), LARGEST_PIECE), DONT_WAIT)
        except BlockingIOError:
            return None

    def write(self, buffers: Sequence[Buffer], *, wait: bool) -> list[Buffer]:
        if not buffers:
            return []
        if len(buffers) == 1:
            return self._write_one(buffers[0], wait)
        gathered = buffers[:_MOST_GATHERED]
        try:
            # So the peer wakes once, and finds all of it.
            sent = self.sock.sendmsg(gathered, (), DONT_WAIT)
        except BlockingIOError:
            sent = 0
        for index, buffer in enumerate(gathered):
            if sent < len(buffer):
                return self._write_rest(
                    memoryview(buffer)[sent:], buffers[index + 1 :], wait
                )
            sent -= len(buffer)
        if len(buffers) <= _MOST_GATHERED:
            return []
        return self.write(buffers[_MOST_GATHERED:], wait=wait)

    def _write_one(self, buffer: Buffer, wait: bool) -> list[Buffer]:
        try:
            sent = self.sock.send(buffer, DONT_WAIT)
        except BlockingIOError:
            sent = 0
        if sent == len(buffer):
            return []
        return self._write_rest(memoryview(buffer)[sent:], (), wait)

    def _write_rest(
        self, rest: memoryview, others: Sequence[Buffer], wait: bool
    ) -> list[Buffer]:
        until = time.monotonic() + LONGEST_WRITE_SECONDS
        while wait and rest and time.monotonic() < until and writable(self.sock):
            with contextlib.suppress(BlockingIOError):
                rest = rest[self.sock.send(rest, DONT_WAIT) :]
        if not rest:
            return self.write(others, wait=wait)
        return [rest, *others]

    def close(self) -> None:
        self.sock.close()


def read_large(
    stream: ByteStream, size: int, *, mutable: bool
) -> bytes | bytearray | None:
    """Read the large bytes of a message, waiting a moment for them.

    Args:
        stream: where they come from.
        size: how many there are, at least one.
        mutable: whether a bytearray is wanted.

    Returns:
        What was read, which may be less or more; b"" at the end, None if nothing has
        arrived.
    """
    if not mutable:
        return stream.read_whole(size)
    large = bytearray(size)
    count = stream.read_into(memoryview(large), wait=True)
    if count is None or count == size:
        return large if count else None
    return large[:count]


def _open_descriptor(sock: socket.socket) -> int:
    """Return the descriptor of a socket.

    Raises:
        OSError: it was closed by another thread.
    """
    descriptor = sock.fileno()
    if descriptor < 0:
        raise OSError(errno.EBADF, "the connection was closed")
    return descriptor


def readable(sock: socket.socket) -> bool:
    """Wait a moment until there is something to read; whether there is."""
    return _wait(sock, write=False)


def writable(sock: socket.socket) -> bool:
    """Wait a moment until something can be written; whether it can."""
    return _wait(sock, write=True)


if hasattr(select, "poll"):

    def _wait(sock: socket.socket, *, write: bool) -> bool:
        poll = select.poll()
        poll.register(
            _open_descriptor(sock), select.POLLOUT if write else select.POLLIN
        )
        return bool(poll.poll(LINGER_SECONDS * 1000))

else:

    def _wait(sock: socket.socket, *, write: bool) -> bool:
        descriptor = _open_descriptor(sock)
        reading, writing = ([], [descriptor]) if write else ([descriptor], [])
        return any(select.select(reading, writing, [], LINGER_SECONDS))


def set_linger(sock: socket.socket) -> None:
    """Have a receive wait for so long as a worker waits for the next request."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _LINGER)


def open_byte_stream(sock: socket.socket, *, lingers: bool = False) -> ByteStream:
    """Return the byte stream for a connected socket.

    Args:
        sock: the socket.
        lingers: whether `set_linger` was done for it, or for the one it inherits from.
    """
    if _HAS_KERNEL_TIMEOUTS and not is_encrypted(sock):
        return _KernelTimeoutStream(sock, lingers=lingers)
    # It needs the module ssl, which takes long to import.
    from .nonblocking_streams import NonBlockingStream  # noqa: PLC0415

    return NonBlockingStream(sock)

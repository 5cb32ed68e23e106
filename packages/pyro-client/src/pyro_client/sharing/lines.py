"""Lines: a connected socket that one thread reads while others write.

Nothing here waits longer than it is told to, and writing does not wait at all, so
that nobody is held up by a thread that waits for another reason.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from pyro_protocol.transport.tls import is_encrypted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyro_protocol.wire import Buffer

__all__ = [
    "RECEIVE_SIZE",
    "SMALL_RECEIVE",
    "Line",
    "PlainLine",
    "open_line",
    "wait_for",
]

# Large enough that a usual message needs one call, small enough to be cheap to
# allocate for each.
RECEIVE_SIZE: Final = 64 * 1024
# For as long as all answers are small: Python has memory for so many at hand, for more
# it asks the system's allocator each time.
SMALL_RECEIVE: Final = 448
_DONT_WAIT: Final = getattr(socket, "MSG_DONTWAIT", 0)
# Systems differ in how many they take; few messages have more.
_MOST_GATHERED: Final = 16
_WAIT_ALL: Final = getattr(socket, "MSG_WAITALL", 0)
_HAS_KERNEL_TIMEOUTS: Final = bool(_DONT_WAIT) and sys.platform != "win32"
# A time-out of zero would mean to wait for ever.
_SHORTEST: Final = 0.0001
_MICROSECONDS: Final = 1_000_000
_TIME: Final = struct.Struct("ll")
# The system takes no more; whoever waits looks at the clock, and waits again.
_LONGEST: Final = 1_000_000.0
# How much longer a wait may be cut into pieces by the time-out of the last one.
_NEARLY: Final = 1.05


class Line(Protocol):
    """What a channel needs of its socket; time limits are in seconds.

    Attributes:
        sock: the socket.
        forgets: whether what it did not take need not be given to it again.
    """

    sock: socket.socket
    forgets: bool

    @property
    def pending(self) -> bool:
        """Whether something has arrived that the system knows nothing of."""

    def receive(self, limit: float | None, size: int = RECEIVE_SIZE) -> bytes | None:
        """Return what has arrived, b"" at the end, None if nothing has in time.

        Args:
            limit: how many seconds to wait; None is no bound.
            size: how many bytes are wanted at the most.
        """

    def receive_whole(self, size: int, limit: float | None) -> bytes | None:
        """Do the same, waiting for so many bytes if that is possible."""

    def receive_into(self, space: memoryview, limit: float | None) -> int | None:
        """Do the same into a place for it; returns the number of bytes."""

    def send(self, buffer: Buffer) -> int:
        """Write what can be written without waiting; returns the number of bytes."""

    def send_several(self, buffers: Sequence[Buffer]) -> int:
        """Do the same with the first of several, or with all of them together."""

    def wait_to_send(self, limit: float | None) -> bool:
        """Wait until more can be written; whether it was in time."""

    def wait(self, limit: float | None) -> None:
        """Wait until there is something to read, or more can be written."""


def open_line(sock: socket.socket) -> Line:
    """Return a line on a socket, whose mode is changed for that."""
    if not _HAS_KERNEL_TIMEOUTS or is_encrypted(sock):
        from .polling import PollingLine  # noqa: PLC0415 - most programs do without

        return PollingLine(sock)
    return PlainLine(sock)


# Each connection is given the same.
@lru_cache(64)
def _kernel_time(seconds: float) -> bytes:
    """Return a time-out as the system wants it; nothing is one for ever."""
    if seconds == math.inf:
        return _TIME.pack(0, 0)
    micros = int(max(seconds, _SHORTEST) * _MICROSECONDS)
    return _TIME.pack(*divmod(micros, _MICROSECONDS))


class PlainLine:
    """A plain socket in blocking mode, with a receive time-out in the kernel.

    So one system call receives an answer, whether it has a time limit or not.

    Attributes:
        sock: the socket.
        forgets: always true.
        patience: how many seconds a receive waits at the most.
    """

    __slots__ = ("forgets", "patience", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock: socket.socket = sock
        self.forgets: bool = True
        self.patience: float = math.inf
        if sock.gettimeout() is not None:
            # Only then, as it is a system call.
            sock.settimeout(None)

    def set_patience(self, seconds: float) -> None:
        """Have a receive wait so long, at the most."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, _kernel_time(seconds)
        )
        self.patience = seconds

    @property
    def pending(self) -> bool:
        """Always false; see `Line`."""
        return False

    def _prepare(self, limit: float | None) -> None:
        if limit is not None and limit < self.patience:
            self.set_patience(limit)

    def _gave_up(self, limit: float | None) -> None:
        """Be more patient the next time, if more patience is allowed."""
        allowed = math.inf if limit is None else limit
        if allowed > self.patience * _NEARLY:
            self.set_patience(allowed)

    def receive(self, limit: float | None, size: int = RECEIVE_SIZE) -> bytes | None:
        """Return what has arrived; see `Line`."""
        if limit is not None:
            if limit <= 0:
                return self._receive_now()
            self._prepare(limit)
        try:
            return self.sock.recv(size)
        except BlockingIOError:
            self._gave_up(limit)
            return None

    def receive_whole(self, size: int, limit: float | None) -> bytes | None:
        """Do the same, waiting for so many bytes; see `Line`."""
        flags = _WAIT_ALL
        if limit is not None:
            if limit <= 0:
                flags = _DONT_WAIT
            else:
                self._prepare(limit)
        try:
            return self.sock.recv(size, flags)
        except BlockingIOError:
            self._gave_up(limit)
            return None

    def _receive_now(self) -> bytes | None:
        try:
            return self.sock.recv(RECEIVE_SIZE, _DONT_WAIT)
        except BlockingIOError:
            return None

    def receive_into(self, space: memoryview, limit: float | None) -> int | None:
        """Do the same into a place for it; see `Line`."""
        flags = _WAIT_ALL
        if limit is not None:
            if limit <= 0:
                flags = _DONT_WAIT
            else:
                self._prepare(limit)
        try:
            return self.sock.recv_into(space, 0, flags)
        except BlockingIOError:
            self._gave_up(limit)
            return None

    def send(self, buffer: Buffer) -> int:
        """Write what can be written; see `Line`."""
        try:
            return self.sock.send(buffer, _DONT_WAIT)
        except BlockingIOError:
            return 0

    def send_several(self, buffers: Sequence[Buffer]) -> int:
        """Write what can be written of several together; see `Line`."""
        try:
            # So the peer wakes once, and finds all of it.
            return self.sock.sendmsg(buffers[:_MOST_GATHERED], (), _DONT_WAIT)
        except BlockingIOError:
            return 0

    def wait_to_send(self, limit: float | None) -> bool:
        """Wait until more can be written; see `Line`."""
        return wait_for(self.sock, read=False, write=True, limit=limit)

    def wait(self, limit: float | None) -> None:
        """Wait until something can be done; see `Line`."""
        wait_for(self.sock, read=True, write=True, limit=limit)


def wait_for(
    sock: socket.socket, *, read: bool, write: bool, limit: float | None
) -> bool:
    """Wait until a socket can be read from, or written to; whether it can be."""
    if limit is not None:
        limit = min(max(limit, 0.0), _LONGEST)
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(
            sock, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0)
        )
        return bool(poll.poll(None if limit is None else math.ceil(limit * 1000)))
    found = select.select((sock,) if read else (), (sock,) if write else (), (), limit)
    return any(found)

"""Lines on sockets that must not wait themselves."""

from __future__ import annotations

import contextlib
import ssl
import threading
from typing import TYPE_CHECKING

from .lines import RECEIVE_SIZE, wait_for

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from pyro_protocol.wire import Buffer

__all__ = ["PollingLine"]


class PollingLine:
    """A socket that never waits itself: TLS, or a system without kernel time-outs.

    TLS may have to read in order to write, and the other way round, and two threads
    must not be inside it at once.
    """

    __slots__ = ("_inside", "forgets", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock: socket.socket = sock
        self.forgets: bool = not isinstance(sock, ssl.SSLSocket)
        self._inside = threading.Lock()
        sock.settimeout(0.0)

    @property
    def pending(self) -> bool:
        """Whether something was decrypted already; see `Line`."""
        with self._inside:
            return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def receive(self, limit: float | None, size: int = RECEIVE_SIZE) -> bytes | None:
        """Return what has arrived; see `Line`."""
        # What TLS has decrypted does not show as readable, so all of it is taken.
        del size
        try:
            return self._receive()
        except (BlockingIOError, ssl.SSLWantReadError):
            writes = False
        except ssl.SSLWantWriteError:
            writes = True
        wait_for(self.sock, read=not writes, write=writes, limit=limit)
        with contextlib.suppress(
            BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError
        ):
            return self._receive()
        return None

    def _receive(self) -> bytes:
        with self._inside:
            return self.sock.recv(RECEIVE_SIZE)

    def receive_whole(self, size: int, limit: float | None) -> bytes | None:
        """Return what has arrived; see `Line`."""
        # TLS gives small pieces, which are gathered elsewhere.
        del size
        return self.receive(limit)

    def receive_into(self, space: memoryview, limit: float | None) -> int | None:
        """Do the same into a place for it; see `Line`."""
        try:
            return self._receive_into(space)
        except (BlockingIOError, ssl.SSLWantReadError):
            writes = False
        except ssl.SSLWantWriteError:
            writes = True
        wait_for(self.sock, read=not writes, write=writes, limit=limit)
        with contextlib.suppress(
            BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError
        ):
            return self._receive_into(space)
        return None

    def _receive_into(self, space: memoryview) -> int:
        with self._inside:
            return self.sock.recv_into(space)

    def send(self, buffer: Buffer) -> int:
        """Write what can be written; see `Line`."""
        try:
            with self._inside:
                return self.sock.send(buffer)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def send_several(self, buffers: Sequence[Buffer]) -> int:
        """Write what can be written of the first; see `Line`."""
        return self.send(buffers[0])

    def wait_to_send(self, limit: float | None) -> bool:
        """Wait until more can be written; see `Line`."""
        return wait_for(self.sock, read=False, write=True, limit=limit)

    def wait(self, limit: float | None) -> None:
        """Wait until something can be done; see `Line`."""
        wait_for(self.sock, read=True, write=True, limit=limit)

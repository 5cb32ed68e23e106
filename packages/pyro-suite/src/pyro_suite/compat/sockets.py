"""Moving bytes over sockets: what `Pyro5` and `Pyro4` programs have in common."""

from __future__ import annotations

import builtins
import contextlib
import socket
from typing import Any, Final, Self

from pyro_protocol.errors import ConnectionClosedError, TimeoutError  # noqa: A004 - documented

__all__ = [
    "SocketConnection",
    "family_str",
    "receive_data",
    "send_data",
    "set_keepalive",
    "set_nodelay",
    "set_noinherit",
    "set_reuseaddr",
]

_LARGEST_PIECE: Final = 65536


def receive_data(sock: socket.socket, size: int) -> bytes:
    """Return exactly so many received bytes.

    Args:
        sock: the socket.
        size: how many bytes.

    Raises:
        ConnectionClosedError: it was closed before; ``partialData`` has what came.
        TimeoutError: they have not come in time.
    """
    received = bytearray()
    while len(received) < size:
        try:
            piece = sock.recv(min(size - len(received), _LARGEST_PIECE))
        except builtins.TimeoutError as error:
            raise TimeoutError("receiving: timeout") from error
        except OSError as error:
            raise ConnectionClosedError(
                f"receiving: connection lost: {error}"
            ) from error
        if not piece:
            closed = ConnectionClosedError("receiving: not enough data")
            closed.partialData = bytes(received)  # type: ignore[attr-defined] # documented
            raise closed
        received += piece
    return bytes(received)


def send_data(sock: socket.socket, data: bytes) -> None:
    """Send all of some bytes.

    Raises:
        ConnectionClosedError: the connection was lost.
        TimeoutError: it has taken too long.
    """
    try:
        sock.sendall(data)
    except builtins.TimeoutError as error:
        raise TimeoutError("sending: timeout") from error
    except OSError as error:
        raise ConnectionClosedError(f"sending: connection lost: {error}") from error


def set_reuseaddr(sock: socket.socket) -> None:
    """Let a socket use an address that was in use until just now, if it can."""
    _try_option(sock, socket.SOL_SOCKET, socket.SO_REUSEADDR)


def set_nodelay(sock: socket.socket) -> None:
    """Have small pieces sent at once, if the socket can."""
    _try_option(sock, socket.IPPROTO_TCP, socket.TCP_NODELAY)


def set_keepalive(sock: socket.socket) -> None:
    """Have the system find out that a silent peer has gone, if it can."""
    _try_option(sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def _try_option(sock: socket.socket, level: int, option: int) -> None:
    # Not all kinds of sockets have all of them, and all work without.
    with contextlib.suppress(OSError):
        sock.setsockopt(level, option, 1)


def set_noinherit(sock: socket.socket) -> None:
    """Keep a socket from programs that are started; Python does that by itself."""
    sock.set_inheritable(False)


def family_str(sock: socket.socket) -> str:
    """Return what kind of address a socket has: ``IPv4``, ``IPv6`` or ``Unix``."""
    names = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}
    if hasattr(socket, "AF_UNIX"):
        names[socket.AF_UNIX] = "Unix"
    return names.get(sock.family, "???")


class SocketConnection:
    """A connected socket that sends and receives whole pieces.

    Args:
        sock: the socket.
        objectId: the id of the object that it leads to, if any.
        keep_open: whether closing this leaves the socket open.
    """

    def __init__(
        self, sock: socket.socket, objectId: str | None = None, keep_open: bool = False
    ) -> None:
        self.sock: socket.socket = sock
        self.objectId: str | None = objectId
        self.keep_open: bool = keep_open

    def send(self, data: bytes) -> None:
        """Send all of some bytes; see `send_data`."""
        send_data(self.sock, data)

    def recv(self, size: int) -> bytes:
        """Return exactly so many received bytes; see `receive_data`."""
        return receive_data(self.sock, size)

    def close(self) -> None:
        """Close the socket, unless it is to be kept open."""
        if not self.keep_open:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
            self.sock.close()

    def fileno(self) -> int:
        """Return the number of the socket, for ``select`` and its kin."""
        return self.sock.fileno()

    def family(self) -> str:
        """Return what kind of address it has; see `family_str`."""
        return family_str(self.sock)

    @property
    def timeout(self) -> float | None:
        """How many seconds sending or receiving may take; None for no limit."""
        return self.sock.gettimeout()

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self.sock.settimeout(seconds)

    def getpeercert(self) -> Any:
        """Return the peer's TLS certificate, or None."""
        ask = getattr(self.sock, "getpeercert", None)
        return None if ask is None else ask()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

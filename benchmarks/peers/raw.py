"""The limit: Python sockets moving the bytes and doing nothing else."""

from __future__ import annotations

import platform
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

from peers.service import HOST, PAYLOAD_SIZE, payload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RawConnection", "RawPeer"]

_MESSAGE_SIZE: Final = 64
"""Bytes of a request or small answer: about what a remote call of two ints needs."""

_PING, _UPLOAD, _DOWNLOAD = (bytes([kind]) * _MESSAGE_SIZE for kind in range(3))
_COUNT: Final = struct.Struct("!Q")


class RawPeer:
    """A 64-byte ping-pong, and bulk data received into fresh buffers."""

    version = f"socket of Python {platform.python_version()}"

    def serve(self, announce: Callable[[str], None]) -> None:
        """Answer each connection in a thread of its own."""
        with socket.create_server((HOST, 0), backlog=128) as listener:
            announce(str(listener.getsockname()[1]))
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_answer, args=(client,), daemon=True).start()

    def connect(self, address: str) -> RawConnection:
        """Connect to the port ``address``."""
        return RawConnection(socket.create_connection((HOST, int(address))))


class RawConnection:
    """The client's end.

    Args:
        stream: a connected socket; closed with this object.
    """

    def __init__(self, stream: socket.socket) -> None:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = stream

    def call(self) -> object:
        """Send a message and receive its echo."""
        self._stream.sendall(_PING)
        return self._stream.recv(_MESSAGE_SIZE, socket.MSG_WAITALL)

    def upload(self, data: bytes) -> int:
        """Send ``data``; return how many bytes the server received."""
        self._stream.sendall(_UPLOAD)
        self._stream.sendall(data)
        count: int = _COUNT.unpack(_receive(self._stream, _COUNT.size))[0]
        return count

    def download(self) -> bytes:
        """Return the server's payload."""
        self._stream.sendall(_DOWNLOAD)
        return _receive(self._stream, PAYLOAD_SIZE)

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()


def _answer(client: socket.socket) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client:
        while message := client.recv(_MESSAGE_SIZE, socket.MSG_WAITALL):
            if message == _PING:
                client.sendall(message)
            elif message == _UPLOAD:
                client.sendall(_COUNT.pack(len(_receive(client, PAYLOAD_SIZE))))
            else:
                client.sendall(payload())


def _receive(stream: socket.socket, size: int) -> bytes:
    """Return ``size`` bytes in a buffer nobody used before.

    That is the least a library must do that hands the result to its caller.
    """
    data = stream.recv(size, socket.MSG_WAITALL)
    while len(data) < size:  # a signal arrived, or the other side has gone
        more = stream.recv(size - len(data), socket.MSG_WAITALL)
        if not more:
            raise EOFError(f"connection closed after {len(data)} of {size} bytes")
        data += more
    return data

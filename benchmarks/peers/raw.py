"""The limit: Python sockets moving the bytes and doing nothing else."""

from __future__ import annotations

import platform
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

from peers.service import HOST, ONEWAY_SIZE, PAYLOAD_SIZE, number_array, payload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RawConnection", "RawPeer"]

_MESSAGE_SIZE: Final = 64
"""Bytes of a request or small answer: about what a remote call of two ints needs."""

_PING, _UPLOAD, _DOWNLOAD, _NOTE = range(4)
_MESSAGE: Final = struct.Struct(f"!BQ{_MESSAGE_SIZE - 9}x")
_PING_MESSAGE: Final = _MESSAGE.pack(_PING, 0)
_NOTE_MESSAGE: Final = _MESSAGE.pack(_NOTE, 0)
_COUNT: Final = struct.Struct("!Q")


class RawPeer:
    """A 64-byte ping-pong, and bulk data received into fresh buffers."""

    version = f"socket of Python {platform.python_version()}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Answer each connection in a thread of its own."""
        family = socket.AF_UNIX if path else socket.AF_INET
        with socket.socket(family) as listener:
            listener.bind(path or (HOST, 0))
            listener.listen(128)
            announce(path or str(listener.getsockname()[1]))
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_answer, args=(client,), daemon=True).start()

    def connect(self, address: str) -> RawConnection:
        """Connect to a port, or to the path of a Unix socket."""
        if not address.startswith("/"):
            return RawConnection(socket.create_connection((HOST, int(address))))
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(address)
        return RawConnection(stream)


class RawConnection:
    """The client's end.

    Args:
        stream: a connected socket; closed with this object.
    """

    def __init__(self, stream: socket.socket) -> None:
        _send_at_once(stream)
        self._stream = stream

    def call(self) -> object:
        """Send a message and receive its echo."""
        self._stream.sendall(_PING_MESSAGE)
        return self._stream.recv(_MESSAGE_SIZE, socket.MSG_WAITALL)

    def oneway(self) -> object:
        """Send messages, and receive the echo of a last one."""
        send = self._stream.sendall
        for _ in range(ONEWAY_SIZE):
            send(_NOTE_MESSAGE)
        self.call()
        return ONEWAY_SIZE

    def array(self) -> object:
        """Send the bytes of an array, and receive as many."""
        self.upload(memoryview(number_array()).cast("B"))
        return len(self.download(PAYLOAD_SIZE))

    def upload(self, data: bytes | memoryview) -> int:
        """Send ``data``; return how many bytes the server received."""
        self._stream.sendall(_MESSAGE.pack(_UPLOAD, len(data)))
        self._stream.sendall(data)
        count: int = _COUNT.unpack(_receive(self._stream, _COUNT.size))[0]
        return count

    def download(self, size: int) -> bytes:
        """Return a payload of the server."""
        self._stream.sendall(_MESSAGE.pack(_DOWNLOAD, size))
        return _receive(self._stream, size)

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()


def _send_at_once(stream: socket.socket) -> None:
    if stream.family == socket.AF_INET:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _answer(client: socket.socket) -> None:
    _send_at_once(client)
    with client:
        while message := client.recv(_MESSAGE_SIZE, socket.MSG_WAITALL):
            if message == _PING_MESSAGE:
                client.sendall(message)
                continue
            if message == _NOTE_MESSAGE:
                continue
            kind, size = _MESSAGE.unpack(message)
            if kind == _UPLOAD:
                client.sendall(_COUNT.pack(len(_receive(client, size))))
            else:
                client.sendall(payload(size))


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

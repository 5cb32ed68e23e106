"""Idle connections to a server: they have shaken hands and say nothing more."""

from __future__ import annotations

import resource
import socket
from typing import Final, Self

from pyro_protocol import URI
from pyro_protocol.config import Configuration
from pyro_protocol.serializers import serializers
from pyro_protocol.session import ClientSession, SessionSettings
from pyro_protocol.wire import MessageType

__all__ = ["Crowd", "raise_descriptor_limit"]

_PORTS: Final = 20_000
"""Connections from one address; each needs a port of its own."""

_BIND_ADDRESS_NO_PORT: Final = 24
"""The kernel's number for an option that Python has no name for before 3.12."""

_KIND_AT: Final = 6
"""Place of the type in a message."""

_TIMEOUT: Final = 20.0
"""Seconds for the answer to a handshake; a server that is asked in vain is full."""


class Crowd:
    """Idle connections to one server; a context manager.

    Args:
        address: the URI that the server has announced.
    """

    def __init__(self, address: str) -> None:
        self._uri = URI(address)
        self._hello = _handshake(self._uri.object_id)
        self._sockets: list[socket.socket] = []

    def __len__(self) -> int:
        return len(self._sockets)

    def grow(self, size: int) -> None:
        """Connect until there are so many, or the server takes no more."""
        while len(self._sockets) < size:
            sock = socket.socket()
            sock.settimeout(_TIMEOUT)
            if turn := len(self._sockets) // _PORTS:
                # The port is chosen when the server is known: others may have it too.
                sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                sock.bind((f"127.0.0.{1 + turn}", 0))
            try:
                sock.connect((self._uri.host, self._uri.port))
                sock.sendall(self._hello)
                answer = sock.recv(65536)
            except OSError:
                answer = b""
            if answer[_KIND_AT : _KIND_AT + 1] != bytes([MessageType.CONNECTOK]):
                sock.close()
                return
            self._sockets.append(sock)

    def shrink(self, count: int) -> None:
        """Close so many."""
        for _ in range(min(count, len(self._sockets))):
            self._sockets.pop().close()

    def close(self) -> None:
        """Close all."""
        self.shrink(len(self._sockets))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _handshake(object_id: str) -> bytes:
    """Return the bytes with which our clients begin."""
    settings = SessionSettings.from_config(Configuration(use_environment=False))
    session = ClientSession(settings)
    session.send_connect(serializers["serpent"], object_id, "hello")
    return b"".join(session.data_to_send())


def raise_descriptor_limit() -> int:
    """Allow this process and its children as many files as the system lets them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard

"""What a library must offer to be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Connection", "Peer"]


class Connection(Protocol):
    """A client's own connection, used by the thread that opened it.

    It has a method for each of the further operations that the registry says the
    library offers; `ProxyConnection` has them all.
    """

    def call(self) -> object:
        """Make one small request and wait for its answer."""

    def upload(self, data: bytes) -> int:
        """Send ``data``; return how many bytes the server says it received."""

    def download(self, size: int) -> bytes:
        """Return so many bytes sent by the server."""

    def close(self) -> None:
        """End the connection."""


class Peer(Protocol):
    """A library, able to play the server in one process and the client in another."""

    @property
    def version(self) -> str:
        """Name and version of what is measured, for the report."""

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Serve until the process ends.

        Args:
            announce: to be called once with the address that `connect` needs, as
                soon as clients may come.
            path: of the Unix socket to listen at; None for TCP at ``HOST``.
        """

    def connect(self, address: str) -> Connection:
        """Open a connection to the server that announced ``address``."""

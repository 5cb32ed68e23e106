"""The server's view of one client: what lives as long as its connection."""

from __future__ import annotations

import logging
import weakref
from typing import Any

__all__ = ["ClientConnection"]

_logger = logging.getLogger("pyro.server")


class ClientConnection:
    """One connected client; what the documented hooks call ``conn``.

    Attributes:
        peer_address: the address of the peer as the socket gave it, or None.
        sock: the socket, or None if there is none.
        tls: what knows the peer's certificate, where the socket does not.
        session_instances: the instances made for this connection, by class.
        tracked_resources: what is closed when the connection ends.
        streams: the ids of this client's open streams.
        established: whether the handshake was accepted.
    """

    __slots__ = (
        "__weakref__",
        "established",
        "peer_address",
        "session_instances",
        "sock",
        "streams",
        "tls",
        "tracked_resources",
    )

    def __init__(
        self, peer_address: Any = None, sock: Any = None, *, tls: Any = None
    ) -> None:
        self.peer_address: Any = peer_address
        self.sock: Any = sock
        self.tls: Any = sock if tls is None else tls
        self.session_instances: dict[object, Any] = {}
        self.tracked_resources: weakref.WeakSet[Any] = weakref.WeakSet()
        # A set, because a oneway request may end one beside another request.
        self.streams: set[str] = set()
        self.established: bool = False

    def getpeercert(self) -> Any:
        """Return the peer's TLS certificate as the ssl module gives it, or None."""
        ask = getattr(self.tls, "getpeercert", None)
        return None if ask is None else ask()

    def release(self) -> None:
        """Close the tracked resources and drop the instances of this client."""
        for resource in list(self.tracked_resources):
            try:
                resource.close()
            except Exception:
                _logger.exception("closing a resource of client %s failed", self)
        self.tracked_resources.clear()
        self.session_instances.clear()

    def __repr__(self) -> str:
        return f"<client {format_address(self.peer_address)}>"


def format_address(address: Any) -> str:
    """Return a socket address as readable text."""
    if isinstance(address, tuple) and len(address) >= 2:  # noqa: PLR2004 - host, port
        host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
        return f"{host}:{address[1]}"
    if isinstance(address, bytes):
        return address.decode("utf-8", "backslashreplace")
    return str(address) if address else "local"

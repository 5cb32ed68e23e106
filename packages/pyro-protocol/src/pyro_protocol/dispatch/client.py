"""The server's view of one client: what lives as long as its connection."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Any

from ..logs import log_exception

if TYPE_CHECKING:
    from .identity import Identity, PeerCredentials
    from .leases import LeaseTable

__all__ = ["ClientConnection"]

_logger = logging.getLogger("pyro.server")


class ClientConnection:
    """One connected client; what the documented hooks call ``conn``.

    Attributes:
        peer_address: the address of the peer as the socket gave it, or None.
        parallel: whether several of its requests may be carried out at once.
        sock: the socket, or None if there is none.
        tls: what knows the peer's certificate, where the socket does not.
        established: whether the handshake was accepted.
        identity: who the client is, once the server has found that out; else None.
        peer_credentials: what the system knows about the peer of a Unix socket,
            where it tells; else None.
        leases: the table of the leased objects it holds; None if it has held none.
        lease_key: what references to leased objects name the connection by, if the
            client was told; else None.
    """

    __slots__ = (
        "__weakref__",
        "_session_instances",
        "_streams",
        "_tracked_resources",
        "established",
        "identity",
        "lease_key",
        "leases",
        "parallel",
        "peer_address",
        "peer_credentials",
        "sock",
        "tls",
    )

    def __init__(
        self, peer_address: Any = None, sock: Any = None, *, tls: Any = None
    ) -> None:
        self.peer_address: Any = peer_address
        self.sock: Any = sock
        self.tls: Any = sock if tls is None else tls
        # Made when they are needed: most clients are idle, and there may be many.
        self._session_instances: dict[object, Any] | None = None
        self._tracked_resources: weakref.WeakSet[Any] | None = None
        self._streams: set[str] | None = None
        self.parallel: bool = False
        self.established: bool = False
        self.identity: Identity | None = None
        self.peer_credentials: PeerCredentials | None = None
        self.leases: LeaseTable | None = None
        self.lease_key: str | None = None

    @property
    def session_instances(self) -> dict[object, Any]:
        """The instances made for this connection, by class."""
        if self._session_instances is None:
            self._session_instances = {}
        return self._session_instances

    def has_instance(self, of: object) -> bool:
        """Whether an instance of a class was made for this connection."""
        return self._session_instances is not None and of in self._session_instances

    @property
    def tracked_resources(self) -> weakref.WeakSet[Any]:
        """What is closed when the connection ends."""
        if self._tracked_resources is None:
            self._tracked_resources = weakref.WeakSet()
        return self._tracked_resources

    @property
    def streams(self) -> set[str]:
        """The ids of this client's open streams."""
        if self._streams is None:
            # A set, because a oneway request may end one beside another request.
            self._streams = set()
        return self._streams

    @property
    def stream_count(self) -> int:
        """How many streams this client has open."""
        return len(self._streams or ())

    @property
    def holds_something(self) -> bool:
        """Whether there is anything of the program's to be released at the end."""
        return bool(self._session_instances or self._tracked_resources)

    def getpeercert(self) -> Any:
        """Return the peer's TLS certificate as the ssl module gives it, or None."""
        ask = getattr(self.tls, "getpeercert", None)
        return None if ask is None else ask()

    def release(self) -> None:
        """Close the tracked resources and drop the instances of this client."""
        for resource in list(self._tracked_resources or ()):
            try:
                resource.close()
            except Exception:  # noqa: BLE001 - logged
                log_exception(_logger, "closing a resource of client %s failed", self)
        self._tracked_resources = self._session_instances = None
        if self.leases is not None:
            self.leases.client_gone(self)

    def __repr__(self) -> str:
        name = "" if self.identity is None else f"{self.identity.name!r} at "
        return f"<client {name}{format_address(self.peer_address)}>"


def format_address(address: Any) -> str:
    """Return a socket address as readable text."""
    if isinstance(address, tuple) and len(address) >= 2:  # noqa: PLR2004 - host, port
        host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
        return f"{host}:{address[1]}"
    if isinstance(address, bytes):
        return address.decode("utf-8", "backslashreplace")
    return str(address) if address else "local"

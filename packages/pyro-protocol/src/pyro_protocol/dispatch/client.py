"""The server's view of one client: what lives as long as its connection."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..logs import log_exception

if TYPE_CHECKING:
    from collections.abc import Callable

    from .identity import Identity, PeerCredentials
    from .leases import LeaseTable

__all__ = ["INSTANCES", "ClientConnection"]

T = TypeVar("T")

_logger = logging.getLogger("pyro.server")

INSTANCES: Final = "instances"
"""The kind of holding that the instances of classes are."""

_RESOURCES: Final = "resources"
_STREAMS: Final = "streams"


class ClientConnection:
    """One connected client; what the documented hooks call ``conn``.

    Attributes:
        peer_address: the address of the peer as the socket gave it, or None.
        parallel: whether several of its requests may be carried out at once.
        sock: the socket, or None if there is none.
        tls: what knows the peer's certificate, where the socket does not.
        established: whether the handshake was accepted.
        gone: whether its connection has ended, so that nobody asks for what a call
            that is still running leaves it.
        identity: who the client is, once the server has found that out; else None.
        peer_credentials: what the system knows about the peer of a Unix socket,
            where it tells; else None.
        leases: the table of the leased objects it holds; None if it has held none.
        lease_key: what references to leased objects name the connection by, if the
            client was told; else None.
    """

    __slots__ = (
        "__weakref__",
        "_holdings",
        "established",
        "gone",
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
        # What it holds, by kind. Made when it is needed: most clients are idle, and
        # there may be many. In one step: two of its requests may need it at once.
        self._holdings: dict[str, Any] = {}
        self.parallel: bool = False
        self.established: bool = False
        self.gone: bool = False
        self.identity: Identity | None = None
        self.peer_credentials: PeerCredentials | None = None
        self.leases: LeaseTable | None = None
        self.lease_key: str | None = None

    @property
    def session_instances(self) -> dict[object, Any]:
        """The instances made for this connection, by class."""
        return self._holding(INSTANCES, dict)

    def has_instance(self, of: object) -> bool:
        """Whether an instance of a class was made for this connection."""
        return of in self._holdings.get(INSTANCES, ())

    @property
    def tracked_resources(self) -> weakref.WeakSet[Any]:
        """What is closed when the connection ends."""
        return self._holding(_RESOURCES, weakref.WeakSet)

    @property
    def streams(self) -> set[str]:
        """The ids of this client's open streams."""
        # A set, because a oneway request may end one beside another request.
        return self._holding(_STREAMS, set)

    @property
    def stream_count(self) -> int:
        """How many streams this client has open."""
        return len(self._holdings.get(_STREAMS, ()))

    @property
    def holds_something(self) -> bool:
        """Whether there is anything of the program's to be released at the end."""
        holdings = self._holdings
        return bool(holdings.get(INSTANCES) or holdings.get(_RESOURCES))

    def _holding(self, kind: str, make: Callable[[], T]) -> T:
        holding: T | None = self._holdings.get(kind)
        if holding is None:
            holding = self._holdings.setdefault(kind, make())
        return holding

    def getpeercert(self) -> Any:
        """Return the peer's TLS certificate as the ssl module gives it, or None."""
        ask = getattr(self.tls, "getpeercert", None)
        return None if ask is None else ask()

    def release(self) -> None:
        """Close the tracked resources and drop the instances of this client."""
        for resource in list(self._holdings.pop(_RESOURCES, ())):
            try:
                resource.close()
            except Exception:  # noqa: BLE001 - logged
                log_exception(_logger, "closing a resource of client %s failed", self)
        self._holdings.pop(INSTANCES, None)
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

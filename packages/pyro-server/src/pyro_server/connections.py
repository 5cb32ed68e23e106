"""What can be seen of, and done with, a daemon's open connections."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyro_protocol.dispatch.client import format_address

if TYPE_CHECKING:
    from .connection import Connection
    from .hosts import SelectorHost

__all__ = ["ConnectionInfo"]


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """One connection, as it was when it was asked for.

    Attributes:
        peer: the address of the client, for people.
        age: for how many seconds it has been open.
        identity: who the client has shown to be, or None.
        established: whether the handshake was accepted.
        calls_in_flight: how many of its calls are being carried out, or wait to be.
        oneway_queued: how many of its oneway calls wait for their turn.
        streams: how many item streams it has open.
        unsent: how many bytes of answers it has not read yet.
        capabilities: what is in force beyond Pyro5's protocol.
    """

    peer: str
    age: float
    identity: Any
    established: bool
    calls_in_flight: int
    oneway_queued: int
    streams: int
    unsent: int
    capabilities: frozenset[str]
    _connection: Connection = field(repr=False, compare=False)
    _host: SelectorHost = field(repr=False, compare=False)

    @classmethod
    def of(cls, connection: Connection, host: SelectorHost) -> ConnectionInfo:
        """Describe a connection of a host."""
        client = connection.client
        exchange = connection.exchange
        with connection.lock:
            return cls(
                peer=format_address(client.peer_address),
                age=time.time() - connection.since,
                identity=client.identity,
                established=client.established,
                calls_in_flight=len(connection.waiting)
                + connection.jobs
                - connection.queued
                + connection.pending
                + int(connection.held),
                oneway_queued=len(connection.oneway or ()),
                streams=client.stream_count
                + (0 if exchange is None else exchange.results.taken),
                unsent=sum(map(len, connection.outbox)),
                capabilities=connection.session.capabilities,
                _connection=connection,
                _host=host,
            )

    def close(self) -> None:
        """Close the connection, from any thread; what runs for it is not answered."""
        self._host.disconnect(self._connection)

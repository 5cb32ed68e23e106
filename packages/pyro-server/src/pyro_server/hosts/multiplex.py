"""The multiplex host: every call runs in the thread of the loop, one at a time."""

from __future__ import annotations

from ..connection import Connection
from .selector import SelectorHost

__all__ = ["MultiplexHost"]


class MultiplexHost(SelectorHost):
    """Runs calls in the loop; objects need no locks, and calls must be short.

    Reading and writing never wait: a client that is silent, sends half a message
    or does not read holds up nobody.
    """

    def run(self, connection: Connection) -> None:
        """Handle the events of a connection."""
        try:
            while connection.events and not self._stopping:
                event = connection.events.pop(0)
                if not self.handle(connection, event):
                    break
        except OSError as error:
            self._lost(connection, error)
            return
        if not connection.paused or connection.outbox:
            self.settle(connection)

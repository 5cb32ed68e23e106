"""The multiplex host: every call runs in the thread of the loop, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .selector import SelectorHost

if TYPE_CHECKING:
    from ..connection import Connection

__all__ = ["MultiplexHost"]


class MultiplexHost(SelectorHost):
    """Runs calls in the loop; objects need no locks, and calls must be short.

    Reading and writing never wait: a client that is silent, sends half a message
    or does not read holds up nobody.
    """

    may_wait_for_writing = False

    def run(self, connection: Connection) -> None:
        """Handle the events of a connection."""
        while connection.events:
            if self._stopping or not self.handle(connection, connection.events.pop(0)):
                # What is left is for another turn of the loop.
                self._unwatch(connection)
                self.give_back(connection)
                return
        self._take_back(connection)

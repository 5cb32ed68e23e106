"""What keeps slow and idle clients of uvicorn from stopping others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio

__all__ = ["ConnectionGuard", "Guarded"]

REQUEST_SECONDS: Final = 20.0
"""How long a client may take to send a request. A large body gets longer."""

LEAST_BYTES_PER_SECOND: Final = 8192
"""What a client that takes longer has to send on average, which any network does."""

IDLE_SECONDS: Final = 75.0
"""How long a connection may be idle. It costs some kilobytes and no thread."""

STUCK_SECONDS: Final = 60.0
"""How long a client may take nothing of an answer that waits to be sent."""

_TURN_SECONDS: Final = 0.5


class Guarded(Protocol):
    """A connection, as far as it is guarded.

    Attributes:
        received: how many bytes of the request have come.
    """

    received: int

    def is_closing(self) -> bool:
        """Tell whether the connection ends when all is sent."""

    def close(self) -> None:
        """End the connection when all is sent."""

    def abort(self) -> None:
        """End the connection at once, whatever is still to be sent."""


class ConnectionGuard:
    """Knows what each connection waits for, and ends those that wait too long.

    The time is looked at twice a second and not with each request: that is exact
    enough, and costs requests nothing.

    Args:
        most: how many connections there may be. The one that has been idle longest
            makes room for another one.

    Attributes:
        now: the time of the last look, in seconds.
        receiving: since when a request is expected, or has begun to come.
        idle: since when there is nothing to do; the longest idle one first.
        stuck: since when a client has taken nothing.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._connections: set[Guarded] = set()
        self._started = False
        self.now: float = 0.0
        self.receiving: dict[Guarded, float] = {}
        self.idle: dict[Guarded, float] = {}
        self.stuck: dict[Guarded, float] = {}

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to look at the time, unless that has begun; ends with the loop."""
        if not self._started:
            self._started = True
            self._turn(loop)

    def add(self, connection: Guarded) -> bool:
        """Take note of a new connection; return whether there is room for it."""
        if len(self._connections) >= self._most:
            if not self.idle:
                return False
            oldest = next(iter(self.idle))
            self.remove(oldest)
            oldest.abort()
        self._connections.add(connection)
        self.receiving[connection] = self.now
        return True

    def remove(self, connection: Guarded) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        self.receiving.pop(connection, None)
        self.idle.pop(connection, None)
        self.stuck.pop(connection, None)

    def look(self, now: float) -> None:
        """End the connections that wait too long.

        Args:
            now: the time in seconds.
        """
        self.now = now
        for connection in self._too_late():
            self.remove(connection)
            connection.abort()
        for connection in self._idle_too_long():
            del self.idle[connection]
            connection.close()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(_TURN_SECONDS, self._turn, loop)
        self.look(loop.time())

    def _idle_too_long(self) -> list[Guarded]:
        found = []
        for connection, since in self.idle.items():
            if self.now - since < IDLE_SECONDS:
                break
            found.append(connection)
        return found

    def _too_late(self) -> list[Guarded]:
        found = []
        for connection, since in self.receiving.items():
            late = self.now - since - REQUEST_SECONDS
            if late < 0:
                # Those behind it began later.
                break
            if connection.received <= late * LEAST_BYTES_PER_SECOND:
                found.append(connection)
        for connection in self._connections:
            # It closes when the rest is sent, and the client may never take that.
            if connection.is_closing():
                self.stuck.setdefault(connection, self.now)
        found += [
            connection
            for connection, since in self.stuck.items()
            if self.now - since >= STUCK_SECONDS
        ]
        return found

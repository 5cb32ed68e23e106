"""How streams and callbacks use a connection, and the host that serves it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from pyro_protocol.errors import ConnectionClosedError, PyroError
from pyro_protocol.serializers import serializers

from .waiting import ThreadWaiter, in_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pyro_protocol.config import Configuration
    from pyro_protocol.dispatch import StreamTable

    from .connection import Connection
    from .coroutines import CoroutineLoop, RunningCoroutine

__all__ = ["NATIVE_ID", "Link", "LinkHost"]

_logger = logging.getLogger("pyro.server")

NATIVE_ID: Final = serializers["native"].id
"""The id of the only serializer that knows streams and callbacks within values."""


class LinkHost(Protocol):
    """What a host does for the streams and callbacks of its connections."""

    @property
    def settings(self) -> Configuration:
        """The settings."""

    @property
    def streams(self) -> StreamTable:
        """The open item streams."""

    @property
    def coroutines(self) -> CoroutineLoop:
        """The event loop for what is awaited."""

    def run_soon(self, job: Callable[[], None]) -> None:
        """Have a job run where methods run; never in the calling thread."""

    def has_waiting_work(self) -> bool:
        """Whether others wait for the thread that runs a job."""

    def attend(self, connection: Connection) -> None:
        """Have the loop write what a connection has to send; from any thread."""

    def attend_later(self, connection: Connection) -> None:
        """Have the same done in a moment, if there is something by then."""

    def give_back(self, connection: Connection) -> None:
        """Have the loop go on with a connection; from any thread."""

    def settle(self, connection: Connection) -> None:
        """Go on with a connection for which something was finished."""

    def wait_for_client(
        self, connection: Connection, waiter: ThreadWaiter, timeout: float | None
    ) -> bool:
        """Have this thread wait for what a client sends; whether it came in time."""


class Link:
    """A connection, as streams and callbacks see it.

    Args:
        connection: the connection.
        host: what serves it.

    Attributes:
        connection: the connection.
        host: what serves it.
        session: the conversation.
        lock: guards the conversation, and what streams and callbacks keep.
        lost: whether the client has gone.
        active: how many jobs and tasks give items of streams.
    """

    __slots__ = ("active", "connection", "host", "lock", "lost", "session")

    def __init__(self, connection: Connection, host: LinkHost) -> None:
        self.connection: Connection = connection
        self.host: LinkHost = host
        self.session: Any = connection.session
        self.lock: Any = connection.lock
        self.lost: bool = False
        self.active: int = 0

    def flush(self) -> bool:
        """Write what there is to be sent; whether all of it could be written."""
        connection = self.connection
        try:
            written = connection.flush(wait=False)
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            connection.give_up()
            written = False
        if not written:
            self.host.give_back(connection)
        return written and not connection.outbox

    def attend(self) -> None:
        """Have it written soon, by the loop."""
        self.host.attend(self.connection)

    def wait(self, waiter: ThreadWaiter, timeout: float | None) -> bool:
        """Have this thread wait; whether it was woken in time.

        Raises:
            PyroError: an event loop runs in it, which may not wait.
        """
        if in_event_loop():
            raise PyroError(
                "this would hold up the event loop that runs in this thread; use "
                "'await' or 'async for'"
            )
        return self.host.wait_for_client(self.connection, waiter, timeout)

    def closed_error(self) -> ConnectionClosedError:
        """Return the error for what needs a client that has gone."""
        return ConnectionClosedError(
            f"the connection of {self.connection.client!r} has ended"
        )

    def start(
        self,
        coroutine: Coroutine[Any, Any, None],
        done: Callable[[RunningCoroutine], None],
    ) -> RunningCoroutine | None:
        """Start a coroutine in the event loop; None if that has ended already."""
        try:
            return self.host.coroutines.start(coroutine, done)
        except PyroError:
            return None

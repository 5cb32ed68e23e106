"""The thread host: idle connections cost no thread, running calls do.

A worker that has handled a request waits a moment for the next one of the same
connection, so that a client calling in a loop is served without changing
threads; then it gives the connection back to the selector loop.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from pyro_protocol.wire import FLAG_ONEWAY

from .selector import INVOKE, SelectorHost

if TYPE_CHECKING:
    from ..connection import Connection

__all__ = ["ThreadHost"]

_logger = logging.getLogger("pyro.server")

# A large message that keeps coming is received by the worker; anything slower
# goes back to the loop, so that no peer can hold a worker by dripping bytes.
_WORTH_STAYING = 64 * 1024


class ThreadHost(SelectorHost):
    """Runs calls in at most ``THREADPOOL_SIZE`` worker threads."""

    def run(self, connection: Connection) -> None:
        """Have a worker handle the events of a connection, or refuse them."""
        self._unwatch(connection)
        if self._pool.submit(partial(self._work, connection)):
            return
        _logger.warning(
            "no worker and no place in the queue for a request of %s",
            connection.client,
        )
        for event in connection.events:
            connection.served.refuse_busy(event)
        connection.events = []
        self._take_back(connection)

    def _work(self, connection: Connection) -> None:
        """Serve one connection for as long as requests keep coming."""
        try:
            while self._serve(connection) and self._stay(connection):
                pass
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            connection.give_up()
        except BaseException as error:
            # A hook of the program, at worst; the loop must get the connection back.
            _logger.exception("serving %s failed", connection.client)
            connection.give_up(f"{type(error).__name__} while it was served")
        self.give_back(connection)

    def _serve(self, connection: Connection) -> bool:
        """Handle the waiting events; whether the connection can take more."""
        while events := connection.events:
            connection.events = []
            for position, event in enumerate(events):
                if self._stopping:
                    return False
                if not self.handle(connection, event):
                    connection.events = events[position + 1 :] + connection.events
                    return False
        return not connection.session.closing

    def _stay(self, connection: Connection) -> bool:
        """Serve the requests that follow soon, one at a time.

        Returns:
            Whether several have arrived at once, and wait as events.
        """
        session = connection.session
        only_request = session.only_request
        read_soon = connection.stream.read_soon
        handle = connection.served.handle
        flush = connection.flush
        work_waits = self._pool.work_waits
        while not work_waits() and not self._stopping:
            data = read_soon()
            if data is None:
                return False
            frame = only_request(data)
            if frame is None:
                connection.receive(data)
                if not connection.events and session.space is not None:
                    self._receive_rest(connection)
                # Whatever follows it goes through the events, in order.
                return bool(connection.events)
            if frame.flags & FLAG_ONEWAY and frame.kind == INVOKE:
                if not self._queue_oneway(connection, frame):
                    return False
                continue
            handle(frame)
            if not flush(wait=True) or session.closing:
                return False
        return False

    def _receive_rest(self, connection: Connection) -> None:
        """Receive the rest of a large message while it keeps coming."""
        while connection.session.space is not None and not self._stopping:
            count = connection.read(wait=True)
            if count is None or count < _WORTH_STAYING:
                return

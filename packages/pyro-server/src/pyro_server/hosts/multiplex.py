"""The multiplex host: calls run in the thread of the loop, one at a time."""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import PyroError
from pyro_protocol.logs import log_exception
from pyro_protocol.wire import FLAG_COMPRESSED, FLAG_ONEWAY, Frame

from .requests import GO_ON
from .selector import SelectorHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeGuard

    from pyro_protocol.dispatch import Call
    from pyro_protocol.session.server import ServerEvent

    from ..connection import Connection

__all__ = ["MultiplexHost"]

_logger = logging.getLogger("pyro.server")

# Inflating and decoding more than this would hold up the others. The threshold is in
# bytes; compressed ones can become many times as many.
_LARGE: Final = 256 * 1024
_LARGE_COMPRESSED: Final = 4 * 1024


class MultiplexHost(SelectorHost):
    """Runs calls in the loop; objects need no locks, and calls must be short.

    Reading and writing never wait: a client that is silent, sends half a message
    or does not read holds up nobody. What is awaited runs in the event loop of the
    daemon meanwhile.
    """

    may_wait_for_writing = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._jobs: deque[Callable[[], None]] = deque()

    def submit(self, job: Callable[[], None]) -> bool:
        """Have a job run by the loop; whether there is room for it."""
        self._jobs.append(job)
        self.wake()
        return True

    def _woken(self, sock: Any) -> None:
        super()._woken(sock)
        for _ in range(len(self._jobs)):
            self._jobs.popleft()()

    def run(self, connection: Connection) -> None:
        """Handle the events of a connection."""
        while not self._stopping and connection.may_begin:
            event = connection.next_event()
            if event is None:
                break
            if _takes_long_to_read(event) and self._read_elsewhere(connection, event):
                continue
            if self.handle(connection, event) is not GO_ON:
                break
        if connection.waiting:
            # What is left is for another turn of the loop.
            self._unwatch(connection)
            self.give_back(connection)
        else:
            self.take_back(connection)

    def _read_elsewhere(self, connection: Connection, frame: Frame) -> bool:
        """Have a large request decoded by a worker; whether there is one."""
        with connection.lock:
            connection.pending += 1
        if self._pool.submit(partial(self._read, connection, frame)):
            return True
        with connection.lock:
            connection.pending -= 1
        return False

    def _read(self, connection: Connection, frame: Frame) -> None:
        call: Call | None = None
        try:
            call = connection.session.read_call(frame)
        except PyroError as error:
            connection.served.refuse_unreadable(frame, error)
        except Exception as error:  # noqa: BLE001 - logged
            log_exception(_logger, "serving %s failed", connection.client)
            connection.give_up(f"{type(error).__name__} while it was served")
        self.submit(partial(self._go_on, connection, frame, call))

    def _go_on(self, connection: Connection, frame: Frame, call: Call | None) -> None:
        """Carry out a request that a worker has decoded."""
        with connection.lock:
            connection.pending -= 1
        if call is not None and not connection.ended:
            self._guarded(partial(self._carry_out, frame, call), connection)
        self.settle(connection)

    def _carry_out(self, frame: Frame, call: Call, connection: Connection) -> None:
        coroutine = connection.served.handle(frame, call)
        if coroutine is not None:
            self.start(connection, frame, coroutine)


def _takes_long_to_read(event: ServerEvent) -> TypeGuard[Frame]:
    # Oneway requests are read by a worker anyway, and one after the other.
    if type(event) is not Frame or event.flags & FLAG_ONEWAY:
        return False
    least = _LARGE_COMPRESSED if event.flags & FLAG_COMPRESSED else _LARGE
    return len(event.payload) >= least

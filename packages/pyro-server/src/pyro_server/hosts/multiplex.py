"""The multiplex host: calls run in the thread of the loop, one at a time."""

from __future__ import annotations

import logging
import selectors
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import call_state
from pyro_protocol.errors import ConnectionClosedError, PyroError
from pyro_protocol.logs import log_exception
from pyro_protocol.session.plain_calls import make_known, new_hold, plain_calls
from pyro_protocol.wire import FLAG_COMPRESSED, FLAG_ONEWAY, Frame

from .messages import end_of_message, has_several
from .requests import GO_ON
from .selector import SelectorHost

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeGuard

    from pyro_protocol.dispatch import Call
    from pyro_protocol.session.plain_calls import Outcome
    from pyro_protocol.session.server import ServerEvent

    from ..connection import Connection
    from ..waiting import ThreadWaiter

__all__ = ["MOST_NESTED", "MultiplexHost"]

_logger = logging.getLogger("pyro.server")

# Inflating and decoding more than this would hold up the others. The threshold is in
# bytes; compressed ones can become many times as many.
_LARGE: Final = 256 * 1024
_LARGE_COMPRESSED: Final = 4 * 1024
# How often a method that waits for its client looks whether the daemon ends.
_LOOK_SECONDS: Final = 0.05
# For one socket, and a moment: where there is poll, it needs no descriptor.
_Selector: Final[type[selectors.BaseSelector]] = getattr(
    selectors, "PollSelector", selectors.DefaultSelector
)
MOST_NESTED: Final = 20
"""Methods that wait for their clients, one within the other, up to which the loop
carries out further requests: each takes some of the stack."""


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
        # What carries out the plain calls of connections that were active just now.
        self._plain: dict[Connection, Generator[Outcome, bytes, None]] = {}
        # How many methods wait for what their clients send, one within the other.
        self._nested = 0

    def submit(self, job: Callable[[], None]) -> bool:
        """Have a job run by the loop; whether there is room for it."""
        self._jobs.append(job)
        self.wake()
        return True

    def _woken(self, sock: Any) -> None:
        super()._woken(sock)
        for _ in range(len(self._jobs)):
            self._jobs.popleft()()

    def _run_submitted(self) -> None:
        """Run what was submitted to the loop, and it has not come to."""
        while self._jobs:
            self._jobs.popleft()()

    def has_waiting_work(self) -> bool:
        """Always, in the loop: it has all connections to look after."""
        return True

    def wait_for_client(
        self, connection: Connection, waiter: ThreadWaiter, timeout: float | None
    ) -> bool:
        """Have this thread wait for what a client sends; see `RequestHost`.

        The thread of the loop reads that connection meanwhile, and carries out what
        else comes over it: the client may call from within what it was asked for.

        Raises:
            ConnectionClosedError: the client has gone, or the daemon ends.
        """
        if threading.current_thread() is not self.driver.turn_thread:
            return waiter.wait(timeout)
        until = None if timeout is None else time.monotonic() + timeout
        with connection.lock:
            while connection.hold:
                make_known(connection.served, connection.hold.pop())
            connection.leave_rest()
        self._nested += 1
        try:
            while not waiter.woken:
                left = _LOOK_SECONDS
                if until is not None:
                    left = min(left, until - time.monotonic())
                    if left <= 0:
                        return False
                self._serve_within(connection, left)
        finally:
            self._nested -= 1
        return True

    def _serve_within(self, connection: Connection, seconds: float) -> None:
        """Do for one connection what there is to do, while a method waits for it."""
        session = connection.session
        if self._stopping or connection.ended or session.closing:
            raise ConnectionClosedError(
                f"the connection of {connection.client!r} has ended"
            )
        if self._nested <= MOST_NESTED and connection.served.parallel:
            event = connection.next_event()
            if event is not None:
                self.handle(connection, event)
                return
        try:
            if _is_ready(connection, seconds):
                connection.read()
            connection.flush(wait=False)
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            connection.give_up()
            self.give_back(connection)

    def _advance(self, connection: Connection) -> None:
        """Read from a connection, and answer at once what is a plain call."""
        if (
            connection.watched != selectors.EVENT_READ
            or not connection.client.established
            or connection.departing
            or connection.outbox
            or connection.waiting
            or (connection.pending and not connection.may_begin)
            or connection.session._decoder.buffered  # noqa: SLF001
        ):
            super()._advance(connection)
            return
        data = connection.stream.read()
        if data is None:
            return
        plain = self._plain.pop(connection, None)
        if plain is None:
            connection.hold = new_hold()
            plain = plain_calls(connection.served, connection.hold)
            next(plain)
        before = call_state.get()
        try:
            outcome = plain.send(data)
        finally:
            call_state.set(before)
        if outcome is None:
            self._take_in(connection, data, plain)
            return
        if connection.stirred != self._moment:
            # Once per tick is often enough: whoever is asked looks no closer.
            connection.stirred = self._moment
            self._idle.start(connection)
            if connection.served.calls is not None:
                self._heard(connection)
        if type(outcome) is not bytes:
            self.start(connection, *outcome)
            written = False
        elif outcome:
            written = connection.write(outcome, connection.stream.sender(), wait=False)
        else:
            written = connection.flush(wait=False)
        self._plain[connection] = plain
        if (
            not written
            or connection.watched != selectors.EVENT_READ
            or connection.session.closing
            or self._drained_at is not None
        ):
            self.take_back(connection)

    def _take_in(
        self,
        connection: Connection,
        data: bytes,
        plain: Generator[Outcome, bytes, None],
    ) -> None:
        """Go on with what is not just one plain request."""
        if has_several(data):
            self._carry_out_all(connection, data, plain)
            if not (
                connection.ended or connection.session._decoder.buffered  # noqa: SLF001
            ):
                self._plain[connection] = plain
        else:
            connection.receive(data)
        self._received(connection, len(data))

    def _carry_out_all(
        self,
        connection: Connection,
        data: bytes,
        plain: Generator[Outcome, bytes, None],
    ) -> None:
        """Carry out plain requests that have arrived together, in order.

        Each is answered at once: the next may take longer. What is left, and whatever
        is not plain, is given to the session.
        """
        send = connection.stream.sender()
        connection.rest = data
        start = 0
        goes_on = True
        while goes_on and (end := end_of_message(data, start)) <= len(data):
            connection.rest_start = end
            before = call_state.get()
            try:
                outcome = plain.send(data[start:end])
            finally:
                call_state.set(before)
            if outcome is None:
                connection.rest_start = start
                break
            start = end
            if type(outcome) is not bytes:
                self.start(connection, *outcome)
            elif outcome:
                goes_on = connection.write(outcome, send, wait=False)
            else:
                goes_on = connection.flush(wait=False)
            # A method that waits for its client has the session take in the rest.
            goes_on = (
                goes_on
                and bool(connection.rest)
                and connection.may_begin
                and not (connection.session.closing or self._stopping)
            )
        with connection.lock:
            connection.leave_rest()

    def _look_around(self, now: float) -> None:
        # Those that are idle by now shall keep nothing.
        self._plain.clear()
        super()._look_around(now)

    def _end(self, connection: Connection) -> None:
        self._plain.pop(connection, None)
        super()._end(connection)

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
            call = connection.served.read_call(frame)
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


def _is_ready(connection: Connection, seconds: float) -> bool:
    """Wait until a connection can be read, or written where that is needed."""
    events = selectors.EVENT_READ
    if connection.outbox:
        events |= selectors.EVENT_WRITE
    with _Selector() as selector:
        selector.register(connection, events)
        ready = selector.select(seconds)
    return any(mask & selectors.EVENT_READ for _key, mask in ready)


def _takes_long_to_read(event: ServerEvent) -> TypeGuard[Frame]:
    # Oneway requests are read by a worker anyway, and one after the other.
    if type(event) is not Frame or event.flags & FLAG_ONEWAY:
        return False
    least = _LARGE_COMPRESSED if event.flags & FLAG_COMPRESSED else _LARGE
    return len(event.payload) >= least

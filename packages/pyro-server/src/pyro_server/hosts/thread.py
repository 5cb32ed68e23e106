"""The thread host: idle connections cost no thread, running calls do.

A worker that has handled a request waits a moment for the next one of the same
connection, so that a client calling in a loop is served without changing
threads; then it gives the connection back to the selector loop.

Where several requests may be in flight on one connection, that is only the way
for those that come one after the other. When a call takes long, the loop takes the
connection from its worker and reads on, and while requests overlap, each is given to
any worker.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from itertools import filterfalse
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.logs import log_exception
from pyro_protocol.wire import FLAG_ONEWAY, Frame

from .requests import GO_ON, INVOKE, LET_GO, TO_LOOP, Next
from .selector import SelectorHost

if TYPE_CHECKING:
    from typing import TypeGuard

    from pyro_protocol.session.server import ServerEvent

    from ..connection import Connection

__all__ = ["ThreadHost"]

_logger = logging.getLogger("pyro.server")

# A large message that keeps coming is received by the worker; anything slower
# goes back to the loop, so that no peer can hold a worker by dripping bytes.
_WORTH_STAYING: Final = 64 * 1024
# How often the loop looks for calls that take long. One that has run from one look
# to the next has taken long enough for others on its connection not to wait for it.
_LONG_CALL: Final = 0.01
# How long requests that have overlapped are expected to overlap again.
_SHARED_SECONDS: Final = 1.0


class ThreadHost(SelectorHost):
    """Runs calls in at most ``THREADPOOL_SIZE`` worker threads."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # The connections that workers hold, and that may have several requests in
        # flight, with the request they were at when last looked at.
        self._sticky: dict[Connection, int] = {}
        self._next_sticky_look = 0.0

    def run(self, connection: Connection) -> None:
        """Have workers handle the requests of a connection, or refuse them."""
        if connection.served.calls is not None:
            if self._is_shared(connection):
                self._share(connection)
                return
            self._sticky[connection] = -1
        self._unwatch(connection)
        connection.held = True
        if self._pool.submit(partial(self._work, connection)):
            return
        self._sticky.pop(connection, None)
        connection.held = False
        self._refuse(connection)
        self.take_back(connection)

    def _refuse(self, connection: Connection) -> None:
        _logger.warning(
            "no worker and no place in the queue for a request of %s",
            connection.client,
        )
        while (event := connection.next_event()) is not None:
            connection.served.refuse_busy(event)

    def _is_shared(self, connection: Connection) -> bool:
        """Whether requests of a connection are to be given to several workers."""
        if connection.jobs or (
            len(connection.waiting) > 1 and connection.served.parallel
        ):
            connection.shared_until = time.monotonic() + _SHARED_SECONDS
            return True
        return connection.shared_until > time.monotonic()

    def _share(self, connection: Connection) -> None:
        """Give each waiting request to a worker, and read on."""
        self._sort_out_oneway(connection)
        while self._may_add_job(connection):
            if not self._pool.submit(partial(self._job, connection)):
                with connection.lock:
                    connection.queued -= 1
                    connection.jobs -= 1
                    alone = not connection.jobs
                if alone:
                    self._refuse(connection)
                    self.take_back(connection)
                    return
                break
        with connection.lock:
            waiting = len(connection.waiting)
            connection.crowded = (
                waiting >= self._config.MAX_IN_FLIGHT and not connection.outbox
            )
        if connection.crowded:
            # Whoever takes some of them gives the connection back.
            self._unwatch(connection)
        else:
            self.read_on(connection)

    def _sort_out_oneway(self, connection: Connection) -> None:
        """Queue the oneway requests, as several workers would mix them up."""
        begin = False
        with connection.lock:
            waiting = connection.waiting
            oneway = [one for one in waiting if _is_oneway(one)]
            if oneway:
                connection.waiting = [*filterfalse(_is_oneway, waiting)]
                begin = self.add_oneway(connection, oneway)
        if begin:
            self.begin_oneway(connection)

    def _may_add_job(self, connection: Connection) -> bool:
        """Count in another worker for a connection, if there is something to do."""
        with connection.lock:
            if (
                connection.outbox
                or connection.queued >= len(connection.waiting)
                or connection.jobs >= self._config.THREADPOOL_SIZE
                or not connection.may_begin
            ):
                return False
            connection.queued += 1
            connection.jobs += 1
            return True

    def _job(self, connection: Connection) -> None:
        """Carry out requests of a connection that the loop reads."""
        with connection.lock:
            connection.queued -= 1
        self._go_on_as_job(connection)

    def _go_on_as_job(self, connection: Connection) -> None:
        try:
            while (event := self._next_shared(connection)) is not None:
                step = self.handle(connection, event)
                if step is not GO_ON or self._pool.work_waits():
                    break
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            connection.give_up()
        except BaseException as error:  # noqa: BLE001 - logged
            log_exception(_logger, "serving %s failed", connection.client)
            connection.give_up(f"{type(error).__name__} while it was served")
        with connection.lock:
            connection.jobs -= 1
        self.settle(connection)

    def _next_shared(self, connection: Connection) -> ServerEvent | None:
        """Take the next request, unless the answers to others cannot be written."""
        begin = False
        event: ServerEvent | None = None
        with connection.lock:
            while (
                connection.waiting
                and not (self._stopping or connection.outbox)
                and (connection.served.parallel or not connection.pending)
            ):
                event = connection.waiting.pop(0)
                if not _is_oneway(event):
                    break
                # In the same step, or the loop could queue a later one before.
                begin = self.add_oneway(connection, (event,)) or begin
                event = None
        if begin:
            self.begin_oneway(connection)
        return event

    def _work(self, connection: Connection) -> None:
        """Serve one connection for as long as requests keep coming."""
        step = TO_LOOP
        try:
            step = self._serve(connection)
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            connection.give_up()
        except BaseException as error:  # noqa: BLE001 - logged
            # A hook of the program, at worst; the loop must get the connection back.
            log_exception(_logger, "serving %s failed", connection.client)
            connection.give_up(f"{type(error).__name__} while it was served")
        if step is LET_GO:
            return
        with connection.lock:
            connection.in_call = False
            detached, connection.detached = connection.detached, False
            if detached:
                connection.jobs -= 1
            else:
                # Before another worker can hold it, and be looked after in turn.
                self._sticky.pop(connection, None)
                connection.held = False
        if detached:
            self.settle(connection)
        elif connection.at_end and not connection.waiting and not connection.outbox:
            # Nothing is left to be done for it, so the loop need not be woken.
            self._end(connection)
        else:
            self.give_back(connection)

    def _serve(self, connection: Connection) -> Next:
        """Handle what is waiting, and then what follows soon."""
        session = connection.session
        while True:
            while not self._stopping:
                if self._is_overlooked(connection):
                    return TO_LOOP
                event = connection.next_event()
                if event is None:
                    break
                if connection.served.calls is None:
                    step = self.handle(connection, event)
                else:
                    step = self._handle_watched(connection, event)
                if step is not GO_ON:
                    return step
            if session.closing or self._stopping:
                return TO_LOOP
            step = self._stay(connection)
            if step is not GO_ON:
                return step
            if connection.served.parallel and len(connection.waiting) > 1:
                # The loop gives them to several workers.
                return TO_LOOP

    def _is_overlooked(self, connection: Connection) -> bool:
        """Whether it may have several requests in flight, and the loop does not look.

        That is so after a handshake that a worker has carried out.
        """
        return connection.served.calls is not None and connection not in self._sticky

    def _handle_watched(self, connection: Connection, event: ServerEvent) -> Next:
        """Handle a request while the loop looks whether it takes long."""
        if _is_oneway(event):
            # Before it is in the queue, the loop must not read the next one.
            return self.handle(connection, event)
        connection.begun += 1
        connection.in_call = True
        step = self.handle(connection, event)
        if step is LET_GO:
            # It may be held by another thread already.
            return step
        with connection.lock:
            connection.in_call = False
            detached, connection.detached = connection.detached, False
        if not detached:
            return step
        self._go_on_as_job(connection)
        return LET_GO

    def _stay(self, connection: Connection) -> Next:  # noqa: PLR0911 - the hot path, in one frame
        """Serve the requests that follow soon, one at a time.

        Returns:
            `GO_ON` if several have arrived at once, and wait.
        """
        session = connection.session
        only_request = session.only_request
        read_soon = connection.stream.read_soon
        handle = connection.served.handle
        flush = connection.flush_alone
        work_waits = self._pool.work_waits
        if connection.served.calls is not None:
            if self._is_overlooked(connection):
                return TO_LOOP
            return self._stay_watched(connection)
        while not work_waits() and not self._ending:
            data = read_soon()
            if data is None:
                return TO_LOOP
            # Nobody else uses the session meanwhile, so the lock is not needed.
            frame = only_request(data)
            if frame is None:
                return self._take_in(connection, data)
            if frame.flags & FLAG_ONEWAY and frame.kind == INVOKE:
                if not self.queue_oneway(connection, frame):
                    return TO_LOOP
                continue
            coroutine = handle(frame)
            if coroutine is not None:
                return self.start(connection, frame, coroutine)
            if not flush() or session.closing:
                return TO_LOOP
        return TO_LOOP

    def _stay_watched(self, connection: Connection) -> Next:
        """Do the same where several requests may be in flight."""
        session = connection.session
        arrived = connection.served.arrived
        read_soon = connection.stream.read_soon
        lock = connection.lock
        while not self._pool.work_waits() and not self._ending:
            data = read_soon()
            if data is None:
                return TO_LOOP
            with lock:
                frame = session.only_request(data)
                if frame is not None:
                    arrived((frame,))
            if frame is None:
                return self._take_in(connection, data)
            step = self._handle_watched(connection, frame)
            if step is not GO_ON:
                return step
            if session.closing:
                return TO_LOOP
        return TO_LOOP

    def _take_in(self, connection: Connection, data: bytes) -> Next:
        """Take in what is not just one request; whatever follows it is in order."""
        connection.receive(data)
        if not connection.waiting and connection.session.space is not None:
            self._receive_rest(connection)
        return GO_ON if connection.waiting else TO_LOOP

    def _receive_rest(self, connection: Connection) -> None:
        """Receive the rest of a large message while it keeps coming."""
        while connection.session.space is not None and not self._stopping:
            count = connection.read(wait=True)
            if count is None or count < _WORTH_STAYING:
                return

    def wait_time(self) -> float:
        """Return how many seconds the loop may wait before it has to look around."""
        return _LONG_CALL if self._sticky else super().wait_time()

    def tick(self) -> None:
        """Do what depends on time."""
        if self._sticky:
            now = time.monotonic()
            if now >= self._next_sticky_look:
                self._next_sticky_look = now + _LONG_CALL
                self._detach_long_calls()
        super().tick()

    def _detach_long_calls(self) -> None:
        """Take the connections back whose workers are in the midst of a long call."""
        for connection, begun in list(self._sticky.items()):
            with connection.lock:
                held = connection.held
                long = held and connection.in_call and connection.begun == begun
                if long:
                    connection.detached = True
                    connection.held = False
                    connection.jobs += 1
            if long or not held:
                self._sticky.pop(connection, None)
            else:
                self._sticky[connection] = connection.begun
            if long:
                connection.shared_until = time.monotonic() + _SHARED_SECONDS
                self._guarded(self.take_back, connection)


def _is_oneway(event: ServerEvent) -> TypeGuard[Frame]:
    return type(event) is Frame and bool(
        event.flags & FLAG_ONEWAY and event.kind == INVOKE
    )

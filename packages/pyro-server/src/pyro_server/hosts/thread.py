"""The thread host: idle connections cost no thread, running calls do.

A worker that has handled a request waits a moment for the next one of the same
connection, so that a client calling in a loop is served without changing
threads; then it gives the connection back to the selector loop.

Where several requests may be in flight on one connection, that is only the way
for those that come one after the other, and for plain ones that have arrived together:
to carry them out takes less time than to share them. When a call takes long, the loop
takes the connection from its worker, with what that has not come to, and reads on; for
a while, each request is given to any worker then.
"""

from __future__ import annotations

import logging
import selectors
import time
from functools import partial
from itertools import filterfalse
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pyro_protocol.context import call_state
from pyro_protocol.contract.concurrency import SERIAL
from pyro_protocol.logs import log_exception
from pyro_protocol.session.plain_calls import make_known, new_hold, plain_calls
from pyro_protocol.session.short_messages import CALL
from pyro_protocol.wire import FLAG_ONEWAY, HEADER_SIZE, Frame
from pyro_protocol.wire.frame import MUTABLE

from ..byte_streams import DONT_WAIT, RECEIVE_SIZE, SMALL_RECEIVE, read_large
from .messages import (
    begins_large,
    begins_oneway,
    begins_with_request,
    end_of_message,
    has_several,
    sizes_of,
)
from .plain_oneway import TAKEN, OnewayCall, oneway_calls
from .requests import GO_ON, INVOKE, LET_GO, TO_LOOP, Next
from .selector import SelectorHost

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import TypeGuard

    from pyro_protocol.session.plain_calls import Outcome
    from pyro_protocol.session.server import ServerEvent

    from ..connection import Connection
    from ..waiting import ThreadWaiter

__all__ = ["ThreadHost"]

_logger = logging.getLogger("pyro.server")

# A large message that keeps coming is received by the worker; anything slower
# goes back to the loop, so that no peer can hold a worker by dripping bytes.
_WORTH_STAYING: Final = 64 * 1024
# How often the loop looks for calls that take long. One that has run from one look
# to the next has taken long enough for others on its connection not to wait for it.
_LONG_CALL: Final = 0.01
# How long one worker carries out requests that have arrived together, if none of them
# takes long. If there are more, others take part.
_LONGEST_BURST: Final = 0.05
# How long requests that have overlapped are expected to overlap again.
_SHARED_SECONDS: Final = 1.0


class ThreadHost(SelectorHost):
    """Runs calls in at most ``THREADPOOL_SIZE`` worker threads."""

    # Whether workers take in what the loop has read.
    _leaves_messages: ClassVar[bool] = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # The connections that workers hold, and that may have several requests in
        # flight, with what they were carrying out when last looked at.
        self._sticky: dict[Connection, object] = {}
        self._next_sticky_look = 0.0

    def _admit(self, sock: socket.socket, address: Any) -> None:
        """Have a worker begin to serve a new connection, if one has nothing to do.

        Most clients speak at once and make a call then, so that the loop need not watch
        the connection meanwhile.
        """
        if (
            not (self._leaves_messages and self._shaken_at_once and self._pool.is_idle)
            or self._ending
        ):
            super()._admit(sock, address)
            return
        connection = self._enter(sock, address)
        self._sticky[connection] = None
        connection.held = True
        connection.hold = []
        if not self._pool.submit(partial(self._work, connection)):
            self._sticky.pop(connection, None)
            connection.held = False
            self._guarded(self.take_back, connection)

    def _advance(self, connection: Connection) -> None:
        """Read from a connection; a worker sees what it is, as it may be many calls."""
        if (
            connection.watched != selectors.EVENT_READ
            or not (self._leaves_messages and connection.served.parallel)
            or connection.departing
            or connection.outbox
            or connection.waiting
            or connection.jobs
            or connection.session.missing
            or connection.session.closing
            or self._ending
            or not self._pool.has_time
            or self._is_shared(connection)
        ):
            super()._advance(connection)
            return
        data = connection.stream.read()
        if data is None:
            return
        if not begins_with_request(data):
            connection.receive(data)
            self._received(connection, len(data))
            return
        self._heard(connection)
        connection.rest = data
        connection.rest_start = 0
        self.run(connection)

    def run(self, connection: Connection) -> None:
        """Have workers handle the requests of a connection, or refuse them."""
        if connection.served.calls is not None:
            if self._is_shared(connection):
                self._share(connection)
                return
            self._sticky[connection] = None
        self._unwatch(connection)
        connection.held = True
        connection.hold = []
        if self._pool.submit(partial(self._work, connection)):
            return
        self._sticky.pop(connection, None)
        connection.held = False
        if connection.rest:
            with connection.lock:
                connection.leave_rest()
            self._received(connection, 0)
            return
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
        """Whether requests of a connection are to be given to several workers.

        So they are while one of those at work waits for an answer of this client, as
        the loop has to read on then.
        """
        return bool(
            connection.jobs
            or (len(connection.waiting) > 1 and connection.served.parallel)
            or connection.shared_until > time.monotonic()
            or (connection.exchange is not None and connection.exchange.calls_back)
        )

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
                if step is not GO_ON or self._pool.backlog:
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
        is_new = not connection.client.established
        try:
            step = self._serve(connection)
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            connection.give_up()
        except BaseException as error:  # noqa: BLE001 - logged
            # A hook of the program, at worst; the loop must get the connection back.
            log_exception(_logger, "serving %s failed", connection.client)
            connection.give_up(f"{type(error).__name__} while it was served")
        # What the last call left there is not for the next job.
        call_state.set(None)
        if step is LET_GO:
            return
        over = False
        with connection.lock:
            connection.hold.clear()
            detached, connection.detached = connection.detached, False
            if detached:
                connection.jobs -= 1
            else:
                connection.leave_rest()
                # Both before another worker can hold it: it is looked after in turn,
                # and its end is its own affair.
                self._sticky.pop(connection, None)
                over = (
                    connection.at_end
                    and not connection.waiting
                    and not connection.outbox
                )
                connection.held = False
        if detached:
            self.settle(connection)
        elif over:
            # Nothing is left to be done for it, so the loop need not be woken.
            self._end(connection)
        else:
            if is_new and connection.client.established:
                self._heard(connection)
            self.give_back(connection)

    def _serve(self, connection: Connection) -> Next:
        """Handle what is waiting, and then what follows soon."""
        session = connection.session
        if not (connection.client.established or connection.waiting):
            step = self._welcome(connection)
            if step is not GO_ON:
                return step
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

    def _welcome(self, connection: Connection) -> Next:
        """Shake hands with a client that was just accepted, if it speaks soon."""
        data = connection.stream.read_soon()
        if data is None:
            return TO_LOOP
        connection.receive(data)
        if self._stopping:
            return TO_LOOP
        event = connection.next_event()
        if event is None:
            return TO_LOOP
        step = self.handle(connection, event)
        if connection.served.calls is None:
            # Its calls come one after the other, however long they take.
            self._sticky.pop(connection, None)
        return step

    def _is_overlooked(self, connection: Connection) -> bool:
        """Whether it may have several requests in flight, and the loop does not look.

        That is so after a handshake that a worker has carried out.
        """
        return connection.served.calls is not None and connection not in self._sticky

    def _handle_watched(self, connection: Connection, event: ServerEvent) -> Next:
        """Handle a request while the loop looks whether it takes long."""
        if _is_oneway(event):
            # Before it is in the queue, the loop must not read the next one.
            return self._leave_call(connection, self.handle(connection, event))
        hold = connection.hold
        hold.append(event)
        step = self.handle(connection, event)
        if step is LET_GO:
            # It may be held by another thread already.
            return step
        return self._leave_call(connection, step)

    def _leave_call(self, connection: Connection, step: Next) -> Next:
        """Go on after a call, unless the loop has taken the connection meanwhile."""
        with connection.lock:
            if connection.hold:
                connection.hold.pop()
            detached, connection.detached = connection.detached, False
        if not detached:
            return step
        self._go_on_as_job(connection)
        return LET_GO

    def _stay(  # noqa: PLR0912, PLR0915 - the hot path
        self, connection: Connection
    ) -> Next:
        """Serve the requests that follow soon, one at a time.

        Returns:
            `GO_ON` if several have arrived at once, and wait.
        """
        if self._is_overlooked(connection):
            return TO_LOOP
        session = connection.session
        connection.hold = new_hold()
        plain = plain_calls(connection.served, connection.hold)
        next(plain)
        carry_out = plain.send
        stream = connection.stream
        receive = stream.receiver()
        send = stream.sender()
        pen = connection.pen
        pool = self._pool
        # What comes next is mostly as long as what the loop has read.
        is_small = len(connection.rest) <= SMALL_RECEIVE
        size = session.large_start or (SMALL_RECEIVE if is_small else RECEIVE_SIZE)
        large: bytes | bytearray | None = None
        if connection.rest:
            step = self._carry_out_all(connection, connection.rest, carry_out)
            if step is not GO_ON or connection.waiting:
                return step
        while not (pool.backlog or self._ending):
            try:
                data = receive(size)
            except BlockingIOError:
                return TO_LOOP
            answer = carry_out(data)
            if answer is None and (rest := session.large_rest(CALL, data)):
                large = read_large(stream, rest.size, mutable=rest.kind == MUTABLE)
                if large is not None and len(large) == rest.size:
                    answer = carry_out((data, large))
                    if answer is not None:
                        large = None
            if type(answer) is bytes:
                if answer:
                    # `Connection.write`, without a call where there is nothing else.
                    try:
                        pen.pop()
                        busy = connection.outbox or connection.ended
                        sent = 0 if busy else send(answer, DONT_WAIT)
                    except IndexError:
                        written = connection.write(answer, send)
                    except BaseException as error:  # noqa: BLE001 - raised there
                        written = connection.not_sent(answer, error)
                    else:
                        if sent < len(answer):
                            written = connection.sent(answer, sent)
                        else:
                            pen.append(None)
                            if not (connection.outbox or connection.ended):
                                continue
                            written = connection.look_again()
                    if written:
                        continue
                    return TO_LOOP
                written = connection.flush(wait=True) and not session.closing
                step = self._leave_call(connection, GO_ON if written else TO_LOOP)
            elif not data:
                # The client has gone.
                step = self._take_in(connection, data)
            elif answer is None:
                if large is not None or begins_large(data):
                    step = self._stay_for_large(connection, data, large)
                    large = None
                else:
                    more = None
                    if len(data) == size:
                        # Only less was asked for than of small ones.
                        more = stream.read()
                        data += more or b""
                        session.expect_small()
                    if connection.served.parallel and (
                        more or has_several(data) or begins_oneway(data)
                    ):
                        step = self._carry_out_all(connection, data, carry_out)
                    else:
                        step = self._stay_for(connection, data)
                size = session.large_start or RECEIVE_SIZE
            else:
                step = self.start(connection, *answer)
                if step is not LET_GO:
                    step = self._leave_call(connection, step)
            if step is not GO_ON or connection.waiting:
                return step
        return TO_LOOP

    def _carry_out_all(  # noqa: PLR0912, PLR0915 - the hot path
        self,
        connection: Connection,
        data: bytes,
        carry_out: Callable[[bytes], Outcome],
    ) -> Next:
        """Carry out plain requests that have arrived together, in order.

        Their answers are written together, unless one of them takes long: the loop
        takes the connection then, with what is still to be written and carried out.

        Returns:
            `GO_ON` if all is done, or what is left waits.
        """
        stream = connection.stream
        send = stream.sender()
        unwritten = 0
        start = connection.rest_start = 0
        connection.rest = data
        run: Callable[[tuple[bytes, int]], int] | None = None
        until = time.monotonic() + _LONGEST_BURST
        while start < len(data) and not (self._pool.backlog or self._ending):
            # What `end_of_message` tells, without a call for each.
            end = start + HEADER_SIZE
            if end <= len(data):
                payload, annotations = sizes_of(data, start)
                end += payload + annotations
            if end > len(data):
                if not start or end - start > RECEIVE_SIZE:
                    break
                # Only after some that were whole: nobody holds a worker by dripping.
                unwritten = 0
                if not self._write_answers(connection, send):
                    break
                try:
                    more = stream.receiver()(RECEIVE_SIZE)
                except BlockingIOError:
                    break
                if not more:
                    return self._take_in(connection, more)
                connection.rest = data = data[start:] + more
                start = connection.rest_start = 0
                until = time.monotonic() + _LONGEST_BURST
                continue
            connection.rest_start = end
            outcome = carry_out(data[start:end])
            if outcome is None:
                connection.rest_start = start
                if not self._write_answers(connection, send):
                    break
                unwritten = 0
                if run is None:
                    oneway = oneway_calls(self, connection)
                    next(oneway)
                    run = oneway.send
                step = self._carry_out_oneway(connection, run)
                if step is not GO_ON:
                    return step
                if connection.rest is data and connection.rest_start == start:
                    break
                data, start = connection.rest, connection.rest_start
                until = time.monotonic() + _LONGEST_BURST
                continue
            start = end
            step = GO_ON
            if outcome and type(outcome) is bytes:
                connection.answers.append(outcome)
                unwritten += len(outcome)
                if unwritten > RECEIVE_SIZE:
                    # More than that is not kept for a client that does not read.
                    unwritten = 0
                    if not self._write_answers(connection, send):
                        break
            else:
                if type(outcome) is not bytes:
                    step = self.start(connection, *outcome)
                elif not connection.flush(wait=True):
                    step = TO_LOOP
                if step is not LET_GO:
                    step = self._leave_call(connection, step)
                if step is not GO_ON:
                    return step
            if time.monotonic() > until:
                connection.shared_until = time.monotonic() + _SHARED_SECONDS
                break
        if start == len(data):
            connection.rest = b""
            written = self._write_answers(connection, send) and not connection.outbox
            return GO_ON if written and not connection.session.closing else TO_LOOP
        with connection.lock:
            connection.leave_rest()
        if not connection.flush(wait=True):
            return TO_LOOP
        return self._go_on_reading(connection)

    def _carry_out_oneway(
        self, connection: Connection, run: Callable[[tuple[bytes, int]], int]
    ) -> Next:
        """Carry out plain oneway requests for as long as they come, in order.

        Returns:
            `GO_ON` if there is something else, or a part of it, in what is left.
        """
        receive = connection.stream.receiver()
        while True:
            data, before = connection.rest, connection.rest_start
            start = run((data, before))
            if start == TAKEN:
                return self._leave_call(connection, GO_ON)
            connection.rest_start = start
            if start != len(data) and (
                # Only after some that were whole: nobody holds a worker by dripping.
                start == before or end_of_message(data, start) <= len(data)
            ):
                return GO_ON
            if self._pool.backlog or self._ending:
                return GO_ON
            try:
                more = receive(RECEIVE_SIZE)
            except BlockingIOError:
                return TO_LOOP
            if not more:
                return self._take_in(connection, more)
            connection.rest = data[start:] + more
            connection.rest_start = 0

    def _write_answers(
        self, connection: Connection, send: Callable[[bytes, int], int]
    ) -> bool:
        """Write the answers to requests that have arrived together."""
        answers = connection.answers
        if not answers:
            return True
        data = b"".join(answers)
        answers.clear()
        return connection.write(data, send)

    def _stay_for(self, connection: Connection, data: bytes) -> Next:
        """Handle what is not a plain call; see `_stay`."""
        session = connection.session
        with connection.lock:
            frame = session.only_request(data)
            if frame is not None:
                connection.served.arrived((frame,))
        if frame is None:
            return self._take_in(connection, data)
        step = self._handle_watched(connection, frame)
        return TO_LOOP if step is GO_ON and session.closing else step

    def _stay_for_large(
        self, connection: Connection, data: bytes, large: bytes | bytearray | None
    ) -> Next:
        """Receive the rest of a large message, and handle it; see `_stay`.

        Args:
            connection: the connection.
            data: how it begins.
            large: what was received of its large bytes, if anything.
        """
        if large is not None:
            connection.receive(data)
            data = bytes(large)
        step = self._take_in(connection, data)
        if len(connection.waiting) != 1 or connection.served.calls is None:
            return step
        # Here, as more of them follow most likely.
        event = connection.next_event()
        if event is None:
            return step
        step = self._handle_watched(connection, event)
        return TO_LOOP if step is GO_ON and connection.session.closing else step

    def _take_in(self, connection: Connection, data: bytes) -> Next:
        """Take in what is not just one request; whatever follows it is in order."""
        connection.receive(data)
        return self._go_on_reading(connection)

    def _go_on_reading(self, connection: Connection) -> Next:
        if not connection.waiting and connection.session.is_large:
            self._receive_rest(connection)
        return GO_ON if connection.waiting else TO_LOOP

    def _receive_rest(self, connection: Connection) -> None:
        """Receive the rest of a large message while it keeps coming."""
        while connection.session.is_large and not self._stopping:
            count = connection.read(wait=True)
            if count is None or count < _WORTH_STAYING:
                return

    def wait_time(self) -> float:
        """Return how many seconds the loop may wait before it has to look around."""
        wait = super().wait_time()
        return min(wait, _LONG_CALL) if self._sticky else wait

    def tick(self) -> None:
        """Do what depends on time."""
        if self._sticky:
            now = time.monotonic()
            if now >= self._next_sticky_look:
                self._next_sticky_look = now + _LONG_CALL
                self._detach_long_calls()
        super().tick()

    def wait_for_client(
        self, connection: Connection, waiter: ThreadWaiter, timeout: float | None
    ) -> bool:
        """Have this thread wait for what a client sends, while the loop reads it."""
        if connection.held:
            with connection.lock:
                leaves = _take(connection)
                if leaves:
                    connection.leave_rest()
                    connection.detached = True
                    connection.held = False
                    connection.jobs += 1
            if leaves:
                self._sticky.pop(connection, None)
                connection.shared_until = time.monotonic() + _SHARED_SECONDS
                self.give_back(connection)
        return waiter.wait(timeout)

    def _detach_long_calls(self) -> None:
        """Take the connections back whose workers are in the midst of a long call."""
        for connection, seen in list(self._sticky.items()):
            with connection.lock:
                held = connection.held
                now = next(iter(connection.hold), None)
                is_same = now is not None and (now is seen or _is_one_run(now, seen))
                long = held and is_same and _take(connection)
                if long:
                    connection.leave_rest()
                    connection.detached = True
                    connection.held = False
                    connection.jobs += 1
            if long or not held:
                self._sticky.pop(connection, None)
            else:
                self._sticky[connection] = now
            if long:
                connection.shared_until = time.monotonic() + _SHARED_SECONDS
                self._guarded(self.take_back, connection)


def _take(connection: Connection) -> bool:
    """Take what a worker is carrying out; whether it is not done just now.

    The lock is held.
    """
    try:
        call = connection.hold.pop()
    except IndexError:
        return False
    if type(call) is OnewayCall:
        # The one who carries it out goes on with those that are queued meanwhile.
        connection.rest_start = call.end
        connection.oneway_running = True
        served = connection.served
        served.beside += 1
        gates = served.service.dispatcher._gates  # noqa: SLF001 - as `make_known` does
        if call.alone is not None and gates is not None:
            gates.enter_alone(call.alone, SERIAL)
    make_known(connection.served, call)
    return True


def _is_one_run(call: object, other: object) -> bool:
    """Whether two oneway calls have arrived together."""
    return type(call) is type(other) is OnewayCall and call.run is other.run


def _is_oneway(event: ServerEvent) -> TypeGuard[Frame]:
    return type(event) is Frame and bool(
        event.flags & FLAG_ONEWAY and event.kind == INVOKE
    )

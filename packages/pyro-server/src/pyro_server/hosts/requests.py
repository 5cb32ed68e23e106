"""Carrying out requests: those that are answered, awaited, and oneway ones."""

from __future__ import annotations

import logging
import threading
from collections import deque
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import PyroError
from pyro_protocol.logs import log_exception
from pyro_protocol.session import ConnectRequest
from pyro_protocol.wire import FLAG_ONEWAY, Frame, MessageType

from .loop import LoopHost

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from pyro_protocol.session.server import ServerEvent

    from ..connection import Connection
    from ..coroutines import RunningCoroutine
    from ..waiting import ThreadWaiter

__all__ = ["GO_ON", "INVOKE", "LET_GO", "TO_LOOP", "Next", "RequestHost"]

_logger = logging.getLogger("pyro.server")

INVOKE: Final = int(MessageType.INVOKE)


class Next(Enum):
    """What the one who has handled a request does with the connection next."""

    REQUEST = "take the next request"
    LOOP = "leave it to the loop"
    NOTHING = "leave it alone, it is another's already"


# Python 3.11 looks members of enumerations up slowly.
GO_ON: Final = Next.REQUEST
TO_LOOP: Final = Next.LOOP
LET_GO: Final = Next.NOTHING


class RequestHost(LoopHost):
    """The part of a host that carries out requests, in whatever thread.

    Attributes:
        may_wait_for_writing: whether the thread that runs a call may wait a moment for
            a slow reader.
    """

    may_wait_for_writing = True

    def handle(self, connection: Connection, event: ServerEvent) -> Next:
        """Handle one request, and say how the connection goes on.

        A oneway request is queued for the workers: those of one connection are
        run one after the other, in the order in which they were sent, beside its
        other requests.

        Raises:
            OSError: the connection is lost.
        """
        if type(event) is Frame and event.flags & FLAG_ONEWAY and event.kind == INVOKE:
            room = self.queue_oneway(connection, event)
            return GO_ON if room else TO_LOOP
        coroutine = connection.served.handle(event)
        if coroutine is not None:
            return self.start(connection, event, coroutine)  # type: ignore[arg-type] # only a frame is awaited
        if type(event) is ConnectRequest:
            connection.admitted(self)
        written = connection.flush(wait=self.may_wait_for_writing)
        return GO_ON if written else TO_LOOP

    def start(
        self,
        connection: Connection,
        frame: Frame,
        coroutine: Coroutine[Any, Any, None],
    ) -> Next:
        """Have a call awaited, and say how the connection goes on."""
        parallel = connection.served.parallel
        with connection.lock:
            connection.pending += 1
            connection.served.beside += 1
            if not parallel:
                # It may be over, and another thread hold the connection, before this
                # thread has come to leave it alone.
                connection.held = False
                connection.hold.clear()
                if connection.detached:
                    connection.detached = False
                    connection.jobs -= 1
        calls = connection.served.calls
        call = None if calls is None else calls.find(frame)
        seconds = None
        if call is not None and call.deadline is not None:
            seconds = call.deadline.remaining()
        try:
            running = self._coroutines.start(
                coroutine, partial(self._awaited, connection)
            )
        except PyroError as error:
            connection.served.refuse(frame, error)
            self._awaited(connection, None)
            return GO_ON if parallel else LET_GO
        with connection.lock:
            if connection.ended:
                running.cancel()
            elif not running.ended:
                if connection.tasks is None:
                    connection.tasks = set()
                connection.tasks.add(running)
        if calls is not None and call is None:
            # It was cancelled, or its client has gone, before it came to this.
            running.cancel()
        elif calls is not None and call is not None:
            calls.attach(call, running.cancel)
            if seconds is not None:
                self._coroutines.call_soon(calls.expiry(call), delay=seconds)
        if not parallel and threading.current_thread() is not self.driver.turn_thread:
            # To see that it is cancelled, or that the client has gone.
            self.give_back(connection)
        return GO_ON if parallel else LET_GO

    def wait_for_client(
        self, connection: Connection, waiter: ThreadWaiter, timeout: float | None
    ) -> bool:
        """Have this thread wait for what a client sends.

        Args:
            connection: that of the client; it is read meanwhile.
            waiter: what is woken when it has come.
            timeout: how many seconds to wait at most; None means no bound.

        Returns:
            Whether it has come in time.
        """
        del connection
        return waiter.wait(timeout)

    def _awaited(
        self, connection: Connection, running: RunningCoroutine | None
    ) -> None:
        """Go on with a connection whose call was brought to its end."""
        with connection.lock:
            connection.pending -= 1
            connection.served.beside -= 1
            if connection.tasks is not None and running is not None:
                connection.tasks.discard(running)
        self.settle(connection)

    def settle(self, connection: Connection) -> None:
        """Write what there is, and go on with a connection that nobody holds.

        Called by whoever has finished something for a connection that the loop, or
        another thread, reads.
        """
        written = False
        try:
            written = connection.flush(wait=False)
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            connection.give_up()
        if connection.ended:
            if self._is_last(connection):
                self._say_farewell(connection)
        elif (
            not written
            or connection.waiting
            or connection.crowded
            or not connection.served.parallel
            or connection.session.closing
            or self._drained_at is not None
        ):
            self.give_back(connection)

    def queue_oneway(self, connection: Connection, frame: Frame) -> bool:
        """Queue a oneway request; whether there is room for more of them."""
        with connection.lock:
            begin = self.add_oneway(connection, (frame,))
            full = self._is_full(connection)
        return (begin and self.begin_oneway(connection)) or not full

    def add_oneway(self, connection: Connection, frames: Iterable[Frame]) -> bool:
        """Queue oneway requests; the lock is held.

        Returns:
            Whether `begin_oneway` is to be called.
        """
        if connection.oneway is None:
            connection.oneway = deque()
        connection.oneway.extend(frames)
        running, connection.oneway_running = connection.oneway_running, True
        connection.served.beside += not running
        return not running

    def begin_oneway(self, connection: Connection) -> bool:
        """Have the oneway requests of a connection run; whether they have been run."""
        run = partial(self._run_oneway, connection)
        if self._pool.submit(run):
            return False
        if self.turn_thread is threading.current_thread():
            self._postpone(run)
            return False
        # No worker has time, so the one that brought them does it itself. If it waits
        # for the client meanwhile, the loop takes the connection.
        if connection.held:
            connection.hold.append(run)
        run()
        return True

    def _run_oneway(self, connection: Connection) -> None:
        while (frame := self._next_oneway(connection)) is not None:
            try:
                coroutine = connection.served.handle(frame)
                if coroutine is not None:
                    self._await_oneway(connection, coroutine)
                    return
            except Exception:  # noqa: BLE001 - logged
                log_exception(
                    _logger, "a oneway request of %s failed", connection.client
                )

    def resume_oneway(
        self,
        connection: Connection,
        coroutine: Coroutine[Any, Any, None] | None,
    ) -> None:
        """Go on with the oneway requests after one that was not in the queue.

        Args:
            connection: the connection, for which a oneway request is said to run.
            coroutine: what is to be awaited before the next one; None if nothing is.
        """
        if coroutine is not None:
            try:
                self._await_oneway(connection, coroutine)
            except Exception:  # noqa: BLE001 - logged
                log_exception(
                    _logger, "a oneway request of %s failed", connection.client
                )
            else:
                return
        self._run_oneway(connection)

    def _await_oneway(
        self, connection: Connection, coroutine: Coroutine[Any, Any, None]
    ) -> None:
        self._coroutines.start(coroutine, partial(self._oneway_awaited, connection))

    def _oneway_awaited(
        self, connection: Connection, _running: RunningCoroutine
    ) -> None:
        """Go on with the oneway requests after one that was awaited."""
        run = partial(self._run_oneway, connection)
        if not self._pool.submit(run):
            self._postpone(run)

    def _next_oneway(self, connection: Connection) -> Frame | None:
        """Return the next oneway request; after the last, do what waited for it."""
        waiting = connection.oneway
        if waiting and not self._stopping:
            # Without the lock: only the one who runs them takes any away.
            return waiting.popleft()
        with connection.lock:
            if connection.oneway and not self._stopping:
                return connection.oneway.popleft()
            connection.oneway = None
            connection.oneway_running = False
            connection.served.beside -= 1
            parked, connection.parked = connection.parked, False
        if connection.ended:
            if self._is_last(connection):
                self._say_farewell(connection)
        elif parked or connection.session.closing or self._drained_at is not None:
            self.give_back(connection)
        return None

    def _park(self, connection: Connection) -> bool:
        """Leave a connection alone until fewer of its oneway requests wait.

        Whoever runs them gives it back then.
        """
        if not connection.oneway_running:
            return False
        with connection.lock:
            connection.parked = self._is_full(connection)
            return connection.parked

    def _is_full(self, connection: Connection) -> bool:
        waiting = len(connection.oneway or ())
        return waiting > 0 and waiting >= self._config.MAX_ONEWAY_QUEUE

    def disconnect(self, connection: Connection) -> None:
        """Close a connection, from any thread."""
        connection.give_up("it was closed by the program")
        # The client sees it at once, also if somebody is at work for it.
        connection.hang_up()
        self.give_back(connection)

    def _is_last(self, connection: Connection) -> bool:
        """Whether nobody works any more for a connection that has ended."""
        with connection.lock:
            return not connection.busy

    def _say_farewell(self, connection: Connection) -> None:
        """Release what the client held; what is not our own code may take its time."""
        with connection.lock:
            if connection.said_farewell:
                return
            connection.said_farewell = True
        client = connection.client
        # What was still running may have opened more.
        self._streams.client_gone(client)
        connection.forget()
        if self._inline_farewell and not client.holds_something:
            connection.served.close()
        elif not self._pool.submit(connection.served.close):
            self._postpone(connection.served.close)

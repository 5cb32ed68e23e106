"""Reading from a connection for all threads that wait for something."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.session.capabilities import (
    CANCEL,
    HEARTBEAT,
    MULTIPLEX,
)
from pyro_protocol.session.heartbeat import Heartbeat

from ..workers import workers
from .lines import RECEIVE_SIZE, SMALL_RECEIVE, PlainLine
from .waiting import Waiter, seconds_left
from .watcher import watcher
from .writing import LOOK_SECONDS, WritingChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyro_protocol.config import Configuration
    from pyro_protocol.transport import BlockingChannel
    from pyro_protocol.wire import Buffer, Frame

    from ..outgoing import OutgoingReferences

__all__ = ["ReadingChannel", "again"]

_NEVER: Final = 3600.0


class ReadingChannel(WritingChannel):
    """The part of a shared channel that reads, for all who wait.

    Args:
        channel: a channel that has just shaken hands; its connection is taken over.
        config: the settings.
    """

    __slots__ = (
        "_config",
        "_heartbeat",
        "_places",
        "_receive_size",
        "_single",
        "_uncounted",
        "_waiters",
    )

    def __init__(self, channel: BlockingChannel, config: Configuration) -> None:
        super().__init__(channel)
        self._config = config
        # Guarded by the lock: who waits for which answer, and who waits until another
        # call may be made.
        self._waiters: dict[int, Waiter] = {}
        self._places: list[Waiter] = []
        names = self._session.capabilities
        # How much the one who reads receives at once; see `Decoder.large_start`.
        self._receive_size = SMALL_RECEIVE
        self._single = MULTIPLEX not in names
        # How many calls may be in flight that are not counted: the short way does not.
        self._uncounted = 1
        self._heartbeat: Heartbeat | None = None
        if HEARTBEAT in names and config.HEARTBEAT_INTERVAL > 0:
            self._heartbeat = Heartbeat(
                config.HEARTBEAT_INTERVAL, config.HEARTBEAT_TIMEOUT, time.monotonic()
            )
            if isinstance(self._line, PlainLine):
                self._line.set_patience(config.HEARTBEAT_INTERVAL)

    @property
    def _is_special(self) -> bool:
        """Whether anything forbids the short way of a call; the lock is held."""
        return True

    @abstractmethod
    def _hand_out(self) -> None:
        """Give everybody what has come for him; the lock is held."""

    @abstractmethod
    def _sleepers(self) -> Iterable[Waiter]:
        """Return those who wait for something else than answers."""

    def _do_soon(self, job: Callable[[], object]) -> None:
        workers(self._config.THREADPOOL_SIZE).submit(job)

    def _tell_all(self, error: CommunicationError) -> None:
        for waiter in (*self._waiters.values(), *self._places):
            if waiter.done:
                waiter.wake()
            else:
                waiter.finish(error=error)
        # Not before: whoever is in there can still be told after an interruption.
        self._waiters.clear()

    def _begin(
        self,
        waiter: Waiter | None,
        deadline: float | None,
        references: OutgoingReferences | None,
        *request: Any,
    ) -> list[Buffer]:
        """Return the message of a call, when another may be made."""
        while True:
            place = Waiter()
            with self._lock:
                if self.closed:
                    raise ConnectionClosedError("the connection is closed")
                if references is not None and references.used:
                    # Not before there is something to be looked after.
                    self._special = True
                if waiter is None:
                    return self._session.request(*request)
                if self._has_place:
                    return self._enter(waiter, references, request)
                self._places.append(place)
            try:
                self._wait_for(place, deadline)
            finally:
                with self._lock:
                    if place in self._places:
                        self._places.remove(place)
                    # It may have been its turn, to call or to read, and it may not
                    # make use of it.
                    self._let_in()
                    self._promote()

    def _enter(
        self,
        waiter: Waiter,
        references: OutgoingReferences | None,
        request: tuple[Any, ...],
    ) -> list[Buffer]:
        """Return the message of a call whose answer is waited for; the lock is held."""
        session = self._session
        before = session.sequence
        try:
            buffers = session.request(*request)
            waiter.sequence = session.sequence
            self._waiters[waiter.sequence] = waiter
            if references is not None and references.streams:
                session.attach_streams(waiter.sequence, references.streams)
        except BaseException:
            if waiter.sequence < 0 and session.sequence != before:
                session.retract(session.sequence)
            raise
        self._let_in()
        return buffers

    def _let_in(self) -> None:
        """Have the next call made, if there is room for one; the lock is held."""
        if self._places and self._has_place:
            for place in self._places:
                if not place.done:
                    place.finish()
                    return

    @property
    def _has_place(self) -> bool:
        """Whether another call may be in flight; the lock is held."""
        session = self._session
        if self._single:
            return session.calls_in_flight == 0
        return session.free_slots > self._uncounted

    def _await(self, waiter: Waiter, deadline: float | None) -> Frame:
        """Return the answer that somebody waits for."""
        try:
            self._wait_for(waiter, deadline)
        except BaseException:
            self._leave(waiter, cancel=True)
            raise
        frame = waiter.frame
        assert frame is not None  # noqa: S101 - or there is an error, which was raised
        return frame

    def _wait_for(  # noqa: PLR0912 - who reads is known only here
        self, waiter: Waiter, deadline: float | None
    ) -> None:
        """Wait, reading if nobody else does.

        Raises:
            TimeoutError: that took too long.
            CommunicationError: the connection has failed.
        """
        # Whether it is this one who reads; known at once, since an exception may be
        # raised between any two steps.
        reads = False
        try:
            while True:
                bell = None
                with self._lock:
                    if waiter.done:
                        break
                    if self.closed:
                        raise ConnectionClosedError("the connection is closed")  # noqa: TRY301 - as if it were lost now
                    if self._reading:
                        bell = waiter.prepare_sleep()
                    else:
                        self._reading = reads = True
                if bell is None:
                    self._read_until(waiter, deadline)
                    self._reading = reads = False
                    self._hand_over()
                elif not bell.acquire(timeout=seconds_left(deadline)):
                    with self._lock:
                        waiter.wake()
                        if waiter.done:
                            break
                        # Whoever was to go on reading must not be this one.
                        self._promote()
                    raise self._too_late()  # noqa: TRY301 - the wait ends like any
        except TimeoutError:
            if reads:
                self._reading = False
                self._hand_over()
            raise
        except BaseException as error:
            if reads:
                self._give_up_reading(error, "receiving")
            raise
        if waiter.error is not None:
            raise again(waiter.error)

    def _read_until(self, waiter: Waiter, deadline: float | None) -> None:
        """Read for all, until this one has what he waits for."""
        while not waiter.done:
            left = None
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._too_late()
            self._receive_within(left)

    def _hand_over(self) -> None:
        """Have somebody else read, if nobody does."""
        with self._lock:
            self._promote()
        self._be_left()

    def _be_left(self) -> None:
        """See to the connection when one has gone who has used it."""
        if self.closed:
            self._close_socket()
        elif self.eager and not (self._waiters or self._reading):
            self._watched = True
            watcher().listen_now(self)

    def _promote(self) -> None:
        """Have one of those who wait read on; the lock is held."""
        # One who was interrupted may not have come to this.
        self._let_write()
        if self._reading:
            return
        for waiter in (*self._waiters.values(), *self._places, *self._sleepers()):
            if waiter.asleep:
                waiter.wake()
                return

    def _receive_within(self, limit: float | None) -> None:
        """Receive once, at most for so many seconds, and hand out what has come."""
        if self._unsent or self._session.has_output:
            self._send_queued(stays=True)
            if self._unsent:
                # Nobody can tell which comes first.
                limit = LOOK_SECONDS if limit is None else min(limit, LOOK_SECONDS)
                self._line.wait(limit)
                limit = 0.0
        heartbeat = self._heartbeat
        if heartbeat is not None:
            due = heartbeat.due - time.monotonic()
            limit = due if limit is None else min(limit, due)
            if limit <= 0:
                limit = 0.0
        received: bytes | int | None
        if self._session.is_large:
            received = self._receive_large(limit)
        else:
            received = self._line.receive(limit, self._receive_size)
            if received is not None:
                if len(received) >= self._receive_size:
                    self._receive_size = RECEIVE_SIZE
                self._take_in(received)
        if heartbeat is not None:
            now = time.monotonic()
            if received is not None:
                heartbeat.received(now)
            else:
                self.beat(now)

    def _receive_large(self, limit: float | None) -> bytes | int | None:
        """Do that in the midst of a large message; returns what has come."""
        session = self._session
        whole_size = session.whole_size
        received: bytes | int | None
        if whole_size:
            received = self._line.receive_whole(whole_size, limit)
            if received is not None:
                self._take_in(received)
        else:
            space: memoryview = session.space  # type: ignore[assignment] # there is one
            received = self._line.receive_into(space, limit)
            if received is not None:
                self._take_in_written(received)
        if not session.is_large:
            self._receive_size = session.large_start or RECEIVE_SIZE
            with self._lock:
                self._special = self._is_special
        return received

    def _take_in(self, data: bytes) -> None:
        with self._lock:
            try:
                if data:
                    self._session.receive_data(data)
                else:
                    self._session.receive_eof()
            finally:
                if self._session.only_large:
                    # The rest of it is no answer by itself.
                    self._special = True
                else:
                    # What has come before an error is good.
                    self._hand_out()
        if self._session.has_output:
            self._send_queued()

    def _take_in_written(self, count: int) -> None:
        with self._lock:
            if count:
                self._session.receive_written(count)
            else:
                self._session.receive_eof()
            self._hand_out()
        if self._session.has_output:
            self._send_queued()

    def _leave(self, waiter: Waiter, *, cancel: bool) -> None:
        """Take note that nobody waits for an answer any more."""
        session = self._session
        with self._lock:
            try:
                known = self._waiters.pop(waiter.sequence, None) is waiter
                if self.closed:
                    return
                if not known:
                    # The answer has come nevertheless.
                    self._drop_answer(waiter)
                elif not cancel:
                    session.retract(waiter.sequence)
                    self._let_in()
                elif CANCEL in session.capabilities:
                    session.send_cancel(waiter.sequence)
            finally:
                self._promote()
        if session.has_output:
            self._send_queued()
        self._be_left()

    @abstractmethod
    def _drop_answer(self, waiter: Waiter) -> None:
        """Forget an answer that nobody wants any more; the lock is held."""

    def _receive_present(self) -> None:
        """Take in what has arrived."""
        self._receive_within(0.0)
        while self._line.pending:
            self._receive_within(0.0)

    def listen(self) -> bool:
        """Take in what has arrived while nobody waits; False if somebody reads."""
        reads = False
        try:
            with self._lock:
                if self._reading or self.closed:
                    return False
                self._reading = reads = True
            self._receive_present()
            self._reading = reads = False
            with self._lock:
                self._promote()
        except BaseException as error:
            if reads:
                with contextlib.suppress(CommunicationError):
                    self._give_up_reading(error, "receiving")
            if not isinstance(error, Exception):
                raise
            return False
        if self.closed:
            self._close_socket()
            return False
        if self._special:
            # What finalizers could not say.
            self._send_queued()
        return not self.closed

    def _give_up_reading(self, error: BaseException, doing: str) -> None:
        """Close the connection after an error of the one who reads.

        What an interrupted read has taken from the connection is lost.

        Raises:
            CommunicationError: what the error means, if it is one of the connection.
        """
        failure: CommunicationError = ConnectionClosedError(
            f"the call was interrupted ({error!r})"
        )
        if isinstance(error, OSError):
            failure = self._lost(error, doing)
            if doing == "sending":
                failure.outcome = "not_sent"
        elif isinstance(error, CommunicationError):
            failure = error
        try:
            self._fail(failure)
        finally:
            self._reading = False
            self._hand_over()
        if isinstance(error, OSError):
            raise failure from error

    def beat(self, now: float) -> float:
        """Look after the signs of life; returns when to do so again."""
        heartbeat = self._heartbeat
        if heartbeat is None or self.closed:
            return now + _NEVER
        if heartbeat.is_dead(now):
            silence = heartbeat.interval + heartbeat.timeout
            self._fail(
                ConnectionClosedError(
                    f"{self.uri.location} has given no sign of life for "
                    f"{silence:g} seconds"
                )
            )
        elif heartbeat.should_ping(now):
            with self._lock:
                if not self.closed:
                    self._session.send_ping()
            heartbeat.pinged(now)
            self._send_queued()
        return heartbeat.due


def again(error: CommunicationError) -> CommunicationError:
    """Return an equal error for another thread, which has had something sent.

    One exception raised in several threads would mix their traces, and what one of
    them did not get sent says nothing about what the others did.
    """
    result = type(error)(*error.args)
    result.__cause__ = error.__cause__
    return result

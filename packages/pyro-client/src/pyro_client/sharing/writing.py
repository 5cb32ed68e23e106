"""Writing on a connection that several threads use, and ending it.

An exception, such as that of Ctrl-C, may be raised between any two steps. Where that
must not leave a loop without what its `try` has to do, the loop is written so that it
does not end with a condition: CPython 3.12 and 3.13 leave the conditional jump back to
a loop's head out of the block that the loop stands in.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.transport.blocking_channel import (
    BlockingChannel,
)
from pyro_protocol.wire import (
    FLAG_ONEWAY,
)

from .lines import Line, open_line
from .waiting import Waiter, seconds_left
from .watcher import watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyro_protocol.wire import Buffer

__all__ = ["LOOK_SECONDS", "WritingChannel"]

# While the peer does not take more, what it sends is looked for that often.
LOOK_SECONDS: Final = 0.1


class WritingChannel(BlockingChannel):
    """The part of a shared channel that writes, and ends the connection.

    Args:
        channel: a channel that has just shaken hands; its connection is taken over.
    """

    __slots__ = (
        "_flushing",
        "_line",
        "_reading",
        "_special",
        "_told",
        "_unsent",
        "_watched",
        "_writers",
        "_writing",
    )

    def __init__(self, channel: BlockingChannel) -> None:
        # Not the way of a new channel, which would find out again what is known.
        self._take_over(channel)
        self._line: Line = open_line(channel.sock)
        # Guarded by the lock, as is the session: whether somebody writes without it,
        # who waits to do so, whether somebody reads, and whether anything forbids the
        # short way of a call.
        self._writing = False
        self._writers: list[Waiter] = []
        self._reading = False
        self._special = False
        # For the one who writes: what could not be written yet, and whether a thread
        # was asked to do it.
        self._unsent: list[Buffer] = []
        self._flushing = False
        self._watched = False
        # Whether everybody was told of the end.
        self._told = False

    def _transmit(
        self, buffers: list[Buffer], deadline: float | None, waiter: Waiter
    ) -> None:
        """Write a message.

        Raises:
            CommunicationError: not all of it was written, so the server cannot act
                on it.
        """
        # Whether it is this one who writes; known at once, since an exception may be
        # raised between any two steps.
        writes = False
        turn = Waiter()
        try:
            while True:
                with self._lock:
                    if self.closed:
                        raise ConnectionClosedError("the connection is closed")
                    if not self._writing:
                        self._writing = writes = True
                        break
                    bell = turn.prepare_sleep()
                    self._writers.append(turn)
                try:
                    in_time = bell.acquire(timeout=seconds_left(deadline))
                finally:
                    with self._lock:
                        self._writers.remove(turn)
                if not in_time:
                    raise self._too_late("sending")
                turn = Waiter()
            self._write(buffers, deadline)
            waiter.sent = True
        finally:
            if writes:
                self._writing = False
            self._pass_on()
        if self._session.has_output or self._special:
            self._send_queued()

    def _pass_on(self) -> None:
        """Have the next one write, if nobody does."""
        # With the lock in any case: somebody may be just about to sleep.
        with self._lock:
            self._let_write()
        if self.closed:
            self._close_socket()

    def _let_write(self) -> None:
        """Wake the next one who is to write, if nobody does; the lock is held."""
        if not self._writing:
            for turn in self._writers:
                if turn.asleep:
                    turn.wake()
                    return

    def _write(self, buffers: list[Buffer], deadline: float | None) -> None:
        """Write a message, after what could not be written yet.

        Raises:
            CommunicationError: not all of it was written. Unless none of it was, the
                connection is closed, as what follows would be taken for its rest.
        """
        begun = False
        try:
            self._write_unsent(deadline)
            # A line may keep what it was given, and has to be given it again.
            begun = not self._line.forgets
            if len(buffers) > 1:
                sent = self._line.send_several(buffers)
            else:
                sent = self._line.send(buffers[0]) if buffers else 0
            begun = begun or sent > 0
            for buffer in buffers:
                if sent >= len(buffer):
                    sent -= len(buffer)
                    continue
                rest = memoryview(buffer).cast("B")[sent:]
                sent = 0
                while True:
                    if not rest:
                        break
                    rest = rest[self._send_some(rest, deadline) :]
                    begun = True
        except BaseException as error:
            if not begun and isinstance(error, TimeoutError):
                raise
            failure: CommunicationError = ConnectionClosedError(
                "the connection was closed, because the sender of a message gave up "
                "before all of it was written"
            )
            if isinstance(error, OSError):
                failure = self._lost(error, "sending")
            self._fail(failure)
            if isinstance(error, OSError):
                raise failure from error
            raise

    def _write_unsent(self, deadline: float | None) -> None:
        """Write what could not be written yet."""
        while self._unsent:
            rest = memoryview(self._unsent[0]).cast("B")
            rest = rest[self._send_some(rest, deadline) :]
            if rest:
                self._unsent[0] = rest
            else:
                del self._unsent[0]

    def _send_some(self, buffer: memoryview, deadline: float | None) -> int:
        """Write as much as possible, and at least something."""
        while True:
            sent = self._line.send(buffer)
            if sent:
                return sent
            wait = LOOK_SECONDS
            if deadline is not None:
                wait = min(wait, deadline - time.monotonic())
                if wait <= 0:
                    raise self._too_late("sending")
            if self._reading:
                self._line.wait_to_send(wait)
            else:
                # The server may be waiting for somebody to read what it has to say.
                self._line.wait(wait)
                self.listen()

    def _send_queued(self, *, stays: bool = False) -> None:
        """Write what the session has to say besides calls, without waiting.

        If somebody else is writing, that one writes this as well. What the server
        does not take yet is left to a thread.

        Args:
            stays: whether the caller itself sees to it that the rest is written.
        """
        session = self._session
        while True:
            writes = False
            try:
                with self._lock:
                    if self._writing:
                        return
                    self._writing = writes = True
                    self._prepare_queue()
                    queued = [*self._unsent, *session.data_to_send()]
                    self._unsent = []
                    if self.closed or not queued:
                        return
                if not self._send_now(queued):
                    self._special = True
                    if not (stays or self._flushing):
                        self._flushing = True
                        self._do_soon(self._flush)
                    return
            except OSError as error:
                self._fail(self._lost(error, "sending"))
                return
            except BaseException as error:
                # Nobody knows how much of it was written.
                self._fail(
                    ConnectionClosedError(f"the sender was interrupted ({error!r})")
                )
                raise
            finally:
                if writes:
                    self._writing = False
                    self._pass_on()
            if not session.has_output:
                return

    def _send_now(self, queued: Sequence[Buffer]) -> bool:
        """Write without waiting; keep what is not taken, and return False then."""
        for index, buffer in enumerate(queued):
            sent = self._line.send(buffer)
            if sent != len(buffer):
                rest = memoryview(buffer).cast("B")[sent:]
                self._unsent = [rest, *queued[index + 1 :]]
                return False
        return True

    def _flush(self) -> None:
        """Write what the server did not take at once, in a thread of its own."""
        self._flushing = False
        with contextlib.suppress(CommunicationError):
            self._transmit([], None, Waiter())

    def send_queued(self) -> None:
        """Write what was queued, as far as that is possible at once."""
        self._send_queued()

    def post(self, object_id: str, method: str, args: Sequence[object]) -> bool:
        """Send a oneway call if that can be done at this moment, without waiting.

        Made for finalizers; see `BlockingChannel.post`.

        Returns:
            Whether it was sent, or will be.
        """
        serializer = self.serializer
        payload = serializer.dumps_call(object_id, method, args, {})
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self.closed:
                return False
            self._session.send_request(serializer.id, payload, FLAG_ONEWAY)
        finally:
            self._lock.release()
        self._send_queued()
        return True

    def _keep_unsent(self, buffer: Buffer) -> None:
        """Keep what could not be written at once; the lock is held."""
        self._special = True
        self._unsent.append(buffer)

    def _fail(self, error: CommunicationError) -> None:
        """Close the connection, and tell everybody who waits."""
        with self._lock:
            self._end(error)
        self._hang_up()
        self._stop_callbacks()

    @abstractmethod
    def _do_soon(self, job: Callable[[], object]) -> None:
        """Have something done by another thread."""

    @abstractmethod
    def _stop_callbacks(self) -> None:
        """Stop what is done for the server here."""

    @abstractmethod
    def _prepare_queue(self) -> None:
        """Queue what is to be said besides calls; the lock is held."""

    @property
    @abstractmethod
    def eager(self) -> bool:
        """Whether the server may send something that nobody here waits for."""

    @abstractmethod
    def listen(self) -> bool:
        """Take in what has arrived while nobody waits; False if somebody reads."""

    @abstractmethod
    def beat(self, now: float) -> float:
        """Look after the signs of life; returns when to do so again."""

    def _end(self, error: CommunicationError) -> None:
        """Take note of the end of the connection; the lock is held."""
        self.closed = self._special = True
        if self._told:
            return
        self._session.end()
        self._tell_all(error)
        # Last, as this may be interrupted, and has to be done again then.
        self._told = True

    @abstractmethod
    def _tell_all(self, error: CommunicationError) -> None:
        """Tell everybody who waits why it is in vain; the lock is held."""

    def _hang_up(self) -> None:
        """Have a thread that reads or writes notice the end, and close the socket."""
        if self._watched:
            watcher().forget(self)
        # Nobody begins to use a connection that is closed, unless he has the lock.
        if self._reading or self._writing or self._lock.locked():
            # Not the way of a TLS socket, which would forget its keys in the hands of
            # another thread.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        self._close_socket()

    def _close_socket(self) -> None:
        # A descriptor that is closed may be that of another connection at once.
        if not (self._reading or self._writing):
            self.sock.close()

    def close(self) -> None:
        """End the connection; harmless if it has ended already."""
        if self.closed:
            return
        if sys.is_finalizing():
            # Threads that have locks will not run again.
            self.abandon()
            return
        error = ConnectionClosedError("the connection was closed here")
        self.closed = self._special = True
        # A finalizer may be called in a thread that holds the lock. Those who wait
        # are then told by the one who reads, when he comes to the end, or one wakes
        # the other.
        if self._lock.acquire(blocking=False):
            try:
                self._end(error)
            finally:
                self._lock.release()
            self._stop_callbacks()
        self._hang_up()

    def abandon(self) -> None:
        """Leave the connection to another process that has it too, after a fork."""
        self.closed: bool = True
        self.sock.close()

    def _lost(self, error: OSError, doing: str) -> CommunicationError:
        """Return what an error of the socket means, which never is that of a limit."""
        return ConnectionClosedError(
            f"{doing}: connection to {self.uri.location} lost: {error}"
        )

    def _too_late(self, doing: str = "receiving") -> TimeoutError:
        return TimeoutError(f"{doing}: timeout (no answer from {self.uri.location})")

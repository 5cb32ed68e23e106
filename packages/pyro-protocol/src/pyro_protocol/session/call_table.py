"""The calls of one connection that can be cancelled, or have a time limit.

Kept only where a capability needs it. The session must not be used by two threads
at the same time, so everything here happens under the lock of the connection.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from ..context import CallState
from ..errors import (
    CallCancelledError,
    RemoteProtocolError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ..wire import (
    FLAG_COMPRESSED,
    FLAG_CORRELATION,
    HEADER_SIZE,
    NO_ANNOTATIONS,
    Frame,
    MessageType,
)
from .answering import RefusedRequest
from .deadlines import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ..wire import Buffer
    from .server import ServerSession

__all__ = ["CallTable", "ServedCall"]

_INVOKE: Final = int(MessageType.INVOKE)


class ServedCall(CallState):
    """The state of a call that has not been answered yet.

    Attributes:
        message: the bytes of the request, where it took the short way.
        begun: whether the method may have been run.
        interruption: what is answered when the coroutine of the call is stopped.
        stop: stops the coroutine, from any thread; None if there is none.
    """

    __slots__ = (
        "__weakref__",
        "_frame",
        "begun",
        "interruption",
        "message",
        "stop",
    )

    message: bytes

    def __init__(self, client: Any, frame: Frame, deadline: Deadline | None) -> None:
        super().__init__(
            client,
            frame.sequence,
            frame.flags & ~FLAG_COMPRESSED,
            frame.serializer_id,
            frame.annotations,
            frame.correlation_id,
        )
        self.deadline: Deadline | None = deadline
        self._frame: Frame | None = frame
        self.begun: bool = False
        self.interruption: Exception | None = None
        self.stop: Callable[[], None] | None = None

    @property
    def frame(self) -> Frame:
        """The request; where the short way made none, an equal one each time."""
        frame = self._frame
        if frame is not None:
            return frame
        start = HEADER_SIZE + int.from_bytes(self.message[16:20], "big")
        return Frame(
            _INVOKE,
            self.serializer_id,
            self.message_flags,
            self.sequence,
            self.message[start:],
            self.annotations or NO_ANNOTATIONS,
            self.message[20:36] if self.message_flags & FLAG_CORRELATION else None,
        )

    def keep_frame(self) -> Frame:
        """Return the request, which from now on is always the same object."""
        frame = self._frame = self.frame
        return frame


class CallTable:
    """The calls that wait for their answer, by sequence number.

    Args:
        client: who makes them.
        session: the conversation.
        lock: guards the session and this table.
        clock: returns the time in seconds, as ``time.monotonic`` does.
    """

    __slots__ = ("__weakref__", "_calls", "_client", "_clock", "_lock", "_session")

    def __init__(
        self,
        client: Any,
        session: ServerSession,
        lock: AbstractContextManager[Any],
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._session = session
        self._lock = lock
        self._clock = clock
        self._calls: dict[int, ServedCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def arrived(self, frame: Frame) -> None:
        """Take note of a request that waits for its turn; the lock is held.

        From now on it can be cancelled, and its time runs.
        """
        deadline = None
        if frame.annotations and type(frame) is not RefusedRequest:
            try:
                remaining = self._session.remaining(frame)
            except RemoteProtocolError:
                # Reading the call tells of it, when it is its turn.
                remaining = None
            if remaining is not None:
                deadline = Deadline(remaining, self._clock)
        self._calls[frame.sequence] = ServedCall(self._client, frame, deadline)

    def begin(self, frame: Frame) -> ServedCall | None:
        """Return the state of a call whose turn has come.

        None if it is not to be run: it was cancelled, or its time is used up.
        """
        call = self._calls.get(frame.sequence)
        if call is None or call.frame is not frame:
            return None
        if call.deadline is not None and not call.deadline.remaining():
            with self._lock:
                if self._drop(call):
                    self._session.send_too_late(frame)
            return None
        # In this order: one that is cancelled just now is not run, or is said to go on.
        call.begun = True
        return call if self._calls.get(frame.sequence) is call else None

    def find(self, frame: object) -> ServedCall | None:
        """Return the call that a request makes, if it is not answered yet."""
        call = self._calls.get(frame.sequence) if isinstance(frame, Frame) else None
        return call if call is not None and call.frame is frame else None

    def answer(self, call: ServedCall, answer: list[Buffer]) -> bool:
        """Send an encoded answer, unless the call was answered in the meantime.

        Returns:
            Whether it was sent.
        """
        with self._lock:
            if not self._drop(call):
                return False
            self._session.send_answer(call.frame, answer)
            return True

    def attach(self, call: ServedCall, stop: Callable[[], None]) -> None:
        """Tell how the coroutine of a call is stopped."""
        with self._lock:
            if self._calls.get(call.sequence) is call:
                call.stop = stop
                return
        # It was cancelled before there was a coroutine.
        stop()

    def interrupt(self, call: ServedCall, error: Exception) -> None:
        """Stop the coroutine of a call, and have ``error`` answered."""
        with self._lock:
            if self._calls.get(call.sequence) is not call:
                return
            if call.interruption is not None:
                return
            call.interruption = error
            stop = call.stop
        if stop is not None:
            stop()

    def expire(self, call: ServedCall) -> None:
        """Stop the coroutine of a call whose time is used up."""
        self.interrupt(
            call,
            TimeoutError(
                "the time that the caller gave was used up; the call was stopped"
            ),
        )

    def expiry(self, call: ServedCall) -> Callable[[], None]:
        """Return what does the same, and keeps neither the call nor the table alive.

        Whoever has that called when the time is over need not know whether the call
        has been answered long before.
        """
        return partial(_expire, ref(self), ref(call))

    def cancel(self, sequence: int) -> None:
        """Do as the caller asks that no longer wants an answer; the lock is held.

        A coroutine is stopped, and what then becomes of it is answered. What cannot
        be stopped goes on, and its result is dropped: the caller is told at once.
        """
        call = self._calls.get(sequence)
        if call is None:
            return
        if call.stop is not None:
            if call.interruption is None:
                call.interruption = CallCancelledError(
                    "the call was cancelled by its caller, and was stopped"
                )
                call.stop()
            return
        del self._calls[sequence]
        self._session.send_exception(
            call.frame,
            CallCancelledError(
                "the call was cancelled by its caller; it cannot be stopped, so it "
                "goes on and its result is dropped"
                if call.begun
                else "the call was cancelled by its caller before it was run"
            ),
        )

    def abandon(self) -> None:
        """Forget all calls, and stop what can be: nobody waits for an answer."""
        if not self._calls:
            return
        with self._lock:
            calls, self._calls = self._calls, {}
        for call in calls.values():
            if call.stop is not None:
                call.stop()

    def _drop(self, call: ServedCall) -> bool:
        """Forget a call; whether it was still to be answered."""
        if self._calls.get(call.sequence) is not call:
            return False
        del self._calls[call.sequence]
        return True


def _expire(table: ref[CallTable], call: ref[ServedCall]) -> None:
    its_table, its_call = table(), call()
    if its_table is not None and its_call is not None:
        its_table.expire(its_call)

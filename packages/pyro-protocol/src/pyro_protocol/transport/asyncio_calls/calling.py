"""Making calls in an event loop: which are in flight, and who waits for them.

A call that is given up, since its task was cancelled or its time is used up, is
cancelled on the server where that is in force; its answer, should one come, is dropped.
"""

from __future__ import annotations

import types
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final, Protocol

from ...context import call_state, concerns_calls
from ...errors import CommunicationError, ConnectionClosedError
from ...serializers import serializers
from ...serializers.native_packing import ATOMS, NUMBERS, new_packer
from ...session.capabilities import CANCEL, MULTIPLEX
from ...wire import (
    FLAG_ONEWAY,
    FLAG_STREAM,
    JOIN_BELOW,
    NO_ANNOTATIONS,
    Annotations,
    Frame,
    Payload,
)
from ..blocking_channel import incoming, outgoing, time_limit
from .writing import MOST_COLLECTED, AsyncWriter, not_sent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator, Mapping, Sequence

    from ...config import Configuration
    from ...serializers import Serializer
    from ...session import ClientSession
    from ...uri import URI

__all__ = ["AsyncCaller", "Deferred", "Waiting"]

_NATIVE_ID: Final = serializers["native"].id

# Beyond that size, further copies take longer than the way without them.
_SMALL: Final = 16 * 1024
_STRINGS: Final = frozenset({str, bytes})

Arguments = tuple["Sequence[Any]", "Mapping[str, Any] | None"]


class Waiting(Protocol):
    """What gets the answer to a call at once, where a future would tell it later.

    Its methods must not raise.
    """

    def done(self) -> bool:
        """Whether the answer is not wanted any longer."""

    def set_result(self, frame: Frame, /) -> None:
        """Take the answer."""

    def set_exception(self, error: CommunicationError, /) -> None:
        """Take the reason why there is none."""


class Deferred(Waiting, Protocol):
    """The same, for a call that is sent a little later."""

    def go_on_alone(self) -> None:
        """Be made some other way, as there is no room, or no connection."""


class AsyncCaller(AsyncWriter):
    """The part of a connection that makes calls.

    Attributes:
        object_id: the object that calls are for unless they say otherwise.
        usable: whether calls can be made on it.
        retired: whether it is to end as soon as nobody waits for an answer.
        begun: calls that `send_begun` is to send, and their `small_payload`. Whoever
            puts the first there has that called when the event loop has its next turn.
    """

    def __init__(self, uri: URI, session: ClientSession) -> None:
        super().__init__(uri, session)
        self.object_id: str = uri.object_id
        self.usable: bool = True
        self.retired: bool = False
        # What writes a small call in the native format, where that is all there is to
        # do. It is not shared, so that a converter cannot come upon it in use.
        self._pack: Callable[[object], bytes] | None = None
        self.begun: list[tuple[Deferred, bytes]] = []

    @property
    def multiplexed(self) -> bool:
        """Whether answers come in any order."""
        return MULTIPLEX in self._session.capabilities

    def begin_calls(self, config: Configuration) -> None:
        """Begin to make calls as was agreed in the handshake."""
        if self.multiplexed and self.native and not config.COMPRESSION:
            self._pack = new_packer().pack

    def quick_call(
        self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> asyncio.Future[Frame] | None:
        """Send a small call of plain values, and return what its answer is set to.

        Where anything is unusual, None is returned and nothing has happened: use
        `request`. Whoever no longer waits has to call `gave_up`.
        """
        payload = self.small_payload(method, args, kwargs)
        if payload is None:
            return None
        sequence = self._session.quick_request(payload)
        if sequence is None:
            return None
        waiting: asyncio.Future[Frame] = self.loop.create_future()
        self._waiting[sequence] = waiting
        self._unwritten += 1
        if len(self._waiting) == 1:
            # The usual case: it is alone.
            self._flush()
        elif self._flush_is_due and self._collected < MOST_COLLECTED:
            self._collected += 1
        else:
            self._written()
        return waiting

    def send_begun(self) -> None:
        """Send the calls that were begun in the last turn of the event loop."""
        begun, self.begun = self.begun, []
        # Some may have been given up already.
        begun = [one for one in begun if not one[0].done()]
        sequences: list[int] = []
        if self.usable and self._is_writable and not (self._queue or self._admitted):
            payloads = [payload for _, payload in begun]
            sequences = self._session.quick_requests(payloads)
        calls: Any = [call for call, _ in begun]
        self._waiting.update(zip(sequences, calls, strict=False))
        self._flush()
        for call in calls[len(sequences) :]:
            call.go_on_alone()

    def small_payload(
        self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> bytes | None:
        """Return a small call of plain values as it is written.

        None where anything is unusual, or others wait for their turn.
        """
        pack = self._pack
        if (
            pack is None
            or self._queue
            or self._admitted
            or not self._is_writable
            or self.serializer.id != _NATIVE_ID
            or ((state := call_state.get()) is not None and concerns_calls(state))
        ):
            return None
        if kwargs or not NUMBERS.issuperset(map(type, args)):
            for argument in (*args, *kwargs.values()):
                kind = type(argument)
                if kind not in ATOMS and kind is not bytes:
                    return None
                if kind in _STRINGS and len(argument) > _SMALL:
                    return None
        try:
            payload = pack([self.object_id, method, [*args], kwargs])
        except Exception:  # noqa: BLE001 - raised again where it is explained
            self._pack = new_packer().pack
            return None
        return payload if len(payload) < JOIN_BELOW else None

    def quick_request(self, payload: bytes) -> asyncio.Future[Frame] | None:
        """Send a small call that is written already; see `quick_call`.

        The context may have a correlation id.

        Args:
            payload: the call in the native format.
        """
        state = call_state.get()
        if state is not None and (
            state.own_annotations
            or state.deadline is not None
            or state.time_limit is not None
        ):
            return None
        waiting: asyncio.Future[Frame] = self.loop.create_future()
        correlation_id = None if state is None else state.correlation
        sent = self.quick_send(payload, correlation_id, waiting)
        return waiting if sent else None

    def quick_send(
        self,
        payload: bytes,
        correlation_id: bytes | None,
        waiting: asyncio.Future[Frame] | Waiting,
    ) -> bool:
        """Send a small call that is written already, if that can be done at once.

        What comes with the context is not sent along.

        Args:
            payload: the call in the native format.
            correlation_id: 16 bytes, or None.
            waiting: what gets the answer, or the reason why there is none.

        Returns:
            Whether it was sent; otherwise nothing has happened.
        """
        if (
            self._pack is None
            or self._queue
            or self._admitted
            or not self._is_writable
            or len(payload) >= JOIN_BELOW
        ):
            return False
        sequence = self._session.quick_request(payload, correlation_id)
        if sequence is None:
            return False
        self._waiting[sequence] = waiting  # type: ignore[assignment] # as much of a future as is needed
        self._unwritten += 1
        self._written()
        return True

    def forget(self, waiting: Waiting) -> None:
        """Have the server stop a call whose answer is not wanted any longer."""
        for sequence, one in self._waiting.items():
            if one is waiting:
                self._forget(sequence)
                return

    @abstractmethod
    def _send(
        self,
        serializer: Serializer,
        object_id: str,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> int:
        """Queue a call and return its sequence number."""

    @abstractmethod
    def _end_stream_of(self, frame: Frame) -> None:
        """End the stream that an answer has started, as nobody wants it."""

    @abstractmethod
    def _close_if_idle(self) -> None:
        """End the connection if it is retired, and nobody needs it any more."""

    @types.coroutine
    def request(  # noqa: PLR0912 - the hot path, in one frame
        self,
        object_id: str,
        method: str,
        content: Arguments | Payload,
        flags: int,
        serializer: Serializer,
        timeout: float | None = None,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> Generator[Any, Any, Frame | None]:
        """Send a request and return its answer; None at once for a oneway request.

        Args:
            object_id: the object.
            method: the name of the method.
            content: arguments and keyword arguments; or all, serialized already.
            flags: flags of the message.
            serializer: what it is, or was, written with.
            timeout: how many seconds it may take; None means no bound.
            annotations: data to send along, besides that of the context.

        Raises:
            CommunicationError: the connection failed, or the time was used up.
            SerializeError: the arguments cannot be encoded; nothing was sent.
        """
        state = call_state.get()
        correlation_id = None
        if state is not None:
            timeout = time_limit(timeout)
            own, correlation_id = outgoing()
            annotations = {**own, **annotations} if annotations else own
        began = 0.0
        if timeout is not None:
            began = self.loop.time()
        if self._queue or not self._may_send(flags):
            yield from self._wait_for_turn(object_id, method, timeout).__await__()
        session = self._session
        if timeout is not None:
            left = began + timeout - self.loop.time()
            if left <= 0:
                raise self._too_late(object_id, method, timeout, sent=False)
            annotations = session.with_deadline(annotations, left)
        if self.closed:
            raise not_sent(ConnectionClosedError("the connection is closed"))
        try:
            if isinstance(content, tuple):
                sequence = self._send(
                    serializer, object_id, method, *content,
                    flags, annotations, correlation_id,
                )  # fmt: skip
            else:
                sequence = session.send_request(
                    serializer.id,
                    content,
                    flags,
                    annotations,
                    correlation_id,
                )
        except BaseException as error:
            if isinstance(error, CommunicationError):
                error.outcome = "not_sent"
            self._next_turns()
            raise
        if flags & FLAG_ONEWAY:
            self._written()
            return None
        waiting: asyncio.Future[Frame] = self.loop.create_future()
        self._waiting[sequence] = waiting
        self._unwritten += 1
        self._written()
        timer = None
        if timeout is not None:
            timer = self.loop.call_at(
                began + timeout, self._expire, sequence, object_id, method, timeout
            )
        try:
            frame = yield from waiting
        except BaseException:
            self.gave_up(waiting)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if state is not None or frame.annotations:
            incoming(frame.annotations)
        return frame

    async def exchange(
        self,
        serializer_id: int,
        payload: Payload,
        flags: int = 0,
        extra_annotations: Annotations = NO_ANNOTATIONS,
    ) -> Frame | None:
        """Send a request that is serialized already; see `AsyncChannel.exchange`."""
        serializer = self._session.serializers[serializer_id]
        return await self.request(
            self.object_id, "?", payload, flags, serializer, None, extra_annotations
        )

    def _expire(
        self, sequence: int, object_id: str, method: str, timeout: float
    ) -> None:
        """Give up a call whose time is used up."""
        waiting = self._waiting.get(sequence)
        if waiting is not None and not waiting.done():
            self._forget(sequence)
            waiting.set_exception(self._too_late(object_id, method, timeout, sent=True))

    def gave_up(self, waiting: asyncio.Future[Frame]) -> None:
        """Clean up after a call that is not waited for any longer."""
        for sequence, one in self._waiting.items():
            if one is waiting:
                self._forget(sequence)
                return
        if waiting.done() and not waiting.cancelled() and not waiting.exception():
            self._drop(waiting.result())

    def _forget(self, sequence: int) -> None:
        """Have the server stop a call, whose answer will be dropped."""
        del self._waiting[sequence]
        if self._unwritten:
            # It may be one of those; then the others look as if they were sent.
            self._unwritten -= 1
        if self.closed:
            return
        if CANCEL in self._session.capabilities:
            self._session.send_cancel(sequence)
            self._written()
        if not self.multiplexed:
            # Whatever is sent from now on would have to wait for that call.
            self.retire()

    def _drop(self, frame: Frame) -> None:
        """Drop an answer that nobody waits for, and end the stream that it started."""
        if frame.flags & FLAG_STREAM and not self.closed:
            self._end_stream_of(frame)

    def retire(self) -> None:
        """Make no more calls; the connection ends when those in flight are done."""
        self.retired = True
        self.usable = False
        self._close_if_idle()

    def _fail(self, error: CommunicationError) -> None:
        self.usable = False
        waiting = list(self._waiting.values())
        for one in waiting[len(waiting) - self._unwritten :]:
            if not one.done():
                one.set_exception(not_sent(error))
        self._unwritten = 0
        super()._fail(error)

"""Streams in both directions, and callbacks, on a shared connection."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import (
    CommunicationError,
    RemoteProtocolError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session.capabilities import (
    CALLBACKS,
    CHUNKS,
    HEARTBEAT,
)
from pyro_protocol.session.signals import (
    CallCancelled,
    StreamClosed,
    StreamCredited,
    StreamEnded,
    StreamItems,
    StreamWants,
)
from pyro_protocol.transport.blocking_channel import (
    BlockingChannel,
    time_limit,
)
from pyro_protocol.wire import (
    FLAG_ONEWAY,
    Frame,
    MessageType,
)

from ..outgoing import Items, OutgoingReferences
from .reading import ReadingChannel, again
from .received import ReceivedStream
from .short_exchanges import fetch_shortly
from .waiting import Waiter
from .watcher import watcher

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.wire import Payload

    from ..offered import OfferedObjects
    from .producing import Producers
    from .serving import CallbackServer

__all__ = ["StreamingChannel"]

_NATIVE: Final = serializers["native"]
_NATIVE_ID: Final = _NATIVE.id
_INVOKE: Final = int(MessageType.INVOKE)


class StreamingChannel(ReadingChannel):
    """The part of a shared channel that has streams in both directions, and callbacks.

    Args:
        channel: a channel that has just shaken hands; its connection is taken over.
        config: the settings.
        read_ahead: how many items of a stream may wait here.

    Attributes:
        left_behind: whether streams or callbacks were lost with the connection.
    """

    __slots__ = (
        "_abandoned",
        "_callbacks",
        "_offered",
        "_offering_lock",
        "_producers",
        "_streams",
        "left_behind",
        "read_ahead",
    )

    def __init__(
        self, channel: BlockingChannel, config: Configuration, read_ahead: int
    ) -> None:
        super().__init__(channel, config)
        self.read_ahead: int = read_ahead
        self.left_behind: bool = False
        self._streams: dict[int, ReceivedStream] = {}
        # Streams that finalizers could not close.
        self._abandoned: list[int] = []
        self._offered: OfferedObjects | None = None
        self._offering_lock = threading.Lock()
        self._callbacks: CallbackServer | None = None
        self._producers: Producers | None = None

    def _tell_all(self, error: CommunicationError) -> None:
        if not (
            self._waiters
            or self._places
            or self._streams
            or self._producers
            or self._offered
        ):
            # As at the end of most connections.
            return
        super()._tell_all(error)
        self.left_behind = bool(self._offered)
        for stream in self._streams.values():
            if stream.end is None:
                self.left_behind = True
                stream.error = error
                stream.wake()
        self._streams.clear()
        if self._producers is not None:
            self._producers.close_all()
        if self._offered is not None:
            self._offered.clear()

    def _stop_callbacks(self) -> None:
        if self._callbacks is not None:
            self._callbacks.handler.abandon()

    def _prepare_queue(self) -> None:
        while self._abandoned:
            number = self._abandoned.pop()
            self._streams.pop(number, None)
            self._session.close_stream(number)

    def _sleepers(self) -> list[Waiter]:
        waiters = [stream.waiter for stream in self._streams.values()]
        return [one for one in waiters if one is not None]

    @property
    def eager(self) -> bool:
        """Whether the server may send something that nobody here waits for."""
        return bool(self._offered) or bool(self._producers)

    def _hand_out(self) -> None:
        """Give everybody what has come for him; the lock is held."""
        session = self._session
        for signal in session.signals_received():
            self._act_on(signal)
        for event in session.events_received():
            if not isinstance(event, Frame):
                continue
            if event.kind == _INVOKE:
                self._called_back(event)
                continue
            waiter = self._waiters.get(event.sequence)
            number = session.stream_number(event)
            if number is not None:
                if waiter is None:
                    session.close_stream(number)
                else:
                    self._begin_stream(number, event)
            if waiter is not None:
                # In this order: only who is in there is told after an interruption.
                waiter.finish(event)
                self._waiters.pop(event.sequence, None)
        if session.missing:
            # The rest of a message is no answer by itself.
            self._special = True
        self._let_in()

    def _act_on(self, signal: object) -> None:
        kind = type(signal)
        if kind is StreamItems or kind is StreamEnded or kind is StreamWants:
            stream = self._streams.get(signal.number)  # type: ignore[attr-defined] # all have one
            if stream is None:
                return
            if isinstance(signal, StreamItems):
                stream.add(signal.items)
            elif isinstance(signal, StreamEnded):
                # It stays, as its consumer may not have begun.
                stream.end = signal
                stream.wake()
            elif isinstance(signal, StreamWants):
                self._session.grant(signal.number, *stream.plan.wanted(signal.missing))
        elif isinstance(signal, CallCancelled):
            if self._callbacks is not None:
                calls = self._callbacks.handler.calls
                if calls is not None:
                    calls.cancel(signal.sequence)
        elif self._producers is not None:
            if isinstance(signal, StreamCredited):
                self._producers.credited(signal.number)
            elif isinstance(signal, StreamClosed):
                self._producers.closed(signal.number)

    def _called_back(self, frame: Frame) -> None:
        """Have a callback carried out; the lock is held."""
        if self._callbacks is None:
            from .serving import (  # noqa: PLC0415 - most programs do without
                ONEWAY_QUEUES,
                CallbackHandler,
                CallbackServer,
            )

            # Also where nothing was offered: that is told as an answer.
            handler = CallbackHandler(
                self._session,
                self._offering(),
                self.uri.location,
                self._lock,
                self._config,
            )
            from ..workers import workers  # noqa: PLC0415 - as above

            submit = workers(self._config.THREADPOOL_SIZE).submit
            self._callbacks = CallbackServer(
                handler,
                ONEWAY_QUEUES * self._config.MAX_ONEWAY_QUEUE,
                submit,
                self.send_queued,
            )
        self._callbacks.arrived(frame)

    def _offering(self) -> OfferedObjects:
        """Return what is offered to the server."""
        offered = self._offered
        if offered is None:
            from ..offered import OfferedObjects  # noqa: PLC0415 - most do without

            # In one step: two threads may be the first at the same time.
            self._special = True
            with self._offering_lock:
                offered = self._offered = self._offered or OfferedObjects()
        return offered

    def _references(
        self, serializer: Serializer, flags: int
    ) -> OutgoingReferences | None:
        """Return what encodes callbacks and streams for a call, where that can be."""
        names = self._session.capabilities
        if serializer.id != _NATIVE_ID or not (CALLBACKS in names or CHUNKS in names):
            return None
        streams = CHUNKS in names and not flags & FLAG_ONEWAY
        return OutgoingReferences(
            self._offering,
            self._open_argument if streams else None,
            callbacks=CALLBACKS in names,
        )

    def _open_argument(self, items: Items) -> int:
        with self._lock:
            self._special = True
            if self._producers is None:
                from ..workers import workers  # noqa: PLC0415 - most do without
                from .producing import Producers  # noqa: PLC0415 - most do without

                submit = workers(self._config.THREADPOOL_SIZE).submit
                self._producers = Producers(self, submit)
            number = self._session.open_stream(self._session.limited(_NATIVE))
            self._producers.add(number, items)
            return number

    def _take_back(self, references: OutgoingReferences) -> None:
        """Take note that a call with callbacks or streams was not sent."""
        references.take_back()
        with self._lock:
            for number in references.streams:
                self._session.discard_stream(number)
            if self._producers is not None:
                for number in references.streams:
                    self._producers.forget(number)

    def _begin_stream(self, number: int, frame: Frame) -> None:
        serializer = self._session.serializers.get(frame.serializer_id)
        if serializer is None:
            raise RemoteProtocolError(
                f"the server sent a stream in an unknown serializer "
                f"({frame.serializer_id})"
            )
        stream = ReceivedStream(number, serializer, self.read_ahead)
        self._streams[number] = stream
        self._session.grant(number, *stream.plan.begin())

    def _drop_answer(self, waiter: Waiter) -> None:
        frame = waiter.frame
        number = None if frame is None else self._session.stream_number(frame)
        if number is not None:
            self._streams.pop(number, None)
            self._session.close_stream(number)

    def drop_stream(self, frame: Frame) -> None:
        """Close the stream that an answer has started, as nobody will read it."""
        number = self._session.stream_number(frame)
        if number is not None:
            self.close_stream(number)

    def wait_for_items(self, stream: ReceivedStream) -> deque[Payload]:
        """Return items of a stream that have arrived, when there are some.

        An empty result means that the stream has ended, or was closed here.

        Raises:
            CommunicationError: the connection was lost, or that took too long.
        """
        limit = time_limit(self.timeout)
        deadline = None if limit is None else time.monotonic() + limit
        if stream.request is not None:
            if self._special:
                with self._lock:
                    self._special = self._is_special
            item = fetch_shortly(self, stream, limit)
            if item is not None:
                return deque((item,))
        while True:
            with self._lock:
                items = stream.take()
                if items or stream.closed:
                    break
                if stream.end is not None:
                    self._streams.pop(stream.number, None)
                    break
                if stream.error is not None:
                    raise again(stream.error)
                if not stream.asked:
                    stream.asked = True
                    self._session.grant(stream.number, *stream.plan.demanded())
                waiter = stream.waiter = Waiter()
            try:
                self._wait_for(waiter, deadline)
            finally:
                with self._lock:
                    stream.waiter = None
                    # It may have been this one's turn to read.
                    self._promote()
        return items

    def consumed(self, stream: ReceivedStream, size: int, items: int) -> None:
        """Take note that the program has used items of a stream."""
        with self._lock:
            granted = stream.plan.consumed(size, items)
            if any(granted):
                self._session.grant(stream.number, *granted)
        if self._session.has_output:
            self._send_queued()

    def close_stream(self, number: int) -> None:
        """Have the server end a stream, whose items nobody wants."""
        with self._lock:
            stream = self._streams.pop(number, None)
            waits = stream is not None and stream.waiter is not None
            if stream is not None:
                stream.closed = True
                stream.wake()
            if not self.closed:
                self._session.close_stream(number)
                if waits and HEARTBEAT in self._session.capabilities:
                    # The answer has the one look up who reads, and may be the one.
                    self._session.send_ping()
        self._send_queued()

    def abandon_stream(self, number: int) -> None:
        """Do the same from a finalizer, now or with the next call."""
        if sys.is_finalizing():
            return
        if not self._lock.acquire(blocking=False):
            self._special = True
            self._abandoned.append(number)
            self._watched = True
            watcher().listen_now(self)
            return
        try:
            self._streams.pop(number, None)
            if self.closed:
                return
            self._session.close_stream(number)
        finally:
            self._lock.release()
        self._send_queued()

    def can_produce(self, number: int) -> bool:
        """Whether the next item of a stream is wanted now; see `ItemSender`."""
        with self._lock:
            return not self.closed and self._session.can_produce(number)

    def send_item(self, number: int, value: object) -> bool:
        """Queue an item of a stream; False if it was closed; see `ItemSender`."""
        session = self._session
        # Encoding may run code of the program, which may use the connection.
        item = session.encode_item(session.limited(_NATIVE), value)
        with self._lock:
            return not self.closed and session.send_encoded_item(number, item)

    def finish_stream(
        self, number: int, value: object = None, error: Exception | None = None
    ) -> None:
        """End a stream that is sent; see `ItemSender`."""
        session, serializer = self._session, self._session.limited(_NATIVE)
        payload: Payload | None = None
        if error is None:
            try:
                payload = session.encode_item(serializer, value)
            except Exception as failure:  # noqa: BLE001 - raised where it is consumed
                error = failure
        if error is not None:
            payload = session.encode_failure(serializer, error)
        with self._lock:
            if not self.closed:
                session.end_encoded(number, payload, failed=error is not None)

"""A connection in an event loop: calls in flight, and streams of items."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import weakref
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ...config import Configuration, config
from ...errors import CommunicationError, ConnectionClosedError, ProtocolError
from ...session import StreamEnded, StreamItems, StreamWants
from ...session.capabilities import (
    CANCEL,
    CHUNKS,
    DEADLINE,
    HEARTBEAT,
    MULTIPLEX,
    NATIVE,
)
from ...wire import FLAG_ONEWAY, Annotations, Frame, MessageType
from .calling import AsyncCaller
from .chunks import ChunkedItems
from .heartbeat import AsyncHeartbeat

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from typing import Self

    from ...serializers import Serializer
    from ...session import ClientSession
    from ...uri import URI
    from ...wire import Payload

__all__ = ["AsyncCallingChannel"]

_RESULT: Final = int(MessageType.RESULT)
_RECEIVE_SIZE: Final = 64 * 1024
_DAEMON_NAME: Final = "Pyro.Daemon"
# So long the end of a connection waits for what was written before.
_CLOSING_SECONDS: Final = 2.0
# What is told of streams whose items come here.
_OF_CONSUMED: Final = frozenset({StreamItems, StreamEnded, StreamWants})


class AsyncCallingChannel(AsyncCaller):
    """One connection to a server, with all that was agreed on.

    A subclass may let the server call it, and send streams: it names what it offers in
    `offered`, sends with `_send`, and is told what arrives by `called` and `signalled`.

    Attributes:
        offered: the capabilities that are offered to the server.
        loads: reads a value of an answer, or of a stream, given its serializer.
        left_behind: whether streams were lost when the connection ended.
    """

    offered: ClassVar[frozenset[str]] = frozenset(
        {NATIVE, MULTIPLEX, CHUNKS, CANCEL, DEADLINE, HEARTBEAT}
    )

    def __init__(self, uri: URI, session: ClientSession) -> None:
        super().__init__(uri, session)
        self.loads: Callable[[Serializer, Payload], Any] = _loads
        self.left_behind: bool = False
        # Always the same: what arrives is taken out before more is received.
        self._space = memoryview(bytearray(_RECEIVE_SIZE))
        self._read_ahead = 0
        self._heartbeat: AsyncHeartbeat | None = None
        self._consumed: dict[int, ChunkedItems] = {}
        self._at_the_end: AsyncGenerator[None, None] | None = None

    @classmethod
    async def open(
        cls,
        uri: URI,
        *,
        handshake: object = "hello",
        serializer: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - of the connection, too
        sequence: int = 0,
        config: Configuration = config,
    ) -> Self:
        """Connect with all that this class can do; see `AsyncChannel.connect`."""
        channel = await cls.connect(
            uri,
            handshake=handshake,
            serializer=serializer,
            timeout=timeout,
            capabilities=cls.offered,
            sequence=sequence,
            config=config,
        )
        channel.begin(config)
        return channel

    def begin(self, config: Configuration) -> None:
        """Begin as was agreed in the handshake."""
        names = self._session.capabilities
        if HEARTBEAT in names and config.HEARTBEAT_INTERVAL:
            self._heartbeat = AsyncHeartbeat(
                config.HEARTBEAT_INTERVAL,
                config.HEARTBEAT_TIMEOUT,
                ping=self._ping,
                dead=self._died,
            )
        self.begin_calls(config)
        self._read_ahead = config.STREAM_READ_AHEAD
        # The event loop closes what it has been told of before it ends.
        self._at_the_end = _close_at_the_end(weakref.ref(self))
        with contextlib.suppress(StopIteration):
            self._at_the_end.__anext__().send(None)

    @property
    def capabilities(self) -> frozenset[str]:
        """What is in force beyond Pyro5's protocol."""
        return self._session.capabilities

    @property
    def sequence(self) -> int:
        """The sequence number last used."""
        return self._session.sequence

    @property
    def calls_in_flight(self) -> int:
        """How many calls are waited for."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether no call is waited for, and no stream consumed."""
        return not (self._waiting or self._queue or self._consumed)

    def items_of(
        self,
        frame: Frame,
        serializer: Serializer | None = None,
        read_ahead: int | None = None,
    ) -> ChunkedItems | None:
        """Return the items of the stream that an answer has started.

        None is for what is no stream, and for one whose items are to be asked for.

        Args:
            frame: the answer.
            serializer: what reads the items; None for that of the answer.
            read_ahead: how many items the producer may be ahead at most, and no more
                than is configured; 0 for none.
        """
        number = self._session.stream_number(frame)
        if number is None:
            return None
        if serializer is None:
            serializer = self._session.serializers[frame.serializer_id]
        ahead = self._read_ahead
        if read_ahead is not None:
            ahead = min(ahead, read_ahead)
        items = ChunkedItems(self, self._session, number, serializer, ahead)
        if self.closed:
            # It has ended since the answer came.
            items.fail(ConnectionClosedError("the connection is closed"))
            return items
        self._consumed[number] = items
        items.begin()
        return items

    def stream_ended(self, number: int) -> None:
        """Take note that a stream is not consumed any more."""
        self._consumed.pop(number, None)
        self._close_if_idle()

    def called(self, frame: Frame) -> None:
        """Carry out what the server calls, where it may call anything."""

    def signalled(self, signal: Any) -> None:
        """Act on what the server tells of anything but the streams from there."""

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
        return self._session.send_call(
            serializer, object_id, method, args, kwargs,
            flags, annotations, correlation_id,
        )  # fmt: skip

    def _end_stream_of(self, frame: Frame) -> None:
        number = self._session.stream_number(frame)
        if number is not None:
            self._session.close_stream(number)
            self.flush_soon()
            return
        with contextlib.suppress(Exception):
            self._tell("close_stream", self.read(frame, frame.serializer_id).stream_id)

    def _close_if_idle(self) -> None:
        if self.retired and not self._waiting and not self._consumed:
            self.loop.call_soon(self.close)

    def _tell(self, method: str, argument: Any) -> None:
        """Have the daemon do something, without waiting."""
        if self.closed:
            return
        self._session.send_call(
            self.serializer, _DAEMON_NAME, method, (argument,), {}, FLAG_ONEWAY
        )
        self._written()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to; called by the event loop."""
        del sizehint
        # Not by way of `space`, which would be two calls more.
        body = self._session._decoder._body  # noqa: SLF001
        if body is not None:
            self._piece = None
            return body.space
        self._piece = self._space
        return self._space

    def buffer_updated(self, nbytes: int) -> None:
        """Take in bytes; called by the event loop."""
        heartbeat = self._heartbeat
        if heartbeat is not None:
            heartbeat.heard = heartbeat.time()
        session = self._session
        piece, self._piece = self._piece, None
        try:
            if piece is None:
                session.receive_written(nbytes)
            else:
                data = bytes(piece[:nbytes])
                frame = session.only_reply(data)
                if frame is not None:
                    # The usual case: one whole answer.
                    waiting = self._waiting.pop(frame.sequence, None)
                    if waiting is None or waiting.done():
                        self._drop(frame)
                    else:
                        waiting.set_result(frame)
                    if self._queue:
                        self._next_turns()
                    if self.retired:
                        self._close_if_idle()
                    return
                session.receive_data(data)
            self.session_received()
        except ProtocolError as error:
            self._break(error)

    def session_received(self) -> None:
        """Hand out what has arrived."""
        session = self._session
        for signal in session.signals_received():
            self._act_on(signal)
        events: list[Any] = session.events_received()
        for event in events:
            if type(event) is not Frame:
                self.handshake_answered(event)
            elif event.kind == _RESULT:
                waiting = self._waiting.pop(event.sequence, None)
                if waiting is None or waiting.done():
                    self._drop(event)
                else:
                    waiting.set_result(event)
            else:
                self.called(event)
        if self._queue:
            self._next_turns()
        self._flush()
        if self.retired:
            self._close_if_idle()

    def _act_on(self, signal: Any) -> None:
        if type(signal) not in _OF_CONSUMED:
            self.signalled(signal)
            return
        items = self._consumed.get(signal.number)
        if items is not None:
            items.act_on(signal)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection; called by the event loop."""
        super().connection_made(transport)
        if self.closed:
            # It was given up while it was being made.
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take notice that the connection has ended; called by the event loop."""
        super().connection_lost(exc)
        at_the_end, self._at_the_end = self._at_the_end, None
        if at_the_end is not None:
            with contextlib.suppress(StopIteration, RuntimeError):
                at_the_end.aclose().send(None)

    def close(self) -> None:
        """End the connection without waiting for that; harmless if it has ended."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            if not self.closed:
                self._flush()
            transport.close()
            if transport.get_write_buffer_size():
                self.loop.call_later(_CLOSING_SECONDS, transport.abort)
        self._fail(ConnectionClosedError("the connection was closed here"))

    async def aclose(self) -> None:
        """End the connection and wait until it has ended."""
        self.close()
        transport = self._transport
        if transport is None:
            return
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._ended.wait()
        except builtins.TimeoutError:
            # The server does not take part in the end of TLS, or reads nothing.
            transport.abort()
            await self._ended.wait()

    def _fail(self, error: CommunicationError) -> None:
        consumed, self._consumed = self._consumed, {}
        if consumed:
            self.left_behind = True
        super()._fail(error)
        if self._heartbeat is not None:
            self._heartbeat.stop()
        for items in consumed.values():
            items.fail(error)

    def _ping(self) -> None:
        self._session.send_ping()
        self._flush()

    def _died(self, seconds: float) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._fail(
            ConnectionClosedError(
                f"{self.uri.location} has given no sign of life for {seconds:.3g} "
                "seconds; the connection was closed (see HEARTBEAT_TIMEOUT)"
            )
        )


def _loads(serializer: Serializer, payload: Payload) -> Any:
    return serializer.loads(payload)


async def _close_at_the_end(
    channel: weakref.ref[AsyncCallingChannel],
) -> AsyncGenerator[None, None]:
    """Close a connection when its event loop shuts its async generators down.

    That is the only thing that an event loop does for what it serves before it ends.
    """
    try:
        yield
    finally:
        found = channel()
        if found is not None:
            await found.aclose()

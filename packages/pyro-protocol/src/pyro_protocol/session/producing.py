"""The streams whose items this side sends, as far as the consumer grants it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from ..errors import (
    LocalProtocolError,
    MessageTooLargeError,
    PyroError,
    RemoteProtocolError,
)
from ..wire import FLAG_EXCEPTION, Frame, MessageType, Payload, SplitPayload
from .capabilities import CHUNKS
from .credit import Credit
from .endpoint import Endpoint
from .failures import exception_payloads
from .signals import StreamClosed, StreamCredited
from .stream_frames import (
    item_size,
    pack_end,
    pack_items,
    pack_want,
    unpack_credit,
    unpack_number,
)

if TYPE_CHECKING:
    from ..serializers import Serializer
    from ..wire import Buffer

__all__ = ["CHUNK_SIZE", "MAX_QUEUED", "ProducedStream", "StreamProducer"]

CHUNK_SIZE: Final = 256 * 1024
"""Bytes of items from which on no other joins them in one message, so that what is
sent on the same connection does not wait for long. A larger item travels alone."""

MAX_QUEUED: Final = 1024 * 1024
"""Bytes of items of one stream that wait here, from which on no other is asked for:
they only wait because the connection is slower than the producer."""

_ITEMS: Final = int(MessageType.ITEMS)
_END: Final = int(MessageType.END)
_WANT: Final = int(MessageType.WANT)
_LAST_NUMBER: Final = 0xFFFF_FFFF
# What a message has besides its one item: the number, the annotation that tells of
# buffers, and its entry for each. Compressing may add some bytes, too.
_OVERHEAD: Final = 12
_BUFFER_OVERHEAD: Final = 5
_INFLATED_MARGIN: Final = 1024


class ProducedStream(Credit):
    """A stream whose items are sent from here.

    Attributes:
        number: its number.
        serializer: what its items are written with.
        queue: the items that are not sent yet.
        queued: how many bytes of credit they need.
        end: flags and payload of the END to be sent after them, if there is one.
        known: whether the consumer has shown that it knows the stream.
        closed: whether the consumer wants no more of it.
        wanted: whether it was told that the first item does not fit.
    """

    __slots__ = (
        "closed",
        "end",
        "known",
        "number",
        "queue",
        "queued",
        "serializer",
        "wanted",
    )

    def __init__(self, number: int, serializer: Serializer) -> None:
        super().__init__()
        self.number: int = number
        self.serializer: Serializer = serializer
        self.queue: deque[Payload] = deque()
        self.queued: int = 0
        self.end: tuple[int, Payload] | None = None
        self.known: bool = False
        self.closed: bool = False
        self.wanted: bool = False

    @property
    def has_room(self) -> bool:
        """Whether another item may be produced."""
        return (
            self.end is None
            and not self.closed
            and self.queued < MAX_QUEUED
            and (self.items is None or len(self.queue) < self.items)
            and (self.size is None or self.queued < self.size)
        )

    def take_chunk(self, most: int) -> list[Payload]:
        """Take the items for the next message out of the queue, as credit allows.

        Args:
            most: bytes of items from which on no other joins them.
        """
        chunk: list[Payload] = []
        total = 0
        while self.queue and self.items != 0:
            item = self.queue[0]
            size = item_size(item)
            alone = isinstance(item, SplitPayload) or total + size > most
            if (self.size is not None and size > self.size) or (chunk and alone):
                break
            self.queue.popleft()
            self.queued -= size
            self.wanted = False
            self.spend(1, size)
            chunk.append(item)
            total += size
            if alone:
                break
        return chunk


class StreamProducer(Endpoint):
    """The part of a session that sends streams."""

    __slots__ = ()

    def open_stream(self, serializer: Serializer) -> int:
        """Begin a stream and return its number, to be told to the consumer.

        Tell it as a `StreamStarted` given to `send_result`, or as a `StreamState`
        among the arguments of a call (see `attach_streams`). If that fails, take it
        back with `discard_stream`. Nothing is sent before the consumer has granted
        something.

        Args:
            serializer: that of the call; the items are written with it, too.

        Raises:
            LocalProtocolError: ``chunks`` is not in force.
            PyroError: there are as many streams open as there may be.
        """
        self._require(CHUNKS, "send a stream in chunks")
        most = min(self._settings.max_streams, self.agreement.streams)
        if len(self._produced) >= most:
            raise PyroError(
                f"too many open streams on this connection (max={most}, see "
                "MAX_STREAMS); close some first"
            )
        if self._last_stream == _LAST_NUMBER:
            raise PyroError("this connection has no numbers for streams left")
        number = self._last_stream = self._last_stream + 1
        self._produced[number] = ProducedStream(number, serializer)
        return number

    def discard_stream(self, number: int) -> None:
        """Take back a stream that the consumer was not told of."""
        if number in self._produced:
            del self._produced[number]
            self._ready.pop(number, None)

    def can_produce(self, number: int) -> bool:
        """Whether the generator of a stream may be asked for its next item.

        False for want of credit (`StreamCredited` tells when to look again), while
        enough items wait to be written, and for a stream that is closed or at its
        end.
        """
        stream = self._produced.get(number)
        return stream is not None and stream.has_room

    def send_item(self, number: int, value: object) -> bool:
        """Queue an item; it leaves with the next `data_to_send`, if credit covers it.

        The generator may change it afterwards: what is sent is what it is now.

        Returns:
            False if the consumer has closed the stream: end the generator.

        Raises:
            LocalProtocolError: `can_produce` is false for another reason.
            SerializeError: the item cannot be encoded; see `fail_stream`.
            MessageTooLargeError: it is larger than a message may be.
        """
        stream = self._stream(number)
        if stream is None or stream.closed:
            return False
        if not stream.has_room:
            raise LocalProtocolError(
                f"stream {number} has no room for an item; ask can_produce first"
            )
        item = _settled(self._serialized(stream.serializer, value))
        self._check_size(item)
        stream.queue.append(item)
        stream.queued += item_size(item)
        self._ready[number] = stream
        return True

    def end_stream(self, number: int, value: object = None) -> None:
        """End a stream after its last item; nothing happens if it has ended already.

        Args:
            number: the number of the stream.
            value: what the generator has returned.

        Raises:
            SerializeError: the value cannot be encoded; use `fail_stream`.
            MessageTooLargeError: it is larger than a message may be.
        """
        stream = self._stream(number)
        if stream is not None:
            payload = _settled(self._serialized(stream.serializer, value))
            self._check_size(payload)
            self._finish(stream, 0, payload)

    def fail_stream(self, number: int, error: Exception) -> None:
        """End a stream after its last item with what the generator has raised."""
        stream = self._stream(number)
        if stream is None:
            return
        for payload in exception_payloads(stream.serializer, error):
            try:
                self._check_size(payload)
            except MessageTooLargeError:
                continue
            self._finish(stream, FLAG_EXCEPTION, payload)
            return
        self._give_up("the end of a stream could not be told")

    def _finish(self, stream: ProducedStream, flags: int, payload: Payload) -> None:
        if stream.end is None:
            stream.end = (flags, pack_end(stream.number, payload))
            self._ready[stream.number] = stream

    def _stream(self, number: int) -> ProducedStream | None:
        """Return a stream, or None if it has ended."""
        if not 0 < number <= self._last_stream:
            raise LocalProtocolError(f"there is no stream {number}")
        return self._produced.get(number)

    def _check_size(self, payload: Payload) -> None:
        size = item_size(payload) + _OVERHEAD
        if isinstance(payload, SplitPayload):
            size += _BUFFER_OVERHEAD * len(payload.buffers)
        most = self._settings.max_message_size
        if size > most:
            raise MessageTooLargeError(
                f"an item is too large for a message ({size}, max={most})"
            )

    def _send_ready(self) -> None:
        """Queue what the streams have to send, and may."""
        ready, self._ready = self._ready, {}
        most = min(CHUNK_SIZE, self._settings.max_message_size - _OVERHEAD)
        for number, stream in ready.items():
            if not stream.known:
                # It comes back with the first credit.
                continue
            while chunk := stream.take_chunk(most):
                self._queue_part(_ITEMS, stream, pack_items(number, chunk))
            if not stream.queue:
                if stream.end is not None:
                    flags, payload = stream.end
                    self._queue_part(_END, stream, payload, flags)
                    del self._produced[number]
            elif stream.items != 0 and not stream.wanted:
                stream.wanted = True
                size = item_size(stream.queue[0])
                self._queue(_WANT, 0, 0, 0, pack_want(number, size))

    def _queue_part(
        self, kind: int, stream: ProducedStream, payload: Payload, flags: int = 0
    ) -> None:
        settings = self._settings
        self._out += self._encode(
            kind,
            stream.serializer.id,
            flags,
            0,
            payload,
            compress=settings.compress
            and len(payload) + len(payload) // 100 + _INFLATED_MARGIN
            < settings.max_message_size,
            max_size=settings.max_message_size,
        )

    def _take_credit(self, frame: Frame) -> None:
        number, items, size = unpack_credit(self._decoder.inflate(frame).payload)
        stream = self._told_stream(number)
        if stream is None:
            return
        stream.known = True
        stream.add(items, size)
        if stream.queue or stream.end is not None:
            self._ready[number] = stream
        if stream.end is None and not stream.closed:
            self._signals.append(StreamCredited(number))

    def _take_close(self, frame: Frame) -> None:
        number = unpack_number(self._decoder.inflate(frame).payload)
        stream = self._told_stream(number)
        if stream is None or stream.closed:
            return
        stream.known = stream.closed = True
        stream.queue.clear()
        stream.queued = 0
        if stream.end is not None:
            self._ready[number] = stream
        else:
            self._signals.append(StreamClosed(number))

    def _told_stream(self, number: int) -> ProducedStream | None:
        """Return the stream that the peer speaks of, or None if it has ended."""
        if not 0 < number <= self._last_stream:
            raise RemoteProtocolError(
                f"the peer spoke of stream {number}, which was never opened"
            )
        return self._produced.get(number)

    def _take_back_streams(self, sequence: int) -> None:
        """Take back the argument streams of a call that the peer did not take up."""
        for number in self._argument_streams.pop(sequence, ()):
            stream = self._produced.get(number)
            if stream is not None and not stream.known:
                self.discard_stream(number)
                if stream.end is None:
                    self._signals.append(StreamClosed(number))


def _settled(payload: Payload) -> Payload:
    """Return a payload that stays as it is while it waits for credit.

    A generator that fills the same buffer for every item is common.
    """
    if not isinstance(payload, SplitPayload):
        return payload
    return SplitPayload(payload.head, [_settled_buffer(one) for one in payload.buffers])


def _settled_buffer(buffer: Buffer) -> Buffer:
    view = memoryview(buffer)
    if isinstance(view.obj, bytes):
        return buffer
    return bytes(view) if view.readonly else bytearray(view)

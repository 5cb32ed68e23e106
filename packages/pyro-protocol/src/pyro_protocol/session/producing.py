"""The streams whose items this side sends, as far as the consumer grants it."""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from ..errors import (
    LocalProtocolError,
    MessageTooLargeError,
    PyroError,
    RemoteProtocolError,
)
from ..serializers import serializers
from ..serializers.native_packing import NUMBERS, pack_number
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
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ..serializers import Serializer
    from ..wire import Buffer
    from .read_ahead import Grant

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
_LENGTH_SIZE: Final = 4
_NATIVE_ID: Final = serializers["native"].id
_BUFFER_OVERHEAD: Final = 5
_INFLATED_MARGIN: Final = 1024


def _go_on() -> bool:
    return True


class ProducedStream(Credit):
    """A stream whose items are sent from here.

    Attributes:
        number: its number.
        serializer: what its items are written with.
        queue: the items that are not sent yet.
        queued: how many bytes of credit they need.
        fresh: what follows them, as the generator gives it: without the lock, so that
            whoever looks at the others, with the lock, queues it first.
        filling: whether the generator may be giving more of it at this moment.
        end: flags and payload of the END to be sent after them, if there is one.
        known: whether the consumer has shown that it knows the stream.
        closed: whether the consumer wants no more of it.
        wanted: whether it was told that the first item does not fit.
        split: how many of the items have buffers that stand apart.
    """

    __slots__ = (
        "closed",
        "end",
        "filling",
        "fresh",
        "known",
        "number",
        "queue",
        "queued",
        "serializer",
        "split",
        "wanted",
    )

    def __init__(self, number: int, serializer: Serializer) -> None:
        super().__init__()
        self.number: int = number
        self.serializer: Serializer = serializer
        self.queue: deque[Payload] = deque()
        self.queued: int = 0
        self.fresh: list[bytes] = []
        self.filling: bool = False
        self.end: tuple[int, Payload] | None = None
        self.known: bool = False
        self.closed: bool = False
        self.wanted: bool = False
        self.split: int = 0

    @property
    def has_room(self) -> bool:
        """Whether another item may be produced."""
        items, size = self.room(1)
        return items > 0 and size > 0

    def room(self, most: int) -> Grant:
        """Return how many items, at most, and how many bytes may be produced now.

        The last item may be larger than what is left.
        """
        if self.end is not None or self.closed:
            return 0, 0
        self.settle()
        items, size = most, MAX_QUEUED - self.queued
        if self.items is not None:
            items = min(items, self.items - len(self.queue))
        if self.size is not None:
            size = min(size, self.size - self.queued)
        return items, size

    def settle(self) -> None:
        """Queue what the generator has given."""
        fresh = self.fresh
        if fresh:
            # More may be put behind it meanwhile, by one who does not wait.
            count = len(fresh)
            items = fresh[:count]
            del fresh[:count]
            if not self.closed:
                self.queue += items
                self.queued += sum(map(len, items)) + count * _LENGTH_SIZE

    def add_item(self, item: Payload) -> None:
        """Queue an item."""
        self.settle()
        self.queue.append(item)
        self.queued += item_size(item)
        self.split += isinstance(item, SplitPayload)

    def take_chunk(self, most: int) -> list[Payload]:
        """Take the items for the next message out of the queue, as credit allows.

        Args:
            most: bytes of items from which on no other joins them.
        """
        self.settle()
        if (
            0 < self.queued <= most
            and (self.size is None or self.queued <= self.size)
            and (self.items is None or len(self.queue) <= self.items)
            and not self.split
        ):
            # All of it, as it is with small items; the rest is for those in between.
            everything = [*self.queue]
            self.queue.clear()
            self.spend(len(everything), self.queued)
            self.queued = 0
            self.wanted = False
            return everything
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
            self.split -= isinstance(item, SplitPayload)
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

    def items_granted(self, number: int) -> int:
        """Return how many items of a stream may be sent, if they are small enough."""
        stream = self._produced.get(number)
        if stream is None or not stream.has_room:
            return 0
        most = _LAST_NUMBER if stream.items is None else stream.items
        return most - len(stream.queue)

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
        stream.add_item(self.encode_item(stream.serializer, value))
        self._ready[number] = stream
        return True

    def encode_item(self, serializer: Serializer, value: object) -> Payload:
        """Return an item, or what a generator returned, as it is sent.

        This may take its time, and changes nothing here.

        Raises:
            SerializeError: it cannot be encoded.
            MessageTooLargeError: it is larger than a message may be.
        """
        item = _settled(self._serialized(serializer, value))
        self._check_size(item)
        return item

    def send_encoded_item(self, number: int, item: Payload) -> bool:
        """Queue an item made by `encode_item`, if `can_produce` was true before it.

        Returns:
            False if the consumer has closed the stream: end the generator.
        """
        stream = self._stream(number)
        if stream is None or stream.closed:
            return False
        stream.add_item(item)
        self._ready[number] = stream
        return True

    def send_items(
        self,
        number: int,
        pull: Callable[[], object],
        most: int,
        lock: AbstractContextManager[Any],
        announce: Callable[[], bool] = _go_on,
    ) -> None:
        """Ask a generator for items, and queue them, while `can_produce` is true.

        Quicker than `send_item` for each of them. The generator runs, and items are
        encoded, without the lock.

        Args:
            number: the number of the stream.
            pull: returns the next item.
            most: how many items at most.
            lock: guards the session, where other threads use it meanwhile.
            announce: told when there is something to be sent, and was nothing before;
                returns whether to go on.

        Raises:
            SerializeError: an item cannot be encoded; see `fail_stream`.
            MessageTooLargeError: one is larger than a message may be.
            BaseException: whatever ``pull`` raises; what came before is queued.
        """
        stream = self._stream(number)
        if stream is None:
            return
        serializer, settings = stream.serializer, self._settings
        encode = serializer.dumps if settings.compress else serializer.encode
        largest = settings.max_message_size - _OVERHEAD - _LENGTH_SIZE
        numbers = NUMBERS if serializer.id == _NATIVE_ID else ()
        with lock:
            # What is sent meanwhile takes as much credit as it leaves room.
            items, left = stream.room(most)
            stream.filling = True
            self._ready[number] = stream
        fresh = stream.fresh
        item: Payload
        try:
            for _ in repeat(None, items if left > 0 else 0):
                value = pull()
                if type(value) in numbers:
                    try:
                        item = pack_number(value)
                    except OverflowError:
                        item = encode(value)
                else:
                    item = encode(value)
                size = len(item)
                if stream.closed:
                    return
                if type(item) is bytes and size <= largest:
                    fresh.append(item)
                    # Others were announced when they came, and are still there.
                    first = len(fresh) == 1
                else:
                    item = self.encode_item(serializer, value)
                    size = len(item)
                    with lock:
                        first = not (stream.queue or fresh)
                        stream.add_item(item)
                left -= size + _LENGTH_SIZE
                if left <= 0 or (first and not announce()):
                    return
        finally:
            with lock:
                stream.filling = False

    def awaits_item(self, number: int) -> bool:
        """Whether the next item of a stream may leave as soon as it is asked for.

        That is so where each is asked for, and may have any size, if nothing that is
        queued has to leave before.
        """
        stream = self._produced.get(number)
        return (
            stream is not None
            and stream.items == 0
            and stream.size is None
            and stream.end is None
            and not (stream.queue or stream.fresh or stream.closed)
            and not (self._out or self._ready)
        )

    def pull_item(self, number: int, pull: Callable[[], object]) -> Payload:
        """Ask a generator for an item, and return it as it is sent.

        Raises:
            SerializeError: it cannot be encoded; see `fail_stream`.
            MessageTooLargeError: it is larger than a message may be.
            BaseException: whatever ``pull`` raises.
        """
        serializer = self._produced[number].serializer
        value = pull()
        if type(value) in NUMBERS and serializer.id == _NATIVE_ID:
            try:
                return pack_number(value)
            except OverflowError:
                pass
        return self.encode_item(serializer, value)

    def send_asked_item(self, number: int, item: Payload) -> None:
        """Queue an item of `pull_item` for which no credit was taken in yet."""
        stream = self._produced.get(number)
        if stream is not None and not stream.closed:
            stream.add(1, 0)
            self.send_encoded_item(number, item)

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
            self._finish(stream, 0, self.encode_item(stream.serializer, value))

    def fail_stream(self, number: int, error: Exception) -> None:
        """End a stream after its last item with what the generator has raised."""
        stream = self._stream(number)
        if stream is not None:
            payload = self.encode_failure(stream.serializer, error)
            self.end_encoded(number, payload, failed=True)

    def encode_failure(
        self, serializer: Serializer, error: Exception
    ) -> Payload | None:
        """Return what a generator raised as it is sent; None if nothing can be."""
        for payload in exception_payloads(serializer, error):
            try:
                self._check_size(payload)
            except MessageTooLargeError:
                continue
            return payload
        return None

    def waiting_items(self, number: int) -> int:
        """Return how many items of a stream are queued, and not sent yet."""
        stream = self._produced.get(number)
        return 0 if stream is None else len(stream.queue) + len(stream.fresh)

    def end_encoded(
        self, number: int, payload: Payload | None, *, failed: bool = False
    ) -> None:
        """End a stream with what `encode_item` or `encode_failure` has returned."""
        stream = self._stream(number)
        if stream is None:
            return
        if payload is None:
            self._give_up("the end of a stream could not be told")
        else:
            self._finish(stream, FLAG_EXCEPTION if failed else 0, payload)

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
            if stream.filling:
                # Nobody tells of what comes next.
                self._ready[number] = stream
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
        if stream.queue or stream.fresh or stream.end is not None:
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
        stream.fresh.clear()
        stream.queued = stream.split = 0
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

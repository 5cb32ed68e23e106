"""The streams whose items this side receives, as far as it has granted them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import LocalProtocolError, RemoteProtocolError
from ..wire import FLAG_EXCEPTION, Frame, MessageType
from .capabilities import CHUNKS
from .credit import Credit
from .endpoint import Endpoint
from .replies import raise_remote
from .signals import StreamEnded, StreamItems, StreamWants
from .stream_frames import (
    UNBOUNDED,
    not_granted,
    pack_credit,
    pack_number,
    peek_number,
    unpack_end,
    unpack_items,
    unpack_want,
)

if TYPE_CHECKING:
    from ..serializers import Serializer

__all__ = ["ConsumedStream", "StreamConsumer", "read_end"]

_CREDIT: Final = int(MessageType.CREDIT)
_CLOSE: Final = int(MessageType.CLOSE)
_NUMBER_SIZE: Final = 4


class ConsumedStream(Credit):
    """A stream whose items are received here.

    Attributes:
        serializer_id: the id of the serializer that its items must have.
        closed: whether it was told that no more is wanted.
        shown: whether the peer has seen that the stream is known here.
    """

    __slots__ = ("closed", "serializer_id", "shown")

    def __init__(self, serializer_id: int) -> None:
        super().__init__()
        self.serializer_id: int = serializer_id
        self.closed: bool = False
        self.shown: bool = False


class StreamConsumer(Endpoint):
    """The part of a session that receives streams."""

    __slots__ = ()

    def accept_stream(self, number: int, serializer_id: int) -> None:
        """Take up a stream that the peer has told of among the arguments of a call.

        To be called for each `StreamState` while the call is read, before it is
        answered. The stream of a result is taken up by the session itself.

        Args:
            number: the number of the stream, not checked yet.
            serializer_id: the id of the serializer of the call.

        Raises:
            RemoteProtocolError: there can be no such stream; refuse the call.
        """
        if CHUNKS not in self.capabilities:
            raise RemoteProtocolError(
                "a stream cannot be an argument: the capability 'chunks' is not in "
                "force on this connection"
            )
        if not 0 < number <= UNBOUNDED:
            raise RemoteProtocolError(f"a stream cannot have the number {number}")
        if number in self._consumed:
            raise RemoteProtocolError(f"stream {number} is open already")
        most = self._settings.max_streams
        if len(self._consumed) >= most:
            raise RemoteProtocolError(
                f"the peer has opened too many streams (max={most}, see MAX_STREAMS)"
            )
        self._consumed[number] = ConsumedStream(serializer_id)

    def grant(self, number: int, items: int, size: int) -> bool:
        """Allow the peer to send more of a stream.

        Args:
            number: the number of the stream.
            items: how many items more; ``UNBOUNDED`` means any number from now on.
            size: how many bytes more; ``UNBOUNDED`` means any number from now on.

        Returns:
            False if the stream has ended, or was closed here; nothing is sent then.

        Raises:
            LocalProtocolError: a number is negative or too large.
        """
        if not (0 <= items <= UNBOUNDED and 0 <= size <= UNBOUNDED):
            raise LocalProtocolError(
                f"cannot grant {items} items and {size} bytes: each must be at least "
                f"0, and at most {UNBOUNDED}"
            )
        stream = self._consumed.get(number)
        if stream is None or stream.closed:
            return False
        if not (items or size) and stream.shown:
            return True
        stream.shown = True
        stream.add(items, size)
        self._queue(_CREDIT, 0, 0, 0, pack_credit(number, items, size))
        return True

    def may_ask(self, number: int) -> bool:
        """Whether one item may be granted with a message that is made elsewhere.

        The next of any size has to be welcome, and nothing else to be sent before.
        """
        stream = self._consumed.get(number)
        return (
            stream is not None
            and stream.size is None
            and stream.items == 0
            and not (stream.closed or self._out or self._ready)
        )

    def asked(self, number: int) -> None:
        """Take note that one item was granted so, and may still come."""
        stream = self._consumed.get(number)
        if stream is not None:
            stream.add(1, 0)

    def close_stream(self, number: int) -> None:
        """Say that no more of a stream is wanted; harmless if it has ended already."""
        stream = self._consumed.get(number)
        if stream is not None and not stream.closed:
            stream.closed = stream.shown = True
            self._queue(_CLOSE, 0, 0, 0, pack_number(number))

    def _show_streams(self) -> None:
        """Have the peer keep those argument streams that have not been used yet."""
        for number, stream in self._consumed.items():
            if not stream.shown:
                stream.shown = True
                self._queue(_CREDIT, 0, 0, 0, pack_credit(number, 0, 0))

    def _take_items(self, frame: Frame) -> None:
        payload = self._decoder.inflate(frame).payload
        number = peek_number(payload)
        stream = self._open_stream(number, frame)
        size = len(payload) - _NUMBER_SIZE
        # Before the items are taken apart: what was not granted must cost nothing.
        if stream.size is not None and size > stream.size:
            raise not_granted(number)
        _number, items = unpack_items(payload, stream.items)
        stream.spend(len(items), size)
        if not stream.closed:
            self._signals.append(StreamItems(number, items))

    def _take_end(self, frame: Frame) -> None:
        number, payload = unpack_end(self._decoder.inflate(frame).payload)
        stream = self._open_stream(number, frame)
        del self._consumed[number]
        if not stream.closed:
            failed = bool(frame.flags & FLAG_EXCEPTION)
            self._signals.append(StreamEnded(number, payload, failed))

    def _take_want(self, frame: Frame) -> None:
        number, size = unpack_want(self._decoder.inflate(frame).payload)
        stream = self._consumed.get(number)
        if stream is None:
            raise _not_open(number)
        # What was granted while this was under way may be enough already.
        missing = 0 if stream.size is None else size - stream.size
        if missing > 0 and not stream.closed:
            self._signals.append(StreamWants(number, size, missing))

    def _open_stream(self, number: int, frame: Frame) -> ConsumedStream:
        stream = self._consumed.get(number)
        if stream is None:
            raise _not_open(number)
        if frame.serializer_id != stream.serializer_id:
            raise RemoteProtocolError(
                f"stream {number} has changed its serializer from "
                f"{stream.serializer_id} to {frame.serializer_id}"
            )
        return stream


def read_end(ended: StreamEnded, serializer: Serializer) -> Any:
    """Return what the generator of a stream has returned; raise what it has raised.

    Args:
        ended: the end of the stream.
        serializer: that of the call that the stream belongs to.

    Raises:
        SerializeError: that cannot be decoded.
        Exception: whatever the generator raised.
    """
    if ended.failed:
        raise_remote(serializer.loads_exception(ended.payload))
    return serializer.loads(ended.payload)


def _not_open(number: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"stream {number} is not open")

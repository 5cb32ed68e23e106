"""What a peer tells besides requests and answers, to be acted on at once.

Requests may wait until somebody has time for them. A signal must not wait behind
them: it cancels one of them, or keeps a stream flowing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..frozen import Frozen

if TYPE_CHECKING:
    from ..wire import Payload

__all__ = [
    "CallCancelled",
    "PongReceived",
    "Signal",
    "StreamClosed",
    "StreamCredited",
    "StreamEnded",
    "StreamItems",
    "StreamWants",
]


class CallCancelled(Frozen):
    """The caller no longer wants the answer; yet one must be sent.

    Attributes:
        sequence: the sequence number of the request.
    """

    sequence: int


class PongReceived(Frozen):
    """The peer has answered a ping.

    Attributes:
        sequence: the sequence number of the ping.
    """

    sequence: int


class StreamItems(Frozen):
    """Items of a stream that this side consumes.

    Each is read with ``loads`` of the serializer of the call that the stream belongs
    to; if that fails, it concerns this item alone.

    Attributes:
        number: the number of the stream.
        items: the items, serialized.
    """

    number: int
    items: tuple[Payload, ...]


class StreamEnded(Frozen):
    """A stream that this side consumes has ended; read how with `read_end`.

    Attributes:
        number: the number of the stream.
        payload: what the generator returned or raised, serialized.
        failed: whether it is an exception.
    """

    number: int
    payload: Payload
    failed: bool


class StreamWants(Frozen):
    """The next item of a stream is larger than what may be sent: grant, or close.

    Attributes:
        number: the number of the stream.
        size: how many bytes the item needs.
        missing: how many of them are to be granted.
    """

    number: int
    size: int
    missing: int


class StreamCredited(Frozen):
    """More of a stream that this side produces may be sent; see `can_produce`.

    Attributes:
        number: the number of the stream.
    """

    number: int


class StreamClosed(Frozen):
    """The consumer wants no more of a stream; end the generator, then the stream.

    Attributes:
        number: the number of the stream.
    """

    number: int


Signal = (
    CallCancelled
    | PongReceived
    | StreamItems
    | StreamEnded
    | StreamWants
    | StreamCredited
    | StreamClosed
)

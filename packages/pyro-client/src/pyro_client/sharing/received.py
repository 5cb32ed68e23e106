"""Streams whose items the server sends ahead, as far as it may."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from pyro_protocol.session.read_ahead import CreditPlan, ReadAhead
from pyro_protocol.session.short_messages import item_request
from pyro_protocol.session.stream_frames import item_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyro_protocol.errors import CommunicationError
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.session.signals import StreamEnded
    from pyro_protocol.wire import Payload

    from .waiting import Waiter

__all__ = ["READ_AHEAD_BYTES", "ReceivedStream", "read_ahead", "size_of"]

READ_AHEAD_BYTES: Final = 1024 * 1024
"""Bytes of a stream that may wait here. A few hundred streams may be open."""


def read_ahead(items: int) -> ReadAhead:
    """Return how far the producer of a stream may be ahead, given the most items."""
    return ReadAhead(items, READ_AHEAD_BYTES)


class ReceivedStream:
    """What has arrived of one stream; all of it under the lock of the channel.

    Attributes:
        number: the number of the stream.
        serializer: what reads its items.
        plan: what to grant, and when.
        end: how it has ended, if that has arrived.
        error: why no more of it will come, if the connection was lost.
        waiter: who waits for the next item, or None.
        asked: whether the server was asked for an item that has not arrived.
        closed: whether it was closed here, so that nobody waits for more.
        piece: how many items are taken at a time. At most half of what the producer
            may be ahead, so that it goes on meanwhile.
        request: the message that asks for one item, where each is asked for by itself;
            else None.
    """

    __slots__ = (
        "_chunks",
        "asked",
        "closed",
        "end",
        "error",
        "number",
        "piece",
        "plan",
        "request",
        "serializer",
        "waiter",
    )

    def __init__(self, number: int, serializer: Serializer, items: int) -> None:
        self.number: int = number
        self.serializer: Serializer = serializer
        self.plan: CreditPlan = read_ahead(items).start()
        self.end: StreamEnded | None = None
        self.error: CommunicationError | None = None
        self.waiter: Waiter | None = None
        self.piece: int = max(1, items // 2)
        self.request: bytes | None = None if items else item_request(number)
        self.asked: bool = False
        self.closed: bool = False
        # As they came; no message has more than a fraction of what may wait here.
        self._chunks: deque[Sequence[Payload]] = deque()

    def add(self, items: tuple[Payload, ...]) -> None:
        """Take in items that have arrived."""
        self._chunks.append(items)
        self.asked = False
        self.plan.received(len(items))
        self.wake()

    def wake(self) -> None:
        """Wake the consumer, who waits for something that has arrived."""
        if self.waiter is not None:
            self.waiter.finish()
            self.waiter = None

    @property
    def is_waited_for(self) -> bool:
        """Whether the next item is there, or under way, or will never come."""
        return bool(self._chunks or self.asked or self.end or self.error or self.closed)

    def take(self) -> deque[Payload]:
        """Take out the next items that have arrived; there may be none."""
        if not self._chunks:
            return deque()
        chunk = self._chunks.popleft()
        if len(chunk) > self.piece:
            self._chunks.appendleft(chunk[self.piece :])
            chunk = chunk[: self.piece]
        return deque(chunk)


def size_of(items: deque[Payload]) -> int:
    """Return how many bytes of credit items need."""
    return len(items) * item_size(b"") + sum(map(len, items))

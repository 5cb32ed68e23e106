"""The items of a stream that come by themselves, as far as was granted."""

from __future__ import annotations

import asyncio
import builtins
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ...errors import (
    CommunicationError,
    PyroError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ...session import (
    DEFAULT_READ_AHEAD,
    NO_READ_AHEAD,
    ReadAhead,
    StreamEnded,
    StreamItems,
    StreamWants,
    item_size,
    read_end,
)

if TYPE_CHECKING:
    from ...serializers import Serializer
    from ...session import ClientSession, Signal
    from ...session.read_ahead import Grant
    from ...wire import Payload
    from .channel import AsyncCallingChannel

__all__ = ["SMALLEST_REFERENCE", "ChunkedItems"]

SMALLEST_REFERENCE: Final = 16
"""No reference to anything is shorter: it has a URI, or an id and lists of names."""

# The account is settled so often while a read-ahead is consumed, and after so many
# bytes: for each item it would cost as much as the item.
_RENEWALS: Final = 8
_RENEWED_SIZE: Final = 64 * 1024


class ChunkedItems:
    """Receives the items of one stream, and keeps them until they are consumed.

    Args:
        channel: the connection.
        session: its conversation.
        number: the number of the stream.
        serializer: that of the call that has started the stream.
        read_ahead: how many items the producer may be ahead; 0 for none.

    Attributes:
        arrived: the items that `take` can return.
        ended: whether no more items will come.
        result: what the generator has returned; None until it has ended.
    """

    __slots__ = (
        "_channel",
        "_demanded",
        "_end",
        "_failure",
        "_number",
        "_plan",
        "_renewed_after",
        "_serializer",
        "_session",
        "_taken",
        "_taken_size",
        "_waiting",
        "arrived",
        "ended",
        "result",
    )

    def __init__(
        self,
        channel: AsyncCallingChannel,
        session: ClientSession,
        number: int,
        serializer: Serializer,
        read_ahead: int,
    ) -> None:
        policy = NO_READ_AHEAD
        if read_ahead:
            policy = ReadAhead(read_ahead, DEFAULT_READ_AHEAD.bytes)
        self._channel = channel
        self._session = session
        self._number = number
        self._serializer = serializer
        self._plan = policy.start()
        self.arrived: deque[Payload] = deque()
        # Taken since credit was last renewed.
        self._taken = 0
        self._taken_size = 0
        self._renewed_after = max(1, read_ahead // _RENEWALS)
        self._waiting: deque[asyncio.Future[None]] = deque()
        # Whether an item was asked for that has not come yet.
        self._demanded = False
        self._end: StreamEnded | None = None
        self._failure: CommunicationError | None = None
        self.ended: bool = False
        self.result: Any = None

    def begin(self) -> None:
        """Grant what may come before anything is asked for."""
        self._grant(self._plan.begin())

    def _grant(self, grant: Grant) -> None:
        if grant != (0, 0) and self._session.grant(self._number, *grant):
            self._channel.flush_soon()

    def take(self) -> Any:
        """Return the next item that has come.

        Raises:
            SerializeError: it cannot be decoded; the stream goes on.
        """
        payload = self.arrived.popleft()
        self._taken += 1
        self._taken_size += item_size(payload)
        if (
            not self.arrived
            or self._taken >= self._renewed_after
            or self._taken_size >= _RENEWED_SIZE
        ):
            self._grant(self._plan.consumed(self._taken_size, self._taken))
            self._taken = self._taken_size = 0
        if len(payload) < SMALLEST_REFERENCE:
            return self._serializer.loads(payload)
        return self._channel.loads(self._serializer, payload)

    async def next(self, patience: float | None) -> Any:
        """Wait for the next item and return it.

        Args:
            patience: how many seconds it may take; None means no bound.

        Raises:
            StopAsyncIteration: there is none.
            TimeoutError: none has come in time; the stream goes on.
            Exception: what the generator has raised.
        """
        while not self.arrived:
            if self.ended:
                raise StopAsyncIteration
            if self._end is not None or self._failure is not None:
                self._finish()
            await self._wait(patience)
        return self.take()

    async def _wait(self, patience: float | None) -> None:
        if not self._demanded:
            demand = self._plan.demanded()
            self._demanded = demand != (0, 0)
            self._grant(demand)
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(patience):
                await waiting
        except builtins.TimeoutError:
            raise TimeoutError(
                f"no item of a stream of {self._channel.uri} has come within "
                f"{patience:.3g} seconds"
            ) from None
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                # It was this one's turn to look.
                self._wake()
            raise

    def _finish(self) -> None:
        """Take note of how the stream has ended.

        Raises:
            StopAsyncIteration: the generator has returned.
            Exception: what it has raised, or why the connection has ended.
        """
        self.ended = True
        self._wake_all()
        if self._end is None:
            assert self._failure is not None  # noqa: S101 - one of the two has ended it
            raise type(self._failure)(*self._failure.args)
        end, self._end = self._end, None
        try:
            self.result = read_end(end, self._serializer)
        except StopIteration as error:
            # It would be taken for the end of this coroutine.
            raise PyroError("the remote generator raised StopIteration") from error
        raise StopAsyncIteration

    def close(self) -> None:
        """Want no more items; harmless if the stream has ended."""
        self.ended = True
        self.arrived.clear()
        if self._end is None and self._failure is None:
            self._session.close_stream(self._number)
            self._channel.flush_soon()
            self._channel.stream_ended(self._number)
        self._wake_all()

    def act_on(self, signal: Signal) -> None:
        """Act on what the producer tells."""
        if isinstance(signal, StreamItems):
            if self.ended:
                return
            self._demanded = False
            self._plan.received(len(signal.items))
            self.arrived += signal.items
            self._wake()
        elif isinstance(signal, StreamEnded):
            self._end = signal
            self._channel.stream_ended(self._number)
            self._wake_all()
        elif isinstance(signal, StreamWants):
            self._grant(self._plan.wanted(signal.missing))

    def fail(self, error: CommunicationError) -> None:
        """Take note that the connection has ended."""
        if self._end is None:
            self._failure = error
        self._wake_all()

    def _wake(self) -> None:
        """Tell as many of those who wait as there are items."""
        items = len(self.arrived)
        while self._waiting and items:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                items -= 1

    def _wake_all(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)

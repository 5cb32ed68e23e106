"""Streams that a client passes as arguments, sent as the server asks for their items.

Asynchronous iterators are advanced in the event loop. Others may block, so they are
advanced in its executor, several items at a time if they come fast.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import PyroError
from pyro_protocol.session import StreamClosed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from pyro_protocol.serializers import Serializer
    from pyro_protocol.session import ClientSession, StreamCredited

    from .async_channel import AsyncClientChannel
    from .outgoing import Items

__all__ = ["OutgoingStreams"]

# So many items of a plain iterator are fetched at a time, if that takes no longer than
# so many seconds: a job in another thread costs as much as several items.
_MOST_AT_ONCE: Final = 64
_SECONDS_AT_ONCE: Final = 0.005

Fetched = tuple[list[Any], bool, Any, Exception | None]
"""Items; whether that was all; what the iterator has returned; what it has raised."""


class OutgoingStreams:
    """The streams of one connection that are produced here.

    Args:
        channel: the connection.
        session: its conversation.
    """

    __slots__ = ("_channel", "_session", "_streams")

    def __init__(self, channel: AsyncClientChannel, session: ClientSession) -> None:
        self._channel = channel
        self._session = session
        self._streams: dict[int, _OutgoingStream] = {}

    def open(self, items: Items, serializer: Serializer) -> int:
        """Begin a stream of items, and return its number.

        Raises:
            PyroError: there are as many streams open as there may be.
        """
        number = self._session.open_stream(serializer)
        kind = _AsyncItems if isinstance(items, AsyncIterator) else _PlainItems
        self._streams[number] = kind(self, number, items)
        return number

    def discard(self, number: int) -> None:
        """Take back a stream that the server was not told of; its items stay."""
        if self._streams.pop(number, None) is not None:
            self._session.discard_stream(number)

    def act_on(self, signal: StreamCredited | StreamClosed) -> None:
        """Act on what the server tells of one of them."""
        stream = self._streams.get(signal.number)
        if stream is None:
            return
        if isinstance(signal, StreamClosed):
            stream.close()
        else:
            stream.go_on()

    def abandon(self) -> None:
        """End them all: the connection has ended."""
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.close()

    def can_produce(self, number: int) -> bool:
        """Whether an item can be sent."""
        return number in self._streams and self._session.can_produce(number)

    def room(self, number: int) -> int:
        """Return how many items may be fetched at once."""
        return min(self._session.items_granted(number), _MOST_AT_ONCE)

    def send(self, number: int, item: object) -> bool:
        """Send an item; false if no more is wanted.

        Raises:
            SerializeError: it cannot be encoded.
            MessageTooLargeError: it is too large.
        """
        if number not in self._streams or not self._session.send_item(number, item):
            return False
        self._channel.flush_soon()
        return True

    def end(self, number: int, value: object, error: Exception | None) -> None:
        """End a stream with what its iterator has returned, or raised."""
        if self._streams.pop(number, None) is None or self._channel.closed:
            return
        if error is None:
            try:
                self._session.end_stream(number, value)
            except PyroError as failure:
                error = failure
        if error is not None:
            self._session.fail_stream(number, error)
        self._channel.flush_soon()


class _OutgoingStream(ABC):
    """One stream: a task produces while there is credit, and none waits for it."""

    def __init__(self, streams: OutgoingStreams, number: int, items: Any) -> None:
        self._streams = streams
        self._number = number
        self._items = items
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._context = contextvars.copy_context()

    def go_on(self) -> None:
        """Produce as much as the server has granted."""
        if self._task is None and not self._closed:
            self._start(self._produce())

    def close(self) -> None:
        """End the iterator, and then the stream."""
        if self._closed:
            return
        self._closed = True
        if self._task is None:
            self._start(self._close())
        else:
            self.interrupt(self._task)

    def interrupt(self, task: asyncio.Task[None]) -> None:  # noqa: B027 - plain ones
        """Have a task that produces end soon; a plain iterator cannot be."""

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(work, context=self._context)

    async def _produce(self) -> None:
        try:
            while not self._closed and self._streams.can_produce(self._number):
                if not await self._send_some():
                    return
        except asyncio.CancelledError:
            if not self._closed:
                raise
        finally:
            self._task = None
            if self._closed:
                self._start(self._close())

    @abstractmethod
    async def _send_some(self) -> bool:
        """Send one item or more; false if there are no more to be sent."""

    async def _close(self) -> None:
        try:
            await self._end_iterator()
            self._streams.end(self._number, None, None)
        except Exception as error:  # noqa: BLE001 - whatever it raises is told
            self._streams.end(self._number, None, error)

    @abstractmethod
    async def _end_iterator(self) -> None:
        """Have the iterator clean up, as no more items are wanted."""

    def _send(self, item: object) -> bool:
        """Send an item; false if the stream is over."""
        try:
            return self._streams.send(self._number, item)
        except PyroError as error:
            self._closed = True
            self._streams.end(self._number, None, error)
            return False


class _AsyncItems(_OutgoingStream):
    """A stream of what an asynchronous iterator produces."""

    async def _send_some(self) -> bool:
        try:
            item = await anext(self._items)
        except StopAsyncIteration:
            self._streams.end(self._number, None, None)
        except Exception as error:  # noqa: BLE001 - whatever it raises is told
            self._streams.end(self._number, None, error)
        else:
            return self._send(item)
        return False

    def interrupt(self, task: asyncio.Task[None]) -> None:
        task.cancel()

    async def _end_iterator(self) -> None:
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


class _PlainItems(_OutgoingStream):
    """A stream of what an ordinary iterator produces."""

    def __init__(self, streams: OutgoingStreams, number: int, items: Any) -> None:
        super().__init__(streams, number, items)
        # Fetched together with others, and not sent yet.
        self._fetched: deque[Any] = deque()
        self._over: tuple[Any, Exception | None] | None = None

    async def _send_some(self) -> bool:
        if not self._fetched and self._over is None:
            most = self._streams.room(self._number)
            items, over, value, error = await asyncio.to_thread(
                _fetch, self._items, most
            )
            self._fetched.extend(items)
            if over:
                self._over = value, error
        while self._fetched and self._streams.can_produce(self._number):
            if not self._send(self._fetched.popleft()):
                return False
        if self._fetched or self._over is None:
            return True
        self._streams.end(self._number, *self._over)
        return False

    async def _end_iterator(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            await asyncio.to_thread(close)


def _fetch(items: Iterator[Any], most: int) -> Fetched:
    """Take the next items, as many as come quickly."""
    fetched: list[Any] = []
    until = time.monotonic() + _SECONDS_AT_ONCE
    try:
        for _ in range(most):
            fetched.append(next(items))
            if time.monotonic() > until:
                break
    except StopIteration as end:
        return fetched, True, end.value, None
    except Exception as error:  # noqa: BLE001 - whatever it raises is told
        return fetched, True, None, error
    return fetched, False, None, None

"""Streams that clients pass as arguments: their items come as the method asks.

How far ahead the client sends them is said by the configuration item
STREAM_READ_AHEAD.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self
from weakref import WeakValueDictionary

from pyro_protocol.errors import (
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.session import (
    DEFAULT_READ_AHEAD,
    NO_READ_AHEAD,
    ReadAhead,
    StreamEnded,
    StreamItems,
    StreamWants,
    item_size,
    read_end,
)

from .links import NATIVE_ID
from .waiting import TaskWaiter, ThreadWaiter, shorter

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pyro_protocol.session.read_ahead import Grant
    from pyro_protocol.wire import Payload

    from .links import Link
    from .waiting import Waiter

__all__ = ["ArgumentStream", "ArgumentStreams"]

_NOTHING: Final = (0, 0)


class ArgumentStream:
    """The items of a generator that a client has passed.

    It is iterated over with ``for`` in a thread, and with ``async for`` in a
    coroutine, by one of them at a time. It can be kept and used after the call, until
    the client goes. `close`, leaving a ``with`` block, and dropping it end the
    generator.

    Attributes:
        result: what the generator returned, once it has ended; ``yield from`` gives
            it too.
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_begun",
        "_closed",
        "_end",
        "_failure",
        "_items",
        "_link",
        "_number",
        "_plan",
        "_streams",
        "_waiters",
        "result",
    )

    def __init__(self, streams: ArgumentStreams, link: Link, number: int) -> None:
        self._streams = streams
        self._link = link
        self._number = number
        self._plan = streams.read_ahead.start()
        self._items: deque[Payload] = deque()
        self._begun = False
        # Whether an item is under way that the program has asked for.
        self._asked = False
        self._end: StreamEnded | None = None
        self._failure: Exception | None = None
        self._closed = False
        self._waiters: list[Waiter] = []
        self.result: Any = None

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        """Return the next item.

        Raises:
            StopIteration: there are no more.
            ConnectionClosedError: the client has gone.
            TimeoutError: the caller of the method waits no longer.
            SerializeError: this item cannot be read; those after it may.
            Exception: whatever the generator raised.
        """
        while True:
            item = self._take(ThreadWaiter)
            if type(item) is ThreadWaiter:
                if not self._link.wait(item, shorter(None)):
                    self._give_up(item)
            elif item is None:
                raise StopIteration(self._outcome())
            else:
                return self._streams.read(item)

    async def __anext__(self) -> Any:
        """Return the next item; see `__next__`."""
        import asyncio  # noqa: PLC0415 - the caller has it already

        while True:
            item = self._take(TaskWaiter)
            if type(item) is TaskWaiter:
                try:
                    if not await item.wait(shorter(None)):
                        self._give_up(item)
                except asyncio.CancelledError:
                    self._forget(item)
                    raise
            elif item is None:
                self._outcome()
                raise StopAsyncIteration
            else:
                return self._streams.read(item)

    def _take(self, new_waiter: Callable[[], Waiter]) -> Any:
        """Take the next item; return a waiter if it is not there, None at the end."""
        link = self._link
        waiter: Waiter | None = None
        with link.lock:
            item: Payload | None = None
            if self._items:
                item = self._items.popleft()
                granted = self._plan.consumed(item_size(item))
            elif self._closed or self._end is not None or self._failure is not None:
                return None
            else:
                granted = self._ask()
                waiter = new_waiter()
                self._waiters.append(waiter)
            if granted != _NOTHING:
                link.session.grant(self._number, *granted)
        if granted != _NOTHING:
            link.flush()
        return item if waiter is None else waiter

    def _ask(self) -> Grant:
        """Return what to grant as the program waits for an item; the lock is held."""
        items = size = 0
        if not self._begun:
            self._begun = True
            items, size = self._plan.begin()
        if not self._asked:
            self._asked = True
            items += self._plan.demanded()[0]
        return items, size

    def _outcome(self) -> Any:
        """Return what the generator returned, once; raise what it raised."""
        failure, self._failure = self._failure, None
        if failure is not None:
            self._closed = True
            raise failure
        end, self._end = self._end, None
        self._closed = True
        if end is not None:
            self.result = self._streams.read_end(end)
            return self.result
        return None

    def _give_up(self, waiter: Waiter) -> NoReturn:
        self._forget(waiter)
        raise TimeoutError(
            "the time that the caller gave was used up while the method waited for "
            "an item of its stream"
        )

    def _forget(self, waiter: Waiter) -> None:
        with self._link.lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def receive(self, items: tuple[Payload, ...]) -> None:
        """Take in items that have arrived; the lock is held."""
        self._asked = False
        self._plan.received(len(items))
        self._items.extend(items)
        self._wake()

    def want(self, missing: int) -> None:
        """Let a large item through, as soon as that is possible; the lock is held."""
        granted = self._plan.wanted(missing)
        if granted != _NOTHING:
            self._link.session.grant(self._number, *granted)

    def finish(
        self, end: StreamEnded | None = None, failure: Exception | None = None
    ) -> None:
        """Take note that no more will come; the lock is held."""
        if not (self._closed or self._end is not None):
            self._end = end
            self._failure = failure
            self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.wake()

    def close(self) -> None:
        """End the generator of the client; harmless if it has ended."""
        with self._link.lock:
            self._closed = True
            self._items.clear()
            self._end = self._failure = None
            self._link.session.close_stream(self._number)
            self._wake()
        self._link.flush()

    async def aclose(self) -> None:
        """End the generator of the client; see `close`."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # It may come at any moment, also to a thread that has the lock.
        if not (self._closed or self._end is not None):
            self._streams.drop(self._number)

    def __repr__(self) -> str:
        return f"<stream {self._number} of {self._link.connection.client!r}>"


class ArgumentStreams:
    """The streams of one connection whose items are received.

    Args:
        link: the connection.
        loads: reads an item.

    Attributes:
        read_ahead: how far the client may be ahead.
        read: reads an item.
    """

    __slots__ = ("_dropped", "_link", "_streams", "read", "read_ahead")

    def __init__(self, link: Link, loads: Callable[[Payload], Any]) -> None:
        self._link = link
        self._streams: WeakValueDictionary[int, ArgumentStream] = WeakValueDictionary()
        self._dropped: deque[int] = deque()
        self.read: Callable[[Payload], Any] = loads
        items = link.host.settings.STREAM_READ_AHEAD
        self.read_ahead: ReadAhead = (
            ReadAhead(items, DEFAULT_READ_AHEAD.bytes) if items > 0 else NO_READ_AHEAD
        )

    def accept(self, number: int) -> ArgumentStream:
        """Take up a stream that is an argument.

        Raises:
            PyroError: there can be no such stream.
        """
        link = self._link
        with link.lock:
            if link.lost:
                raise link.closed_error()
            link.session.accept_stream(number, NATIVE_ID)
        return self.adopt(number)

    def adopt(self, number: int) -> ArgumentStream:
        """Return the stream that the session has taken up by itself."""
        stream = ArgumentStream(self, self._link, number)
        with self._link.lock:
            self._streams[number] = stream
            if self._link.lost:
                stream.finish(failure=self._link.closed_error())
        return stream

    def read_end(self, end: StreamEnded) -> Any:
        """Return what a generator has returned; raise what it has raised."""
        serializers = self._link.session.serializers
        return read_end(end, serializers[NATIVE_ID])

    def act_on(self, signal: StreamItems | StreamEnded | StreamWants) -> None:
        """Act on what is told of a stream; the lock is held."""
        stream = self._streams.get(signal.number)
        if stream is None:
            return
        if isinstance(signal, StreamItems):
            stream.receive(signal.items)
        elif isinstance(signal, StreamEnded):
            stream.finish(signal)
        else:
            stream.want(signal.missing)

    def drop(self, number: int) -> None:
        """Have a stream closed that nobody has any more; from any thread."""
        if not self._link.lost:
            self._dropped.append(number)
            self._link.attend()

    def close_dropped(self) -> None:
        """Close the streams that nobody has any more; the lock is held."""
        while self._dropped:
            self._link.session.close_stream(self._dropped.popleft())

    def abandon(self) -> None:
        """Have all that wait for items fail; the lock is held."""
        for stream in list(self._streams.values()):
            stream.finish(failure=self._link.closed_error())

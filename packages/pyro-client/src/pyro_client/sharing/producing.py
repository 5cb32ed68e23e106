"""Streams as arguments: the items that a client sends as its server asks for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from pyro_protocol.logs import log_exception

if TYPE_CHECKING:
    import asyncio

    from ..outgoing import Items

__all__ = ["ItemSender", "Producers"]

_logger = logging.getLogger("pyro.client")

# After so many items what is ready is sent, and the lock given to others.
_PIECE: Final = 100


class ItemSender(Protocol):
    """What producers need of the channel."""

    def can_produce(self, number: int) -> bool:
        """Whether the next item of a stream is wanted now."""

    def send_item(self, number: int, value: object) -> bool:
        """Queue an item; False if the stream was closed."""

    def finish_stream(
        self, number: int, value: object = None, error: Exception | None = None
    ) -> None:
        """End a stream, with what its generator has returned or raised."""

    def send_queued(self) -> None:
        """Write what was queued, as far as that is possible at once."""


class _Producer:
    """One iterator whose items are sent. One thread at a time is inside of it."""

    __slots__ = ("again", "closed", "iterator", "running")

    def __init__(self, items: Items) -> None:
        self.iterator: Iterator[Any] = (
            items if isinstance(items, Iterator) else _Driven(items)
        )
        self.running: bool = False
        self.again: bool = False
        self.closed: bool = False


class Producers:
    """The streams that one connection sends.

    All methods but the work itself happen under the lock of the channel.

    Args:
        sender: the channel.
        submit: has something done by another thread.
    """

    def __init__(
        self, sender: ItemSender, submit: Callable[[Callable[[], object]], object]
    ) -> None:
        self._sender = sender
        self._submit = submit
        self._producers: dict[int, _Producer] = {}
        # Guards which of them run, for threads that do not have the channel's lock.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._producers)

    def add(self, number: int, items: Items) -> None:
        """Take up an iterator whose items the server will ask for."""
        self._producers[number] = _Producer(items)

    def credited(self, number: int) -> None:
        """The server wants more."""
        self._start(number)

    def closed(self, number: int) -> None:
        """The server wants no more."""
        producer = self._producers.get(number)
        if producer is not None:
            producer.closed = True
            self._start(number)

    def close_all(self) -> None:
        """The connection has ended."""
        for number in list(self._producers):
            self.closed(number)

    def _start(self, number: int) -> None:
        producer = self._producers.get(number)
        if producer is None:
            return
        with self._lock:
            producer.again = True
            if producer.running:
                return
            producer.running = True
        self._submit(lambda: self._run(number, producer))

    def forget(self, number: int) -> None:
        """Forget an iterator that the server was not told of."""
        self._producers.pop(number, None)

    def _run(self, number: int, producer: _Producer) -> None:
        """Produce items while they are wanted; in a thread of its own."""
        sender = self._sender
        while True:
            producer.again = False
            ended = producer.closed or self._produce(number, producer)
            if ended:
                _close(producer.iterator)
                self._producers.pop(number, None)
                sender.finish_stream(number)
                sender.send_queued()
                return
            sender.send_queued()
            with self._lock:
                if not producer.again:
                    producer.running = False
                    return

    def _produce(self, number: int, producer: _Producer) -> bool:
        """Send what is wanted; whether the stream has ended."""
        sender = self._sender
        count = 0
        while not producer.closed and sender.can_produce(number):
            try:
                value = next(producer.iterator)
            except StopIteration as end:
                sender.finish_stream(number, end.value)
                return True
            except Exception as error:  # noqa: BLE001 - raised where it is consumed
                sender.finish_stream(number, error=error)
                return True
            try:
                if not sender.send_item(number, value):
                    return True
            except Exception as error:  # noqa: BLE001 - the item cannot be sent
                sender.finish_stream(number, error=error)
                return True
            count += 1
            if count % _PIECE == 0:
                sender.send_queued()
        return False


class _Driven(Iterator[Any]):
    """An asynchronous iterator, driven by an event loop of its own."""

    def __init__(self, items: AsyncIterator[Any]) -> None:
        self._items = items
        self._loop: asyncio.AbstractEventLoop | None = None

    def __next__(self) -> Any:
        if self._loop is None:
            self._loop = _new_event_loop()
        try:
            return self._loop.run_until_complete(_next_of(self._items))
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """End the iterator and its event loop."""
        loop, self._loop = self._loop, None
        close = getattr(self._items, "aclose", None)
        if loop is None:
            if close is None:
                return
            loop = _new_event_loop()
        try:
            if close is not None:
                loop.run_until_complete(close())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


def _new_event_loop() -> asyncio.AbstractEventLoop:
    import asyncio  # noqa: PLC0415 - most programs send no asynchronous iterators

    return asyncio.new_event_loop()


async def _next_of(items: AsyncIterator[Any]) -> Any:
    return await anext(items)


def _close(iterator: Iterator[Any]) -> None:
    """End an iterator that is not at its end, if it can be told."""
    close = getattr(iterator, "close", None)
    if close is None:
        return
    try:
        close()
    except Exception:  # noqa: BLE001 - logged
        log_exception(_logger, "closing an iterator that was sent failed")

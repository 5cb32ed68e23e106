"""Open item streams: iterators on the server whose items a client fetches.

An asynchronous iterator is one as well: its next item comes as a coroutine.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Final

from ..errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .client import ClientConnection

__all__ = ["ItemIterator", "OpenStream", "StreamExhausted", "StreamTable"]

ItemIterator = Iterator[Any] | AsyncIterator[Any]

_FETCHED: Final = "fetched"
_SENT: Final = "sent"


class StreamExhausted(Exception):  # noqa: N818 - what a StopIteration is elsewhere
    """A stream has ended, said by a coroutine, which cannot raise StopIteration."""


class OpenStream:
    """A stream whose items are fetched one by one, or sent ahead.

    Attributes:
        iterator: what gives the items.
        client: who has it; None if that one has gone.
        created: when it was opened.
        lost: when its client has gone.
        origin: object id and method of the call that returned it.
    """

    __slots__ = ("_way", "client", "created", "iterator", "lost", "origin")

    def __init__(
        self,
        iterator: ItemIterator,
        client: ClientConnection,
        created: float,
        origin: tuple[str, str],
    ) -> None:
        self.iterator: ItemIterator = iterator
        self.client: ClientConnection | None = client
        self.created: float = created
        self.lost: float = 0.0
        self.origin: tuple[str, str] = origin
        # In one step: a request may fetch an item just when another way is chosen.
        self._way: dict[str, str] = {}

    def goes(self, way: str) -> bool:
        """Whether its items go this way; whoever asks first decides."""
        return self._way.setdefault("", way) == way


class StreamTable:
    """Streams by id, with bounds on their number and their life.

    Args:
        clock: returns the time in seconds, as ``time.monotonic`` does.
        new_id: returns a new unguessable id of a stream.
        lifetime: how many seconds a stream may exist; 0 means no bound.
        linger: how many seconds a stream survives the loss of its connection.
        most_per_client: how many streams one connection may have open.
        run_later: has a coroutine run that cleans up an asynchronous iterator.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        *,
        lifetime: float = 0.0,
        linger: float = 30.0,
        most_per_client: int = 1000,
        run_later: Callable[[Coroutine[Any, Any, None]], object] | None = None,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self.lifetime = lifetime
        self.linger = linger
        self.most_per_client = most_per_client
        self._run_later = run_later
        self._streams: dict[str, OpenStream] = {}

    def open(
        self,
        client: ClientConnection,
        iterator: ItemIterator,
        origin: tuple[str, str] = ("", ""),
    ) -> str:
        """Keep an iterator for a client and return its id.

        If the client has gone already, nobody learns the id: the stream is ended.

        Args:
            client: who gets the items.
            iterator: what gives them.
            origin: object id and method of the call that returned it.

        Raises:
            PyroError: the client has too many streams open.
        """
        if len(client.streams) >= self.most_per_client:
            self._close(iterator)
            raise PyroError(
                "too many open streams on this connection "
                f"(max={self.most_per_client}); close some first"
            )
        stream_id = self._new_id()
        stream = OpenStream(iterator, client, self._clock(), origin)
        self._streams[stream_id] = stream
        client.streams.add(stream_id)
        # In this order: whoever says that it has gone looks for streams afterwards.
        if client.gone:
            self.close(stream_id)
        return stream_id

    def next_item(self, client: ClientConnection, stream_id: str) -> Any:
        """Return the next item of a stream, or a coroutine that gives it.

        A stream whose connection was lost goes on with the connection that asks.

        Raises:
            StopIteration: the stream has ended; any other exception is the
                iterator's own. Both remove the stream.
            PyroError: there is no such stream, or its items are sent ahead.
        """
        stream = self._streams.get(stream_id)
        if stream is None:
            raise PyroError("item stream terminated")
        if not stream.goes(_FETCHED):
            raise PyroError(
                "the items of this stream are sent ahead in chunks, so they cannot be "
                "fetched one by one as well"
            )
        if stream.client is None:
            stream.client = client
            client.streams.add(stream_id)
        iterator = stream.iterator
        if isinstance(iterator, AsyncIterator):
            return self._next_later(stream_id, iterator)
        try:
            return next(iterator)
        except BaseException:
            self._remove(stream_id)
            raise

    async def _next_later(self, stream_id: str, iterator: AsyncIterator[Any]) -> Any:
        try:
            return await anext(iterator)
        except StopAsyncIteration:
            self._remove(stream_id)
            raise StreamExhausted from None
        except BaseException:
            self._remove(stream_id)
            raise

    def take(self, stream_id: str) -> OpenStream:
        """Hand a stream over to one who sends its items unasked.

        From then on it counts no more here, and ends with its connection.

        Raises:
            PyroError: there is no such stream, or items of it were fetched already.
        """
        stream = self._streams.get(stream_id)
        if stream is None:
            raise PyroError("item stream terminated")
        if not stream.goes(_SENT):
            raise PyroError(
                "items of this stream were fetched one by one, so they cannot be sent "
                "ahead in chunks as well"
            )
        self._remove(stream_id)
        return stream

    def close(self, stream_id: str) -> None:
        """End a stream early; an unknown id is ignored."""
        stream = self._remove(stream_id)
        if stream is not None:
            self._close(stream.iterator)

    def client_gone(self, client: ClientConnection) -> None:
        """Keep the streams of a lost connection for a while, or end them.

        What is opened for the client from now on is ended at once.
        """
        client.gone = True
        if not client.stream_count:
            return
        now = self._clock()
        for stream_id in list(client.streams):
            stream = self._streams.get(stream_id)
            # One by one: a call that is still running may open another meanwhile.
            client.streams.discard(stream_id)
            if stream is not None and self.linger > 0:
                stream.client = None
                stream.lost = now
            else:
                self.close(stream_id)

    @property
    def oldest(self) -> float:
        """When the oldest streams may have been opened, if their life is bounded."""
        return self._clock() - self.lifetime

    def expire(self) -> None:
        """End the streams that are too old, or lost for too long."""
        now = self._clock()
        for stream_id, stream in list(self._streams.items()):
            too_old = self.lifetime > 0 and now - stream.created > self.lifetime
            if too_old or (stream.client is None and now - stream.lost > self.linger):
                self.close(stream_id)

    def clear(self) -> None:
        """End all streams."""
        for stream_id in list(self._streams):
            self.close(stream_id)

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, stream_id: object) -> bool:
        return stream_id in self._streams

    def _remove(self, stream_id: str) -> OpenStream | None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None and stream.client is not None:
            stream.client.streams.discard(stream_id)
        return stream

    def _close(self, iterator: ItemIterator) -> None:
        """Run a generator's clean-up now rather than at garbage collection."""
        close = getattr(iterator, "close", None)
        if close is not None:
            # A generator that is running in another thread, or that fails while it
            # cleans up, must not disturb the one who closes it.
            with contextlib.suppress(Exception):
                close()
            return
        close_later = getattr(iterator, "aclose", None)
        if close_later is not None and self._run_later is not None:
            self._run_later(_closed(close_later))


async def _closed(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(Exception):
        await close()

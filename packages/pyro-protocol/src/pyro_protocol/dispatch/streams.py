"""Open item streams: iterators on the server whose items a client fetches."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ..errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .client import ClientConnection

__all__ = ["StreamTable"]


class _Stream:
    __slots__ = ("client", "created", "iterator", "lost")

    def __init__(
        self, iterator: Iterator[Any], client: ClientConnection, created: float
    ) -> None:
        self.iterator = iterator
        self.client: ClientConnection | None = client
        self.created = created
        self.lost = 0.0


class StreamTable:
    """Streams by id, with bounds on their number and their life.

    Args:
        clock: returns the time in seconds, as ``time.monotonic`` does.
        new_id: returns a new unguessable id of a stream.
        lifetime: how many seconds a stream may exist; 0 means no bound.
        linger: how many seconds a stream survives the loss of its connection.
        most_per_client: how many streams one connection may have open.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        *,
        lifetime: float = 0.0,
        linger: float = 30.0,
        most_per_client: int = 1000,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self.lifetime = lifetime
        self.linger = linger
        self.most_per_client = most_per_client
        self._streams: dict[str, _Stream] = {}

    def open(self, client: ClientConnection, iterator: Iterator[Any]) -> str:
        """Keep an iterator for a client and return its id.

        Raises:
            PyroError: the client has too many streams open.
        """
        if len(client.streams) >= self.most_per_client:
            _close(iterator)
            raise PyroError(
                "too many open streams on this connection "
                f"(max={self.most_per_client}); close some first"
            )
        stream_id = self._new_id()
        self._streams[stream_id] = _Stream(iterator, client, self._clock())
        client.streams.add(stream_id)
        return stream_id

    def next_item(self, client: ClientConnection, stream_id: str) -> Any:
        """Return the next item of a stream.

        A stream whose connection was lost goes on with the connection that asks.

        Raises:
            StopIteration: the stream has ended; any other exception is the
                iterator's own. Both remove the stream.
            PyroError: there is no such stream.
        """
        stream = self._streams.get(stream_id)
        if stream is None:
            raise PyroError("item stream terminated")
        if stream.client is None:
            stream.client = client
            client.streams.add(stream_id)
        try:
            return next(stream.iterator)
        except BaseException:
            self._remove(stream_id)
            raise

    def take(self, stream_id: str) -> Iterator[Any] | None:
        """Hand a stream over to one who sends its items unasked; None if unknown.

        From then on it counts no more here, and ends with its connection.
        """
        stream = self._remove(stream_id)
        return None if stream is None else stream.iterator

    def close(self, stream_id: str) -> None:
        """End a stream early; an unknown id is ignored."""
        stream = self._remove(stream_id)
        if stream is not None:
            _close(stream.iterator)

    def client_gone(self, client: ClientConnection) -> None:
        """Keep the streams of a lost connection for a while, or end them."""
        now = self._clock()
        for stream_id in list(client.streams):
            stream = self._streams.get(stream_id)
            if stream is not None and self.linger > 0:
                stream.client = None
                stream.lost = now
            else:
                self.close(stream_id)
        client.streams.clear()

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

    def _remove(self, stream_id: str) -> _Stream | None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None and stream.client is not None:
            stream.client.streams.discard(stream_id)
        return stream


def _close(iterator: Iterator[Any]) -> None:
    """Run a generator's clean-up now rather than at garbage collection."""
    close = getattr(iterator, "close", None)
    if close is not None:
        # A generator that is running in another thread, or that fails while it
        # cleans up, must not disturb the one who closes it.
        with contextlib.suppress(Exception):
            close()

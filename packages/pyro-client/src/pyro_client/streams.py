"""Streams: iterators over the items that a remote generator produces."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.errors import ConnectionClosedError, PyroError
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.native import read_together
from pyro_protocol.session.consuming import read_end
from pyro_protocol.wire import FLAG_ONEWAY

from .sharing.received import size_of

if TYPE_CHECKING:
    from pyro_protocol.wire import Payload

    from .binding import Binding
    from .sharing import ReceivedStream, SharedChannel

__all__ = ["ChunkedStream", "StreamIterator"]

_DAEMON_NAME: Final = "Pyro.Daemon"
_NATIVE_ID: Final = serializers["native"].id
# Of less items, each is read when it is asked for.
_MANY: Final = 8


class StreamIterator(Iterator[Any]):
    """Fetches the items of a remote iterator, one call for each.

    Closing it, or dropping it, ends the remote iterator. It can be used as a
    context manager, and threads may share it. After a loss of the connection it
    goes on once the proxy has connected again, if the server still keeps the stream.
    """

    __slots__ = ("_binding", "_lock", "_process", "_stream_id")

    def __init__(self, binding: Binding, stream_id: str) -> None:
        self._binding: Binding | None = binding
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._stream_id = stream_id

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        # Threads that share the stream take turns, so that all of them see its end.
        with self._lock:
            binding = self._binding
            if binding is None:
                raise StopIteration
            if not binding.connected:
                raise ConnectionClosedError(
                    "the proxy that the stream belongs to is not connected"
                )
            try:
                return binding.invoke(
                    "get_next_stream_item", (self._stream_id,), {}, 0, _DAEMON_NAME
                )
            except StopIteration:
                self._binding = None
                raise
            except Exception as error:
                # The server ends a stream at its first exception. What was raised
                # here, for a lost connection or an item that cannot be decoded,
                # does not.
                if hasattr(error, "_pyroTraceback"):
                    self._binding = None
                raise

    def close(self) -> None:
        """End the remote iterator; harmless if it has ended already."""
        binding, self._binding = self._binding, None
        # In a forked child it is a copy; the stream is the parent's.
        own = self._process == os.getpid()
        if own and binding is not None and binding.connected:
            with contextlib.suppress(PyroError):
                binding.invoke(
                    "close_stream", (self._stream_id,), {}, FLAG_ONEWAY, _DAEMON_NAME
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        binding = getattr(self, "_binding", None)
        if binding is not None and self._process == os.getpid():
            with contextlib.suppress(Exception):
                binding.abandon_stream(self._stream_id)


class ChunkedStream(Iterator[Any]):
    """The items of a remote iterator, which the server sends ahead.

    Closing it, or dropping it, ends the remote iterator. It can be used as a
    context manager, and threads may share it. It ends with its connection.

    Attributes:
        result: what the remote generator has returned; None before its end, and for
            other iterators.
    """

    __slots__ = (
        "_binding",
        "_channel",
        "_items",
        "_loads",
        "_lock",
        "_process",
        "_stream",
        "_taken",
        "_values",
        "result",
    )

    def __init__(
        self, binding: Binding, channel: SharedChannel, stream: ReceivedStream
    ) -> None:
        # The connection stays open as long as the binding is there.
        self._binding = binding
        self._channel: SharedChannel = channel
        self._lock = threading.Lock()
        self._process = os.getpid()
        # What was taken from what has arrived, and how much credit that has needed.
        self._items: deque[Payload] = deque()
        # What comes before those, and was read already.
        self._values: deque[Any] = deque()
        self._taken: tuple[int, int] | tuple[()] = ()
        self._loads = stream.serializer.loads
        self.result: Any = None
        # The last, as its end is told of when there is one.
        self._stream: ReceivedStream | None = stream

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._values:
            # In one step, without the lock: another thread may take the last.
            try:
                return self._values.popleft()
            except IndexError:
                pass
        return self._next()

    def _next(self) -> Any:
        # Threads that share the stream take turns, so that all of them see its end.
        with self._lock:
            # Not a loop here: an interruption of it could leave the lock taken, see
            # `sharing.writing`.
            known, item = self._take()
            loads = self._loads
        return item if known else loads(item)

    def _take(self) -> tuple[bool, Any]:
        """Take the next item, and whether it was read already; the lock is held."""
        while not self._items:
            if not self._values:
                self._fill()
                continue
            with contextlib.suppress(IndexError):
                return True, self._values.popleft()
        try:
            return False, self._items.popleft()
        except IndexError:
            # Another thread has closed it meanwhile.
            raise StopIteration from None

    def _fill(self) -> None:
        """Take the next items, when there are some.

        Raises:
            StopIteration: there are none.
            Exception: what the remote generator has raised.
        """
        stream = self._stream
        if stream is None:
            raise StopIteration
        if self._process != os.getpid():
            raise ConnectionClosedError(
                "the stream belongs to the parent process, which goes on with it"
            )
        if self._taken:
            self._channel.consumed(stream, *self._taken)
            self._taken = ()
        try:
            items = self._channel.wait_for_items(stream)
        except ConnectionClosedError:
            self._stream = None
            raise
        if not items:
            self._stream = None
            if stream.end is None:
                raise StopIteration
            self.result = read_end(stream.end, stream.serializer)
            raise StopIteration(self.result)
        if stream.request is None:
            # Otherwise no more is granted until the next item is asked for.
            self._taken = size_of(items), len(items)
            if stream.serializer.id == _NATIVE_ID and len(items) >= _MANY:
                values = read_together(items)
                if values:
                    self._values += values
                    return
        self._items = items

    def close(self) -> None:
        """End the remote iterator; harmless if it has ended already."""
        # Without the lock, which a thread has that waits for an item.
        stream, self._stream = self._stream, None
        self._items = deque()
        self._values.clear()
        # In a forked child it is a copy; the stream is the parent's.
        if stream is not None and self._process == os.getpid():
            self._channel.close_stream(stream.number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        stream = getattr(self, "_stream", None)
        if stream is not None and self._process == os.getpid():
            with contextlib.suppress(Exception):
                self._channel.abandon_stream(stream.number)

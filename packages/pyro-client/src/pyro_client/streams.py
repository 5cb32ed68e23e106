"""Streams: iterators over the items that a remote generator produces."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.errors import ConnectionClosedError, PyroError
from pyro_protocol.wire import FLAG_ONEWAY

if TYPE_CHECKING:
    from .binding import Binding

__all__ = ["StreamIterator"]

_DAEMON_NAME: Final = "Pyro.Daemon"


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

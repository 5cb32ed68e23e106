"""Streams: iterators over the items that a remote generator produces."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import ConnectionClosedError, PyroError
from pyro_protocol.wire import FLAG_ONEWAY

if TYPE_CHECKING:
    from pyro_protocol.transport import BlockingChannel

    from .binding import Binding

__all__ = ["StreamIterator"]

_DAEMON_NAME: Final = "Pyro.Daemon"


class StreamIterator(Iterator[Any]):
    """Fetches the items of a remote iterator, one call for each.

    Closing it, or dropping it, ends the remote iterator. It can be used as a
    context manager. After a loss of the connection it goes on once the proxy has
    connected again, if the server still keeps the stream.
    """

    __slots__ = ("_binding", "_channel", "_stream_id")

    def __init__(
        self, binding: Binding, channel: BlockingChannel, stream_id: str
    ) -> None:
        self._binding: Binding | None = binding
        self._channel = channel
        self._stream_id = stream_id

    def __iter__(self) -> StreamIterator:
        return self

    def __next__(self) -> Any:
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
        except (StopIteration, GeneratorExit):
            self._binding = None
            raise
        except ConnectionClosedError:
            raise
        except Exception:
            # The server ends a stream at its first exception.
            if binding.connected:
                self._binding = None
            raise

    def close(self) -> None:
        """End the remote iterator; harmless if it has ended already."""
        binding, self._binding = self._binding, None
        if binding is not None and binding.connected:
            with contextlib.suppress(PyroError):
                binding.invoke(
                    "close_stream", (self._stream_id,), {}, FLAG_ONEWAY, _DAEMON_NAME
                )

    def __enter__(self) -> StreamIterator:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

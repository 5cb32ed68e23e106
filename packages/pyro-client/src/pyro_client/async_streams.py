"""Streams in an event loop: the items that a remote generator produces."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.errors import CommunicationError, ConnectionClosedError
from pyro_protocol.wire import FLAG_ONEWAY

if TYPE_CHECKING:
    from pyro_protocol.transport.asyncio_calls import ChunkedItems

    from .async_binding import AsyncBinding
    from .async_calls import RemoteCall
    from .async_channel import AsyncClientChannel, Received

__all__ = ["AsyncStreamIterator"]

Inside = tuple[
    "AsyncBinding | None",
    "AsyncClientChannel | None",
    "ChunkedItems | None",
    "str | None",
]

_DAEMON_NAME: Final = "Pyro.Daemon"


class AsyncStreamIterator(AsyncIterator[Any]):
    """The items of a remote iterator, or of an asynchronous one.

    From servers of our family they come by themselves, as many as
    ``config.STREAM_READ_AHEAD`` allows; from others each is asked for. Closing it, or
    dropping it, ends the remote iterator. Tasks may share it.
    """

    __slots__ = ("_binding", "_call", "_channel", "_items", "_local", "_stream_id")

    def __init__(self, call: RemoteCall | None = None) -> None:
        # The call that starts the stream, if it was not made yet.
        self._call = call
        self._binding: AsyncBinding | None = None
        self._channel: AsyncClientChannel | None = None
        self._items: ChunkedItems | None = None
        self._stream_id: str | None = None
        # What is gone through instead, if the call has not brought a stream.
        self._local: AsyncIterator[Any] | None = None

    @classmethod
    def of(
        cls, binding: AsyncBinding, channel: AsyncClientChannel, received: Received
    ) -> Self:
        """Return the stream that a call has started."""
        stream = cls()
        stream._take_over(binding, channel, received.items, received.stream_id)
        return stream

    @property
    def result(self) -> Any:
        """What the generator has returned.

        None before the end of the stream, and if the server does not tell, as those of
        Pyro5 do not.
        """
        return None if self._items is None else self._items.result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        items = self._items
        if items is not None:
            if items.arrived:
                return items.take()
            timeout = None if self._binding is None else self._binding.timeout
            try:
                return await items.next(timeout)
            except StopAsyncIteration:
                self._detach()
                raise
        if self._call is not None:
            call, self._call = self._call, None
            self._begin(await call)
            return await self.__anext__()
        if self._local is not None:
            return await anext(self._local)
        return await self._fetch()

    def _begin(self, result: Any) -> None:
        """Go through what the call has returned."""
        if isinstance(result, AsyncStreamIterator):
            self._take_over(*result.hand_over())
        elif isinstance(result, AsyncIterable):
            self._local = aiter(result)
        elif isinstance(result, Iterable):
            self._local = _each(result)
        else:
            raise TypeError(
                "the call has returned no stream, and nothing else that can be "
                f"iterated over, but {type(result).__name__}"
            )

    def hand_over(self) -> Inside:
        """Give what this stream consists of to another, which goes on with it."""
        inside = self._binding, self._channel, self._items, self._stream_id
        self._detach()
        self._items = None
        return inside

    def _take_over(
        self,
        binding: AsyncBinding | None,
        channel: AsyncClientChannel | None,
        items: ChunkedItems | None,
        stream_id: str | None,
    ) -> None:
        self._binding = binding
        self._channel = channel
        self._items = items
        self._stream_id = stream_id

    async def _fetch(self) -> Any:
        """Ask the server for the next item."""
        binding, stream_id = self._binding, self._stream_id
        if binding is None or stream_id is None:
            raise StopAsyncIteration
        if binding.current_channel is None:
            raise ConnectionClosedError(
                "the proxy that the stream belongs to is not connected"
            )
        try:
            return await binding.fetch_item(stream_id)
        except StopAsyncIteration:
            self._detach()
            raise
        except Exception as error:
            # The server ends a stream at its first exception. What was raised here,
            # for a lost connection or an item that cannot be decoded, does not.
            if hasattr(error, "_pyroTraceback"):
                self._detach()
            raise

    def _detach(self) -> None:
        """Hold on to nothing: there is nothing more to come."""
        self._binding = self._channel = self._stream_id = None

    async def aclose(self) -> None:
        """End the remote iterator; harmless if it has ended already."""
        if self._call is not None:
            self._call.close()
            self._call = None
        binding, stream_id = self._binding, self._stream_id
        self._detach()
        if self._items is not None:
            self._items.close()
        elif (
            binding is not None
            and stream_id is not None
            and binding.current_channel is not None
        ):
            with contextlib.suppress(CommunicationError):
                await binding.invoke(
                    "close_stream", (stream_id,), {}, FLAG_ONEWAY, _DAEMON_NAME
                )
        local = getattr(self._local, "aclose", None)
        if local is not None:
            await local()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        channel = getattr(self, "_channel", None)
        if channel is None or self._binding is None:
            return
        if self._items is not None:
            channel.drop_stream(self._items)
        elif self._stream_id is not None:
            channel.tell("close_stream", self._stream_id)


async def _each(items: Iterable[Any]) -> AsyncIterator[Any]:
    for one in items:
        yield one

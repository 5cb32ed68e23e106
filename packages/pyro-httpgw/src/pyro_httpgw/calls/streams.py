"""Streams of remote generators, as the gateway passes them on.

From daemons of our family the items come by themselves, but only some ahead of those
that were taken; from Pyro5's each is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol import DAEMON_NAME
from pyro_protocol.errors import CommunicationError
from pyro_protocol.session import read_reply
from pyro_protocol.wire import FLAG_ONEWAY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pyro_protocol.serializers import Serializer
    from pyro_protocol.transport.asyncio_calls import AsyncCallingChannel, ChunkedItems
    from pyro_protocol.wire import Frame

    from .pool import Lease

__all__ = ["READ_AHEAD", "ChunkedStream", "FetchedStream", "RemoteStream"]

READ_AHEAD: Final = 100
"""How many items a generator may be ahead of what was taken: so many that a fast one
does not wait for each to be asked for, and so few that little is in vain when the web
client goes away. ``STREAM_READ_AHEAD`` counts if it is less."""


class RemoteStream(AsyncIterator[Any]):
    """The items of a remote generator, for one task at a time.

    It has to be closed with `aclose`, also when it was not consumed. A wait for an item
    may be cancelled; the item is then what comes next.

    Iterating raises what the generator has raised, `CommunicationError` when the
    connection is lost, and `TimeoutError` when no item has come in time.
    """

    @property
    def ready(self) -> bool:
        """Whether the next item is there, so that nobody has to wait for it."""
        return False

    @property
    @abstractmethod
    def result(self) -> Any:
        """What the generator has returned.

        None before the end, and if the daemon does not tell, as Pyro5's do not.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """End the remote generator; harmless if it has ended already."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()


class ChunkedStream(RemoteStream):
    """A stream whose items come by themselves.

    Args:
        items: the items.
        lease: the connection, if nobody else may use it meanwhile.
        timeout: how many seconds an item may take; None means no bound.
    """

    def __init__(
        self, items: ChunkedItems, lease: Lease | None, timeout: float | None
    ) -> None:
        self._items = items
        self._lease = lease
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()

    @property
    def ready(self) -> bool:
        """See `RemoteStream`."""
        return bool(self._items.arrived)

    @property
    def result(self) -> Any:
        """See `RemoteStream`."""
        return self._items.result

    async def __anext__(self) -> Any:
        items = self._items
        if items.arrived:
            return items.take()
        return await items.next(self._timeout)

    async def aclose(self) -> None:
        """See `RemoteStream`."""
        if not self._items.ended:
            self._items.close()
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.end()

    def __del__(self) -> None:
        if not self._items.ended:
            # Whoever has it may be gone before there was a chance to close it.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._items.close)


class FetchedStream(RemoteStream):
    """A stream each of whose items is asked for.

    Args:
        channel: the connection over which it was started.
        stream_id: what it is called there.
        serializer: what it was started with.
        lease: the connection, if nobody else may use it meanwhile.
        timeout: how many seconds an item may take; None means no bound.
        close_elsewhere: ends the stream over another connection, if this one is of no
            use any more.
    """

    def __init__(
        self,
        channel: AsyncCallingChannel,
        stream_id: str,
        serializer: Serializer,
        lease: Lease | None,
        timeout: float | None,
        close_elsewhere: Callable[[], Awaitable[None]],
    ) -> None:
        self._channel = channel
        self._stream_id = stream_id
        self._serializer = serializer
        self._lease = lease
        self._timeout = timeout
        self._close_elsewhere = close_elsewhere
        self._question: asyncio.Task[Frame | None] | None = None
        self._ended = False

    @property
    def ready(self) -> bool:
        """See `RemoteStream`."""
        return self._question is not None and self._question.done()

    @property
    def result(self) -> Any:
        """See `RemoteStream`."""
        return None

    async def __anext__(self) -> Any:
        if self._ended:
            raise StopAsyncIteration
        if self._question is None:
            # A task, so that it goes on if this wait is cancelled.
            self._question = asyncio.get_running_loop().create_task(self._ask())
        frame = await asyncio.shield(self._question)
        self._question = None
        assert frame is not None  # noqa: S101 - only a oneway call has no answer
        known = {self._serializer.id: self._serializer}
        try:
            return read_reply(frame, self._serializer.id, known)
        except StopIteration:
            self._end()
            raise StopAsyncIteration from None
        except Exception as error:
            # The daemon ends a stream at its first exception. What was raised here, as
            # for an item that cannot be decoded, does not.
            if hasattr(error, "_pyroTraceback"):
                self._end()
            raise

    async def _ask(self) -> Frame | None:
        return await self._request("get_next_stream_item", 0)

    async def _request(self, method: str, flags: int) -> Frame | None:
        serializer = self._serializer
        payload = serializer.dumps_call(DAEMON_NAME, method, (self._stream_id,), {})
        try:
            return await self._channel.request(
                DAEMON_NAME, method, payload, flags, serializer, self._timeout
            )
        except CommunicationError:
            self._end(failed=True)
            raise

    def _end(self, *, failed: bool = False) -> None:
        self._ended = True
        lease, self._lease = self._lease, None
        if lease is None:
            return
        if failed:
            lease.drop()
        else:
            lease.end()

    async def aclose(self) -> None:
        """See `RemoteStream`."""
        question, self._question = self._question, None
        if question is not None:
            question.cancel()
            await asyncio.wait((question,))
            if question.cancelled() or question.exception() is not None:
                # Its answer may still come, so that the connection is of no use.
                self._end(failed=True)
                with contextlib.suppress(CommunicationError):
                    await self._close_elsewhere()
        if self._ended:
            return
        with contextlib.suppress(CommunicationError):
            await self._request("close_stream", FLAG_ONEWAY)
        if not self._ended:
            self._end()

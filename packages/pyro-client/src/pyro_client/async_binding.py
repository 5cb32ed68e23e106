"""The binding of an async proxy: what its members share, and how they call."""

from __future__ import annotations

import inspect
import time
from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import call_state
from pyro_protocol.errors import (
    CommunicationError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.references import SerializedBlob
from pyro_protocol.session.blobs import encode_blob
from pyro_protocol.transport.asyncio_calls import SMALLEST_REFERENCE
from pyro_protocol.transport.blocking_channel import incoming, name_call
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    NO_ANNOTATIONS,
)

from .async_channel import AsyncClientChannel, Received
from .async_connecting import AsyncConnections
from .async_repeating import facts_about, repeat, repeat_method
from .async_streams import AsyncStreamIterator
from .names import unknown_name
from .reconnecting import warn_of_lost_session
from .retries import after_lost_connections

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pyro_protocol.config import Configuration
    from pyro_protocol.uri import URI
    from pyro_protocol.wire import Frame

    from .async_calls import CallFuture
    from .leases import ReceivedLease
    from .retries import RetryPolicy

__all__ = ["AsyncBinding"]

_DAEMON_NAME: Final = "Pyro.Daemon"


class AsyncBinding(AsyncConnections):
    """What the members of a remote object call with.

    Members and streams hold on to the binding, not to the proxy.

    Attributes:
        retries: which failed calls are tried again; None for none.
        raw_response: whether calls return the answer as it was received.
        lease: what gives back the reference that the proxy was received as, if it is
            for a leased object.
    """

    def __init__(self, uri: URI, config: Configuration) -> None:
        super().__init__(uri, config)
        self.retries: RetryPolicy | None = None
        self._retry_policy: RetryPolicy | None = None
        self.max_retries = config.MAX_RETRIES
        self.raw_response: bool = False
        self.lease: ReceivedLease | None = None

    @property
    def max_retries(self) -> int:
        """How often a call is tried again after the connection was lost."""
        return self._max_retries

    @max_retries.setter
    def max_retries(self, number: int) -> None:
        self._max_retries = number
        self._choose_retries()

    @property
    def retry_policy(self) -> RetryPolicy | None:
        """Which failed calls are tried again, if not as ``max_retries`` says."""
        return self._retry_policy

    @retry_policy.setter
    def retry_policy(self, policy: RetryPolicy | None) -> None:
        self._retry_policy = policy
        self._choose_retries()

    def _choose_retries(self) -> None:
        policy = self._retry_policy
        if policy is None and self._max_retries > 0:
            policy = after_lost_connections(self._max_retries)
        self.retries = policy

    def call(
        self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Generator[Any, Any, Any]:
        """Call a remote method, again where the retry policy allows it.

        This is what ``__await__`` of a call returns.

        Raises:
            AttributeError: the object has no such method.
            CommunicationError: the connection failed.
            Exception: whatever the method raises.
        """
        channel = self.channels.get(get_running_loop())
        if (
            channel is None
            or not channel.usable
            or method not in self.methods
            or self.retries is not None
            or self.serializer_name is not None
            or self.raw_response
            or (args and type(args[0]) is SerializedBlob)
        ):
            return (yield from self._call(method, args, kwargs).__await__())
        flags = FLAG_ONEWAY if method in self.oneway else 0
        if not flags and self.timeout is None:
            waiting = channel.quick_call(method, args, kwargs)
            if waiting is not None:
                try:
                    frame = yield from waiting
                except BaseException:
                    channel.gave_up(waiting)
                    raise
                if frame.annotations or call_state.get() is not None:
                    incoming(frame.annotations)
                if (
                    not frame.flags
                    and len(frame.payload) < SMALLEST_REFERENCE
                    and frame.serializer_id == channel.serializer.id
                ):
                    return channel.serializer.loads(frame.payload)
                return self.result_of(channel, frame)
        result = yield from channel.invoke(
            channel.object_id, method, args, kwargs, flags, None, self.timeout
        )
        if type(result) is Received:
            return AsyncStreamIterator.of(self, channel, result)
        return result

    def call_soon(
        self,
        call: CallFuture,
        method: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> AsyncClientChannel | None:
        """Send a usual call with all others of this turn of the event loop.

        Returns:
            The connection, which gives the answer to the call; None if it is not sent
            so.
        """
        try:
            channel = self.channels.get(get_running_loop())
        except RuntimeError:
            return None
        if (
            channel is None
            or not channel.usable
            or method not in self.methods
            or method in self.oneway
            or self.timeout is not None
            or self.retries is not None
            or self.serializer_name is not None
            or self.raw_response
        ):
            return None
        payload = channel.small_payload(method, args, kwargs)
        if payload is None:
            return None
        if not channel.begun:
            channel.loop.call_soon(channel.send_begun)
        channel.begun.append((call, payload))
        return channel

    def result_of(self, channel: AsyncClientChannel, frame: Frame) -> Any:
        """Return what the answer to a call with the usual serializer gives.

        Raises:
            Exception: whatever the method raised.
        """
        result = channel.value_of(frame, channel.serializer)
        if type(result) is Received:
            return AsyncStreamIterator.of(self, channel, result)
        return result

    async def _call(
        self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call a method that may be unknown yet, or when something is unusual."""

        async def attempt() -> Any:
            begun = time.monotonic()
            try:
                await self.connect()
            except TimeoutError as error:
                name_call(error, self.object_id, method, args, begun)
                raise
            if method not in self.methods and "." not in method:
                raise self._unknown(method, "method")
            flags = FLAG_ONEWAY if method in self.oneway else 0
            return await self.invoke(method, args, kwargs, flags)

        if self.retries is None:
            return await attempt()
        return await repeat_method(self, self.retries, method, attempt)

    def _unknown(self, name: str, kind: str) -> AttributeError:
        return unknown_name(self.uri, self.methods | self.attributes, name, kind)

    async def read(self, name: str) -> Any:
        """Return the value of a remote attribute.

        Raises:
            AttributeError: there is no such attribute.
            TypeError: the name is that of a method.
        """
        await self.need_metadata()
        if name not in self.attributes:
            if name in self.methods:
                raise TypeError(
                    f"{name!r} of {self.uri} is a method; call it: "
                    f"await proxy.{name}(...)"
                )
            raise self._unknown(name, "attribute or method")
        return await self.access("__getattr__", (name,))

    async def write(self, name: str, value: Any) -> None:
        """Set a remote attribute.

        Raises:
            AttributeError: there is no such attribute.
        """
        await self.need_metadata()
        if name not in self.attributes:
            raise self._unknown(name, "attribute")
        await self.access("__setattr__", (name, value))

    async def access(self, method: str, args: tuple[Any, ...]) -> Any:
        """Read or write an attribute, again where the retry policy allows it."""

        async def attempt() -> Any:
            return await self.invoke(method, args, None)

        if self.retry_policy is None:
            return await attempt()
        return await repeat_method(self, self.retry_policy, method, attempt)

    async def _resume(
        self, lost: AsyncClientChannel, found: AsyncClientChannel
    ) -> None:
        lost_session = lost.left_behind or (
            # Others, such as Pyro5's servers, do not tell.
            bool(found.capabilities) and (await facts_about(self)).per_connection
        )
        hook = None if self.reconnected is None else self.reconnected()
        if hook is not None:
            told = hook(lost_session)
            if inspect.isawaitable(told):
                await told
        elif lost_session:
            warn_of_lost_session(self.uri)

    async def invoke(
        self,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int = 0,
        object_id: str | None = None,
    ) -> Any:
        """Send one request and return what its answer holds."""
        channel = self.current_channel or await self.connect()
        if object_id is None:
            object_id = channel.object_id
        serializer = channel.serializer
        if self.serializer_name is not None:
            serializer = channel.choose(self.serializer_name)
        if self.raw_response or (args and type(args[0]) is SerializedBlob):
            content: Any = args, kwargs
            annotations = NO_ANNOTATIONS
            if args and type(args[0]) is SerializedBlob:
                try:
                    if len(args) > 1 or kwargs:
                        raise SerializeError(
                            "a SerializedBlob must be the only argument of a call"
                        )
                    _id, content, annotations = encode_blob(
                        args[0], object_id, method, serializer
                    )
                except CommunicationError as error:
                    error.outcome = "not_sent"
                    raise
                serializer = channel.serializer_with(_id)
                flags |= FLAG_KEEPSERIALIZED
            frame = await channel.request(
                object_id, method, content, flags, serializer, self.timeout, annotations
            )
            if frame is None or self.raw_response:
                return frame
            result = channel.value_of(frame, serializer)
        else:
            result = await channel.invoke(
                object_id, method, args, kwargs, flags, serializer, self.timeout
            )
        if type(result) is Received:
            return AsyncStreamIterator.of(self, channel, result)
        return result

    async def fetch_item(self, stream_id: str) -> Any:
        """Return the next item of a stream that is asked for item by item.

        Raises:
            StopAsyncIteration: there is none.
        """
        channel = self.current_channel or await self.connect()
        serializer = channel.serializer
        if self.serializer_name is not None:
            serializer = channel.choose(self.serializer_name)
        content: Any = (stream_id,), {}
        frame = await channel.request(
            _DAEMON_NAME,
            "get_next_stream_item",
            content,
            0,
            serializer,
            self.timeout,
        )
        assert frame is not None  # noqa: S101 - it is not oneway
        try:
            return channel.value_of(frame, serializer)
        except StopIteration:
            raise StopAsyncIteration from None

    async def invoke_batch(self, calls: Sequence[Any], *, oneway: bool) -> Any:
        """Send several calls in one request and return the list of results."""
        flags = FLAG_BATCH | (FLAG_ONEWAY if oneway else 0)

        async def attempt() -> Any:
            return await self.invoke("<batch>", list(calls), None, flags)

        if self.retry_policy is None:
            return await attempt()
        return await repeat(self, self.retry_policy, attempt)

    def copy(self) -> AsyncBinding:
        """Return an unconnected binding with the same settings."""
        result = AsyncBinding(self.uri, self.config)
        result.methods |= self.methods
        result.attributes |= self.attributes
        result.oneway |= self.oneway
        result.handshake = self.handshake
        result.serializer_name = self.serializer_name
        result.max_retries = self.max_retries
        result.retry_policy = self.retry_policy
        result.raw_response = self.raw_response
        result.timeout = self.timeout
        result.lease = self.lease
        return result

    def with_timeout(self, seconds: float | None) -> AsyncBinding:
        """Return a view of the binding, with the same connections, for other times."""
        return _View(self, seconds)


class _View(AsyncBinding):
    """A binding that uses the connections of another, and waits for another time."""

    def __init__(self, whole: AsyncBinding, seconds: float | None) -> None:
        self.__dict__.update(whole.__dict__)
        self._whole = whole
        self.timeout = seconds or None
        self.names_changed = None

    def __del__(self) -> None:
        """Leave the connections to the binding that this is a view of."""

    async def connect(self, *, replace_uri: bool = False) -> AsyncClientChannel:
        """Have the connection made by the binding that this is a view of."""
        whole = self._whole
        channel = await whole.connect_within(self.timeout, replace_uri=replace_uri)
        self.uri = whole.uri
        self.object_id = whole.object_id
        return channel

"""The connection of an async proxy: calls, streams and callbacks in one event loop."""

from __future__ import annotations

import contextlib
import os
import time
import types
from typing import TYPE_CHECKING, Any, ClassVar

from pyro_protocol.errors import (
    CommunicationError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.session import (
    SUPPORTED_CAPABILITIES,
    StreamClosed,
    StreamCredited,
    StreamReference,
)
from pyro_protocol.transport.asyncio_calls import AsyncCallingChannel
from pyro_protocol.transport.blocking_channel import choose_serializer, name_call
from pyro_protocol.wire import FLAG_EXCEPTION, Annotations, Frame

from .async_callbacks import AsyncCallbacks
from .async_calls import Telling
from .async_producing import OutgoingStreams
from .async_received import references_are_async

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from pyro_protocol.config import Configuration
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.session import ClientSession
    from pyro_protocol.transport.asyncio_calls import ChunkedItems
    from pyro_protocol.uri import URI
    from pyro_protocol.wire import Payload

__all__ = ["AsyncClientChannel", "Received"]


class Received(StreamReference):
    """A stream that has been received, with what is needed to consume it.

    Attributes:
        items: the items that come by themselves; None if each is to be asked for.
    """

    items: ChunkedItems | None = None


class AsyncClientChannel(AsyncCallingChannel):
    """One connection to a server, with all that was agreed on.

    Attributes:
        lease_key: the name by which references that come over it call it.
        callbacks: what of this program may be called over it.
        telling: tells who waits for calls that are futures.
    """

    offered: ClassVar[frozenset[str]] = SUPPORTED_CAPABILITIES

    def __init__(self, uri: URI, session: ClientSession) -> None:
        super().__init__(uri, session)
        self.lease_key: str | None = None
        self.telling: Any = Telling(self.loop)
        self._process = os.getpid()
        self._produced = OutgoingStreams(self, session)
        self.callbacks: AsyncCallbacks = AsyncCallbacks(self, session, self._produced)
        self.loads: Callable[[Serializer, Payload], Any] = self.callbacks.loads
        # What finalizers want the server to be told: method and argument.
        self._abandoned: list[tuple[str, Any]] = []

    def begin(self, config: Configuration) -> None:
        """Begin as was agreed in the handshake."""
        if self.accepted is not None:
            self.lease_key = self.accepted.lease_key
        self.callbacks.begin(config)
        super().begin(config)

    @property
    def local_address(self) -> Any:
        """The address of this end of the connection."""
        transport = self._transport
        return None if transport is None else transport.get_extra_info("sockname")

    @property
    def family(self) -> int | None:
        """The address family of the connection; None if it has ended."""
        transport = self._transport
        sock = None if transport is None else transport.get_extra_info("socket")
        return None if sock is None else int(sock.family)

    def getpeercert(self) -> Any:
        """Return the server's TLS certificate as the ssl module gives it, or None."""
        transport = self._transport
        return None if transport is None else transport.get_extra_info("peercert")

    def choose(self, name: str) -> Serializer:
        """Return the serializer that a name stands for on this connection.

        Raises:
            ValueError: there is no serializer of that name.
            LocalProtocolError: native is demanded, and the server does not have it.
        """
        return self._session.limited(choose_serializer(name, native=self.native))

    def serializer_with(self, serializer_id: int) -> Serializer:
        """Return the serializer with an id."""
        found = self._session.serializers.get(serializer_id)
        return self.serializer if found is None else found

    @types.coroutine
    def invoke(
        self,
        object_id: str,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int = 0,
        serializer: Serializer | None = None,
        timeout: float | None = None,
    ) -> Generator[Any, Any, Any]:
        """Make a call and return its result.

        Args:
            object_id: the object.
            method: the name of the method.
            args: the positional arguments.
            kwargs: the keyword arguments; None for attributes and batches.
            flags: flags of the message, such as oneway.
            serializer: what to write the call with.
            timeout: how many seconds it may take; None means no bound.

        Returns:
            The result; None at once for a oneway call; `Received` for a stream.

        Raises:
            CommunicationError: the connection failed, or the time was used up.
            SerializeError: the arguments cannot be encoded; nothing was sent.
            Exception: whatever the method raised.
        """
        if serializer is None:
            serializer = self.serializer
        begun = time.monotonic()
        frame = yield from self.request(
            object_id, method, (args, kwargs), flags, serializer, timeout
        )
        if frame is None:
            return None
        try:
            return self.value_of(frame, serializer)
        except TimeoutError as error:
            # It is the server that has noticed first.
            name_call(error, object_id, method, args, begun)
            raise

    def _send(
        self,
        serializer: Serializer,
        object_id: str,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> int:
        return self.callbacks.send(
            serializer, object_id, method, args, kwargs,
            flags, annotations, correlation_id,
        )  # fmt: skip

    def value_of(self, frame: Frame, serializer: Serializer) -> Any:
        """Return what an answer holds, with references as async proxies.

        Raises:
            Exception: whatever the method raised.
        """
        if frame.flags & FLAG_EXCEPTION or frame.serializer_id != serializer.id:
            token = references_are_async.set(True)
            try:
                result = self.read(frame, serializer.id)
            finally:
                references_are_async.reset(token)
            return self._stream_of(frame, result)
        return self.loads(serializer, frame.payload)

    def _stream_of(self, frame: Frame, result: Any) -> Any:
        if type(result) is not StreamReference:
            return result
        stream = Received(result.stream_id)
        stream.items = self.items_of(frame)
        return stream

    def tell(self, method: str, argument: Any) -> None:
        """Have the daemon do something; from any thread, and without waiting.

        Finalizers may run at any moment, so that nothing is done here at once.
        """
        if self.closed or self._process != os.getpid():
            return
        self._abandoned.append((method, argument))
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._tell_abandoned)

    def give_back(self, object_id: str, number: int) -> None:
        """Give back a reference to a leased object, like `tell`."""
        self.tell("release", [(object_id, number)])

    def drop_stream(self, items: ChunkedItems) -> None:
        """End a stream soon; from any thread, and without waiting."""
        if self._process == os.getpid():
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(items.close)

    def drop(self) -> None:
        """End the connection soon; from any thread, and without waiting."""
        if self._process == os.getpid():
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.close)

    def _tell_abandoned(self) -> None:
        while self._abandoned:
            method, argument = self._abandoned.pop()
            with contextlib.suppress(CommunicationError):
                self._tell(method, argument)

    def called(self, frame: Frame) -> None:
        """Carry out what the server calls."""
        self.callbacks.called(frame)

    def signalled(self, signal: Any) -> None:
        """Act on what the server tells of callbacks, and of streams from here."""
        if isinstance(signal, StreamCredited | StreamClosed):
            self._produced.act_on(signal)
        else:
            self.callbacks.act_on(signal)

    def _fail(self, error: CommunicationError) -> None:
        if self.callbacks.offers_something:
            self.left_behind = True
        super()._fail(error)
        self._produced.abandon()
        self.callbacks.abandon()

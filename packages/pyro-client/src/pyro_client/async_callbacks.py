"""What an async client passes that stays with it: sent, called, and returned.

Functions of the program that the server calls run in the event loop: coroutine
functions as tasks, others at once, so that these should not take long.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import SerializeError
from pyro_protocol.references import connection_references
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.native_packing import ATOMS
from pyro_protocol.session import CallCancelled
from pyro_protocol.session.call_table import ServedCall
from pyro_protocol.session.capabilities import CALLBACKS, CHUNKS
from pyro_protocol.transport.asyncio_calls import SMALLEST_REFERENCE
from pyro_protocol.wire import FLAG_ONEWAY, Frame

from .async_received import references_are_async
from .offered import OfferedObjects
from .outgoing import OutgoingReferences
from .sharing.serving import CallbackHandler

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from pyro_protocol.config import Configuration
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.session import ClientSession, Signal
    from pyro_protocol.wire import Annotations, Payload

    from .async_channel import AsyncClientChannel
    from .async_producing import OutgoingStreams
    from .outgoing import Items

__all__ = ["AsyncCallbacks"]

_NATIVE_ID: Final = serializers["native"].id


class AsyncCallbacks:
    """The callbacks and streams of one connection, where values are sent and received.

    Args:
        channel: the connection.
        session: its conversation.
        streams: sends the streams that are arguments.
    """

    __slots__ = (
        "_channel",
        "_config",
        "_has_callbacks",
        "_has_references",
        "_has_streams",
        "_offered",
        "_oneway",
        "_server",
        "_session",
        "_streams",
        "_tasks",
    )

    def __init__(
        self,
        channel: AsyncClientChannel,
        session: ClientSession,
        streams: OutgoingStreams,
    ) -> None:
        self._channel = channel
        self._session = session
        self._streams = streams
        self._config: Configuration | None = None
        self._has_callbacks = self._has_streams = self._has_references = False
        self._offered: OfferedObjects | None = None
        self._server: CallbackHandler | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # The last of the oneway calls, which run one after the other.
        self._oneway: asyncio.Task[None] | None = None

    @property
    def offers_something(self) -> bool:
        """Whether the server has objects of this program that it may call."""
        return bool(self._offered)

    def begin(self, config: Configuration) -> None:
        """Begin as was agreed."""
        names = self._session.capabilities
        self._config = config
        self._has_callbacks = CALLBACKS in names
        self._has_streams = CHUNKS in names
        self._has_references = self._has_callbacks or self._has_streams

    def send(
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
        """Send a call, in whose arguments there may be callbacks and streams.

        Returns:
            Its sequence number.

        Raises:
            SerializeError: the arguments cannot be encoded.
            CommunicationError: the call cannot be sent.
        """
        if (
            self._has_references
            and serializer.id == _NATIVE_ID
            and not (ATOMS.issuperset(map(type, args)) and not kwargs)
        ):
            return self._send_with_references(
                serializer, object_id, method, args, kwargs,
                flags, annotations, correlation_id,
            )  # fmt: skip
        return self._session.send_call(
            serializer, object_id, method, args, kwargs,
            flags, annotations, correlation_id,
        )  # fmt: skip

    def _send_with_references(
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
        def open_stream(items: Items) -> int:
            if flags & FLAG_ONEWAY:
                raise SerializeError(
                    f"cannot send {type(items).__name__}: nobody would wait for the "
                    "items of a stream that is an argument of a oneway call; pass a "
                    "list"
                )
            return self._streams.open(items, serializer)

        references = OutgoingReferences(
            self._objects(),
            open_stream if self._has_streams else None,
            callbacks=self._has_callbacks,
        )
        token = connection_references.set(references)
        try:
            sequence = self._session.send_call(
                serializer, object_id, method, args, kwargs,
                flags, annotations, correlation_id,
            )  # fmt: skip
        except BaseException:
            for number in references.streams:
                self._streams.discard(number)
            references.take_back()
            raise
        finally:
            connection_references.reset(token)
        if references.streams:
            self._session.attach_streams(sequence, references.streams)
        return sequence

    def _objects(self) -> OfferedObjects:
        if self._offered is None:
            self._offered = OfferedObjects()
        return self._offered

    def loads(self, serializer: Serializer, payload: Payload) -> Any:
        """Return the value that a payload holds.

        References become async proxies, and objects that were sent are themselves
        again.

        Raises:
            SerializeError: it cannot be decoded.
        """
        if len(payload) < SMALLEST_REFERENCE:
            return serializer.loads(payload)
        is_async = references_are_async.set(True)
        own = None
        if self._offered is not None:
            references = OutgoingReferences(self._offered, None, callbacks=True)
            own = connection_references.set(references)
        try:
            return serializer.loads(payload)
        finally:
            references_are_async.reset(is_async)
            if own is not None:
                connection_references.reset(own)

    def called(self, frame: Frame) -> None:
        """Carry out what the server calls."""
        server = self._server
        if server is None:
            assert self._config is not None  # noqa: S101 - there is no call before that
            server = self._server = CallbackHandler(
                self._session,
                self._objects(),
                self._channel.uri.location,
                nullcontext(),
                self._config,
            )
        server.arrived((frame,))
        if frame.flags & FLAG_ONEWAY:
            self._oneway = self._run(self._in_turn(server, frame, self._oneway))
            return
        is_async = references_are_async.set(True)
        try:
            coroutine = server.handle(frame)
        finally:
            references_are_async.reset(is_async)
        self._channel.flush_soon()
        if coroutine is not None:
            self._start(server, frame, coroutine)

    def _start(
        self,
        server: CallbackHandler,
        frame: Frame,
        coroutine: Coroutine[Any, Any, None],
    ) -> None:
        """Run a coroutine of the program, which can be cancelled or run out of time."""
        task = self._run(self._answer(coroutine))
        call = None if server.calls is None else server.calls.find(frame)
        if server.calls is None or not isinstance(call, ServedCall):
            return
        server.calls.attach(call, partial(_cancel, task))
        if call.deadline is not None:
            timer = self._channel.loop.call_later(
                call.deadline.remaining(), server.calls.expiry(call)
            )
            task.add_done_callback(lambda _task: timer.cancel())

    async def _answer(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        finally:
            self._channel.flush_soon()

    async def _in_turn(
        self,
        server: CallbackHandler,
        frame: Frame,
        before: asyncio.Task[None] | None,
    ) -> None:
        """Carry out a oneway call after the one before it."""
        if before is not None:
            await asyncio.wait((before,))
        coroutine = server.handle(frame)
        if coroutine is not None:
            await coroutine

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._channel.loop.create_task(coroutine)
        # The event loop keeps only weak references to tasks.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def act_on(self, signal: Signal) -> None:
        """Act on what the server tells of its calls."""
        server = self._server
        if type(signal) is CallCancelled and server is not None and server.calls:
            server.calls.cancel(signal.sequence)
            self._channel.flush_soon()

    def abandon(self) -> None:
        """Forget all objects, and stop the callbacks: the connection has ended."""
        if self._server is not None:
            self._server.abandon()
        for task in list(self._tasks):
            task.cancel()
        if self._offered is not None:
            self._offered.clear()


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()

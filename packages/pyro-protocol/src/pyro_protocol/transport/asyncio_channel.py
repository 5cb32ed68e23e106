"""The asyncio channel: one connection to a server, shared by tasks."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Self, cast

from ..config import Configuration, config
from ..context import call_state
from ..errors import (
    CommunicationError,
    ConnectionClosedError,
    ProtocolError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ..session import (
    ClientSession,
    ConnectAccepted,
    ConnectRefused,
    SessionSettings,
    read_reply,
)
from ..session.capabilities import DEFAULT_CAPABILITIES
from ..session.client import ClientState
from ..wire import FLAG_ONEWAY, NO_ANNOTATIONS, Annotations, Frame, Payload
from .addresses import preferred_family, prepare_connected
from .asyncio_receiver import AsyncioReceiver
from .blocking_channel import (
    choose_serializer,
    connect_serializer,
    incoming,
    outgoing,
    rejected,
)
from .tls import client_tls_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..serializers import Serializer
    from ..uri import URI

__all__ = ["AsyncChannel"]

_BACKOFF_BYTES: Final = 1024 * 1024


class AsyncChannel(AsyncioReceiver):
    """One connection to a server, for use in one event loop.

    Tasks may make calls at the same time: their requests are sent at once and
    answered in the order of sending. Make one with `connect`.

    Attributes:
        uri: where it leads.
        accepted: what the server said in the handshake.
        serializer: what calls are written with unless they say otherwise.
    """

    def __init__(self, uri: URI, session: ClientSession) -> None:
        self.uri = uri
        self.accepted: ConnectAccepted | None = None
        self.serializer: Serializer = connect_serializer("auto")
        self._session = session
        self._transport: asyncio.Transport | None = None
        self._handshake: asyncio.Future[ConnectAccepted] | None = None
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = asyncio.Event()

    @classmethod
    async def connect(
        cls,
        uri: URI,
        *,
        handshake: object = "hello",
        serializer: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - of the connection, too
        capabilities: Iterable[str] = DEFAULT_CAPABILITIES,
        sequence: int = 0,
        config: Configuration = config,
        in_pyro4: bool = False,
    ) -> Self:
        """Connect to the server of a ``PYRO`` URI and shake hands.

        Args:
            uri: the object whose metadata is wanted, and its location.
            handshake: the value for the server's own check.
            serializer: the name of a serializer; None means ``config.SERIALIZER``.
            timeout: how many seconds connecting may take; None means no bound.
            capabilities: what to offer beyond Pyro5's protocol. This class can do
                with nothing but ``native``; a subclass may know what to do with more.
            sequence: the sequence number last used.
            config: the settings.
            in_pyro4: whether to speak Pyro4's protocol; see `BlockingChannel.connect`.

        Raises:
            CommunicationError: the server could not be reached, or refused.
        """
        name = serializer or config.SERIALIZER
        first = connect_serializer(name)
        session = ClientSession(
            SessionSettings.from_config(config),
            capabilities=capabilities,
            sequence=sequence,
        )
        channel = cls(uri, session)
        try:
            if in_pyro4:
                session.begin_in_pyro4()
            async with asyncio.timeout(timeout or None):
                await channel._open(first, handshake, config)
            chosen = choose_serializer(name, native=channel.native)
            channel.serializer = channel._session.limited(chosen)
        except CommunicationError as error:
            channel.close()
            if session.has_met_pyro4:
                return await cls.connect(
                    uri,
                    handshake=handshake,
                    serializer=serializer,
                    timeout=timeout,
                    sequence=sequence,
                    config=config,
                    in_pyro4=True,
                )
            error.outcome = "not_sent"
            raise
        except OSError as error:
            channel.close()
            # asyncio's own time-out is an OSError too.
            if isinstance(error, asyncio.TimeoutError):
                late = TimeoutError(f"connecting to {uri.location}: timeout")
                late.outcome = "not_sent"
                raise late from error
            failure = CommunicationError(f"cannot connect to {uri.location}: {error}")
            failure.outcome = "not_sent"
            raise failure from error
        except BaseException:
            channel.close()
            raise
        return channel

    async def _open(
        self, serializer: Serializer, handshake: object, config: Configuration
    ) -> None:
        self._handshake = asyncio.get_running_loop().create_future()
        try:
            await self._reach(config)
        except UnicodeError as error:
            raise OSError(f"there is no such place: {error}") from error
        if self._transport is not None:
            prepare_connected(self._transport.get_extra_info("socket"), config)
        annotations, correlation_id = outgoing()
        self._session.send_connect(
            serializer, self.uri.object_id, handshake, annotations, correlation_id
        )
        self._flush()
        self.accepted = await self._handshake
        incoming(self.accepted.annotations)

    async def _reach(self, config: Configuration) -> None:
        """Make the connection, as which this object is told of what happens."""
        loop = asyncio.get_running_loop()
        uri = self.uri
        context = client_tls_context(config)
        if uri.sockname is not None:
            await loop.create_unix_connection(
                lambda: self,
                uri.sockname,
                ssl=context,
                server_hostname="localhost" if context else None,
            )
            return
        if uri.host is None or uri.port is None:
            raise OSError(f"{uri} has no location; resolve it first")
        await loop.create_connection(
            lambda: self,
            uri.host,
            uri.port,
            ssl=context,
            family=preferred_family(config),
        )

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._session.state is ClientState.CLOSED

    @property
    def native(self) -> bool:
        """Whether the native serializer was agreed on."""
        return self._session.native

    async def call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        flags: int = 0,
        serializer: Serializer | None = None,
    ) -> Any:
        """Make a call and return its result; see `BlockingChannel.call`.

        A call whose task is cancelled is not awaited any longer; the server may
        still carry it out.
        """
        serializer = serializer or self.serializer
        payload: Payload
        if self._session.compresses:
            payload = serializer.dumps_call(object_id, method, args, kwargs)
        else:
            payload = serializer.encode_call(object_id, method, args, kwargs)
        frame = await self.exchange(serializer.id, payload, flags)
        return None if frame is None else self.read(frame, serializer.id)

    def read(self, frame: Frame, serializer_id: int) -> Any:
        """Return what an answer holds; see `BlockingChannel.read`."""
        try:
            return read_reply(frame, serializer_id, self._session.serializers)
        except Exception as error:
            if self._session.ends_connection(error):
                self.close()
            raise

    async def exchange(
        self,
        serializer_id: int,
        payload: Payload,
        flags: int = 0,
        extra_annotations: Annotations = NO_ANNOTATIONS,
    ) -> Frame | None:
        """Send a request that is serialized already and return its answer."""
        if not self.closed:
            await self._writable.wait()
        if self.closed:
            closed = ConnectionClosedError("the connection is closed")
            closed.outcome = "not_sent"
            raise closed
        annotations, correlation_id = outgoing()
        if extra_annotations:
            annotations = {**annotations, **extra_annotations}
        try:
            sequence = self._session.send_request(
                serializer_id, payload, flags, annotations, correlation_id
            )
        except CommunicationError as error:
            error.outcome = "not_sent"
            raise
        self._flush()
        if flags & FLAG_ONEWAY:
            return None
        waiting: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = waiting
        frame = await waiting
        if frame.annotations or call_state.get() is not None:
            incoming(frame.annotations)
        return frame

    def close(self) -> None:
        """End the connection without waiting for that; harmless if it has ended."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(ConnectionClosedError("the connection was closed here"))

    async def aclose(self) -> None:
        """End the connection and wait until it has ended."""
        if self._transport is not None and not self._ended.is_set():
            self._transport.close()
            self._fail(ConnectionClosedError("the connection was closed here"))
            await self._ended.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection; called by the event loop."""
        # Those of uvloop are not of that class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_BACKOFF_BYTES)

    def receiving_session(self) -> ClientSession:
        """Return the session; see `AsyncioReceiver`."""
        return self._session

    def buffer_updated(self, nbytes: int) -> None:
        """Take in bytes; called by the event loop."""
        try:
            super().buffer_updated(nbytes)
        except ProtocolError as error:
            self._break(error)

    def session_received(self) -> None:
        """Hand out what has arrived."""
        for event in self._session.events_received():
            if isinstance(event, Frame):
                waiting = self._waiting.pop(event.sequence, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(event)
            else:
                self.handshake_answered(event)

    def handshake_answered(self, event: ConnectAccepted | ConnectRefused) -> None:
        """Tell whoever makes the connection how the server has answered."""
        if self._handshake is None or self._handshake.done():
            return
        if isinstance(event, ConnectRefused):
            self._handshake.set_exception(rejected(self.uri, event))
        else:
            self._handshake.set_result(event)

    def eof_received(self) -> bool | None:
        """Take notice of the server's end; called by the event loop."""
        try:
            self._session.receive_eof()
        except ConnectionClosedError as error:
            self._fail(error)
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Take notice that the connection has ended; called by the event loop."""
        with contextlib.suppress(ConnectionClosedError):
            self._session.receive_eof()
        self._ended.set()
        self._writable.set()
        self._fail(
            ConnectionClosedError(f"connection to {self.uri.location} lost: {exc}")
        )

    def pause_writing(self) -> None:
        """Hold back further requests; called by the event loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let requests go again; called by the event loop."""
        self._writable.set()

    def _flush(self) -> None:
        if self._transport is not None:
            # Not writelines: in some versions of Python it forgets to pause the writer.
            for buffer in self._session.data_to_send():
                self._transport.write(buffer)

    def _break(self, error: ProtocolError) -> None:
        """Give up a connection whose peer breaks the protocol."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(error)

    def _fail(self, error: CommunicationError) -> None:
        """Tell everybody who waits that there will be no answer."""
        with contextlib.suppress(ConnectionClosedError):
            self._session.receive_eof()
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.done():
                one.set_exception(_again(error))
        if self._handshake is not None and not self._handshake.done():
            self._handshake.set_exception(error)
            # Nobody may be waiting for it any more, which is not an error.
            self._handshake.exception()


def _again(error: CommunicationError) -> CommunicationError:
    """Return an equal error: one exception raised in several tasks mixes traces."""
    return type(error)(*error.args)

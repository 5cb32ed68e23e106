"""Remote objects by name: what they offer, and one exchange with them."""

from __future__ import annotations

import contextlib
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pyro_protocol.errors import (
    CommunicationError,
    DaemonError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.session.replies import STREAM_ANNOTATION
from pyro_protocol.wire import FLAG_EXCEPTION, FLAG_ONEWAY, FLAG_STREAM

from ..errors import CallFailedError, RequestRefusedError
from .invocation import Invocation, Reply, serializer_for, written
from .offers import Members, Offer, Offers
from .pool import daemon_uri
from .streams import READ_AHEAD, ChunkedStream, FetchedStream, RemoteStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pyro_protocol import URI
    from pyro_protocol.contract.described import Description
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.transport.asyncio_calls import AsyncCallingChannel
    from pyro_protocol.wire import Frame

    from .names import NameCache
    from .pool import ChannelPool, Lease

__all__ = [
    "Invocation",
    "Members",
    "Offer",
    "Ready",
    "RemoteObjects",
    "RemoteStream",
    "Reply",
    "may_go_elsewhere",
]

# What daemons say of an object they do not have, in every format.
_UNKNOWN: Final = b"unknown object"

T = TypeVar("T")


class Ready(NamedTuple):
    """All that a call takes.

    Attributes:
        uri: the object.
        offer: what it offers.
        channel: a connection to its daemon, which is shared.
    """

    uri: URI
    offer: Offer
    channel: AsyncCallingChannel


class RemoteObjects:
    """The objects that the name server knows, for use in one event loop.

    Args:
        names: where they are.
        pool: the connections to them.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        names: NameCache,
        pool: ChannelPool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = names
        self._pool = pool
        self._offers = Offers(self._ask, clock)

    async def at(self, name: str, action: Callable[[URI], Awaitable[T]]) -> T:
        """Do something where the object of this name is.

        If that turns out to be the wrong place before anything has happened there,
        and the object is somewhere else by now, it is done there.

        Raises:
            CallFailedError: there is no object of this name.
            NamingError: there is no name server.
            CommunicationError: the object's daemon cannot be reached.
        """
        found = await self._names.lookup(name)
        try:
            return await action(found.uri)
        except (CommunicationError, CallFailedError) as error:
            if not found.remembered or not _nothing_happened(error):
                raise
            self._names.forget(name)
            now = await self._names.lookup(name)
            if now.uri == found.uri:
                raise
            return await action(now.uri)

    async def call(
        self, name: str, prepare: Callable[[Offer], Invocation]
    ) -> Reply | RemoteStream | None:
        """Have the object of this name do what is made of its offer.

        This is the short way of `at`, `offer` and `invoke` in a row: where all that it
        takes is known, nothing but the call itself is waited for.

        Args:
            name: the name.
            prepare: returns what to ask, given what the object offers; whatever it
                raises is raised here. It may be called again, for another object.

        Raises:
            RequestRefusedError: the arguments cannot be sent.
            CallFailedError: there is no such object.
            NamingError: there is no name server.
            CommunicationError: the daemon cannot be reached, or the connection is lost.
        """
        ready = self.ready(name)
        if ready is not None:
            uri, offer, channel = ready
            try:
                return await self._call_on(channel, uri, prepare(offer))
            except (CommunicationError, CallFailedError) as error:
                if not may_go_elsewhere(error):
                    raise
                self.forget(name)
        return await self.at(name, lambda uri: self._prepared(uri, prepare))

    def ready(self, name: str) -> Ready | None:
        """Return what is known of the object of this name, and where it can be called.

        That is None unless all of it is known, and calls can be made at once.
        """
        uri = self._names.known(name)
        offer = None if uri is None else self._offers.known(uri)
        if uri is None or offer is None or offer.per_connection:
            return None
        channel = self._pool.ready(uri)
        return None if channel is None else Ready(uri, offer, channel)

    def forget(self, name: str) -> None:
        """Look for the object of this name again the next time."""
        self._names.forget(name)

    async def _call_on(
        self, channel: AsyncCallingChannel, uri: URI, invocation: Invocation
    ) -> Reply | RemoteStream | None:
        """Make a call on a connection that is shared."""
        serializer = serializer_for(native=channel.native)
        frame = await _request(channel, uri, invocation, serializer)
        if frame is None:
            return None
        if not frame.flags & FLAG_EXCEPTION:
            return Reply(frame, serializer)
        return await self.concluded(channel, uri, invocation, frame)

    async def concluded(
        self,
        channel: AsyncCallingChannel,
        uri: URI,
        invocation: Invocation,
        frame: Frame,
    ) -> Reply | RemoteStream:
        """Return what a call on a shared connection has brought.

        Args:
            channel: the connection.
            uri: the object.
            invocation: what it was asked.
            frame: the answer.

        Raises:
            CallFailedError: the object is not there any more.
        """
        serializer = serializer_for(native=channel.native)
        result = self._result(channel, frame, serializer, invocation, None)
        await self._check(uri, result)
        return result

    async def _prepared(
        self, uri: URI, prepare: Callable[[Offer], Invocation]
    ) -> Reply | RemoteStream | None:
        return await self.invoke(uri, prepare(await self._offers.get(uri)))

    async def offer(self, uri: URI) -> Offer:
        """Return what an object offers.

        Raises:
            CallFailedError: the daemon does not have the object.
            CommunicationError: the daemon cannot be reached.
        """
        return await self._offers.get(uri)

    async def members(self, uri: URI) -> Members:
        """Return the names of what an object has; raises what `offer` does."""
        return (await self._offers.get(uri)).members

    async def describe(self, uri: URI) -> Description:
        """Return what is known of an object; raises what `offer` does.

        Where the daemon does not describe its objects it is made of the names.
        """
        return (await self._offers.get(uri)).description

    async def invoke(
        self, uri: URI, invocation: Invocation
    ) -> Reply | RemoteStream | None:
        """Have an object do something.

        If the task is cancelled, so is the call, where the daemon can do that.

        Returns:
            The answer; a stream that has to be closed; or None for a oneway call.

        Raises:
            RequestRefusedError: the arguments cannot be sent.
            CallFailedError: the daemon does not have the object any more.
            CommunicationError: the daemon cannot be reached, or the connection is lost.
            TimeoutError: the time of the invocation is used up.
        """
        offer = self._offers.known(uri)
        alone = offer is not None and offer.per_connection
        result = await self._converse(uri, invocation, alone=alone)
        await self._check(uri, result)
        return result

    async def _check(self, uri: URI, result: Reply | RemoteStream | None) -> None:
        """Make sure that an object is there, if an answer lets one doubt that.

        Raises:
            CallFailedError: it is not, so that the call was not made.
        """
        if isinstance(result, Reply) and _may_say_unknown(result):
            self._offers.forget(uri)
            # If that cannot be found out, the answer counts.
            with contextlib.suppress(CommunicationError):
                await self._offers.get(uri)

    async def _ask(
        self, uri: URI, question: Invocation, elsewhere: Invocation
    ) -> Reply:
        reply = await self._converse(daemon_uri(uri), question, elsewhere)
        assert isinstance(reply, Reply)  # noqa: S101 - it is neither oneway nor a stream
        return reply

    async def _converse(
        self,
        uri: URI,
        invocation: Invocation,
        elsewhere: Invocation | None = None,
        *,
        alone: bool = False,
    ) -> Reply | RemoteStream | None:
        """Make one call; over a new connection if one was lost before that.

        Args:
            uri: the object.
            invocation: what it is asked.
            elsewhere: what it is asked if its daemon is not of our family.
            alone: whether nobody else may use the connection, before or after.
        """
        while True:
            lease = await self._pool.acquire(uri, alone=alone)
            channel = lease.channel
            if elsewhere is not None and not channel.native:
                invocation = elsewhere
            serializer = serializer_for(native=channel.native)
            try:
                frame = await _request(channel, uri, invocation, serializer)
                if frame is not None:
                    return self._result(channel, frame, serializer, invocation, lease)
            except CommunicationError as error:
                # The daemon has closed a connection while nobody used it. Each turn
                # uses up one of those, so that this ends.
                lease.drop()
                lost = error.outcome == "not_sent" and not channel.usable
                if lease.reused and lost and not isinstance(error, TimeoutError):
                    continue
                raise
            except RequestRefusedError:
                lease.end()
                raise
            except BaseException:
                lease.drop()
                raise
            lease.end()
            return None

    def _result(
        self,
        channel: AsyncCallingChannel,
        frame: Frame,
        serializer: Serializer,
        invocation: Invocation,
        lease: Lease | None,
    ) -> Reply | RemoteStream:
        """Return what an answer is, and end the lease unless that is a stream."""
        if frame.flags & FLAG_STREAM and STREAM_ANNOTATION in frame.annotations:
            items = channel.items_of(frame, serializer, READ_AHEAD)
            if items is not None:
                return ChunkedStream(items, lease, invocation.timeout)
            stream_id = str(frame.annotations[STREAM_ANNOTATION], "ascii", "replace")
            return FetchedStream(
                channel,
                stream_id,
                serializer,
                lease,
                invocation.timeout,
                lambda: self._close_stream(channel.uri, stream_id),
            )
        if lease is not None:
            lease.end()
        return Reply(frame, serializer)

    async def _close_stream(self, daemon: URI, stream_id: str) -> None:
        closing = Invocation("close_stream", (stream_id,), {}, FLAG_ONEWAY)
        await self._converse(daemon, closing)


async def _request(
    channel: AsyncCallingChannel,
    uri: URI,
    invocation: Invocation,
    serializer: Serializer,
) -> Frame | None:
    """Make a call, and return its answer; None if it is oneway."""
    payload = written(serializer, uri.object_id, invocation)
    if not invocation.flags and invocation.timeout is None:
        waiting = channel.quick_request(payload)
        if waiting is not None:
            try:
                return await waiting
            except BaseException:
                channel.gave_up(waiting)
                raise
    return await channel.request(
        uri.object_id,
        invocation.method,
        payload,
        invocation.flags,
        serializer,
        invocation.timeout,
    )


def _may_say_unknown(reply: Reply) -> bool:
    failed = reply.frame.flags & FLAG_EXCEPTION
    return bool(failed) and _UNKNOWN in bytes(reply.frame.payload)


def may_go_elsewhere(error: Exception) -> bool:
    """Whether a call that has failed can be made where its object is by now."""
    return (
        isinstance(error, CommunicationError | CallFailedError)
        and _nothing_happened(error)
        and not isinstance(error, TimeoutError)
    )


def _nothing_happened(error: CommunicationError | CallFailedError) -> bool:
    if isinstance(error, CommunicationError):
        return error.outcome == "not_sent"
    return error.status == HTTPStatus.NOT_FOUND and isinstance(error.error, DaemonError)

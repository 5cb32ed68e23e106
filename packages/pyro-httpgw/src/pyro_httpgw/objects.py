"""Remote objects by name: what they have, and one exchange with them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from pyro_protocol.errors import (
    CommunicationError,
    DaemonError,
    ProtocolError,
    SerializeError,
)
from pyro_protocol.serializers import Serializer, serializers
from pyro_protocol.serializers.native import NativeSerializer
from pyro_protocol.wire import FLAG_EXCEPTION, FLAG_STREAM, Frame

from .errors import CallFailedError, RequestRefusedError
from .pool import daemon_uri

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pyro_protocol import URI
    from pyro_protocol.transport import AsyncChannel

    from .names import NameCache
    from .pool import ChannelPool

__all__ = ["Invocation", "Members", "RemoteObjects", "Reply"]

MEMBERS_SECONDS: Final = 2.0
"""How long it is believed what an object has: it changes only when an object is
replaced, and then a wrong belief shows as an error of the remote side."""

# As many objects as anybody looks at within that time; a bound on memory.
_MOST_MEMBERS: Final = 1000

_STREAM_ANNOTATION: Final = "STRM"
# What daemons say of an object they do not have, in every format.
_UNKNOWN: Final = b"unknown object"

_JSON: Final = serializers["json"]
# Web clients get objects as dictionaries, so that their classes need not be known.
_NATIVE: Final = NativeSerializer(unknown_as_dict=True)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Members:
    """What an object has.

    Attributes:
        methods: the names of its methods.
        oneway: the names of those whose callers do not wait.
        attributes: the names of its attributes.
    """

    methods: frozenset[str]
    oneway: frozenset[str]
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Invocation:
    """What an object is asked to do.

    Attributes:
        method: the name of the method.
        args: the positional arguments.
        kwargs: the keyword arguments; None for attributes.
        flags: flags of the message, such as oneway.
    """

    method: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] | None = None
    flags: int = 0


class Reply(NamedTuple):
    """The answer to an invocation, as it was received.

    Attributes:
        frame: the message.
        serializer: what the invocation was written with.
    """

    frame: Frame
    serializer: Serializer


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
        self._clock = clock
        self._members: dict[URI, tuple[float, Members]] = {}

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

    async def members(self, uri: URI) -> Members:
        """Return what an object has.

        Raises:
            CallFailedError: the daemon does not have the object.
            CommunicationError: the daemon cannot be reached.
        """
        now = self._clock()
        expires, members = self._members.get(uri, (now, None))
        if members is not None and expires > now:
            return members
        members = await self._ask_members(uri)
        if len(self._members) >= _MOST_MEMBERS:
            self._members.clear()
        self._members[uri] = self._clock() + MEMBERS_SECONDS, members
        return members

    async def invoke(self, uri: URI, invocation: Invocation) -> Reply | None:
        """Have an object do something; None stands for the answer to a oneway call.

        Raises:
            RequestRefusedError: the arguments cannot be sent.
            CallFailedError: the daemon does not have the object any more, or the
                answer is a stream, which is ended.
            CommunicationError: the daemon cannot be reached, or the connection is lost.
        """
        reply = await self._converse(uri, invocation)
        if reply is not None and _may_say_unknown(reply):
            # If it is the daemon that says so, the call was not made.
            self._members.pop(uri, None)
            await self.members(uri)
        return reply

    async def _converse(self, uri: URI, invocation: Invocation) -> Reply | None:
        daemon = daemon_uri(uri)
        while True:
            reused = False
            try:
                async with self._pool.lease(uri) as lease:
                    reused = lease.reused
                    reply = await _exchange(lease.channel, uri, invocation)
                    stream = None if reply is None else _stream_id(reply.frame)
                    if stream is not None:
                        await _exchange(lease.channel, daemon, _closing(stream))
            except CommunicationError as error:
                # The daemon has closed a connection while nobody used it. Each turn
                # uses up one of those, so that this ends.
                if reused and error.outcome == "not_sent":
                    continue
                raise
            if stream is not None:
                raise _stream_refused(invocation)
            return reply

    async def _ask_members(self, uri: URI) -> Members:
        ask = Invocation("get_metadata", (uri.object_id,), {})
        try:
            reply = await self._converse(daemon_uri(uri), ask)
        except CommunicationError as error:
            # It failed before the call itself, which has certainly not run.
            error.outcome = "not_sent"
            raise
        assert reply is not None  # noqa: S101 - only a oneway call has none
        value = reply.serializer.loads(reply.frame.payload)
        if isinstance(value, DaemonError):
            raise CallFailedError(
                HTTPStatus.NOT_FOUND,
                DaemonError(
                    f"object {uri.object_id!r} is not at {uri.location} any more"
                ),
            )
        if isinstance(value, Exception):
            raise CallFailedError(HTTPStatus.BAD_GATEWAY, value)
        try:
            return Members(
                methods=frozenset(value["methods"]),
                oneway=frozenset(value["oneway"]),
                attributes=frozenset(value["attrs"]),
            )
        except (KeyError, TypeError) as error:
            raise ProtocolError(
                f"{uri.location} does not describe {uri.object_id!r} as Pyro does"
            ) from error


async def _exchange(
    channel: AsyncChannel, uri: URI, invocation: Invocation
) -> Reply | None:
    # Without the native serializer it is json, whose results are passed on as they
    # are, so that they are what they would be with Pyro5's gateway.
    serializer = _NATIVE if channel.native else _JSON
    try:
        payload = serializer.dumps_call(
            uri.object_id, invocation.method, invocation.args, invocation.kwargs
        )
    except SerializeError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"400 Bad Request - an argument cannot be sent: {error}",
        ) from error
    frame = await channel.exchange(serializer.id, payload, invocation.flags)
    return None if frame is None else Reply(frame, serializer)


def _may_say_unknown(reply: Reply) -> bool:
    failed = reply.frame.flags & FLAG_EXCEPTION
    return bool(failed) and _UNKNOWN in bytes(reply.frame.payload)


def _stream_id(frame: Frame) -> str | None:
    if not frame.flags & FLAG_STREAM or _STREAM_ANNOTATION not in frame.annotations:
        return None
    return str(frame.annotations[_STREAM_ANNOTATION], "ascii", "replace")


def _closing(stream: str) -> Invocation:
    return Invocation("close_stream", (stream,), {})


def _stream_refused(invocation: Invocation) -> CallFailedError:
    return CallFailedError(
        HTTPStatus.NOT_IMPLEMENTED,
        ProtocolError(
            f"the result of {invocation.method!r} is a stream, which the HTTP gateway "
            "does not pass on; return a list, or use a Pyro client"
        ),
    )


def _nothing_happened(error: CommunicationError | CallFailedError) -> bool:
    if isinstance(error, CommunicationError):
        return error.outcome == "not_sent"
    return error.status == HTTPStatus.NOT_FOUND and isinstance(error.error, DaemonError)
